"""The learning-rate finder: losses over a few steps with a growing rate (Smith, arXiv:1506.01186)."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from corten.atomic import atomic_write
from corten.train.trainer import Trainer, generator_states, set_generator_states


@dataclass(frozen=True)
class RateCurve:
    """Learning rates and the smoothed losses that steps with them gave.

    Attributes
    ----------
    rates, losses : list of float
    suggestion : float
        A tenth of the rate at which the loss is lowest: there it still falls, and does not yet shake.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Write a PNG of the curve and the suggestion. Needs matplotlib."""
        from corten.train.charts import new_figure, save_figure

        figure = new_figure(7, 4)
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, color="#2f6f9f", lw=2)
        axes.axvline(self.suggestion, color="#b5541c", ls="--", label=f"suggestion {self.suggestion:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="smoothed loss", title="Learning-rate finder")
        axes.legend(frameon=False)
        with atomic_write(path) as file:
            save_figure(figure, file)


def find_rate(trainer: Trainer, data: Iterable[Any], lowest: float = 1e-6, highest: float = 10.0, steps: int = 100,
              smooth: float = 0.9) -> RateCurve:  # fmt: skip
    """Take steps with a rate that grows from ``lowest`` to ``highest``, and put everything back as it was.

    Ends early where the loss is not finite or four times the best.

    Parameters
    ----------
    trainer : Trainer
    data : iterable of batches
        Begun again when it ends.
    lowest, highest : float
        First and last rate.
    steps : int
    smooth : float
        Decay of the running mean of the losses, in [0, 1).

    Returns
    -------
    RateCurve

    Raises
    ------
    ValueError
        When fewer than ten steps were possible.
    """
    if not 0 < lowest < highest or steps < 10 or not 0 <= smooth < 1:
        raise ValueError(f"[find_rate] got rates {lowest} to {highest}, {steps} steps and smooth {smooth}, expected "
                         "0 < lowest < highest, at least 10 steps and smooth in [0, 1)")  # fmt: skip
    model, optimizer = trainer.model, trainer.optimizer
    weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
    state, generators, training = _copy(optimizer.state_dict()), generator_states(), model.training
    position = data.state_dict() if hasattr(data, "state_dict") else None
    rates: list[float] = []
    losses: list[float] = []
    mean, best = 0.0, math.inf
    compute = trainer._compute()
    try:
        model.train()
        endless = itertools.chain.from_iterable(itertools.repeat(data))
        for k, batch in enumerate(itertools.islice(endless, steps)):
            rate = lowest * (highest / lowest) ** (k / (steps - 1))
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss = compute(model, batch)[0]
            value = loss.item()
            mean = smooth * mean + (1 - smooth) * value
            corrected = mean / (1 - smooth ** (k + 1))
            if not math.isfinite(value) or corrected > 4 * best and k > 10:
                break
            best = min(best, corrected)
            rates.append(rate)
            losses.append(corrected)
            loss.backward()
            optimizer.step()
    finally:
        optimizer.zero_grad()
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        set_generator_states(generators)
        if position is not None:
            data.load_state_dict(position)  # type: ignore[attr-defined]
        model.train(training)
    if len(rates) < 10:
        raise ValueError(f"[find_rate] the loss left all bounds after {len(rates)} steps, expected at least 10; try a lower "
                         "lowest rate")  # fmt: skip
    return RateCurve(rates, losses, rates[min(range(len(losses)), key=losses.__getitem__)] / 10)


def _copy(value: Any) -> Any:
    """A deep copy of a state dict with tensors of its own."""
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_copy(v) for v in value]
    return value.clone() if hasattr(value, "clone") else value
