"""Graph convolution with a dense matrix and with indices, and graph attention, on a small graph of two communities."""

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.modules.module import Module
from torch.nn.parameter import Parameter


class GraphConvolution(Module):
    def __init__(self, in_features, out_features, bias=True):
        super(GraphConvolution, self).__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(torch.FloatTensor(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.FloatTensor(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-stdv, stdv)
        if self.bias is not None:
            self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input, adj):
        output = torch.mm(adj, torch.mm(input, self.weight))
        return output if self.bias is None else output + self.bias

    def __repr__(self):
        return self.__class__.__name__ + " (" + str(self.in_features) + " -> " + str(self.out_features) + ")"


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass):
        super().__init__()
        self.gc1, self.gc2 = GraphConvolution(nfeat, nhid), GraphConvolution(nhid, nclass)

    def forward(self, x, adj):
        return F.log_softmax(self.gc2(F.relu(self.gc1(x, adj)), adj), dim=1)


class EdgeConv(nn.Module):
    """Messages along edges, added up where they arrive."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.lin = nn.Linear(n_in, n_out)

    def forward(self, x, edge_index):
        src, dst = edge_index
        messages = self.lin(x)[src]
        out = torch.zeros(x.size(0), messages.size(1)).index_add_(0, dst, messages)
        degree = torch.zeros(x.size(0)).scatter_add_(0, dst, torch.ones(dst.size(0))).clamp(min=1)
        return out / degree.unsqueeze(-1)


class GAT(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.W = nn.Parameter(torch.empty(size=(n_in, n_out)))
        self.a = nn.Parameter(torch.empty(size=(2 * n_out, 1)))
        nn.init.xavier_uniform_(self.W.data, gain=1.414)
        nn.init.xavier_uniform_(self.a.data, gain=1.414)
        self.leakyrelu = nn.LeakyReLU(0.2)

    def forward(self, h, adj):
        Wh = torch.mm(h, self.W)
        n = Wh.size(1)
        e = self.leakyrelu(torch.matmul(Wh, self.a[:n, :]) + torch.matmul(Wh, self.a[n:, :]).T)
        attention = torch.where(adj > 0, e, -9e15 * torch.ones_like(e))
        return F.log_softmax(torch.matmul(F.softmax(attention, dim=1), Wh), dim=1)


rng = np.random.default_rng(0)
labels = torch.LongTensor(np.repeat([0, 1], 10))
chance = np.where(np.equal.outer(np.repeat([0, 1], 10), np.repeat([0, 1], 10)), 0.5, 0.05)
a = np.triu(rng.random((20, 20)) < chance, 1)
a = (a | a.T | np.eye(20, dtype=bool)).astype("float32")
adj = torch.from_numpy(a / a.sum(1, keepdims=True))
edge_index = torch.nonzero(torch.from_numpy(a)).t()
features = torch.from_numpy(rng.normal(0, 1, (20, 6)).astype("float32"))
idx_train = torch.LongTensor([0, 1, 2, 10, 11, 12])
curve = []
for model, graph in ((GCN(6, 8, 2), adj), (EdgeConv(6, 2), edge_index), (GAT(6, 2), torch.from_numpy(a))):
    weights = np.random.default_rng(1)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.tensor(weights.normal(0, 0.4, tuple(p.shape))))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=5e-4)
    for epoch in range(15):
        model.train()
        optimizer.zero_grad()
        output = model(features, graph)
        loss = F.cross_entropy(output[idx_train], labels[idx_train])
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
preds = output.max(1)[1].type_as(labels)
correct = preds.eq(labels).double().sum()
RESULT = {"curve": curve, "correct": correct.item()}
