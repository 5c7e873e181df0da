"""The tabular pipeline: scikit-learn's scalers and encoder say the same; the state survives files."""

import json

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

import corten
from corten.data import Table, Tabular

rng = np.random.default_rng(0)
TABLE = Table(
    {
        "a": rng.normal(3, 5, 200),
        "b": rng.integers(0, 9, 200),
        "k": rng.choice(["red", "green", "blue"], 200).tolist(),
        "w": rng.integers(1, 4, 200),
        "y": rng.normal(10, 2, 200),
    }
)
TRAIN, TEST = TABLE[:150], TABLE[150:]


@pytest.mark.parametrize("scale, scaler", [("standard", StandardScaler()), ("minmax", MinMaxScaler())])
def test_equals_scikit_learn(scale, scaler):
    tabular = Tabular(["a", "b"], ["k", "w"], "y", scale=scale).fit(TRAIN)
    stack = lambda t: np.stack([t["a"], t["b"]], 1).astype(float)  # noqa: E731
    texts = lambda t: np.stack([np.array(t["k"].tolist()), t["w"].astype(str)], 1)  # noqa: E731
    categories = [list(tabular.categories[c]) for c in ("k", "w")]
    numbers = scaler.fit(stack(TRAIN)).transform(stack(TEST))
    onehot = OneHotEncoder(categories=categories).fit(texts(TRAIN)).transform(texts(TEST)).toarray()
    np.testing.assert_allclose(tabular.transform(TEST).numpy(), np.hstack([numbers, onehot]), rtol=1e-5, atol=1e-6)
    assert tabular.feature_names == ["a", "b", "k=red", "k=blue", "k=green", "w=1", "w=2", "w=3"]
    y = tabular.transform_target(TEST)
    np.testing.assert_allclose(y.numpy()[:, 0], (TEST["y"] - TRAIN["y"].mean()) / TRAIN["y"].std(), rtol=1e-5)
    np.testing.assert_allclose(tabular.inverse_target(y).numpy()[:, 0], TEST["y"], rtol=1e-5)


def test_missing_and_unknown():
    tabular = Tabular(["a"], ["k"]).fit(TRAIN)
    row = tabular.transform({"a": float("nan"), "k": "violet"})
    assert row.tolist() == [[0, 0, 0, 0]]
    assert tabular.transform([{"a": 1, "k": None}, {"a": 2, "k": "red", "more": 1}]).shape == (2, 4)
    constant = Tabular(["c"]).fit(Table({"c": [2.0, 2.0]}))
    assert constant.transform({"c": 3}).tolist() == [[1]]


def test_classes():
    tabular = Tabular(["a"], target="k").fit(TRAIN)
    assert tabular.classes == ("blue", "green", "red")
    assert tabular.transform_target(TEST).dtype == corten.int64
    with pytest.raises(ValueError, match="row 0: target 'violet' is none of the classes"):
        tabular.transform_target(Table({"k": ["violet"]}))


def test_the_state_with_and_without_the_model(tmp_path):
    tabular = Tabular(["a", "b"], ["k"], "y").fit(TRAIN)
    tabular.save(tmp_path / "t.json")
    corten.save({"tabular": tabular.state_dict(), "w": corten.ones(2)}, tmp_path / "m.safetensors")
    again = [Tabular.load(tmp_path / "t.json"),
             Tabular.from_state_dict(corten.load(tmp_path / "m.safetensors")["tabular"])]  # fmt: skip
    for other in again:
        assert (other.transform(TEST) == tabular.transform(TEST)).all()
        assert other.state_dict() == tabular.state_dict()


@pytest.mark.parametrize(
    "change",
    [dict(version=2), dict(numeric=["z"]), dict(offsets={"a": [0, 1]}), dict(offsets=None), dict(scale="x"),
     dict(offsets={"a": [0, 0, 0], "b": [0, 1, 0], "y": [0, 1, 0]})],
    ids=str,
)  # fmt: skip
def test_damaged_states(tmp_path, change):
    state = Tabular(["a", "b"], ["k"], "y").fit(TRAIN).state_dict() | change
    (tmp_path / "t.json").write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"\[Tabular\]"):
        Tabular.load(tmp_path / "t.json")


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="lacks the columns 'p', 'q'"):
        Tabular(["a", "p"], ["q"]).fit(TRAIN)
    with pytest.raises(ValueError, match="0 rows"):
        Tabular(["a"]).fit(TRAIN[:0])
    with pytest.raises(ValueError, match="'k' holds text"):
        Tabular(["k"]).fit(TRAIN)
    with pytest.raises(ValueError, match="no value"):
        Tabular(["c"]).fit(Table({"c": [np.nan, np.nan]}))
    with pytest.raises(ValueError, match="infinite"):
        Tabular(["c"]).fit(Table({"c": [np.inf, 1.0]}))
    with pytest.raises(ValueError, match="row 1 lacks 'a'"):
        Tabular(["a"]).fit(TRAIN).transform([{"a": 1}, {}])
    with pytest.raises(RuntimeError, match="fit"):
        Tabular(["a"]).transform(TRAIN)
    with pytest.raises(ValueError, match="target is missing"):
        Tabular(["a"], target="y").fit(TRAIN).transform_target(Table({"y": [1.0, np.nan]}))
    with pytest.raises(ValueError, match="twice"):
        Tabular(["a"], target="a")
    (tmp_path / "x").write_text("[1")
    with pytest.raises(ValueError, match="not JSON"):
        Tabular.load(tmp_path / "x")
