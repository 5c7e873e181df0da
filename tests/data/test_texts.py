"""Words, vocabulary, padding."""

import json

import pytest

import corten
from corten.data import DataLoader, texts


def test_words():
    assert texts.words("Don't panic: it's 42\u00b0, na\u00efve_one!") == [
        "don't", "panic", ":", "it's", "42", "\u00b0", ",", "na\u00efve", "one", "!"]  # fmt: skip
    assert texts.words("A b", lower=False) == ["A", "b"] and texts.words("") == []


def test_vocabulary():
    v = texts.Vocabulary.of(["the cat the dog", "the end"], max_size=4)
    assert v.tokens == ("<pad>", "<unk>", "the", "cat") and len(v) == 4
    assert v.encode("The bird") == [2, 1] and v.decode(corten.tensor([2, 3, 0, 0])) == ["the", "cat"]
    again = texts.Vocabulary.from_state_dict(json.loads(json.dumps(v.state_dict())))
    assert again.tokens == v.tokens and again.encode("cat") == [3]
    letters = texts.Vocabulary.of(["aab"], tokenize=list)
    assert letters.encode("ba") == [3, 2]
    for bad in (["<pad>"], ["<pad>", "<unk>", "a", "a"]):
        with pytest.raises(ValueError, match=r"\[Vocabulary\]"):
            texts.Vocabulary(bad)
    with pytest.raises(ValueError, match="damaged"):
        texts.Vocabulary.from_state_dict({"tokens": []})


def test_padding():
    padded, lengths = texts.pad([[1, 2, 3], [4], []], value=9, length=2)
    assert padded.tolist() == [[1, 2], [4, 9], [9, 9]] and lengths.tolist() == [2, 1, 0]
    assert tuple(texts.pad([])[0].shape) == (0, 0)
    v = texts.Vocabulary.of(["good film", "bad film indeed"])
    loader = DataLoader([("good film", 1), ("bad film indeed", 0)], 2, collate_fn=texts.PadCollate(v, 2))
    x, n, y = next(iter(loader))
    assert tuple(x.shape) == (2, 2) and n.tolist() == [2, 2] and y.tolist() == [1, 0]
    assert texts.PadCollate()([([5, 6], 0), ([7], 1)])[0].tolist() == [[5, 6], [7, 0]]
