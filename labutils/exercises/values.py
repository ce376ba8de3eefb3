"""Results of a learner's function: whether two are equal in type, shape and value, and where they first differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

RTOL = 1e-4
MISSING = object()  # stands in a Difference for what one of the two results lacks
_CONTAINERS = (list, tuple, dict)


@dataclass(frozen=True)
class Difference:
    """The first place where two results differ.

    Attributes:
        kind: what differs there. "length" is of lists and tuples, and "keys" of dicts.
        path: the indices and keys that lead there; empty for the results themselves.
        got, want: the two values there; MISSING where there is none.
    """

    kind: Literal["type", "dtype", "shape", "length", "keys", "nan", "value"]
    path: tuple[Any, ...]
    got: Any
    want: Any


def is_tensor(value: Any) -> bool:
    """Whether a value is a PyTorch tensor, said without importing PyTorch."""
    return any(base.__module__ == "torch" and base.__name__ == "Tensor" for base in type(value).__mro__)


def values_equal(got: Any, want: Any, atol: float, rtol: float = RTOL) -> bool:
    """Whether a result is the expected one, in type, shape and value (see `first_difference`)."""
    return first_difference(got, want, atol, rtol) is None


def first_difference(got: Any, want: Any, atol: float, rtol: float = RTOL) -> Difference | None:
    """Where a result first differs from the expected one, or None if it does not.

    A floating-point number may be of any floating-point type, whether Python's, NumPy's or a scalar tensor, and a whole number will do
    for it too; a floating-point tensor may be of any floating-point type. Otherwise types are kept: a float is not an int, a bool is not
    an int, a tuple is not a list, int64 is not int8.

    Args:
        got: what the learner's function returned.
        want: what the reference returned; lists, tuples and dicts are compared item by item.
        atol, rtol: absolute and relative tolerance for floating-point numbers.
    """
    return _difference(got, want, atol, rtol, ())


def _difference(got: Any, want: Any, atol: float, rtol: float, path: tuple[Any, ...]) -> Difference | None:
    if is_tensor(want):
        kind = _tensor_difference(got, want, atol, rtol)
        return Difference(kind, path, got, want) if kind else None
    if isinstance(want, (bool, int, float)):
        kind = _number_difference(got, want, atol, rtol)
        return Difference(kind, path, got, want) if kind else None
    base = next((base for base in (list, tuple, dict, str) if isinstance(want, base)), type(want))
    if not issubclass(type(got), base):
        return Difference("type", path, got, want)
    if base is dict:
        for key, value in want.items():
            if key not in got:
                return Difference("keys", (*path, key), MISSING, value)
            if found := _difference(got[key], value, atol, rtol, (*path, key)):
                return found
        extra = next((key for key in got if key not in want), MISSING)
        return None if extra is MISSING else Difference("keys", (*path, extra), got[extra], MISSING)
    if base in (list, tuple):
        for index, (theirs, ours) in enumerate(zip_longest(got, want, fillvalue=MISSING)):
            if theirs is MISSING or ours is MISSING:
                return Difference("length", (*path, index), theirs, ours)
            if found := _difference(theirs, ours, atol, rtol, (*path, index)):
                return found
        return None
    return None if got is want or got == want else Difference("value", path, got, want)


def _plain(value: Any) -> Any:
    """A NumPy number or a floating-point tensor of no dimensions as the Python number that it holds; anything else as it is."""
    is_numpy = any(base.__module__ == "numpy" and base.__name__ == "generic" for base in type(value).__mro__)
    if is_numpy or (is_tensor(value) and value.ndim == 0 and value.is_floating_point() and _is_dense(value)):
        return value.item()
    return value


def _number_difference(got: Any, want: bool | int | float, atol: float, rtol: float) -> Literal["type", "nan", "value"] | None:
    got = _plain(got)
    if isinstance(want, bool) or not isinstance(want, float):
        exact = bool if isinstance(want, bool) else int
        if not issubclass(type(got), exact) or (exact is int and isinstance(got, bool)):
            return "type"
        return None if got == want else "value"
    if isinstance(got, bool) or not issubclass(type(got), (int, float)):
        return "type"
    try:
        number = float(got)
    except OverflowError:  # an int of more digits than a float can have
        return "value"
    if math.isnan(number) or math.isnan(want):
        return None if math.isnan(number) and math.isnan(want) else "nan" if math.isnan(number) else "value"
    if math.isinf(want):
        return None if number == want else "value"  # a tolerance that is a share of infinity would let every number pass
    return None if number == want or abs(number - want) <= atol + rtol * abs(want) else "value"


def _is_dense(tensor: Any) -> bool:
    """Whether a tensor holds plain numbers that can be read: not sparse, quantized, nested or without data."""
    import torch

    return tensor.layout is torch.strided and not (tensor.is_quantized or tensor.is_meta or tensor.is_nested)


def _family(tensor: Any) -> Any:
    """What must be the same in two tensors' types: any floating-point type counts as "float"."""
    return "float" if tensor.is_floating_point() else tensor.dtype


def _tensor_difference(got: Any, want: Any, atol: float, rtol: float) -> Literal["type", "shape", "dtype", "nan", "value"] | None:
    import torch

    if not is_tensor(got) or (_is_dense(want) and not _is_dense(got)):
        return "type"
    if got.shape != want.shape:
        return "shape"
    if _family(got) != _family(want):
        return "dtype"
    got, want = got.detach().cpu(), want.detach().cpu()
    if not want.is_floating_point():
        return None if torch.equal(got, want) else "value"
    if torch.isnan(got).any() and not torch.isnan(want).any():
        return "nan"
    return None if torch.allclose(got.double(), want.double(), atol=atol, rtol=rtol, equal_nan=True) else "value"


def unequal_places(got: Any, want: Any, atol: float, rtol: float = RTOL) -> list[tuple[int, ...]]:
    """The indices at which two dense tensors of one shape and kind differ, in order."""
    import torch

    got, want = got.detach().cpu(), want.detach().cpu()
    if want.is_floating_point():
        unequal = ~torch.isclose(got.double(), want.double(), atol=atol, rtol=rtol, equal_nan=True)
    else:
        unequal = got != want
    return [tuple(place) for place in unequal.nonzero().tolist()]
