"""Growing trees and walking rows through them: the door to native/learn/tree*.c."""

from libc.math cimport INFINITY, nextafterf
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

import numpy as np

from corten._core.native cimport find_api, par_for, par_threads, par_worker

cdef extern from "time.h" nogil:
    ctypedef long clock_type "time_t"
    struct timespec:
        clock_type tv_sec
        long tv_nsec
    int clock_gettime(int which, timespec *t)
    int CLOCK_MONOTONIC

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

cdef extern from "include/learn/tree.h":
    ctypedef struct tree_data:
        int64_t n, features, outputs, classes
        const int64_t *n_classes
        const void *rank
        int32_t rank_bytes
        const float *values
        const int64_t *first
        const uint8_t *missing
        const double *y
        const uint32_t *y_rank
        const int8_t *monotonic
        const uint8_t *categorical
    ctypedef struct tree_set:
        uint32_t at[8]
    ctypedef struct tree_rules:
        int32_t criterion, random
        int64_t max_features, max_depth, min_samples_split, min_samples_leaf, max_leaf_nodes
        double min_weight_leaf, min_impurity_decrease
        uint64_t seed
    ctypedef struct tree_node:
        double threshold, impurity, weight
        int64_t samples
        int32_t left, right, feature, depth
        uint8_t missing_left, categorical
    ctypedef struct tree_watch:
        int (*poll)(void *ctx) noexcept nogil
        void *ctx
    ctypedef struct ct_tree_api:
        int64_t (*work)(const tree_data *, const tree_rules *, int64_t, int) noexcept nogil
        int64_t (*grow)(const tree_data *, const tree_rules *, const double *, const uint16_t *, int, const tree_watch *,
                        void *) noexcept nogil
        void (*collect)(const tree_data *, const void *, tree_node *, double *, tree_set *) noexcept nogil
    ctypedef struct ct_tree_rank_api:
        int64_t (*work)(int64_t n) noexcept nogil
        int64_t (*rank)(int64_t, const float *, int64_t, uint32_t *, float *, void *) noexcept nogil
    ctypedef struct tree_step:
        float threshold
        int32_t feature
        int32_t left
    enum:
        TREE_MISSING_LEFT
        TREE_CATEGORICAL
    ctypedef struct ct_tree_apply_api:
        void (*apply)(const tree_step *, const tree_set *, const int64_t *, int64_t, const float *, int64_t, int64_t, int64_t,
                      int64_t *) noexcept nogil
        void (*predict)(const tree_step *, const tree_set *, const int64_t *, int64_t, const double *, int64_t, const float *, int64_t,
                        int64_t, int64_t, double, double *) noexcept nogil

cdef const ct_tree_api *tree_api = <const ct_tree_api *>find_api(b"tree", 0)
cdef const ct_tree_rank_api *rank_api = <const ct_tree_rank_api *>find_api(b"tree_rank", 0)
cdef const ct_tree_apply_api *apply_api = <const ct_tree_apply_api *>find_api(b"tree_apply", 0)

NODE = np.dtype({
    "names": ["threshold", "impurity", "weight", "samples", "left", "right", "feature", "depth", "missing_left",
              "categorical"],
    "formats": ["f8", "f8", "f8", "i8", "i4", "i4", "i4", "i4", "u1", "u1"],
    "offsets": [0, 8, 16, 24, 32, 36, 40, 44, 48, 49],
    "itemsize": sizeof(tree_node),
})
STEP = np.dtype({"names": ["threshold", "feature", "left"], "formats": ["f4", "i4", "i4"], "itemsize": sizeof(tree_step)})
CRITERIA = {"gini": 0, "entropy": 1, "log_loss": 1, "squared_error": 2, "friedman_mse": 2, "absolute_error": 3,
            "poisson": 4}


# ---------------------------------------------------------------------------------------------------------- columns

cdef struct rank_job:
    int64_t n
    const float *x
    int64_t row_stride, col_stride
    uint32_t *rank
    float **values
    int64_t *distinct
    char *work
    int64_t work_bytes
    int failed

