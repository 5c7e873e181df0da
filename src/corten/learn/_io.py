"""Estimators on disk without pickle: arrays as safetensors, everything else as JSON in the header.

File
----
A safetensors file whose metadata has two entries: ``format`` = ``"corten.learn"`` and ``model``, a JSON document
``{"schema": 1, "versions": {...}, "root": node}``. A node is a JSON scalar, or an object with one key that says what it
is::

    {"array": "a3"}                              a tensor of the file
    {"strings": [...], "shape": [...], "dtype"}  an array of strings or of mixed objects
    {"scalar": "a4"}                             a NumPy scalar (a tensor of shape ())
    {"list": [...]}, {"tuple": [...]}, {"dict": [[key, value], ...]}, {"set": [...]}
    {"float": "nan" | "inf" | "-inf"}, {"slice": [...]}, {"dtype": "float32"}
    {"csr" | "csc": [data, indices, indptr, shape, is_array]}
    {"random_state": [...]}                      a numpy.random.RandomState
    {"object": "corten.learn.linear_model.Ridge", "state": node}

Loading makes objects only of classes of ``corten.learn`` and of a list of scikit-learn's classes, without calling their
``__init__``; nothing in a file is executed.
"""

import inspect
import json
import math
import os
import re
import tempfile
from importlib import import_module

import numpy as np
import scipy.sparse as sp
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as tensors_to_bytes

from corten.learn._base import BaseEstimator

__all__ = ["SCHEMA", "load", "save"]

SCHEMA = 1

_MOVED = {"corten.learn.ensemble._binning.CategoryCodes": "corten.learn.tree._categories.CategoryCodes"}  # names in old files
_OURS = re.compile(r"corten\.learn(\.[A-Za-z0-9_]+)+\Z")

# scikit-learn's classes whose state is made of plain values, so that pipelines with them can be written.
_ALLOWED = {
    "sklearn.pipeline": "Pipeline FeatureUnion",
    "sklearn.compose": "ColumnTransformer TransformedTargetRegressor",
    "sklearn.preprocessing": "Binarizer FunctionTransformer KBinsDiscretizer LabelBinarizer LabelEncoder MaxAbsScaler "
    "MinMaxScaler MultiLabelBinarizer Normalizer OneHotEncoder OrdinalEncoder PolynomialFeatures PowerTransformer "
    "QuantileTransformer RobustScaler StandardScaler TargetEncoder",
    "sklearn.impute": "KNNImputer MissingIndicator SimpleImputer",
    "sklearn.feature_selection": "SelectKBest SelectPercentile VarianceThreshold SelectFromModel",
    "sklearn.feature_extraction": "DictVectorizer",
    "sklearn.feature_extraction.text": "CountVectorizer TfidfTransformer TfidfVectorizer HashingVectorizer",
    "sklearn.decomposition": "PCA IncrementalPCA TruncatedSVD FastICA KernelPCA",
    "sklearn.linear_model": "LinearRegression Ridge RidgeClassifier Lasso ElasticNet LogisticRegression",
    "sklearn.naive_bayes": "GaussianNB MultinomialNB BernoulliNB ComplementNB",
    "sklearn.calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration",
    "sklearn.isotonic": "IsotonicRegression",
    "sklearn.multiclass": "OneVsRestClassifier OneVsOneClassifier",
    "sklearn.multioutput": "MultiOutputClassifier MultiOutputRegressor",
    "sklearn.model_selection": "KFold StratifiedKFold GroupKFold ShuffleSplit",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.compose._column_transformer": "_RemainderColsList",
}
_ALLOWED = {f"{module}.{name}" for module, names in _ALLOWED.items() for name in names.split()}


def _class_path(cls):
    """The public dotted path of a class: the shortest prefix of its module that exports it."""
    parts = cls.__module__.split(".")
    for n in range(2, len(parts) + 1):
        module = import_module(".".join(parts[:n]))
        if getattr(module, cls.__qualname__, None) is cls:
            return f"{module.__name__}.{cls.__qualname__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def _resolve(path, name):
    """The class at a dotted path of a file; ValueError unless it is one that a file may name."""
    path = _MOVED.get(path, path)
    if path in _ALLOWED or _OURS.match(path):
        module, _, attribute = path.rpartition(".")
        try:
            cls = getattr(import_module(module), attribute)
        except (ImportError, AttributeError):
            raise ValueError(f"[load] {name}: this version of Corten has no class {path}") from None
        if path in _ALLOWED and isinstance(cls, type):
            return cls
        ours = isinstance(cls, type) and cls.__module__.startswith("corten.learn")
        if ours and (issubclass(cls, BaseEstimator) or hasattr(cls, "_corten_restore")):
            return cls
    raise ValueError(f"[load] {name}: class {path!r} may not be loaded from a file")


