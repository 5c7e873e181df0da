"""Thin aliases under PyTorch's names."""

from corten.nn.utils import parametrizations, parametrize  # noqa: F401
from corten.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm  # noqa: F401
from corten.nn.utils.weight_norm import remove_weight_norm, weight_norm  # noqa: F401
