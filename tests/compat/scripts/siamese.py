"""A siamese network: pairs of one class near, others apart; and triplets."""

import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    def __init__(self, n):
        rng = np.random.default_rng(0)
        self.labels = rng.integers(0, 3, n)
        self.points = (rng.normal(0, 0.4, (n, 6)) + np.eye(6)[self.labels] * 2).astype(np.float32)
        self.random = random.Random(0)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        j = (i * 7 + 3) % len(self)
        same = int(self.labels[i] == self.labels[j])
        return torch.from_numpy(self.points[i]), torch.from_numpy(self.points[j]), torch.tensor(same, dtype=torch.float32)


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.ReLU(inplace=True), nn.Linear(16, 4))

    def forward_once(self, x):
        return self.body(x)

    def forward(self, a, b):
        return self.forward_once(a), self.forward_once(b)


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, a, b, label):
        d = F.pairwise_distance(a, b, keepdim=True).squeeze(1)
        return torch.mean(label * torch.pow(d, 2) + (1 - label) * torch.pow(torch.clamp(self.margin - d, min=0.0), 2))


net = Siamese()
rng = np.random.default_rng(1)
net.load_state_dict({k: torch.tensor(rng.normal(0, 0.3, tuple(v.shape)), dtype=torch.float32) for k, v in net.state_dict().items()})
criterion, optimizer, curve = ContrastiveLoss(), torch.optim.Adam(net.parameters(), lr=5e-3), []
for epoch in range(4):
    for a, b, label in DataLoader(Pairs(96), shuffle=False, num_workers=0, batch_size=24):
        optimizer.zero_grad()
        loss = criterion(*net(a, b), label)
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
triplet = nn.TripletMarginLoss(margin=1.0)
data = Pairs(30)
points = torch.from_numpy(data.points)
labels = torch.from_numpy(data.labels)
dist = torch.cdist(net.body(points), net.body(points))
same = labels.unsqueeze(0) == labels.unsqueeze(1)
curve.append(triplet(points[:10], points[10:20], points[20:]).item())
with torch.no_grad():
    gap = (dist[~same].mean() - dist[same].mean()).item()
RESULT = {"curve": curve, "gap": gap > 0}
