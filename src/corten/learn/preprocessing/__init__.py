"""Scaling, binning and polynomial features."""

from corten.learn.preprocessing._expand import KBinsDiscretizer, PolynomialFeatures
from corten.learn.preprocessing._scale import MinMaxScaler, RobustScaler, StandardScaler

__all__ = ["KBinsDiscretizer", "MinMaxScaler", "PolynomialFeatures", "RobustScaler", "StandardScaler"]
