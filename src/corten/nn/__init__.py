"""Neural networks: modules, layers, losses, initialisations."""

from typing import TYPE_CHECKING, Any

from corten.nn import functional, init
from corten.nn.activation import *  # noqa: F403
from corten.nn.attention import *  # noqa: F403
from corten.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from corten.nn.conv import *  # noqa: F403
from corten.nn.dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d
from corten.nn.linear import Bilinear, Flatten, Identity, Linear, Unflatten
from corten.nn.loss import *  # noqa: F403
from corten.nn.module import Module
from corten.nn.normalization import *  # noqa: F403
from corten.nn.parameter import Buffer, Parameter, UninitializedParameter
from corten.nn.pooling import *  # noqa: F403
from corten.nn.rnn import *  # noqa: F403
from corten.nn.sparse import Embedding
from corten.nn.transformer import *  # noqa: F403

__all__ = ["AlphaDropout", "Bilinear", "Buffer", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "Embedding",
           "Flatten", "Identity", "Linear", "Module", "ModuleDict", "ModuleList", "Parameter",
           "ParameterDict", "ParameterList", "Sequential", "Unflatten", "UninitializedParameter", "functional",
           "init"]  # fmt: skip

if TYPE_CHECKING:  # pooling and padding layers are made in a loop

    def __getattr__(name: str) -> Any: ...
