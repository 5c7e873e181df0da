"""Corten: a compact machine-learning framework on native CPU kernels."""
