"""Deep learning basics: every activation, loss, regulariser and optimizer compared by experiment."""

import from_scratch as scratch
import numpy as np

import corten
from corten import nn
from corten.cli import course

MODULES = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU,
           "softplus": nn.Softplus, "silu": nn.SiLU, "gelu": nn.GELU}  # fmt: skip


def one_hot_squared(scores, y):
    """Mean squared error against the one-hot class."""
    return nn.functional.mse_loss(scores, nn.functional.one_hot(y, 10).to(scores.dtype))


def hinge(scores, y):
    """Multi-class hinge loss with a margin of 1, by the definition."""
    gap = (1 - scores.gather(1, y.reshape(-1, 1)) + scores).clamp(min=0)
    return (gap * (1 - nn.functional.one_hot(y, 10).to(scores.dtype))).sum(1).mean() / 10


LOSSES = {"cross-entropy": nn.functional.cross_entropy, "mean squared error": one_hot_squared, "multi-class hinge": hinge}


def network(inputs, hidden=64, depth=2, activation=nn.ReLU, dropout=0.0, norm=False):
    """Layers of one width."""
    layers = []
    for i in range(depth):
        layers.append(nn.Linear(inputs if i == 0 else hidden, hidden))
        layers += [nn.BatchNorm1d(hidden)] if norm else []
        layers.append(activation())
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(hidden, 10))


def train(run, data, model, *, epochs, optimizer=("Adam", {"lr": 0.002}), loss=nn.functional.cross_entropy, l1=0.0, batch=32):
    """Train, and give the mean loss, the training and the test accuracy of each epoch."""
    x, y, x_test, y_test = data
    step = getattr(corten.optim, optimizer[0])(model.parameters(), **optimizer[1])
    history = []
    for epoch in range(epochs):
        model.train()
        order, total = np.random.default_rng((run.seed, epoch)).permutation(len(y)), 0.0
        for i in range(0, len(order), batch):
            rows = corten.tensor(order[i : i + batch])
            step.zero_grad()
            value = loss(model(x[rows]), y[rows])
            total += value.item() * len(rows)
            if l1:
                value = value + l1 * sum(p.abs().sum() for p in model.parameters())
            value.backward()
            step.step()
        model.eval()
        with corten.no_grad():
            history.append((total / len(y), *(float((model(a).argmax(1) == b).float().mean().item())
                                              for a, b in ((x, y), (x_test, y_test)))))  # fmt: skip
    return np.array(history)


def check_formulas(run):
    """Every activation with its derivative, every loss and every optimizer: the formula against Corten."""
    points = np.linspace(-4, 4, 81)
    for name, (value, slope) in scratch.ACTIVATIONS.items():
        x = corten.tensor(points, requires_grad=True)
        out = MODULES[name]()(x)
        out.sum().backward()
        off = np.abs(points) > 1e-9  # at 0 ReLU and its kin have no derivative
        run.agree(f"{name} and its derivative", [value(points)[off], slope(points)[off]],
                  [out.detach().numpy()[off], x.grad.numpy()[off]], atol=1e-9)  # fmt: skip
    rng = np.random.default_rng(run.seed)
    scores, y = rng.normal(size=(50, 10)), rng.integers(0, 10, 50)
    for name, by_hand in scratch.LOSSES.items():
        run.agree(name, by_hand(scores, y), LOSSES[name](corten.tensor(scores), corten.tensor(y)).item(), atol=1e-12)
    a = rng.normal(size=(6, 6))
    a, start = a @ a.T / 6, rng.normal(size=6)
    for name, (rule, (kind, options)) in scratch.OPTIMIZERS.items():
        w, state = start.copy(), {}
        p = corten.tensor(start, requires_grad=True)
        optimizer, c = getattr(corten.optim, kind)([p], **options), corten.tensor(a)
        for t in range(1, 51):
            w = rule(w, a @ w, state, t)
            optimizer.zero_grad()
            (p @ (c @ p) / 2).backward()
            optimizer.step()
        run.agree(f"{name}: weights after 50 steps", w, p.detach().numpy(), atol=1e-9)


