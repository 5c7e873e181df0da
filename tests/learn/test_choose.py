"""Elbow and silhouette figures."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import silhouette_samples, silhouette_score

from corten.learn.cluster import ElbowDisplay, KMeans, SilhouetteDisplay


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(200, 2, centers=[[0, 0], [9, 0], [0, 9], [9, 9]], random_state=0)[0]


def test_elbow_is_where_the_clusters_are(blobs):
    display = ElbowDisplay.from_estimator(KMeans(random_state=0), blobs, n_clusters=range(1, 9))
    assert display.elbow_ == 4
    expected = [KMeans(n_clusters=k, random_state=0).fit(blobs).inertia_ for k in range(1, 9)]
    np.testing.assert_array_equal(display.inertia, expected)


def test_elbow_of_a_known_curve():
    assert ElbowDisplay(n_clusters=[1, 2, 3, 4, 5], inertia=[100, 60, 20, 15, 10]).elbow_ == 3
    with pytest.raises(ValueError, match=r"\[ElbowDisplay\] got \(2,\)"):
        ElbowDisplay(n_clusters=[1, 2], inertia=[2, 1])
    with pytest.raises(ValueError, match="expected rising numbers"):
        ElbowDisplay(n_clusters=[1, 3, 2], inertia=[3, 2, 1])


def test_silhouettes_are_scikit_learns(blobs):
    labels = KMeans(n_clusters=4, random_state=0).fit_predict(blobs)
    display = SilhouetteDisplay.from_predictions(blobs, labels)
    np.testing.assert_allclose(display.silhouettes, silhouette_samples(blobs, labels))
    assert display.score_ == pytest.approx(silhouette_score(blobs, labels))
    np.testing.assert_allclose(display.cluster_scores_, [display.silhouettes[labels == k].mean() for k in range(4)])
    again = SilhouetteDisplay.from_estimator(KMeans(n_clusters=4, random_state=0), blobs)
    np.testing.assert_array_equal(again.silhouettes, display.silhouettes)
    with pytest.raises(ValueError, match="Number of labels is 1"):
        SilhouetteDisplay.from_predictions(blobs, np.zeros(200, int))


def test_figures_show_the_numbers(blobs):
    figure = pytest.importorskip("matplotlib.figure")
    ax = figure.Figure().subplots()
    elbow = ElbowDisplay.from_estimator(KMeans(random_state=0), blobs, n_clusters=range(1, 6)).plot(ax)
    np.testing.assert_array_equal(elbow.line_.get_ydata(), elbow.inertia)
    assert ax.get_xlabel() == "Number of clusters" and elbow.figure_ is ax.figure
    ax = figure.Figure().subplots()
    SilhouetteDisplay.from_estimator(KMeans(n_clusters=3, random_state=0), blobs).plot(ax)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "1", "2"] and len(ax.collections) == 3
