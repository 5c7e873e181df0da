"""Alias of :mod:`corten.nn.folding` under PyTorch's name."""

from corten.nn.folding import *  # noqa: F403
from corten.nn.folding import __all__ as __all__
