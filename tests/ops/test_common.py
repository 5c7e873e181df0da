"""Every declared op, over samples, dtypes and layouts: against its reference, finite differences and both instruction paths."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from corten._core.core import REGISTRY, TensorBase
from samples import SAMPLES

import corten
from corten.autograd import gradcheck, gradgradcheck

CASES = [(name, i) for name, cases in SAMPLES.items() for i in range(len(cases))]
WITH_REFERENCE = {name for name, o in REGISTRY.items() if getattr(o, "reference", None) is not None and not name.endswith("_")}
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


def build(case: dict[str, Any], dtype: str, layout: str = "plain", grad: bool = False) -> list[Any]:
    """The sample's inputs as tensors of a dtype, in a layout."""
    made = []
    for a in case["args"]:
        if isinstance(a, np.ndarray):
            kind = a.dtype.kind
            array = a.astype(dtype) if kind == "f" else a
            t = corten.tensor(array)
            if layout == "strided" and t.ndim:
                wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
                wide[..., ::2] = array
                t = corten.tensor(wide)[..., ::2]
            elif layout == "transposed" and t.ndim >= 2:
                t = corten.tensor(np.ascontiguousarray(np.swapaxes(array, 0, -1))).transpose(0, -1)
            t = t.detach()
            if grad and kind == "f":
                t.requires_grad_()
            made.append(t)
        else:
            made.append(a)
    return made


def expected(name: str, case: dict[str, Any]) -> Any:
    """The reference on float64 NumPy arrays."""
    with np.errstate(all="ignore"):
        attrs = dict(case.get("attrs", {}))
        op = REGISTRY[name]
        for k in op.attrs:
            attrs.setdefault(k, None)
        return op.reference(np, *case["args"], **attrs)


@pytest.mark.parametrize(("name", "i"), CASES)
def test_equals_reference(name: str, i: int) -> None:
    case = SAMPLES[name][i]
    want = np.asarray(expected(name, case))
    for dtype in ("float64",) if case.get("integer") else ("float32", "float64"):  # integers have one form
        for layout in ("plain",) if name == "view_op" else ("plain", "strided", "transposed"):  # others need a copy
            got = REGISTRY[name](*build(case, dtype, layout), **case.get("attrs", {})).numpy()
            what = f"{dtype}, {layout}"
            assert got.shape == want.shape, what
            if want.dtype.kind == "f":
                assert got.dtype == dtype, what
                np.testing.assert_allclose(got, want, rtol=TOLERANCE[dtype] * 10, atol=TOLERANCE[dtype], err_msg=what)
            else:
                np.testing.assert_array_equal(got, want, err_msg=what)


DIFFERENTIABLE = [(n, i) for n, i in CASES if REGISTRY[n].is_differentiable]


@pytest.mark.parametrize(("name", "i"), DIFFERENTIABLE)
def test_gradient_equals_finite_differences(name: str, i: int) -> None:
    case = SAMPLES[name][i]
    inputs = build(case, "float64", grad=True)
    op, attrs = REGISTRY[name], case.get("attrs", {})
    for j, one in enumerate(inputs):  # ops without a gradient for some input
        if isinstance(one, TensorBase) and one.requires_grad and name in ("floor_divide",) or (name, j) == ("copysign", 1):
            one.requires_grad_(False)
    if not any(isinstance(x, TensorBase) and x.requires_grad for x in inputs):
        pytest.skip("no input has a gradient")
    assert gradcheck(lambda *a: op(*a, **attrs), tuple(inputs))


FLAT = {"sign", "floor", "ceil", "round", "trunc", "frac", "copysign", "lgamma"}


@pytest.mark.parametrize(("name", "i"), [(n, i) for n, i in DIFFERENTIABLE if i < 2 and n not in FLAT])
def test_second_derivative(name: str, i: int) -> None:
    case = SAMPLES[name][i]
    inputs = build(case, "float64", grad=True)
    op, attrs = REGISTRY[name], case.get("attrs", {})
    if name == "floor_divide":
        pytest.skip("no gradient")
    assert gradgradcheck(lambda *a: op(*a, **attrs), tuple(inputs))


@pytest.mark.parametrize(("name", "i"), CASES)
def test_shape_only_run_gives_the_shape(name: str, i: int) -> None:
    case = SAMPLES[name][i]
    inputs = build(case, "float32")
    real = REGISTRY[name](*inputs, **case.get("attrs", {}))
    meta = [corten.empty_like(x, device="meta") if isinstance(x, TensorBase) else x for x in inputs]
    out = REGISTRY[name](*meta, **case.get("attrs", {}))
    assert out.is_meta
    assert out.shape == real.shape
    assert out.dtype is real.dtype


FIXED = ("matmul_op", "linear", "linear_activated", "lerp", "addcmul", "addcdiv")  # shapes that depend on each other


@pytest.mark.parametrize(("name", "i"), [(n, i) for n, i in CASES if i < 2])
def test_same_for_any_number_of_threads(name: str, i: int) -> None:
    case = SAMPLES[name][i]
    if "transpose" in name or "view" in name:
        pytest.skip("moves nothing")
    wide = {**case, "args": [np.tile(a, (300,) + (1,) * (a.ndim - 1)) if isinstance(a, np.ndarray) and a.ndim > 1 and
                             a.shape == case["args"][0].shape and name not in FIXED else a
                             for a in case["args"]]}  # fmt: skip
    attrs = dict(case.get("attrs", {}))
    if "size" in attrs:
        pytest.skip("a fixed size")
    before = corten.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            corten.set_num_threads(threads)
            results.append(REGISTRY[name](*build(wide, "float32"), **attrs).numpy().copy())
    finally:
        corten.set_num_threads(before)
    for a, b in itertools.pairwise(results):
        assert a.tobytes() == b.tobytes()


def test_every_op_with_a_reference_has_samples() -> None:
    missing = sorted(WITH_REFERENCE - set(SAMPLES) - {"cat"})
    assert not missing, f"add samples for {missing} to tests/ops/samples.py"