cdef void rank_body(void *ctx, int64_t f) noexcept nogil:
    cdef rank_job *j = <rank_job *>ctx
    cdef char *work = <char *>malloc(j.work_bytes + 4 * j.n)
    if work == NULL:
        j.failed = 1
        return
    cdef float *values = <float *>(work + j.work_bytes)
    j.distinct[f] = rank_api.rank(j.n, j.x + f * j.col_stride, j.row_stride, j.rank + f * j.n, values, work)
    j.values[f] = <float *>malloc(4 * j.distinct[f] + 4)
    if j.values[f] == NULL:
        j.failed = 1
    else:
        memcpy(j.values[f], values, 4 * j.distinct[f])
    free(work)


cdef class Ranks:
    """The columns of a float32 matrix as dense ranks, made once and shared by all trees.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32
        Any strides; NaN counts as missing.
    """

    cdef readonly int64_t n, features
    cdef readonly object rank, values, first, missing

    def __init__(self, X):
        cdef const float[:, :] x = X
        cdef rank_job j
        self.n, self.features = X.shape
        if self.n >= 2**31:
            raise ValueError(f"[tree] got {self.n} rows, expected fewer than 2**31")
        rank = np.empty((self.features, self.n), np.uint32)
        distinct = np.empty(self.features, np.int64)
        pointers = np.zeros(self.features, np.uintp)
        cdef uint32_t[:, ::1] rank_view = rank
        cdef int64_t[::1] distinct_view = distinct
        cdef size_t[::1] pointer_view = pointers
        cdef int64_t f, at = 0
        j.n, j.x = self.n, &x[0, 0]
        j.row_stride, j.col_stride = x.strides[0] // 4, x.strides[1] // 4
        j.rank, j.distinct = &rank_view[0, 0], &distinct_view[0]
        j.values = <float **>&pointer_view[0]
        j.work_bytes = rank_api.work(self.n)
        j.failed = 0
        with nogil:
            par_for(self.features, rank_body, &j)
        if j.failed:
            for f in range(self.features):
                free(j.values[f])
            raise MemoryError
        first = np.zeros(self.features + 1, np.int64)
        np.cumsum(distinct, out=first[1:])
        values = np.empty(max(1, first[self.features]), np.float32)
        cdef float[::1] value_view = values
        for f in range(self.features):
            memcpy(&value_view[at], j.values[f], 4 * distinct_view[f])
            at += distinct_view[f]
            free(j.values[f])
        if distinct.max() < 65536:
            rank = rank.astype(np.uint16)
        self.rank, self.values, self.first = rank, values, first
        self.missing = (rank.max(axis=1) == distinct).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------------ growth

cdef class Watch:
    """Lets Ctrl-C end a native loop: polled from the thread that called, at most every 20 ms."""

    cdef tree_watch c
    cdef double last
    cdef public object error
    cdef volatile int stop

    def __cinit__(self):
        self.c.poll = poll
        self.c.ctx = <void *>self
        self.last = seconds()


cdef double seconds() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <double>t.tv_sec + 1e-9 * <double>t.tv_nsec


cdef int poll(void *ctx) noexcept nogil:
    cdef double now
    if (<Watch>ctx).stop:
        return 1
    if par_worker() != 0:
        return 0
    now = seconds()
    if now - (<Watch>ctx).last < 0.02:
        return 0
    with gil:
        (<Watch>ctx).last = now
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            (<Watch>ctx).error = error
            (<Watch>ctx).stop = 1
    return (<Watch>ctx).stop


