"""A trained image classifier in one file: safetensors with its description as JSON in the header.

The description holds the layer widths, what was done to the pixels, and the class names: all that is needed to
predict. Nothing in the file is code.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from typing import Any

import corten
from corten.atomic import atomic_write
from corten.serialization import read_safetensors, write_safetensors

_FORMAT = "corten-image-classifier"
_VERSION = 1
_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Description:
    """What a classifier is.

    Attributes
    ----------
    data : str
        Name of the data set it was trained on.
    classes : tuple of str
    height, width : int
        Size of its images.
    white : float
        The pixel value that stands for 1.
    mean, std : float
        Subtracted, and divided by, after that.
    hidden : tuple of int
        Widths of the layers between pixels and classes.
    training : dict
        How it was trained and how good it is; for people.
    """

    data: str
    classes: tuple[str, ...]
    height: int
    width: int
    white: float
    mean: float
    std: float
    hidden: tuple[int, ...]
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of all layers, pixels and classes included."""
        return (self.height * self.width, *self.hidden, len(self.classes))


def build(widths: tuple[int, ...]) -> Any:
    """A multilayer perceptron: linear layers of these widths with ReLU between them."""
    layers: list[Any] = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [corten.nn.Linear(inputs, outputs), corten.nn.ReLU()]
    return corten.nn.Sequential(*layers[:-1])


def save(path: str | os.PathLike[str], model: Any, description: Description) -> None:
    """Write the model made by :func:`build` and its description, all or nothing.

    Raises
    ------
    OSError
        When the file cannot be written; what was there before is kept.
    """
    text = json.dumps({"version": _VERSION, **asdict(description)})
    with atomic_write(path) as file:
        write_safetensors(file, model.state_dict(), {"format": _FORMAT, "description": text})


def load(path: str | os.PathLike[str]) -> tuple[Any, Description]:
    """Read a model and its description.

    Returns
    -------
    model : Module
        In evaluation mode.
    description : Description

    Raises
    ------
    ValueError
        When the file is damaged or is not such a model.
    OSError
        When it cannot be read.
    """
    name = os.fspath(path)
    if (nbytes := os.path.getsize(path)) > _MAX_BYTES:
        raise ValueError(f"[load] {name}: {nbytes} bytes, expected a model of at most {_MAX_BYTES}")
    tensors, metadata = read_safetensors(path)
    description = _description(name, metadata)
    expected: dict[str, tuple[int, ...]] = {}
    for i, (inputs, outputs) in enumerate(zip(description.widths, description.widths[1:], strict=False)):
        expected[f"{2 * i}.weight"], expected[f"{2 * i}.bias"] = (outputs, inputs), (outputs,)
    found = {key: tuple(t.shape) for key, t in tensors.items()}
    if found != expected or any(t.dtype != corten.float32 for t in tensors.values()):
        raise ValueError(f"[load] {name}: tensors {found}, expected float32 {expected}")
    model = build(description.widths)  # only now: the sizes are those of data that is really there
    model.load_state_dict(tensors)
    model.eval()
    return model, description


def _description(name: str, metadata: dict[str, str]) -> Description:
    if metadata.get("format") != _FORMAT:
        raise ValueError(f"[load] {name}: format {metadata.get('format')!r}, expected {_FORMAT!r}")
    try:
        fields = json.loads(metadata["description"])
        fields["classes"], fields["hidden"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"[load] {name}: the description of the classifier is damaged ({error!r})") from error
    if (version := fields.pop("version", None)) != _VERSION:
        raise ValueError(f"[load] {name}: version {version} of the format, expected {_VERSION}")
    try:
        description = Description(**fields | {"classes": tuple(fields["classes"]), "hidden": tuple(fields["hidden"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"[load] {name}: the description is incomplete ({error})") from error
    d = description
    if not (
        all(type(n) is int and 0 < n < 1 << 24 for n in (d.height, d.width, *d.hidden))
        and d.classes
        and all(isinstance(c, str) for c in d.classes)
        and all(isinstance(v, (int, float)) and math.isfinite(v) for v in (d.white, d.mean, d.std))
        and d.white > 0
        and d.std > 0
    ):
        raise ValueError(f"[load] {name}: the description has values that cannot be: {asdict(d)}")
    return description
