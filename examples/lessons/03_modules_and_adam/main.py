"""Lesson 3: the same with modules, a loss and the optimizer Adam."""

import numpy as np

import corten
from corten import nn
from corten.cli import course


def sessions(n, seed):
    """The sessions of lesson 2: minutes and calls (n, 2), memory in MB (n, 1)."""
    rng = np.random.default_rng(seed)
    minutes, calls = rng.uniform(1, 60, n), rng.uniform(0, 400, n)
    memory = 1.5 * minutes + 0.25 * calls + 40 + rng.normal(0, 2, n)
    return np.stack([minutes, calls], 1).astype(np.float32), memory[:, None].astype(np.float32)


class MemoryModel(nn.Module):
    """Memory in units of the training part's deviation, from scaled minutes and calls."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, x):
        return self.linear(x)


def train(model, optimizer, x, y, steps):
    """The loss after each step."""
    criterion = nn.MSELoss()
    history = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


def main(run):
    """Predict memory use with nn.Module, nn.MSELoss and Adam; compare Adam with plain descent; save and load."""
    run.uses("500 simulated sessions of a service")
    x, y = sessions(500, run.seed)
    x_mean, x_std, y_mean, y_std = x[:400].mean(0), x[:400].std(0), y[:400].mean(), y[:400].std()
    scaled = corten.from_numpy((x - x_mean) / x_std)
    target = corten.from_numpy((y - y_mean) / y_std)
    steps = 150 if run.quick else 400

    curves, models = {}, {}
    for name, make in {
        "SGD": lambda p: corten.optim.SGD(p, lr=0.05),
        "Adam": lambda p: corten.optim.Adam(p, lr=0.05),
    }.items():
        corten.manual_seed(run.seed)
        models[name] = MemoryModel()
        curves[name] = train(models[name], make(models[name].parameters()), scaled[:400], target[:400], steps)

    def error(model):
        with corten.no_grad():
            predicted = model(scaled[400:]).numpy() * y_std + y_mean
        return float(np.sqrt(np.mean((predicted - y[400:]) ** 2)))

    run.heading("Two optimizers")
    run.table(
        ["optimizer", "last loss", "held-out RMSE, MB"], [[n, curves[n][-1], error(m)] for n, m in models.items()]
    )

    run.heading("A file that predicts the same tomorrow")
    run.out.mkdir(parents=True, exist_ok=True)
    corten.save(models["Adam"].state_dict(), run.out / "memory.safetensors")
    again = MemoryModel()
    again.load_state_dict(corten.load(run.out / "memory.safetensors"))
    run.agree("predictions of the model and of the one from the file", models["Adam"](scaled).detach().numpy(),
              again(scaled).detach().numpy(), atol=0)  # fmt: skip

    figure, axes = run.subplots(1, 1, (7, 4), "Two optimizers")
    for name, curve in curves.items():
        axes.semilogy(curve, label=name)
    axes.set(xlabel="step", ylabel="mean squared error (scaled)")
    axes.legend()
    run.save(figure, "optimizers")
    run.metric("root mean squared error on held-out sessions, MB", error(models["Adam"]), at_most=2.5)


if __name__ == "__main__":
    course.start(main, __file__)
