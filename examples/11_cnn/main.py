"""Convolutional networks: from LeNet on digits to a small VGG on photographs, with filters and feature maps drawn."""

import from_scratch as scratch
import numpy as np

import corten
from corten import nn
from corten.cli import course


def small_lenet(side, hidden=16):
    """The network that from_scratch.py has by hand."""
    inner = (side // 2 - 4) // 2
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, hidden, 5), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(hidden * inner * inner, 10))  # fmt: skip


def lenet(side):
    """LeNet-5 with ReLU: two convolutions, three dense layers."""
    inner = (side // 2 - 4) // 2
    return nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * inner * inner, 120), nn.ReLU(), nn.Linear(120, 84),
                         nn.ReLU(), nn.Linear(84, 10))  # fmt: skip


def vgg(channels, widths=(16, 32, 64)):
    """Pairs of 3 x 3 convolutions with batch norm, and a pool after each pair; the mean over the last maps decides."""
    layers, inputs = [], channels
    for width in widths:
        for _ in range(2):
            layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def train(run, model, x, y, test, epochs, lr=0.002, batch=64, flip=False):
    """Adam with a cosine; the mean loss and the test accuracy of each epoch, and the seconds."""
    optimizer = corten.optim.Adam(model.parameters(), lr=lr)
    steps, done, history = epochs * -(-len(y) // batch), 0, []

    def fit():
        nonlocal done
        for epoch in range(epochs):
            model.train()
            rng = np.random.default_rng((run.seed, epoch))
            order, total = rng.permutation(len(y)), 0.0
            for i in range(0, len(order), batch):
                optimizer.param_groups[0]["lr"] = lr * (1 + np.cos(np.pi * done / steps)) / 2
                rows = order[i : i + batch]
                images = x[rows]
                if flip:
                    images = np.where(rng.random(len(rows))[:, None, None, None] < 0.5, images[..., ::-1], images)
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(corten.tensor(np.ascontiguousarray(images))), corten.tensor(y[rows]))
                loss.backward()
                optimizer.step()
                total += loss.item() * len(rows)
                done += 1
            history.append((total / len(y), float((predict(model, test[0]) == test[1]).mean())))

    _, seconds = run.time(fit)
    return history, seconds


def predict(model, x):
    """Classes, 500 images at a time."""
    model.eval()
    with corten.no_grad():
        return np.concatenate([model(corten.tensor(np.ascontiguousarray(x[i : i + 500]))).argmax(1).numpy()
                               for i in range(0, len(x), 500)])  # fmt: skip


def photographs(run):
    """CIFAR-10 as (n, 3, 32, 32) in float32, scaled, or None where it is not here."""
    found = run.data("cifar10/cifar10_decoded_train10000.npz", "cifar10/cifar10_decoded_test10000.npz")
    if found is None:
        return None
    parts = []
    for path, n in zip(found, (1000, 500) if run.quick else (10_000, 2000), strict=True):
        with np.load(path, allow_pickle=False) as archive:
            images = archive["images"][:n].transpose(0, 3, 1, 2).astype(np.float32) / 255
            parts += [(images - 0.47) / 0.25, archive["labels"][:n].astype(np.int64)]
    return parts


