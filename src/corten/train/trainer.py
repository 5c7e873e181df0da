"""Trainer: the ordinary loop, with what long trainings want around it."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import corten
from corten._core import core
from corten.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_
from corten.train.callback import Callback, Record, figure_of
from corten.train.checkpoint import Checkpoint, architecture, check_architecture, read_checkpoint
from corten.train.errors import DivergedError
from corten.train.precision import MixedStorage

Forward = Callable[[Any, Any], tuple[Any, Any, Any]]


@dataclass
class Run:
    """What came of a training.

    Attributes
    ----------
    history : list of dict
        The figures of each epoch: ``epoch``, ``steps``, ``loss``, ``valid_loss`` ..., ``seconds``.
    steps : int
        Updates of the weights, those before a resumption included.
    stopped : str
        Why the training ended before its last epoch; empty when it did not.
    trainer : Trainer
    valid : iterable or None
        What the model was judged on.
    """

    history: list[Record]
    steps: int
    stopped: str
    trainer: Trainer
    valid: Any = field(default=None, repr=False)

    def figures(self, name: str) -> list[float]:
        """A figure over the epochs; NaN where an epoch has none."""
        return [float(record.get(name, math.nan)) for record in self.history]


class Trainer:
    """Train, judge and use a network: any module, loss, optimizer and scheduler.

    Batches are tuples or lists whose last member is the target; the others go to the model. The steps are those that one
    writes by hand (``docs/training.md`` shows both), and all that is saved in a checkpoint makes a resumed run end with
    the same bits as one that was never interrupted.

    Parameters
    ----------
    model : Module
    loss : callable, optional
        From (output, target) to a scalar, the mean over the batch.
    optimizer : Optimizer, optional
        Needed by :meth:`fit`. One that asks for the loss several times a step (LBFGS) gets it, of one batch each.
    scheduler : object with ``step()``, optional
        A learning-rate scheduler.
    metrics : mapping of str to Metric, optional
        Judged on validation and test data, see :mod:`corten.train.metrics`.
    callbacks : sequence of Callback
    accumulate : int
        Batches whose gradients are averaged for one step.
    clip_norm, clip_value : float, optional
        Limit of the norm of all gradients; of each element.
    precision : {'float32', 'bfloat16'}
        With ``'bfloat16'`` the model computes with weights stored in bfloat16, and float32 masters are trained.
    schedule : {'epoch', 'step'}
        When the scheduler steps.
    monitor : str
        The figure that a scheduler such as ReduceLROnPlateau, whose ``step`` wants one, is given.
    seed : int, optional
        Deterministic mode: :meth:`fit` starts Corten's, NumPy's and Python's generators from it. Kernels give the same
        bits for any number of threads, so two such runs end with the same weights, bit for bit.
    forward : callable, optional
        From (model, batch) to (loss, output, target), for batches or losses of another form; output and target may be
        None where no metric wants them. It replaces ``loss``.

    Examples
    --------
    >>> import corten
    >>> from corten.data import DataLoader, TensorDataset
    >>> x = corten.arange(8).float().reshape(8, 1)
    >>> model = corten.nn.Linear(1, 1)
    >>> trainer = Trainer(model, corten.nn.MSELoss(), corten.optim.SGD(model.parameters(), lr=0.01), seed=0)
    >>> run = trainer.fit(DataLoader(TensorDataset(x, 2 * x + 1), batch_size=4, shuffle=True), epochs=100)
    >>> run.steps
    200
    >>> run.history[-1]["loss"] < run.history[0]["loss"]
    True
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any] | None = None,
        optimizer: Any = None,
        scheduler: Any = None,
        *,
        metrics: Mapping[str, Any] | None = None,
        callbacks: Sequence[Callback] = (),
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        precision: str = "float32",
        schedule: str = "epoch",
        monitor: str = "valid_loss",
        seed: int | None = None,
        forward: Forward | None = None,
    ) -> None:
        if precision not in ("float32", "bfloat16"):
            raise ValueError(f"[Trainer] got precision {precision!r}, expected 'float32' or 'bfloat16'")
        if schedule not in ("epoch", "step"):
            raise ValueError(f"[Trainer] got schedule {schedule!r}, expected 'epoch' or 'step'")
        if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
            raise ValueError(f"[Trainer] got accumulate {accumulate!r}, expected a positive int")
        for name, most in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if most is not None and not most > 0:
                raise ValueError(f"[Trainer] got {name} {most}, expected a positive number")
        if loss is None and forward is None:
            raise ValueError("[Trainer] got neither loss nor forward, expected one of them")
        for callback in callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"[Trainer] got {type(callback).__name__} among the callbacks, expected a Callback")
        self.model, self.loss, self.optimizer, self.scheduler = model, loss, optimizer, scheduler
        self.metrics = dict(metrics or {})
        self.callbacks = sorted(callbacks, key=lambda c: c.order)
        self.accumulate, self.clip_norm, self.clip_value = accumulate, clip_norm, clip_value
        self.precision, self.schedule, self.monitor, self.seed = precision, schedule, monitor, seed
        self.forward = forward
        self.loader: Any = None
        self.valid: Any = None
        self.epochs = 0
        self._reset()

    def _reset(self) -> None:
        self.epoch = 0  # finished ones
        self.steps = 0
        self.batches = 0  # of the epoch under way
        self.loss_sum = 0.0  # over these
        self.seconds = 0.0
        self.history: list[Record] = []
        self.stopped = ""
        self.step_rates: list[float] = []
        self._storage: MixedStorage | None = None

    # ---- training

    def fit(self, train: Iterable[Any], valid: Iterable[Any] | None = None, epochs: int = 1, *, resume: Any = None) -> Run:
        """Train, and judge the model on ``valid`` after each epoch.

        Parameters
        ----------
        train, valid : DataLoader, or an iterable of batches that can be iterated again
        epochs : int
            How many there are in all: a resumed run does what is left of them.
        resume : path or bool, optional
            A checkpoint to go on from, or a folder with some (the newest is taken; an empty one starts anew). True stands
            for the folder of the Checkpoint callback.

        Returns
        -------
        Run

        Raises
        ------
        DivergedError
            When a loss is not finite: names step and epoch. The weights are those before that step, and the last
            checkpoint is kept.
        ValueError
            When the checkpoint is damaged, of another version, or of another architecture: nothing has changed then.
        """
        if self.optimizer is None:
            raise ValueError("[Trainer] fit needs an optimizer")
        if epochs < 1:
            raise ValueError(f"[Trainer] got epochs {epochs}, expected a positive int")
        if getattr(self.optimizer, "needs_closure", False) and (self.accumulate > 1 or self.precision != "float32"):
            raise ValueError(f"[Trainer] got accumulate={self.accumulate} and precision={self.precision!r} with "
                             f"{type(self.optimizer).__name__}, which computes each step's loss several times: expected 1 and "
                             "'float32'")  # fmt: skip
        self._reset()
        self.loader, self.valid, self.epochs = train, valid, epochs
        self._storage = MixedStorage(self.model) if self.precision == "bfloat16" else None
        try:
            if (path := self._checkpoint_to_resume(resume)) is not None:
                self.load_state_dict(read_checkpoint(path), str(path))
            elif self.seed is not None:
                seed_generators(self.seed)
            self._all("on_fit_start")
            while self.epoch < epochs and not self.stopped:
                self._epoch()
            self._all("on_fit_end")
        except BaseException as error:
            self._all("on_exception", error)
            raise
        finally:
            if self._storage is not None:
                self._storage.leave()
                self._storage = None
        return Run(self.history, self.steps, self.stopped, self, valid)

    @property
    def anew(self) -> bool:
        """Whether the training under way began with its first step, not from a checkpoint. For ``on_fit_start``."""
        return self.steps == 0 and self.epoch == 0

    def stop(self, reason: str) -> None:
        """End the training after this epoch. For callbacks."""
        self.stopped = reason

    def _all(self, moment: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, moment)(self, *args)

    def _checkpoint_to_resume(self, resume: Any) -> Any:
        from corten.train.checkpoint import newest

        if resume is None or resume is False:
            return None
        if resume is True:
            folders = [c.folder for c in self.callbacks if isinstance(c, Checkpoint)]
            if not folders:
                raise ValueError("[Trainer] resume=True needs a Checkpoint among the callbacks")
            resume = folders[0]
        return newest(resume)

    def _epoch(self) -> None:
        if self.schedule == "epoch" or not self.batches:
            self.step_rates = self._rates()
        self._all("on_epoch_start")
        started = time.perf_counter()
        self._steps()
        record: Record = {
            "epoch": self.epoch + 1,
            "steps": self.steps,
            "loss": self.loss_sum / self.batches if self.batches else math.nan,
        }
        self.seconds += time.perf_counter() - started
        record["seconds"] = self.seconds
        if self.valid is not None:
            record |= {f"valid_{name}": value for name, value in self._judge(self.valid, within=True).items()}
        self.epoch, self.batches, self.loss_sum, self.seconds = self.epoch + 1, 0, 0.0, 0.0
        if self.scheduler is not None and self.schedule == "epoch":
            if wants_figure(self.scheduler):
                self.scheduler.step(figure_of("Trainer", record, self.monitor))
            else:
                self.scheduler.step()
        self.history.append(record)
        self._all("on_epoch_end", record)

    def _rates(self) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _steps(self) -> None:
        """The steps of an epoch, as one writes them by hand."""
        model, optimizer, accumulate = self.model, self.optimizer, self.accumulate
        compute, storage = self._compute(), self._storage
        hooks = [c.on_step for c in self.callbacks if "on_step" in vars(c) or type(c).on_step is not Callback.on_step]
        plain = accumulate == 1 and storage is None and self.clip_norm is None and self.clip_value is None
        scheduler = self.scheduler if self.schedule == "step" else None
        beside = bool(hooks) or storage is not None or scheduler is not None
        closure = getattr(optimizer, "needs_closure", False)
        model.train()
        batches = iter(self.loader)
        if self.batches and not hasattr(self.loader, "load_state_dict"):  # a plain iterable: pass over what was done
            next(itertools.islice(batches, self.batches, self.batches), None)
        waiting = 0  # batches whose gradients have not been used
        optimizer.zero_grad()
        if storage is not None:
            model.zero_grad()
        for batch in batches:
            if closure:
                self.loss_sum += self._by_closure(compute, batch)
                self.batches += 1
                self.steps += 1
                self._after_step(hooks, scheduler)
                continue
            loss = compute(model, batch)[0]
            value = loss.item()
            if value - value != 0.0:  # infinite or NaN
                raise DivergedError(self._diverged(value))
            loss.backward()
            self.loss_sum += value
            self.batches += 1
            if not plain:
                if storage is not None:
                    storage.gather()
                waiting += 1
                if waiting < accumulate:
                    continue
                self._prepare(waiting)
                waiting = 0
            optimizer.step()
            optimizer.zero_grad()
            self.steps += 1
            if beside:
                self._after_step(hooks, scheduler)
        if waiting:
            self._prepare(waiting)
            optimizer.step()
            optimizer.zero_grad()
            self.steps += 1
            self._after_step(hooks, scheduler)

    def _after_step(self, hooks: Sequence[Callable[[Trainer], None]], scheduler: Any) -> None:
        if self._storage is not None:
            self._storage.spread()
        if scheduler is not None:
            self.step_rates = self._rates()
            scheduler.step()
        for hook in hooks:
            hook(self)
        if self._storage is not None and hooks:  # a hook may have changed the masters
            self._storage.spread()

    def _prepare(self, batches: int) -> None:
        """Average the gradients of some batches, and limit them."""
        params = [p for group in self.optimizer.param_groups for p in group["params"]]
        if batches > 1:
            for p in params:
                if p.grad is not None:
                    p.grad.detach().mul_(1.0 / batches)
        if self.clip_norm is not None:
            clip_grad_norm_(params, self.clip_norm)
        if self.clip_value is not None:
            clip_grad_value_(params, self.clip_value)

    def _by_closure(self, compute: Forward, batch: Any) -> float:
        """A step of an optimizer that asks for loss and gradient several times, such as LBFGS; the first loss."""
        first: list[float] = []

        def closure() -> Any:
            self.optimizer.zero_grad()
            loss = compute(self.model, batch)[0]
            if not first:
                first.append(loss.item())
                if not math.isfinite(first[0]):
                    raise DivergedError(self._diverged(first[0]))
            loss.backward()
            self._prepare(1)
            return loss

        self.optimizer.step(closure)
        return first[0]

    def _diverged(self, value: float) -> str:
        kept = next((c.newest for c in self.callbacks if isinstance(c, Checkpoint) and c.newest is not None), None)
        text = f"[Trainer] the loss is {value} at step {self.steps + 1} (batch {self.batches + 1} of epoch {self.epoch + 1})"
        text += ", expected a finite one; a lower learning rate may help"
        return text + (f". The last good checkpoint is {kept}" if kept is not None else "")

    def _compute(self) -> Forward:
        """From (model, batch) to (loss, output, target)."""
        if self.forward is not None:
            return self.forward
        criterion, storage = self.loss, self._storage
        assert criterion is not None
        if storage is not None:
            into, out = storage.inputs, storage.outputs

            def mixed(model: Any, batch: Any) -> tuple[Any, Any, Any]:
                *inputs, target = batch
                output = out(model(*map(into, inputs)))
                return criterion(output, target), output, target

            return mixed

        def ordinary(model: Any, batch: Any) -> tuple[Any, Any, Any]:
            if len(batch) == 2:
                x, target = batch
                output = model(x)
            else:
                *inputs, target = batch
                output = model(*inputs)
            return criterion(output, target), output, target

        return ordinary

    # ---- judging and using

    def validate(self, data: Iterable[Any]) -> dict[str, float]:
        """Mean loss and metrics on ``data``, in evaluation mode and without gradients.

        Returns
        -------
        dict
            ``loss``, and each metric by its name. The loss is the mean over samples where batches say how many they have.
        """
        return self._judge(data)

    def test(self, data: Iterable[Any], checkpoint: Any = None) -> dict[str, float]:
        """What :meth:`validate` returns, under names that begin with ``test_``; from a checkpoint's weights when given."""
        if checkpoint is not None:
            from corten.train.checkpoint import newest

            path = newest(checkpoint)
            if path is None:
                raise FileNotFoundError(f"[Trainer] there is no checkpoint in {checkpoint}")
            state = read_checkpoint(path)
            check_architecture(self.model, state["architecture"], str(path))
            self.load_weights(state["model"])
        return {f"test_{name}": value for name, value in self._judge(data).items()}

    def predict(self, data: Iterable[Any], *, targets: bool = True) -> Any:
        """The model's outputs for all batches, one after the other, in evaluation mode and without gradients.

        Parameters
        ----------
        data : iterable of batches
        targets : bool
            Whether batches of more than one member end with a target, which is left out.

        Returns
        -------
        Tensor of shape (N, ...), or a tuple of them where the model returns several
        """
        found: list[Any] = []
        with self._evaluation():
            for batch in data:
                inputs = list(batch) if isinstance(batch, (list, tuple)) else [batch]
                if targets and len(inputs) > 1:
                    inputs.pop()
                if self._storage is not None:
                    found.append(self._storage.outputs(self.model(*map(self._storage.inputs, inputs))))
                else:
                    found.append(self.model(*inputs))
        if not found:
            raise ValueError("[Trainer] got no batches to predict, expected at least one")
        if isinstance(found[0], (list, tuple)):
            return tuple(corten.cat([out[i] for out in found]) for i in range(len(found[0])))
        return corten.cat(found)

    def _evaluation(self) -> _Evaluation:
        return _Evaluation(self.model)

    def _judge(self, data: Iterable[Any], within: bool = False) -> dict[str, float]:
        compute = self._compute()
        total, count = 0.0, 0
        for metric in self.metrics.values():
            metric.reset()
        if within:
            self._all("on_validation_start")
        try:
            with self._evaluation():
                for batch in data:
                    loss, output, target = compute(self.model, batch)
                    samples = len(target) if isinstance(target, core.TensorBase) and target.ndim else 1
                    total += loss.item() * samples
                    count += samples
                    for metric in self.metrics.values():
                        metric.update(output, target)
        finally:
            if within:
                self._all("on_validation_end")
        figures = {"loss": total / count if count else math.nan}
        for name, metric in self.metrics.items():
            value = metric.compute()
            if isinstance(value, dict):
                figures |= {f"{name}/{key}": float(v) for key, v in value.items()}
            elif np.ndim(value) == 0:
                figures[name] = float(value)
        return figures

    # ---- state

    def weights(self) -> dict[str, Any]:
        """The model's state dict; its float32 masters where the model computes in bfloat16."""
        if self._storage is None:
            return dict(self.model.state_dict())
        self._storage.leave()
        try:
            return dict(self.model.state_dict())
        finally:
            self._storage.enter()

    def load_weights(self, weights: Mapping[str, Any]) -> None:
        """Copy weights into the model."""
        if self._storage is None:
            self.model.load_state_dict(weights)
            return
        self._storage.leave()
        try:
            self.model.load_state_dict(weights)
        finally:
            self._storage.enter()
            self._storage.spread()

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs: what :func:`corten.train.checkpoint.write_checkpoint` writes."""
        return {
            "architecture": architecture(self.weights()),
            "model": self.weights(),
            "optimizer": None if self.optimizer is None else self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "generators": generator_states(),
            "loader": self.loader.state_dict() if hasattr(self.loader, "state_dict") else None,
            "valid": self.valid.state_dict() if hasattr(self.valid, "state_dict") and self.valid is not self.loader else None,
            "callbacks": [[type(c).__name__, c.state_dict()] for c in self.callbacks],
            "progress": {"epoch": self.epoch, "steps": self.steps, "batches": self.batches, "loss_sum": self.loss_sum,
                         "seconds": self.seconds, "stopped": self.stopped,
                         "step_rates": list(self.step_rates)},
            "history": self.history,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any], name: str = "state") -> None:
        """Take back what :meth:`state_dict` gave. Raises ValueError, before any change, when it does not fit."""
        check_architecture(self.weights(), state["architecture"], name)
        mine, theirs = [type(c).__name__ for c in self.callbacks], [kind for kind, _ in state["callbacks"]]
        if mine != theirs:
            raise ValueError(f"[load_checkpoint] {name}: of a run with callbacks {theirs}, expected {mine}")
        for part in ("optimizer", "scheduler"):
            if (state[part] is None) != (getattr(self, part) is None):
                raise ValueError(f"[load_checkpoint] {name}: with{'out' if state[part] is None else ''} the state of a {part}, "
                                 f"expected it with{'' if state[part] is None else 'out'}")  # fmt: skip
        groups = None if self.optimizer is None else [len(g["params"]) for g in self.optimizer.param_groups]
        if groups is not None and groups != [len(g["params"]) for g in state["optimizer"]["param_groups"]]:
            raise ValueError(f"[load_checkpoint] {name}: the optimizer's groups differ from {groups}")
        self.load_weights(state["model"])
        for part in ("optimizer", "scheduler"):
            if state[part] is not None:
                getattr(self, part).load_state_dict(state[part])
        for loader, key in ((self.loader, "loader"), (self.valid, "valid")):
            if state[key] is not None and hasattr(loader, "load_state_dict"):
                loader.load_state_dict(state[key])
        for callback, (_, saved) in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        progress = state["progress"]
        self.epoch, self.steps, self.batches = progress["epoch"], progress["steps"], progress["batches"]
        self.loss_sum, self.seconds, self.stopped = progress["loss_sum"], progress["seconds"], progress["stopped"]
        self.step_rates, self.history = list(progress["step_rates"]), list(state["history"])
        set_generator_states(state["generators"])


class _Evaluation:
    """Evaluation mode without gradients, and back to the mode before."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        self.quiet = corten.no_grad()
        self.quiet.__enter__()

    def __exit__(self, *exc: Any) -> None:
        self.quiet.__exit__(*exc)
        for module, mode in self.modes:
            module.training = mode


