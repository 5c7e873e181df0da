"""Rows B1 (convolution), B2 (pooling, batch norm), B5, B6 (LeNet and ResNet steps) and the convolutional part of B9."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benches.core_rows import OURS, TORCH, both, numbers, process
from benches.measure import Row, Summary, agree

KEYS = {"B1", "B2", "B5", "B6", "B9"}
SUMMARIES = [Summary("B1", 1.5, "forward,"), Summary("B1", 1.5, "forward+backward,")]

# input, outputs, kernel, stride, padding, groups
TABLE = [((32, 1, 28, 28), 6, 5, 1, 0, 1), ((32, 3, 32, 32), 16, 3, 1, 1, 1), ((32, 16, 32, 32), 16, 3, 1, 1, 1),
         ((32, 64, 56, 56), 64, 3, 1, 1, 1), ((32, 64, 56, 56), 64, 1, 1, 0, 1), ((16, 128, 28, 28), 128, 3, 1, 1, 1),
         ((16, 256, 14, 14), 256, 3, 1, 1, 1), ((8, 512, 7, 7), 512, 3, 1, 1, 1), ((8, 3, 224, 224), 64, 7, 2, 3, 1),
         ((16, 96, 56, 56), 96, 3, 1, 1, 96), ((1, 64, 56, 56), 64, 3, 1, 1, 1)]  # fmt: skip


def close(ours: Any, theirs: Any) -> None:
    """Equal to 2e-5 of the largest value: what float32 leaves of sums of a hundred thousand products."""
    if isinstance(ours, list):
        for a, b in zip(ours, theirs, strict=True):
            close(a, b)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())


def geometry(case: Any) -> tuple[tuple[int, ...], tuple[int, ...], float]:
    """Shapes of the weight and of the output, and the multiply-adds of the plain sum, in flops."""
    x, o, k, s, p, g = case
    weight = (o, x[1] // g, k, k)
    out = (x[0], o, *((n + 2 * p - k) // s + 1 for n in x[2:]))
    return weight, out, 2.0 * float(np.prod(out)) * float(np.prod(weight[1:]))


def convolution(lib: Any, case: Any, backward: bool) -> Callable[[], Any]:
    x_shape, _, _, stride, padding, groups = case
    weight_shape, out_shape, _ = geometry(case)
    x = lib.from_numpy(numbers(*x_shape))
    w = lib.from_numpy(numbers(*weight_shape, seed=1) / np.sqrt(np.prod(weight_shape[1:])).astype(np.float32))
    b = lib.from_numpy(numbers(weight_shape[0], seed=2))
    g = lib.from_numpy(numbers(*out_shape, seed=3))
    conv = lib.nn.functional.conv2d
    if not backward:

        def run() -> Any:
            with lib.no_grad():
                return conv(x, w, b, stride, padding, 1, groups)
    else:
        leaves = [t.requires_grad_() for t in (x, w, b)]

        def run() -> Any:
            for t in leaves:
                t.grad = None
            conv(x, w, b, stride, padding, 1, groups).backward(g)
            return [t.grad for t in leaves]

    return run


def layer(lib: Any, make: Callable[[Any], Any], shape: tuple[int, ...], backward: bool) -> Callable[[], Any]:
    """A layer in training, on one input."""
    net = make(lib)
    x = lib.from_numpy(numbers(*shape))
    if not backward:

        def run() -> Any:
            with lib.no_grad():
                return net(x)
    else:
        x.requires_grad_()
        g = lib.from_numpy(numbers(*net(x).shape, seed=3))

        def run() -> Any:
            x.grad = None
            net(x).backward(g)
            return x.grad

    return run


# ---- B5, B6: networks written once for either library


def lenet(lib: Any) -> Any:
    """LeNet-5 on 28 x 28."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))  # fmt: skip


def residual(lib: Any, stem: list[Any], widths: list[int], blocks: int, shortcut: str, classes: int) -> Any:
    """ResNet of basic blocks; ``shortcut`` is a projection or, as for CIFAR-10, a slice filled up with zeros."""
    nn, functional = lib.nn, lib.nn.functional

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU(inplace=True)
            self.more, self.down = outputs - inputs, None
            if shortcut == "projection" and (stride > 1 or self.more):
                self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            if self.down is not None:
                x = self.down(x)
            elif self.more:
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))
            return self.relu(y + x)

    body, inputs = [], widths[0]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            body.append(Block(inputs, width, 2 if stage and not block else 1))
            inputs = width
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def resnet20(lib: Any) -> Any:
    """ResNet-20 for 32 x 32 (He et al. 2015, section 4.2)."""
    nn = lib.nn
    return residual(lib, [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], [16, 32, 64], 3, "pad", 10)


