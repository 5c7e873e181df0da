"""Gradient descent: batch, stochastic and mini-batch, the learning rate, momentum and Adam, as pictures."""

import csv

import from_scratch as scratch
import numpy as np

import corten
from corten.cli import course
from corten.learn.linear_model import GradientDescentRegressor, LinearRegression
from corten.learn.preprocessing import StandardScaler


def load(run):
    """Standardised rows and target."""
    found = run.data("bike_sharing/day.csv")
    if found is None:
        from sklearn.datasets import load_diabetes

        bunch = load_diabetes()
        run.uses("diabetes, 442 patients (comes with scikit-learn): set CORTEN_DATA for the bicycles")
        x, y = bunch.data[:, [4, 5, 2, 8, 0]], bunch.target  # the first two columns say nearly the same
    else:
        with open(found[0], newline="") as file:
            rows = list(csv.DictReader(file))
        x = np.array([[float(r[k]) for k in ("temp", "atemp", "hum", "windspeed", "yr")] for r in rows])
        y = np.array([float(r["cnt"]) for r in rows])
        run.uses(f"{len(rows)} days of bicycle hire in Washington: temperature, felt temperature, humidity, wind, year")
    x = StandardScaler().fit_transform(x)
    return x, (y - y.mean()) / y.std()


def optimizer_path(make, curvature, start, steps):
    """The way of one of Corten's optimizers down the same bowl, by autograd."""
    w = corten.tensor(start, dtype=corten.float64, requires_grad=True)
    c = corten.tensor(curvature)
    optimizer = make([w])
    points = [w.detach().numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * w @ (c @ w)).backward()
        optimizer.step()
        points.append(w.detach().numpy().copy())
    return np.array(points)


