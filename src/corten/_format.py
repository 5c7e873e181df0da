"""How tensors print."""

from __future__ import annotations

from typing import Any

_options: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}


def set_printoptions(precision: int | None = None, threshold: int | None = None, edgeitems: int | None = None,
                     linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None) -> None:  # fmt: skip
    """Set how tensors print: digits, how many elements before they are summarised, and line width."""
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    profiles = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, 2**62, 3, 80)}
    if profile is not None:
        _options.update(zip(("precision", "threshold", "edgeitems", "linewidth"), profiles[profile], strict=True))
    _options.update({k: v for k, v in given.items() if v is not None})
    _options["sci_mode"] = sci_mode


def tensor_text(t: Any) -> str:
    """The text of a tensor: values, and dtype and origin where they are not the usual ones."""
    import corten._core.core as core

    prefix = "Parameter containing:\ntensor(" if type(t).__name__ == "Parameter" else "tensor("
    tail = []
    if t.is_meta:
        return f"tensor(..., device='meta', size={tuple(t.shape)}, dtype={t.dtype})"
    values = t.detach()
    name = values.dtype.name
    if values.dtype.is_floating_point or values.dtype.is_complex:
        if values.dtype is not core.get_default_dtype():
            tail.append(f"dtype={values.dtype}")
    elif name not in ("int64", "bool"):
        tail.append(f"dtype={values.dtype}")
    if values.numel() == 0:
        text = "[]"
        if t.ndim != 1:
            tail.insert(0, f"size={tuple(t.shape)}")
    else:
        text = array_text(values.float() if name == "bfloat16" else values, len("tensor("))
    if t.grad_fn is not None:
        tail.append(f"grad_fn=<{t.grad_fn.name()}>")
    elif t.requires_grad:
        tail.append("requires_grad=True")
    return prefix + ", ".join([text, *tail]) + ")"


def array_text(values: Any, indent: int) -> str:
    """Nested brackets with aligned numbers."""
    import numpy as np

    array = values.numpy()
    finite = np.abs(array[np.isfinite(array)].astype(float)) if array.dtype.kind == "f" else None
    formatter: Any = None
    if finite is not None:
        digits = _options["precision"]
        shown = finite[finite != 0]
        whole = bool(np.all(finite == np.round(finite)))
        wide = shown.size and (shown.max() / shown.min() > 1000 or shown.max() > 1e8 or shown.min() < 1e-4)
        use_exponent = _options["sci_mode"] if _options["sci_mode"] is not None else bool(wide and not whole) or bool(
            shown.size and shown.max() > 1e8)
        shape = f".{digits}e" if use_exponent else ".0f" if whole else f".{digits}f"
        point = "." if whole and not use_exponent else ""

        def one(v: Any) -> str:
            return format(float(v), shape) + (point if np.isfinite(v) else "")

        width = max((len(one(v)) for v in shown_items(array)), default=0)
        formatter = {"float_kind": lambda v: one(v).rjust(width)}
    if array.dtype.kind == "b":
        width = 5 if array.ndim and not array.all() else 4
        formatter = {"bool": lambda v: str(bool(v)).rjust(width if array.ndim else 0)}
    text = np.array2string(array, separator=", ", prefix=" " * indent, threshold=_options["threshold"],
                           edgeitems=_options["edgeitems"], max_line_width=_options["linewidth"] + indent,
                           formatter=formatter)  # fmt: skip
    return text.strip() if array.ndim == 0 else text


def shown_items(array: Any) -> Any:
    """The elements that a summary shows (all, when there are few)."""
    import numpy as np

    if array.size <= _options["threshold"]:
        return array.ravel()
    edge = _options["edgeitems"]
    for axis in range(array.ndim):
        if array.shape[axis] > 2 * edge:
            array = np.take(array, [*range(edge), *range(-edge, 0)], axis=axis)
    return array.ravel()
