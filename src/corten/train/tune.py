"""Search for settings with Optuna: of trainings, pruned by their validation figures, and of estimators. Needs ``optuna``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from corten.train.callback import Callback, Record, checked_mode, figure_of
from corten.train.errors import DivergedError
from corten.train.trainer import Run, Trainer


@dataclass(frozen=True)
class Real:
    """Numbers from ``low`` to ``high``; with ``log`` each decade is as likely."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high or self.log and self.low <= 0:
            raise ValueError(f"[Real] got {self.low} to {self.high}, expected low <= high{', above 0' if self.log else ''}")

    def suggest(self, trial: Any, name: str) -> Any:
        """A value for a trial."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Integer:
    """Whole numbers from ``low`` to ``high``, both included."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high or self.log and self.low <= 0:
            raise ValueError(f"[Integer] got {self.low} to {self.high}, expected low <= high{', above 0' if self.log else ''}")

    def suggest(self, trial: Any, name: str) -> Any:
        """A value for a trial."""
        return trial.suggest_int(name, self.low, self.high, log=self.log)


class Choice:
    """One of some values: numbers, strings, booleans, None, or tuples of them."""

    def __init__(self, *values: Any) -> None:
        if not values:
            raise ValueError("[Choice] got no values, expected at least one")
        self.values = values

    def suggest(self, trial: Any, name: str) -> Any:
        """A value for a trial."""
        plain = all(v is None or isinstance(v, (bool, int, float, str)) for v in self.values)
        if plain:
            return trial.suggest_categorical(name, list(self.values))
        return self.values[trial.suggest_categorical(name, list(range(len(self.values))))]