def main(run):
    """Gradient descent from scratch and with Corten on real data: step sizes, batch sizes, momentum and Adam drawn."""
    x, y = load(run)
    n = len(x)
    best = LinearRegression().fit(x, y)
    floor = scratch.loss(x, y, best.coef_, best.intercept_)
    top = float(np.linalg.eigvalsh(np.column_stack([x, np.ones(n)]).T @ np.column_stack([x, np.ones(n)]) / n)[-1])
    run.say(f"largest curvature {top:.3f}: steps of up to {2 / top:.3f} converge; the least loss is {floor:.6f}")

    run.heading("The learning rate")
    passes = 60
    rates = [(f"{share:g} / L", share / top) for share in (0.02, 0.2, 1.0, 1.9, 2.05)]
    by_rate = {name: scratch.descend(x, y, rate, passes, n, run.seed)[2] for name, rate in rates}
    run.table(["rate", f"loss above the least after {passes} steps"], [(k, h[-1] - floor) for k, h in by_rate.items()])

    run.heading("Batch, mini-batch, stochastic")
    passes = 10 if run.quick else 40
    ways = [("batch", n, 1.0 / top), ("mini-batch of 32", 32, 0.05), ("stochastic", 1, 0.005)]
    by_batch = {}
    for name, size, rate in ways:
        (w, b, history), t_scratch = run.time(lambda size=size, rate=rate: scratch.descend(x, y, rate, passes, size, run.seed))
        method = {n: "batch", 1: "stochastic"}.get(size, "mini-batch")
        model = GradientDescentRegressor(method, learning_rate=rate, max_iter=passes, batch_size=32, tol=None,
                                         random_state=run.seed)  # fmt: skip
        _, t_corten = run.time(lambda model=model: model.fit(x, y))
        run.agree(f"{name}: weights", [*w, b], [*model.coef_, model.intercept_], atol=1e-9)
        run.agree(f"{name}: history of the loss", history, model.loss_history_, atol=1e-9)
        run.faster(f"{passes} passes, {name}", t_scratch, t_corten)
        by_batch[name] = history
    run.table(["way", "steps", "loss above the least"],
              [(name, f"{passes * -(-n // size):,}", by_batch[name][-1] - floor) for name, size, _ in ways])  # fmt: skip

    run.heading("A narrow valley: momentum and Adam")
    curvature = np.cov(x[:, :2].T, bias=True)  # temperature and felt temperature say nearly the same
    values = np.linalg.eigvalsh(curvature)
    run.say(f"curvatures {values[0]:.4f} and {values[1]:.4f}: a condition number of {values[1] / values[0]:.0f}")
    start, steps, rate = [-2.0, 1.2], 60, 1.0 / values[1]
    low, high = np.sqrt(values)
    keep = ((high - low) / (high + low)) ** 2  # Polyak's best momentum for these curvatures
    run.say(f"the best momentum for it is {keep:.2f}")
    paths = {
        "plain": (scratch.path(lambda w: curvature @ w, start, rate, steps),
                  optimizer_path(lambda p: corten.optim.SGD(p, lr=rate), curvature, start, steps)),
        "momentum": (scratch.path(lambda w: curvature @ w, start, rate, steps, keep),
                     optimizer_path(lambda p: corten.optim.SGD(p, lr=rate, momentum=keep), curvature, start, steps)),
        "Adam": (scratch.adam_path(lambda w: curvature @ w, start, 0.1, steps),
                 optimizer_path(lambda p: corten.optim.Adam(p, lr=0.1), curvature, start, steps)),
    }  # fmt: skip
    for name, (by_hand, by_corten) in paths.items():
        run.agree(f"{name}: every point on the way", by_hand, by_corten, atol=1e-12)
    bowl = {name: 0.5 * np.einsum("ti,ij,tj->t", p, curvature, p) for name, (p, _) in paths.items()}
    run.table(["optimizer", f"height after {steps} steps"], [(k, float(v[-1])) for k, v in bowl.items()])

    figure, axes = run.subplots(1, 3, (16, 4.6), "Gradient descent")
    for name, history in by_rate.items():
        axes[0].plot(np.maximum(np.array(history) - floor, 1e-12), label=f"rate {name}")
    axes[0].set(title="The learning rate (L: largest curvature)", xlabel="step", yscale="log", ylabel="loss above the least",
                ylim=(1e-6, 1e2))  # fmt: skip
    axes[0].legend(fontsize="small")
    for name, history in by_batch.items():
        axes[1].plot(np.maximum(np.array(history) - floor, 1e-12), label=name)
    axes[1].set(title="Rows a step", xlabel="pass over the data", yscale="log")
    axes[1].legend(fontsize="small")
    for name, heights in bowl.items():
        axes[2].plot(np.maximum(heights, 1e-12), label=name)
    axes[2].set(title="Down the narrow valley", xlabel="step", yscale="log", ylabel="height")
    axes[2].legend(fontsize="small")
    run.save(figure, "losses")

    figure, axes = run.subplots(3, 4, (15, 9.5), "Three ways down, after 5, 15, 30 and 60 steps")
    a, b = np.meshgrid(np.linspace(-2.6, 2.6, 80), np.linspace(-2.2, 2.2, 80))
    z = 0.5 * (curvature[0, 0] * a**2 + 2 * curvature[0, 1] * a * b + curvature[1, 1] * b**2)
    for row, (name, (points, _)) in zip(axes, paths.items(), strict=True):
        for axis, t in zip(row, (5, 15, 30, 60), strict=True):
            axis.contour(a, b, z, levels=np.geomspace(0.002, 6, 14), colors="grey", linewidths=0.5)
            axis.plot(*points[: t + 1].T, "o-", ms=2.5, lw=1, color="tab:red")
            axis.plot(0, 0, "k+", ms=10)
            axis.set(title=f"{name}: {t} steps, height {bowl[name][t]:.2g}", xticks=[], yticks=[], xlim=(-2.6, 2.6), ylim=(-2.2, 2.2))
    run.save(figure, "paths")

    run.metric("loss of batch descent above the least, at rate 1 / L", by_rate["1 / L"][-1] - floor, at_most=0.02)
    run.metric("loss of mini-batch descent above the least", by_batch["mini-batch of 32"][-1] - floor, at_most=0.02)
    run.metric("height with momentum over height without", bowl["momentum"][-1] / bowl["plain"][-1], at_most=0.5)


if __name__ == "__main__":
    course.start(main, __file__)
