"""Lesson 2: memory use from session time and API calls, with autograd and updates by hand."""

import numpy as np

import corten
from corten.cli import course

TRUE = {"minutes": 1.5, "calls": 0.25, "base": 40.0}  # MB for a minute, for a call, and at the start


def sessions(n, seed):
    """Minutes, API calls (n, 2) and memory in MB (n, 1) of n sessions of a service, with measurement noise."""
    rng = np.random.default_rng(seed)
    minutes, calls = rng.uniform(1, 60, n), rng.uniform(0, 400, n)
    memory = TRUE["minutes"] * minutes + TRUE["calls"] * calls + TRUE["base"] + rng.normal(0, 2, n)
    return np.stack([minutes, calls], 1).astype(np.float32), memory[:, None].astype(np.float32)


def train(x, y, steps, rate):
    """Weights (2, 1), bias (1,) and the loss after each step."""
    w = corten.zeros(2, 1, requires_grad=True)
    b = corten.zeros(1, requires_grad=True)
    history = []
    for _ in range(steps):
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()  # the gradients of everything that the loss was made of
        history.append(loss.item())
        with corten.no_grad():  # the update itself is not to be recorded
            for parameter in (w, b):
                parameter -= rate * parameter.grad
                parameter.grad = None  # else the next backward adds to it
    return w.detach(), b.detach(), history


def main(run):
    """Predict memory use: the gradient comes from the tape, the update is written out."""
    run.uses("500 simulated sessions of a service")
    x, y = sessions(500, run.seed)
    mean, std = x[:400].mean(0), x[:400].std(0)  # of the training part alone
    scaled = corten.from_numpy((x - mean) / std)
    target = corten.from_numpy(y)
    w, b, history = train(scaled[:400], target[:400], 100 if run.quick else 300, rate=0.1)

    run.heading("Is the gradient the one of lesson 1?")
    p = corten.tensor([[0.5], [-1.0]], requires_grad=True)
    ((scaled[:400] @ p - target[:400]) ** 2).mean().backward()
    xs, ys = scaled[:400].numpy(), target[:400].numpy()
    by_hand = 2 / 400 * xs.T @ (xs @ [[0.5], [-1.0]] - ys)
    run.agree("autograd and the formula", p.grad.numpy(), by_hand, rtol=1e-4)

    run.heading("What was learned, in MB")
    per_unit = w.numpy()[:, 0] / std
    base = b.item() - float(per_unit @ mean)
    run.table(["", "learned", "true"], [["a minute costs", float(per_unit[0]), TRUE["minutes"]],
                                        ["a call costs", float(per_unit[1]), TRUE["calls"]],
                                        ["at the start", base, TRUE["base"]]])  # fmt: skip
    predicted = (scaled[400:] @ w + b).numpy()
    error = float(np.sqrt(np.mean((predicted - y[400:]) ** 2)))

    figure, (left, right) = run.subplots(1, 2, (11, 4), "Memory use of a session")
    left.semilogy(history)
    left.set(xlabel="step", ylabel="mean squared error, MB²")
    right.scatter(y[400:], predicted, s=10)
    right.axline((100, 100), slope=1, color="black", lw=1)
    right.set(xlabel="measured MB", ylabel="predicted MB", title="Sessions that were not trained on")
    run.save(figure, "memory")

    run.metric("root mean squared error on held-out sessions, MB", error, at_most=2.5)
    run.metric("error of the cost of a minute, MB", abs(float(per_unit[0]) - TRUE["minutes"]), at_most=0.05)


if __name__ == "__main__":
    course.start(main, __file__)
