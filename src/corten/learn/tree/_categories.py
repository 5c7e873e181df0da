"""Categories to codes, and what estimators with ``categorical_features`` share."""

import numpy as np

from corten.learn._base import StrOptions, check_array, check_feature_names, check_n_features, from_sklearn

__all__ = ["CATEGORICAL", "CategoryCodes", "TakesCategories", "same_codes"]

MOST_CATEGORIES = 256  # of a column
CATEGORICAL = {"categorical_features": ["array-like", StrOptions({"from_dtype"}), None]}  # a parameter constraint


class CategoryCodes:
    """Replaces the categorical columns of a table by codes 0, 1, ... in the order of the sorted categories.

    Unknown and missing categories become NaN.

    Parameters
    ----------
    categorical : ndarray of bool of shape (n_features,)
    encoder : OrdinalEncoder or None
        A fitted one, when restored from a file.
    """

    def __init__(self, categorical, encoder=None):
        self.categorical = np.asarray(categorical, bool)
        self.encoder = encoder

    def _corten_state(self):
        return {"categorical": self.categorical, "encoder": self.encoder}

    def _corten_restore(self, state):
        self.__init__(**state)

    def fit_transform(self, estimator, X, max_bins):
        """Codes and numbers as float64, in the order of the columns; ValueError for more than ``max_bins`` categories."""
        X = self._check(estimator, X, True)
        part = self._part(X, self.categorical)
        self.encoder = from_sklearn("preprocessing.OrdinalEncoder")(
            handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, dtype=np.float64
        ).fit(part)
        for place, (f, count) in enumerate(zip(np.flatnonzero(self.categorical), self.counts, strict=True)):
            if count > max_bins:
                names = getattr(self.encoder, "feature_names_in_", None)
                name = f"at index {f}" if names is None else repr(names[place])
                raise ValueError(
                    f"Categorical feature {name} is expected to have a cardinality <= {max_bins} but actually has a "
                    f"cardinality of {count}."
                )
        return self._assemble(X, part)

    def transform(self, estimator, X):
        """Codes and numbers of new rows, after checking names and number of columns."""
        X = self._check(estimator, X, False)
        return self._assemble(X, self._part(X, self.categorical))

    @staticmethod
    def _check(estimator, X, reset):
        """X with columns that can be taken apart: frames as they are, anything else as an array."""
        check_feature_names(estimator, X, reset=reset)
        check_n_features(estimator, X, reset=reset)
        if hasattr(X, "columns") or isinstance(X, np.ndarray):
            return X
        return check_array(X, dtype=None, ensure_all_finite=False)

    @property
    def counts(self):
        """Number of categories of each categorical column, the missing one not counted."""
        nan = from_sklearn("utils._missing.is_scalar_nan")
        return [len(c) - (len(c) > 0 and nan(c[-1])) for c in self.encoder.categories_]

    @staticmethod
    def _part(X, mask):
        return from_sklearn("utils._safe_indexing")(X, np.flatnonzero(mask), axis=1)

    def _assemble(self, X, part):
        codes = self.encoder.transform(part)
        out = np.empty((len(codes), len(self.categorical)), order="F")
        out[:, self.categorical] = codes
        if not self.categorical.all():
            out[:, ~self.categorical] = check_array(
                self._part(X, ~self.categorical), dtype=[np.float64], ensure_all_finite=False
            )
        return out


def same_codes(a, b):
    """Whether two CategoryCodes, or None, give the same codes to the same categories."""
    if a is None or b is None:
        return a is b
    if not np.array_equal(a.categorical, b.categorical):
        return False
    pairs = zip(a.encoder.categories_, b.encoder.categories_, strict=True)
    return all([str(x) for x in old] == [str(x) for x in new] for old, new in pairs)  # as text: NaN equals itself there


class TakesCategories:
    """Trees and forests whose columns may hold categories, named by their parameter ``categorical_features``."""

    def _learn_codes(self, X):
        """X as float32 with codes in its categorical columns, which are learned here; None when no column holds any."""
        self._codes, self.is_categorical_ = None, None
        if self.categorical_features is not None:
            check = from_sklearn("utils.validation._check_categorical_features")
            self.is_categorical_ = check(X, self.categorical_features)
        if self.is_categorical_ is None:
            return None
        self._codes = CategoryCodes(self.is_categorical_)
        return self._floats(self._codes.fit_transform(self, X, MOST_CATEGORIES))

    def _codes_of_fit(self):
        """The codes, or None; models from files of before forests took categories lack them."""
        return vars(self).get("_codes")

    def _coded(self, X):
        """New rows as float32 with the codes of the fit."""
        return self._floats(self._codes.transform(self, X))

    def _floats(self, X):
        return check_array(X, dtype=np.float32, ensure_all_finite="allow-nan", estimator=self, input_name="X")

    def _check_categories(self):
        """ValueError for what categories cannot be combined with."""
        if self._codes is None:
            return
        if self.n_outputs_ > 1:
            raise ValueError(f"[{type(self).__name__}] got {self.n_outputs_} outputs, expected one with categorical features")
        if self.monotonic_cst is not None and np.any(np.asarray(self.monotonic_cst)[self.is_categorical_]):
            raise ValueError("Categorical features cannot have monotonic constraints.")
