"""A character GPT on tinyshakespeare: validation loss at most 1.90 after 2,000 steps; ``--peer`` trains the same in PyTorch.

nanoGPT's small setting: 4 layers, 4 heads, 128 wide, block 64, batch 12, AdamW with a cosine after 100 steps of warm-up. Both
sides begin with the same weights and see the same batches; the time is that of the training steps alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from typing import Any

import numpy as np

from benches.gates.forecast import data_file
from benches.layer_seq_rows import OURS, gpt, library

SIZES = (4, 4, 128, 64, 12)
GOAL = 1.90


def rate(step: int, steps: int, most: float = 1e-3, least: float = 1e-4, warmup: int = 100) -> float:
    """The learning rate of a step."""
    if step < warmup:
        return most * (step + 1) / warmup
    return least + 0.5 * (most - least) * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def start(lib: Any, model: Any) -> None:
    """nanoGPT's initial weights, from one seed."""
    rng = np.random.default_rng(1)
    state = dict(model.named_parameters())
    with lib.no_grad():
        for key in sorted(state):
            p = state[key]
            deviation = 0.0 if p.ndim == 1 else 0.02 / math.sqrt(2 * SIZES[0]) if key.endswith("c_proj.weight") else 0.02
            value = rng.standard_normal(tuple(p.shape), dtype=np.float32) * np.float32(deviation)
            p.copy_(lib.tensor(value + np.float32(p.ndim == 1 and key.endswith("weight"))))


def main() -> int:
    """Train, and measure the loss on the last tenth of the text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="store_true", help="in PyTorch")
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    name = "torch" if options.peer else OURS
    lib = library(name)
    text = data_file("tinyshakespeare", "input.txt").read_text()
    letters = {c: i for i, c in enumerate(sorted(set(text)))}
    tokens = np.array([letters[c] for c in text])
    train, held_out = tokens[: len(tokens) * 9 // 10], tokens[len(tokens) * 9 // 10 :]
    block, batch = SIZES[3], SIZES[4]

    def some(data: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any]:
        at = rng.integers(0, len(data) - block - 1, batch)
        return tuple(lib.tensor(np.stack([data[i + shift : i + shift + block] for i in at])) for shift in (0, 1))  # type: ignore[return-value]

    model = gpt(name, SIZES)
    start(lib, model)
    decayed = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]
    optimizer = lib.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=1e-3,
                                betas=(0.9, 0.99), **({} if name == OURS else {"fused": True}))  # fmt: skip
    rng = np.random.default_rng(0)
    model.train()
    started = time.perf_counter()
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, options.steps)
        x, y = some(train, rng)
        loss = model(x, y)[1]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    took = time.perf_counter() - started
    model.eval()
    rng = np.random.default_rng(7)
    with lib.no_grad():
        losses = [float(model(*some(held_out, rng))[1]) for _ in range(200)]
    value = float(np.mean(losses))
    print(json.dumps({"gate": "character GPT, tinyshakespeare", "side": name, "validation_loss": round(value, 4), "goal": GOAL,
                      "met": value <= GOAL, "steps": options.steps, "seconds": round(took, 1)}))  # fmt: skip
    return 0 if value <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