Space = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    params : dict
        The best settings.
    value : float
        Their figure.
    study : optuna.Study
        All trials.
    """

    params: dict[str, Any]
    value: float
    study: Any

    @property
    def pruned(self) -> int:
        """How many trials were ended early."""
        return sum(t.state == optuna.trial.TrialState.PRUNED for t in self.study.trials)


class _Report(Callback):
    """Tells a trial the figure of each epoch, and ends it where Optuna sees no hope."""

    order = 50

    def __init__(self, trial: Any, monitor: str) -> None:
        self.trial, self.monitor = trial, monitor

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """Report, and prune."""
        self.trial.report(figure_of("tune", record, self.monitor), record["epoch"])
        if self.trial.should_prune():
            raise optuna.TrialPruned


def search_trainer(
    make: Callable[[dict[str, Any]], Trainer],
    space: Space,
    train: Iterable[Any] | Callable[[dict[str, Any]], Iterable[Any]],
    valid: Iterable[Any],
    *,
    epochs: int,
    trials: int = 20,
    monitor: str = "valid_loss",
    mode: str = "min",
    seed: int | None = None,
    pruner: Any = None,
    storage: str | None = None,
    name: str | None = None,
    on_run: Callable[[dict[str, Any], Run], None] | None = None,
) -> Found:
    """Search the settings of a training; trials that fall behind the median of the others are ended early.

    Parameters
    ----------
    make : callable
        From settings to a new Trainer.
    space : mapping of str to Real, Integer, Choice, or a value that stays
    train : iterable of batches, or callable from settings to one
    valid : iterable of batches
    epochs, trials : int
    monitor : str
        The figure that counts: the best one of a trial's epochs.
    mode : {'min', 'max'}
    seed : int, optional
        Makes the search repeatable.
    pruner : optuna pruner, optional
        The median rule, after five trials and one epoch, when absent.
    storage, name : str, optional
        An Optuna storage such as ``"sqlite:///search.db"`` and a name, to go on with a search.
    on_run : callable, optional
        Called with the settings and the Run of each trial that was not pruned.

    Returns
    -------
    Found

    Raises
    ------
    ValueError
        When no trial came to an end.

    Examples
    --------
    >>> import corten, optuna
    >>> from corten import nn
    >>> from corten.train import Trainer
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> x = corten.linspace(0, 1, 16).reshape(16, 1)
    >>> def make(settings):
    ...     corten.manual_seed(0)
    ...     model = nn.Linear(1, 1)
    ...     return Trainer(model, nn.MSELoss(), corten.optim.SGD(model.parameters(), lr=settings["lr"]))
    >>> data = [(x, 2 * x)]
    >>> found = search_trainer(make, {"lr": Real(1e-4, 1.0, log=True)}, data, data, epochs=5, trials=5, seed=0)
    >>> 1e-4 <= found.params["lr"] <= 1.0
    True
    """

    def objective(trial: Any, settings: dict[str, Any]) -> float:
        trainer = make(settings)
        trainer.callbacks = sorted([*trainer.callbacks, _Report(trial, monitor)], key=lambda c: c.order)
        batches = train(settings) if callable(train) else train
        try:
            run = trainer.fit(batches, valid, epochs=epochs)
        except DivergedError as error:
            raise optuna.TrialPruned(str(error)) from error
        if on_run is not None:
            on_run(settings, run)
        best = min if mode == "min" else max
        return best(run.figures(monitor))

    return _search(objective, space, trials, mode, seed, pruner, storage, name)


def search_estimator(
    estimator: Any,
    space: Space,
    X: Any,
    y: Any = None,
    *,
    cv: Any = 3,
    scoring: Any = None,
    trials: int = 20,
    seed: int | None = None,
    pruner: Any = None,
    storage: str | None = None,
    name: str | None = None,
) -> Found:
    """Search the parameters of an estimator by cross-validation; a trial that falls behind is ended between two folds.

    Parameters
    ----------
    estimator : estimator
        Of ``corten.learn``, of scikit-learn, a Pipeline, or :class:`corten.train.Estimator`. It is cloned for each fit.
    space : mapping
        Parameter names, such as ``"alpha"`` or ``"mlpclassifier__alpha"``, to Real, Integer, Choice or a value that stays.
    X, y : array-like
    cv : int or splitter
    scoring : str or callable, optional
        As in scikit-learn; the estimator's own score when absent. Higher is better.
    trials, seed, pruner, storage, name
        As in :func:`search_trainer`.

    Returns
    -------
    Found
        ``value`` is the mean score over the folds.
    """
    from sklearn.base import clone, is_classifier
    from sklearn.metrics import check_scoring
    from sklearn.model_selection import check_cv
    from sklearn.utils import _safe_indexing

    score = check_scoring(estimator, scoring)
    folds = list(check_cv(cv, y, classifier=is_classifier(estimator)).split(X, y))

    def objective(trial: Any, settings: dict[str, Any]) -> float:
        total = 0.0
        for k, (fit_rows, judge_rows) in enumerate(folds, 1):
            one = clone(estimator).set_params(**settings)
            parts = [[_safe_indexing(a, rows) for a in (X, y) if a is not None] for rows in (fit_rows, judge_rows)]
            one.fit(*parts[0])
            total += float(score(one, *parts[1]))
            trial.report(total / k, k)
            if k < len(folds) and trial.should_prune():
                raise optuna.TrialPruned
        return total / len(folds)

    return _search(objective, space, trials, "max", seed, pruner, storage, name)


def _search(objective: Callable[[Any, dict[str, Any]], float], space: Space, trials: int, mode: str, seed: int | None,
            pruner: Any, storage: str | None, name: str | None) -> Found:  # fmt: skip
    checked_mode("tune", mode)
    if not space or trials < 1:
        raise ValueError(f"[tune] got a space of {len(space)} settings and {trials} trials, expected at least one of each")
    study = optuna.create_study(direction="minimize" if mode == "min" else "maximize", storage=storage, study_name=name,
                                sampler=optuna.samplers.TPESampler(seed=seed), load_if_exists=name is not None,
                                pruner=pruner or optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1))  # fmt: skip
    tried: dict[int, dict[str, Any]] = {}

    def one(trial: Any) -> float:
        settings = {k: v.suggest(trial, k) if hasattr(v, "suggest") else v for k, v in space.items()}
        tried[trial.number] = settings
        return objective(trial, settings)

    study.optimize(one, n_trials=trials)
    ended = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    if not ended:
        raise ValueError(f"[tune] none of {len(study.trials)} trials came to an end, expected at least one")
    best = study.best_trial
    if best.number in tried:
        params = tried[best.number]
    else:  # of an earlier search in the same storage: what it suggests again
        fixed = optuna.trial.FixedTrial(best.params)
        params = {k: v.suggest(fixed, k) if hasattr(v, "suggest") else v for k, v in space.items()}
    return Found(params, float(study.best_value), study)
