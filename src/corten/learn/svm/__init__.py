"""Support vector machines."""

from ._classify import SVC, NuSVC
from ._linear import LinearSVC, LinearSVR
from ._regress import SVR, NuSVR, OneClassSVM

__all__ = ["SVC", "SVR", "LinearSVC", "LinearSVR", "NuSVC", "NuSVR", "OneClassSVM"]
