"""Support vector machines."""

from ._classes import SVC, SVR, NuSVC, NuSVR, OneClassSVM
from ._linear import LinearSVC, LinearSVR

__all__ = ["SVC", "SVR", "LinearSVC", "LinearSVR", "NuSVC", "NuSVR", "OneClassSVM"]
