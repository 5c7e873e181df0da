"""TensorBoard: scalars, histograms, images, the graph and embeddings, in files that the stock TensorBoard opens."""

from __future__ import annotations

import io
import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from corten.train.callback import Callback, Record
from corten.train.errors import TrainingWarning
from corten.train.metrics.metric import array

if TYPE_CHECKING:
    from corten.train.trainer import Trainer

BINS = 64


class TensorBoard(Callback):
    """Write a training for TensorBoard; needs the package ``tensorboard``.

    Scalars of each epoch by themselves; histograms of weights with ``histograms``; the graph with ``example``. The methods
    ``add_*`` take whatever else. Where the folder cannot be written one :class:`TrainingWarning` says so, and the training
    goes on.

    Parameters
    ----------
    folder : path
    every_steps : int or None
        Also write the running loss after so many steps.
    histograms : bool
        Histograms of all parameters after each epoch.
    example : Tensor, optional
        An input of the model: the graph of its computation is written when the training starts.

    Examples
    --------
    >>> board = TensorBoard("runs/first")
    >>> board.folder.name
    'first'
    """

    order = 10

    def __init__(self, folder: str | os.PathLike[str], every_steps: int | None = None, histograms: bool = False,
                 example: Any = None) -> None:  # fmt: skip
        import tensorboard.compat.proto.event_pb2  # noqa: F401  (absent: say so now, not after an epoch)

        if every_steps is not None and every_steps < 1:
            raise ValueError(f"[TensorBoard] got every_steps {every_steps}, expected a positive int")
        self.folder = Path(folder)
        self.histograms, self.example = histograms, example
        self._writer: Any = None
        self._broken = False
        if every_steps is not None:
            self._every = every_steps
            self.on_step = self._after_step  # type: ignore[method-assign]

    # ---- callbacks

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the file, and write the graph."""
        self._broken = False
        if trainer.steps:  # what a run that was cut off wrote after its checkpoint is no longer shown
            self._guard(lambda: self._session_start(trainer.steps + 1))
        if self.example is not None:
            self.add_graph(trainer.model, self.example)

    def _session_start(self, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        event = Event(step=step, wall_time=time.time(), session_log=SessionLog(status=SessionLog.START))
        self._opened().add_event(event)

    def _after_step(self, trainer: Trainer) -> None:
        if trainer.steps % self._every == 0:
            self.add_scalar("loss/running", trainer.loss_sum / trainer.batches, trainer.steps)

    def on_epoch_end(self, trainer: Trainer, record: Record) -> None:
        """The figures of the epoch."""
        for name, value in record.items():
            if name not in ("epoch", "steps"):
                self.add_scalar(f"epoch/{name}", value, trainer.steps)
        if self.histograms:
            for name, weights in trainer.weights().items():
                self.add_histogram(name, weights, trainer.steps)
        self._guard(lambda: self._opened().flush())

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the file."""
        self.close()

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """Close the file."""
        self.close()

    # ---- what can be written

    def add_scalar(self, name: str, value: float, step: int = 0) -> None:
        """A number."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._summary(lambda: Summary.Value(tag=name, simple_value=float(value)), step)

    def add_histogram(self, name: str, values: Any, step: int = 0) -> None:
        """How values are distributed."""
        from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

        data = array(values).astype(np.float64).ravel()
        data = data[np.isfinite(data)]
        if not data.size:
            return
        counts, edges = np.histogram(data, BINS)
        histogram = HistogramProto(min=data.min(), max=data.max(), num=data.size, sum=data.sum(), sum_squares=(data**2).sum(),
                                   bucket_limit=edges[1:].tolist(), bucket=counts.tolist())  # fmt: skip
        self._summary(lambda: Summary.Value(tag=name, histo=histogram), step)

    def add_image(self, name: str, image: Any, step: int = 0) -> None:
        """An image (H, W), (C, H, W) or (H, W, C), C = 1, 3 or 4: bytes, or numbers from 0 to 1. Needs Pillow."""
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        pixels = array(image)
        if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) and pixels.shape[2] not in (1, 3, 4):
            pixels = pixels.transpose(1, 2, 0)
        if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
            raise ValueError(f"[add_image] got shape {pixels.shape}, expected (H, W), (C, H, W) or (H, W, C)")
        if pixels.dtype != np.uint8:
            pixels = (np.clip(pixels.astype(np.float64), 0, 1) * 255).round().astype(np.uint8)
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        value = Summary.Image(height=pixels.shape[0], width=pixels.shape[1], encoded_image_string=file.getvalue(),
                              colorspace=1 if pixels.ndim == 2 else pixels.shape[2])  # fmt: skip
        self._summary(lambda: Summary.Value(tag=name, image=value), step)

    def add_graph(self, model: Any, *inputs: Any) -> None:
        """The computation of a model for some inputs: parameters, operations, and what flows between them."""
        from tensorboard.compat.proto.event_pb2 import Event

        graph = graph_of(model, *inputs).SerializeToString()
        self._guard(lambda: self._opened().add_event(Event(wall_time=time.time(), graph_def=graph)))

    def add_embedding(self, vectors: Any, labels: Sequence[Any] | None = None, name: str = "embedding") -> None:
        """Vectors (N, D) for TensorBoard's projector, with a label each."""
        points = array(vectors)
        if points.ndim != 2 or labels is not None and len(labels) != len(points):
            raise ValueError(f"[add_embedding] got vectors of shape {points.shape} and {labels and len(labels)} labels, expected "
                             "(N, D) and N")  # fmt: skip

        def write() -> None:
            folder = self.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "tensors.tsv").write_text("".join("\t".join(f"{v:.7g}" for v in row) + "\n" for row in points))
            lines = ["embeddings {", f'  tensor_name: "{name}"', f'  tensor_path: "{name}/tensors.tsv"']
            if labels is not None:
                text = "".join(str(label).replace("\t", " ").replace("\n", " ") + "\n" for label in labels)
                (folder / "metadata.tsv").write_text(text)
                lines.append(f'  metadata_path: "{name}/metadata.tsv"')
            with open(self.folder / "projector_config.pbtxt", "a") as file:
                file.write("\n".join([*lines, "}", ""]))
            self._opened()  # TensorBoard looks for a run where an event file is

        self._guard(write)

    def close(self) -> None:
        """Bring everything to the file, and close it."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._guard(writer.close)

    # ---- writing

    def _summary(self, value: Callable[[], Any], step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        event = Event(step=step, wall_time=time.time(), summary=Summary(value=[value()]))
        self._guard(lambda: self._opened().add_event(event))

    def _opened(self) -> Any:
        if self._writer is None:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter

            self.folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventFileWriter(str(self.folder))
        return self._writer

    def _guard(self, write: Callable[[], Any]) -> None:
        """Write; the first failure warns, later ones are not tried."""
        if self._broken:
            return
        try:
            write()
        except Exception as error:  # whatever a tracker raises must not end a training
            self._broken = True
            warnings.warn(f"[TensorBoard] {self.folder} cannot be written ({error}); the training goes on without it",
                          TrainingWarning, stacklevel=3)  # fmt: skip


def graph_of(model: Any, *inputs: Any) -> Any:
    """A GraphDef of the recorded operations behind a model's output."""
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.versions_pb2 import VersionDef

    import corten

    was = [(m, m.training) for m in model.modules()]
    model.eval()
    tracked = [x.detach().requires_grad_() if x.is_floating_point() else x for x in inputs]
    try:
        with corten.enable_grad():
            output = model(*tracked)
    finally:
        for module, mode in was:
            module.training = mode
    names = {id(p): f"parameters/{name.replace('.', '/')}" for name, p in model.named_parameters()}
    names |= {id(x): f"input/{i}" for i, x in enumerate(tracked)}
    nodes: list[Any] = []
    seen: dict[int, str] = {}
    kinds: dict[str, int] = {}
    alive: list[Any] = []  # ids stay those of these nodes

    def shape(t: Any) -> dict[str, Any]:
        dims = [TensorShapeProto.Dim(size=n) for n in t.shape]
        return {"_output_shapes": AttrValue(list=AttrValue.ListValue(shape=[TensorShapeProto(dim=dims)]))}

    def visit(root: Any) -> str:
        """Add a node after those it needs, without recursion; returns its name. Leaves of the tape are tensors."""
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in seen:
                continue
            alive.append(node)
            if isinstance(node, corten.Tensor):
                name = names.get(id(node), f"tensor/{len(seen)}")
                nodes.append(NodeDef(name=name, op="Placeholder" if name.startswith("input") else "Variable", attr=shape(node)))
                seen[id(node)] = name
                continue
            below = [f for f, _ in node.next_functions if f is not None]
            if not ready and below:
                stack.append((node, True))
                stack += [(f, False) for f in below]
                continue
            kind = node.name().removesuffix("Backward")
            kinds[kind] = kinds.get(kind, -1) + 1
            name = f"{kind}_{kinds[kind]}" if kinds[kind] else kind
            nodes.append(NodeDef(name=name, op=kind, input=[seen[id(f)] for f in below]))
            seen[id(node)] = name
        return seen[id(root)]

    outputs = output if isinstance(output, (list, tuple)) else [output]
    for i, t in enumerate(outputs):
        if t.grad_fn is not None:
            nodes.append(NodeDef(name=f"output/{i}", op="Output", input=[visit(t.grad_fn)], attr=shape(t)))
    return GraphDef(node=nodes, versions=VersionDef(producer=22))
