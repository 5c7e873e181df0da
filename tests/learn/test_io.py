"""Files of estimators: round trips, golden files, damage."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import corten.learn as learn
from corten.learn import cluster, covariance, ensemble, impute, mixture, neighbors, svm, tree
from corten.learn import decomposition as d
from corten.learn import linear_model as lm
from corten.learn import naive_bayes as nb
from corten.learn import preprocessing as p
from corten.learn.tree._categories import CategoryCodes

GOLDEN = Path(__file__).parent / "golden"
rng = np.random.default_rng(0)
X = rng.standard_normal((60, 5)).round(3)
Y = rng.integers(0, 3, 60)
NAMES = np.array(["a", "b", "c"])[Y]

MODELS = {
    "linear_regression": lambda: lm.LinearRegression().fit(X, X[:, :2]),
    "ridge": lambda: lm.Ridge(alpha=np.float64(0.5)).fit(X, X[:, 0]),
    "lasso": lambda: lm.Lasso(alpha=0.01).fit(X, X[:, 0]),
    "logistic_regression": lambda: lm.LogisticRegression(class_weight={"a": 2.0, "b": 1.0, "c": 1}).fit(X, NAMES),
    "ridge_classifier": lambda: lm.RidgeClassifier().fit(X, NAMES),
    "sgd_regressor": lambda: lm.SGDRegressor(random_state=np.random.RandomState(3)).fit(X, X[:, 0]),
    "gradient_descent": lambda: lm.GradientDescentRegressor().fit(X, X[:, 0]),
    "pca": lambda: d.PCA(2, random_state=0).fit(X),
    "truncated_svd": lambda: d.TruncatedSVD(2, random_state=0).fit(X),
    "standard_scaler": lambda: p.StandardScaler().fit(X.astype(np.float32)),
    "k_bins": lambda: p.KBinsDiscretizer(3, encode="ordinal").fit(X),
    "simple_imputer": lambda: impute.SimpleImputer(add_indicator=True).fit(np.where(X > 1.5, np.nan, X)),
    "gaussian_nb": lambda: nb.GaussianNB().fit(X, NAMES),
    "k_means": lambda: cluster.KMeans(3, random_state=0).fit(X),
    "gaussian_mixture": lambda: mixture.GaussianMixture(2, random_state=0).fit(X),
    "k_neighbors": lambda: neighbors.KNeighborsClassifier(3).fit(X, NAMES),
    "svc": lambda: svm.SVC().fit(X, NAMES),
    "sparse_svr": lambda: svm.SVR().fit(sp.csr_matrix(X), X[:, 0]),
    "linear_svc": lambda: svm.LinearSVC(random_state=0).fit(X, NAMES),
    "decision_tree": lambda: tree.DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, NAMES),
    "random_forest": lambda: ensemble.RandomForestRegressor(3, random_state=0).fit(X, X[:, :2]),
    "categorical_forest": lambda: ensemble.ExtraTreesClassifier(3, categorical_features=[3], random_state=0).fit(
        data_of("categorical_forest"), NAMES
    ),
    "boosting": lambda: ensemble.HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5).fit(X, NAMES),
    "iqr": lambda: covariance.IQROutlierDetector().fit(X),
    "pipeline": lambda: make_pipeline(
        ColumnTransformer(
            [("scale", p.StandardScaler(), slice(0, 3)), ("rest", OneHotEncoder(), [3])], remainder="drop"
        ),
        lm.LogisticRegression(),
    ).fit(np.c_[X[:, :3], Y, X[:, 4]], NAMES),
}


def output(model, data):
    for method in ("predict_proba", "predict", "transform"):
        if hasattr(model, method):
            out = getattr(model, method)(data)
            return out.toarray() if sp.issparse(out) else out


def data_of(name):
    return np.c_[X[:, :3], Y, X[:, 4]] if name in ("pipeline", "categorical_forest") else X


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name, tmp_path):
    model = MODELS[name]()
    file = tmp_path / "model.safetensors"
    learn.save(model, file) if name == "pipeline" else model.save(file)
    again = learn.load(file)
    assert type(again) is type(model)
    np.testing.assert_array_equal(output(again, data_of(name)), output(model, data_of(name)))
    assert set(vars(again)) == set(vars(model))
    if name == "sgd_regressor":
        assert again.random_state.randint(1 << 30) == model.random_state.randint(1 << 30)
    elif name != "pipeline":
        assert repr(again.get_params()) == repr(model.get_params())
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", MODELS)
def test_golden_file(name):
    """Files written by schema 1 are read for ever. To add one: python tests/learn/test_io.py."""
    again = learn.load(GOLDEN / f"{name}.safetensors")
    expected = np.load(GOLDEN / f"{name}.npy", allow_pickle=False)
    assert again.get_params() and repr(again)  # parameters that came later have their defaults
    out = output(again, data_of(name))
    if out.dtype.kind == "f":
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-8)
    else:
        np.testing.assert_array_equal(out, expected)


def test_unfitted_and_values(tmp_path):
    model = lm.Ridge(alpha=float("inf"), max_iter=2**70, random_state=None, tol=np.float32(0.25))
    model.save(tmp_path / "m")
    assert learn.load(tmp_path / "m").get_params() == model.get_params()
    model.extra_ = {
        "csr": sp.csr_matrix(np.eye(3)),
        (1, 2): [None, True, ""],
        "set": {1, 2},
        "dtype": np.dtype("f4"),
        "F": np.asfortranarray(X),
        "empty": np.zeros((0, 3)),
        "object": np.array(["x", 1, None], dtype=object),
    }
    model.save(tmp_path / "m")
    extra = learn.load(tmp_path / "m").extra_
    assert extra["F"].flags.f_contiguous and extra["set"] == {1, 2} and extra[(1, 2)] == [None, True, ""]
    assert (
        extra["empty"].shape == (0, 3) and extra["object"].tolist() == ["x", 1, None] and extra["dtype"] == np.float32
    )
    np.testing.assert_array_equal(extra["csr"].toarray(), np.eye(3))


def test_what_cannot_be_written_is_named(tmp_path):
    model = lm.Ridge()
    model.odd_ = {"deep": [lambda: 0]}
    with pytest.raises(TypeError, match=r"Ridge.*odd_.*deep.*\[0\].*function"):
        model.save(tmp_path / "m")
    model.odd_ = model
    with pytest.raises(TypeError, match="contains itself"):
        model.save(tmp_path / "m")
    assert os.listdir(tmp_path) == []


def test_damage(tmp_path):
    file = tmp_path / "m"
    lm.Ridge().fit(X, X[:, 0]).save(file)
    whole = file.read_bytes()
    for size in [0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 1]:
        file.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"\[load\]"):
            learn.load(file)
    file.write_bytes(b"\x80\x04\x95" + whole)
    with pytest.raises(ValueError, match=r"\[load\]"):
        learn.load(file)
    for at in range(8, len(whole), 3):
        broken = bytearray(whole)
        broken[at] ^= 0x21
        file.write_bytes(bytes(broken))
        try:
            learn.load(file)
        except ValueError as error:
            assert str(error).startswith("[load]")
    with pytest.raises(FileNotFoundError, match="no such file"):
        learn.load(tmp_path / "none")


def forge(file, root, schema=1):
    header = json.dumps(
        {"__metadata__": {"format": "corten.learn", "model": json.dumps({"schema": schema, "root": root})}}
    )
    file.write_bytes(struct.pack("<Q", len(header)) + header.encode())


@pytest.mark.parametrize(
    "path", ["os.system", "builtins.eval", "sklearn.linear_model.SGDClassifier", "corten.learn._io.os",
             "corten.learn.load",
             "corten.learn.linear_model.enet_path", "corten.learn.nothing.Here", "corten.cli.main"],
)  # fmt: skip
def test_foreign_classes_are_refused(path, tmp_path):
    forge(tmp_path / "m", {"object": path, "state": {"dict": []}})
    with pytest.raises(ValueError, match=r"\[load\].*(may not be loaded|has no class)"):
        learn.load(tmp_path / "m")


def test_a_class_that_moved_is_found_under_its_old_name(tmp_path):
    categorical = {"list": [True, False]}
    state = {"dict": [["categorical", categorical], ["encoder", None]]}
    forge(tmp_path / "m", {"object": "corten.learn.ensemble._binning.CategoryCodes", "state": state})
    assert type(learn.load(tmp_path / "m")) is CategoryCodes


def test_other_files_and_schemas(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": X}, tmp_path / "m")
    with pytest.raises(ValueError, match="not one that corten.learn wrote"):
        learn.load(tmp_path / "m")
    forge(tmp_path / "m", None, schema=99)
    with pytest.raises(ValueError, match="schema 99 is newer"):
        learn.load(tmp_path / "m")
    forge(tmp_path / "m", {"array": "a7"})
    with pytest.raises(ValueError, match="no tensor 'a7'"):
        learn.load(tmp_path / "m")


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    GOLDEN.mkdir(exist_ok=True)
    for case, make in MODELS.items():
        if not (GOLDEN / f"{case}.safetensors").exists():
            made = make()
            learn.save(made, GOLDEN / f"{case}.safetensors")
            np.save(GOLDEN / f"{case}.npy", np.asarray(output(made, data_of(case))))