cdef class Grower:
    """Grows trees from ranked columns by one set of rules.

    Parameters
    ----------
    ranks : Ranks
    y : ndarray of shape (n_samples, n_outputs), float64
        Class codes or targets.
    n_classes : array-like of int or None
        Classes of each output; None for regression.
    rules : dict
        criterion, random, max_features, max_depth, min_samples_split, min_samples_leaf, max_leaf_nodes (-1: none),
        min_weight_leaf, min_impurity_decrease.
    monotonic : ndarray of int8 or None
    categorical : ndarray of bool or None
        Columns whose values are the codes 0, 1, ... of categories, all of which occur.
    """

    cdef tree_data data
    cdef tree_rules rules
    cdef object keep
    cdef Watch watch
    cdef object prepare, finish
    cdef int workers
    cdef void **work

    def __init__(self, Ranks ranks, y, n_classes, dict rules, monotonic=None, categorical=None):
        cdef const double[:, ::1] y_view = y
        cdef const int64_t[::1] first = ranks.first, classes
        cdef const float[::1] values = ranks.values
        cdef const uint8_t[::1] missing = ranks.missing
        cdef const int8_t[::1] mono
        cdef const uint8_t[::1] kinds
        cdef const uint32_t[::1] order
        counts = np.ones(y.shape[1], np.int64) if n_classes is None else np.asarray(n_classes, np.int64)
        classes = counts
        self.keep = [ranks, y, counts]
        self.data.n, self.data.features = ranks.n, ranks.features
        self.data.outputs, self.data.classes = y.shape[1], counts.max()
        self.data.n_classes = &classes[0]
        self.data.rank = <const void *><uintptr_t>ranks.rank.ctypes.data
        self.data.rank_bytes = ranks.rank.itemsize
        self.data.values, self.data.first = &values[0], &first[0]
        self.data.missing = &missing[0]
        self.data.y = &y_view[0, 0]
        self.rules.criterion = CRITERIA[rules["criterion"]]
        self.rules.random = rules["random"]
        self.rules.max_features = rules["max_features"]
        self.rules.max_depth = rules["max_depth"]
        self.rules.min_samples_split = rules["min_samples_split"]
        self.rules.min_samples_leaf = rules["min_samples_leaf"]
        self.rules.max_leaf_nodes = rules["max_leaf_nodes"]
        self.rules.min_weight_leaf = rules["min_weight_leaf"]
        self.rules.min_impurity_decrease = rules["min_impurity_decrease"]
        if monotonic is not None and np.any(monotonic):
            mono = np.ascontiguousarray(monotonic, np.int8)
            self.keep.append(mono)
            self.data.monotonic = &mono[0]
        if categorical is not None:
            kinds = np.ascontiguousarray(categorical, np.uint8)
            self.keep.append(kinds)
            self.data.categorical = &kinds[0]
        if self.rules.criterion == 3:
            order = np.unique(y[:, 0], return_inverse=True)[1].astype(np.uint32).ravel()
            self.keep.append(order)
            self.data.y_rank = &order[0]

    cdef tuple collected(self, const void *work, int64_t count):
        nodes = np.empty(count, NODE)
        value = np.empty((count, self.data.outputs, self.data.classes))
        sets = None
        cdef double[:, :, ::1] v = value
        cdef tree_set *to = NULL
        if self.data.categorical != NULL:
            sets = np.empty((count, 8), np.uint32)
            to = <tree_set *><uintptr_t>sets.ctypes.data
        tree_api.collect(&self.data, work, <tree_node *><uintptr_t>nodes.ctypes.data, &v[0, 0, 0], to)
        return nodes, value, sets

    def grow(self, uint64_t seed, weight=None):
        """One tree on all threads: arrays of nodes (dtype NODE), of values (n_nodes, n_outputs, max_n_classes), and of
        the sets of categories that go left (n_nodes, 8), or None without categorical columns."""
        cdef tree_rules rules = self.rules
        cdef const double[::1] w
        cdef const double *weights = NULL
        cdef int workers = par_threads()
        cdef int64_t count
        cdef Watch watch = Watch()
        rules.seed = seed
        if weight is not None:
            w = np.ascontiguousarray(weight, np.float64)
            weights = &w[0]
        cdef void *work = malloc(tree_api.work(&self.data, &rules, self.data.n, workers) + 64)
        if work == NULL:
            raise MemoryError
        try:
            with nogil:
                count = tree_api.grow(&self.data, &rules, weights, NULL, workers, &watch.c, aligned(work))
            if count < 0:
                raise watch.error
            return self.collected(aligned(work), count)
        finally:
            free(work)

    def grow_many(self, int64_t trees, prepare, finish):
        """Trees 0 ... trees - 1, one on each thread.

        ``prepare(i)`` gives (seed, weights or None, whole weights as uint16 or None); ``finish(i, nodes, value,
        sets)`` takes the tree. Both are called with the GIL held from any thread, in no given order.
        """
        cdef int i
        self.watch, self.prepare, self.finish = Watch(), prepare, finish
        self.workers = par_threads()
        self.work = <void **>malloc(self.workers * sizeof(void *))
        if self.work == NULL:
            raise MemoryError
        for i in range(self.workers):
            self.work[i] = NULL
        cdef void *ctx = <void *>self
        try:
            with nogil:
                par_for(trees, grow_body, ctx)
        finally:
            for i in range(self.workers):
                free(self.work[i])
            free(self.work)
            error = self.watch.error
            self.watch = self.prepare = self.finish = None
        if error is not None:
            raise error


