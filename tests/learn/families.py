"""Instances of our estimators as scikit-learn checks its own: the same parameters, the same expected failures."""

from sklearn.utils._test_common.instance_generator import _construct_instances, _get_expected_failed_checks


def peer(cls):
    """scikit-learn's class of the same name among the bases of ours, or None."""
    return next((c for c in cls.__mro__ if c.__module__.startswith("sklearn.") and c.__name__ == cls.__name__), None)


def instances(module):
    """Our estimators of a subpackage, each with the parameters under which scikit-learn checks its own class."""
    made = []
    for name in module.__all__:
        cls = getattr(module, name)
        if not isinstance(cls, type) or not hasattr(cls, "get_params"):
            continue
        if peer(cls) is None:
            made.append(cls())
        else:
            made += [cls(**theirs.get_params(deep=False)) for theirs in _construct_instances(peer(cls))]
    return made


def expected_failures(estimator):
    """What scikit-learn declares for its own class with the same parameters."""
    cls = peer(type(estimator))
    return {} if cls is None else _get_expected_failed_checks(cls(**estimator.get_params(deep=False)))
