"""K-means clustering: groups without labels, the elbow, and a photograph in sixteen colours."""

import from_scratch as scratch
import numpy as np

from corten.cli import course
from corten.learn.cluster import KMeans


def photograph():
    """A colour photograph as numbers in [0, 1]; it comes with scikit-learn."""
    from sklearn.datasets import load_sample_image

    return load_sample_image("flower.jpg") / 255.0


def purity(labels, y):
    """Share of the rows whose cluster is mostly of their own class."""
    return sum(np.bincount(y[labels == j]).max() for j in np.unique(labels)) / len(y)


def main(run):
    """K-means from scratch and with Corten: digits grouped without labels, the elbow, colours of a photograph."""
    rng = np.random.default_rng(run.seed)
    x, y, _, _, side = run.digits(1000 if run.quick else 5000, 0)

    run.heading("Ten groups of digits, from the same start")
    start = scratch.plus_plus(x, 10, rng)
    (centres, labels, history), t_scratch = run.time(lambda: scratch.lloyd(x, start, 300))
    model = KMeans(10, init=start, n_init=1, max_iter=300, tol=0)
    _, t_corten = run.time(lambda: model.fit(x))
    run.agree("WCSS", history[-1], model.inertia_, atol=0, rtol=1e-9)
    run.agree("centres", centres, model.cluster_centers_, atol=1e-9)
    run.faster(f"{len(history)} steps of Lloyd's", t_scratch, t_corten)
    run.say(f"purity of the groups: {purity(model.labels_, y):.3f} (one group: {np.bincount(y).max() / len(y):.3f})")

    run.heading("How a start decides the end")
    tries = 5 if run.quick else 10
    ends = {way: [KMeans(10, init=way, n_init=1, random_state=run.seed + i).fit(x).inertia_ for i in range(tries)]
            for way in ("random", "k-means++")}  # fmt: skip
    run.table(["start", "best WCSS", "mean WCSS", "worst WCSS"],
              [(way, min(e), float(np.mean(e)), max(e)) for way, e in ends.items()])  # fmt: skip

    run.heading("How many groups: the elbow and the silhouette")
    sample = x[rng.permutation(len(x))[:800]]
    counts = range(2, 10 if run.quick else 21)
    fits = [KMeans(k, n_init=3, random_state=run.seed).fit(sample) for k in counts]
    elbow = [f.inertia_ for f in fits]
    silhouettes = [scratch.silhouette(sample, f.labels_) for f in fits]

    run.heading("A photograph in few colours")
    image = photograph()[:: 3 if run.quick else 1, :: 3 if run.quick else 1]
    pixels = image.reshape(-1, 3)
    few = {}
    for k in (2, 4, 16) if run.quick else (2, 4, 16, 64):
        start = scratch.plus_plus(pixels[:: max(1, len(pixels) // 5000)], k, rng)
        fit = KMeans(k, init=start, n_init=1, max_iter=30).fit(pixels)
        few[k] = fit.cluster_centers_[fit.labels_].reshape(image.shape)
        if k == 16:
            (_, _, steps), t_scratch = run.time(lambda start=start: scratch.lloyd(pixels, start, 3))
            _, t_corten = run.time(lambda start=start: KMeans(16, init=start, n_init=1, max_iter=3, tol=0).fit(pixels))
            run.faster(f"three steps on {len(pixels):,} pixels, 16 colours", t_scratch, t_corten)
    psnr = {k: -10 * np.log10(np.mean((v - image) ** 2)) for k, v in few.items()}
    run.table(["colours", "bits a pixel (24 before)", "PSNR in dB"],
              [(str(k), f"{np.log2(k):.0f}", float(p)) for k, p in psnr.items()])  # fmt: skip

    figure, axes = run.subplots(2, 10, (14, 3.4), "The ten centres, and an image nearest to each")
    nearest = scratch.squared_distances(x, model.cluster_centers_).argmin(axis=0)
    for j in range(10):
        axes[0, j].imshow(model.cluster_centers_[j].reshape(side, side), cmap="gray")
        axes[1, j].imshow(x[nearest[j]].reshape(side, side), cmap="gray")
        axes[0, j].axis("off")
        axes[1, j].axis("off")
    run.save(figure, "centres")

    figure, axes = run.subplots(1, 3, (15, 4.2), "Choosing")
    axes[0].plot(history, "o-", ms=3)
    axes[0].set(title="Lloyd's steps never raise the WCSS", xlabel="step", ylabel="WCSS")
    axes[1].plot(list(counts), elbow, "o-")
    axes[1].set(title="The elbow: where more groups stop paying", xlabel="groups k", ylabel="WCSS")
    axes[2].plot(list(counts), silhouettes, "o-", color="tab:green")
    axes[2].set(title="Mean silhouette: 1 is well apart, 0 is touching", xlabel="groups k")
    run.save(figure, "elbow")

    figure, axes = run.subplots(1, len(few) + 1, (4 * (len(few) + 1), 3.2), "Image compression")
    for axis, (k, picture) in zip(axes, [*few.items(), ("all", image)], strict=True):
        axis.imshow(picture)
        axis.set(title=f"{k} colours" + (f", {psnr[k]:.1f} dB" if k != "all" else ""))
        axis.axis("off")
    run.save(figure, "compression")

    run.metric("purity of ten groups of digits", purity(model.labels_, y), at_least=0.5)
    run.metric("PSNR with 16 colours", psnr[16], at_least=25)
    run.metric("mean WCSS of k-means++ over that of random starts", np.mean(ends["k-means++"]) / np.mean(ends["random"]),
               at_most=1.02)  # fmt: skip


if __name__ == "__main__":
    course.start(main, __file__)
