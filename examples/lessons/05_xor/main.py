"""Lesson 5: XOR, the whole cycle in one file: data, model, training, test, saving, loading, prediction."""

import numpy as np

import corten
from corten import nn
from corten.cli import course

INPUTS = corten.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
TARGETS = corten.tensor([[0.0], [1.0], [1.0], [0.0]])  # one or the other, not both


def model():
    """Two inputs, a hidden layer of 8 units, one number: the logarithm of the odds that the answer is 1."""
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def train(net, steps, rate=0.05):
    """The loss after each step."""
    optimizer = corten.optim.Adam(net.parameters(), lr=rate)
    criterion = nn.BCEWithLogitsLoss()
    history = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = criterion(net(INPUTS), TARGETS)
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


def predict(net, inputs):
    """Probabilities that the answer is 1."""
    with corten.no_grad():
        return corten.sigmoid(net(inputs))


def main(run):
    """XOR: the smallest task that a straight line cannot do, from data to a saved model."""
    run.uses("the four rows of the truth table of XOR")
    corten.manual_seed(run.seed)

    straight = nn.Linear(2, 1)
    train(straight, 200)
    straight_right = int(((predict(straight, INPUTS) > 0.5) == (TARGETS > 0.5)).sum().item())

    net = model()
    history = train(net, 200 if run.quick else 500)
    run.out.mkdir(parents=True, exist_ok=True)
    corten.save(net.state_dict(), run.out / "xor.safetensors")

    loaded = model()
    loaded.load_state_dict(corten.load(run.out / "xor.safetensors"))
    probabilities = predict(loaded, INPUTS)
    run.agree("the model and the one from the file", predict(net, INPUTS).numpy(), probabilities.numpy(), atol=0)

    run.heading("What the loaded model says")
    rows = zip(INPUTS.tolist(), probabilities[:, 0].tolist(), TARGETS[:, 0].tolist(), strict=True)
    run.table(
        ["a", "b", "probability of 1", "a xor b"], [[f"{a:.0f}", f"{b:.0f}", p, f"{t:.0f}"] for (a, b), p, t in rows]
    )

    axis = np.linspace(-0.5, 1.5, 100, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    surface = predict(loaded, corten.from_numpy(grid)).numpy().reshape(100, 100)
    figure, (left, right) = run.subplots(1, 2, (11, 4.4), "XOR")
    left.semilogy(history)
    left.set(xlabel="step", ylabel="cross-entropy")
    shown = right.contourf(axis, axis, surface, levels=20, cmap="coolwarm", vmin=0, vmax=1)
    right.scatter(*INPUTS.numpy().T, c=TARGETS[:, 0].numpy(), cmap="coolwarm", edgecolors="black", s=120)
    right.set(xlabel="a", ylabel="b", title="Probability of 1")
    figure.colorbar(shown, ax=right)
    run.save(figure, "xor")

    right_answers = int(((probabilities > 0.5) == (TARGETS > 0.5)).sum().item())
    run.say(f"a single straight line gets {straight_right} of 4 right")
    run.metric("right answers of 4", right_answers, at_least=4)
    run.metric("last loss", history[-1], at_most=0.05)


if __name__ == "__main__":
    course.start(main, __file__)
