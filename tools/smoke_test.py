"""Does an installed Corten work at all: import, instruction set, a training step that learns, an estimator's fit."""

import sys
from pathlib import Path

import numpy as np

import corten
from corten._core import native
from corten.data.datasets import Digits


def main() -> None:
    checkout = Path(__file__).resolve().parents[1]
    installed = Path(corten.__file__).resolve()
    assert checkout / "src" not in installed.parents, f"{installed} is the checkout, not an installation"
    print(corten.show_config())
    assert native.isa() in native.available_isas() and native.isa() == native.available_isas()[-1], native.isa()

    corten.manual_seed(0)
    data = Digits(flatten=True)
    x, y = data.take(corten.arange(len(data)))
    model = corten.nn.Sequential(corten.nn.Linear(64, 32), corten.nn.ReLU(), corten.nn.Linear(32, 10))
    optimizer = corten.optim.Adam(model.parameters(), lr=0.01)
    criterion = corten.nn.CrossEntropyLoss()
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0], losses

    from corten.learn.linear_model import LinearRegression

    inputs = np.random.default_rng(0).normal(size=(200, 3))
    fitted = LinearRegression().fit(inputs, inputs @ [1.0, -2.0, 3.0] + 4.0)
    np.testing.assert_allclose([*fitted.coef_, fitted.intercept_], [1, -2, 3, 4], atol=1e-9)
    print(f"smoke test: ok (Python {sys.version.split()[0]}, loss {losses[0]:.3f} to {losses[-1]:.3f})")


if __name__ == "__main__":
    main()
