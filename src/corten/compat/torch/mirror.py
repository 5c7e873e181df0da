"""Modules named ``torch``: each looks names up in Corten's modules, in order."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import multiprocessing.spawn
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

HERE = "corten.compat.torch"

#: what a module of PyTorch is here: modules that are searched in order
MODULES: dict[str, tuple[str, ...]] = {
    "torch": (f"{HERE}.root", "corten"),
    "torch.accelerator": (f"{HERE}.accelerator",),
    "torch.amp": ("corten.amp",),
    "torch.amp.autocast_mode": ("corten.amp",),
    "torch.amp.grad_scaler": ("corten.amp",),
    "torch.autograd": (f"{HERE}.variables", "corten.autograd"),
    "torch.autograd.function": ("corten.autograd",),
    "torch.autograd.functional": ("corten.func.functional",),
    "torch.autograd.grad_mode": ("corten.autograd",),
    "torch.autograd.gradcheck": ("corten.autograd",),
    "torch.autograd.profiler": (f"{HERE}.profiler",),
    "torch.backends": (f"{HERE}.backends",),
    "torch.cuda": (f"{HERE}.cuda",),
    "torch.cuda.amp": (f"{HERE}.cuda_amp",),
    "torch.distributed": (f"{HERE}.distributed",),
    "torch.distributions": ("corten.distributions",),
    "torch.fft": ("corten.fft",),
    "torch.func": ("corten.func",),
    "torch.hub": (f"{HERE}.hub",),
    "torch.jit": (f"{HERE}.jit",),
    "torch.linalg": ("corten.linalg",),
    "torch.mps": (f"{HERE}.mps",),
    "torch.multiprocessing": ("multiprocessing",),
    "torch.nn": ("corten.nn",),
    "torch.nn.attention": (f"{HERE}.attention",),
    "torch.nn.common_types": ("corten.nn",),
    "torch.nn.functional": ("corten.nn.functional",),
    "torch.nn.init": ("corten.nn.init",),
    "torch.nn.modules": ("corten.nn",),
    "torch.nn.modules.batchnorm": (f"{HERE}.bases", "corten.nn"),
    "torch.nn.modules.conv": (f"{HERE}.bases", "corten.nn"),
    "torch.nn.modules.instancenorm": (f"{HERE}.bases", "corten.nn"),
    "torch.nn.modules.linear": (f"{HERE}.bases", "corten.nn"),
    "torch.nn.modules.loss": (f"{HERE}.bases", "corten.nn"),
    "torch.nn.modules.module": ("corten.nn.module", "corten.nn"),
    "torch.nn.modules.utils": (f"{HERE}.bases",),
    "torch.nn.parallel": ("corten.nn.parallel", f"{HERE}.distributed"),
    "torch.nn.parameter": ("corten.nn.parameter",),
    "torch.nn.utils": ("corten.nn.utils",),
    "torch.nn.utils.clip_grad": ("corten.nn.utils.clip_grad",),
    "torch.nn.utils.convert_parameters": ("corten.nn.utils.convert_parameters",),
    "torch.nn.utils.parametrizations": ("corten.nn.utils.parametrizations",),
    "torch.nn.utils.parametrize": ("corten.nn.utils.parametrize",),
    "torch.nn.utils.prune": ("corten.nn.utils.prune",),
    "torch.nn.utils.rnn": ("corten.nn.utils.rnn",),
    "torch.nn.utils.spectral_norm": ("corten.nn.utils.spectral_norm",),
    "torch.nn.utils.stateless": ("corten.nn.utils.stateless",),
    "torch.nn.utils.weight_norm": ("corten.nn.utils.weight_norm",),
    "torch.onnx": (f"{HERE}.onnx",),
    "torch.optim": ("corten.optim",),
    "torch.optim.lr_scheduler": ("corten.optim.lr_scheduler",),
    "torch.optim.optimizer": ("corten.optim.optimizer",),
    "torch.optim.swa_utils": ("corten.optim.swa_utils",),
    "torch.profiler": (f"{HERE}.profiler",),
    "torch.random": (f"{HERE}.random",),
    "torch.serialization": ("corten.serialization",),
    "torch.special": ("corten.special",),
    "torch.testing": (f"{HERE}.testing",),
    "torch.types": (f"{HERE}.root", "corten"),
    "torch.utils": (f"{HERE}.utilities",),
    "torch.utils.checkpoint": ("corten.recompute",),
    "torch.utils.data": ("corten.data",),
    "torch.utils.data.dataloader": ("corten.data", "corten.data.collate"),
    "torch.utils.data.dataset": ("corten.data",),
    "torch.utils.data.distributed": ("corten.data",),
    "torch.utils.data.sampler": ("corten.data",),
    "torch.utils.tensorboard": (f"{HERE}.tensorboard",),
    "torch.utils.tensorboard.writer": (f"{HERE}.tensorboard",),
    "torch.version": (f"{HERE}.version",),
    "torch.xpu": (f"{HERE}.mps",),
    "torchvision": ("corten.compat.torchvision",),
    "torchvision.datasets": ("corten.compat.torchvision.datasets",),
    "torchvision.datasets.mnist": ("corten.compat.torchvision.datasets",),
    "torchvision.models": ("corten.vision.models",),
    "torchvision.io": ("corten.compat.torchvision.functional",),
    "torchvision.transforms": ("corten.compat.torchvision.transforms",),
    "torchvision.transforms.functional": ("corten.compat.torchvision.functional",),
    "torchvision.transforms.v2": ("corten.compat.torchvision.transforms",),
    "torchvision.utils": ("corten.compat.torchvision.grids",),
}  # fmt: skip

#: backends that are attributes of torch.backends
for _name in ("cudnn", "mps", "mkl", "mkldnn", "openmp", "cuda", "opt_einsum"):
    MODULES[f"torch.backends.{_name}"] = (f"{HERE}.backends",)
for _name in ("normal", "bernoulli", "categorical", "uniform", "beta", "dirichlet", "gamma", "exponential", "poisson", "laplace",
              "multivariate_normal", "independent", "transformed_distribution", "transforms", "kl", "utils", "constraints",
              "distribution", "one_hot_categorical", "relaxed_categorical", "relaxed_bernoulli"):  # fmt: skip
    MODULES[f"torch.distributions.{_name}"] = ("corten.distributions",)
for _name in ("activation", "container", "dropout", "normalization", "pooling", "rnn", "sparse", "transformer", "padding",
              "upsampling", "flatten", "distance"):  # fmt: skip
    MODULES[f"torch.nn.modules.{_name}"] = ("corten.nn",)
for _name in ("sgd", "adam", "adamw", "rmsprop", "adagrad", "lbfgs"):
    MODULES[f"torch.optim.{_name}"] = ("corten.optim",)


class Mirror(types.ModuleType):
    """A module whose names are those of Corten's modules, found when they are asked for."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"Corten under the name of {name}.")
        self.__path__: list[str] = []

    def _targets(self) -> Iterator[Any]:
        for target in MODULES[self.__name__]:
            try:
                yield importlib.import_module(target)
            except ModuleNotFoundError as error:
                if error.name != target:
                    raise

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [n for n in dir(self) if not n.startswith("_")]
        if f"{self.__name__}.{name}" in MODULES and not name.startswith("__"):
            return module(f"{self.__name__}.{name}")
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        for target in self._targets():
            try:
                return getattr(target, name)
            except AttributeError:
                continue
        raise AttributeError(f"[{HERE}] Corten has no {self.__name__}.{name}")

    def __dir__(self) -> list[str]:
        names = set(self.__dict__) | {n.rpartition(".")[2] for n in MODULES if n.rpartition(".")[0] == self.__name__}
        for target in self._targets():
            names |= set(getattr(target, "__all__", ())) | {n for n in dir(target) if not n.startswith("_")}
        return sorted(names)

    def __repr__(self) -> str:
        return f"<module {self.__name__!r} of corten>"


