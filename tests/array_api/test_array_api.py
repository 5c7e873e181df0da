"""The Array API namespace, and libraries that are written against the standard, on tensors beside NumPy arrays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import corten
from corten import array_api as xp

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4))


def test_namespace_of_a_tensor() -> None:
    assert corten.tensor([1.0]).__array_namespace__(api_version="2024.12") is xp
    with pytest.raises(ValueError, match="2021.12 to 2024.12"):
        corten.tensor([1.0]).__array_namespace__(api_version="1999.12")


@pytest.mark.parametrize("run", [
    lambda f, x: f.sum(x, axis=()), lambda f, x: f.sum(x, axis=(0, 1), keepdims=True), lambda f, x: f.prod(x, axis=1),
    lambda f, x: f.std(x, axis=0, correction=1), lambda f, x: f.any(x > 1, axis=1), lambda f, x: f.all(x > -9),
    lambda f, x: f.cumulative_sum(x, axis=1, include_initial=True), lambda f, x: f.linalg.det(x[:, :3]),
    lambda f, x: f.linalg.trace(x, offset=1), lambda f, x: f.linalg.vector_norm(x, axis=1, ord=1),
    lambda f, x: f.linalg.matrix_norm(x, ord="nuc"), lambda f, x: f.linalg.outer(x[0], x[1]), lambda f, x: f.vecdot(x, x, axis=0),
    lambda f, x: f.fft.fft(x, axis=0), lambda f, x: f.fft.irfftn(f.fft.rfftn(x), s=(3, 4), axes=(0, 1)), lambda f, x: f.tril(x, k=-1),
    lambda f, x: f.sign(x + 1j), lambda f, x: f.tensordot(x, x, axes=((0,), (0,))), lambda f, x: f.unique_counts(f.round(x)).counts,
    lambda f, x: f.searchsorted(f.sort(x[0]), x[1], side="right"), lambda f, x: f.take_along_axis(x, f.argsort(x, axis=1), axis=1),
])  # fmt: skip
def test_equals_numpy(run: Any) -> None:
    ours, theirs = run(xp, corten.tensor(X)), np.asarray(run(np, X))
    assert tuple(ours.shape) == theirs.shape
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12, atol=1e-12)


def test_names_and_limits() -> None:
    assert xp.finfo(xp.float32).dtype is xp.float32 and xp.finfo(corten.ones(2)).bits == 32
    assert xp.iinfo(xp.int8).dtype is xp.int8 and xp.iinfo(xp.int8).max == 127
    assert xp.isdtype(xp.uint8, ("bool", "integral")) and not xp.isdtype(xp.float32, "integral")
    assert xp.__array_namespace_info__().dtypes(kind="real floating") == {"float32": xp.float32, "float64": xp.float64}
    x = corten.tensor([1.0])
    assert x.to_device(x.device) is x


def test_suite_of_the_standard() -> None:
    """A sample of it; tools/array_api_suite.sh runs all."""
    folder = os.environ.get("ARRAY_API_TESTS")
    if not folder:
        pytest.skip("ARRAY_API_TESTS names no clone of data-apis/array-api-tests")
    script = Path(__file__).parents[2] / "tools" / "array_api_suite.sh"
    done = subprocess.run([script, folder, "-k", "signature or has_names or dtype"], capture_output=True, text=True,
                          env={**os.environ, "EXAMPLES": "5"})  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


# ---- einops


def test_einops_with_gradients() -> None:
    einops = pytest.importorskip("einops")
    import corten.compat.einops  # noqa: F401

    torch = pytest.importorskip("torch")
    x = RNG.standard_normal((2, 3, 4, 6))
    for run in (lambda t: einops.rearrange(t, "b c (h k) w -> b (c k) h w", k=2),
                lambda t: einops.reduce(t, "b c (h k) w -> b c h w", "mean", k=2),
                lambda t: einops.reduce(t, "b c h w -> b h", "max"), lambda t: einops.reduce(t, "b c h w -> c w", "prod"),
                lambda t: einops.repeat(t, "b c h w -> b c (2 h) w r", r=3),
                lambda t: einops.einsum(t, t, "b c h w, b d h w -> b c d"),
                lambda t: einops.rearrange([t, t * 2], "n b c h w -> b (n c) h w"),
                lambda t: einops.pack([t, t[:, :, :, 0]], "b c *")[0]):  # fmt: skip
        ours, theirs = corten.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        a, b = run(ours), run(theirs)
        (a * a).sum().backward()
        (b * b).sum().backward()
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-10)


def test_einops_by_the_standard() -> None:
    array_api = pytest.importorskip("einops.array_api")
    made = array_api.rearrange(corten.tensor(X), "a b -> b a")
    np.testing.assert_array_equal(made.numpy(), X.T)
    np.testing.assert_allclose(array_api.reduce(corten.tensor(X), "a b -> a", "mean").numpy(), X.mean(1))


# ---- SciPy and scikit-learn, each in a process of its own: both read their switch when they are imported

SCRIPT = '''
import warnings
warnings.simplefilter("error", RuntimeWarning)
import numpy as np, corten
from scipy import fft, integrate, ndimage, signal, special, stats
from scipy.cluster import hierarchy, vq
from scipy.optimize import elementwise
from scipy.spatial.transform import Rotation
x = np.random.default_rng(0).uniform(0.1, 1, (20, 3))
q = np.random.default_rng(1).standard_normal(4)
for run in (
    special.expit, special.gammaln, special.ndtr, special.entr, lambda x: special.betainc(x, x, x), lambda x: special.xlogy(x, x),
    lambda x: special.logsumexp(x, axis=1), lambda x: special.softmax(x, axis=1), lambda x: special.log_softmax(x, axis=0),
    vq.whiten, lambda x: vq.vq(x, x[:4])[0], lambda x: vq.vq(x, x[:4])[1], hierarchy.linkage,
    stats.skew, stats.kurtosis, stats.zscore, stats.gmean, stats.variation, lambda x: stats.ttest_1samp(x, 0.5).pvalue,
    lambda x: stats.pearsonr(x[:, 0], x[:, 1]).statistic, lambda x: stats.entropy(x), lambda x: stats.rankdata(x[:, 0]),
    fft.fft, fft.dct, lambda x: fft.rfftn(x, axes=(0,)), fft.fftshift, integrate.trapezoid, integrate.cumulative_trapezoid,
    signal.detrend, signal.hilbert, lambda x: signal.convolve(x[:, 0], x[:3, 0]), lambda x: ndimage.gaussian_filter(x, 1.0),
):
    ours, theirs = run(corten.tensor(x)), run(x)
    assert isinstance(ours, corten.Tensor), run
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-10, atol=1e-12)
np.testing.assert_allclose(Rotation.from_quat(corten.tensor(q)).as_matrix().numpy(), Rotation.from_quat(q).as_matrix(), rtol=1e-12)
root = elementwise.find_root(lambda z, c: z**3 - c, (corten.zeros(2, dtype=corten.float64), corten.full((2,), 5.0, dtype=corten.float64)),
                             args=(corten.tensor([1.0, 8.0], dtype=corten.float64),)).x
np.testing.assert_allclose(root.numpy(), [1.0, 2.0])
'''

LEARN = '''
import numpy as np, corten, sklearn
from sklearn import metrics, preprocessing
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
X = np.random.default_rng(0).standard_normal((60, 5))
y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
models = (LinearDiscriminantAnalysis(), PCA(2, svd_solver="full"), PCA(2, svd_solver="covariance_eigh"), Ridge(solver="svd"), GaussianNB(),
          GaussianMixture(2, init_params="random", random_state=0), preprocessing.StandardScaler(), preprocessing.MinMaxScaler(),
          preprocessing.MaxAbsScaler(), preprocessing.Normalizer(), preprocessing.PolynomialFeatures())
scores = (metrics.accuracy_score, metrics.f1_score, metrics.mean_squared_error, metrics.r2_score, metrics.zero_one_loss)
pairs = (metrics.pairwise.cosine_similarity, metrics.pairwise.euclidean_distances, metrics.pairwise.rbf_kernel)
def result(model, X, y):
    model = sklearn.base.clone(model).fit(X, y)
    return model.transform(X) if hasattr(model, "transform") and not hasattr(model, "predict") else model.predict(X)
for model in models:
    expected = result(model, X, y)
    with sklearn.config_context(array_api_dispatch=True):
        made = result(model, corten.tensor(X), corten.tensor(y))
    assert isinstance(made, corten.Tensor), model
    np.testing.assert_allclose(np.abs(made.numpy()), np.abs(expected), rtol=1e-8, atol=1e-9, err_msg=str(model))
with sklearn.config_context(array_api_dispatch=True):
    a, b = corten.tensor(y), corten.tensor(np.roll(y, 1))
    assert [s(a, b) for s in scores] == [float(s(y, np.roll(y, 1))) for s in scores]
    for kernel in pairs:
        np.testing.assert_allclose(kernel(corten.tensor(X), corten.tensor(X)).numpy(), kernel(X, X), rtol=1e-10, atol=1e-7)
'''


@pytest.mark.parametrize("script", [SCRIPT, LEARN], ids=["scipy", "sklearn"])
def test_libraries(script: str) -> None:
    if "sklearn" in script:
        pytest.importorskip("array_api_compat")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "SCIPY_ARRAY_API": "1"})
    assert done.returncode == 0, done.stderr[-2500:]
