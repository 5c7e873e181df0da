"""When gradient boosting stops: the scores of its iterations."""

from contextlib import contextmanager

import numpy as np

from corten.learn._base import from_sklearn, is_classifier

__all__ = ["Judge"]


class Judge:
    """Scores the model after each iteration and says when to stop."""

    def __init__(self, model, X, y, weight, X_val, y_val, weight_val):
        self.model, self.by_loss = model, model.scoring == "loss"
        self.val = (X_val, y_val, weight_val)
        self.rows = slice(None)
        self.scorer = None
        if not self.by_loss:
            self.scorer = from_sklearn("metrics.check_scoring")(model, model.scoring)
            if len(X) > 10_000:
                self.rows = from_sklearn("utils.resample")(
                    np.arange(len(X)), n_samples=10_000, replace=False, random_state=model._random_seed,
                    stratify=y if is_classifier(model) else None,
                )  # fmt: skip
        self.train = (X[self.rows], y[self.rows], None if weight is None else weight[self.rows])

    def score(self, raw, raw_val):
        """Appends the scores of this iteration; True: stop."""
        model = self.model
        model.train_score_.append(self._score(*self.train, raw[:, self.rows].T))
        scores = model.train_score_
        if model._use_validation_data:
            model.validation_score_.append(self._score(*self.val, raw_val))
            scores = model.validation_score_
        wait = model.n_iter_no_change
        if len(scores) <= wait:
            return False
        return not any(s > scores[-wait - 1] + model.tol for s in scores[-wait:])

    def _score(self, X, y, weight, raw):
        if self.by_loss:
            if raw.shape[1] == 1:
                raw = np.ascontiguousarray(raw[:, 0])
            return -self.model._loss(y_true=y, raw_prediction=raw, sample_weight=weight, n_threads=1)
        if is_classifier(self.model):
            y = self.model.classes_[y.astype(int)]
        with self._known(np.ascontiguousarray(raw)):
            return self.scorer(self.model, X, y, **({} if weight is None else {"sample_weight": weight}))

    @contextmanager
    def _known(self, raw):
        self.model._raw_override = raw
        try:
            yield
        finally:
            del self.model._raw_override
