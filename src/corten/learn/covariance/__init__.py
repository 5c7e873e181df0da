"""Outlier detection from the spread of columns."""

from corten.learn.covariance._iqr import IQROutlierDetector

__all__ = ["IQROutlierDetector"]
