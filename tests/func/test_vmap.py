"""vmap beside PyTorch's, in float64: rules of ops, nested maps, derivatives, dimensions, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import func, nn
from corten.func import batching, rules

torch = pytest.importorskip("torch")
# PyTorch compiles a decomposition when it is first asked for some derivatives, and warns of its own compiler
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
RNG = np.random.default_rng(3)
A, B, M, W = (RNG.standard_normal(s) for s in ((4, 3, 5), (4, 3, 5), (4, 5, 2), (6, 5)))
VEC = RNG.standard_normal(5)
IDS = RNG.integers(0, 3, (4, 2))
POSITIVE = RNG.uniform(0.1, 0.9, (4, 3, 5))


def leaves(x: Any) -> list[Any]:
    return [y for v in x for y in leaves(v)] if isinstance(x, (tuple, list)) else [x]


def compare(run: Any, rtol: float = 1e-10) -> None:
    ours, theirs = run(corten, corten.func, corten.tensor), run(torch, torch.func, torch.tensor)
    for a, b in zip(leaves(ours), leaves(theirs), strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        assert str(a.dtype).rpartition(".")[2] == str(b.dtype).rpartition(".")[2]
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=1e-12)


def no_loop(*args: Any) -> Any:
    raise AssertionError("an op went element by element")


#: functions of one element (3, 5), or of two; all have rules
UNARY = {
    "exp": lambda m, x: x.exp(), "number": lambda m, x: 2 * x + 1, "integer power": lambda m, x: x**2, "clamp": lambda m, x: x.clamp(-1, 1),
    "where": lambda m, x: m.where(x > 0, x, -x), "sum": lambda m, x: x.sum(), "sum dim": lambda m, x: x.sum(-1),
    "mean keepdim": lambda m, x: x.mean(0, keepdim=True), "amax": lambda m, x: x.amax((0, 1)), "max": lambda m, x: x.max(1),
    "max all": lambda m, x: x.max(), "argmax": lambda m, x: x.argmax(), "argmax dim": lambda m, x: x.argmax(-1),
    "var": lambda m, x: x.var(1), "std all": lambda m, x: x.std(), "logsumexp": lambda m, x: x.logsumexp(0),
    "prod": lambda m, x: x.prod(1), "any": lambda m, x: (x > 1).any(1), "norm": lambda m, x: m.linalg.vector_norm(x, dim=1),
    "softmax": lambda m, x: x.softmax(-1), "log_softmax": lambda m, x: x.log_softmax(0), "cumsum": lambda m, x: x.cumsum(1),
    "sort": lambda m, x: x.sort(1, descending=True), "topk": lambda m, x: x.topk(2, dim=1), "cummax": lambda m, x: x.cummax(0),
    "transpose": lambda m, x: x.transpose(0, 1), "T": lambda m, x: x.T, "permute": lambda m, x: x.permute(1, 0),
    "reshape": lambda m, x: x.reshape(5, -1), "flatten": lambda m, x: x.flatten(), "unsqueeze": lambda m, x: x.unsqueeze(-1),
    "squeeze": lambda m, x: x.unsqueeze(0).squeeze(), "expand": lambda m, x: x.expand(2, 3, 5), "index": lambda m, x: x[1],
    "slices": lambda m, x: x[:2, ..., 1:4:2], "none": lambda m, x: x[None, :, 0], "list": lambda m, x: x[[0, 2]],
    "unbind": lambda m, x: x.unbind(0), "split": lambda m, x: x.split(2, 1), "chunk": lambda m, x: x.chunk(2, 1),
    "cat": lambda m, x: m.cat([x, x * 2], 1), "cat constant": lambda m, x: m.cat([x, m.ones(3, 1, dtype=m.float64)], -1),
    "stack": lambda m, x: m.stack([x, x + 1]), "flip": lambda m, x: x.flip(0), "roll": lambda m, x: x.roll(2, 1),
    "tril": lambda m, x: x.tril(), "diagonal": lambda m, x: x.diagonal(), "unfold": lambda m, x: x.unfold(1, 2, 1),
    "matmul constant": lambda m, x: x @ x.T,
    "einsum": lambda m, x: m.einsum("ij,kj->ik", x, x), "outer": lambda m, x: m.outer(x[0], x[1]), "dot": lambda m, x: x[0] @ x[1],
    "to": lambda m, x: x.to(m.float32), "int": lambda m, x: (x * 4).long() % 3, "zero-d promotion": lambda m, x: x.float() * x[0, 0],
    "zero-d sum": lambda m, x: x[0, 0].sum() + x[0, 0].mean(), "zeros_like": lambda m, x: m.zeros_like(x) + x,
    "constant": lambda m, x: m.ones(2), "index_select": lambda m, x: x.index_select(1, m.tensor([0, 3])),
    "movedim": lambda m, x: x.movedim(0, 1), "narrow": lambda m, x: x.narrow(1, 1, 2), "nan_to_num": lambda m, x: x.nan_to_num(),
    "gelu": lambda m, x: m.nn.functional.gelu(x), "layer_norm": lambda m, x: m.nn.functional.layer_norm(x, (5,)),
    "masked_fill": lambda m, x: x.masked_fill(x > 0, 0.5), "in place": lambda m, x: x.clone().mul_(2).add_(x),
    "repeat": lambda m, x: x.repeat(2, 1), "tile": lambda m, x: x.tile(2), "logical": lambda m, x: (x > 0) & (x < 1),
}  # fmt: skip
TWO = {
    "add": (lambda m, x, y: x + y, A, B), "div": (lambda m, x, y: x / y.abs(), A, B), "compare": (lambda m, x, y: x < y, A, B),
    "matmul": (lambda m, x, y: x @ y, A, M), "broadcast": (lambda m, x, y: x * y, A, RNG.standard_normal((4, 5))),
    "maximum": (lambda m, x, y: m.maximum(x, y), A, B), "lerp": (lambda m, x, y: x.lerp(y, 0.3), A, B),
    "gather": (lambda m, x, i: x.gather(0, i.unsqueeze(1).expand(2, 5)), A, IDS), "rows": (lambda m, x, i: x[i], A, IDS),
    "scatter_add": (lambda m, x, i: m.zeros(3, dtype=m.float64).scatter_add(0, i, x[0, :2]), A, IDS),
    "mse": (lambda m, x, y: m.nn.functional.mse_loss(x, y), A, B),
    "huber": (lambda m, x, y: m.nn.functional.huber_loss(x, y, reduction="sum"), A, B),
    "bce": (lambda m, x, y: m.nn.functional.binary_cross_entropy_with_logits(x, y), A, POSITIVE),
    "cross entropy": (lambda m, x, i: m.nn.functional.cross_entropy(x[:2], i), A, IDS),
    "cross entropy weight": (lambda m, x, i: m.nn.functional.cross_entropy(
        x[:2], i, m.tensor([1.0, 2, 3, 4, 5], dtype=m.float64), ignore_index=1, label_smoothing=0.1), A, IDS),
    "nll": (lambda m, x, i: m.nn.functional.nll_loss(x[:2].log_softmax(1), i, reduction="sum"), A, IDS),
    "linear": (lambda m, x, w: m.nn.functional.linear(x, w, w[:, 0]), A, RNG.standard_normal((4, 2, 5))),
    "embedding": (lambda m, x, i: m.nn.functional.embedding(i, x), A, IDS),
    "layer_norm": (lambda m, x, y: m.nn.functional.layer_norm(x, (5,), y[0], y[1]), A, B),
    "where": (lambda m, x, y: m.where(x > y, x, y), A, B), "fancy write": (lambda m, x, y: m.cat([x, y]).sum(0), A, B),
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_rules_of_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "one_by_one", no_loop)
    compare(lambda m, f, t: f.vmap(lambda x: UNARY[name](m, x))(t(A)), 1e-6 if name in ("to", "zero-d promotion") else 1e-10)


@pytest.mark.parametrize("name", TWO)
def test_rules_of_two(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "one_by_one", no_loop)
    run, x, y = TWO[name]
    for dims in ((0, 0), (None, 0), (0, None)):
        if name == "scatter_add" and None in dims:
            continue
        a, b = (v if d == 0 else v[0] for v, d in zip((x, y), dims, strict=True))
        made = leaves(func.vmap(lambda a, b: run(corten, a, b), in_dims=dims)(corten.tensor(a), corten.tensor(b)))
        parts = [(a[i] if dims[0] == 0 else a, b[i] if dims[1] == 0 else b) for i in range(4)]
        each = [leaves(run(torch, torch.tensor(u), torch.tensor(v))) for u, v in parts]
        for ours, theirs in zip(made, zip(*each, strict=True), strict=True):
            np.testing.assert_allclose(ours.numpy(), torch.stack(theirs).numpy(), rtol=1e-10, atol=1e-12)


def test_convolution_and_batch_norm_fold_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "one_by_one", no_loop)
    x, w, b = RNG.standard_normal((3, 2, 4, 6, 6)), RNG.standard_normal((5, 4, 3, 3)), RNG.uniform(1, 2, 5)
    compare(lambda m, f, t: f.vmap(lambda v: m.nn.functional.batch_norm(
        m.nn.functional.conv2d(v, t(w), t(b), padding=1), t(b), t(b), t(b), t(b)))(t(x)), 1e-7)  # fmt: skip


def test_ops_without_a_rule_run_for_each_element() -> None:
    spd = A @ A.transpose(0, 2, 1) + 3 * np.eye(3)
    compare(lambda m, f, t: f.vmap(lambda x: m.linalg.inv(x))(t(spd)))
    compare(lambda m, f, t: f.vmap(lambda x: m.nn.functional.max_pool1d(x.unsqueeze(0), 2))(t(A)))
    compare(lambda m, f, t: f.vmap(lambda x, i: x.index_select(0, i))(t(A), t(IDS)))


@pytest.mark.parametrize("run", [
    lambda m, f, t: f.vmap(lambda x, y: x @ y, in_dims=(2, None), out_dims=1)(t(A), t(np.ones(3))),
    lambda m, f, t: f.vmap(lambda x: (x, x.sum()), in_dims=-1, out_dims=(1, 0))(t(A)),
    lambda m, f, t: f.vmap(lambda d, y: d["a"] * y, in_dims=({"a": 0}, None))({"a": t(A)}, t(VEC)),
    lambda m, f, t: f.vmap(lambda x: x * 2, chunk_size=3)(t(A)),
    lambda m, f, t: f.vmap(f.vmap(lambda x, y: x.dot(y)))(t(A), t(B)),
    lambda m, f, t: f.vmap(f.vmap(lambda x, y: x.dot(y), in_dims=(None, 0)), in_dims=(0, None))(t(A[:, 0]), t(W)),
    lambda m, f, t: f.vmap(f.vmap(lambda x, y: x.outer(y), in_dims=(0, None)), in_dims=(0, 0), out_dims=2)(t(A), t(B[:, 0])),
    lambda m, f, t: f.vmap(f.vmap(f.vmap(lambda x: x.sin() + m.ones(()))))(t(A)),
    lambda m, f, t: f.vmap(lambda x: f.vmap(lambda y: x.sum() * y)(t(VEC)))(t(A)),
    lambda m, f, t: f.vmap(f.grad(lambda x: (x.sin() * x).sum()))(t(A)),
    lambda m, f, t: f.vmap(f.grad(lambda w, x: (x @ w.T).tanh().sum()), in_dims=(None, 0))(t(W), t(A)),
    lambda m, f, t: f.vmap(f.grad(f.grad(lambda x: x.sin() * x)))(t(VEC)),
    lambda m, f, t: f.vmap(lambda x, v: f.jvp(lambda y: (y @ t(W).T).tanh(), (x,), (v,)))(t(A), t(B)),
    lambda m, f, t: f.vmap(lambda v: f.vjp(lambda x: (t(W) @ x).tanh(), t(VEC))[1](v))(t(np.eye(6))),
    lambda m, f, t: f.vmap(f.vjp(lambda x: (t(W) @ x).tanh(), t(VEC))[1])(t(np.eye(6))),
    lambda m, f, t: f.jacrev(lambda x: (t(W) @ x).tanh())(t(VEC)), lambda m, f, t: f.jacfwd(lambda x: (t(W) @ x).tanh())(t(VEC)),
    lambda m, f, t: f.jacrev(lambda x: (x[:2], x.prod()), chunk_size=2)(t(VEC)),
    lambda m, f, t: f.jacfwd(lambda x, y: (x * y[0], y.sum() * x[:2]), argnums=(0, 1))(t(VEC), t(VEC[:3])),
    lambda m, f, t: f.jacfwd(lambda x: (x**3, x.sum()), has_aux=True)(t(VEC)),
    lambda m, f, t: f.hessian(lambda x: (t(W) @ x).tanh().prod() + (x**4).sum())(t(VEC)),
    lambda m, f, t: f.vmap(f.hessian(lambda x: (x**3).sum() * x[0]))(t(A[0])),
    lambda m, f, t: f.vmap(f.jacrev(lambda x: x**2 * x[0]))(t(A[0])), lambda m, f, t: f.jacrev(f.vmap(lambda x: x.prod()))(t(A[0])),
    lambda m, f, t: f.jacrev(f.jacfwd(lambda x: x**3))(t(VEC)), lambda m, f, t: f.jacfwd(f.jacfwd(lambda x: x.sin()))(t(VEC))])  # fmt: skip
def test_composition(run: Any) -> None:
    compare(run, 1e-8)


def test_gradients_of_each_sample_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "one_by_one", no_loop)
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3)).double()
    params = {k: v.detach() for k, v in net.named_parameters()}
    x, y = corten.tensor(A[:, 0]), corten.tensor(IDS[:, 0])

    def loss(p: Any, x: Any, y: Any) -> Any:
        return nn.functional.cross_entropy(func.functional_call(net, p, (x.unsqueeze(0),)), y.unsqueeze(0))

    each = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(params, x, y)
    for i in range(4):
        net.zero_grad()
        nn.functional.cross_entropy(net(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in net.named_parameters():
            np.testing.assert_allclose(each[name][i].numpy(), p.grad.numpy(), rtol=1e-8, atol=1e-12)


def test_the_tape_goes_through() -> None:
    x = corten.tensor(A, requires_grad=True)
    func.vmap(lambda v: v.sin() * 2)(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.cos(A), rtol=1e-12)


def test_writing_in_place_reaches_the_batch() -> None:
    ours, theirs = corten.tensor(A), torch.tensor(A)
    for m, x in ((corten, ours), (torch, theirs)):
        m.func.vmap(lambda v: v.mul_(2))(x)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    total = corten.zeros(5, dtype=corten.float64)
    with pytest.raises(RuntimeError, match="one and the same"):
        func.vmap(lambda v: total.add_(v[0]))(ours)

    def write(v: Any) -> Any:
        out = v.clone()
        out[0] = 7.0
        out[1, 2:] = v[2, :3]
        return out

    compare(lambda m, f, t: f.vmap(write)(t(A)))


def test_asking_for_numbers_runs_a_loop() -> None:
    made = func.vmap(lambda v: v * 2 if v.sum() > 0 else -v)(corten.tensor(A))
    np.testing.assert_array_equal(made.numpy(), np.stack([a * 2 if a.sum() > 0 else -a for a in A]))
    with pytest.raises(RuntimeError, match="after the function wrote"):
        func.vmap(lambda v: v if v.add_(1).sum() > 0 else v)(corten.tensor(A))


def test_custom_functions_are_mapped() -> None:
    class Cube(corten.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 3 * ctx.saved_tensors[0] ** 2 * g

    x = corten.tensor(A, requires_grad=True)
    out = func.vmap(Cube.apply)(x)
    out.sum().backward()
    np.testing.assert_allclose(out.detach().numpy(), A**3)
    np.testing.assert_allclose(x.grad.numpy(), 3 * A**2)


def test_randomness() -> None:
    x = corten.zeros(3, 1000)
    with pytest.raises(RuntimeError, match="draws random numbers"):
        func.vmap(lambda v: v + corten.rand(1000))(x)
    corten.rand(1)  # allowed again
    same = func.vmap(lambda v: v + corten.rand(1000), randomness="same")(x)
    other = func.vmap(lambda v: nn.functional.dropout(v + 1, 0.5), randomness="different")(x)
    assert bool((same[0] == same[1]).all()) and not bool((other[0] == other[1]).all())
    assert func.jacrev(lambda v: nn.functional.dropout(v, 0.5))(corten.ones(4)).shape == (4, 4)


@pytest.mark.parametrize("run", [
    lambda f, t: f.vmap(lambda x: x, in_dims=None)(t(A)), lambda f, t: f.vmap(lambda x, y: x)(t(A), t(A[:2])),
    lambda f, t: f.vmap(lambda x: x, in_dims=3)(t(A)), lambda f, t: f.vmap(lambda x: x, in_dims=(0, 0))(t(A)),
    lambda f, t: f.vmap(lambda x: x, out_dims=None)(t(A)), lambda f, t: f.vmap(lambda x: x, out_dims=(0, 0))(t(A)),
    lambda f, t: f.vmap(lambda x: (x, "text"), out_dims=(0, 0))(t(A)),
    lambda f, t: f.vmap(lambda x, y: x, in_dims=(0, 0))(t(A), 3.0)])  # fmt: skip
def test_errors_are_those_of_pytorch(run: Any) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: B017, PT011
        run(torch.func, torch.tensor)
    with pytest.raises(theirs.type, match=r"\[vmap\]"):
        run(func, corten.tensor)


def test_the_same_for_all_in_chunks() -> None:
    twice, ones = func.vmap(lambda x: (x * 2, corten.ones(2)), out_dims=(0, None), chunk_size=3)(corten.tensor(A))
    np.testing.assert_array_equal(twice.numpy(), 2 * A)
    assert ones.shape == (2,)


def test_levels_end_with_the_call() -> None:
    with pytest.raises(ZeroDivisionError):
        func.vmap(lambda x: 1 // 0)(corten.tensor(A))
    assert not batching.levels()
    corten.rand(1)
