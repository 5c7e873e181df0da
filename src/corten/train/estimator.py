"""Any network as an estimator of scikit-learn."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

import corten
from corten import nn
from corten.data import DataLoader, TensorDataset
from corten.train.callback import Callback, EarlyStopping
from corten.train.trainer import Trainer

LOSSES = {"classification": nn.CrossEntropyLoss, "regression": nn.MSELoss}


class Estimator(BaseEstimator):
    """Give a network fit, predict and score, inside Pipeline and GridSearchCV too.

    Parameters of the network's and the optimizer's constructors are set and searched as ``module__hidden`` and
    ``optimizer__weight_decay``.

    Parameters
    ----------
    module : Module, or callable that makes one
        A module is copied before each fit, so that it stays as it is. A callable (a class) is called with ``module_params``,
        and with ``inputs`` and ``outputs`` where it has parameters of these names: the number of columns, and of classes or
        targets.
    module_params, optimizer_params : mapping, optional
        More arguments of the module's and the optimizer's constructors.
    task : {'classification', 'regression'}
    loss : callable or str, optional
        From (output, target) to a scalar; a name in ``corten.nn`` such as ``"L1Loss"``. Cross-entropy, or squared error.
    optimizer : str or class
        A name in ``corten.optim``, or an optimizer class.
    lr : float
    epochs, batch_size : int
    validation_fraction : float
        Share of the rows held out to judge each epoch; 0 holds out none.
    patience : int or None
        Epochs without a better loss on the held-out rows, after which the fit ends with the best weights.
    callbacks : sequence of Callback
        Copied before each fit.
    trainer : mapping, optional
        More parameters of :class:`Trainer`, such as ``{"clip_norm": 1.0}``.
    random_state : int, RandomState or None
    dtype : {'float32', 'float64'}
        What rows are converted to.

    Attributes
    ----------
    module_ : Module
        The trained network.
    run_ : Run
        Its history.
    classes_ : array
        For classification.
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from corten import nn
    >>> X = np.random.default_rng(0).standard_normal((200, 4))
    >>> def network(inputs, outputs, hidden=8):
    ...     return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
    >>> net = Estimator(network, epochs=20, lr=0.02, random_state=0, module_params={"hidden": 16}).fit(X, X[:, 0] > 0)
    >>> bool(net.score(X, X[:, 0] > 0) > 0.9)
    True
    """

    def __init__(
        self,
        module: Any,
        *,
        task: str = "classification",
        loss: Any = None,
        optimizer: Any = "Adam",
        lr: float = 1e-3,
        epochs: int = 20,
        batch_size: int = 64,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        callbacks: Sequence[Callback] = (),
        trainer: Mapping[str, Any] | None = None,
        random_state: Any = None,
        dtype: str = "float32",
        module_params: Mapping[str, Any] | None = None,
        optimizer_params: Mapping[str, Any] | None = None,
    ) -> None:
        self.module = module
        self.task = task
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.callbacks = callbacks
        self.trainer = trainer
        self.random_state = random_state
        self.dtype = dtype
        self.module_params = module_params
        self.optimizer_params = optimizer_params

    # ---- parameters of the network and the optimizer by name

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters; with ``deep`` also ``module__*`` and ``optimizer__*``."""
        found = super().get_params(deep=False)
        if deep:
            for part in ("module", "optimizer"):
                given = found[f"{part}_params"]
                if isinstance(given, Mapping):
                    found |= {f"{part}__{k}": v for k, v in given.items()}
        return found

    def set_params(self, **params: Any) -> Estimator:
        """Change parameters; returns the estimator. Raises ValueError for one that there is not."""
        for name, value in params.items():
            part, found, key = name.partition("__")
            if found and part in ("module", "optimizer") and key:
                setattr(self, f"{part}_params", {**(getattr(self, f"{part}_params") or {}), key: value})
            else:
                super().set_params(**{name: value})
        return self

    def __sklearn_tags__(self) -> Any:
        mixin = ClassifierMixin if self.task == "classification" else RegressorMixin
        tags = type("Tagged", (mixin, BaseEstimator), {})().__sklearn_tags__()
        tags.non_deterministic = False
        if tags.target_tags is not None and self.task == "regression":
            tags.target_tags.multi_output = True
        if tags.regressor_tags is not None:
            tags.regressor_tags.poor_score = True  # how good it is depends on the network
        if tags.classifier_tags is not None:
            tags.classifier_tags.poor_score = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")

    # ---- fit and predict

    def fit(self, X: Any, y: Any) -> Estimator:
        """Train a new network.

        Parameters
        ----------
        X : array-like (N, features), or of more dimensions as the network takes it
        y : array-like (N,) or (N, targets)

        Returns
        -------
        Estimator
            Itself.
        """
        if self.task not in LOSSES:
            raise ValueError(f"[Estimator] got task {self.task!r}, expected 'classification' or 'regression'")
        X, y = self._checked(X, y)
        if self.task == "classification":
            check_classification_targets(y)
            self.classes_, codes = np.unique(y, return_inverse=True)
            if len(self.classes_) < 2:
                raise ValueError(f"[Estimator] Classifier can't train when only one class is present: {self.classes_[0]!r}")
            target: Any = codes.astype(np.int64).reshape(-1)
            outputs = len(self.classes_)
        else:
            target = np.asarray(y, dtype=self.dtype)
            outputs = 1 if target.ndim == 1 else target.shape[1]
            self._flat = target.ndim == 1
            target = target.reshape(len(target), outputs)
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(2**31 - 1))
        before = corten.get_rng_state()
        corten.manual_seed(seed)
        try:
            self.module_ = self._network(int(X.shape[1]), outputs)
            self.run_ = self._train(X, target, rng, seed)
        finally:
            corten.set_rng_state(before)
        return self

    def _checked(self, X: Any, y: Any) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, dtype=self.dtype, allow_nd=True, multi_output=self.task == "regression",
                             y_numeric=self.task == "regression")  # fmt: skip
        return X, y

    def _network(self, inputs: int, outputs: int) -> Any:
        given = dict(self.module_params or {})
        if isinstance(self.module, nn.Module):
            if given:
                raise ValueError(f"[Estimator] got module_params {', '.join(given)} and a module that is made already, expected a "
                                 "callable that makes it")  # fmt: skip
            network = copy.deepcopy(self.module)
        else:
            names = inspect.signature(self.module).parameters
            sizes = {k: v for k, v in (("inputs", inputs), ("outputs", outputs)) if k in names}
            network = self.module(**sizes | given)
        return network.double() if self.dtype == "float64" else network

    def _train(self, X: Any, target: Any, rng: Any, seed: int) -> Any:
        model = self.module_
        loss = self.loss
        if loss is None:
            loss = LOSSES[self.task]()
        elif isinstance(loss, str):
            loss = getattr(nn, loss)()
        kind = getattr(corten.optim, self.optimizer) if isinstance(self.optimizer, str) else self.optimizer
        given = dict(self.optimizer_params or {})
        callbacks = list(copy.deepcopy(list(self.callbacks)))
        rows, held = np.arange(len(X)), np.zeros(0, np.int64)
        if self.validation_fraction:
            rows = rng.permutation(len(X))
            n = max(1, round(self.validation_fraction * len(X)))
            rows, held = rows[n:], rows[:n]
            if not len(rows):
                raise ValueError(f"[Estimator] validation_fraction {self.validation_fraction} leaves no rows of {len(X)} to train on")
        if self.patience is not None:
            monitor = "valid_loss" if len(held) else "loss"
            callbacks.append(EarlyStopping(monitor, self.patience, restore=True))
        generator = corten.Generator().manual_seed(seed)
        trainer = Trainer(model, loss, kind(model.parameters(), **{"lr": self.lr} | given), callbacks=callbacks,
                          **dict(self.trainer or {}))  # fmt: skip
        train: Any = DataLoader(_tensors(X, target, rows), batch_size=self.batch_size, shuffle=True, generator=generator)
        valid: Any = DataLoader(_tensors(X, target, held), batch_size=1024, generator=generator) if len(held) else None
        run = trainer.fit(train, valid, epochs=self.epochs)
        run.trainer.loader = run.trainer.valid = run.valid = None  # the estimator does not keep the data
        return run

    def _outputs(self, X: Any) -> Any:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=self.dtype, allow_nd=True)
        rows = [corten.from_numpy(np.ascontiguousarray(X[i : i + 1024])) for i in range(0, len(X), 1024)]
        return Trainer(self.module_, loss=LOSSES[self.task]()).predict(rows).numpy()

    def predict(self, X: Any) -> Any:
        """Classes, or targets, (N,) or (N, targets)."""
        out = self._outputs(X)
        if self.task == "classification":
            return self.classes_[out.argmax(1)]
        return out.reshape(-1) if self._flat else out

    @property
    def predict_proba(self) -> Callable[[Any], Any]:
        """Probabilities (N, classes): the softmax of the outputs. Only for classification."""
        if self.task != "classification":
            raise AttributeError("[Estimator] predict_proba is for classification")
        return self._probabilities

    def _probabilities(self, X: Any) -> Any:
        z = self._outputs(X).astype(np.float64)
        p = np.exp(z - z.max(1, keepdims=True))
        return p / p.sum(1, keepdims=True)

    def score(self, X: Any, y: Any) -> float:
        """Accuracy, or the coefficient of determination."""
        from sklearn.metrics import accuracy_score, r2_score

        judge = accuracy_score if self.task == "classification" else r2_score
        return float(judge(y, self.predict(X)))


def _tensors(X: Any, target: Any, rows: Any) -> TensorDataset:
    return TensorDataset(corten.from_numpy(np.ascontiguousarray(X[rows])), corten.from_numpy(np.ascontiguousarray(target[rows])))
