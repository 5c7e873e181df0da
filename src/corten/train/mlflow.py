"""MLflow: parameters, metrics and artifacts of a training, on a server or in a folder."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from corten.train.callback import Callback, Record
from corten.train.checkpoint import Checkpoint
from corten.train.errors import TrainingWarning
from corten.train.loggers import settings_of

if TYPE_CHECKING:
    from corten.train.trainer import Trainer


class MLflow(Callback):
    """Write a training to MLflow; needs the package ``mlflow-skinny`` (or ``mlflow``).

    Settings become parameters, the figures of each epoch metrics; at the end the best checkpoint is kept as an artifact where
    a Checkpoint has made one, beside what :meth:`add_artifact` was given. A run that is resumed goes on in the same MLflow
    run. Where the server cannot be reached, or fails, one :class:`TrainingWarning` says so and the training goes on.

    Parameters
    ----------
    uri : str or path, optional
        Tracking server such as ``"http://127.0.0.1:5000"``, or ``"sqlite:///runs.db"``; MLflow's own setting when absent.
    experiment : str
        Made when absent.
    name : str, optional
        Of the run.
    params : mapping, optional
        More parameters to write.
    patience : float
        Seconds and at most one more attempt that a request to the server may take.

    Attributes
    ----------
    run_id : str or None
        Of the MLflow run.
    """

    order = 110  # after Checkpoint, whose files it takes

    def __init__(self, uri: str | os.PathLike[str] | None = None, experiment: str = "corten", name: str | None = None,
                 params: Mapping[str, Any] | None = None, patience: float = 10.0) -> None:  # fmt: skip
        import mlflow.tracking  # noqa: F401  (absent: say so now, not after an epoch)

        self.uri = None if uri is None else os.fspath(uri)
        self.experiment, self.name, self.params, self.patience = experiment, name, dict(params or {}), patience
        self.run_id: str | None = None
        self._artifacts: list[tuple[str, str | None]] = []
        self._client: Any = None
        self._broken = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the run and write the parameters."""
        self._broken = False
        self._guard(lambda: self._open(trainer))

    def _open(self, trainer: Trainer) -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=self.uri)
        if self.run_id is not None and trainer.steps:
            self._client.update_run(self.run_id, status="RUNNING")
            return
        found = self._client.get_experiment_by_name(self.experiment)
        number = found.experiment_id if found is not None else self._client.create_experiment(self.experiment)
        self.run_id = self._client.create_run(number, run_name=self.name).info.run_id
        for key, value in (settings_of(trainer) | self.params).items():
            self._client.log_param(self.run_id, key, value)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """The figures of the epoch."""

        def write() -> None:
            from mlflow.entities import Metric

            now = _now()
            figures = [Metric(k, float(v), now, trainer.steps) for k, v in record.items() if k not in ("epoch", "steps")]
            self._client.log_batch(self.run_id, metrics=figures)

        self._guard(write)

    def add_artifact(self, path: str | os.PathLike[str], folder: str | None = None) -> None:
        """Keep a file with the run; before the end of the training it is noted, and sent then."""
        self._artifacts.append((os.fspath(path), folder))
        if self._client is not None and self.run_id is not None:
            self._send()

    def _send(self) -> None:
        waiting, self._artifacts = self._artifacts, []
        for path, folder in waiting:
            self._guard(lambda path=path, folder=folder: self._client.log_artifact(self.run_id, path, folder))  # type: ignore[misc]

    def on_fit_end(self, trainer: Trainer) -> None:
        """Send the artifacts and end the run."""
        for callback in trainer.callbacks:
            if isinstance(callback, Checkpoint) and callback.best_path.exists():
                self._artifacts.append((str(callback.best_path), "checkpoints"))
        self._send()
        self._guard(lambda: self._client.set_terminated(self.run_id, "FINISHED"))

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """End the run as failed, or as killed by Ctrl-C."""
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        if self.run_id is not None:
            self._guard(lambda: self._client.set_terminated(self.run_id, status))

    def state_dict(self) -> dict[str, Any]:
        """The run to go on with."""
        return {"run_id": self.run_id}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.run_id = state["run_id"]

    def _guard(self, write: Callable[[], Any]) -> None:
        """Write; the first failure warns, later ones are not tried."""
        if self._broken:
            return
        limits = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(max(1, int(self.patience))), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
                  "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}  # fmt: skip
        before = {key: os.environ.get(key) for key in limits}
        os.environ.update({k: v for k, v in limits.items() if before[k] is None})
        try:
            write()
        except Exception as error:  # whatever a tracker raises must not end a training
            self._broken = True
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            warnings.warn(f"[MLflow] {self.uri or 'the tracking server'} failed ({reason}); the training goes on without it",
                          TrainingWarning, stacklevel=3)  # fmt: skip
        finally:
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key, None)


def _now() -> int:
    import time

    return int(time.time() * 1000)
