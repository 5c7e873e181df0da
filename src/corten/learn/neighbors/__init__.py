"""Nearest neighbours: search, graphs, classification, regression."""

from ._estimators import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    NearestNeighbors,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
)
from ._graph import kneighbors_graph, radius_neighbors_graph

__all__ = [
    "KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors", "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor", "kneighbors_graph", "radius_neighbors_graph",
]  # fmt: skip
