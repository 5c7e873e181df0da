"""Neural networks: modules, layers, losses, initialisations."""

from typing import TYPE_CHECKING, Any

from corten.nn import functional, init, utils
from corten.nn.activation import *  # noqa: F403
from corten.nn.adaptive_softmax import *  # noqa: F403
from corten.nn.attention import *  # noqa: F403
from corten.nn.channels import *  # noqa: F403
from corten.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from corten.nn.conv import *  # noqa: F403
from corten.nn.distance import *  # noqa: F403
from corten.nn.dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d
from corten.nn.lazy import *  # noqa: F403
from corten.nn.linear import Bilinear, Flatten, Identity, Linear, Unflatten
from corten.nn.loss import *  # noqa: F403
from corten.nn.loss_margin import *  # noqa: F403
from corten.nn.module import Module
from corten.nn.normalization import *  # noqa: F403
from corten.nn.parallel import DataParallel, SyncBatchNorm
from corten.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
from corten.nn.pooling import *  # noqa: F403
from corten.nn.positions import *  # noqa: F403
from corten.nn.rnn import *  # noqa: F403
from corten.nn.rnn import CellBase as RNNCellBase
from corten.nn.sparse import Embedding, EmbeddingBag
from corten.nn.transformer import *  # noqa: F403

__all__ = ["AlphaDropout", "Bilinear", "Buffer", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "Embedding",
           "EmbeddingBag", "Flatten", "Identity", "Linear", "Module", "ModuleDict", "ModuleList", "Parameter",
           "ParameterDict", "ParameterList", "Sequential", "Unflatten", "UninitializedParameter", "functional",
           "init", "utils"]  # fmt: skip

if TYPE_CHECKING:  # pooling and padding layers are made in a loop

    def __getattr__(name: str) -> Any: ...