cdef inline void *aligned(void *p) noexcept nogil:
    return <void *>((<uintptr_t>p + 63) & ~<uintptr_t>63)


cdef void grow_body(void *ctx, int64_t chunk) noexcept nogil:
    grow_one(ctx, chunk, par_worker())


cdef void grow_one(void *ctx, int64_t chunk, int worker) noexcept with gil:
    cdef const double *weights = NULL
    cdef const uint16_t *counts = NULL
    cdef tree_rules rules
    cdef void *work
    cdef int64_t nodes
    cdef Grower self = <Grower>ctx
    cdef tree_watch *watch = &self.watch.c
    if self.watch.stop:
        return
    try:
        if worker >= self.workers:
            raise RuntimeError("[tree] the limit of threads was raised during a fit")
        if self.work[worker] == NULL:
            self.work[worker] = malloc(tree_api.work(&self.data, &self.rules, self.data.n, 1) + 64)
            if self.work[worker] == NULL:
                raise MemoryError
        if worker == 0:
            PyErr_CheckSignals()
        seed, weight, count = self.prepare(chunk)
        if weight is not None:
            weights = <const double *><uintptr_t>weight.ctypes.data
        if count is not None:
            counts = <const uint16_t *><uintptr_t>count.ctypes.data
        rules = self.rules
        rules.seed = seed
        work = aligned(self.work[worker])
        with nogil:
            nodes = tree_api.grow(&self.data, &rules, weights, counts, 1, watch, work)
        if nodes >= 0:
            self.finish(chunk, *self.collected(work, nodes))
    except BaseException as error:
        if self.watch.error is None:
            self.watch.error = error
        self.watch.stop = 1


# -------------------------------------------------------------------------------------------------------- prediction

