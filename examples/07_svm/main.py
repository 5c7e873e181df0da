"""Support vector machines: the widest street between two classes, soft and hard margins, kernels that bend it."""

import from_scratch as scratch
import numpy as np

from corten.cli import course
from corten.learn.preprocessing import StandardScaler
from corten.learn.svm import SVC


def load(run):
    """Rows and labels -1, 1; the first two columns are drawn."""
    found = run.data("tabular_small/banknote_authentication.csv")
    if found is None:
        from sklearn.datasets import load_breast_cancer

        bunch = load_breast_cancer()
        run.uses("breast cancer, 569 tumours (comes with scikit-learn): set CORTEN_DATA for the banknotes")
        return bunch.data[:, [7, 1, 20, 24]], np.where(bunch.target == 0, 1, -1), ("concave points", "texture"), 0.94
    table = np.loadtxt(found[0], delimiter=",")
    run.uses(f"{len(table)} banknotes, genuine and forged: four statistics of a picture of each")
    return table[:, :4], np.where(table[:, 4] == 1, 1, -1), ("variance", "skewness"), 0.99


def draw(axis, decide, x, y, support, names, title):
    """Both classes, the border, the street, and the rows that hold it."""
    low, high = x.min(axis=0) - 0.4, x.max(axis=0) + 0.4
    a, b = np.meshgrid(np.linspace(low[0], high[0], 120), np.linspace(low[1], high[1], 120))
    z = decide(np.column_stack([a.ravel(), b.ravel()])).reshape(a.shape)
    axis.contourf(a, b, z, levels=[-np.inf, 0, np.inf], colors=["tab:blue", "tab:red"], alpha=0.12)
    axis.contour(a, b, z, levels=[-1, 0, 1], colors="black", linestyles=["--", "-", "--"], linewidths=[0.8, 1.4, 0.8])
    axis.scatter(*x[support].T, s=42, facecolors="none", edgecolors="black", linewidths=0.8)
    axis.scatter(*x.T, s=8, c=np.where(y > 0, "tab:red", "tab:blue"))
    axis.set(title=title, xlabel=names[0], ylabel=names[1])


def main(run):
    """Support vector machines from scratch (SMO) and with Corten: margins, kernels, the two parameters C and gamma."""
    x, y, names, goal = load(run)
    order = np.random.default_rng(run.seed).permutation(len(y))
    train, test = order[: 250 if run.quick else 700], order[700:] if len(y) > 1000 else order[400:]
    train = train[: len(y) - len(test)]
    scaler = StandardScaler().fit(x[train])
    x_train, x_test, y_train, y_test = scaler.transform(x[train]), scaler.transform(x[test]), y[train], y[test]

    run.heading("The same machine from scratch and with Corten")
    gamma, rows = 0.5, []
    for label, kernel, options in [
        ("linear", scratch.linear, {"kernel": "linear"}),
        ("polynomial", lambda a, b: scratch.polynomial(a, b, 3, gamma), {"kernel": "poly", "degree": 3, "gamma": gamma, "coef0": 1.0}),
        ("rbf", lambda a, b: scratch.rbf(a, b, gamma), {"kernel": "rbf", "gamma": gamma}),
    ]:
        (alpha, b, objective), t_scratch = run.time(
            lambda kernel=kernel: scratch.fit(kernel(x_train, x_train), y_train, 1.0, 1e-5))
        model = SVC(C=1.0, tol=1e-5, **options)
        _, t_corten = run.time(lambda model=model: model.fit(x_train, y_train), 3)
        ours = model.dual_coef_[0] @ kernel(model.support_vectors_, model.support_vectors_) @ model.dual_coef_[0] / 2
        run.agree(f"{label}: dual objective", objective, ours - np.abs(model.dual_coef_).sum(), atol=1e-3, rtol=1e-5)
        decide = kernel(x_test, x_train) @ (alpha * y_train) + b
        run.agree(f"{label}: decision on test rows", decide, model.decision_function(x_test), atol=5e-3, rtol=1e-3)
        run.faster(f"fit, {label}", t_scratch, t_corten)
        rows.append((label, int((alpha > 1e-8).sum()), float(np.mean(np.sign(decide) == y_test))))
    run.table(["kernel", f"support vectors of {len(y_train)}", "test accuracy"], rows)

    run.heading("Soft and hard margins, on two columns")
    flat, flat_test = x_train[:, :2], x_test[:, :2]
    soft = []
    for c in (0.01, 1, 100):
        model = SVC(kernel="linear", C=c).fit(flat, y_train)
        soft.append((c, model, 2 / np.linalg.norm(model.coef_)))
    run.table(["C", "width of the street", "support vectors", "test accuracy"],
              [(f"{c:g}", float(w), len(m.support_), m.score(flat_test, y_test)) for c, m, w in soft])  # fmt: skip

    run.heading("Gamma: how far a row reaches")
    bent = [(g, SVC(gamma=g, C=10).fit(flat, y_train)) for g in (0.1, 2, 100)]
    run.table(["gamma", "support vectors", "training accuracy", "test accuracy"],
              [(f"{g:g}", len(m.support_), m.score(flat, y_train), m.score(flat_test, y_test)) for g, m in bent])  # fmt: skip

    figure, axes = run.subplots(2, 3, (15, 9), "The street (dashed), its middle, and the support vectors (circled)")
    for axis, (c, model, width) in zip(axes[0], soft, strict=True):
        draw(axis, model.decision_function, flat, y_train, model.support_, names, f"linear, C = {c:g}: street {width:.2f} wide")
    for axis, (g, model) in zip(axes[1], bent, strict=True):
        draw(axis, model.decision_function, flat, y_train, model.support_, names,
             f"rbf, gamma = {g:g}: test accuracy {model.score(flat_test, y_test):.3f}")  # fmt: skip
    run.save(figure, "margins")

    run.metric("test accuracy with the rbf kernel", rows[2][2], at_least=goal - 0.02 if run.quick else goal)


if __name__ == "__main__":
    course.start(main, __file__)
