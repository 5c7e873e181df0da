"""Clustering: k-means, density, hierarchies."""

from ._dbscan import DBSCAN, dbscan
from ._kmeans import KMeans, MiniBatchKMeans, k_means, kmeans_plusplus

__all__ = ["DBSCAN", "KMeans", "MiniBatchKMeans", "dbscan", "k_means", "kmeans_plusplus"]