def wants_figure(scheduler: Any) -> bool:
    """Whether a scheduler's step takes a figure to judge by, as ReduceLROnPlateau's does."""
    return hasattr(scheduler, "patience") and hasattr(scheduler, "mode")


def seed_generators(seed: int) -> None:
    """Start Corten's, NumPy's and Python's generators from a seed."""
    corten.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def generator_states() -> dict[str, Any]:
    """Where Corten's, NumPy's and Python's generators are."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # type: ignore[misc]
    version, words, gauss_next = random.getstate()
    return {
        "corten": corten.get_rng_state(),
        "numpy": {"kind": str(kind), "keys": np.asarray(keys, np.int64), "position": int(position),
                  "has_gauss": int(has_gauss), "gauss": float(gauss)},
        "python": {"version": version, "words": np.asarray(words, np.int64), "gauss_next": gauss_next},
    }  # fmt: skip


def set_generator_states(states: Mapping[str, Any]) -> None:
    """Put the generators where they were."""
    corten.set_rng_state(states["corten"])
    n, p = states["numpy"], states["python"]
    np.random.set_state((n["kind"], np.asarray(n["keys"]).astype(np.uint32), n["position"], n["has_gauss"], n["gauss"]))
    random.setstate((p["version"], tuple(int(w) for w in p["words"]), p["gauss_next"]))
