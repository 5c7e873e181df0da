"""Networks as estimators: scikit-learn's checks, its pipelines and searches, and the same training by hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import corten
from corten import nn, train
from tests.train.training import same_weights


class Network(nn.Sequential):  # a class, whose name is the same in every process of a test run
    def __init__(self, inputs, outputs, hidden=8):
        super().__init__(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


QUICK = {"epochs": 5, "random_state": 0, "dtype": "float64"}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([train.Estimator(Network, **QUICK), train.Estimator(Network, task="regression", **QUICK)])
def test_check(estimator, check):
    check(estimator)


def table(name, rows, separator=","):
    path = Path(os.environ.get("CORTEN_DATA", "/nonexistent")) / "tabular_small" / name
    if not path.exists():
        pytest.skip("CORTEN_DATA has no tabular_small")
    return np.array([line.split(separator) for line in path.read_text().splitlines()[:rows] if line], dtype=object)


def test_wine_in_a_pipeline_and_a_grid_search():
    data = table("wine.csv", 200)
    X, y = data[:, :-1].astype(np.float64), data[:, -1].astype(str)
    assert len(set(y)) == 3
    estimator = train.Estimator(Network, epochs=40, lr=0.02, batch_size=16, random_state=0, module_params={"hidden": 4})
    pipe = make_pipeline(StandardScaler(), estimator)
    grid = {"estimator__module__hidden": [1, 16], "estimator__optimizer__weight_decay": [0.0, 1e-3]}
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert search.best_params_["estimator__module__hidden"] == 16 and search.best_score_ > 0.95
    best = search.best_estimator_[-1]
    assert best.module_[0].weight.shape[0] == 16 and set(best.predict(StandardScaler().fit_transform(X))) == set(y)
    np.testing.assert_allclose(search.predict_proba(X).sum(1), 1, rtol=1e-9)


def test_regression_stops_early_with_the_best_weights():
    data = table("winequality-red.csv", 1200)
    data = data[1:] if not data[0, 0].replace(".", "").isdigit() else data
    X, y = StandardScaler().fit_transform(data[:, :-1].astype(np.float64)), data[:, -1].astype(np.float64)
    estimator = train.Estimator(Network, task="regression", loss="SmoothL1Loss", epochs=60, lr=0.02, validation_fraction=0.2,
                                patience=3, random_state=1, trainer={"clip_norm": 5.0})  # fmt: skip
    estimator.fit(X, y)
    history = estimator.run_.history
    assert len(history) < 60 and "valid_loss has not improved" in estimator.run_.stopped
    assert min(r["valid_loss"] for r in history) == min(r["valid_loss"] for r in history[: len(history) - 4 + 1])
    assert estimator.score(X, y) > 0.25 and estimator.predict(X).shape == y.shape
    assert cross_val_score(estimator, X, y, cv=3).mean() > 0.15


def test_the_same_as_the_trainer_by_hand_and_the_callers_generator_stays():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 4)).astype(np.float32), rng.integers(0, 2, 100)
    corten.manual_seed(11)
    made = Network(4, 2)
    start = {k: v.clone() for k, v in made.state_dict().items()}
    state = corten.get_rng_state().tolist()
    first = train.Estimator(made, optimizer=corten.optim.SGD, lr=0.1, epochs=3, batch_size=100, random_state=0).fit(X, y)
    assert corten.get_rng_state().tolist() == state and same_weights(made.state_dict(), start)  # a copy was trained
    trainer = train.Trainer(made, nn.CrossEntropyLoss(), corten.optim.SGD(made.parameters(), lr=0.1))
    trainer.fit([(corten.from_numpy(X), corten.from_numpy(y))], epochs=3)  # one batch an epoch: no order
    for a, b in zip(first.module_.parameters(), made.parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-6)
    again = clone(first).fit(X, y)
    assert is_classifier(again) and not is_regressor(again)


def test_what_does_not_fit_is_refused():
    X, y = np.zeros((10, 2)), np.arange(10) % 2
    with pytest.raises(ValueError, match="Invalid parameter 'speed' for estimator"):
        train.Estimator(Network).set_params(speed=3)
    with pytest.raises(TypeError, match="hiden"):
        train.Estimator(Network, module_params={"hiden": 3}).fit(X, y)
    with pytest.raises(ValueError, match="got task 'sorting'"):
        train.Estimator(Network, task="sorting").fit(X, y)
    with pytest.raises(ValueError, match="a module that is made already"):
        train.Estimator(nn.Linear(2, 2), module_params={"bias": False}).fit(X, y)
    with pytest.raises(NotFittedError):
        train.Estimator(Network).predict(X)
    with pytest.raises(AttributeError, match="predict_proba is for classification"):
        _ = train.Estimator(Network, task="regression").predict_proba
    with pytest.raises(ValueError, match="leaves no rows"):
        train.Estimator(Network, validation_fraction=1.0).fit(X, y)
