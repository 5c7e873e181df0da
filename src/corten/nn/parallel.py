"""Several devices under PyTorch's names, in a process that has one: the CPU."""

from __future__ import annotations

from typing import Any

from corten.nn.module import Module
from corten.nn.normalization import BatchNorm

__all__ = ["DataParallel", "SyncBatchNorm", "data_parallel"]


class DataParallel(Module):
    """The module itself, under the name ``module``: kernels use all cores as it is.

    Parameters
    ----------
    module : Module
    device_ids, output_device : optional
        Must not name devices: there is none but the CPU.
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        if device_ids:
            raise ValueError(f"[DataParallel] got device_ids={device_ids}, expected None: there are no devices but the CPU")
        self.module, self.dim, self.output_device = module, dim, output_device
        self.device_ids: list[Any] = []

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module."""
        return self.module(*args, **kwargs)


def data_parallel(module: Module, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0,
                  module_kwargs: Any = None) -> Any:  # fmt: skip
    """Run the module: there are no devices but the CPU."""
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return DataParallel(module, device_ids, output_device, dim)(*args, **(module_kwargs or {}))


class SyncBatchNorm(BatchNorm):
    """Batch normalisation over all processes; in one process it is BatchNorm of any number of dimensions."""

    dims = (2, 3, 4, 5)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, process_group: Any = None, device: Any = None,
                 dtype: Any = None, *, bias: bool = True) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype, bias=bias)
        if process_group is not None:
            raise NotImplementedError("[SyncBatchNorm] got a process_group, expected None: it works in one process")

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """The module with every BatchNorm in it made a SyncBatchNorm of the same values."""
        made = module
        if isinstance(module, BatchNorm) and not isinstance(module, cls):
            made = cls(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats, process_group)
            made._parameters.update(module._parameters)
            made._buffers.update(module._buffers)
            made.training = module.training
        for name, child in module.named_children():
            made.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return made
