"""Multilayer perceptrons with scikit-learn's interface."""

from corten.learn.neural_network._perceptron import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
