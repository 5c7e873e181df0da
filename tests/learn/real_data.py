"""Real data for comparisons with scikit-learn; tests skip where CORTEN_DATA does not point to it."""

import csv
import functools
import gzip
import os
from pathlib import Path

import numpy as np
import pytest


def path(*parts):
    root = os.environ.get("CORTEN_DATA")
    if not root or not Path(root, *parts).exists():
        pytest.skip("CORTEN_DATA does not hold " + "/".join(parts))
    return Path(root, *parts)


@functools.lru_cache
def california():
    """Eight numeric columns, standard scaled by hand, and the house value."""
    with open(path("california_housing", "housing.csv")) as file:
        rows = [[float(v) for v in list(r.values())[:9]] for r in csv.DictReader(file) if r["total_bedrooms"]]
    data = np.array(rows)
    X, y = data[:, :8], data[:, 8] / 1e5
    return (X - X.mean(axis=0)) / X.std(axis=0), y


@functools.lru_cache
def a9a(rows=6000):
    """The first rows of a9a as CSR, labels 0 and 1."""
    from sklearn.datasets import load_svmlight_file

    X, y = load_svmlight_file(str(path("a9a", "a9a")), n_features=123)
    return X[:rows], (y[:rows] > 0).astype(int)


@functools.lru_cache
def mnist(rows=3000):
    """The first images as floats in [0, 1], and their digits."""
    with gzip.open(path("mnist", "train-images-idx3-ubyte.gz")) as file:
        X = np.frombuffer(file.read(16 + rows * 784), dtype=np.uint8)[16:].reshape(rows, 784)
    with gzip.open(path("mnist", "train-labels-idx1-ubyte.gz")) as file:
        y = np.frombuffer(file.read(8 + rows), dtype=np.uint8)[8:]
    return X / 255.0, y.astype(int)


@functools.lru_cache
def letters(rows=4000):
    data = np.genfromtxt(path("letter", "letter-recognition.data"), delimiter=",", dtype=str, max_rows=rows)
    return data[:, 1:].astype(float), data[:, 0]


@functools.lru_cache
def mammography():
    data = np.genfromtxt(path("tabular_small", "mammography.csv"), delimiter=",", dtype=str)
    return data[:, :-1].astype(float), (np.char.strip(data[:, -1], "'\"") == "1").astype(int)


@functools.lru_cache
def polarity(rows=1500):
    """Bag of words of film reviews, CSR counts, positive or not."""
    from sklearn.feature_extraction.text import CountVectorizer

    folder = path("rt_polarity")
    texts, labels = [], []
    for name in sorted(os.listdir(folder)):
        if "pos" in name or "neg" in name:
            lines = Path(folder, name).read_text(encoding="utf-8", errors="replace").splitlines()[:rows]
            texts += lines
            labels += [int("pos" in name)] * len(lines)
    return CountVectorizer(min_df=2).fit_transform(texts).astype(np.float64), np.array(labels)