def resnet18(lib: Any) -> Any:
    """ResNet-18 for 224 x 224."""
    nn = lib.nn
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return residual(lib, stem, [64, 128, 256, 512], 2, "projection", 1000)


def start(lib: Any, net: Any) -> None:
    """The same weights for either library, of the usual size."""
    with lib.no_grad():
        for i, p in enumerate(net.parameters()):
            shape = tuple(p.shape)
            scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
            p.copy_(lib.from_numpy(numbers(*shape, seed=i) * np.float32(scale) + np.float32(len(shape) == 1)))


def step(lib: Any, make: Callable[[Any], Any], batch: int, size: tuple[int, ...], classes: int, count: int) -> Callable[[], Any]:
    """Training steps with SGD and momentum; returns the losses."""
    net = make(lib)
    start(lib, net)
    x = lib.from_numpy(numbers(batch, *size, seed=100))
    y = lib.from_numpy(np.random.default_rng(101).integers(0, classes, batch))
    loss = lib.nn.CrossEntropyLoss()
    opt = lib.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)

    def run() -> Any:
        losses = []
        for _ in range(count):
            opt.zero_grad()
            value = loss(net(x), y)
            value.backward()
            opt.step()
            losses.append(value.detach())
        return losses

    return run


STEPS = {"LeNet-5 step, batch 64": ("B5", lenet, 64, (1, 28, 28), 10, 1.5, 10),
         "ResNet-20 step, (64, 3, 32, 32)": ("B6", resnet20, 64, (3, 32, 32), 10, 1.3, 1),
         "ResNet-18 step, (8, 3, 224, 224)": ("B6", resnet18, 8, (3, 224, 224), 1000, 1.0, 1)}  # fmt: skip


def rows() -> Iterator[Row]:
    """All rows."""
    for backward in (False, True):
        for case in TABLE:
            x, o, k, s, _, g = case
            _, _, flops = geometry(case)
            name = f"conv2d {'forward+backward' if backward else 'forward'}, {x} -> {o} k{k}" + (f" s{s}" if s > 1 else "")
            yield Row("B1", name + (" depthwise" if g > 1 else ""), both(convolution, case, backward), 0.9,
                      close, flops=flops * (3 if backward else 1),
                      note="share: of the plain sum's flops")  # fmt: skip
    shape = (32, 64, 56, 56)
    layers = {"max pool k3 s2 p1": lambda lib: lib.nn.MaxPool2d(3, 2, 1), "max pool k2": lambda lib: lib.nn.MaxPool2d(2),
              "avg pool k3 s2 p1": lambda lib: lib.nn.AvgPool2d(3, 2, 1), "avg pool k2": lambda lib: lib.nn.AvgPool2d(2),
              "batch norm, training": lambda lib: lib.nn.BatchNorm2d(64)}  # fmt: skip
    for what, make in layers.items():
        for backward in (False, True):
            yield Row("B2", f"{what} {'forward+backward' if backward else 'forward'}, {shape}", both(layer, make, shape, backward), 2.0,
                      agree(1e-3, 1e-4), bytes=32 * 64 * 56 * 56 * 4 * (5.0 if backward else 2.0))  # fmt: skip
    for name, (key, make, batch, size, classes, goal, count) in STEPS.items():
        yield Row(key, name, both(step, make, batch, size, classes, count), goal, agree(1e-3, 1e-3), calls=count, seconds=0.3)


# ---- B9


def peak(name: str, what: str) -> float:
    """Peak memory in bytes of a process that runs five steps."""
    package = {OURS: "corten", TORCH: "torch"}[name]
    _, make, batch, size, classes, *_ = STEPS[what]
    code = (f"import {package} as lib\nfrom benches import layer_conv_rows as rows\n"
            f"rows.step(lib, rows.{make.__name__}, {batch}, {size}, {classes}, 5)()")  # fmt: skip
    return process(code)["bytes"]


def figures(keys: set[str]) -> Iterator[dict[str, Any]]:
    """Peak memory of B5 and B6."""
    if "B9" in keys:
        for what in STEPS:
            ours, theirs = peak(OURS, what), peak(TORCH, what)
            yield {"key": "B9", "name": f"peak resident memory, {what}, 5 steps", "goal": "<= 70 %",
                   "value": f"{ours / 2**20:.0f} MiB against {theirs / 2**20:.0f}: {ours / theirs:.0%}",
                   "met": ours <= 0.7 * theirs}  # fmt: skip
