"""Clustering: k-means, density, hierarchies, and how many clusters to ask for."""

from ._agglomerative import AgglomerativeClustering
from ._choose import ElbowDisplay, SilhouetteDisplay
from ._dbscan import DBSCAN, dbscan
from ._kmeans import KMeans, k_means, kmeans_plusplus
from ._mini_batch import MiniBatchKMeans
from ._optics import OPTICS, cluster_optics_dbscan, cluster_optics_xi, compute_optics_graph

__all__ = [
    "AgglomerativeClustering", "DBSCAN", "ElbowDisplay", "KMeans", "MiniBatchKMeans", "OPTICS", "SilhouetteDisplay",
    "cluster_optics_dbscan", "cluster_optics_xi", "compute_optics_graph", "dbscan", "k_means", "kmeans_plusplus",
]  # fmt: skip
