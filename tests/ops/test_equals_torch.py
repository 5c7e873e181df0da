"""Functions, methods and their gradients against PyTorch, by tables of calls (torch_cases.py)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch_cases as cases

import corten
from corten.autograd import gradgradcheck

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(3)


def distinct(*shape: int) -> np.ndarray:
    """Values that differ by at least 0.07, none near 0."""
    n = int(np.prod(shape))
    return (RNG.permutation(n) * 0.11 - n * 0.055 + 0.037).reshape(shape)


NEAR = RNG.uniform(-1, 1, (2, 3, 3))
INPUTS: dict[str, dict[str, np.ndarray]] = {
    "SMOOTH": {"x": RNG.uniform(0.12, 0.88, (3, 4))},
    "MATRIX": {"x": distinct(3, 4), "y": distinct(3, 4) + 0.013, "v": distinct(4)},
    "BATCH": {"b": distinct(2, 3, 4), "c": distinct(2, 4, 5), "d": distinct(3, 5)},
    "SQUARE": {"a": NEAR + 3 * np.eye(3), "s": NEAR @ np.swapaxes(NEAR, 1, 2) + np.eye(3), "r": RNG.uniform(-1, 1, (2, 3, 2)),
               "t": RNG.uniform(-1, 1, (5, 3)) + 2 * np.eye(5, 3)},
    "INTEGER": {"i": RNG.integers(0, 5, (3, 4)), "j": RNG.integers(1, 6, (3, 4)), "w": RNG.integers(0, 6, 8)},
    "FOURIER": {"x": RNG.uniform(-1, 1, (2, 8))},
    "IN_PLACE": {"x": RNG.uniform(0.1, 0.9, (3, 3)), "y": RNG.uniform(0.1, 0.9, (3, 3))},
    "ERRORS": {"x": distinct(3, 4), "v": distinct(4), "b": distinct(2, 3, 4), "i": RNG.integers(0, 5, (3, 4)), "w": RNG.integers(1, 6, 8)},
}  # fmt: skip
REAL = [(t, c) for t in ("SMOOTH", "MATRIX", "BATCH", "SQUARE", "FOURIER") for c in cases.calls(getattr(cases, t))]


def tensor_of(lib: Any, array: np.ndarray, layout: str = "plain") -> Any:
    """A tensor over a copy of the array, perhaps with other strides."""
    if layout == "strided" and array.ndim:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return lib.tensor(wide)[..., ::2]
    if layout == "transposed" and array.ndim > 1:
        return lib.tensor(np.ascontiguousarray(np.swapaxes(array, 0, -1))).transpose(0, -1)
    return lib.tensor(array.copy())


def evaluate(lib: Any, call: str, inputs: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(call, {"L": lib, **inputs})


def flat(result: Any) -> list[Any]:
    """All tensors (and other values) of a result, in order."""
    if isinstance(result, (tuple, list)) and not hasattr(result, "numel"):
        return [x for r in result for x in flat(r)]
    return [result]


def compare(ours: Any, theirs: Any, tolerance: float) -> None:
    a, b = flat(ours), flat(theirs)
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        if not hasattr(y, "dtype"):
            assert tuple(x) == tuple(y) if isinstance(y, torch.Size) else x == y
            continue
        assert str(x.dtype).partition(".")[2] == str(y.dtype).partition(".")[2]
        assert tuple(x.shape) == tuple(y.shape)
        got = (x.float() if x.dtype is corten.bfloat16 else x).detach().numpy()
        want = (y.float() if y.dtype is torch.bfloat16 else y).detach().resolve_conj().numpy()
        if want.dtype.kind in "fc":
            np.testing.assert_allclose(got, want, rtol=tolerance * 10, atol=tolerance)
        else:
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("table", "call"), REAL)
def test_values(table: str, call: str) -> None:
    for dtype, layout in (
        ("float32", "plain"),
        ("float64", "plain"),
        ("float64", "strided"),
        ("float64", "transposed"),
    ):
        arrays = {k: v.astype(dtype) for k, v in INPUTS[table].items()}
        try:
            theirs = evaluate(torch, call, {k: tensor_of(torch, v, layout) for k, v in arrays.items()})
        except RuntimeError:
            assert layout != "plain"  # PyTorch takes no such strides here
            continue
        ours = evaluate(corten, call, {k: tensor_of(corten, v, layout) for k, v in arrays.items()})
        compare(ours, theirs, 2e-5 if dtype == "float32" else 1e-10)


def pull(lib: Any, call: str, arrays: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """Gradients of a fixed random combination of all floating results."""
    inputs = {k: tensor_of(lib, v).requires_grad_() for k, v in arrays.items()}
    total, rng = None, np.random.default_rng(5)
    for out in flat(evaluate(lib, call, inputs)):
        if not hasattr(out, "requires_grad") or not out.requires_grad:
            continue
        if out.is_complex():
            out = lib.view_as_real(out.resolve_conj())
        term = (out * lib.tensor(rng.uniform(0.5, 1.5, tuple(out.shape))).to(out.dtype)).sum()
        total = term if total is None else total + term
    if total is None:
        return None
    total.backward()
    return {k: v.grad for k, v in inputs.items()}


@pytest.mark.parametrize(("table", "call"), REAL)
def test_gradients(table: str, call: str) -> None:
    theirs = pull(torch, call, INPUTS[table])
    ours = pull(corten, call, INPUTS[table])
    assert (theirs is None) == (ours is None)
    for name, want in (theirs or {}).items():
        got = ours[name]
        if want is None:
            assert got is None or not got.numpy().any()
            continue
        np.testing.assert_allclose(
            np.zeros(want.shape) if got is None else got.numpy(), want.numpy(), rtol=1e-8, atol=1e-9
        )


SECOND = [(t, c) for t, c in REAL if c in cases.calls(cases.SECOND)]


@pytest.mark.parametrize(("table", "call"), SECOND)
def test_second_derivatives(table: str, call: str) -> None:
    names = [k for k in INPUTS[table] if f"({k}" in call or f", {k}" in call]
    inputs = tuple(tensor_of(corten, INPUTS[table][k]).requires_grad_() for k in names)

    def run(*xs: Any) -> Any:
        given = dict(zip(names, xs, strict=True))
        if "s" in given:  # a symmetric input stays one
            given["s"] = (given["s"] + given["s"].mT) / 2
        out = evaluate(corten, call, given)
        return sum(o.sum() if i else (o * o).sum() for i, o in enumerate(flat(out)) if o.requires_grad)

    assert gradgradcheck(run, inputs)


@pytest.mark.parametrize("call", cases.calls(cases.SMOOTH))
def test_edges(call: str) -> None:
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, 1e-30, 1e30])
    for array in (special, np.array(0.3), np.zeros((0,)), np.zeros((2, 0, 3)), np.array([[0.4]])):
        try:
            theirs = evaluate(torch, call, {"x": torch.tensor(array)})
        except (RuntimeError, IndexError, ValueError):
            with pytest.raises((RuntimeError, IndexError, ValueError)):
                evaluate(corten, call, {"x": corten.tensor(array)})
            continue
        compare(evaluate(corten, call, {"x": corten.tensor(array)}), theirs, 1e-9)


@pytest.mark.parametrize("call", cases.calls(cases.INTEGER))
def test_integers(call: str) -> None:
    for dtype in ("int64", "int32", "uint8"):
        arrays = {k: v.astype(dtype) for k, v in INPUTS["INTEGER"].items()}
        try:
            theirs = evaluate(torch, call, {k: torch.tensor(v) for k, v in arrays.items()})
        except (RuntimeError, NotImplementedError):
            continue  # PyTorch lacks it for this dtype
        compare(evaluate(corten, call, {k: corten.tensor(v) for k, v in arrays.items()}), theirs, 2e-6)


@pytest.mark.parametrize("call", cases.calls(cases.IN_PLACE))
def test_in_place(call: str) -> None:
    arrays = INPUTS["IN_PLACE"]
    ours, theirs = ({k: lib.tensor(v.copy()) for k, v in arrays.items()} for lib in (corten, torch))
    made = evaluate(corten, call, ours)
    assert made is ours["x"]
    evaluate(torch, call, theirs)
    compare(ours["x"], theirs["x"], 1e-10)


@pytest.mark.parametrize("call", cases.calls(cases.ERRORS))
def test_errors(call: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        evaluate(torch, call, {k: tensor_of(torch, v) for k, v in INPUTS["ERRORS"].items()})
    with pytest.raises(Exception) as ours:  # noqa: PT011
        evaluate(corten, call, {k: tensor_of(corten, v) for k, v in INPUTS["ERRORS"].items()})
    builtin = next(t for t in type(theirs.value).__mro__ if t.__module__ == "builtins")
    assert isinstance(ours.value, builtin), f"{ours.value!r} for {theirs.value!r}"


@pytest.mark.parametrize("call", cases.calls(cases.HALF))
def test_halves(call: str) -> None:
    for name in ("float16", "bfloat16"):
        ours, theirs = (
            {k: tensor_of(lib, v).to(getattr(lib, name)) for k, v in INPUTS["MATRIX"].items()}
            for lib in (corten, torch)
        )
        compare(evaluate(corten, call, ours), evaluate(torch, call, theirs), 2e-3 if name == "float16" else 2e-2)


def test_out_takes_the_result_and_its_shape() -> None:
    x, out = corten.tensor([3.0, 1.0]), corten.empty(0)
    assert corten.cumsum(x, 0, out=out) is out
    assert out.tolist() == [3.0, 4.0]
    with pytest.raises(RuntimeError, match="cannot be cast"):
        corten.cumsum(x, 0, out=corten.empty(2, dtype=corten.int64))
    with pytest.warns(UserWarning, match="resized"):
        corten.cumsum(x, 0, out=corten.empty(5))


def test_named_results() -> None:
    made = corten.sort(corten.tensor([2.0, 1.0]))
    assert made.values.tolist() == [1.0, 2.0]
    assert made.indices.tolist() == [1, 0]
    assert "sort" in repr(made)


@pytest.mark.parametrize("call", cases.calls(cases.THREADS))
def test_same_for_any_number_of_threads(call: str) -> None:
    x = corten.tensor(np.random.default_rng(1).standard_normal((257, 300)).astype(np.float32))
    before, seen = corten.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            corten.set_num_threads(threads)
            seen.append([o.numpy().tobytes() for o in flat(evaluate(corten, call, {"x": x}))])
    finally:
        corten.set_num_threads(before)
    assert seen[0] == seen[1] == seen[2]


def test_what_is_imported_later_is_what_its_modules_publish() -> None:
    import importlib

    from corten.ops import later
    from corten.ops.declare import FUNCTIONS
    from corten.tensor import Tensor

    for module, names in later.PUBLISHED.items():
        importlib.import_module(f"corten.ops.{module}")
        for name in names.split():
            assert FUNCTIONS[name.rstrip("*")].__module__ != "corten.ops.later"
            assert not name.endswith("*") or getattr(Tensor, name.rstrip("*")).__module__ != "corten.ops.later"


@pytest.mark.parametrize(("a", "b"), [((300, 100), (300, 1)), ((5, 7, 100), (5, 1, 100)), ((300, 300), (300,)), ((40, 33), (1, 33)),
                                      ((6, 2000), (6, 1)), ((3, 50, 40), (50, 1)), ((200, 64), (200, 64))])  # fmt: skip
def test_broadcast_of_wide_rows(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal(a).astype(np.float32), rng.standard_normal(b).astype(np.float32)
    for left, right in ((x, y), (np.ascontiguousarray(x.T).T, y)):
        np.testing.assert_array_equal((tensor_of(corten, left) * tensor_of(corten, right)).numpy(), left * right)
        np.testing.assert_array_equal((corten.from_numpy(left) - corten.from_numpy(right)).numpy(), left - right)


@pytest.mark.parametrize("width", [1, 7, 33, 100, 300, 511, 513])
def test_reductions_of_rows_of_any_width(width: int) -> None:
    x = np.random.default_rng(width).standard_normal((9, width)).astype(np.float32)
    for row, value in ((0, np.nan), (1, np.inf), (2, -np.inf)):
        x[row, width // 2] = value
    x[3, 0], x[3, -1] = np.inf, -np.inf
    with np.errstate(all="ignore"):
        for name in ("sum", "mean"):
            want = getattr(x.astype(np.float64), name)(1)
            np.testing.assert_allclose(getattr(corten.from_numpy(x), name)(1).numpy(), want, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(corten.from_numpy(x).amax(1).numpy(), x.max(1))
        np.testing.assert_array_equal(corten.from_numpy(x).amin(1).numpy(), x.min(1))


@pytest.mark.parametrize("call", ["x.repeat(2, 1)", "x.repeat(1, 1)", "L.tile(x, (1,))", "L.repeat_interleave(x, 3, 0)", "L.flip(x, (0,))",
                                  "L.triu(x)", "L.roll(x, 0, 0)", "L.rot90(x, 0)", "L.unbind_copy(x)[0]"])  # fmt: skip
def test_copies_share_no_memory(call: str) -> None:
    x = corten.ones(1, 2)
    out = evaluate(corten, call, {"x": x})
    out[...] = 5.0
    assert x.tolist() == [[1.0, 1.0]]
