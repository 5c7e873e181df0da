"""What training and prediction of lesson 7 share: the data set, the network, the file."""

from pathlib import Path

import corten
from corten import nn
from corten.cli.errors import CommandError
from corten.data import Dataset, Tabular

NUMBERS = ["temp", "hum", "windspeed", "workingday"]
CATEGORIES = ["hr"]
TARGET = "cnt"
FORMAT = "corten lesson 7"
MODEL = Path("runs/lessons/07_batches/bike.safetensors")


class BikeHours(Dataset):
    """Hours as samples: scaled features (K,) and the scaled count (1,).

    ``__len__`` and ``__getitem__`` are all that a loader needs.
    """

    def __init__(self, table, tabular):
        self.x, self.y = tabular.transform(table), tabular.transform_target(table)

    def __len__(self):
        return self.x.shape[0]

    def __getitem__(self, index):
        return self.x[index], self.y[index]


def network(inputs):
    """Two hidden layers, with dropout against learning single hours by heart."""
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
    )


def save(path, model, tabular, held_out):
    """Write weights, normalisation and held-out errors into one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    corten.save(
        {"format": FORMAT, "tabular": tabular.state_dict(), "model": model.state_dict(), "held_out": held_out}, path
    )


def load(path):
    """The network in evaluation mode, the normalisation and the held-out errors.

    Raises
    ------
    CommandError
        When the file is none of this lesson's.
    """
    if not Path(path).exists():
        raise CommandError(f"{path} is not there: train first, or give --model")
    saved = corten.load(path)
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise CommandError(f"{path} is no file of this lesson")
    tabular = Tabular.from_state_dict(saved["tabular"])
    model = network(len(tabular.feature_names))
    model.load_state_dict(saved["model"])
    return model.eval(), tabular, saved["held_out"]