cdef class Walker:
    """One or many trees laid out for prediction: 12 bytes a node, values of leaves only.

    Parameters
    ----------
    trees : list of (nodes, value, sets)
        As :class:`Grower` makes them.
    scale : float
        Predictions are sums over trees divided by this.
    """

    cdef readonly object steps, root, value, leaf_node, sets
    cdef readonly int64_t trees, width
    cdef readonly double scale
    cdef readonly tuple shape
    cdef const tree_step *c_steps
    cdef const int64_t *c_root
    cdef const double *c_value
    cdef const tree_set *c_sets

    def __init__(self, trees, scale=1.0):
        cdef int64_t total = sum(nodes.shape[0] for nodes, _, _ in trees), at = 0, made, depth, leaves = 0, i
        cdef int64_t n_leaves = sum(int(np.count_nonzero(nodes["left"] < 0)) for nodes, _, _ in trees)
        cdef int64_t width = trees[0][1].shape[1] * trees[0][1].shape[2]
        self.shape = trees[0][1].shape[1:]
        if total >= 2**31:
            raise ValueError(f"[tree] got {total} nodes, expected fewer than 2**31 in one ensemble")
        steps = np.empty(total, STEP)
        root = np.empty(len(trees), np.int64)
        value = np.empty((n_leaves, width))
        leaf_node = np.empty(n_leaves, np.int64)
        cdef tree_step *s = <tree_step *><uintptr_t>steps.ctypes.data
        cdef double[:, ::1] v = value
        cdef int64_t[::1] names = leaf_node
        cdef const double[:, :, ::1] from_value
        cdef const tree_node *nodes_c
        cdef const tree_node *node
        cdef int64_t deepest = max(int(nodes["depth"].max()) for nodes, _, _ in trees) + 2
        stack = np.empty(2 * deepest, np.int64)
        cdef int64_t[::1] pending = stack
        cdef int64_t place, source
        cdef int32_t number = 0
        cdef float t
        sets = np.empty((sum(int(np.count_nonzero(nodes["categorical"])) for nodes, _, _ in trees), 8), np.uint32)
        cdef uint32_t[:, ::1] set_view = sets
        cdef const uint32_t[:, ::1] from_set
        for i in range(len(trees)):
            nodes, from_value, from_set = trees[i]
            nodes_c = <const tree_node *><uintptr_t>nodes.ctypes.data
            root[i] = at
            made = at + 1
            depth = 0
            pending[0], pending[1] = 0, at
            depth = 1
            while depth > 0:
                depth -= 1
                source, place = pending[2 * depth], pending[2 * depth + 1]
                node = &nodes_c[source]
                if node.left < 0:
                    s[place].threshold, s[place].feature, s[place].left = 0, -1, <int32_t>leaves
                    memcpy(&v[leaves, 0], &from_value[source, 0, 0], 8 * width)
                    names[leaves] = source
                    leaves += 1
                    continue
                t = <float>node.threshold
                if <double>t > node.threshold:
                    t = nextafterf(t, -INFINITY)
                s[place].threshold = t
                s[place].feature = node.feature | (TREE_MISSING_LEFT if node.missing_left else 0)
                if node.categorical:
                    memcpy(&set_view[number, 0], &from_set[source, 0], sizeof(tree_set))
                    memcpy(&s[place].threshold, &number, 4)
                    number += 1
                    s[place].feature |= TREE_CATEGORICAL
                s[place].left = <int32_t>made
                pending[2 * depth], pending[2 * depth + 1] = node.right, made + 1
                pending[2 * depth + 2], pending[2 * depth + 3] = node.left, made
                depth += 2
                made += 2
            at = made
        self._set(steps, root, value, leaf_node, scale)
        self.sets = sets
        self.c_sets = <const tree_set *><uintptr_t>sets.ctypes.data

    def _set(self, steps, root, value, leaf_node, scale):
        cdef const int64_t[::1] root_view = root
        cdef const double[:, ::1] value_view = value
        self.steps, self.root, self.value, self.leaf_node = steps, root, value, leaf_node
        self.trees, self.width, self.scale = root.shape[0], value.shape[1], scale
        self.c_steps = <const tree_step *><uintptr_t>steps.ctypes.data
        self.c_root = &root_view[0]
        self.c_value = &value_view[0, 0]

    def predict(self, const float[:, :] X):
        """Sum over trees of the leaf values, divided by ``scale``: (n_rows, n_outputs * max_n_classes)."""
        cdef int64_t rows = X.shape[0], a = X.strides[0] // 4, b = X.strides[1] // 4
        out = np.empty((rows, self.width))
        cdef double[:, ::1] o = out
        if rows:
            if rows == 1:
                apply_api.predict(self.c_steps, self.c_sets, self.c_root, self.trees, self.c_value, self.width, &X[0, 0], rows, a, b,
                                  self.scale, &o[0, 0])
            else:
                with nogil:
                    apply_api.predict(self.c_steps, self.c_sets, self.c_root, self.trees, self.c_value, self.width, &X[0, 0], rows, a,
                                      b, self.scale, &o[0, 0])
        return out

    def predict_row(self, X):
        """The same for one row given as a C-contiguous float array (1, n_features); None when it holds an infinity or a
        value outside the range of float32."""
        cdef float small[256]
        cdef float *x = small
        cdef int64_t n = X.shape[1], i
        cdef const float[:, ::1] x32
        cdef const double[:, ::1] x64
        cdef int bad = 0
        out = np.empty((1, self.width))
        cdef double[:, ::1] o = out
        if n > 256:
            x = <float *>malloc(4 * n)
            if x == NULL:
                raise MemoryError
        if X.dtype.char == "f":
            x32 = X
            for i in range(n):
                x[i] = x32[0, i]
                bad |= x[i] == INFINITY or x[i] == -INFINITY
        else:
            x64 = X
            for i in range(n):
                x[i] = <float>x64[0, i]
                bad |= x[i] == INFINITY or x[i] == -INFINITY
        if not bad:
            apply_api.predict(self.c_steps, self.c_sets, self.c_root, self.trees, self.c_value, self.width, x, 1, n, 1, self.scale,
                              &o[0, 0])
        if n > 256:
            free(x)
        return None if bad else out

    def leaves(self, const float[:, :] X):
        """Leaf numbers (n_rows, n_trees): rows of :attr:`value`."""
        cdef int64_t rows = X.shape[0], a = X.strides[0] // 4, b = X.strides[1] // 4
        out = np.empty((rows, self.trees), np.int64)
        cdef int64_t[:, ::1] o = out
        if rows:
            with nogil:
                apply_api.apply(self.c_steps, self.c_sets, self.c_root, self.trees, &X[0, 0], rows, a, b, &o[0, 0])
        return out

    def apply(self, const float[:, :] X):
        """Node numbers (n_rows, n_trees), each within its own tree."""
        return self.leaf_node[self.leaves(X)]
