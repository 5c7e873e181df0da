"""The op declarations, one module a family. Importing this package fills the registry."""

from corten._core import core
from corten.ops import (  # noqa: F401
    activation,
    attention,
    compare,
    complex,
    conv,
    create,
    einsum,
    elementary,
    indexing,
    inspect,
    later,
    loss,
    masks,
    matmul,
    norm,
    pieces,
    pointwise,
    pooling,
    random,
    recurrent,
    reduce,
    scan,
    shape,
    slices,
    sort,
    statistics,
    view,
)
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
