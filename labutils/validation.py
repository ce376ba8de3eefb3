"""What a public function refuses at its door, each in one sentence that names the argument and what it must be."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError

if TYPE_CHECKING:
    from torch import Tensor


def require_whole_number(name: str, value: Any, at_least: int = 1) -> None:
    """Refuse a size that is no whole number of at least `at_least`; None, where a size may be left open, is accepted.

    Raises:
        LabError: names the size and its value.
    """
    if value is None:
        return
    try:
        good = not isinstance(value, bool) and operator.index(value) >= at_least
    except TypeError:
        good = False
    if not good:
        raise LabError(f"{name}={value!r} must be a whole number of at least {at_least}.")


def require_positive(name: str, value: Any) -> None:
    """Refuse what is not a finite number above zero.

    Raises:
        LabError: names the argument and its value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise LabError(f"{name}={value!r} must be a finite number above 0.")


def require_text(name: str, value: Any, whole: bool = False) -> None:
    """Refuse what is no text, such as the None of a system that gave no answer.

    Args:
        name: of the argument.
        value: of the argument.
        whole: also refuse half a character (a lone surrogate), which a model's tokenizer cannot take.

    Raises:
        LabError: names the argument and its type, or what it holds.
    """
    if not isinstance(value, str):
        raise LabError(f'{name} is {type(value).__name__}, not a text: give "" where a system wrote nothing.')
    if whole and any("\ud800" <= character <= "\udfff" for character in value):
        raise LabError(f"{name} holds half a character (a lone surrogate): write that text anew.")


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a setting that is not one of the choices.

    Raises:
        LabError: names the setting and lists the choices.
    """
    if value not in choices:
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}" if len(choices) < 4 else ", ".join(choices)
        raise LabError(f"{name}={value!r} is unknown: choose {listed}.")


def require_tensor(name: str, x: Tensor, dimensions: int = 1, last: int | None = None, floating: bool = True) -> None:
    """Refuse a tensor with too few dimensions, with another size in its last one, or one that does not hold floating-point numbers.

    Raises:
        LabError: names the tensor and its shape.
    """
    if x.dim() < dimensions:
        raise LabError(f"{name} has the shape {tuple(x.shape)}; it needs at least {dimensions} dimensions.")
    if last is not None and x.shape[-1] != last:
        raise LabError(f"{name} has the shape {tuple(x.shape)}; its last dimension must be {last}.")
    if floating and not x.is_floating_point():
        raise LabError(
            f"{name} holds {str(x.dtype).removeprefix('torch.')}; it needs floating-point numbers: use {name}.float()."
        )


def require_broadcast(names: str, *shapes: Sequence[int]) -> None:
    """Refuse shapes that do not broadcast to each other.

    Raises:
        LabError: names them and their shapes.
    """
    import torch

    try:
        torch.broadcast_shapes(*map(tuple, shapes))
    except RuntimeError:
        listed = ", ".join(str(tuple(shape)) for shape in shapes)
        raise LabError(f"{names} have the shapes {listed}, which do not fit each other.") from None
