"""A bidirectional transformer encoder: BERT, with the names of its published weights.

Devlin et al., arXiv:1810.04805.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from corten._core import core
from corten.nn import functional as F  # noqa: N812
from corten.nn import init
from corten.nn.containers import ModuleDict, ModuleList
from corten.nn.dropout import Dropout
from corten.nn.linear import Linear
from corten.nn.module import Module
from corten.nn.normalization import LayerNorm
from corten.nn.parameter import Parameter
from corten.nn.sparse import Embedding
from corten.ops.create import arange

__all__ = ["Bert", "BertConfig", "BertForMaskedLM"]


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a :class:`Bert`; by default those of bert-base-uncased."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    layer_norm_eps: float = 1e-12


class Embeddings(Module):
    """Token, position and segment, added and normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = Embedding(config.vocab_size, config.hidden_size, padding_idx=0)
        self.position_embeddings = Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Any, token_type_ids: Any) -> Any:
        """(B, T) -> (B, T, C)."""
        steps, most = input_ids.shape[1], self.position_embeddings.num_embeddings
        if steps > most:
            raise ValueError(f"[Bert] got {steps} tokens, expected at most {most}")
        positions = self.position_embeddings(arange(steps))
        x = self.word_embeddings(input_ids) + positions + self.token_type_embeddings(token_type_ids)
        return self.dropout(self.LayerNorm(x))


class SelfAttention(Module):
    """Every position attends to every one that the mask leaves."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        if config.hidden_size % config.num_attention_heads:
            raise ValueError(f"[Bert] hidden_size {config.hidden_size} is no multiple of {config.num_attention_heads} heads")
        self.heads, self.dropout = config.num_attention_heads, config.attention_probs_dropout_prob
        self.query, self.key, self.value = (Linear(config.hidden_size, config.hidden_size) for _ in range(3))

    def forward(self, x: Any, mask: Any) -> Any:
        """(B, T, C) -> (B, T, C)."""
        b, t, c = x.shape
        q, k, v = (f(x).view(b, t, self.heads, c // self.heads).transpose(1, 2) for f in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v, mask, self.dropout if self.training else 0.0)
        return y.transpose(1, 2).reshape(b, t, c)


class Output(Module):
    """A linear map, added to the residual and normalised."""

    def __init__(self, size: int, config: BertConfig) -> None:
        super().__init__()
        self.dense = Linear(size, config.hidden_size)
        self.LayerNorm = LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, x: Any, residual: Any) -> Any:
        """(B, T, size) and (B, T, C) -> (B, T, C)."""
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class Layer(Module):
    """Attention and a feed-forward network."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = ModuleDict({"self": SelfAttention(config), "output": Output(config.hidden_size, config)})
        self.intermediate = ModuleDict({"dense": Linear(config.hidden_size, config.intermediate_size)})
        self.output = Output(config.intermediate_size, config)

    def forward(self, x: Any, mask: Any) -> Any:
        """(B, T, C) -> (B, T, C)."""
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class Bert(Module):
    """The encoder, and the pooled first token.

    Parameters
    ----------
    config : BertConfig
    add_pooling_layer : bool

    Examples
    --------
    >>> import corten
    >>> from corten.text.bert import Bert, BertConfig
    >>> model = Bert(BertConfig(20, 8, 1, 2, 16, 10))
    >>> hidden, pooled = model(corten.tensor([[5, 6, 0]]), corten.tensor([[1, 1, 0]]))
    >>> hidden.shape, pooled.shape
    (corten.Size([1, 3, 8]), corten.Size([1, 8]))
    """

    def __init__(self, config: BertConfig, add_pooling_layer: bool = True) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = ModuleDict({"layer": ModuleList([Layer(config) for _ in range(config.num_hidden_layers)])})
        self.pooler = ModuleDict({"dense": Linear(config.hidden_size, config.hidden_size)}) if add_pooling_layer else None
        start(self)

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None) -> tuple[Any, Any]:
        """Encode tokens.

        Parameters
        ----------
        input_ids : int64 Tensor, shape (B, T)
        attention_mask : Tensor, shape (B, T), optional
            1 or True where there is a token, 0 where there is padding.
        token_type_ids : int64 Tensor, shape (B, T), optional
            The segment of each token; 0 when absent.

        Returns
        -------
        hidden : Tensor, shape (B, T, C)
        pooled : Tensor, shape (B, C), or None without a pooling layer
        """
        if token_type_ids is None:
            token_type_ids = core.zeros(tuple(input_ids.shape), dtype=core._dtype_by_name("int64"))
        mask = None if attention_mask is None else (attention_mask != 0)[:, None, None]
        x = self.embeddings(input_ids, token_type_ids)
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        return x, None if self.pooler is None else self.pooler["dense"](x[:, 0]).tanh()

    def load(self, path: Any) -> Bert:
        """Take weights in safetensors format, with or without the prefix ``bert.``; other heads are left out."""
        load_weights(self, path, "bert.")
        return self


class Predictions(Module):
    """From hidden states to logits of tokens; the last matrix is the token table."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bias = Parameter(core.zeros(config.vocab_size))
        self.transform = ModuleDict({"dense": Linear(config.hidden_size, config.hidden_size),
                                     "LayerNorm": LayerNorm(config.hidden_size, config.layer_norm_eps)})  # fmt: skip

    def forward(self, x: Any, table: Any) -> Any:
        """(B, T, C) -> (B, T, vocab_size)."""
        return F.linear(self.transform["LayerNorm"](F.gelu(self.transform["dense"](x))), table, self.bias)


class BertForMaskedLM(Module):
    """:class:`Bert` with a head that guesses masked tokens.

    Examples
    --------
    >>> import corten
    >>> from corten.text.bert import BertConfig, BertForMaskedLM
    >>> BertForMaskedLM(BertConfig(20, 8, 1, 2, 16, 10))(corten.tensor([[5, 6]]))[0].shape
    corten.Size([1, 2, 20])
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.bert = Bert(config, add_pooling_layer=False)
        self.cls = ModuleDict({"predictions": Predictions(config)})
        start(self.cls)

    def forward(self, input_ids: Any, attention_mask: Any = None, token_type_ids: Any = None, labels: Any = None) -> tuple[Any, Any]:
        """Logits (B, T, vocab_size), and the loss at labels that are not -100, or None."""
        hidden, _ = self.bert(input_ids, attention_mask, token_type_ids)
        logits = self.cls["predictions"](hidden, self.bert.embeddings.word_embeddings.weight)
        if labels is None:
            return logits, None
        return logits, F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1))

    def load(self, path: Any) -> BertForMaskedLM:
        """Take weights in safetensors format."""
        load_weights(self, path, "")
        return self


def start(model: Module) -> None:
    """Matrices from a normal distribution of deviation 0.02, biases 0."""
    for name, p in model.named_parameters():
        if p.ndim == 2:
            init.normal_(p, 0.0, 0.02)
        elif name.endswith("bias"):
            init.zeros_(p)


def load_weights(model: Module, path: Any, prefix: str) -> None:
    """Copy a file's tensors by name; older files say gamma and beta for a norm's weight and bias."""
    from corten.serialization import read_safetensors

    found = {}
    for key, value in read_safetensors(path)[0].items():
        key = key.removeprefix(prefix).replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        found[key] = value
    wanted = model.state_dict()
    missing = [k for k in wanted if k not in found]
    if missing:
        raise RuntimeError(f"[{type(model).__name__}] {path} has no {', '.join(missing)}")
    model.load_state_dict({k: found[k] for k in wanted})
