"""PCA: the directions in which data varies, digits in a few numbers, and noise taken out."""

import from_scratch as scratch
import numpy as np

from corten.cli import course
from corten.learn.decomposition import PCA
from corten.learn.neighbors import KNeighborsClassifier


def main(run):
    """Principal components from scratch and with Corten: explained variance, compression, denoising, a map of digits."""
    rng = np.random.default_rng(run.seed)
    x, y, x_test, y_test, side = run.digits(1500 if run.quick else 8000, 500 if run.quick else 2000)
    dimensions = x.shape[1]
    k = min(50, dimensions // 2)

    run.heading("Eigenvectors of the covariance")
    (rows, values), t_scratch = run.time(lambda: scratch.components(x, k), 2)
    model = PCA(k, svd_solver="covariance_eigh")
    _, t_corten = run.time(lambda: model.fit(x), 3)
    run.agree("explained variances", values, model.explained_variance_, atol=1e-9)
    run.agree("first ten components", rows[:10], scratch.signs(model.components_)[:10], atol=1e-6)
    run.faster(f"fit of {len(x):,} x {dimensions}", t_scratch, t_corten)
    total = np.trace(scratch.covariance(x))
    shares = np.cumsum(values) / total
    run.table(["components", "share of the variance"], [(str(n), float(shares[n - 1])) for n in (1, 2, 5, 10, 20, k)])

    run.heading("Power iteration: no solver, only products")
    steps = 300
    powered, _ = scratch.power_iteration(x, 3, steps, rng)
    angles = np.degrees(np.arccos(np.clip(np.abs((powered * rows[:3]).sum(axis=1)), 0, 1)))
    gaps = values[1:4] / values[:3]
    run.table(["component", "ratio to the next eigenvalue", f"angle after {steps} steps (degrees)"],
              [(str(i + 1), float(gaps[i]), float(angles[i])) for i in range(3)])  # fmt: skip

    run.heading("Few numbers in place of many")
    recognised = []
    for n in (2, 5, 10, 20, k, dimensions):
        use, mean = (np.eye(dimensions), 0 * model.mean_) if n == dimensions else (model.components_[:n], model.mean_)
        z, z_test = scratch.project(x, mean, use), scratch.project(x_test, mean, use)
        error = np.sqrt(np.mean((scratch.reconstruct(z_test, mean, use) - x_test) ** 2))
        neighbours = KNeighborsClassifier(5).fit(z, y)
        recognised.append((n, float(error), float(np.mean(neighbours.predict(z_test) == y_test))))
    run.table(["numbers a digit", "error of a pixel (RMS)", "accuracy of 5 neighbours"], [(str(n), e, a) for n, e, a in recognised])

    run.heading("Noise taken out")
    noisy = x_test + rng.normal(0, 0.4, x_test.shape)
    clean = model.inverse_transform(model.transform(noisy))
    before, after = (float(np.sqrt(np.mean((v - x_test) ** 2))) for v in (noisy, clean))
    run.say(f"error of a pixel: {before:.3f} with noise, {after:.3f} after projecting on {k} components")

    z = model.transform(x)[:, :2]
    figure, axes = run.subplots(1, 3, (16, 4.8), "Principal components")
    axes[0].bar(np.arange(1, 21), values[:20] / total, color="tab:blue")
    axes[0].plot(np.arange(1, 21), shares[:20], "o-", color="tab:orange", label="sum so far")
    axes[0].set(title="Explained variance", xlabel="component", ylabel="share")
    axes[0].legend()
    for digit in range(10):
        axes[1].scatter(*z[y == digit][:200].T, s=6, color=f"C{digit}", label=str(digit))
    axes[1].set(title="Two numbers for each digit", xlabel="first component", ylabel="second component")
    axes[1].legend(markerscale=2, fontsize="small", ncols=2)
    axes[2].plot([n for n, _, _ in recognised], [a for _, _, a in recognised], "o-", color="tab:green")
    axes[2].set(title="Accuracy of 5 neighbours", xlabel="numbers a digit", xscale="log")
    run.save(figure, "variance")

    figure, axes = run.subplots(5, 10, (12, 6.6), "Rows: components, digits, from 5 and from 20 numbers, then noise and what PCA leaves")
    shown = [int(np.flatnonzero(y_test == d)[0]) for d in range(10)]
    pictures = [model.components_[:10], x_test[shown]]
    for n in (5, 20):
        use = model.components_[:n]
        pictures.append(scratch.reconstruct(scratch.project(x_test[shown], model.mean_, use), model.mean_, use))
    half = [noisy[i] if j % 2 == 0 else clean[i] for j, i in enumerate(np.repeat(shown[:5], 2))]
    pictures.append(np.array(half))
    for r, images in enumerate(pictures):
        for c in range(10):
            limits = {} if r == 0 else {"vmin": 0, "vmax": 1}
            axes[r, c].imshow(images[c].reshape(side, side), cmap="RdBu" if r == 0 else "gray", **limits)
            axes[r, c].axis("off")
    run.save(figure, "digits")

    run.metric("accuracy with 20 numbers a digit", {n: a for n, _, a in recognised}[20],
               at_least=0.85 if run.quick else 0.9)  # fmt: skip
    run.metric("error after denoising over error before", after / before, at_most=0.6 if side == 28 else 0.8)


if __name__ == "__main__":
    course.start(main, __file__)
