"""ResNet-20 on CIFAR-10 (a JPEG-recompressed copy): 200 steps from the same start give the loss curve that PyTorch gives.

    CORTEN_DATA=... python -m benches.gates.resnet20_cifar [--steps 200] [--plot curve.png]

Prints one line of JSON. Equal to plotting accuracy: the curves, each averaged over ten steps, differ by less than 0.02 at any
step, or by no more than twice as much as PyTorch's own does when its first weights are changed by one part in ten million:
rounding alone lets two runs drift apart.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from benches.core_rows import OURS, TORCH, library
from benches.layer_conv_rows import resnet20

BATCH, CLOSE = 64, 0.02


def images() -> tuple[np.ndarray, np.ndarray]:
    """10,000 training images (N, 3, 32, 32), normalised by channel, and their labels."""
    with np.load(Path(os.environ["CORTEN_DATA"], "cifar10", "cifar10_decoded_train10000.npz"), allow_pickle=False) as data:
        x, y = data["images"].astype(np.float32) / 255, data["labels"].astype(np.int64)
    x = (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)), y


def start(lib: Any, net: Any, nudge: float = 0.0) -> None:
    """The usual start, from one seed: He's for convolutions, normalisations that do nothing, a small last layer.

    From a start that is off, the first steps are wild and double any rounding error: then no two programs agree for long.
    """
    rng = np.random.default_rng(1)
    with lib.no_grad():
        for key, p in net.named_parameters():
            shape = tuple(p.shape)
            if len(shape) == 1:
                value = np.full(shape, key.endswith("weight"), np.float32)
            else:
                value = rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / (shape[0] * np.prod(shape[2:]))))
            value = (value if len(shape) != 2 else value / 8) * np.float32(1 + nudge)
            p.copy_(lib.from_numpy(value))


def losses(name: str, x: np.ndarray, y: np.ndarray, steps: int, nudge: float = 0.0) -> tuple[list[float], float]:
    """The loss of each step with SGD and momentum, and seconds."""
    lib: Any = library(name)
    net = resnet20(lib)
    start(lib, net, nudge)
    loss = lib.nn.CrossEntropyLoss()
    opt = lib.optim.SGD(net.parameters(), lr=0.003, momentum=0.9, weight_decay=1e-4)
    order, found = np.random.default_rng(0).permutation(len(x)), []
    begin = time.perf_counter()
    for k in range(steps):
        at = order[k * BATCH % (len(x) - BATCH) :][:BATCH]
        opt.zero_grad()
        value = loss(net(lib.from_numpy(x[at])), lib.from_numpy(y[at]))
        value.backward()
        opt.step()
        found.append(float(value.item()))
    return found, time.perf_counter() - begin


def main() -> None:
    """Both libraries, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--plot", default="")
    options = parser.parse_args()
    x, y = images()
    curves, seconds = {}, {}
    for name in (OURS, TORCH):
        curves[name], seconds[name] = losses(name, x, y, options.steps)
    nudged, _ = losses(TORCH, x, y, options.steps, 1e-7)
    smooth = {name: np.convolve(c, np.ones(10) / 10, "valid") for name, c in curves.items()}
    apart = float(np.abs(smooth[OURS] - smooth[TORCH]).max())
    own = float(np.abs(np.convolve(nudged, np.ones(10) / 10, "valid") - smooth[TORCH]).max())
    if options.plot:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(8, 4.5))
        for name, style in ((TORCH, "-"), (OURS, "--")):
            axes.plot(curves[name], style, label=name, linewidth=1.2)
        axes.set(xlabel="step", ylabel="cross-entropy", title="ResNet-20, CIFAR-10 (JPEG-recompressed), batch 64")
        axes.legend()
        figure.savefig(options.plot, dpi=120)
    print(json.dumps({"gate": "ResNet-20 on CIFAR-10 (JPEG-recompressed)", "steps": options.steps, "first": [c[0] for c in curves.values()],
                      "last": [float(s[-1]) for s in smooth.values()], "largest_difference": apart, "pytorch_nudged": own,
                      "goal": max(CLOSE, 2 * own),
                      "first_50_steps_differ_by": float(np.abs(np.subtract(*(c[:50] for c in curves.values()))).max()),
                      "seconds": {k: round(v, 1) for k, v in seconds.items()}, "passed": apart < max(CLOSE, 2 * own)}))  # fmt: skip


if __name__ == "__main__":
    main()
