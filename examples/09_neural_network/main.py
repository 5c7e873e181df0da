"""A neural network: forward and backward by hand, a gradient check, and the same with Corten's modules."""

import from_scratch as scratch
import numpy as np

import corten
from corten import nn
from corten.cli import course


def module(network, dtype):
    """The same network as a module with the same weights; Linear keeps them as (outputs, inputs)."""
    w1, b1, w2, b2 = network.weights()
    model = nn.Sequential(nn.Linear(*w1.shape), nn.ReLU(), nn.Linear(*w2.shape)).to(dtype)
    with corten.no_grad():
        for parameter, value in zip(model.parameters(), (w1.T, b1, w2.T, b2), strict=True):
            parameter.copy_(corten.tensor(np.ascontiguousarray(value)))
    return model


def epoch_of_scratch(network, x, y, batches, rate):
    """One pass; the losses."""
    return [network.step(x[rows], y[rows], rate) for rows in batches]


def epoch_of_corten(model, optimizer, x, y, batches):
    """The same pass: the loop that every program with Corten has."""
    losses = []
    for rows in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main(run):
    """A network with one hidden layer on digits: gradients by hand, checked, then trained from scratch and with Corten."""
    rng = np.random.default_rng(run.seed)
    x, y, x_test, y_test, side = run.digits(6000 if run.quick else 60_000, 10_000)
    sizes, batch, rate, epochs = (side * side, 64, 10), 32, 0.1, 3 if run.quick else 8
    if len(y) < 3000:
        epochs *= 8
    network = scratch.Network(sizes, rng)

    run.heading("Is the backward pass right? Compare it with the definition of a derivative")
    sample = x[:20], y[:20]
    _, gradient = network.loss(*sample)
    by_hand = network.backward(gradient)
    rows = []
    for name, weight, dw in zip(("W1", "b1", "W2", "b2"), network.weights(), by_hand, strict=True):
        chosen = [tuple(i) for i in np.argwhere(np.abs(dw) > 0)]
        chosen = [chosen[i] for i in rng.permutation(len(chosen))[:30]]
        numeric = np.array([scratch.numeric_gradient(network, *sample, weight, i) for i in chosen])
        exact = np.array([dw[i] for i in chosen])
        rows.append((name, len(chosen), float(np.max(np.abs(numeric - exact) / (np.abs(numeric) + np.abs(exact))))))
    run.table(["weights", "checked", "largest relative error"], rows)

    run.heading("The same gradients by autograd")
    model = module(network, corten.float64)
    nn.functional.cross_entropy(model(corten.tensor(sample[0])), corten.tensor(sample[1])).backward()
    for name, dw, parameter in zip(("W1", "b1", "W2", "b2"), by_hand, model.parameters(), strict=True):
        grad = parameter.grad.numpy()
        run.agree(f"gradient by {name}", dw, grad.T if grad.ndim == 2 else grad, atol=1e-12)

    run.heading("Fifty steps side by side, in float64")
    batches = [rng.permutation(len(y))[:batch] for _ in range(50)]
    optimizer = corten.optim.SGD(model.parameters(), lr=rate)
    ours = epoch_of_corten(model, optimizer, corten.tensor(x), corten.tensor(y), [corten.tensor(b) for b in batches])
    run.agree("loss of each step", epoch_of_scratch(network, x, y, batches, rate), ours, atol=1e-10)
    run.agree("weights after them", network.w1, model[0].weight.detach().numpy().T, atol=1e-10)

    run.heading("Training in float32")
    x32, test32 = x.astype(np.float32), x_test.astype(np.float32)
    network = scratch.Network(sizes, np.random.default_rng(run.seed), np.float32)
    model = module(network, corten.float32)
    optimizer = corten.optim.SGD(model.parameters(), lr=rate)
    tx, ty, tx_test = corten.tensor(x32), corten.tensor(y), corten.tensor(test32)
    seconds, curves = np.zeros(2), []
    for epoch in range(epochs):
        order = np.random.default_rng((run.seed, epoch)).permutation(len(y))
        batches = [order[i : i + batch] for i in range(0, len(y), batch)]
        tensors = [corten.tensor(b) for b in batches]
        losses, t_scratch = run.time(lambda batches=batches: epoch_of_scratch(network, x32, y, batches, rate))
        ours, t_corten = run.time(lambda tensors=tensors: epoch_of_corten(model, optimizer, tx, ty, tensors))
        seconds += t_scratch, t_corten
        with corten.no_grad():
            accuracy = float((model(tx_test).argmax(1).numpy() == y_test).mean())
        by_scratch = float((network.predict(test32) == y_test).mean())
        curves.append((np.mean(losses), np.mean(ours), by_scratch, accuracy))
    run.table(["epoch", "loss from scratch", "loss with Corten", "test accuracy from scratch", "with Corten"],
              [(str(i + 1), *map(float, c)) for i, c in enumerate(curves)])  # fmt: skip
    run.faster(f"{epochs} epochs, batch {batch}", *seconds)

    with corten.no_grad():
        scores = nn.functional.softmax(model(tx_test), dim=1).numpy()
    wrong = np.flatnonzero(scores.argmax(1) != y_test)
    worst = wrong[np.argsort(-scores[wrong].max(axis=1))][:10]
    figure, axes = run.subplots(1, 2, (11, 4.2), "A network with one hidden layer")
    axes[0].plot(range(1, epochs + 1), [c[0] for c in curves], "o-", label="from scratch")
    axes[0].plot(range(1, epochs + 1), [c[1] for c in curves], "x--", label="with Corten")
    axes[0].set(title="Training loss", xlabel="epoch", ylabel="cross-entropy (nats)")
    axes[0].legend()
    axes[1].plot(range(1, epochs + 1), [100 * c[3] for c in curves], "o-", color="tab:green")
    axes[1].set(title="Test accuracy (%)", xlabel="epoch")
    run.save(figure, "training")

    figure, axes = run.subplots(3, 10, (13, 4.6), "Weights of twenty hidden units, and the surest mistakes (truth, then answer)")
    images = model[0].weight.detach().numpy()
    for i, axis in enumerate(axes.ravel()):
        axis.axis("off")
        if i < 20:
            axis.imshow(images[i].reshape(side, side), cmap="RdBu")
        elif i - 20 < len(worst):
            k = worst[i - 20]
            axis.imshow(x_test[k].reshape(side, side), cmap="gray")
            axis.set_title(f"{y_test[k]}, {scores[k].argmax()}", fontsize=9)
    run.save(figure, "inside")

    run.metric("largest relative error of the gradient check", max(r[2] for r in rows), at_most=1e-4)
    run.metric("test accuracy", curves[-1][3], at_least=0.975 if side == 28 and not run.quick else 0.9)


if __name__ == "__main__":
    course.start(main, __file__)