class _Writer:
    def __init__(self):
        self.tensors = {}
        self.open = []  # the objects being written, against cycles

    def tensor(self, array):
        key = f"a{len(self.tensors)}"
        self.tensors[key] = np.ascontiguousarray(array).reshape(np.shape(array))
        return key

    def node(self, value, where):
        """`where` is the dotted name of the attribute, for error messages."""
        if value is None or isinstance(value, bool | str) and type(value) in (bool, str):
            return value
        if type(value) is int:
            return value if abs(value) < 2**63 else {"int": str(value)}
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, np.ndarray):
            return self.array(value, where)
        if isinstance(value, np.generic):
            return {"strings": [str(value)], "shape": None, "dtype": "str"} if value.dtype.kind == "U" else {
                "scalar": self.tensor(np.asarray(value))}  # fmt: skip
        if isinstance(value, np.dtype):
            return {"dtype": value.str}
        if isinstance(value, type) and issubclass(value, np.generic):
            return {"dtype": np.dtype(value).str, "type": True}
        if sp.issparse(value):
            return self.sparse(value, where)
        if isinstance(value, slice):
            return {"slice": [self.node(v, where) for v in (value.start, value.stop, value.step)]}
        if isinstance(value, np.random.RandomState):
            name, keys, pos, has_gauss, cached = value.get_state()
            return {"random_state": [name, self.tensor(keys), int(pos), int(has_gauss), float(cached).hex()]}
        if type(value) in (list, tuple, set, frozenset):
            kind = "set" if type(value) in (set, frozenset) else type(value).__name__
            items = sorted(value, key=repr) if kind == "set" else value
            return {kind: [self.node(v, f"{where}[{i}]") for i, v in enumerate(items)]}
        if isinstance(value, dict) and type(value).__module__ in ("builtins", "collections"):
            return {"dict": [[self.node(k, where), self.node(v, f"{where}[{k!r}]")] for k, v in value.items()]}
        return self.object(value, where)

    def array(self, value, where):
        if value.dtype.kind in "biuf" and value.dtype.itemsize <= 8 or value.dtype == np.complex64:
            value = value.astype(value.dtype.newbyteorder("="), copy=False)
            return {"array": self.tensor(value), "order": "F" if value.ndim > 1 and value.flags.fnc else "C"}
        if value.dtype.kind in "OU":
            flat = [self.node(v, f"{where}[...]") for v in value.ravel(order="C").tolist()]
            return {"strings": flat, "shape": list(value.shape), "dtype": value.dtype.str}
        raise TypeError(f"[save] {where}: arrays of dtype {value.dtype} cannot be written")

    def sparse(self, value, where):
        if value.format not in ("csr", "csc"):
            value = value.tocsr()
        parts = [self.node(a, where) for a in (value.data, value.indices, value.indptr)]
        return {value.format: [*parts, list(value.shape), isinstance(value, sp.sparray)]}

    def object(self, value, where):
        cls = type(value)
        if cls.__module__ == "corten.compat.sklearn":  # a stand-in: write the class it stands for
            cls = cls.__mro__[1]
        path = _class_path(cls) if cls.__module__.startswith(("corten.learn", "sklearn.")) else ""
        own = _OURS.match(path) and (isinstance(value, BaseEstimator) or hasattr(cls, "_corten_restore"))
        if not own and path not in _ALLOWED:
            raise TypeError(
                f"[save] {where}: got a {cls.__module__}.{cls.__qualname__}, expected an array, a scalar, a string, "
                f"None, "
                "a list, tuple or dict of such, or an estimator of corten.learn or of scikit-learn's plain ones"
            )
        if any(value is o for o in self.open):
            raise TypeError(f"[save] {where}: the object contains itself")
        self.open.append(value)
        if hasattr(cls, "_corten_state"):
            state = value._corten_state()
        elif isinstance(value, dict):
            state = dict(value)
        else:
            state = {k: v for k, v in vars(value).items() if not k.startswith("_sklearn_version")}
        node = {"object": path, "state": self.node(state, where)}
        self.open.pop()
        return node


