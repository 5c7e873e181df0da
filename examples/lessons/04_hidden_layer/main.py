"""Lesson 4: a hidden layer and ReLU, for what is no straight line."""

import numpy as np

import corten
from corten import nn
from corten.cli import course


def sessions(n, seed):
    """Minutes and calls (n, 2), memory in MB (n, 1): calls fill a cache that stops growing when it is full."""
    rng = np.random.default_rng(seed)
    minutes, calls = rng.uniform(1, 60, n), rng.uniform(0, 400, n)
    cache = np.minimum(0.5 * calls, 80)  # full after 160 calls
    memory = 1.5 * minutes + cache + 40 + rng.normal(0, 2, n)
    return np.stack([minutes, calls], 1).astype(np.float32), memory[:, None].astype(np.float32)


def train(model, x, y, steps):
    """The loss after each step."""
    optimizer = corten.optim.Adam(model.parameters(), lr=0.02)
    history = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


def main(run):
    """A straight model against one with a hidden layer of 16 units and ReLU, on memory use with a full cache."""
    n = 600
    run.uses(f"{n} simulated sessions of a service with a cache")
    x, y = sessions(n, run.seed)
    part = n * 4 // 5
    x_mean, x_std, y_mean, y_std = x[:part].mean(0), x[:part].std(0), y[:part].mean(), y[:part].std()
    scaled = corten.from_numpy((x - x_mean) / x_std)
    target = corten.from_numpy((y - y_mean) / y_std)
    steps = 300 if run.quick else 1000

    corten.manual_seed(run.seed)
    models = {
        "linear": nn.Linear(2, 1),
        "hidden layer": nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)),
        "hidden layer, no ReLU": nn.Sequential(nn.Linear(2, 16), nn.Linear(16, 1)),
    }
    curves = {name: train(model, scaled[:part], target[:part], steps) for name, model in models.items()}

    def predict(model, raw):
        with corten.no_grad():
            return model(corten.from_numpy((raw - x_mean) / x_std)).numpy() * y_std + y_mean

    errors = {name: float(np.sqrt(np.mean((predict(m, x[part:]) - y[part:]) ** 2))) for name, m in models.items()}
    run.heading("Three models")
    run.table(["model", "parameters", "held-out RMSE, MB"],
              [[n, sum(p.numel() for p in m.parameters()), errors[n]] for n, m in models.items()])  # fmt: skip

    figure, (left, right) = run.subplots(1, 2, (11, 4), "What the bend is good for")
    for name, curve in curves.items():
        left.semilogy(curve, label=name)
    left.set(xlabel="step", ylabel="mean squared error (scaled)")
    left.legend()
    calls = np.linspace(0, 400, 100, dtype=np.float32)
    line = np.stack([np.full(100, 30, np.float32), calls], 1)
    right.plot(calls, 1.5 * 30 + np.minimum(0.5 * calls, 80) + 40, "k--", label="truth")
    for name in ("linear", "hidden layer"):
        right.plot(calls, predict(models[name], line), label=name)
    right.set(xlabel="API calls in 30 minutes", ylabel="MB")
    right.legend()
    run.save(figure, "hidden_layer")

    run.metric("held-out RMSE with the hidden layer, MB", errors["hidden layer"], at_most=3.5 if run.quick else 2.8)
    run.metric("how many times less than without", errors["linear"] / errors["hidden layer"], at_least=2.5)


if __name__ == "__main__":
    course.start(main, __file__)
