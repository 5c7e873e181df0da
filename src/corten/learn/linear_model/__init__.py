"""Linear models: least squares, ridge, lasso, elastic net, logistic regression, gradient descent."""

from corten.learn.linear_model._least_squares import LinearRegression

__all__ = ["LinearRegression"]
