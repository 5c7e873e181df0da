"""Instances of our estimators as scikit-learn checks its own: the same parameters, the same expected failures."""

from sklearn.utils._test_common.instance_generator import _construct_instances, _get_expected_failed_checks

# As scikit-learn does for its own: parameters under which a check asks for what the estimator can show. The blobs
# of the
# outlier checks have no value outside the usual fences.
PARAMETERS = {"IQROutlierDetector": {"factor": 0.5}}


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
            made.append(cls(**PARAMETERS.get(name, {})))
        else:
            made += [cls(**theirs.get_params(deep=False)) for theirs in _construct_instances(peer(cls))]
    return made


def expected_failures(estimator):
    """What scikit-learn declares for its own class with the same parameters."""
    cls = peer(type(estimator))
    return {} if cls is None else _get_expected_failed_checks(cls(**estimator.get_params(deep=False)))
