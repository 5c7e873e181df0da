"""A classification tree with NumPy alone: impurity, the best split, growth, and pruning by cost and complexity."""

import numpy as np


def gini(p):
    """Probability that two rows drawn from a node have different classes: 1 - sum p^2."""
    return 1 - np.sum(p**2, axis=-1)


def entropy(p):
    """Bits that it takes on average to name the class of a row: -sum p log2 p."""
    return -np.sum(p * np.log2(np.where(p > 0, p, 1)), axis=-1)


def best_split(x, y, classes, impurity=gini):
    """The column and threshold whose two sides are purest: (gain, column, threshold), or None.

    A column is sorted once; running counts give the classes left of every possible cut.
    """
    n = len(y)
    parent = impurity(np.bincount(y, minlength=classes) / n)
    best = None
    for column in range(x.shape[1]):
        order = np.argsort(x[:, column], kind="stable")
        values, counts = x[order, column], np.cumsum(np.eye(classes)[y[order]], axis=0)
        cuts = np.flatnonzero(np.diff(values) > 0) + 1  # rows left of the cut
        if not len(cuts):
            continue
        left, right = counts[cuts - 1], counts[-1] - counts[cuts - 1]
        sides = (cuts * impurity(left / cuts[:, None]) + (n - cuts) * impurity(right / (n - cuts)[:, None])) / n
        i = int(np.argmin(sides))
        gain = parent - sides[i]
        if gain > 1e-12 and (best is None or gain > best[0] + 1e-12):
            best = (gain, column, (values[cuts[i] - 1] + values[cuts[i]]) / 2)
    return best


def grow(x, y, classes, depth, smallest=1, impurity=gini):
    """A node as a dict: its class shares, and a column, a threshold and two children where it is split."""
    shares = np.bincount(y, minlength=classes) / len(y)
    node = {"shares": shares, "n": len(y)}
    split = best_split(x, y, classes, impurity) if depth > 0 and len(y) >= 2 * smallest and shares.max() < 1 else None
    if split is not None:
        _, column, threshold = split
        left = x[:, column] <= threshold
        if min(left.sum(), (~left).sum()) >= smallest:
            node.update(column=column, threshold=threshold,
                        left=grow(x[left], y[left], classes, depth - 1, smallest, impurity),
                        right=grow(x[~left], y[~left], classes, depth - 1, smallest, impurity))  # fmt: skip
    return node


def predict(node, x):
    """The class of each row: walk down."""
    if "column" not in node:
        return np.full(len(x), node["shares"].argmax())
    left = x[:, node["column"]] <= node["threshold"]
    out = np.empty(len(x), int)
    out[left] = predict(node["left"], x[left])
    out[~left] = predict(node["right"], x[~left])
    return out


def leaves(node):
    """How many there are."""
    return 1 if "column" not in node else leaves(node["left"]) + leaves(node["right"])
