"""``torch.cuda.amp``: off, as there is no such device."""

from __future__ import annotations

from typing import Any

from corten import amp
from corten.amp import custom_bwd, custom_fwd  # noqa: F401


class autocast(amp.autocast):  # noqa: N801
    """Does nothing: there is no such device."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, False)


class GradScaler(amp.GradScaler):
    """Passes everything through: there is no such device."""

    def __init__(self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True) -> None:  # fmt: skip
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, False)
