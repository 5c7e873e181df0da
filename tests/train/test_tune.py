"""Searches with Optuna: over trainings with pruning, and over estimators."""

import numpy as np
import pytest

import corten
from corten import nn
from corten.train import Trainer
from tests.train.training import loader, mnist, network, noise

optuna = pytest.importorskip("optuna", reason="optuna is not installed")
from corten.train import tune  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_trainings_are_searched_and_hopeless_ones_are_ended():
    data, held_out = loader(mnist(800), 32), loader(mnist(300, "test"), 100, shuffle=False)
    ended = []

    def make(settings):
        model = network(hidden=settings["hidden"])
        return Trainer(model, nn.CrossEntropyLoss(), corten.optim.SGD(model.parameters(), lr=settings["lr"]), seed=0)

    space = {"lr": tune.Real(1e-4, 1.0, log=True), "hidden": tune.Integer(4, 32), "kind": tune.Choice((1, 2), (3, 4)), "stays": 5}
    found = tune.search_trainer(make, space, data, held_out, trials=14, epochs=4, seed=1, on_run=lambda s, r: ended.append(r))
    assert 0 < found.pruned < 10 and len(ended) == 14 - found.pruned
    assert found.value == min(min(r.figures("valid_loss")) for r in ended)
    assert found.params["stays"] == 5 and found.params["kind"] in ((1, 2), (3, 4)) and found.params["lr"] > 0.01
    assert make(found.params).fit(data, held_out, epochs=4).history[-1]["valid_loss"] == pytest.approx(found.value, rel=0.2)
    for trial in found.study.trials:
        if trial.state == optuna.trial.TrialState.PRUNED:
            assert len(trial.intermediate_values) < 4


def test_a_search_goes_on_where_it_was_stored(tmp_path):
    from corten.learn.linear_model import Ridge

    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 4))
    options = {"storage": f"sqlite:///{tmp_path}/search.db", "name": "ridge"}
    space = {"alpha": tune.Choice(0.1, 1e9), "fit_intercept": True}
    first = tune.search_estimator(Ridge(), space, X, X[:, 0], trials=3, seed=0, **options)
    more = tune.search_estimator(Ridge(), space, X, X[:, 0], trials=1, seed=5, **options)
    assert len(more.study.trials) == 4 and more.value >= first.value
    assert more.params == {"alpha": 0.1, "fit_intercept": True}


def test_a_training_that_diverges_is_a_trial_that_was_ended():
    x, y = noise()
    x[0, 0] = float("inf")

    def make(settings):
        model = network(8, 8, 3)
        return Trainer(model, nn.CrossEntropyLoss(), corten.optim.SGD(model.parameters(), lr=settings["lr"]))

    with pytest.raises(ValueError, match="none of 2 trials came to an end"):
        tune.search_trainer(make, {"lr": tune.Real(0.1, 0.2)}, [(x, y)], [(x, y)], epochs=1, trials=2)


def test_estimators_are_searched():
    from corten.learn.linear_model import Ridge

    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 40))
    y = X[:, 0] + rng.standard_normal(60)
    found = tune.search_estimator(Ridge(), {"alpha": tune.Real(1e-3, 1e3, log=True)}, X, y, trials=15, seed=0)
    from sklearn.model_selection import cross_val_score

    assert found.value == pytest.approx(cross_val_score(Ridge(**found.params), X, y, cv=3).mean(), rel=1e-12)
    assert found.value > cross_val_score(Ridge(alpha=1e-3), X, y, cv=3).mean() + 0.1
    assert found.params["alpha"] > 1


def test_what_does_not_fit_is_refused():
    for wrong, message in ((lambda: tune.Real(2, 1), r"\[Real\] got 2 to 1"), (lambda: tune.Integer(0, 4, log=True), "above 0"),
                           (lambda: tune.Choice(), "got no values")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            wrong()
    with pytest.raises(ValueError, match="a space of 0 settings"):
        tune._search(None, {}, 1, "min", None, None, None, None)
