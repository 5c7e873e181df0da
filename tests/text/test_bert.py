"""BERT against transformers, with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file as save_arrays

import corten
from corten.text.bert import Bert, BertConfig, BertForMaskedLM

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
CONFIG = BertConfig(vocab_size=23, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
                    max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)  # fmt: skip
RNG = np.random.default_rng(0)
IDS, KINDS = RNG.integers(1, 23, (3, 9)), RNG.integers(0, 2, (3, 9))
MASK = np.arange(9) < np.array([9, 6, 2])[:, None]


def peer(name: str) -> Any:
    torch.manual_seed(0)
    settings = {k: getattr(CONFIG, k) for k in CONFIG.__dataclass_fields__}
    made = getattr(transformers, name)(transformers.BertConfig(**settings)).eval()
    with torch.no_grad():
        for p in made.parameters():
            p.add_(torch.randn_like(p) * 0.2)
    return made


def saved(model: Any, path: Path, prefix: str = "") -> Path:
    from safetensors.torch import save_file

    save_file({prefix + k: v.contiguous().clone() for k, v in model.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_encoder_and_pooler(prefix: str, tmp_path: Path) -> None:
    theirs = peer("BertModel")
    ours = Bert(CONFIG).load(saved(theirs, tmp_path / "x.safetensors", prefix)).eval()
    with torch.no_grad():
        want = theirs(torch.tensor(IDS), attention_mask=torch.tensor(MASK).long(), token_type_ids=torch.tensor(KINDS))
    hidden, pooled = ours(corten.tensor(IDS), corten.tensor(MASK), corten.tensor(KINDS))
    np.testing.assert_allclose(hidden.detach().numpy()[MASK], want.last_hidden_state.numpy()[MASK], rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(pooled.detach().numpy(), want.pooler_output.numpy(), rtol=1e-4, atol=2e-5)


def test_masked_tokens(tmp_path: Path) -> None:
    theirs = peer("BertForMaskedLM")
    ours = BertForMaskedLM(CONFIG).load(saved(theirs, tmp_path / "x.safetensors")).eval()
    labels = np.where(RNG.random((3, 9)) < 0.4, IDS, -100)
    want = theirs(torch.tensor(IDS), labels=torch.tensor(labels))
    logits, loss = ours(corten.tensor(IDS), labels=corten.tensor(labels))
    np.testing.assert_allclose(logits.detach().numpy(), want.logits.detach().numpy(), rtol=1e-4, atol=5e-5)
    np.testing.assert_allclose(loss.item(), want.loss.item(), rtol=1e-5)
    loss.backward()
    want.loss.backward()
    np.testing.assert_allclose(ours.bert.embeddings.word_embeddings.weight.grad.numpy(),
                               theirs.bert.embeddings.word_embeddings.weight.grad.numpy(), rtol=1e-3, atol=1e-5)  # fmt: skip


def test_older_names_of_norms(tmp_path: Path) -> None:
    state = Bert(CONFIG).state_dict()
    old = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v for k, v in state.items()}
    save_arrays({k: v.numpy() for k, v in old.items()}, tmp_path / "x.safetensors")
    loaded = Bert(CONFIG).load(tmp_path / "x.safetensors").state_dict()
    assert all((loaded[k].numpy() == state[k].numpy()).all() for k in state)


def test_errors(tmp_path: Path) -> None:
    save_arrays({"embeddings.word_embeddings.weight": np.zeros((23, 12), np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(RuntimeError, match=r"\[Bert\] .* has no embeddings.position_embeddings.weight"):
        Bert(CONFIG).load(tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"\[Bert\] got 17 tokens, expected at most 16"):
        Bert(CONFIG)(corten.zeros(1, 17, dtype=corten.int64))
