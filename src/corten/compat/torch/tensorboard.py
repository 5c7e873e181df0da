"""``torch.utils.tensorboard`` on the tensorboard package."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["SummaryWriter"]


def _array(value: Any) -> np.ndarray[Any, Any]:
    return np.asarray(value.detach().numpy() if hasattr(value, "detach") else value)


class SummaryWriter:
    """Writes event files that TensorBoard shows.

    Parameters
    ----------
    log_dir : str, optional
        The folder; by default one in ``runs/`` named after time and machine.
    comment : str
        Added to that name.

    Raises
    ------
    ModuleNotFoundError
        When the tensorboard package is absent.
    """

    def __init__(self, log_dir: Any = None, comment: str = "", purge_step: Any = None, max_queue: int = 10,
                 flush_secs: int = 120, filename_suffix: str = "") -> None:  # fmt: skip
        try:
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("[SummaryWriter] needs the package tensorboard", name=error.name) from None
        if not log_dir:
            log_dir = os.path.join("runs", time.strftime("%b%d_%H-%M-%S_") + socket.gethostname() + comment)
        self.log_dir = str(log_dir)
        Path(self.log_dir).mkdir(parents=True, exist_ok=True)
        self._options = (max_queue, flush_secs, filename_suffix)
        self._file = EventFileWriter(self.log_dir, *self._options)
        self._more: dict[str, SummaryWriter] = {}

    def _write(self, step: Any, walltime: Any, file: Any = None, **value: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        event = Event(summary=Summary(value=[Summary.Value(**value)]))
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self._file.add_event(event)

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, walltime: Any = None, new_style: bool = False,
                   double_precision: bool = False) -> None:  # fmt: skip
        """A number at a step."""
        self._write(global_step, walltime, tag=tag, simple_value=float(_array(scalar_value).reshape(-1)[0]))

    def add_scalars(self, main_tag: str, tag_scalar_dict: dict[str, Any], global_step: Any = None, walltime: Any = None) -> None:
        """Numbers that are shown in one diagram: each in a folder of its own."""
        for tag, value in tag_scalar_dict.items():
            folder = f"{self.log_dir}/{main_tag.replace('/', '_')}_{tag}"
            if folder not in self._more:
                self._more[folder] = SummaryWriter(folder)
            self._more[folder].add_scalar(main_tag, value, global_step, walltime)

    def add_histogram(self, tag: str, values: Any, global_step: Any = None, bins: Any = "tensorflow", walltime: Any = None,
                      max_bins: Any = None) -> None:  # fmt: skip
        """How values are distributed."""
        from tensorboard.compat.proto.summary_pb2 import HistogramProto

        x = _array(values).astype(np.float64).ravel()
        if x.size == 0:
            raise ValueError("[add_histogram] got no values")
        counts, edges = np.histogram(x, 30 if isinstance(bins, str) and bins == "tensorflow" else bins)
        proto = HistogramProto(min=x.min(), max=x.max(), num=x.size, sum=x.sum(), sum_squares=(x * x).sum(),
                               bucket_limit=edges[1:].tolist(), bucket=counts.tolist())  # fmt: skip
        self._write(global_step, walltime, tag=tag, histo=proto)

    def add_image(self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None, dataformats: str = "CHW") -> None:
        """A picture of bytes, or of numbers of [0, 1]."""
        import io

        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        x = _array(img_tensor)
        if x.ndim != len(dataformats):
            raise ValueError(f"[add_image] got {x.ndim} dimensions for dataformats {dataformats!r}")
        x = np.transpose(x if "C" in dataformats else x[..., None], [(dataformats if "C" in dataformats else dataformats + "C").index(c)
                                                                      for c in "HWC"])  # fmt: skip
        x = x if x.dtype == np.uint8 else np.clip(x * 255, 0, 255).astype(np.uint8)
        x = np.repeat(x, 3, 2) if x.shape[2] == 1 else x
        file = io.BytesIO()
        Image.fromarray(x).save(file, "PNG")
        picture = Summary.Image(height=x.shape[0], width=x.shape[1], colorspace=x.shape[2], encoded_image_string=file.getvalue())
        self._write(global_step, walltime, tag=tag, image=picture)

    def add_images(self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None, dataformats: str = "NCHW") -> None:
        """Pictures in a grid."""
        from corten._core import core
        from corten.compat.torchvision.grids import make_grid

        x = np.transpose(_array(img_tensor), [dataformats.index(c) for c in "NCHW"])
        self.add_image(tag, make_grid(core.tensor(np.ascontiguousarray(x))), global_step, walltime)

    def add_figure(self, tag: str, figure: Any, global_step: Any = None, close: bool = True, walltime: Any = None) -> None:
        """A Matplotlib figure."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        self.add_image(tag, np.asarray(canvas.buffer_rgba())[..., :3], global_step, walltime, "HWC")
        if close:
            import matplotlib.pyplot as plt

            plt.close(figure)

    def add_text(self, tag: str, text_string: str, global_step: Any = None, walltime: Any = None) -> None:
        """Words."""
        from tensorboard.plugins.text.summary_v2 import text_pb

        pb = text_pb(tag, text_string)
        self._write(global_step, walltime, tag=tag + "/text_summary", metadata=pb.value[0].metadata, tensor=pb.value[0].tensor)

    def add_hparams(self, hparam_dict: dict[str, Any], metric_dict: dict[str, Any], hparam_domain_discrete: Any = None,
                    run_name: Any = None, global_step: Any = None) -> None:  # fmt: skip
        """Settings and what was reached with them."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        folder = f"{self.log_dir}/{run_name or time.time()}"
        with SummaryWriter(folder) as writer:
            from tensorboard.compat.proto.event_pb2 import Event

            writer._file.add_event(Event(wall_time=time.time(), summary=hparams_pb(hparam_dict)))
            for key, value in metric_dict.items():
                writer.add_scalar(key, value, global_step)

    def add_graph(self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True) -> None:
        """Raises NotImplementedError: graphs are not written."""
        raise NotImplementedError("[SummaryWriter] add_graph: graphs are not written")

    def flush(self) -> None:
        """Write what waits."""
        self._file.flush()
        for writer in self._more.values():
            writer.flush()

    def close(self) -> None:
        """Write what waits and close the files."""
        self._file.close()
        for writer in self._more.values():
            writer.close()

    def get_logdir(self) -> str:
        """The folder."""
        return self.log_dir

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
