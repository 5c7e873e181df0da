"""A grown tree as arrays, and cost-complexity pruning."""

import heapq

import numpy as np
import scipy.sparse as sp

from corten.learn.tree._grow import NODE, Walker

__all__ = ["Tree", "prune", "pruning_path"]

TREE_LEAF = -1
TREE_UNDEFINED = -2


class Tree:
    """A binary tree as parallel arrays, with the attribute names of scikit-learn's ``tree_``.

    Node 0 is the root. A row goes left when ``X[:, feature] <= threshold``.

    Parameters
    ----------
    nodes : ndarray of shape (node_count,), dtype NODE
        Nodes in depth-first order (best-first trees: in the order in which they were made).
    value : ndarray of shape (node_count, n_outputs, max_n_classes)
        Class fractions or target values of each node.
    n_features : int
    n_classes : ndarray of shape (n_outputs,)
    sets : ndarray of shape (node_count, 8), uint32, or None
        With categorical features: bit c of the 256 of a categorical node says that category c goes left.

    Attributes
    ----------
    children_left, children_right : ndarray of int64; -1 in leaves
    feature : ndarray of int64; -2 in leaves
    threshold, impurity, weighted_n_node_samples : ndarray of float64
    n_node_samples : ndarray of int64
    missing_go_to_left : ndarray of uint8
    categorical : ndarray of bool
        Nodes that split a set of categories; their threshold is NaN.
    value : ndarray of shape (node_count, n_outputs, max_n_classes)
    """

    def __init__(self, nodes, value, n_features, n_classes, sets=None):
        self.nodes, self.value, self.sets = nodes, value, sets
        self.n_features = int(n_features)
        self.n_classes = np.asarray(n_classes, np.int64)
        self._walker = None

    @property
    def arrays(self):
        """What a walker is made of."""
        return self.nodes, self.value, self.sets

    @property
    def node_count(self):
        return len(self.nodes)

    capacity = node_count

    @property
    def n_outputs(self):
        return self.value.shape[1]

    @property
    def max_n_classes(self):
        return self.value.shape[2]

    @property
    def max_depth(self):
        return int(self.nodes["depth"].max())

    @property
    def n_leaves(self):
        return int(np.count_nonzero(self.nodes["left"] < 0))

    @property
    def children_left(self):
        return self.nodes["left"].astype(np.int64)

    @property
    def children_right(self):
        return self.nodes["right"].astype(np.int64)

    @property
    def feature(self):
        return self.nodes["feature"].astype(np.int64)

    @property
    def threshold(self):
        return self.nodes["threshold"].copy()

    @property
    def impurity(self):
        return self.nodes["impurity"].copy()

    @property
    def n_node_samples(self):
        return self.nodes["samples"].copy()

    @property
    def weighted_n_node_samples(self):
        return self.nodes["weight"].copy()

    @property
    def missing_go_to_left(self):
        return self.nodes["missing_left"].copy()

    @property
    def categorical(self):
        return self.nodes["categorical"].astype(bool)

    def goes_left(self, node, x):
        """Which of the values x (n,) of its feature go left at a node."""
        n = self.nodes[node]
        if not n["categorical"]:
            return np.where(np.isnan(x), bool(n["missing_left"]), x <= n["threshold"])
        known = (x >= 0) & (x < 256) & (x == np.floor(x))
        code = np.where(known, x, 0).astype(np.intp)
        return np.where(known, self.sets[node][code // 32] >> (code % 32).astype(np.uint32) & 1, n["missing_left"]).astype(bool)

    @property
    def walker(self):
        """The layout for prediction, made on first use."""
        if self._walker is None:
            self._walker = Walker([self.arrays])
        return self._walker

    def _rows(self, X):
        if not isinstance(X, np.ndarray) or X.dtype != np.float32 or X.ndim != 2 or X.shape[1] != self.n_features:
            got = f"{X.dtype} {X.shape}" if isinstance(X, np.ndarray) else type(X).__name__
            raise ValueError(f"[Tree] got {got}, expected a float32 array with {self.n_features} columns")
        return X

    def predict(self, X):
        """Values of the leaves that the rows of X end in: (n_rows, n_outputs, max_n_classes), or without the middle axis
        for one output."""
        out = self.walker.predict(self._rows(X))
        return out if self.n_outputs == 1 else out.reshape(-1, self.n_outputs, self.max_n_classes)

    def apply(self, X):
        """Number of the leaf that each row of X ends in, (n_rows,)."""
        return self.walker.apply(self._rows(X))[:, 0]

    def parents(self):
        """Parent of each node, (node_count,); -1 for the root."""
        up = np.full(self.node_count, -1, np.int64)
        inner = np.flatnonzero(self.nodes["left"] >= 0)
        up[self.nodes["left"][inner]] = inner
        up[self.nodes["right"][inner]] = inner
        return up

    def decision_path(self, X):
        """CSR matrix (n_rows, node_count) with a one for each node that a row goes through."""
        at, up = self.apply(X), self.parents()
        rows, nodes = [], []
        row = np.arange(len(at))
        while len(row):
            rows.append(row)
            nodes.append(at)
            at = up[at]
            row, at = row[at >= 0], at[at >= 0]
        rows, nodes = np.concatenate(rows), np.concatenate(nodes)
        path = sp.csr_matrix((np.ones(len(rows), np.int64), (rows, nodes)), shape=(X.shape[0], self.node_count))
        path.sort_indices()
        return path

    def compute_node_depths(self):
        """Depth of each node, the root's being 1."""
        return self.nodes["depth"].astype(np.int64) + 1

    def compute_feature_importances(self, normalize=True):
        """Weighted impurity decrease that each feature brought, (n_features,), summing to one if ``normalize``."""
        n = self.nodes
        inner = n[n["left"] >= 0]
        left, right = n[inner["left"]], n[inner["right"]]
        gain = inner["weight"] * inner["impurity"] - left["weight"] * left["impurity"] - right["weight"] * right["impurity"]
        out = np.bincount(inner["feature"], gain, self.n_features).astype(np.float64)
        out /= n["weight"][0]
        if normalize and out.sum() > 0:
            out /= out.sum()
        return out

    def compute_partial_dependence(self, X, target_features, out):
        """Adds the weighted average prediction over the other features to ``out``, one value for each row of X.

        The traversal follows both children of a split on another feature, weighted by their training rows (Friedman
        2001).
        """
        where = {int(f): i for i, f in enumerate(target_features)}
        n = self.nodes
        stack = [(0, np.arange(X.shape[0]), np.ones(X.shape[0]))]
        while stack:
            at, rows, weight = stack.pop()
            if not len(rows):
                continue
            left, right = n["left"][at], n["right"][at]
            if left < 0:
                out[rows] += weight * self.value[at, 0, 0]
                continue
            f = int(n["feature"][at])
            if f in where:
                goes = self.goes_left(at, X[rows, where[f]])
                stack.append((left, rows[goes], weight[goes]))
                stack.append((right, rows[~goes], weight[~goes]))
            else:
                share = n["weight"][left] / n["weight"][at]
                stack.append((left, rows, weight * share))
                stack.append((right, rows, weight * (1 - share)))

    def __reduce__(self):
        return type(self), (self.nodes, self.value, self.n_features, self.n_classes, self.sets)

    def _corten_state(self):
        state = {name: np.ascontiguousarray(self.nodes[name]) for name in NODE.names}
        return {
            **state, "value": self.value, "n_features": self.n_features, "n_classes": self.n_classes, "sets": self.sets
        }  # fmt: skip

    def _corten_restore(self, state):
        count = len(state["left"])
        nodes = np.zeros(count, NODE)
        for name in NODE.names:
            nodes[name] = state.get(name, 0)  # files from before categories lack them
        sets = state.get("sets")
        sets = None if sets is None else np.ascontiguousarray(sets, np.uint32)
        value = np.ascontiguousarray(state["value"], np.float64)
        inner = nodes["left"] >= 0
        here = np.arange(count)[inner]
        bad = (
            value.ndim != 3
            or len(value) != count
            or np.any(nodes["left"][inner] <= here)
            or np.any(nodes["right"][inner] <= here)
            or np.any(nodes["left"] >= count)
            or np.any(nodes["right"] >= count)
            or np.any(nodes["right"][inner] < 0)
            or np.any(nodes["feature"][inner] < 0)
            or np.any(nodes["feature"] >= state["n_features"])
            or np.any(nodes["depth"] < 0)
            or (nodes["categorical"].any() if sets is None else sets.shape != (count, 8))
        )
        if bad or not count:
            raise ValueError("[load] damaged tree: its arrays do not describe one")
        depth = np.zeros(count, np.int32)
        for i in here:  # children follow their parents
            depth[nodes["left"][i]] = depth[nodes["right"][i]] = depth[i] + 1
        nodes["depth"] = depth
        self.__init__(nodes, value, state["n_features"], state["n_classes"], sets)


# ---------------------------------------------------------------------------------------------------------- pruning


def _weakest_links(tree):
    """Yields (alpha, node, total impurity of the leaves after pruning there), weakest first.

    Breiman et al. 1984, section 3.3: the effective alpha of a branch is the impurity it saves over its node as a leaf, for
    each leaf above the first. Ties go to the lower node number.
    """
    n = tree.nodes
    left, right, up = n["left"], n["right"], tree.parents()
    own = n["weight"] * n["impurity"] / n["weight"][0]
    branch, leaves = np.where(left < 0, own, 0.0), (left < 0).astype(np.int64)
    for i in np.argsort(-n["depth"], kind="stable"):
        if left[i] >= 0:
            branch[i] = branch[left[i]] + branch[right[i]]
            leaves[i] = leaves[left[i]] + leaves[right[i]]
    alive = left >= 0  # inner nodes of what is left
    stamp = np.zeros(len(n), np.int64)
    heap = [((own[i] - branch[i]) / (leaves[i] - 1), int(i), 0) for i in np.flatnonzero(alive)]
    heapq.heapify(heap)
    while alive[0]:
        alpha, node, version = heapq.heappop(heap)
        if not alive[node] or version != stamp[node]:
            continue
        stack = [node]
        while stack:
            i = stack.pop()
            if alive[i]:
                alive[i] = False
                stack += (int(left[i]), int(right[i]))
        cut, more = leaves[node] - 1, own[node] - branch[node]
        leaves[node], branch[node] = 1, own[node]
        i = int(up[node])
        while i >= 0:
            leaves[i] -= cut
            branch[i] += more
            stamp[i] += 1
            heapq.heappush(heap, ((own[i] - branch[i]) / (leaves[i] - 1), i, int(stamp[i])))
            i = int(up[i])
        yield alpha, node, branch[0]


def pruning_path(tree):
    """Effective alphas and the impurities of the leaves along the path of pruned trees, as a dict of two arrays."""
    n = tree.nodes
    leaf = n["left"] < 0
    start = float(np.sum((n["weight"] * n["impurity"] / n["weight"][0])[leaf]))
    alphas, impurities = [0.0], [start]
    for alpha, _, impurity in _weakest_links(tree):
        alphas.append(float(alpha))
        impurities.append(float(impurity))
    return {"ccp_alphas": np.array(alphas), "impurities": np.array(impurities)}


def prune(tree, ccp_alpha):
    """The smallest tree on the path whose next effective alpha exceeds ``ccp_alpha``."""
    cut = np.zeros(tree.node_count, bool)
    for alpha, node, _ in _weakest_links(tree):
        if alpha > ccp_alpha:
            break
        cut[node] = True
    order, link, stack = [], {}, [(0, -1, "")]
    while stack:
        i, parent, side = stack.pop()
        if parent >= 0:
            link[parent, side] = len(order)
        at = len(order)
        order.append(i)
        if tree.nodes["left"][i] >= 0 and not cut[i]:
            stack.append((int(tree.nodes["right"][i]), at, "right"))
            stack.append((int(tree.nodes["left"][i]), at, "left"))
    nodes = tree.nodes[order]
    for name, nothing in (("left", -1), ("right", -1)):
        nodes[name] = nothing
    for (parent, side), at in link.items():
        nodes[side][parent] = at
    leaf = nodes["left"] < 0
    nodes["feature"][leaf], nodes["threshold"][leaf] = TREE_UNDEFINED, TREE_UNDEFINED
    nodes["missing_left"][leaf] = nodes["categorical"][leaf] = 0
    sets = None if tree.sets is None else tree.sets[order]
    return Tree(nodes, tree.value[order], tree.n_features, tree.n_classes, sets)
