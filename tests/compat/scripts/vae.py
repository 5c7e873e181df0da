"""A variational autoencoder of small pictures."""

import numpy as np
import torch
from torch import nn, optim
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(36, 24)
        self.fc21 = nn.Linear(24, 3)
        self.fc22 = nn.Linear(24, 3)
        self.fc3 = nn.Linear(3, 24)
        self.fc4 = nn.Linear(24, 36)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 36))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 36), reduction="sum")
    return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


torch.manual_seed(0)
rng = np.random.default_rng(0)
pictures = np.zeros((256, 1, 6, 6), "float32")
for i in range(256):
    pictures[i, 0, rng.integers(0, 6)] = 1
    pictures[i, 0, :, rng.integers(0, 6)] = 1
data = torch.from_numpy(pictures)
model = VAE()
optimizer = optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(25):
    model.train()
    train_loss = 0
    for batch in data.split(64):
        optimizer.zero_grad()
        recon, mu, logvar = model(batch)
        loss = loss_function(recon, batch, mu, logvar)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
with torch.no_grad():
    sample = model.decode(torch.randn(8, 3)).cpu().view(8, 1, 6, 6)
prior = torch.distributions.Normal(0.0, 1.0)
kl = torch.distributions.kl_divergence(torch.distributions.Normal(mu, (0.5 * logvar).exp()), prior).sum().item()
assert abs(kl - (-0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())).item()) < 1e-2 * abs(kl)
RESULT = {"reached": train_loss / len(data), "shape": list(sample.shape)}