def main(run):
    """Convolution by hand and with Corten; LeNet on digits, a small VGG on photographs; what filters and maps look like."""
    x, y, x_test, y_test, side = run.digits(2000 if run.quick else 30_000, 1000 if run.quick else 10_000)
    if side == 8:  # too small for two 5 x 5 convolutions: every pixel becomes four
        side = 16
        x, x_test = (np.repeat(np.repeat(v.reshape(-1, 8, 8), 2, 1), 2, 2).reshape(len(v), -1) for v in (x, x_test))
    x, x_test = (v.reshape(-1, 1, side, side) for v in (x, x_test))

    run.heading("Forward and backward by hand, and with Corten, in float64")
    corten.manual_seed(run.seed)
    model = small_lenet(side).to(corten.float64)
    network = scratch.LeNet([p.detach().numpy() for p in model.parameters()])
    images, labels = x[:64], y[:64]
    (value, by_hand), t_scratch = run.time(lambda: network.gradients(images, labels), 3)
    a, b = corten.tensor(images), corten.tensor(labels)

    def ours():
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(a), b)
        loss.backward()
        return loss

    loss, _ = run.time(ours, 3)
    run.agree("loss", value, loss.item(), atol=1e-10)
    for name, gradient, p in zip(("conv 1", "its bias", "conv 2", "its bias", "linear", "its bias"), by_hand,
                                 model.parameters(), strict=True):  # fmt: skip
        run.agree(f"gradient of {name}", gradient, p.grad.numpy(), atol=1e-10)
    model.to(corten.float32)
    network32 = scratch.LeNet([p.detach().numpy() for p in model.parameters()])
    images32, a = images.astype(np.float32), corten.tensor(images.astype(np.float32))
    _, t_scratch = run.time(lambda: network32.gradients(images32, labels), 5)
    _, t_corten = run.time(ours, 5)
    run.faster("forward and backward of 64 images, float32", t_scratch, t_corten)

    run.heading("LeNet on digits")
    corten.manual_seed(run.seed)
    model = lenet(side)
    x32, test32 = x.astype(np.float32), x_test.astype(np.float32)
    epochs = 4 if run.quick else 3
    if len(y) < 2000:
        epochs = 12
    digits, seconds = train(run, model, x32, y, (test32, y_test), epochs, batch=32)
    run.table(["epoch", "training loss", "test accuracy"], [(str(i + 1), *h) for i, h in enumerate(digits)])
    run.say(f"{sum(p.numel() for p in model.parameters()):,} weights, {seconds:.1f} s")

    found = photographs(run)
    deep = None
    if found is not None:
        run.heading("A small VGG on photographs (CIFAR-10, recompressed as JPEG)")
        corten.manual_seed(run.seed)
        px, py, tx, ty = found
        deep = vgg(3, (8, 16, 24) if run.quick else (16, 32, 64))
        photos, seconds = train(run, deep, px, py, (tx, ty), 2 if run.quick else 5, lr=0.004, flip=True)
        run.table(["epoch", "training loss", "test accuracy"], [(str(i + 1), *h) for i, h in enumerate(photos)])
        run.say(f"{sum(p.numel() for p in deep.parameters()):,} weights, {len(py):,} photographs, {seconds:.1f} s")

    picture = test32[0:1]
    figure, axes = run.subplots(4, 8, (13, 6.8), "LeNet: 6 filters, their maps of one digit, and 16 maps of the second layer")
    for axis in axes.ravel():
        axis.axis("off")
    with corten.no_grad():
        first = model[1](model[0](corten.tensor(picture)))
        second = model[4](model[3](model[2](first)))
    axes[0, 0].imshow(picture[0, 0], cmap="gray")
    axes[0, 0].set_title("input", fontsize=9)
    for i in range(6):
        axes[0, i + 1].imshow(model[0].weight.detach().numpy()[i, 0], cmap="RdBu")
        axes[1, i + 1].imshow(first.numpy()[0, i], cmap="viridis")
    for i in range(16):
        axes[2 + i // 8, i % 8].imshow(second.numpy()[0, i], cmap="viridis")
    run.save(figure, "lenet")

    if deep is not None:
        names = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        answers = predict(deep, tx)
        counts = np.zeros((10, 10))
        np.add.at(counts, (ty, answers), 1)
        figure, (left, right) = run.subplots(1, 2, (12, 5), "A small VGG on photographs")
        left.imshow(counts / counts.sum(axis=1, keepdims=True).clip(1), cmap="Blues")
        left.set(xlabel="answer", ylabel="truth", title="Confusions")
        left.set_xticks(range(10), names, rotation=45)
        left.set_yticks(range(10), names)
        grid = np.concatenate([np.concatenate([tx[6 * r + c].transpose(1, 2, 0) for c in range(6)], 1) for r in range(4)], 0)
        right.imshow((grid * 0.25 + 0.47).clip(0, 1))
        right.set_title("Some answers: " + "; ".join(" ".join(names[answers[6 * r + c]] for c in range(6)) for r in range(4)),
                        fontsize=7, wrap=True)  # fmt: skip
        right.axis("off")
        run.save(figure, "vgg")
        run.metric("test accuracy of the small VGG on 10 kinds of photographs", photos[-1][1], at_least=0.2 if run.quick else 0.6)
    run.metric("test accuracy of LeNet on digits", digits[-1][1], at_least=0.8 if run.quick or side != 28 else 0.975)


if __name__ == "__main__":
    course.start(main, __file__)
