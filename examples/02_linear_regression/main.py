"""Linear regression: what a house costs, by least squares three ways, and what the weights mean."""

import csv

import from_scratch as scratch
import numpy as np

from corten.cli import course
from corten.learn.linear_model import GradientDescentRegressor, LinearRegression
from corten.learn.preprocessing import StandardScaler

NAMES = ["longitude", "latitude", "house age", "rooms", "bedrooms", "population", "households", "income"]


def load(run):
    """Features, target and names: California districts, or diabetes patients where the file is absent."""
    found = run.data("california_housing/housing.csv")
    if found is None:
        from sklearn.datasets import load_diabetes

        bunch = load_diabetes()
        run.uses("diabetes, 442 patients (comes with scikit-learn): set CORTEN_DATA for California housing")
        return bunch.data, bunch.target, list(bunch.feature_names)
    with open(found[0], newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    rows = [row for row in rows if row[4]]  # 207 districts have no count of bedrooms
    table = np.array([row[:9] for row in rows], float)
    run.uses(f"California housing, {len(table)} districts of the 1990 census")
    return table[:, :8], table[:, 8] / 1e5, NAMES  # the price in 100,000 dollars


def main(run):
    """Linear regression on real prices: normal equations, QR and gradient descent, from scratch and with Corten."""
    x, y, names = load(run)
    order = np.random.default_rng(run.seed).permutation(len(x))
    if run.quick:
        order = order[:4000]
    held = len(order) // 5
    test, train = order[:held], order[held:]
    scaler = StandardScaler().fit(x[train])  # means and deviations of the training part alone: no leak from the test part
    x_train, x_test = scaler.transform(x[train]), scaler.transform(x[test])
    y_train, y_test = y[train], y[test]

    run.heading("Three ways to the least squares")
    steps = 300 if run.quick else 1000
    by_normal, t_normal = run.time(lambda: scratch.normal_equations(x_train, y_train), 5)
    by_qr, t_qr = run.time(lambda: scratch.orthogonal(x_train, y_train), 5)
    (by_descent, history), t_descent = run.time(lambda: scratch.gradient_descent(x_train, y_train, steps))
    run.table(["way", "test MSE", "test R2", "distance to QR", "ms"], [
        [way, scratch.mse(y_test, scratch.predict(w, x_test)), scratch.r2(y_test, scratch.predict(w, x_test)),
         float(np.abs(w - by_qr).max()), 1e3 * t]
        for way, w, t in [("normal equations", by_normal, t_normal), ("QR", by_qr, t_qr),
                          (f"gradient descent, {steps} steps", by_descent, t_descent)]
    ])  # fmt: skip

    run.heading("The same with Corten")
    model, t_model = run.time(lambda: LinearRegression().fit(x_train, y_train), 5)
    run.agree("weights of QR and LinearRegression", by_qr, [model.intercept_, *model.coef_], atol=1e-8)
    run.faster("least squares (QR against LinearRegression)", t_qr, t_model)
    walker = GradientDescentRegressor(max_iter=steps, tol=None)
    _, t_walker = run.time(lambda: walker.fit(x_train, y_train))
    run.agree("loss after the last step (their objective is half the MSE)", history[-1] / 2, walker.loss_history_[-2],
              atol=1e-10)  # fmt: skip
    run.faster(f"{steps} steps of gradient descent", t_descent, t_walker)

    run.heading("What the weights mean")
    baseline = scratch.mse(y_test, np.full_like(y_test, y_train.mean()))
    ranked = sorted(zip(names, model.coef_, strict=True), key=lambda pair: -abs(pair[1]))
    run.table(["feature", "change of the prediction for one standard deviation more"], ranked)
    predicted = model.predict(x_test)
    run.say(f"always predicting the mean has a test MSE of {baseline:.4g}")

    figure, (left, middle, right) = run.subplots(1, 3, (15, 4.6), "Linear regression")
    left.plot(history, color="tab:blue")
    left.axhline(scratch.mse(y_train, scratch.predict(by_qr, x_train)), ls="--", color="tab:orange", label="the minimum")
    left.set(xscale="log", xlabel="step of gradient descent", ylabel="training MSE", title="Walking down to the minimum")
    left.legend()
    middle.scatter(y_test, predicted, s=4, alpha=0.3)
    middle.axline((float(y_test.mean()), float(y_test.mean())), slope=1, color="black", lw=1)
    middle.set(xlabel="true value", ylabel="predicted value", title="Held-out part: the line would be perfect")
    right.barh([name for name, _ in reversed(ranked)], [weight for _, weight in reversed(ranked)])
    right.set(xlabel="weight (features in standard deviations)", title="What the model goes by")
    run.save(figure, "linear_regression")

    run.metric("test R2", scratch.r2(y_test, predicted), at_least=0.4 if "diabetes" in run.source else 0.6)


if __name__ == "__main__":
    course.start(main, __file__)
