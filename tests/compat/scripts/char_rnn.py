"""Names classified letter by letter, and letters predicted, by recurrent networks."""

import string
import unicodedata

import numpy as np
import torch
import torch.nn as nn

all_letters = string.ascii_letters + " .,;'"
n_letters = len(all_letters)


def unicode_to_ascii(s):
    return "".join(c for c in unicodedata.normalize("NFD", s) if unicodedata.category(c) != "Mn" and c in all_letters)


names = {"it": ["Rossi", "Bianchi", "Ferrari", "Esposito", "Romano"], "jp": ["Sato", "Suzuki", "Takahashi", "Tanaka", "Wata"],
         "cz": ["Novák", "Svoboda", "Dvořák", "Černý", "Procházka"]}
categories = list(names)


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][all_letters.find(letter)] = 1
    return tensor


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.i2o = nn.Linear(input_size + hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        return self.softmax(self.i2o(combined)), hidden

    def init_hidden(self):
        return torch.zeros(1, self.hidden_size)


def seeded(model, seed):
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.tensor(rng.normal(0, 0.1, tuple(p.shape))))
    return model


rnn = seeded(RNN(n_letters, 16, len(categories)), 0)
criterion = nn.NLLLoss()
curve = []
for epoch in range(4):
    for category, lines in names.items():
        for line in lines:
            target = torch.tensor([categories.index(category)], dtype=torch.long)
            hidden = rnn.init_hidden()
            rnn.zero_grad()
            letters = line_to_tensor(unicode_to_ascii(line))
            for i in range(letters.size()[0]):
                output, hidden = rnn(letters[i], hidden)
            loss = criterion(output, target)
            loss.backward()
            for p in rnn.parameters():
                p.data.add_(p.grad.data, alpha=-0.05)
            curve.append(loss.item())
top_n, top_i = output.topk(1)
guess = categories[top_i[0].item()]

text = "hello world. hello there. " * 8
vocab = sorted(set(text))
stoi = {c: i for i, c in enumerate(vocab)}
ids = torch.tensor([stoi[c] for c in text])


class CharGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(vocab), 12)
        self.gru = nn.GRU(12, 20, num_layers=2, batch_first=True)
        self.head = nn.Linear(20, len(vocab))

    def forward(self, x, h=None):
        out, h = self.gru(self.embed(x), h)
        return self.head(out), h


model = seeded(CharGRU(), 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
h = None
for step in range(20):
    i = (step * 24) % (len(ids) - 25)
    logits, h = model(ids[i : i + 24].unsqueeze(0), h)
    h = h.detach()
    loss = nn.CrossEntropyLoss()(logits.view(-1, len(vocab)), ids[i + 1 : i + 25])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    curve.append(loss.item())
with torch.no_grad():
    x, h, out = torch.tensor([[stoi["h"]]]), None, []
    for _ in range(5):
        logits, h = model(x, h)
        p = torch.softmax(logits[0, -1] / 0.8, dim=-1)
        x = torch.multinomial(p, 1).view(1, 1)
        out.append(vocab[x.item()])
RESULT = {"curve": curve, "guess": guess}
