"""Clustering: k-means, density, hierarchies."""

from ._agglomerative import AgglomerativeClustering
from ._dbscan import DBSCAN, dbscan
from ._kmeans import KMeans, MiniBatchKMeans, k_means, kmeans_plusplus

__all__ = ["AgglomerativeClustering", "DBSCAN", "KMeans", "MiniBatchKMeans", "dbscan", "k_means", "kmeans_plusplus"]
