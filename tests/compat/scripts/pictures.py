"""Super-resolution with pixel shuffle, pieces of neural style, and a fast gradient sign attack."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.nn.init as init


class SuperResolution(nn.Module):
    def __init__(self, upscale_factor):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 8, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(8, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        return self.pixel_shuffle(self.conv2(self.relu(self.conv1(x))))

    def _initialize_weights(self):
        init.orthogonal_(self.conv1.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv2.weight)


def gram_matrix(input):
    a, b, c, d = input.size()
    features = input.view(a * b, c * d)
    return torch.mm(features, features.t()).div(a * b * c * d)


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, input):
        self.loss = F.mse_loss(input, self.target)
        return input


class StyleLoss(nn.Module):
    def __init__(self, target_feature):
        super().__init__()
        self.target = gram_matrix(target_feature).detach()

    def forward(self, input):
        self.loss = F.mse_loss(gram_matrix(input), self.target)
        return input


rng = np.random.default_rng(0)


def seeded(model):
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.tensor(rng.normal(0, 0.2, tuple(p.shape))))
    return model


large = torch.from_numpy(rng.normal(0, 1, (4, 1, 12, 12)).astype("float32")).cumsum(2).cumsum(3) / 10
small = F.interpolate(large, scale_factor=0.5, mode="bilinear", align_corners=False)
curve = []
model = seeded(SuperResolution(2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(10):
    loss = nn.MSELoss()(model(small), large)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    curve.append(loss.item())

content, style = (torch.from_numpy(rng.random((1, 3, 10, 10)).astype("float32")) for _ in range(2))
features = seeded(nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=False), nn.MaxPool2d(2)))
features.requires_grad_(False)
content_loss, style_loss = ContentLoss(features(content)), StyleLoss(features(style))
net = nn.Sequential()
for i, layer in enumerate(features.children()):
    net.add_module(f"layer_{i}", layer)
net.add_module("content", content_loss)
net.add_module("style", style_loss)
input_img = content.clone()
input_img.requires_grad_(True)
optimizer = torch.optim.LBFGS([input_img], max_iter=4)
for _ in range(2):

    def closure():
        with torch.no_grad():
            input_img.clamp_(0, 1)
        optimizer.zero_grad()
        net(input_img)
        loss = style_loss.loss * 1e4 + content_loss.loss
        loss.backward()
        curve.append(loss.item())
        return loss

    optimizer.step(closure)

classifier = seeded(nn.Sequential(nn.Flatten(), nn.Linear(300, 4)))
picture, target = style.clone(), torch.tensor([2])
picture.requires_grad = True
loss = F.cross_entropy(classifier(picture), target)
classifier.zero_grad()
loss.backward()
attacked = torch.clamp(picture + 0.1 * picture.grad.data.sign(), 0, 1)
curve += [loss.item(), F.cross_entropy(classifier(attacked), target).item()]
RESULT = {"curve": curve}
