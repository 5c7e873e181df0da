"""Filling in missing values."""

from corten.learn.impute._impute import KNNImputer, SimpleImputer

__all__ = ["KNNImputer", "SimpleImputer"]