_made: dict[str, Mirror] = {}


def module(name: str) -> Mirror:
    """The mirror of that name."""
    if name not in _made:
        made = _made[name] = Mirror(name)
        if name == "torchvision.models":  # scripts list what builds a model in its __dict__
            made.__dict__.update((n, getattr(made, n)) for n in made.list_models())
    return _made[name]


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of the table."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        """The module of that name, if it is in the table."""
        if fullname in MODULES:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        root = fullname.partition(".")[0]
        if root == "torch" or (root == "torchvision" and "torchvision" in sys.modules and
                               isinstance(sys.modules["torchvision"], Mirror)):  # fmt: skip
            raise ModuleNotFoundError(f"[{HERE}] Corten has no module {fullname}", name=fullname)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        """A mirror."""
        return module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run: names are found when they are asked for."""


_finder = Finder()


def _begin_as_here(**arguments: Any) -> list[str]:
    """How a process of :mod:`multiprocessing` is started: it sees these modules too."""
    command = _command(**arguments)
    if _finder in sys.meta_path and "-c" in command:
        at = command.index("-c") + 1
        command[at] = f"from {HERE} import install; install(); {command[at]}"
    return command


_command = multiprocessing.spawn.get_command_line


def _is_ours(module: Any) -> bool:
    return isinstance(module, Mirror)


def install() -> None:
    """Put the finder before all others."""
    there = sys.modules.get("torch")
    if there is not None and not _is_ours(there):
        raise RuntimeError(f"[{HERE}] PyTorch was imported before: install() comes first")
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
        multiprocessing.spawn.get_command_line = _begin_as_here


def uninstall() -> None:
    """Take the finder and its modules away."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        multiprocessing.spawn.get_command_line = _command
    for name in [n for n, m in sys.modules.items() if _is_ours(m)]:
        del sys.modules[name]


def attribute(name: str) -> Any:
    """What ``torch`` has under a name beside the tensors: for ``import corten as torch``."""
    if f"torch.{name}" in MODULES:
        return module(f"torch.{name}")
    return getattr(importlib.import_module(f"{HERE}.root"), name)