def main(run):
    """Activations, losses, regularisers and optimizers: each formula checked, then compared by training on digits."""
    n = 800 if run.quick else 6000
    x, y, x_test, y_test, side = run.digits(n, 500 if run.quick else 4000)
    few = 200 if run.quick else 800  # so few rows that a network can learn them by heart
    data = [corten.tensor(x.astype(np.float32)), corten.tensor(y), corten.tensor(x_test.astype(np.float32)), corten.tensor(y_test)]
    small = [data[0][:few], data[1][:few], *data[2:]]
    epochs = 3 if run.quick else 8

    run.heading("Each formula, from scratch and in Corten")
    check_formulas(run)
    points = np.random.default_rng(run.seed).normal(size=200_000)
    tensor = corten.tensor(points)
    _, t_scratch = run.time(lambda: scratch.ACTIVATIONS["gelu"][0](points))
    _, t_corten = run.time(lambda: nn.functional.gelu(tensor), 5)
    run.faster("gelu of 200,000 numbers", t_scratch, t_corten)

    def fresh(**options):
        corten.manual_seed(run.seed)
        return network(side * side, **options)

    run.heading("Activations in a network of six hidden layers")
    by_activation = {name: train(run, data, fresh(depth=6, activation=m), epochs=epochs) for name, m in MODULES.items()}
    run.table(["activation", "last training loss", "test accuracy"],
              [(k, float(h[-1, 0]), float(h[-1, 2])) for k, h in by_activation.items()])  # fmt: skip

    run.heading("Losses")
    by_loss = {name: train(run, data, fresh(), epochs=epochs, loss=f) for name, f in LOSSES.items()}
    run.table(["loss", "test accuracy"], [(k, float(h[-1, 2])) for k, h in by_loss.items()])

    run.heading(f"Regularisers, on {few} digits")
    longer = epochs * 5 if not run.quick else 8
    ways = {"none": ({}, {}), "weight decay (L2)": ({}, {"optimizer": ("AdamW", {"lr": 0.002, "weight_decay": 1.0})}),
            "L1": ({}, {"l1": 2e-4}), "dropout 0.5": ({"dropout": 0.5}, {}), "batch norm": ({"norm": True}, {})}  # fmt: skip
    width = 64 if run.quick else 256
    by_way = {name: train(run, small, fresh(hidden=width, **net), epochs=longer, **how) for name, (net, how) in ways.items()}
    stop = int(by_way["none"][:, 2].argmax())
    rows = [(k, float(h[-1, 1]), float(h[-1, 2]), float(h[-1, 1] - h[-1, 2])) for k, h in by_way.items()]
    rows.append((f"stopping after epoch {stop + 1}", *map(float, by_way["none"][stop, 1:]),
                 float(by_way["none"][stop, 1] - by_way["none"][stop, 2])))  # fmt: skip
    run.table(["regulariser", "training accuracy", "test accuracy", "gap"], rows)

    run.heading("Optimizers")
    by_optimizer = {name: train(run, data, fresh(), epochs=epochs, optimizer=o) for name, (_, o) in scratch.OPTIMIZERS.items()}
    run.table(["optimizer", "loss after the first epoch", "after the last", "test accuracy"],
              [(k, float(h[0, 0]), float(h[-1, 0]), float(h[-1, 2])) for k, h in by_optimizer.items()])  # fmt: skip

    figure, axes = run.subplots(2, 3, (16, 8.6), "Deep learning basics")
    grid = np.linspace(-4, 4, 201)
    for name, (value, slope) in scratch.ACTIVATIONS.items():
        axes[0, 0].plot(grid, value(grid), label=name)
        axes[0, 1].plot(grid, slope(grid), label=name)
    axes[0, 0].set(title="Activations", ylim=(-1.2, 3))
    axes[0, 1].set(title="Their derivatives: what backward multiplies by")
    axes[0, 0].legend(fontsize="small")
    for title, axis, results in (("Six hidden layers: training loss by activation", axes[0, 2], by_activation),
                                 ("Training loss by optimizer", axes[1, 2], by_optimizer)):  # fmt: skip
        for name, history in results.items():
            axis.plot(range(1, len(history) + 1), history[:, 0], "o-", ms=3, label=name)
        axis.set(title=title, xlabel="epoch", yscale="log")
        axis.legend(fontsize="small")
    for name, history in by_way.items():
        axes[1, 0].plot(range(1, longer + 1), history[:, 2], label=name)
    axes[1, 0].set(title=f"Regularisers on {few} digits: test accuracy", xlabel="epoch")
    axes[1, 0].legend(fontsize="small")
    names = [r[0] for r in rows]
    axes[1, 1].barh(names[::-1], [r[3] for r in rows][::-1])
    axes[1, 1].set(title="Training minus test accuracy")
    run.save(figure, "basics")

    run.metric("best test accuracy of the optimizers", max(h[-1, 2] for h in by_optimizer.values()), at_least=0.7 if run.quick else 0.91)
    run.metric("loss of sigmoid over loss of ReLU, six layers deep", by_activation["sigmoid"][-1, 0] / by_activation["relu"][-1, 0],
               at_least=1.1)  # fmt: skip
    run.metric("gain in test accuracy by the best regulariser", max(r[2] for r in rows[1:]) - rows[0][2],
               at_least=-0.02 if run.quick else 0.0)  # fmt: skip


if __name__ == "__main__":
    course.start(main, __file__)
