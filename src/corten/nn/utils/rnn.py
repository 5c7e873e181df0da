"""Packed sequences; see :mod:`corten.nn.packing`."""

from corten.nn.packing import *  # noqa: F403
