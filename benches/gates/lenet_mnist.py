"""LeNet-5 on MNIST: at least 99.0 % of the test images right after at most 5 epochs. Prints one line of JSON.

    CORTEN_DATA=... python -m benches.gates.lenet_mnist
"""

from __future__ import annotations

import json
import time

import corten
from corten.data import DataLoader, datasets
from corten.vision.models import lenet5

GOAL, EPOCHS, BATCH, RATE = 0.99, 5, 64, 2e-3


def main() -> None:
    """Train, test after each epoch, stop at the goal."""
    corten.manual_seed(0)
    train, test = (datasets.MNIST(train=t) for t in (True, False))
    net, loss = lenet5(), corten.nn.CrossEntropyLoss()
    opt = corten.optim.AdamW(net.parameters(), lr=RATE)
    steps, done = EPOCHS * -(-len(train) // BATCH), 0
    start, accuracy = time.perf_counter(), []
    for _ in range(EPOCHS):
        for x, y in DataLoader(train, batch_size=BATCH, shuffle=True):
            opt.param_groups[0]["lr"] = RATE * (1 - done / steps)
            done += 1
            opt.zero_grad()
            loss(net(x.reshape(-1, 1, 28, 28)), y).backward()
            opt.step()
        with corten.no_grad():
            right = sum(int((net(x.reshape(-1, 1, 28, 28)).argmax(1) == y).sum().item()) for x, y in DataLoader(test, batch_size=1000))
        accuracy.append(right / len(test))
        if accuracy[-1] >= GOAL:
            break
    print(json.dumps({"gate": "LeNet-5 on MNIST", "test_accuracy": accuracy[-1], "by_epoch": accuracy, "goal": GOAL,
                      "epochs": len(accuracy), "seconds": round(time.perf_counter() - start, 1),
                      "passed": accuracy[-1] >= GOAL}))  # fmt: skip


if __name__ == "__main__":
    main()
