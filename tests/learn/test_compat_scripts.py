"""Unmodified scripts in the style of scikit-learn's gallery, run as they are and on our estimators: the same output."""

import logging
import runpy
import sys
import textwrap

import pytest

import corten.compat.sklearn as compat
from corten.learn import UnsupportedSetting

SCRIPTS = {
    "digits": """
        from sklearn import datasets, metrics, svm
        from sklearn.model_selection import train_test_split
        digits = datasets.load_digits()
        data = digits.images.reshape((len(digits.images), -1))
        clf = svm.SVC(gamma=0.001)
        X_train, X_test, y_train, y_test = train_test_split(data, digits.target, test_size=0.5, shuffle=False)
        clf.fit(X_train, y_train)
        predicted = clf.predict(X_test)
        print(f"{metrics.accuracy_score(y_test, predicted):.3f}")
        print(metrics.confusion_matrix(y_test, predicted).trace())
    """,
    "pipeline": """
        import numpy as np
        from sklearn.compose import ColumnTransformer, make_column_selector
        from sklearn.datasets import load_wine
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, StratifiedKFold
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import MinMaxScaler, StandardScaler
        X, y = load_wine(return_X_y=True)
        scale = ColumnTransformer([("a", StandardScaler(), slice(0, 6)), ("b", MinMaxScaler(), slice(6, 13))])
        pipe = Pipeline([("scale", scale), ("pca", PCA()), ("logistic", LogisticRegression(max_iter=2000, tol=1e-6))])
        grid = {"pca__n_components": [2, 5], "logistic__C": [0.1, 1.0]}
        search = GridSearchCV(pipe, grid, cv=StratifiedKFold(3, shuffle=True, random_state=0)).fit(X, y)
        print(search.best_params_, f"{search.best_score_:.3f}")
    """,
    "clusters": """
        import numpy as np
        from sklearn.cluster import DBSCAN, KMeans, AgglomerativeClustering
        from sklearn.datasets import make_blobs
        from sklearn.metrics import adjusted_rand_score, silhouette_score
        from sklearn.mixture import GaussianMixture
        from sklearn.preprocessing import StandardScaler
        X, truth = make_blobs(600, centers=[[1, 1], [-1, -1], [1, -1]], cluster_std=0.3, random_state=0)
        X = StandardScaler().fit_transform(X)
        for model in (KMeans(3, n_init=2, random_state=0), DBSCAN(eps=0.3, min_samples=10), AgglomerativeClustering(3),
                      GaussianMixture(3, random_state=0)):
            labels = model.fit_predict(X)
            print(type(model).__name__, f"{adjusted_rand_score(truth, labels):.3f} {silhouette_score(X, labels):.3f}")
    """,
    "trees": """
        from sklearn.datasets import load_iris
        from sklearn.tree import DecisionTreeClassifier, export_text
        iris = load_iris()
        tree = DecisionTreeClassifier(random_state=0, max_depth=2).fit(iris.data[:, 1:3], iris.target)
        print(export_text(tree, feature_names=iris["feature_names"][1:3]))
        path = DecisionTreeClassifier(random_state=0).cost_complexity_pruning_path(iris.data, iris.target)
        print(f"{path.ccp_alphas[-1]:.4f}")
    """,
    "text": """
        from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
        from sklearn.linear_model import SGDClassifier
        from sklearn.naive_bayes import MultinomialNB
        from sklearn.pipeline import make_pipeline
        texts = ["a good film", "good and warm", "a bad film", "bad and cold", "warm good", "cold bad"] * 5
        labels = ["+", "+", "-", "-", "+", "-"] * 5
        for model in (MultinomialNB(), SGDClassifier(random_state=0)):
            clf = make_pipeline(CountVectorizer(), TfidfTransformer(), model).fit(texts, labels)
            print(type(model).__name__, list(clf.predict(["good film", "cold and bad", "a warm night"])))
    """,
    "regression": """
        import numpy as np
        from sklearn import linear_model
        from sklearn.datasets import load_diabetes
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.metrics import mean_squared_error, r2_score
        from sklearn.model_selection import cross_val_score
        from sklearn.neighbors import KNeighborsRegressor
        X, y = load_diabetes(return_X_y=True)
        for model in (linear_model.LinearRegression(), linear_model.Ridge(alpha=0.1), linear_model.LassoCV(cv=3),
                      linear_model.ElasticNet(alpha=0.01), KNeighborsRegressor(7)):
            fitted = model.fit(X[:-50], y[:-50])
            print(type(model).__name__, f"{r2_score(y[-50:], fitted.predict(X[-50:])):.3f}")
        alphas, coefs, _ = linear_model.lasso_path(X, y - y.mean())
        print(coefs.shape, (coefs[:, -1] != 0).sum())
        print(cross_val_score(HistGradientBoostingRegressor(max_iter=30, random_state=0), X, y, cv=3).mean().round(1))
    """,
    "fallback": """
        import numpy as np
        import scipy.sparse as sp
        from sklearn.linear_model import Ridge
        from sklearn.neighbors import NearestNeighbors
        from sklearn.tree import DecisionTreeClassifier
        rng = np.random.default_rng(0)
        X, y = rng.standard_normal((60, 4)), np.arange(60) % 2
        print(Ridge(solver="sag", random_state=0).fit(X, y).coef_.round(2))
        print(NearestNeighbors(metric="canberra").fit(X).kneighbors(X[:2])[1])
        print(DecisionTreeClassifier(random_state=0).fit(sp.csr_matrix(X), y).get_n_leaves())
    """,
}


EXPECTED = {"fallback": {"Ridge: solver='sag'", "NearestNeighbors: metric='canberra'",
                         "DecisionTreeClassifier: X='csr_matrix'"}}  # fmt: skip


@pytest.fixture
def script(request, tmp_path, monkeypatch):
    """The script's file; what running it changes in the process is undone."""
    monkeypatch.setattr(sys, "argv", ["script.py"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPTS[request.param]))
    yield request.param, str(path)
    compat.unpatch_sklearn()


@pytest.mark.parametrize("script", SCRIPTS, indirect=True)
def test_prints_the_same(script, capsys, caplog):
    name, path = script
    runpy.run_path(path, run_name="__main__")
    expected = capsys.readouterr().out
    with caplog.at_level(logging.WARNING, "corten.compat.sklearn"):
        assert compat.main([path]) == 0
    assert capsys.readouterr().out == expected
    lines = {record.getMessage().split(" is not supported")[0] for record in caplog.records}
    assert lines == EXPECTED.get(name, set())


@pytest.mark.parametrize("script", ["fallback"], indirect=True)
def test_strict_mode_raises(script):
    with pytest.raises(UnsupportedSetting, match=r"\[Ridge\] solver='sag'"):
        compat.main(["--strict", script[1]])
