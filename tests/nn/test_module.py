"""The Module system, against PyTorch's."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import corten

torch = pytest.importorskip("torch")
LIBS = (corten, torch)


def net(lib: ModuleType) -> Any:
    """A network with nested modules, a shared one, buffers and a bare parameter."""
    nn = lib.nn

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.linear = nn.Linear(width, width)
            self.norm = nn.BatchNorm1d(width)
            self.scale = nn.Parameter(lib.ones(width))
            self.register_buffer("seen", lib.zeros(()))
            self.register_buffer("scratch", lib.zeros(2), persistent=False)
            self.nothing = None
            self.register_parameter("absent", None)

        def forward(self, x: Any) -> Any:
            return self.norm(self.linear(x)) * self.scale

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), Block(4))
            self.list = nn.ModuleList([nn.Linear(4, 4), nn.Dropout(0.5)])
            self.dict = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Identity()})
            self.shared = self.list[0]
            self.params = nn.ParameterList([nn.Parameter(lib.zeros(2))])

        def forward(self, x: Any) -> Any:
            return self.dict["a"](self.shared(self.first(x))) + self.params[0]

    return Net()


def names(pairs: Any) -> list[str]:
    return [name for name, _ in pairs]


@pytest.mark.parametrize("what", ["named_parameters", "named_buffers", "named_modules", "named_children"])
def test_names_equal_pytorchs(what: str) -> None:
    mine, theirs = (names(getattr(net(lib), what)()) for lib in LIBS)
    assert mine == theirs
    mine, theirs = (names(getattr(net(lib), what)(remove_duplicate=False)) if what != "named_children" else [] for lib in LIBS)
    assert mine == theirs


def test_state_dicts_have_pytorchs_keys_and_shapes() -> None:
    mine, theirs = ({k: tuple(v.shape) for k, v in net(lib).state_dict().items()} for lib in LIBS)
    assert list(mine.items()) == list(theirs.items())


def test_a_state_dict_shares_memory_and_detaches() -> None:
    n = net(corten)
    state = n.state_dict()
    state["first.0.weight"].fill_(7.0)
    assert n.first[0].weight.detach().amin().item() == 7
    assert not state["first.0.weight"].requires_grad
    assert n.state_dict(keep_vars=True)["first.0.weight"] is n.first[0].weight


def test_weights_travel_from_pytorch() -> None:
    mine, theirs = net(corten).eval(), net(torch).eval()
    state = {k: corten.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()}
    assert str(mine.load_state_dict(state)) == "<All keys matched successfully>"
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    a, b = mine(corten.from_numpy(x)), theirs(torch.from_numpy(x))
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_loading_names_what_does_not_match() -> None:
    for lib in LIBS:
        n = net(lib)
        state = dict(n.state_dict())
        del state["first.0.bias"]
        state["surplus"] = lib.zeros(1)
        with pytest.raises(RuntimeError) as caught:
            n.load_state_dict(state)
        assert "first.0.bias" in str(caught.value)
        assert "surplus" in str(caught.value)
        found = n.load_state_dict(state, strict=False)
        assert (found.missing_keys, found.unexpected_keys) == (["first.0.bias"], ["surplus"])
        state = dict(n.state_dict())
        state["first.0.weight"] = lib.zeros(2, 2)
        with pytest.raises(RuntimeError, match=r"first\.0\.weight"):
            n.load_state_dict(state)
        with pytest.raises(TypeError):
            n.load_state_dict([1, 2])


def test_a_failed_load_changes_nothing() -> None:
    n = net(corten)
    before = {k: v.clone() for k, v in n.state_dict().items()}
    state = {k: corten.full_like(v, 3) for k, v in n.state_dict().items()}
    state["dict.a.bias"] = corten.zeros(5)
    with pytest.raises(RuntimeError):
        n.load_state_dict(state)
    for k, v in n.state_dict().items():
        assert v.tolist() == before[k].tolist()


def test_assigning_takes_the_tensors_themselves() -> None:
    n = corten.nn.Linear(2, 2)
    state = {"weight": corten.ones(2, 2), "bias": corten.zeros(2)}
    n.load_state_dict(state, assign=True)
    assert n.weight.data_ptr() == state["weight"].data_ptr()
    assert isinstance(n.weight, corten.nn.Parameter)


def test_extra_state_and_prefixes() -> None:
    for lib in LIBS:

        class Counted(lib.nn.Module):
            steps = 3

            def get_extra_state(self) -> Any:
                return {"steps": self.steps}

            def set_extra_state(self, state: Any) -> None:
                self.steps = state["steps"]

        a = lib.nn.Sequential(Counted())
        a[0].steps = 9
        assert list(a.state_dict()) == ["0._extra_state"]
        b = lib.nn.Sequential(Counted())
        b.load_state_dict(a.state_dict())
        assert b[0].steps == 9
        assert list(lib.nn.Linear(1, 1).state_dict(prefix="p.")) == ["p.weight", "p.bias"]


# ---- attributes


def test_attributes_go_where_pytorch_puts_them() -> None:
    for lib in LIBS:
        m = lib.nn.Module()
        m.p = lib.nn.Parameter(lib.ones(1))
        m.m = lib.nn.Identity()
        m.register_buffer("b", lib.ones(1))
        m.n = 3
        assert list(m._parameters) == ["p"]
        assert list(m._modules) == ["m"]
        assert list(m._buffers) == ["b"]
        with pytest.raises(TypeError):
            m.p = lib.ones(1)
        with pytest.raises(TypeError):
            m.m = 4
        m.p = None
        assert m.p is None
        m.b = lib.zeros(2)
        assert m.b.shape == (2,)
        del m.n, m.b, m.m
        with pytest.raises(AttributeError):
            m.b  # noqa: B018
        with pytest.raises(KeyError):
            m.register_buffer("a.b", None)
        with pytest.raises(KeyError):
            m.register_parameter("", None)
        with pytest.raises(TypeError):
            m.register_buffer("x", 3)
        with pytest.raises(TypeError):
            m.add_module("x", 3)


def test_paths() -> None:
    for lib in LIBS:
        n = net(lib)
        assert n.get_submodule("first.2.linear") is n.first[2].linear
        assert n.get_parameter("first.2.scale") is n.first[2].scale
        assert n.get_buffer("first.2.seen") is n.first[2].seen
        for call in (n.get_submodule, n.get_parameter, n.get_buffer):
            with pytest.raises(AttributeError):
                call("first.9.x")


def test_apply_train_and_requires_grad_reach_everything() -> None:
    for lib in LIBS:
        n = net(lib)
        order: list[str] = []
        assert n.apply(lambda m, order=order: order.append(type(m).__name__)) is n
        assert order[-1] == "Net"
        assert order[0] == "Linear"
        n.eval()
        assert not any(m.training for m in n.modules())
        n.train()
        assert all(m.training for m in n.modules())
        n.requires_grad_(False)
        assert not any(p.requires_grad for p in n.parameters())


def test_to_converts_floating_values_and_keeps_the_rest() -> None:
    for lib in LIBS:
        n = net(lib)
        weight = n.first[0].weight
        assert n.to(lib.float64) is n
        assert n.first[0].weight is weight
        assert weight.dtype is lib.float64
        assert n.first[2].norm.num_batches_tracked.dtype is lib.int64
        assert n.first[2].seen.dtype is lib.float64
        n.float()
        assert weight.dtype is lib.float32
        with pytest.raises(TypeError):
            n.to(lib.int64)
        n(lib.ones(4, 3)).sum().backward()
        n.double()
        assert weight.grad.dtype is lib.float64
        n.zero_grad()
        assert weight.grad is None


def test_copies_and_pickles_are_independent() -> None:
    n = corten.nn.Sequential(corten.nn.Linear(2, 3), corten.nn.BatchNorm1d(3))
    for again in (copy.deepcopy(n), pickle.loads(pickle.dumps(n))):
        assert again[0].weight.tolist() == n[0].weight.tolist()
        assert again[0].weight.data_ptr() != n[0].weight.data_ptr()
        assert again[0].weight.requires_grad
        again(corten.ones(2, 2)).sum().backward()
        assert n[0].weight.grad is None


def test_text_equals_pytorchs() -> None:
    mine, theirs = (repr(net(lib)) for lib in LIBS)
    theirs = theirs.replace("torch.float", "corten.float").replace("affine=True, bias=True", "affine=True")
    assert mine == theirs


# ---- calls and hooks


def forward_log(lib: ModuleType) -> list[Any]:
    log: list[Any] = []
    m = lib.nn.Linear(2, 1)
    with lib.no_grad():
        m.weight.fill_(1.0)
        m.bias.fill_(0.0)
    m.register_forward_pre_hook(lambda mod, args: log.append("pre"))
    doubled = m.register_forward_pre_hook(lambda mod, args: (args[0] * 2,))
    m.register_forward_hook(lambda mod, args, out: log.append(("post", args[0].tolist(), out.tolist())))
    m.register_forward_hook(lambda mod, args, out: out + 1)
    m.register_forward_hook(lambda mod, args, out: log.append("first"), prepend=True)
    m.register_forward_hook(lambda mod, args, kwargs, out: log.append(sorted(kwargs)), with_kwargs=True)
    log.append(m(lib.ones(1, 2)).tolist())
    doubled.remove()
    log.append(m(lib.ones(1, 2)).tolist())
    return log


def test_forward_hooks_run_as_in_pytorch() -> None:
    assert forward_log(corten) == forward_log(torch)


def backward_log(lib: ModuleType) -> list[Any]:
    log: list[Any] = []
    m = lib.nn.Linear(2, 1, bias=False)
    with lib.no_grad():
        m.weight.copy_(lib.tensor([[2.0, 3.0]]))
    m.register_full_backward_pre_hook(lambda mod, g: (g[0] * 10,))
    m.register_full_backward_hook(lambda mod, gi, go: log.append(([g.tolist() for g in gi], [g.tolist() for g in go])))
    handle = m.register_full_backward_hook(lambda mod, gi, go: (gi[0] + 1,))
    x = lib.ones(1, 2, requires_grad=True)
    m(x).sum().backward()
    log += [x.grad.tolist(), m.weight.grad.tolist()]
    handle.remove()
    x.grad = None
    m(x).sum().backward()
    log.append(x.grad.tolist())
    return log


def test_backward_hooks_run_as_in_pytorch() -> None:
    assert backward_log(corten) == backward_log(torch)


def test_calls_pass_keywords_defaults_and_errors() -> None:
    class Adds(corten.nn.Module):
        def forward(self, a: Any, b: Any = 2, *rest: Any, c: Any = 3, **more: Any) -> Any:
            return (a, b, rest, c, more)

    m = Adds()
    assert m(1) == (1, 2, (), 3, {})
    assert m(1, 5, 6, 7, c=8, d=9) == (1, 5, (6, 7), 8, {"d": 9})
    assert m(*range(30)) == (0, 1, tuple(range(2, 30)), 3, {})
    assert m(b=4, a=1) == (1, 4, (), 3, {})
    with pytest.raises(TypeError, match="missing"):
        m()
    with pytest.raises(NotImplementedError, match="forward"):
        corten.nn.Module()(1)


def test_calls_see_what_was_patched() -> None:
    class Plain(corten.nn.Module):
        def forward(self, x: Any) -> Any:
            return ("class", x)

    class Own(Plain):
        def __call__(self, x: Any) -> Any:
            return ("own", super().__call__(x))

    m = Plain()
    assert m(1) == ("class", 1)
    assert Own()(1) == ("own", ("class", 1))
    m.forward = lambda x: ("instance", x)
    assert m(1) == ("instance", 1)
    del m.forward
    Plain.forward = lambda self, x: ("patched", x)  # type: ignore[method-assign]
    assert m(1) == ("patched", 1)
    Plain.__call__ = lambda self, x: ("call", x)  # type: ignore[method-assign]
    assert m(1) == ("call", 1)


def test_a_method_of_another_kind_can_be_forward() -> None:
    class Static(corten.nn.Module):
        @staticmethod
        def forward(x: Any) -> Any:
            return x + 1

    assert Static()(1) == 2


# ---- containers


def container_log(lib: ModuleType) -> list[Any]:
    nn = lib.nn
    seq = nn.Sequential(OrderedDict([("a", nn.Identity()), ("b", nn.ReLU())]))
    seq.append(nn.Tanh())
    log: list[Any] = [list(seq._modules), repr(seq[-1]), repr(seq[:2]), len(seq)]
    seq[1] = nn.Sigmoid()
    del seq[0]
    log += [repr(seq), [type(m).__name__ for m in seq]]
    items = nn.ModuleList([nn.Identity()])
    items.append(nn.ReLU())
    items.extend([nn.Tanh()])
    items.insert(1, nn.Sigmoid())
    log += [repr(items), repr(items[1:3]), len(items)]
    del items[0]
    log.append(repr(items))
    table = nn.ModuleDict([["x", nn.ReLU()]])
    table.update({"y": nn.Tanh()})
    table["z"] = nn.Identity()
    log += [list(table.keys()), repr(table.pop("x")), "y" in table, len(table), repr(table)]
    params = nn.ParameterDict({"u": nn.Parameter(lib.ones(1)), "v": nn.Parameter(lib.ones(2))})
    log += [sorted(params.keys()), [n for n, _ in params.named_parameters()]]
    more = nn.ParameterList([nn.Parameter(lib.ones(1))])
    more.append(nn.Parameter(lib.ones(3)))
    log += [len(more), [n for n, _ in more.named_parameters()], tuple(more[-1].shape)]
    return log


def test_containers_behave_as_pytorchs() -> None:
    for a, b in zip(container_log(corten), container_log(torch), strict=True):
        assert a == b


def test_containers_raise_pytorchs_errors() -> None:
    for lib in LIBS:
        seq = lib.nn.Sequential(lib.nn.Identity())
        with pytest.raises(IndexError):
            seq[1]
        with pytest.raises(KeyError):
            lib.nn.ModuleDict()["a"]
        with pytest.raises(TypeError):
            lib.nn.Sequential(3)
