"""Sequences classified by a transformer encoder with sinusoidal positions and a padding mask."""

import math

import numpy as np
import torch
import torch.nn as nn
from torch.nn import TransformerEncoder, TransformerEncoderLayer
from torch.utils.data import DataLoader, TensorDataset, random_split


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.0, max_len=50):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return self.dropout(x + self.pe[:, : x.size(1)])


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 16, padding_idx=0)
        self.pos = PositionalEncoding(16)
        layer = TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.encoder = TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        mask = x == 0
        h = self.encoder(self.pos(self.embed(x) * math.sqrt(16)), src_key_padding_mask=mask)
        h = h.masked_fill(mask.unsqueeze(-1), 0.0).sum(1) / (~mask).sum(1, keepdim=True)
        return self.head(h)


rng = np.random.default_rng(0)
x = rng.integers(1, 10, (160, 8))
for row, n in zip(x, rng.integers(4, 9, 160)):
    row[n:] = 0
y = ((x == 3).sum(1) > (x == 7).sum(1)).astype(np.int64)
dataset = TensorDataset(torch.as_tensor(x), torch.as_tensor(y))
train_set, valid_set = random_split(dataset, [128, 32], generator=torch.Generator().manual_seed(42))
assert len(train_set) == 128 and len(valid_set) == 32
model = Classifier()
with torch.no_grad():
    for p in model.parameters():
        if p.dim() > 1:
            p.copy_(torch.tensor(rng.normal(0, 0.15, tuple(p.shape))))
    for name, p in model.named_parameters():
        if name.endswith("bias"):
            p.zero_()
criterion, optimizer = nn.CrossEntropyLoss(label_smoothing=0.05), torch.optim.AdamW(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, steps_per_epoch=5, epochs=3)
curve = []
for epoch in range(3):
    model.train()
    for xb, yb in DataLoader(dataset, batch_size=32):
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
        curve.append(loss.item())
model.eval()
with torch.inference_mode():
    accuracy = (model(dataset.tensors[0]).argmax(-1) == dataset.tensors[1]).float().mean().item()
RESULT = {"curve": curve, "accuracy": accuracy}
