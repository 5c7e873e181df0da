"""Matrix decompositions: principal components, truncated SVD, kernel PCA, independent components."""

from corten.learn.decomposition._ica import FastICA
from corten.learn.decomposition._incremental import IncrementalPCA
from corten.learn.decomposition._kernel import KernelPCA
from corten.learn.decomposition._pca import PCA
from corten.learn.decomposition._truncated_svd import TruncatedSVD

__all__ = ["FastICA", "IncrementalPCA", "KernelPCA", "PCA", "TruncatedSVD"]
