"""Transfer learning: a frozen body, a new head, and the best of all epochs kept."""

import copy
import os
import tempfile
import time

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.optim import lr_scheduler
from torchvision import transforms


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)))
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        return self.fc(torch.flatten(self.features(x), 1))


def train_model(model, criterion, optimizer, scheduler, dataloaders, num_epochs):
    since, curve = time.time(), []
    with tempfile.TemporaryDirectory() as folder:
        best_path = os.path.join(folder, "best.pt")
        torch.save(model.state_dict(), best_path)
        best_acc = 0.0
        for epoch in range(num_epochs):
            for phase in ["train", "val"]:
                model.train() if phase == "train" else model.eval()
                running_loss, running_corrects = 0.0, 0
                for inputs, labels in dataloaders[phase]:
                    optimizer.zero_grad()
                    with torch.set_grad_enabled(phase == "train"):
                        outputs = model(inputs)
                        _, preds = torch.max(outputs, 1)
                        loss = criterion(outputs, labels)
                        if phase == "train":
                            loss.backward()
                            optimizer.step()
                    running_loss += loss.item() * inputs.size(0)
                    running_corrects += torch.sum(preds == labels.data)
                if phase == "train":
                    scheduler.step()
                n = sum(len(y) for _, y in dataloaders[phase])
                curve.append(running_loss / n)
                epoch_acc = running_corrects.double() / n
                if phase == "val" and epoch_acc > best_acc:
                    best_acc = epoch_acc
                    torch.save(model.state_dict(), best_path)
        model.load_state_dict(torch.load(best_path, weights_only=True))
        checkpoint = os.path.join(folder, "checkpoint.pt")
        torch.save({"epoch": num_epochs, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
                    "loss": curve[-1]}, checkpoint)
        again = torch.load(checkpoint, map_location="cpu")
        optimizer.load_state_dict(again["optimizer_state_dict"])
        assert again["epoch"] == num_epochs
    print(f"Training complete in {time.time() - since:.0f}s, best {best_acc:.4f}")
    return model, curve, float(best_acc)


transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
rng = np.random.default_rng(0)
labels = rng.integers(0, 2, 64)
pictures = [transform(rng.integers(0, 100, (12, 12, 3)).astype(np.uint8) + (100 * c).astype(np.uint8)) for c in labels]
dataloaders = {"train": [(torch.stack(pictures[i : i + 16]), torch.tensor(labels[i : i + 16])) for i in (0, 16, 32)],
               "val": [(torch.stack(pictures[48:]), torch.tensor(labels[48:]))]}
model_conv = Body()
with torch.no_grad():
    for p in model_conv.parameters():
        if p.dim() > 1:
            p.copy_(torch.tensor(rng.normal(0, 0.2, tuple(p.shape))))
for param in model_conv.parameters():
    param.requires_grad = False
num_ftrs = model_conv.fc.in_features
model_conv.fc = nn.Linear(num_ftrs, 2)
with torch.no_grad():
    model_conv.fc.weight.copy_(torch.tensor(rng.normal(0, 0.2, (2, 8))))
    model_conv.fc.bias.zero_()
optimizer_conv = optim.SGD(model_conv.fc.parameters(), lr=0.05, momentum=0.9)
scheduler = lr_scheduler.StepLR(optimizer_conv, step_size=3, gamma=0.1)
frozen = copy.deepcopy(model_conv.features[0].weight)
model_conv, curve, best = train_model(model_conv, nn.CrossEntropyLoss(), optimizer_conv, scheduler, dataloaders, 4)
assert torch.equal(frozen, model_conv.features[0].weight)
RESULT = {"curve": curve, "best": best}
