"""One tree of gradient boosting at a time: the door to native/learn/hist*.c."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.stdlib cimport free, malloc

import numpy as np

from corten._core.native cimport find_api, par_worker

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1

cdef extern from "include/learn/hist.h":
    ctypedef struct hist_data:
        int64_t n, features
        const uint8_t *bins
        int32_t missing_bin
        const int32_t *present
        const uint8_t *has_missing
        const uint8_t *categorical
        const int8_t *monotonic
        const uint8_t *interaction
        int64_t sets
    ctypedef struct hist_rules:
        int64_t max_leaf_nodes, max_depth, min_samples_leaf
        double l2, shrinkage, max_features
        uint64_t seed
    ctypedef struct hist_node:
        double value, gain, weight, lower, upper
        int64_t samples, start, end
        int32_t left, right, feature, depth
        uint32_t cats[8]
        uint8_t bin, missing_left, categorical
    ctypedef struct hist_watch:
        int (*poll)(void *ctx) noexcept nogil
        void *ctx
    ctypedef struct ct_hist_api:
        int64_t (*work)(const hist_data *, const hist_rules *) noexcept nogil
        int64_t (*grow)(const hist_data *, const hist_rules *, const float *, const float *, uint32_t *, hist_node *,
                        const hist_watch *, void *) noexcept nogil
        int64_t (*capacity)(const hist_data *, const hist_rules *) noexcept nogil
        void (*add)(const hist_node *, int64_t, const uint32_t *, double *, int64_t) noexcept nogil
    ctypedef struct ct_hist_loss_api:
        void (*gradient)(int32_t, double, int64_t, int64_t, const double *, const double *, const double *, float *,
                         float *) noexcept nogil
    ctypedef struct hist_step:
        double value
        int32_t feature, left
    enum:
        HIST_GROUP
        HIST_MISSING_LEFT
        HIST_CATEGORICAL
    ctypedef struct ct_hist_apply_api:
        void (*bin)(const void *, int64_t, int64_t, int64_t, int64_t, const double *, const int64_t *, const uint8_t *,
                    int32_t, uint8_t *, uint8_t *) noexcept nogil
        void (*predict)(const hist_step *, const int64_t *, int64_t, const uint32_t *, const void *, int64_t, int64_t,
                        int64_t, int64_t, double *) noexcept nogil

cdef const ct_hist_api *hist_api = <const ct_hist_api *>find_api(b"hist", 0)
cdef const ct_hist_loss_api *loss_api = <const ct_hist_loss_api *>find_api(b"hist_loss", 0)
cdef const ct_hist_apply_api *apply_api[2]
apply_api[0] = <const ct_hist_apply_api *>find_api(b"hist_apply", 0)
apply_api[1] = <const ct_hist_apply_api *>find_api(b"hist_apply", 1)

NODE = np.dtype({
    "names": ["value", "gain", "weight", "lower", "upper", "samples", "start", "end", "left", "right", "feature", "depth",
              "cats", "bin", "missing_left", "categorical"],
    "formats": ["f8", "f8", "f8", "f8", "f8", "i8", "i8", "i8", "i4", "i4", "i4", "i4", ("u4", 8), "u1", "u1", "u1"],
    "offsets": [0, 8, 16, 24, 32, 40, 48, 56, 64, 68, 72, 76, 80, 112, 113, 114],
    "itemsize": sizeof(hist_node),
})
TREE = np.dtype([
    ("value", "f8"), ("threshold", "f8"), ("gain", "f8"), ("weight", "f8"), ("samples", "i8"), ("left", "i4"),
    ("right", "i4"), ("feature", "i4"), ("depth", "i4"), ("cats", "u4", 8), ("missing_left", "u1"), ("categorical", "u1"),
])
STEP = np.dtype({"names": ["value", "feature", "left"], "formats": ["f8", "i4", "i4"], "itemsize": sizeof(hist_step)})
LOSSES = {"squared_error": 0, "absolute_error": 1, "quantile": 2, "poisson": 3, "gamma": 4, "binomial": 5,
          "multinomial": 6}


cdef class Bins:
    """A matrix as bins, eight columns together.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
    thresholds : list of ndarray
        Upper bounds of the bins of each column but its last; ignored for categorical columns, which hold codes.
    categorical : ndarray of bool of shape (n_features,)
    missing_bin : int
        Number of the bin of missing values, in all columns.
    """

    cdef readonly int64_t n, features
    cdef readonly object bins, has_missing
    cdef readonly int missing_bin

    def __init__(self, X, thresholds, categorical, int missing_bin):
        cdef int dtype = 1 if X.dtype == np.float64 else 0
        cdef int64_t size = X.dtype.itemsize, a = X.strides[0] // size, b = X.strides[1] // size
        self.n, self.features, self.missing_bin = X.shape[0], X.shape[1], missing_bin
        first = np.zeros(self.features + 1, np.int64)
        np.cumsum([0 if c else len(t) for t, c in zip(thresholds, categorical)], out=first[1:])
        flat = np.concatenate([np.zeros(0), *(t for t, c in zip(thresholds, categorical) if not c), np.zeros(1)])
        bins = np.empty(((self.features + HIST_GROUP - 1) // HIST_GROUP, self.n, HIST_GROUP), np.uint8)
        missing = np.empty(self.features, np.uint8)
        cdef const int64_t[::1] first_view = first
        cdef const double[::1] flat_view = flat.astype(np.float64)
        cdef const uint8_t[::1] cat_view = np.ascontiguousarray(categorical, np.uint8)
        cdef uint8_t[:, :, ::1] bins_view = bins
        cdef uint8_t[::1] missing_view = missing
        cdef const void *x = <const void *><uintptr_t>X.ctypes.data
        if self.n:
            with nogil:
                apply_api[dtype].bin(x, self.n, self.features, a, b, &flat_view[0], &first_view[0], &cat_view[0],
                                     missing_bin, &bins_view[0, 0, 0], &missing_view[0])
        self.bins, self.has_missing = bins, missing

    def column(self, int64_t f):
        """The bins of one column, (n_samples,)."""
        return self.bins[f // HIST_GROUP, :, f % HIST_GROUP]


cdef class Watch:
    """Notices Ctrl-C between two splits."""

    cdef hist_watch c
    cdef object error
    cdef int64_t calls

    def __cinit__(self):
        self.c.poll = poll
        self.c.ctx = <void *>self


cdef int poll(void *ctx) noexcept nogil:
    return 0 if par_worker() != 0 else ask(ctx)


cdef int ask(void *ctx) noexcept with gil:
    cdef Watch self = <Watch>ctx
    self.calls += 1
    if self.calls & 15:
        return 0
    try:
        PyErr_CheckSignals()
    except BaseException as error:
        self.error = error
        return 1
    return 0


cdef class Booster:
    """Grows trees on binned columns.

    Parameters
    ----------
    bins : Bins
    present : ndarray of int32 of shape (n_features,)
        Bins in use in each column, without the missing one.
    categorical : ndarray of bool
    monotonic : ndarray of int8 or None
    interaction : ndarray of bool of shape (n_sets, n_features) or None
    rules : dict
        max_leaf_nodes (-1: none), max_depth, min_samples_leaf, l2, shrinkage, max_features.
    """

    cdef hist_data data
    cdef hist_rules rules
    cdef readonly object rows
    cdef object keep, nodes
    cdef void *work
    cdef Watch watch

    def __cinit__(self):
        self.work = NULL

    def __init__(self, Bins bins, present, categorical, monotonic, interaction, dict rules):
        cdef const uint8_t[:, :, ::1] b = bins.bins
        cdef const int32_t[::1] p = np.ascontiguousarray(present, np.int32)
        cdef const uint8_t[::1] m = bins.has_missing, c = np.ascontiguousarray(categorical, np.uint8)
        cdef const int8_t[::1] mono
        cdef const uint8_t[:, ::1] sets
        self.keep = [bins, p, m, c]
        self.data.n, self.data.features, self.data.bins = bins.n, bins.features, &b[0, 0, 0]
        self.data.missing_bin, self.data.present, self.data.has_missing = bins.missing_bin, &p[0], &m[0]
        self.data.categorical = &c[0]
        if monotonic is not None and np.any(monotonic):
            mono = np.ascontiguousarray(monotonic, np.int8)
            self.keep.append(mono)
            self.data.monotonic = &mono[0]
        if interaction is not None:
            sets = np.ascontiguousarray(interaction, np.uint8)
            self.keep.append(sets)
            self.data.interaction, self.data.sets = &sets[0, 0], sets.shape[0]
        self.rules.max_leaf_nodes = rules["max_leaf_nodes"]
        self.rules.max_depth = rules["max_depth"]
        self.rules.min_samples_leaf = rules["min_samples_leaf"]
        self.rules.l2, self.rules.shrinkage = rules["l2"], rules["shrinkage"]
        self.rules.max_features = rules["max_features"]
        self.rows = np.empty(bins.n, np.uint32)
        self.nodes = np.empty(hist_api.capacity(&self.data, &self.rules), NODE)
        self.work = malloc(hist_api.work(&self.data, &self.rules) + 64)
        if self.work == NULL:
            raise MemoryError
        self.watch = Watch()

    def __dealloc__(self):
        free(self.work)

    def grow(self, const float[::1] g, h, uint64_t seed):
        """One tree for gradients g and Hessians h (None: all one), an array of dtype NODE; sets :attr:`rows`."""
        cdef const float[::1] h_view
        cdef const float *h_pointer = NULL
        cdef uint32_t[::1] rows = self.rows
        cdef hist_node *nodes = <hist_node *><uintptr_t>self.nodes.ctypes.data
        cdef int64_t count
        cdef hist_watch *watch = &self.watch.c
        cdef void *work = <void *>((<uintptr_t>self.work + 63) & ~<uintptr_t>63)
        if h is not None:
            h_view = h
            h_pointer = &h_view[0]
        self.rules.seed = seed
        with nogil:
            count = hist_api.grow(&self.data, &self.rules, &g[0], h_pointer, &rows[0], nodes, watch, work)
        if count < 0:
            error, self.watch.error = self.watch.error, None
            raise error
        return self.nodes[:count].copy()

    def add(self, nodes, double[::1] raw):
        """Adds the leaf values of the tree just grown to the raw predictions of the training rows."""
        cdef const uint32_t[::1] rows = self.rows
        cdef const hist_node *c_nodes = <const hist_node *><uintptr_t>nodes.ctypes.data
        cdef int64_t count = nodes.shape[0]
        with nogil:
            hist_api.add(c_nodes, count, &rows[0], &raw[0], 1)


def gradients(loss, double quantile, const double[::1] y, weight, const double[:, ::1] raw, float[:, ::1] g, h):
    """Gradients and Hessians of a loss named in LOSSES: raw, g, h (n_outputs, n); h None where it is constant."""
    cdef const double[::1] w
    cdef const double *w_pointer = NULL
    cdef float[:, ::1] h_view
    cdef float *h_pointer = NULL
    cdef int32_t code = LOSSES[loss]
    if weight is not None:
        w = weight
        w_pointer = &w[0]
    if h is not None:
        h_view = h
        h_pointer = &h_view[0, 0]
    with nogil:
        loss_api.gradient(code, quantile, raw.shape[1], raw.shape[0], &y[0], w_pointer, &raw[0, 0], &g[0, 0], h_pointer)


def kept(nodes, table):
    """What prediction and inspection need of a grown tree, as an array of dtype TREE.

    ``table`` (n_features, 256) holds the upper bounds of the bins, infinity after the last.
    """
    out = np.empty(len(nodes), TREE)
    for name in TREE.names:
        if name != "threshold":
            out[name] = nodes[name]
    out["threshold"] = table[nodes["feature"], nodes["bin"]]
    return out


cdef class Stages:
    """Boosted trees laid out for prediction, 16 bytes a node.

    Parameters
    ----------
    trees : list of ndarray of dtype TREE
        In order of iteration, one for each output within it.
    outputs : int
    """

    cdef readonly object steps, root, cats
    cdef readonly int64_t trees, outputs

    def __init__(self, trees, int64_t outputs):
        cdef int64_t total = sum(len(t) for t in trees), at = 0, made, source, place, n_cats = 0, i
        steps = np.empty(max(1, total), STEP)
        root = np.empty(max(1, len(trees)), np.int64)
        cats = []
        cdef hist_step *s = <hist_step *><uintptr_t>steps.ctypes.data
        cdef const double[:] value, threshold
        cdef const int32_t[:] left, right, feature
        cdef const uint8_t[:] missing_left, categorical
        for i in range(len(trees)):
            nodes = trees[i]
            value, threshold = nodes["value"], nodes["threshold"]
            left, right, feature = nodes["left"], nodes["right"], nodes["feature"]
            missing_left, categorical = nodes["missing_left"], nodes["categorical"]
            root[i] = at
            made = at + 1
            pending = [(0, at)]
            while pending:
                source, place = pending.pop()
                if left[source] < 0:
                    s[place].value, s[place].feature, s[place].left = value[source], -1, 0
                    continue
                s[place].feature = feature[source]
                if missing_left[source]:
                    s[place].feature |= HIST_MISSING_LEFT
                if categorical[source]:
                    s[place].feature |= HIST_CATEGORICAL
                    s[place].value = <double>n_cats
                    cats.append(nodes["cats"][source])
                    n_cats += 1
                else:
                    s[place].value = threshold[source]
                s[place].left = <int32_t>made
                pending.append((right[source], made + 1))
                pending.append((left[source], made))
                made += 2
            at = made
        self.steps, self.root, self.trees, self.outputs = steps, root, len(trees), outputs
        self.cats = np.ascontiguousarray(cats, np.uint32).reshape(-1, 8) if cats else np.zeros((1, 8), np.uint32)

    def add(self, X, double[:, ::1] raw, int64_t begin=0, end=None):
        """Adds the values of trees begin ... end - 1 to raw (n_rows, n_outputs)."""
        cdef int dtype = 1 if X.dtype == np.float64 else 0
        cdef int64_t size = X.dtype.itemsize, a = X.strides[0] // size, b = X.strides[1] // size, rows = X.shape[0]
        cdef const hist_step *s = <const hist_step *><uintptr_t>self.steps.ctypes.data
        cdef const int64_t[::1] root = self.root
        cdef const uint32_t[:, ::1] cats = self.cats
        cdef const void *x = <const void *><uintptr_t>X.ctypes.data
        cdef int64_t stop = self.trees if end is None else end
        if rows and stop > begin:
            with nogil:
                apply_api[dtype].predict(s, &root[begin], stop - begin, &cats[0, 0], x, rows, a, b, self.outputs,
                                         &raw[0, 0])
