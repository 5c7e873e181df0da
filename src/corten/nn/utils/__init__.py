"""Thin aliases under PyTorch's names."""

from typing import Any

from corten.nn.utils import parametrizations, parametrize, prune, rnn, stateless
from corten.nn.utils.clip_grad import *  # noqa: F403
from corten.nn.utils.convert_parameters import *  # noqa: F403
from corten.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm
from corten.nn.utils.weight_norm import remove_weight_norm, weight_norm


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """A module whose parameters are not drawn: their values are undefined until they are loaded."""
    made = module_cls(*args, **{**kwargs, "device": "meta"})
    return made.to_empty(device=kwargs.get("device", "cpu"))
