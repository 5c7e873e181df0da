"""Rows B2 (layer and group norm), B3, B4, B7, B8 and the transformer part of B9: layers of sequences."""

from __future__ import annotations

import functools
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.measure import OURS, Row, Summary, agree

KEYS = ("B2", "B3", "B4", "B7", "B8", "B9")
SUMMARIES = [Summary("B3", 1.2, "LSTM"), Summary("B3", 1.8, "GRU"), Summary("B4", 1.5), Summary("B4", 1.5, "backward")]

RECURRENT = [(64, 32, 128, 128), (128, 32, 256, 256), (32, 1, 128, 128), (28, 64, 28, 128)]
ATTENTION = [(8, 8, 256, 64), (4, 8, 1024, 64), (1, 12, 2048, 64), (12, 4, 64, 32)]
NORMS = [("layer norm (4096,768)", (4096, 768)), ("layer norm (768,128)", (768, 128)),
         ("group norm (32,64,56,56) 8 groups", (32, 64, 56, 56))]  # fmt: skip
GPTS = [("4 layers, 4 heads, 128, block 64, batch 12", (4, 4, 128, 64, 12), 1.5),
        ("6 layers, 6 heads, 384, block 256, batch 4", (6, 6, 384, 256, 4), 1.1)]  # fmt: skip
VOCABULARY = 65


def library(name: str) -> Any:
    """The side's library, both with the same names."""
    if name == OURS:
        import corten

        return corten
    import torch

    return torch


def both(make: Callable[..., Callable[[], Any]], *args: Any) -> dict[str, Callable[[], Callable[[], Any]]]:
    """The two sides of a row that is written once."""
    return {name: functools.partial(make, name, *args) for name in (OURS, "torch")}


