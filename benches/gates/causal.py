"""Logits of a GPT before position t do not change by a bit when tokens from t on change."""

from __future__ import annotations

import json
import sys

import numpy as np

LENGTHS = (1, 2, 7, 47, 48, 49, 63, 64, 65, 100, 127)


def main() -> int:
    """Compare the bytes of logits for changed endings, on one thread and on two."""
    import corten
    from corten.text.gpt import GPT, GPTConfig

    corten.manual_seed(0)
    model = GPT(GPTConfig(block_size=128, vocab_size=65, n_layer=4, n_head=4, n_embd=128)).eval()
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 65, (3, 128))

    def logits(t: np.ndarray) -> np.ndarray:
        with corten.no_grad():
            return np.asarray(model(corten.tensor(t))[0].numpy())

    changed, threads = [], corten.get_num_threads()
    whole = logits(tokens)
    for n in (1, 2):
        corten.set_num_threads(n)
        for t in LENGTHS:
            other = tokens.copy()
            other[:, t:] = rng.integers(0, 65, other[:, t:].shape)
            if logits(other)[:, :t].tobytes() != whole[:, :t].tobytes():
                changed.append((n, t))
    corten.set_num_threads(threads)
    print(json.dumps({"gate": "causal", "positions": list(LENGTHS), "threads": [1, 2], "changed": changed, "met": not changed}))
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
