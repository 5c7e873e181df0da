"""Run unmodified scikit-learn scripts on Corten's estimators.

From the shell::

    python -m corten.compat.sklearn script.py [arguments]
    python -m corten.compat.sklearn --strict -m package.module

or in a program, before scikit-learn's names are imported from::

    from corten.compat.sklearn import patch_sklearn
    patch_sklearn()
    from sklearn.linear_model import Ridge

Every public estimator of ``corten.learn`` takes the place of the class of the same name in the same subpackage of
scikit-learn. Where a fit meets a setting that Corten lacks, the estimator becomes scikit-learn's own and is fitted as
such; a line of the logger ``corten.compat.sklearn`` names the parameter. In strict mode it raises instead.
"""

import functools
import importlib
import inspect
import logging
import runpy
import sys

import corten.learn
from corten.learn._base import UnsupportedSetting, issparse

__all__ = ["patch_sklearn", "patched_names", "unpatch_sklearn"]

log = logging.getLogger("corten.compat.sklearn")

_FITTING = ("fit", "fit_transform", "fit_predict", "partial_fit")
_made = {}  # class name -> (our stand-in, scikit-learn's class, module names)
_replaced = []  # (module, name, what was there)
_strict = False


def _pairs():
    """(subpackage, name, ours, theirs) of every class and function that both have."""
    for package in corten.learn.subpackages():
        try:
            theirs = importlib.import_module(f"sklearn.{package}")
        except ImportError:
            continue
        ours = importlib.import_module(f"corten.learn.{package}")
        for name in getattr(ours, "__all__", ()):
            mine, original = getattr(ours, name), getattr(theirs, name, None)
            original = _original(package, name, original)
            if original is not None and callable(mine) and isinstance(mine, type) == isinstance(original, type):
                yield package, name, mine, original


def _original(package, name, current):
    """What scikit-learn itself has under that name, patched or not."""
    for module, attribute, before in _replaced:
        if module.__name__ == f"sklearn.{package}" and attribute == name:
            return before
    return current


def _fall_back(error, owner):
    if _strict:
        raise error
    log.warning("%s: %s=%r is not supported, using scikit-learn", owner, error.parameter, error.value)


def _check_sparse(estimator, theirs, X):
    """Raise UnsupportedSetting for a sparse X that scikit-learn's class takes and ours does not."""
    if not issparse(X) or estimator.__sklearn_tags__().input_tags.sparse:
        return
    known = theirs._get_param_names()
    if theirs(**{k: v for k, v in estimator.get_params(deep=False).items() if k in known}).__sklearn_tags__().input_tags.sparse:
        raise UnsupportedSetting(estimator, "X", type(X).__name__, "a dense array")


def _wrap_method(method):
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        theirs = type(self)._corten_peer
        try:
            _check_sparse(self, theirs, args[0] if args else kwargs.get("X"))
            return method(self, *args, **kwargs)
        except UnsupportedSetting as error:
            _fall_back(error, theirs.__name__)
            parameters = self.get_params(deep=False)
            if method.__name__ != "partial_fit":
                vars(self).clear()
                vars(self).update(parameters)
            self.__class__ = theirs
            return getattr(self, method.__name__)(*args, **kwargs)

    return wrapper


def _stand_in(name, ours, theirs):
    """A class that is ours until a fit meets an unsupported setting, and scikit-learn's afterwards."""
    if name in _made and _made[name][0].__mro__[1] is ours:
        return _made[name][0]
    body = {
        "__doc__": ours.__doc__, "__module__": __name__, "__qualname__": name, "_corten_peer": theirs,
        "_doc_link_module": "corten",
    }  # fmt: skip
    for method in _FITTING:
        found = inspect.getattr_static(ours, method, None)
        if found is not None and inspect.isfunction(found):
            body[method] = _wrap_method(found)
    made = type(ours)(name, (ours,), body)
    _made[name] = (made, theirs)
    return made


def _function_stand_in(name, ours, theirs):
    @functools.wraps(ours)
    def wrapper(*args, **kwargs):
        try:
            return ours(*args, **kwargs)
        except UnsupportedSetting as error:
            _fall_back(error, name)
            return theirs(*args, **kwargs)

    wrapper._corten_peer = theirs
    return wrapper


def patch_sklearn(*, strict=False, names=None):
    """Put Corten's estimators in the place of scikit-learn's.

    Names that a script has already imported from scikit-learn keep what they were.

    Parameters
    ----------
    strict : bool, default=False
        Raise :class:`corten.learn.UnsupportedSetting` where Corten lacks a setting, instead of falling back with a
        log line.
    names : list of str or None
        Only these classes and functions; all by default.

    Raises
    ------
    ValueError
        When a name in ``names`` is not one that Corten has.

    Examples
    --------
    >>> patch_sklearn(names=["Ridge"])
    >>> from sklearn.linear_model import Ridge
    >>> Ridge.__module__
    'corten.compat.sklearn'
    >>> unpatch_sklearn()
    """
    global _strict
    unpatch_sklearn()
    _strict = strict
    pairs = list(_pairs())
    if names is not None:
        unknown = sorted(set(names) - {name for _, name, _, _ in pairs})
        if unknown:
            raise ValueError(
                f"[patch_sklearn] got {unknown}, expected names out of {sorted({n for _, n, _, _ in pairs})}"
            )
    for package, name, ours, theirs in pairs:
        if names is not None and name not in names:
            continue
        module = sys.modules[f"sklearn.{package}"]
        made = _stand_in(name, ours, theirs) if isinstance(ours, type) else _function_stand_in(name, ours, theirs)
        _replaced.append((module, name, getattr(module, name)))
        setattr(module, name, made)


def unpatch_sklearn():
    """Give scikit-learn its own classes back. Estimators made meanwhile stay what they are."""
    while _replaced:
        module, name, before = _replaced.pop()
        setattr(module, name, before)


def patched_names():
    """Dotted names in scikit-learn that are Corten's at the moment, in alphabetical order.

    Examples
    --------
    >>> patched_names()
    []
    """
    return sorted(f"{module.__name__}.{name}" for module, name, _ in _replaced)


def __getattr__(name):
    """Stand-ins by name, so that they can be unpickled in any process."""
    if not name.startswith("_"):
        for _, found, ours, theirs in _pairs():
            if found == name and isinstance(ours, type):
                return _stand_in(name, ours, theirs)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main(arguments=None):
    """``python -m corten.compat.sklearn [--strict] [--list] script.py | -m module [arguments]``: the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    usage = "usage: python -m corten.compat.sklearn [--strict] [--list] script.py | -m module [arguments]"
    strict = False
    while arguments and arguments[0] in ("--strict", "--list"):
        if arguments.pop(0) == "--list":
            print("\n".join(sorted({f"sklearn.{p}.{n}" for p, n, _, _ in _pairs()})))
            return 0
        strict = True
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["-m"]:
        print(usage, file=sys.stdout if arguments[:1] in (["-h"], ["--help"]) else sys.stderr)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(name)s: %(message)s")
    patch_sklearn(strict=strict)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = str(importlib.import_module("pathlib").Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    # Run under the module's own name, so that stand-ins are found where pickles look for them.
    sys.exit(importlib.import_module("corten.compat.sklearn").main())
