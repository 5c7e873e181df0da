"""A decoder-only transformer: GPT-2's architecture, with nanoGPT's names.

Radford et al. 2019, Language Models are Unsupervised Multitask Learners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from corten.autograd import no_grad
from corten.nn import functional as F  # noqa: N812
from corten.nn import init
from corten.nn.attention import KeyValueCache
from corten.nn.containers import ModuleDict, ModuleList
from corten.nn.dropout import Dropout
from corten.nn.linear import Linear
from corten.nn.module import Module
from corten.nn.normalization import LayerNorm
from corten.nn.sparse import Embedding
from corten.ops.view import cat

__all__ = ["GPT", "GPTConfig"]


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a :class:`GPT`; by default GPT-2's smallest.

    Attributes
    ----------
    block_size : int
        The longest context, in tokens.
    vocab_size, n_layer, n_head, n_embd : int
    dropout : float
    bias : bool
        Whether the linear maps and layer norms have one.
    """

    block_size: int = 1024
    vocab_size: int = 50257
    n_layer: int = 12
    n_head: int = 12
    n_embd: int = 768
    dropout: float = 0.0
    bias: bool = True


class CausalSelfAttention(Module):
    """Each position attends to itself and to those before it."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError(f"[GPT] n_embd {config.n_embd} is no multiple of n_head {config.n_head}")
        self.n_head, self.dropout = config.n_head, config.dropout
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.resid_dropout = Dropout(config.dropout)

    def forward(self, x: Any, cache: KeyValueCache | None = None, layer: int = 0) -> Any:
        """(B, T, C) -> (B, T, C)."""
        drop = self.dropout if self.training else 0.0
        qkv = self.c_attn(x)
        if cache is None:
            y = F.packed_attention(qkv, self.n_head, is_causal=True, dropout_p=drop)
        else:
            y = cache.attend(layer, qkv, self.n_head)
        return self.resid_dropout(self.c_proj(y))

    @staticmethod
    def count_multiply_adds(args: tuple[Any, ...], output: Any) -> int:
        """Of scores and weighted values, each position with all (see :meth:`Module.summary`)."""
        batch, steps, width = output.shape
        return int(2 * batch * steps * steps * width)


class MLP(Module):
    """The feed-forward network of a block, four times as wide inside."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = Linear(4 * config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Any) -> Any:
        """(..., C) -> (..., C)."""
        return self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))


class Block(Module):
    """Attention and feed-forward network, each after a layer norm and added to its input."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, bias=config.bias)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x: Any, cache: KeyValueCache | None = None, layer: int = 0) -> Any:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.attn(self.ln_1(x), cache, layer)
        return x + self.mlp(self.ln_2(x))


class GPT(Module):
    """A language model: from the tokens so far, logits of the next one.

    Parameters
    ----------
    config : GPTConfig

    Notes
    -----
    State-dict keys are nanoGPT's; the output matrix is the token table. :meth:`load_gpt2` takes the weights of GPT-2 as
    they are published.

    Examples
    --------
    >>> import corten
    >>> from corten.text.gpt import GPT, GPTConfig
    >>> model = GPT(GPTConfig(block_size=8, vocab_size=11, n_layer=1, n_head=2, n_embd=4))
    >>> logits, loss = model(corten.tensor([[1, 2, 3]]), corten.tensor([[2, 3, 4]]))
    >>> logits.shape, model.generate(corten.tensor([[1, 2]]), 3).shape
    (corten.Size([1, 3, 11]), corten.Size([1, 5]))
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = ModuleDict({
            "wte": Embedding(config.vocab_size, config.n_embd),
            "wpe": Embedding(config.block_size, config.n_embd),
            "drop": Dropout(config.dropout),
            "h": ModuleList([Block(config) for _ in range(config.n_layer)]),
            "ln_f": LayerNorm(config.n_embd, bias=config.bias),
        })  # fmt: skip
        self.lm_head = Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight
        for name, p in self.named_parameters():
            if p.ndim == 2:  # residual branches start smaller the more there are
                init.normal_(p, 0.0, 0.02 / math.sqrt(2 * config.n_layer) if name.endswith("c_proj.weight") else 0.02)
            elif name.endswith("bias"):
                init.zeros_(p)

    def forward(self, idx: Any, targets: Any = None, cache: KeyValueCache | None = None) -> tuple[Any, Any]:
        """Logits of the token after each of (B, T), and their mean cross-entropy with ``targets`` or None.

        Parameters
        ----------
        idx : int64 Tensor, shape (B, T)
            Tokens; with ``cache``, those after the ones that it holds.
        targets : int64 Tensor, shape (B, T), optional
            The next tokens; -1 counts nothing.
        cache : KeyValueCache, optional

        Returns
        -------
        logits : Tensor, shape (B, T, vocab_size), or with a cache (B, 1, vocab_size): of the last position
        loss : Tensor or None
        """
        start, steps = len(cache) if cache is not None else 0, idx.shape[1]
        if start + steps > self.config.block_size:
            raise ValueError(f"[GPT] got {start + steps} tokens, expected at most block_size={self.config.block_size}")
        parts = self.transformer
        x = parts["drop"](parts["wte"](idx) + parts["wpe"].weight.narrow(0, start, steps))
        for i, block in enumerate(parts["h"]):
            x = block(x, cache, i)
        if cache is not None:
            cache.advance(steps)
            x = x[:, -1:]
        logits = self.lm_head(parts["ln_f"](x))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=-1)

    def generate(self, idx: Any, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None,
                 top_p: float | None = None, generator: Any = None) -> Any:  # fmt: skip
        """Continue each row of (B, T) by ``max_new_tokens`` sampled tokens.

        Parameters
        ----------
        idx : int64 Tensor, shape (B, T)
        temperature : float
            Logits are divided by it; 0 takes the most probable token.
        top_k : int, optional
            Sample among the k most probable tokens.
        top_p : float, optional
            Sample among the fewest tokens whose probabilities reach p. Holtzman et al., arXiv:1904.09751.

        Notes
        -----
        Keys and values of earlier tokens are kept, so that a token costs one pass of one position. Once the context is full,
        positions move with every token and the whole context is computed anew.
        """
        from corten.text.sampling import sample

        if idx.shape[1] == 0:
            raise ValueError("[GPT.generate] got no token to begin with")
        block, training = self.config.block_size, self.training
        self.eval()
        try:
            with no_grad():
                cache = KeyValueCache(self.config.n_layer, block)
                fresh = idx[:, -block:]
                for _ in range(max_new_tokens):
                    if len(cache) + fresh.shape[1] > block:
                        cache.clear()
                        fresh = idx[:, -block:]
                    logits, _ = self(fresh, cache=cache)
                    fresh = sample(logits[:, 0], temperature, top_k, top_p, generator)
                    idx = cat([idx, fresh], 1)
        finally:
            self.train(training)
        return idx

    def load_gpt2(self, path: Any) -> GPT:
        """Take the weights of a GPT-2 in safetensors format, with the names and transposed matrices of its publication.

        Raises
        ------
        RuntimeError
            If a weight is missing or of another shape.
        """
        from corten.serialization import read_safetensors

        found = {k.removeprefix("transformer."): v for k, v in read_safetensors(path)[0].items()}
        state = {}
        for key, own in self.state_dict().items():
            name = key.removeprefix("transformer.")
            if name == "lm_head.weight":
                name = "wte.weight"
            if name not in found:
                raise RuntimeError(f"[GPT] {path} has no {name}")
            value = found[name]
            if own.ndim == 2 and ".c_" in name:
                value = value.t().contiguous()
            state[key] = value
        self.load_state_dict(state)
        return self