class _Reader:
    def __init__(self, file, name):
        self.file, self.name = file, name

    def bad(self, what):
        return ValueError(f"[load] {self.name}: damaged model description: {what}")

    def tensor(self, key):
        try:
            return self.file.get_tensor(key)
        except (SafetensorError, KeyError, TypeError):
            raise self.bad(f"there is no tensor {key!r}") from None

    def value(self, node):
        if node is None or isinstance(node, bool | int | float | str):
            return node
        if not isinstance(node, dict) or not node:
            raise self.bad(f"expected a node, got {type(node).__name__}")
        kind = next(iter(node))
        read = getattr(self, f"read_{kind}", None)
        if read is None:
            raise self.bad(f"unknown kind of node {kind!r}")
        try:
            return read(node)
        except (KeyError, IndexError, TypeError, OverflowError) as error:
            raise self.bad(f"{kind}: {error}") from None

    def read_int(self, node):
        return int(node["int"])

    def read_float(self, node):
        return float(node["float"])

    def read_array(self, node):
        array = self.tensor(node["array"])
        return np.asfortranarray(array) if node.get("order") == "F" else array

    def read_scalar(self, node):
        return self.tensor(node["scalar"])[()]

    def read_strings(self, node):
        items = [self.value(v) for v in node["strings"]]
        if node["shape"] is None:
            return np.str_(items[0])
        dtype = np.dtype(node["dtype"])
        if dtype.kind not in "OU":
            raise self.bad(f"an array of strings with dtype {node['dtype']!r}")
        array = np.empty(len(items), dtype=dtype)
        for i, item in enumerate(items):
            array[i] = item
        return array.reshape(node["shape"])

    def read_list(self, node):
        return [self.value(v) for v in node["list"]]

    def read_tuple(self, node):
        return tuple(self.value(v) for v in node["tuple"])

    def read_set(self, node):
        return {self.value(v) for v in node["set"]}

    def read_dict(self, node):
        return {self.value(k): self.value(v) for k, v in node["dict"]}

    def read_slice(self, node):
        return slice(*(self.value(v) for v in node["slice"]))

    def read_dtype(self, node):
        dtype = np.dtype(node["dtype"])
        return dtype.type if node.get("type") else dtype

    def read_random_state(self, node):
        name, keys, pos, has_gauss, cached = node["random_state"]
        state = np.random.RandomState()
        state.set_state((name, self.tensor(keys), pos, has_gauss, float.fromhex(cached)))
        return state

    def read_csr(self, node):
        return self.sparse(node["csr"], sp.csr_array, sp.csr_matrix)

    def read_csc(self, node):
        return self.sparse(node["csc"], sp.csc_array, sp.csc_matrix)

    def sparse(self, parts, array, matrix):
        data, indices, indptr = (self.value(p) for p in parts[:3])
        made = (array if parts[4] else matrix)((data, indices, indptr), shape=tuple(parts[3]))
        made.check_format(full_check=True)
        return made

    def read_object(self, node):
        cls = _resolve(node["object"], self.name)
        state = self.value(node["state"])
        if not isinstance(state, dict) or not all(isinstance(k, str) for k in state):
            raise self.bad(f"state of {node['object']}")
        if issubclass(cls, dict):
            return cls(**state)
        made = cls.__new__(cls)
        if hasattr(cls, "_corten_restore"):
            made._corten_restore(state)
        else:
            vars(made).update(state)
        if isinstance(made, BaseEstimator):  # parameters that are newer than the file have their defaults
            for name, parameter in inspect.signature(cls.__init__).parameters.items():
                if parameter.default is not parameter.empty and name not in vars(made):
                    setattr(made, name, parameter.default)
        return made


def save(estimator, path):
    """Write an estimator or pipeline to one file, without pickle.

    The bytes go to a temporary file beside ``path``, are synced, and take the name in one step: a crash leaves the old
    file or the new one.

    Parameters
    ----------
    estimator : estimator
        Of ``corten.learn``, or one of scikit-learn's plain ones (Pipeline, ColumnTransformer, scalers, encoders ...)
        with such inside; fitted or not.
    path : str or path-like
        Name of the file.

    Raises
    ------
    TypeError
        When something inside cannot be written; the message names the attribute.

    Examples
    --------
    >>> import os, tempfile, numpy as np
    >>> from corten.learn.linear_model import Ridge
    >>> name = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> save(Ridge(alpha=0.5).fit(np.eye(3), [1.0, 2.0, 3.0]), name)
    >>> load(name).alpha
    0.5
    """
    import sklearn

    import corten

    writer = _Writer()
    versions = {"corten": getattr(corten, "__version__", "0"), "sklearn": sklearn.__version__, "numpy": np.__version__}
    root = writer.object(estimator, type(estimator).__name__)
    document = json.dumps({"schema": SCHEMA, "versions": versions, "root": root}, allow_nan=False)
    data = tensors_to_bytes(writer.tensors, {"format": "corten.learn", "model": document})
    path = os.fspath(path)
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=os.path.basename(path) + ".", suffix=".part", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def load(path):
    """Read an estimator that :func:`save` wrote. Nothing in the file is executed.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Returns
    -------
    estimator
        With the parameters and fitted attributes it had.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is truncated, is no Corten model, comes from a newer schema, or names a class that may not be
        loaded.
    """
    name = os.fspath(path)
    if not os.path.exists(name):
        raise FileNotFoundError(f"[load] {name}: no such file")
    try:
        with safe_open(name, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != "corten.learn" or "model" not in metadata:
                raise ValueError(f"[load] {name}: a safetensors file, but not one that corten.learn wrote")
            try:
                document = json.loads(metadata["model"])
            except (json.JSONDecodeError, RecursionError):
                raise ValueError(f"[load] {name}: damaged model description: not JSON") from None
            schema = document.get("schema") if isinstance(document, dict) else None
            if type(schema) is not int:
                raise ValueError(f"[load] {name}: damaged model description: no schema")
            if schema > SCHEMA:
                raise ValueError(
                    f"[load] {name}: schema {schema} is newer than this version of Corten reads ({SCHEMA})"
                )
            return _Reader(file, name).value(document.get("root"))
    except SafetensorError as error:
        raise ValueError(f"[load] {name}: not a whole safetensors file ({error})") from None
    except RecursionError:
        raise ValueError(f"[load] {name}: damaged model description: nested too deeply") from None
