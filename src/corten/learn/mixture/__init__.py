"""Mixture models."""

from ._gaussian import GaussianMixture

__all__ = ["GaussianMixture"]
