"""Texts as numbers, the simple way: words, a vocabulary, padding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import corten

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*|[^\w\s]")


def words(text: str, lower: bool = True) -> list[str]:
    """Cut a text into words and punctuation marks.

    Examples
    --------
    >>> words("It's late, go!")
    ["it's", 'late', ',', 'go', '!']
    """
    return _WORD.findall(text.lower() if lower else text)


class Vocabulary:
    """The numbers of words: those that come often enough, the most frequent first.

    Parameters
    ----------
    tokens : sequence of str
        Each once; the special ones first.
    unknown : str
        Stands for every word that is not in it; must be one of the tokens.
    padding : str
        Fills up shorter texts; must be one of the tokens.
    tokenize : callable
        From a text to its tokens.

    Examples
    --------
    >>> vocabulary = Vocabulary.of(["a rose is a rose"], min_count=2)
    >>> vocabulary.tokens
    ('<pad>', '<unk>', 'a', 'rose')
    >>> vocabulary.encode("a red rose")
    [2, 1, 3]
    """

    def __init__(self, tokens: Sequence[str], unknown: str = "<unk>", padding: str = "<pad>",
                 tokenize: Callable[[str], list[str]] = words) -> None:  # fmt: skip
        self.tokens = tuple(tokens)
        self.index = {token: i for i, token in enumerate(self.tokens)}
        if len(self.index) != len(self.tokens):
            raise ValueError("[Vocabulary] a token comes twice")
        for name in (unknown, padding):
            if name not in self.index:
                raise ValueError(f"[Vocabulary] {name!r} is not among the tokens")
        self.unknown, self.padding, self.tokenize = unknown, padding, tokenize

    @classmethod
    def of(cls, texts: Iterable[str], *, min_count: int = 1, max_size: int | None = None,
           specials: Sequence[str] = ("<pad>", "<unk>"), tokenize: Callable[[str], list[str]] = words) -> Vocabulary:  # fmt: skip
        """The vocabulary of some texts: give the training part alone.

        Parameters
        ----------
        texts : iterable of str
        min_count : int
            How often a word must come.
        max_size : int, optional
            At most so many tokens, the special ones included.
        specials : sequence of str
            Tokens with the first numbers; must have ``<pad>`` and ``<unk>``.
        tokenize : callable
        """
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(tokenize(text))
        ranked = sorted(
            (t for t, n in counts.items() if n >= min_count and t not in specials), key=lambda t: (-counts[t], t)
        )
        kept = ranked if max_size is None else ranked[: max(0, max_size - len(specials))]
        return cls([*specials, *kept], tokenize=tokenize)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's tokens."""
        other = self.index[self.unknown]
        return [self.index.get(token, other) for token in self.tokenize(text)]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The tokens of numbers, without padding."""
        padding = self.index[self.padding]
        return [self.tokens[int(n)] for n in numbers if int(n) != padding]

    def state_dict(self) -> dict[str, Any]:
        """Tokens, as JSON or ``corten.save`` take them; the tokenizer is not part of it."""
        return {"tokens": list(self.tokens), "unknown": self.unknown, "padding": self.padding}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], tokenize: Callable[[str], list[str]] = words) -> Vocabulary:
        """The vocabulary of a :meth:`state_dict`. Raises ValueError when it is damaged."""
        try:
            return cls(list(map(str, state["tokens"])), str(state["unknown"]), str(state["padding"]), tokenize)
        except (KeyError, TypeError) as error:
            raise ValueError(f"[Vocabulary] the state is damaged ({error})") from error


def pad(sequences: Sequence[Sequence[int]], value: int = 0, length: int | None = None) -> tuple[Any, Any]:
    """Sequences of unequal length as one tensor.

    Parameters
    ----------
    sequences : sequence of sequences of int
        B of them.
    value : int
        Fills up at the end.
    length : int, optional
        Cut or fill to so many; the longest decides when absent.

    Returns
    -------
    padded : Tensor
        int64, shape (B, T).
    lengths : Tensor
        int64, shape (B,), without the padding.

    Examples
    --------
    >>> padded, lengths = pad([[1, 2, 3], [4]])
    >>> padded.tolist(), lengths.tolist()
    ([[1, 2, 3], [4, 0, 0]], [3, 1])
    """
    most = max(map(len, sequences), default=0) if length is None else length
    lengths = [min(len(s), most) for s in sequences]
    rows = [[*s[:n], *[value] * (most - n)] for s, n in zip(sequences, lengths, strict=True)]
    return corten.tensor(rows, dtype=corten.int64).reshape(len(rows), most), corten.tensor(lengths, dtype=corten.int64)


class PadCollate:
    """A collate function for samples (text or numbers, label): a padded batch, lengths, labels.

    Parameters
    ----------
    vocabulary : Vocabulary, optional
        Turns texts into numbers; samples are numbers already when absent.
    length : int, optional
        Cut texts to so many tokens.
    """

    def __init__(self, vocabulary: Vocabulary | None = None, length: int | None = None) -> None:
        self.vocabulary, self.length = vocabulary, length

    def __call__(self, batch: Sequence[tuple[Any, Any]]) -> tuple[Any, Any, Any]:
        vocabulary = self.vocabulary
        rows = [s if vocabulary is None else vocabulary.encode(s) for s, _ in batch]
        if self.length is not None:
            rows = [row[: self.length] for row in rows]
        padded, lengths = pad(rows, 0 if vocabulary is None else vocabulary.index[vocabulary.padding])
        return padded, lengths, corten.tensor([label for _, label in batch])
