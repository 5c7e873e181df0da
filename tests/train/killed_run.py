"""A training that its test kills: ``python killed_run.py FOLDER PRECISION [resume]``. Writes the final weights beside its folder."""

import sys

import numpy as np

import corten
from corten import nn, train
from corten.data import DataLoader, Dataset

EPOCHS, ROWS, BATCH = 4, 160, 16


class Noisy(Dataset):
    """Rows with noise that every access draws from the batch's generator, as augmentation does."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        from corten.data import batch_generator

        return self.x[i] + 0.01 * corten.randn(self.x.shape[1], generator=batch_generator()), self.y[i]


class Decay:
    """A scheduler with PyTorch's interface, whose state is not in the optimizer alone."""

    def __init__(self, optimizer):
        self.optimizer, self.taken = optimizer, 0

    def step(self):
        self.taken += 1
        for group in self.optimizer.param_groups:
            group["lr"] = 0.01 / (1 + 0.01 * self.taken)

    def state_dict(self):
        return {"taken": self.taken}

    def load_state_dict(self, state):
        self.taken = state["taken"]


class Jitter(train.Callback):
    """Draws from NumPy's and Python's generators in every step, and from Corten's, as dropout does."""

    def on_step(self, trainer):
        import random

        shake = 1e-4 * np.random.standard_normal() + 1e-4 * random.random()
        with corten.no_grad():
            next(iter(trainer.optimizer.param_groups[0]["params"])).add_(shake)


def main(folder, precision, resume):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, ROWS)
    x = (rng.standard_normal((3, 12))[y] + rng.standard_normal((ROWS, 12))).astype(np.float32)
    data = Noisy(corten.from_numpy(x), corten.from_numpy(y))
    train_data = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=2)
    valid = DataLoader(data, batch_size=64, shuffle=True)
    corten.manual_seed(3)
    model = nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    optimizer = corten.optim.AdamW(model.parameters(), lr=0.01)
    ema = train.EMA(0.9)
    callbacks = [
        Jitter(), ema, train.EarlyStopping(patience=3, restore=True), train.LearningRateMonitor(every_step=True),
        train.CSVLogger(f"{folder}.csv"), train.Checkpoint(folder, every_epochs=1, every_steps=3, keep=2),
    ]  # fmt: skip
    trainer = train.Trainer(model, nn.CrossEntropyLoss(), optimizer, Decay(optimizer), schedule="step", seed=7,
                            callbacks=callbacks, accumulate=2, clip_norm=1.0, precision=precision)  # fmt: skip
    run = trainer.fit(train_data, valid, epochs=EPOCHS, resume=resume)
    final = {"model": model.state_dict(), "ema": ema.averages.weights, "optimizer": optimizer.state_dict(),
             "rates": callbacks[3].rates, "history": [{k: v for k, v in r.items() if k != "seconds"} for r in run.history],
             "generator": corten.get_rng_state(), "numpy": float(np.random.random())}  # fmt: skip
    corten.save(final, f"{folder}.final")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "resume" in sys.argv)