def arrays(seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Normal numbers, float32."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s, dtype=np.float32) for s in shapes]


def loaded(lib: Any, layer: Any, seed: int = 1, scale: float = 0.1) -> Any:
    """The layer with parameters that are the same on both sides."""
    with lib.no_grad():
        for p, value in zip(layer.parameters(), arrays(seed, *[tuple(p.shape) for p in layer.parameters()]), strict=True):
            p.copy_(lib.tensor(value * np.float32(scale) + np.float32(p.ndim == 1)))
    return layer


def forward(layer: Callable[..., Any], inputs: list[Any], lib: Any) -> Callable[[], Any]:
    """Time the output alone, as in evaluation."""

    def run() -> Any:
        with lib.no_grad():
            return layer(*inputs)

    return run


def training(layer: Callable[..., Any], inputs: list[Any], leaves: list[Any], g: Any) -> Callable[[], Any]:
    """Time the output and the gradients of all leaves."""

    def run() -> Any:
        for leaf in leaves:
            leaf.grad = None
        out = layer(*inputs)
        out.backward(g)
        return [out, *[leaf.grad for leaf in leaves]]

    return run


def layer_of(name: str, make: Callable[[Any], Any], shape: tuple[int, ...], out_shape: tuple[int, ...], backward: bool,
             call: Callable[..., Any] | None = None) -> Callable[[], Any]:  # fmt: skip
    """A layer of nn on random input."""
    lib = library(name)
    x, g = (lib.tensor(a) for a in arrays(0, shape, out_shape))
    layer = loaded(lib, make(lib.nn))
    run = call(layer) if call else layer
    if not backward:
        return forward(run, [x], lib)
    x.requires_grad_()
    return training(run, [x], [x, *layer.parameters()], g)


def first(layer: Any) -> Callable[..., Any]:
    """The output of a layer that returns its state too."""
    return lambda x: layer(x)[0]


def attention(name: str, shape: tuple[int, ...], backward: bool) -> Callable[[], Any]:
    """Causal attention."""
    lib = library(name)
    q, k, v, g = (lib.tensor(a) for a in arrays(0, *[shape] * 4))

    def attend(q: Any, k: Any, v: Any) -> Any:
        return lib.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    if not backward:
        return forward(attend, [q, k, v], lib)
    leaves = [t.requires_grad_() for t in (q, k, v)]
    return training(attend, leaves, leaves, g)


# ---- the character GPT


def peer_gpt(sizes: tuple[int, ...], dropout: float = 0.0) -> Any:
    """The model of corten.text.gpt in PyTorch, with the same names."""
    import torch
    from torch import nn
    from torch.nn import functional as F  # noqa: N812

    layers, heads, width, block, _ = sizes

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.drop = nn.Dropout(dropout)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            q, k, v = (y.view(b, t, heads, c // heads).transpose(1, 2) for y in self.c_attn(x).split(c, 2))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout if self.training else 0.0)
            return self.drop(self.c_proj(y.transpose(1, 2).reshape(b, t, c)))

    class Feed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.drop = nn.Dropout(dropout)

        def forward(self, x: Any) -> Any:
            return self.drop(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1, self.attn, self.ln_2, self.mlp = nn.LayerNorm(width), Attention(), nn.LayerNorm(width), Feed()

        def forward(self, x: Any) -> Any:
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = nn.ModuleDict({
                "wte": nn.Embedding(VOCABULARY, width), "wpe": nn.Embedding(block, width), "drop": nn.Dropout(dropout),
                "h": nn.ModuleList([Block() for _ in range(layers)]), "ln_f": nn.LayerNorm(width)})  # fmt: skip
            self.lm_head = nn.Linear(width, VOCABULARY, bias=False)
            self.lm_head.weight = self.transformer["wte"].weight

        def forward(self, idx: Any, targets: Any = None) -> Any:
            x = self.transformer["drop"](self.transformer["wte"](idx) + self.transformer["wpe"](torch.arange(idx.shape[1])))
            for b in self.transformer["h"]:
                x = b(x)
            logits = self.lm_head(self.transformer["ln_f"](x))
            loss = None if targets is None else F.cross_entropy(logits.view(-1, VOCABULARY), targets.view(-1))
            return logits, loss

    return Model()


def gpt(name: str, sizes: tuple[int, ...], dropout: float = 0.0) -> Any:
    """The model of a side."""
    if name != OURS:
        return peer_gpt(sizes, dropout)
    from corten.text.gpt import GPT, GPTConfig

    layers, heads, width, block, _ = sizes
    return GPT(GPTConfig(block, VOCABULARY, layers, heads, width, dropout))


def same_start(lib: Any, model: Any) -> Any:
    """Small weights that are the same on both sides."""
    with lib.no_grad():
        state = dict(model.named_parameters())
        for key, value in zip(sorted(state), arrays(2, *[tuple(state[k].shape) for k in sorted(state)]), strict=True):
            state[key].copy_(lib.tensor(value * np.float32(0.03) + np.float32(".ln_" in key and key.endswith("weight"))))
    return model


def gpt_step(name: str, sizes: tuple[int, ...]) -> Callable[[], Any]:
    """A training step: forward, backward, AdamW."""
    lib = library(name)
    model = same_start(lib, gpt(name, sizes))
    optimizer = lib.optim.AdamW(model.parameters(), 1e-3, **({} if name == OURS else {"fused": True}))
    rng = np.random.default_rng(0)
    x = lib.tensor(rng.integers(0, VOCABULARY, (sizes[4], sizes[3])))
    y = lib.tensor(rng.integers(0, VOCABULARY, (sizes[4], sizes[3])))

    def run() -> Any:
        loss = model(x, y)[1]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss

    return run


def generate(name: str, sizes: tuple[int, ...], tokens: int) -> Callable[[], Any]:
    """The most probable ``tokens`` after one; the peer passes over everything again for each."""
    lib = library(name)
    model = same_start(lib, gpt(name, sizes)).eval()
    start = lib.tensor(np.array([[7]]))

    def ours() -> Any:
        return model.generate(start, tokens, temperature=0)

    def theirs() -> Any:
        idx = start
        with lib.no_grad():
            for _ in range(tokens):
                idx = lib.cat([idx, model(idx)[0][:, -1].argmax(-1, keepdim=True)], 1)
        return idx

    return ours if name == OURS else theirs


def rows() -> Iterator[Row]:
    """All rows."""
    for label, shape in NORMS:
        for backward in (False, True):
            what = "forward+backward" if backward else "forward"
            n = float(np.prod(shape)) * 4 * (5 if backward else 2)
            make = (lambda nn, d=shape[-1]: nn.LayerNorm(d)) if "layer" in label else (lambda nn, c=shape[1]: nn.GroupNorm(8, c))
            yield Row("B2", f"{label}, {what}", both(layer_of, make, shape, shape, backward), 2.0, agree(1e-3, 1e-2), bytes=n)
    for kind, goal, gates in (("LSTM", 1.2, 4), ("GRU", 1.8, 3)):
        for t, b, i, h in RECURRENT:
            for backward in (False, True):
                what = "forward+backward" if backward else "forward"
                make = functools.partial(lambda nn, kind, i, h: getattr(nn, kind)(i, h), kind=kind, i=i, h=h)
                yield Row("B3", f"{kind} ({t},{b},{i},{h}), {what}",
                          both(layer_of, make, (t, b, i), (t, b, h), backward, first), 2.0 if b == 1 else goal,
                          agree(2e-3, 2e-3), flops=2.0 * t * b * gates * h * (i + h) * (3 if backward else 1))  # fmt: skip
    for shape in ATTENTION:
        for backward in (False, True):
            b, h, t, d = shape
            flops = 2.0 * b * h * t * t * d * (4.5 if backward else 1)  # half of two (and five) products
            what = "forward+backward" if backward else "forward"
            yield Row("B4", f"causal attention ({b},{h},{t},{d}), {what}", both(attention, shape, backward), 1.5,
                      agree(1e-3, 1e-4), flops=flops)  # fmt: skip
    for label, sizes, goal in GPTS:
        yield Row("B7", f"GPT step, {label}", both(gpt_step, sizes), goal, agree(1e-3, 1e-3), seconds=0.2)
    yield Row("B8", "generate 100 tokens, 4 layers, 4 heads, 128", both(generate, (4, 4, 128, 128, 1), 100), 10.0, agree(0, 0),
              note="block 128, so that 100 tokens fit")  # fmt: skip


def peak_memory(name: str, sizes: tuple[int, ...], steps: int) -> None:
    """Print the most memory, in MB, of a process that takes some training steps; and before the library was there."""
    run = gpt_step(name, sizes)
    for _ in range(steps):
        run()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def figures(keys: Any) -> Iterator[dict[str, Any]]:
    """B9: peak memory of the steps of B7."""
    if "B9" not in keys:
        return
    for label, sizes, _ in GPTS:
        found = {}
        for name in (OURS, "torch"):
            code = f"from benches.layer_seq_rows import peak_memory; peak_memory({name!r}, {sizes!r}, 5)"
            found[name] = float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        share = found[OURS] / found["torch"]
        yield {"key": "B9", "name": f"peak memory of the GPT step, {label}", "goal": "<= 70 % of PyTorch's", "met": share <= 0.7,
               "value": f"{found[OURS]:.0f} MB, {share:.0%} of {found['torch']:.0f} MB"}  # fmt: skip
