"""Results of a learner's function: whether two are equal, and how one is written in a message."""

from __future__ import annotations

from typing import Any


def is_tensor(value: Any) -> bool:
    """Whether a value is a PyTorch tensor, said without importing PyTorch."""
    return hasattr(value, "shape") and hasattr(value, "detach")


def values_equal(got: Any, want: Any, atol: float) -> bool:
    """Whether a result is the expected one, in type, shape and value.

    Args:
        got: what the learner's function returned. A number in place of a float, and a tensor of another dtype, will do.
        want: what the reference returned; lists, tuples and dicts are compared item by item.
        atol: absolute tolerance for floating-point numbers; a relative one of 1e-4 is always added.
    """
    import torch

    if is_tensor(want):
        if not is_tensor(got) or got.shape != want.shape:
            return False
        return bool(torch.allclose(got.detach().double(), want.double(), atol=atol, rtol=1e-4, equal_nan=True))
    if isinstance(want, float):
        return isinstance(got, (int, float)) and abs(got - want) <= atol + 1e-4 * abs(want)
    if type(got) is not type(want):
        return False
    if isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(values_equal(g, w, atol) for g, w in zip(got, want, strict=True))
    if isinstance(want, dict):
        return got.keys() == want.keys() and all(values_equal(got[key], want[key], atol) for key in want)
    return got == want


def short_text(value: Any) -> str:
    """A value as a person wants to read it: rounded, short.

    >>> short_text([1, 2])
    '[1, 2]'
    """
    if is_tensor(value):
        flat = value.detach().cpu().flatten().tolist()
        items = [f"{x:.4g}" if isinstance(x, float) else str(x) for x in flat[:8]]
        inner = ", ".join(items) + (", ..." if len(flat) > 8 else "")
        return f"[{inner}]" if value.ndim == 1 else f"{inner} of shape {tuple(value.shape)}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple) and any(map(is_tensor, value)):
        return f"({', '.join(map(short_text, value))})"
    text = repr(value)
    return text if len(text) <= 90 else text[:87] + "..."


def type_text(value: Any) -> str:
    """The type of a value in words.

    >>> type_text([1, 2])
    'a value of type list'
    """
    return f"a tensor of shape {tuple(value.shape)}" if is_tensor(value) else f"a value of type {type(value).__name__}"
