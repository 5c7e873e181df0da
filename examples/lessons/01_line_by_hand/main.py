"""Lesson 1: learn y = 2x + 1 by hand, on bare arrays."""

import numpy as np

from corten.cli import course


def train(x, y, steps, rate):
    """Weight, bias and the loss after each step of gradient descent on the mean squared error."""
    w, b = 0.0, 0.0  # the model knows nothing yet
    history = []
    for _ in range(steps):
        predicted = w * x + b  # forward: what the model says
        error = predicted - y
        history.append(float(np.mean(error**2)))  # loss: how wrong it is, in one number
        gradient_w = 2 * np.mean(error * x)  # backward: which way is uphill
        gradient_b = 2 * np.mean(error)
        w -= rate * gradient_w  # update: a small step downhill
        b -= rate * gradient_b
    return w, b, history


def main(run):
    """Learn y = 2x + 1 by hand: forward, loss, gradient, update, on bare NumPy arrays."""
    run.uses("20 points of y = 2x + 1")
    x = np.linspace(-1, 1, 20)
    y = 2 * x + 1
    w, b, history = train(x, y, steps=200 if run.quick else 500, rate=0.1)

    run.heading("What was learned")
    run.table(["", "weight", "bias", "loss"], [["before", 0.0, 0.0, history[0]], ["after", w, b, history[-1]]])
    run.say(f"for x = 10 the model says {w * 10 + b:.4f}; the rule says {2 * 10 + 1}")

    run.heading("Is the gradient right?")
    loss = lambda w, b: np.mean((w * x + b - y) ** 2)  # noqa: E731
    h, at = 1e-6, (0.3, -0.2)
    numeric = (loss(at[0] + h, at[1]) - loss(at[0] - h, at[1])) / (2 * h)
    by_hand = 2 * np.mean((at[0] * x + at[1] - y) * x)
    run.agree("slope of the loss, by the formula and by two nearby points", by_hand, numeric, atol=1e-7)

    figure, (left, right) = run.subplots(1, 2, (11, 4), "A line, learned")
    left.semilogy(history)
    left.set(xlabel="step", ylabel="mean squared error", title="Each step makes it less wrong")
    right.plot(x, y, "o", label="the points")
    right.plot(x, w * x + b, label=f"y = {w:.3f} x + {b:.3f}")
    right.set(xlabel="x", ylabel="y")
    right.legend()
    run.save(figure, "line")

    run.metric("distance of the weight from 2", abs(w - 2), at_most=1e-3)
    run.metric("distance of the bias from 1", abs(b - 1), at_most=1e-3)


if __name__ == "__main__":
    course.start(main, __file__)
