"""Linear models: least squares, ridge, lasso, elastic net, logistic regression, gradient descent."""

from corten.learn.linear_model._elastic_net import ElasticNet, ElasticNetCV, Lasso, LassoCV, enet_path, lasso_path
from corten.learn.linear_model._gradient_descent import GradientDescentRegressor
from corten.learn.linear_model._least_squares import LinearRegression
from corten.learn.linear_model._logistic import LogisticRegression
from corten.learn.linear_model._ridge import Ridge, RidgeClassifier, RidgeClassifierCV, RidgeCV
from corten.learn.linear_model._sgd import Perceptron, SGDClassifier, SGDRegressor

__all__ = [
    "ElasticNet", "ElasticNetCV", "GradientDescentRegressor", "Lasso", "LassoCV", "LinearRegression",
    "LogisticRegression", "Perceptron", "Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier",
    "SGDRegressor", "enet_path", "lasso_path",
]  # fmt: skip
