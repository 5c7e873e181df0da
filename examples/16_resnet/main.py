"""Residual networks: deeper plain networks get worse, even in training; a shortcut around each block cures it."""

import from_scratch as scratch
import numpy as np

import corten
from corten import nn
from corten.cli import course


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut around them, or without."""

    def __init__(self, inputs, width, stride=1, residual=True):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.residual = residual
        change = residual and (stride != 1 or inputs != width)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)) if change else None

    def last_norm(self):
        return self.bn2

    def forward(self, x):
        out = self.bn2(self.conv2(corten.relu(self.bn1(self.conv1(x)))))
        if self.residual:
            out = out + (x if self.shortcut is None else self.shortcut(x))
        return corten.relu(out)


class Bottleneck(nn.Module):
    """1 x 1 to a quarter of the width, 3 x 3 there, 1 x 1 back: deeper for the same number of products."""

    def __init__(self, inputs, width, stride=1, residual=True):
        super().__init__()
        inner = max(width // 4, 4)
        self.body = nn.Sequential(
            nn.Conv2d(inputs, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, inner, 3, stride, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(),
            nn.Conv2d(inner, width, 1, bias=False), nn.BatchNorm2d(width))  # fmt: skip
        self.residual = residual
        change = residual and (stride != 1 or inputs != width)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)) if change else None

    def last_norm(self):
        return self.body[-1]

    def forward(self, x):
        out = self.body(x)
        if self.residual:
            out = out + (x if self.shortcut is None else self.shortcut(x))
        return corten.relu(out)


def network(channels, blocks, widths=(8, 16, 32), residual=True, block=BasicBlock):
    """A first convolution, three stages of blocks, the mean of each map, and a linear layer."""
    layers, inputs = [nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()], widths[0]
    for stage, width in enumerate(widths):
        for i in range(blocks):
            layers.append(block(inputs, width, 2 if stage and i == 0 else 1, residual))
            if residual:  # every block begins as its shortcut alone, so a deep network begins as a shallow one
                nn.init.zeros_(layers[-1].last_norm().weight)
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def train(run, model, x, y, test, steps, lr=0.05, batch=32):
    """SGD with momentum and a cosine; the loss of every step and the test accuracy at the end."""
    optimizer = corten.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    rng, losses = np.random.default_rng(run.seed), []
    model.train()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 + np.cos(np.pi * step / steps)) / 2
        rows = rng.integers(0, len(y), batch)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(corten.tensor(x[rows])), corten.tensor(y[rows]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with corten.no_grad():
        answers = [model(corten.tensor(test[0][i : i + 500])).argmax(1).numpy() for i in range(0, len(test[1]), 500)]
    return losses, float(np.mean(np.concatenate(answers) == test[1]))


def first_gradient(model, x, y):
    """How much of the gradient reaches the first convolution."""
    model.train()
    model.zero_grad()
    nn.functional.cross_entropy(model(corten.tensor(x)), corten.tensor(y)).backward()
    return float(np.linalg.norm(model[0].weight.grad.numpy()))


def load(run):
    """Images (n, C, H, W) in float32 and classes, to train and to test with."""
    found = run.data("cifar10/cifar10_decoded_train10000.npz", "cifar10/cifar10_decoded_test10000.npz")
    if found is None:
        x, y, x_test, y_test, side = run.digits(10_000, 1000)
        return *((v.reshape(-1, 1, side, side).astype(np.float32), w) for v, w in ((x, y), (x_test, y_test))), 1
    parts = []
    for path, n in zip(found, (2000, 500) if run.quick else (10_000, 2000), strict=True):
        with np.load(path, allow_pickle=False) as archive:
            images = archive["images"][:n].astype(np.float32)
            images = images.reshape(n, 16, 2, 16, 2, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2) / 255  # 16 x 16: four times as quick
            parts.append((np.ascontiguousarray((images - 0.47) / 0.25), archive["labels"][:n].astype(np.int64)))
    run.uses(f"CIFAR-10 (recompressed as JPEG) at 16 x 16 pixels, {len(parts[0][1]):,} + {len(parts[1][1]):,} photographs")
    return *parts, 3


def main(run):
    """A residual block by hand; plain against residual networks of growing depth; basic and bottleneck blocks."""
    (x, y), test, channels = load(run)

    run.heading("One block by hand and with Corten, in float64")
    corten.manual_seed(run.seed)
    rng = np.random.default_rng(run.seed)
    unit = BasicBlock(8, 8).to(corten.float64)
    names = dict(zip(("w1", "g1", "b1", "w2", "g2", "b2"), unit.parameters(), strict=True))
    p = {k: v.detach().numpy() for k, v in names.items()}
    image, dy = rng.normal(size=(16, 8, 16, 16)), rng.normal(size=(16, 8, 16, 16))
    out, kept = scratch.block(image, p)
    dx, gradients = scratch.block_backward(dy, p, kept)
    t = corten.tensor(image, requires_grad=True)
    ours = unit(t)
    ours.backward(corten.tensor(dy))
    run.agree("output", out, ours.detach().numpy(), atol=1e-10)
    run.agree("gradient by the input", dx, t.grad.numpy(), atol=1e-9)
    for name, parameter in names.items():
        run.agree(f"gradient by {name}", gradients[name], parameter.grad.numpy(), atol=1e-8)

    def by_hand():
        _, kept = scratch.block(image, p)
        return scratch.block_backward(dy, p, kept)

    def by_corten():
        unit(t).backward(corten.tensor(dy))

    _, t_scratch = run.time(by_hand, 3)
    _, t_corten = run.time(by_corten, 3)
    run.faster("a block forward and backward", t_scratch, t_corten)

    run.heading("Deeper and deeper")
    steps = 90 if run.quick else 700
    depths = (1, 3) if run.quick else (1, 3, 7)
    results, curves = [], {}
    for blocks in depths:
        for residual in (False, True):
            corten.manual_seed(run.seed)
            model = network(channels, blocks, residual=residual)
            gradient = first_gradient(model, x[:64], y[:64])
            (losses, accuracy), seconds = run.time(lambda model=model: train(run, model, x, y, test, steps))
            label = f"{'residual' if residual else 'plain'} {6 * blocks + 2}"
            curves[label] = losses
            results.append((label, sum(w.numel() for w in model.parameters()), gradient, float(np.mean(losses[-30:])), accuracy,
                            float(seconds)))  # fmt: skip
    corten.manual_seed(run.seed)
    model = network(channels, depths[-1], (16, 32, 64), block=Bottleneck)
    (losses, accuracy), seconds = run.time(lambda: train(run, model, x, y, test, steps))
    results.append((f"bottleneck {9 * depths[-1] + 2}", sum(w.numel() for w in model.parameters()),
                    first_gradient(model, x[:64], y[:64]), float(np.mean(losses[-30:])), accuracy, float(seconds)))  # fmt: skip
    curves[results[-1][0]] = losses
    run.table(["network, layers", "weights", "gradient at the first layer", "training loss at the end", "test accuracy", "seconds"],
              results)  # fmt: skip

    figure, axes = run.subplots(1, 3, (16, 4.8), "Depth, plain and residual")
    width = max(1, steps // 16)
    for label, losses in curves.items():
        smooth = np.convolve(losses, np.ones(width) / width, "valid")
        style = {"plain": "--", "residual": "-"}.get(label.split()[0], ":")
        axes[0].plot(smooth, style, label=label)
    axes[0].set(title="Training loss (running mean)", xlabel="step")
    axes[0].legend(fontsize="small")
    layers = [6 * b + 2 for b in depths]
    for kind, offset, style in (("plain", 0, "o--"), ("residual", 1, "o-")):
        axes[1].plot(layers, [results[2 * i + offset][3] for i in range(len(depths))], style, label=kind)
        axes[2].plot(layers, [results[2 * i + offset][4] for i in range(len(depths))], style, label=kind)
    axes[1].set(title="Training loss at the end", xlabel="layers")
    axes[2].set(title="Test accuracy", xlabel="layers")
    axes[1].legend()
    axes[2].legend()
    run.save(figure, "depth")

    deep_plain, deep_residual = results[2 * len(depths) - 2], results[2 * len(depths) - 1]
    run.metric("training loss, deepest residual over deepest plain", deep_residual[3] / deep_plain[3],
               at_most=1.0 if run.quick else 0.85)  # fmt: skip
    run.metric("test accuracy of the deepest residual network", deep_residual[4], at_least=0.15 if run.quick else 0.42)


if __name__ == "__main__":
    course.start(main, __file__)
