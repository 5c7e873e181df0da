"""Recording and backward, judged by PyTorch doing the same."""

from __future__ import annotations

import gc
import weakref
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")

PROGRAMS: dict[str, Any] = {
    "a product": lambda lib, x, y: (x * y).sum(),
    "broadcast": lambda lib, x, y: (x * y[0] + x[:, :1] / (y * y + 1)).sum(),
    "used twice": lambda lib, x, y: (x * x * x + x).mean() * y.sum(),
    "reductions": lambda lib, x, y: x.amax(1).sum() + (x.std(0) * (y * y).sum().sqrt()).sum(),
    "views": lambda lib, x, y: (x.t().reshape(2, -1)[:, ::2] ** 2).sum() + y.flatten()[3] * 2,
    "products of matrices": lambda lib, x, y: (x @ y.t()).tanh().sum(),
    "softmax": lambda lib, x, y: (lib.nn.functional.softmax(x, 1) * y).sum(),
    "several outputs": lambda lib, x, y: (x.unbind(0)[1] * y.split(1)[0]).sum() + x.chunk(2, 1)[1].sum(),
    "in place": lambda lib, x, y: (x * 2).mul_(y).add_(x).sum(),
    "in place on a view": lambda lib, x, y: written(x, y),
    "stack and cat": lambda lib, x, y: (lib.stack([x, y]).prod(0) + lib.cat([x, y], 1)[:, 1:5]).sum(),
    "where": lambda lib, x, y: lib.where(x > y, x * y, y).sum(),
}


def written(x: Any, y: Any) -> Any:
    z = x * 1
    z[1] = y[0] * 3
    z[:, 2].mul_(y[:, 2])
    z[0].add_(z[2])
    return (z * z).sum()


def values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((3, 4))


