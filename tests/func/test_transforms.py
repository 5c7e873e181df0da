"""Functions of functions beside PyTorch's, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import corten
from corten import func, nn
from corten.func import functional as ours

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
              pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node:UserWarning")]  # fmt: skip
RNG = np.random.default_rng(1)


def real(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def arrays(x: Any) -> list[np.ndarray]:
    if isinstance(x, dict):
        return [a for v in x.values() for a in arrays(v)]
    if isinstance(x, (tuple, list)):
        return [a for v in x for a in arrays(v)]
    return [x.detach().numpy()]


def same(a: Any, b: Any) -> None:
    for u, v in zip(arrays(a), arrays(b), strict=True):
        assert u.shape == v.shape
        np.testing.assert_allclose(u, v, rtol=1e-9, atol=1e-12)


X, Y, V = real(4), real(3), real(4)
W = real(3, 4)


def scalar(lib: Any, make: Any) -> Any:
    w = make(W)
    return lambda x, y: ((w @ x).sin() * y.exp()).sum() + (x**3).sum()


def vector(lib: Any, make: Any) -> Any:
    w = make(W)
    return lambda x: (w @ x).tanh() * x[0] + x[1:].cos()


def both(run: Any) -> None:
    same(run(func, scalar(corten, corten.tensor), vector(corten, corten.tensor), corten.tensor),
         run(torch.func, scalar(torch, torch.tensor), vector(torch, torch.tensor), torch.tensor))  # fmt: skip


@pytest.mark.parametrize("run", [
    lambda f, s, v, t: f.grad(s)(t(X), t(Y)), lambda f, s, v, t: f.grad(s, argnums=(0, 1))(t(X), t(Y)),
    lambda f, s, v, t: f.grad_and_value(s, argnums=1)(t(X), t(Y)),
    lambda f, s, v, t: f.grad(lambda x: (f.grad(s)(x, t(Y)) ** 2).sum())(t(X)),
    lambda f, s, v, t: f.grad(lambda x: ((x * 2).sum(), x * 3), has_aux=True)(t(X)),
    lambda f, s, v, t: f.grad(lambda d: (d["a"] * d["b"][0]).sum())({"a": t(X), "b": [t(V)]}),
    lambda f, s, v, t: f.vjp(v, t(X))[0], lambda f, s, v, t: f.vjp(v, t(X))[1](t(Y)),
    lambda f, s, v, t: f.vjp(s, t(X), t(Y))[1](t(np.array(2.0))),
    lambda f, s, v, t: f.jvp(v, (t(X),), (t(V),)), lambda f, s, v, t: f.jvp(s, (t(X), t(Y)), (t(V), t(Y))),
    lambda f, s, v, t: f.jvp(f.grad(lambda x: s(x, t(Y))), (t(X),), (t(V),)),
    lambda f, s, v, t: f.jacrev(v)(t(X)), lambda f, s, v, t: f.jacfwd(v)(t(X)),
    lambda f, s, v, t: f.jacrev(lambda x, y: (x * y[0], y.sum() * x[:2]), argnums=(0, 1))(t(X), t(Y)),
    lambda f, s, v, t: f.hessian(lambda x: s(x, t(Y)))(t(X)), lambda f, s, v, t: f.hessian(s, argnums=(0, 1))(t(X), t(Y)),
    lambda f, s, v, t: f.linearize(v, t(X))[1](t(V)),
    lambda f, s, v, t: f.vmap(v)(t(real2)), lambda f, s, v, t: f.vmap(f.grad(s), in_dims=(0, None))(t(real2), t(Y)),
    lambda f, s, v, t: f.vmap(lambda a, b: a @ b, in_dims=(None, 1), out_dims=1)(t(W), t(real2.T.copy())),
    lambda f, s, v, t: f.vmap(lambda a: (a.sum(), a * 2))(t(real2)),
    lambda f, s, v, t: f.vmap(f.vmap(lambda a, b: a * b))(t(real2), t(real2)),
    lambda f, s, v, t: f.jacrev(f.vmap(v))(t(real2)),
    lambda f, s, v, t: f.vmap(f.jacrev(v))(t(real2))])  # fmt: skip
def test_transforms(run: Any) -> None:
    both(run)


real2 = real(5, 4)


@pytest.mark.parametrize("run", [
    lambda f, s, v, t: f.jacobian(v, t(X)), lambda f, s, v, t: f.jacobian(s, (t(X), t(Y))),
    lambda f, s, v, t: f.hessian(lambda x: s(x, t(Y)), t(X)), lambda f, s, v, t: f.hessian(s, (t(X), t(Y))),
    lambda f, s, v, t: f.vjp(v, t(X), t(Y)), lambda f, s, v, t: f.jvp(v, t(X), t(V)),
    lambda f, s, v, t: f.jvp(s, (t(X), t(Y)), (t(V), t(Y))),
    lambda f, s, v, t: f.vhp(lambda x: s(x, t(Y)), t(X), t(V)), lambda f, s, v, t: f.hvp(lambda x: s(x, t(Y)), t(X), t(V)),
    lambda f, s, v, t: f.jacobian(lambda x: (x[:2], x[2:] ** 2), t(X))])  # fmt: skip
def test_autograd_functional(run: Any) -> None:
    same(run(ours, scalar(corten, corten.tensor), vector(corten, corten.tensor), corten.tensor),
         run(torch.autograd.functional, scalar(torch, torch.tensor), vector(torch, torch.tensor), torch.tensor))  # fmt: skip


def test_functional_call_and_ensembles() -> None:
    layers = [nn.Linear(4, 2).double() for _ in range(3)]
    params, buffers = func.stack_module_state(layers)
    assert buffers == {}
    x = corten.tensor(real(5, 4))
    out = func.vmap(lambda p, x: func.functional_call(layers[0], p, (x,)), in_dims=(0, None))(params, x)
    for i, layer in enumerate(layers):
        same(out[i], layer(x))
    own = {k: v.detach() for k, v in layers[0].named_parameters()}
    g = func.grad(lambda p: func.functional_call(layers[0], p, (x,)).sum())(own)
    layers[0](x).sum().backward()
    same(g, {k: p.grad for k, p in layers[0].named_parameters()})
    with pytest.raises(KeyError, match="no tensor 'nothing'"):
        func.functional_call(layers[0], {"nothing": x}, (x,))
    with pytest.raises(RuntimeError, match="missing"):
        func.functional_call(layers[0], {"weight": own["weight"]}, (x,), strict=True)


def test_tied_weights_are_replaced_together() -> None:
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    x = corten.ones(1, 3)
    same(func.functional_call(net, {"0.weight": corten.eye(3) * 2}, (x,)), x * 4)
    same(func.functional_call(net, {"0.weight": corten.eye(3) * 2, "1.weight": corten.eye(3)}, (x,), tie_weights=False), x * 2)


def test_results_are_off_the_tape_unless_something_is_behind_them() -> None:
    assert not func.grad(lambda x: (x * x).sum())(corten.ones(3)).requires_grad
    weight = corten.ones(3, requires_grad=True)
    g = func.grad(lambda x: (x * x * weight).sum())(corten.ones(3))
    g.sum().backward()
    assert weight.grad.tolist() == [2.0] * 3
    x = corten.ones(3, requires_grad=True)
    func.grad(lambda x: (x**3).sum())(x).sum().backward()
    assert x.grad.tolist() == [6.0] * 3


def test_vmap_randomness_and_errors() -> None:
    corten.manual_seed(0)
    same_draw = func.vmap(lambda x: x + corten.rand(2), randomness="same")(corten.zeros(3, 2))
    assert corten.equal(same_draw[0], same_draw[2])
    other = func.vmap(lambda x: x + corten.rand(2), randomness="different")(corten.zeros(3, 2))
    assert not corten.equal(other[0], other[2])
    with pytest.raises(ValueError, match=r"^\[vmap\]"):
        func.vmap(lambda a, b: a)(corten.ones(2), corten.ones(3))
    with pytest.raises(RuntimeError, match=r"^\[grad\]"):
        func.grad(lambda x: x * 2)(corten.ones(2))
    with pytest.raises(RuntimeError, match=r"^\[vjp\]"):
        func.vjp(lambda x: x * 2, corten.ones(2))[1](corten.ones(3))


def test_checkpoint_equals_the_plain_run() -> None:
    from corten.recompute import checkpoint, checkpoint_sequential

    net = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Dropout(0.3)) for _ in range(4)])
    x = corten.tensor(real(6, 4)).float()
    found = []
    for run in (net, lambda t: checkpoint(net, t), lambda t: checkpoint_sequential(net, 3, t)):
        corten.manual_seed(5)
        net.zero_grad()
        t = x.clone().requires_grad_()
        out = run(t)
        out.sum().backward()
        found.append([out.detach().numpy(), t.grad.numpy(), *[p.grad.numpy().copy() for p in net.parameters()]])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
