"""The derivatives of a learner's result, where a later cell trains through the function: equal values may hide that there are none."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from labutils.exercises.registry import ExerciseFunctions
from labutils.exercises.values import values_equal
from labutils.exercises.wording import short_text

Function = Callable[..., Any]
TOLERANCE = 1e-5  # of a derivative, or the exercise's where that is larger
MISSING = (
    "the values are right, and nothing is left to differentiate by `{name}`: compute with PyTorch alone, without `detach`, `item`, NumPy or "
    "`no_grad`, and change no result in place."
)
WRONG = "the values are right, and the derivative of their sum by `{name}` is not: expected {want}, got {got}."


def followed(case: tuple[Any, ...], functions: ExerciseFunctions) -> tuple[Any, ...]:
    """The same arguments; those that the result is differentiated by record what is done to them."""
    for value in _followed_arguments(case, functions).values():
        value.requires_grad_()
    return case


@contextmanager
def recording(functions: ExerciseFunctions) -> Iterator[None]:
    """PyTorch records operations in the block, whatever a notebook has set; nothing changes where no derivatives are asked for."""
    if not functions.differentiable:
        yield
        return
    import torch

    with torch.enable_grad():
        yield


def derivatives(result: Any, case: tuple[Any, ...], functions: ExerciseFunctions) -> dict[str, Any]:
    """The derivative of the sum of a result by each followed argument, by its name; None where there is none."""
    arguments = _followed_arguments(case, functions)
    if not arguments or not getattr(result, "requires_grad", False):
        return dict.fromkeys(arguments)
    import torch

    with torch.enable_grad():
        total = result.sum()
    try:
        found = torch.autograd.grad(total, list(arguments.values()), allow_unused=True)
    except RuntimeError:  # what an operation needed was changed in place after it
        return dict.fromkeys(arguments)
    return dict(zip(arguments, found, strict=True))


def derivative_problem(got: Mapping[str, Any], want: Mapping[str, Any], atol: float) -> tuple[str, str]:
    """What is wrong with the derivatives: the kind, and the end of a sentence; twice "" if nothing is."""
    for name, slope in want.items():
        if slope is not None and got[name] is None:
            return "derivative", MISSING.format(name=name)
        if slope is not None and not values_equal(got[name], slope, max(atol, TOLERANCE)):
            return "derivative", WRONG.format(name=name, want=short_text(slope), got=short_text(got[name]))
    return "", ""


def _followed_arguments(case: tuple[Any, ...], functions: ExerciseFunctions) -> dict[str, Any]:
    names = inspect.signature(functions.reference).parameters
    return {name: value for name, value in zip(names, case, strict=False) if name in functions.differentiable}
