"""Networks for images, with torchvision's names, arguments and state-dict keys, so that weights trained there load here.

A family's module is imported when one of its names is first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_MODULES: dict[str, tuple[str, ...]] = {
    "classic": ("AlexNet", "LeNet5", "alexnet", "lenet5"),
    "vgg": ("VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    "resnet": ("ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
               "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    "resnet_cifar": ("CifarResNet", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110"),
    "densenet": ("DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"),
    "mobilenet": ("MobileNetV2", "MobileNetV3", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
    "efficientnet": ("EfficientNet", *(f"efficientnet_b{i}" for i in range(8))),
    "squeezenet": ("SqueezeNet", "squeezenet1_0", "squeezenet1_1"),
    "inception": ("GoogLeNet", "googlenet"),
    "vision_transformer": ("VisionTransformer", "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
    "convnext": ("ConvNeXt", "convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    "segmentation": ("UNet", "unet"),
}  # fmt: skip
_WHERE = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["get_model", "list_models", *_WHERE]  # noqa: PLE0604


def list_models() -> list[str]:
    """Names of all functions that build a model.

    Examples
    --------
    >>> "resnet18" in list_models()
    True
    """
    return sorted(name for name in _WHERE if name.islower())


def get_model(name: str, **settings: Any) -> Any:
    """A model by its name.

    Parameters
    ----------
    name : str
        One of :func:`list_models`.
    **settings
        What the function of that name takes, such as ``num_classes``.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    if name not in _WHERE or not name.islower():
        raise ValueError(f"[get_model] got {name!r}, expected one of {', '.join(list_models())}")
    build: Callable[..., Any] = __getattr__(name)
    return build(**settings)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"corten.vision.models.{_WHERE[name]}"), name)
    raise AttributeError(f"module 'corten.vision.models' has no attribute {name!r}")