def leaves(lib: ModuleType) -> list[Any]:
    return [lib.from_numpy(values(k).copy()).requires_grad_() for k in range(2)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_equal_pytorchs(name: str) -> None:
    found = []
    for lib in (corten, torch):
        x, y = leaves(lib)
        loss = PROGRAMS[name](lib, x, y)
        loss.backward()
        found.append([loss.item(), *(np.zeros((3, 4)) if t.grad is None else t.grad.numpy() for t in (x, y))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_second_derivatives_equal_pytorchs(name: str) -> None:
    found = []
    for lib in (corten, torch):
        x, y = leaves(lib)
        first = lib.autograd.grad(PROGRAMS[name](lib, x, y), [x, y], create_graph=True, allow_unused=True)
        total = sum((g * g).sum() for g in first if g is not None)
        second = lib.autograd.grad(total, [x, y], allow_unused=True) if total.requires_grad else [None, None]
        found.append([np.zeros((3, 4)) if g is None else g.detach().numpy() for g in second])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", ["a product", "views", "softmax"])
def test_gradcheck_agrees(name: str) -> None:
    assert corten.autograd.gradcheck(lambda x, y: PROGRAMS[name](corten, x, y), leaves(corten))


def test_parameters_of_grad_are_pytorchs() -> None:
    import inspect

    assert list(inspect.signature(corten.autograd.grad).parameters) == list(inspect.signature(torch.autograd.grad).parameters)
    for m in (corten, torch):
        x, y = m.ones(2, requires_grad=True), m.ones(2, requires_grad=True)
        first, second = m.autograd.grad((2 * x).sum(), (x, y), None, None, False, True, True)
        assert first.tolist() == [2, 2] and second is None and y.grad is None
        with pytest.warns(FutureWarning, match="only_inputs"):
            m.autograd.grad((2 * x).sum(), x, only_inputs=False)


def test_gradients_accumulate_and_are_set_anew() -> None:
    x = corten.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [6, 6]
    kept = x.grad
    x.grad = None
    (x * 5).sum().backward()
    assert x.grad.tolist() == [5, 5]
    assert kept.tolist() == [6, 6]


def test_a_gradient_is_not_shared_between_leaves() -> None:
    x, y = corten.ones(3, requires_grad=True), corten.ones(3, requires_grad=True)
    (x + y).sum().backward()
    x.grad.add_(1)
    assert y.grad.tolist() == [1, 1, 1]


def test_the_gradient_given_to_backward_is_not_changed() -> None:
    g = corten.ones(3)
    x = corten.ones(3, requires_grad=True)
    (x * 1).backward(g)
    (x * 1).backward(g)
    assert g.tolist() == [1, 1, 1]
    assert x.grad.tolist() == [2, 2, 2]


# ---- modes


def test_no_grad_records_nothing_and_enable_grad_does() -> None:
    x = corten.ones(2, requires_grad=True)
    with corten.no_grad():
        assert not corten.is_grad_enabled()
        assert not (x * 2).requires_grad
        with corten.enable_grad():
            assert (x * 2).requires_grad
        with corten.set_grad_enabled(True):
            assert (x * 2).requires_grad
    assert corten.is_grad_enabled()

    @corten.no_grad()
    def double(t: Any) -> Any:
        return t * 2

    assert not double(x).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_is_left_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), corten.no_grad():
        1 / 0  # noqa: B018
    assert corten.is_grad_enabled()


def test_inference_tensors_stay_out_of_the_tape() -> None:
    x = corten.ones(2, requires_grad=True)
    with corten.inference_mode():
        y = x * 2
        assert y.is_inference()
        assert not y.requires_grad
        y.add_(1)
    with pytest.raises(RuntimeError, match="inference"):
        y.add_(1)
    with pytest.raises(RuntimeError, match="inference"):
        y.requires_grad_()
    assert (y.clone() + 1).tolist() == [4, 4]


def test_detach_shares_memory_and_stops_gradients() -> None:
    x = corten.ones(2, requires_grad=True)
    d = x.detach()
    assert d.data_ptr() == x.data_ptr()
    assert not d.requires_grad
    (x * d).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_modes_belong_to_a_thread() -> None:
    import threading

    seen = []
    with corten.no_grad():
        thread = threading.Thread(target=lambda: seen.append(corten.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


# ---- hooks


def hook_log(lib: ModuleType) -> list[Any]:
    log: list[Any] = []
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    first = x.register_hook(lambda g: log.append(("leaf", g.tolist())))
    y.register_hook(lambda g: log.append(("middle", g.tolist())))
    y.register_hook(lambda g: g * 10)
    x.register_post_accumulate_grad_hook(lambda t: log.append(("after", t.grad.tolist())))
    y.retain_grad()
    (y * y).sum().backward(retain_graph=True)
    log += [x.grad.tolist(), y.grad.tolist()]
    first.remove()
    (y * y).sum().backward()
    log += [x.grad.tolist(), y.grad.tolist()]
    return log


def test_hooks_run_as_in_pytorch() -> None:
    assert hook_log(corten) == hook_log(torch)


def test_hook_errors_reach_the_caller_and_leave_the_graph_usable() -> None:
    x = corten.ones(2, requires_grad=True)
    y = x * 2

    def fail(g: Any) -> None:
        raise KeyError("from the hook")

    handle = y.register_hook(fail)
    with pytest.raises(KeyError, match="from the hook"):
        y.sum().backward(retain_graph=True)
    handle.remove()
    assert x.grad is None
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


# ---- graphs


def test_a_second_backward_needs_retain_graph() -> None:
    x = corten.ones(2, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 4]
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_grad_touches_no_grad_attribute_and_knows_unused_inputs() -> None:
    x, y = leaves(corten)
    (g,) = corten.autograd.grad((x * x).sum(), [x])
    np.testing.assert_allclose(g.numpy(), 2 * values(0))
    assert x.grad is None
    with pytest.raises(RuntimeError):
        corten.autograd.grad((x * x).sum(), [y])
    assert corten.autograd.grad((x * x).sum(), [y], allow_unused=True) == (None,)


def test_gradients_of_values_in_the_middle() -> None:
    x = corten.tensor([1.0, 2.0], requires_grad=True)
    middle = x * 3
    out = (middle * middle).sum()
    assert corten.autograd.grad(out, [middle, x])[0].tolist() == [6, 12]
    middle = x * 3
    (middle * middle).sum().backward(inputs=[x])
    assert x.grad.tolist() == [18, 36]


def test_backward_of_several_elements_needs_a_gradient() -> None:
    x = corten.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError):
        (x * 2).backward()
    with pytest.raises(RuntimeError):
        (x * 2).backward(corten.ones(4))
    with pytest.raises(RuntimeError):
        corten.ones(1).backward()


def test_nested_backward_inside_a_hook() -> None:
    x, z = corten.ones(2, requires_grad=True), corten.ones(2, requires_grad=True)
    y = x * 2

    def inner(g: Any) -> None:
        with corten.enable_grad():
            (z * 3).sum().backward()

    y.register_hook(inner)
    y.sum().backward()
    assert (x.grad.tolist(), z.grad.tolist()) == ([2, 2], [3, 3])


def test_a_hook_into_the_same_graph_is_refused() -> None:
    x = corten.ones(2, requires_grad=True)
    y = x * 2
    z = y * 3

    def again(g: Any) -> None:
        z.sum().backward(retain_graph=True)

    z.register_hook(again)
    with pytest.raises((RuntimeError, RecursionError)):
        z.sum().backward(retain_graph=True)


# ---- functions of the user


class Cube(corten.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, factor: float) -> Any:
        ctx.save_for_backward(x)
        ctx.factor = factor
        return x * x * x * factor

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x * ctx.factor, None


class SwapScale(corten.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        return y * 2, x * 3

    @staticmethod
    def backward(ctx: Any, first: Any, second: Any) -> Any:
        return second * 3, first * 2


def test_function_with_second_derivative() -> None:
    x = corten.tensor([1.0, 2.0], dtype=corten.float64, requires_grad=True)
    assert corten.autograd.gradcheck(lambda t: Cube.apply(t, 2.0), [x])
    assert corten.autograd.gradgradcheck(lambda t: Cube.apply(t, 2.0), [x])


def test_function_of_several_values_with_one_unused() -> None:
    x, y = corten.ones(2, requires_grad=True), corten.ones(2, requires_grad=True)
    first, _ = SwapScale.apply(x, y)
    first.sum().backward()
    assert y.grad.tolist() == [2, 2]
    assert x.grad.tolist() == [0, 0]


def test_function_that_returns_too_few_gradients() -> None:
    class Wrong(corten.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = corten.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="expected 2"):
        Wrong.apply(x, x).sum().backward()


def test_gradcheck_finds_a_wrong_gradient() -> None:
    class Wrong(corten.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a * a

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = corten.tensor([2.0], dtype=corten.float64, requires_grad=True)
    with pytest.raises(RuntimeError):
        corten.autograd.gradcheck(Wrong.apply, [x])
    assert not corten.autograd.gradcheck(Wrong.apply, [x], raise_exception=False)


# ---- anomaly mode


def test_anomaly_mode_names_the_forward_line() -> None:
    x = corten.tensor([0.0], requires_grad=True)
    with corten.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="NaN") as caught:
        y = x.sqrt() * 0  # the line that is to blame
        y.sum().backward()
    assert "the line that is to blame" in str(caught.value)
    assert not corten.is_anomaly_enabled()


# ---- work in place


def test_a_saved_value_that_was_overwritten_is_noticed() -> None:
    x = corten.ones(2, requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="in-place"):
        z.sum().backward()


def test_overwriting_a_value_that_was_not_saved_is_fine() -> None:
    x = corten.ones(2, requires_grad=True)
    y = x * 1
    z = y + 2
    y.mul_(5)
    (z.sum() + y.sum()).backward()
    assert x.grad.tolist() == [6, 6]


def test_a_view_sees_what_was_done_to_its_base() -> None:
    found = []
    for lib in (corten, torch):
        x = lib.from_numpy(values(0)).requires_grad_()
        base = x * 2
        row, column = base[1], base[:, 1]
        base.mul_(x)
        row.add_(1)
        (column * column).sum().backward()
        found.append(x.grad.numpy())
    np.testing.assert_allclose(*found)


def test_leaves_cannot_be_changed_in_place_while_recording() -> None:
    x = corten.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0].add_(1)
    with pytest.raises(RuntimeError, match="leaf"):
        x[corten.tensor([0])] = 1.0
    with corten.no_grad():
        x.add_(1)
    assert x.tolist() == [2, 2, 2]


def test_expanded_tensors_cannot_be_written() -> None:
    with pytest.raises(RuntimeError, match="expanded"):
        corten.zeros(3).expand(2, 3).add_(1)


# ---- lifetime


def test_a_chain_of_a_million_nodes_is_walked_and_freed_without_recursion() -> None:
    x = corten.ones(1, requires_grad=True)
    y = x
    for _ in range(1_000_000):
        y = y + 1
    y.backward(retain_graph=True)
    assert x.grad.item() == 1
    del y  # frees the chain


def test_saving_an_output_makes_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        softmax = corten.nn.functional.softmax
        for fn in (lambda t: t.exp(), lambda t: softmax(t, 0), lambda t: t.tanh(), lambda t: t.amax(0), lambda t: t.relu()):
            x = corten.ones(4, requires_grad=True)
            y = fn(x)
            ref = weakref.ref(y)
            del y
            assert ref() is None
    finally:
        gc.enable()


def test_backward_frees_what_was_saved() -> None:
    x = corten.ones(1000, 1000, requires_grad=True)
    before = corten.memory_stats()["in_use"]
    y = x
    for _ in range(5):
        y = (y * 1.5).exp().log()
    held = corten.memory_stats()["in_use"] - before
    loss = y.sum()
    del y
    loss.backward()
    x.grad = None
    assert corten.memory_stats()["in_use"] - before < held / 5
