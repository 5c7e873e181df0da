"""Linear models: least squares, ridge, lasso, elastic net, logistic regression, gradient descent."""

from corten.learn.linear_model._elastic_net import ElasticNet, ElasticNetCV, Lasso, LassoCV, enet_path, lasso_path
from corten.learn.linear_model._least_squares import LinearRegression
from corten.learn.linear_model._logistic import LogisticRegression
from corten.learn.linear_model._ridge import Ridge, RidgeClassifier, RidgeClassifierCV, RidgeCV

__all__ = [
    "ElasticNet", "ElasticNetCV", "Lasso", "LassoCV", "LinearRegression", "LogisticRegression", "Ridge", "RidgeCV",
    "RidgeClassifier", "RidgeClassifierCV", "enet_path", "lasso_path",
]  # fmt: skip
