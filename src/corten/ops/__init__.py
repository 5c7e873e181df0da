"""The op declarations, one module a family. Importing this package fills the registry."""

from corten._core import core
from corten.ops import (  # noqa: F401  # noqa: F401  (these stand on the ones above)
    activation,
    attention,
    compare,
    complex,
    composite,
    conv,
    create,
    einsum,
    elementary,
    factor,
    fourier,
    indexing,
    inspect,
    linalg,
    loss,
    matmul,
    matrix,
    norm,
    pointwise,
    pooling,
    random,
    recurrent,
    reduce,
    scan,
    shape,
    signal,
    sort,
    special,
    statistics,
    view,
)  # isort: skip
from corten.ops.declare import FUNCTIONS, op

__all__ = ["FUNCTIONS", "op"]

core._bind_operators({
    **core.REGISTRY,
    "matmul": matmul.matmul,
    "advanced_get": indexing.advanced_get,
    "advanced_set": indexing.advanced_set,
})  # fmt: skip
for _name in ("add", "sub", "div", "pow"):  # in-place forms of the ones that are functions
    _twin = core.REGISTRY[_name].in_place()
    core.REGISTRY[_name + "_"] = _twin
pointwise.bind_inplace()

core.Op("custom_function(*) -> out", impl=lambda: None)  # what an autograd.Function's node shows as its op
