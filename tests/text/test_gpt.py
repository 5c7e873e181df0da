"""GPT: published weights, training, generation, causality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file as save_arrays

import corten
from corten.text.gpt import GPT, GPTConfig
from corten.text.sampling import sample

SMALL = GPTConfig(block_size=12, vocab_size=17, n_layer=2, n_head=2, n_embd=8)


def model(config: GPTConfig = SMALL) -> GPT:
    corten.manual_seed(0)
    made = GPT(config)
    with corten.no_grad():
        for p in made.parameters():  # larger than at the start, so that logits differ clearly
            p.mul_(8 if p.ndim == 2 else 1)
    return made.eval()


@pytest.fixture(scope="module")
def peer() -> Any:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=17, n_positions=12, n_embd=8, n_layer=2, n_head=2)
    made = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for p in made.parameters():
            p.add_(torch.randn_like(p) * 0.2)
    return made


@pytest.mark.parametrize("prefix", ["", "transformer."])
def test_published_weights_give_the_published_logits(peer: Any, prefix: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = {prefix + k: v.contiguous() for k, v in peer.transformer.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    ours = GPT(SMALL).load_gpt2(tmp_path / "model.safetensors").eval()
    tokens = np.random.default_rng(0).integers(0, 17, (3, 12))
    with torch.no_grad():
        want = peer(torch.tensor(tokens)).logits.numpy()
    np.testing.assert_allclose(ours(corten.tensor(tokens))[0].detach().numpy(), want, rtol=1e-4, atol=1e-5)
    assert ours.lm_head.weight is ours.transformer["wte"].weight


def test_a_missing_weight_is_named(tmp_path: Path) -> None:
    save_arrays({"wte.weight": np.zeros((17, 8), np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(RuntimeError, match=r"\[GPT\] .* has no wpe.weight"):
        GPT(SMALL).load_gpt2(tmp_path / "x.safetensors")


def test_names_are_nanogpts() -> None:
    keys = set(GPT(GPTConfig(4, 5, 1, 1, 4)).state_dict())
    parts = ["ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj"]
    expected = {f"transformer.h.0.{p}.{w}" for p in parts for w in ("weight", "bias")}
    assert keys == expected | {"transformer.wte.weight", "transformer.wpe.weight", "transformer.ln_f.weight", "transformer.ln_f.bias",
                               "lm_head.weight"}  # fmt: skip


@pytest.mark.parametrize("tokens", [5, 30])
def test_generation_takes_the_most_probable_token_of_a_full_pass(tokens: int) -> None:
    m = model()
    start = np.array([[3, 1], [5, 16]])
    ours = m.generate(corten.tensor(start), tokens, temperature=0).numpy()
    idx = start
    with corten.no_grad():
        for _ in range(tokens):
            logits = m(corten.tensor(idx[:, -SMALL.block_size :]))[0].numpy()
            idx = np.concatenate([idx, logits[:, -1].argmax(-1)[:, None]], 1)
    np.testing.assert_array_equal(ours, idx)
    assert len(np.unique(ours)) > 3


def test_generation_is_repeatable_and_leaves_the_mode() -> None:
    m = model().train()
    outs = []
    for _ in range(2):
        corten.manual_seed(3)
        outs.append(m.generate(corten.tensor([[1]]), 10, temperature=1.5, top_k=5).numpy())
    np.testing.assert_array_equal(outs[0], outs[1])
    assert m.training
    with pytest.raises(ValueError, match=r"\[GPT.generate\]"):
        m.generate(corten.zeros(1, 0, dtype=corten.int64), 2)


def test_logits_of_the_past_do_not_feel_the_future() -> None:
    m = model(GPTConfig(block_size=100, vocab_size=17, n_layer=2, n_head=2, n_embd=16))
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, 17, (2, 100))
    with corten.no_grad():
        whole = m(corten.tensor(tokens))[0].numpy()
        for t in (1, 31, 48, 64, 99):
            other = tokens.copy()
            other[:, t:] = rng.integers(0, 17, (2, 100 - t))
            assert m(corten.tensor(other))[0].numpy()[:, :t].tobytes() == whole[:, :t].tobytes()


def test_it_learns_a_sequence() -> None:
    corten.manual_seed(0)
    m = GPT(SMALL)
    x, y = corten.tensor([[1, 2, 3, 4, 5, 6]]), corten.tensor([[2, 3, 4, 5, 6, 7]])
    optimizer = corten.optim.AdamW(m.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = m(x, y)[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[0] > 2.5
    assert losses[-1] < 0.2
    np.testing.assert_array_equal(m.generate(corten.tensor([[1]]), 6, temperature=0).numpy(), [[1, 2, 3, 4, 5, 6, 7]])


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"\[GPT\] got 13 tokens, expected at most block_size=12"):
        model()(corten.zeros(1, 13, dtype=corten.int64))
    with pytest.raises(ValueError, match="no multiple"):
        GPT(GPTConfig(4, 5, 1, 3, 8))


# ---- sampling


def frequencies(n: int = 4000, **kwargs: Any) -> np.ndarray:
    corten.manual_seed(0)
    logits = corten.tensor(np.log([[0.5, 0.3, 0.15, 0.05]])).expand(n, 4)
    return np.bincount(sample(logits, **kwargs).numpy().ravel(), minlength=4) / n


@pytest.mark.parametrize(("kwargs", "expected"), [
    ({}, [0.5, 0.3, 0.15, 0.05]), ({"top_k": 2}, [0.625, 0.375, 0, 0]), ({"top_k": 9}, [0.5, 0.3, 0.15, 0.05]),
    ({"top_p": 0.7}, [0.625, 0.375, 0, 0]), ({"top_p": 0.5}, [1, 0, 0, 0]), ({"temperature": 0}, [1, 0, 0, 0]),
    ({"temperature": 0.5}, [0.685, 0.247, 0.0616, 0.0068])])  # fmt: skip
def test_sampled_frequencies(kwargs: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_allclose(frequencies(**kwargs), expected, atol=0.03)


@pytest.mark.parametrize("kwargs", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_bad_settings(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\[sample\]"):
        sample(corten.zeros(1, 3), **kwargs)
