"""Inputs of a layer rounded to a few bits, with a scale for each token."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions

# --------------------------------------------------------------------------------- 4.7 a scale for each token


def rounded(x: Tensor, largest: Tensor, top: float) -> Tensor:
    """x in whole steps of largest / top."""
    scale = (largest / top).clamp(min=1e-12)
    return (x / scale).round() * scale


def round_rows(x: Tensor, top: int = 127) -> Tensor:
    return rounded(x, x.abs().amax(dim=-1, keepdim=True), top)


def round_rows_cases() -> Cases:
    generator = torch.Generator().manual_seed(7)
    outlier = torch.randn(2, 5, 6, generator=generator)
    outlier[:, 0, 2] = -2000.0
    zeros = torch.randn(3, 4, generator=generator)
    zeros[1] = 0
    return [
        (torch.tensor([[1.0, -2.0, 0.5], [100.0, 3.0, -40.0]]),),
        (outlier,),
        (outlier, 7),
        (zeros, 63),
        (torch.tensor([0.3, -1.27, 0.904]),),
        (torch.randn(1, 4, 4, generator=generator) + 3, 15),
        (torch.tensor([[1000.0, -510.8, 3.2], [0.25, -0.5, 0.125]]), 1000),  # more steps than int8 has
    ]


def random_round_rows(rng: random.Random, size: int) -> tuple[Tensor | int, ...]:
    """One to three dimensions, rows of unlike sizes, sometimes a row of zeros; `top` given or left out."""
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    shape = [rng.randint(1, 2 + size // 4) for _ in range(size % 3)] + [rng.randint(2, 4 + size)]
    x = torch.randn(shape, generator=generator)
    if x.ndim > 1:
        x = x * 10.0 ** torch.randint(-2, 4, (*shape[:-1], 1), generator=generator)
        if size % 4 == 3:
            x.reshape(-1, shape[-1])[0] = 0
    return (x, rng.choice((7, 15, 63, 127))) if size % 2 else (x,)


def one_scale_for_all(x: Tensor, top: int = 127) -> Tensor:
    return rounded(x, x.abs().max(), top)


def one_scale_per_column(x: Tensor, top: int = 127) -> Tensor:
    return rounded(x, x.abs().amax(dim=-2 if x.ndim > 1 else -1, keepdim=True), top)


def one_scale_per_text(x: Tensor, top: int = 127) -> Tensor:
    return rounded(x, x.abs().amax(dim=(-2, -1) if x.ndim > 1 else -1, keepdim=True), top)


def largest_along_dimension_1(x: Tensor, top: int = 127) -> Tensor:
    return rounded(x, x.abs().amax(dim=1, keepdim=True), top)


def one_scale_per_column_of_a_batch(x: Tensor, top: int = 127) -> Tensor:
    return rounded(x, x.abs().amax(dim=0, keepdim=True), top)


def largest_value_not_magnitude(x: Tensor, top: int = 127) -> Tensor:
    return rounded(x, x.amax(dim=-1, keepdim=True), top)


def returns_the_codes(x: Tensor, top: int = 127) -> Tensor:
    return (x / (x.abs().amax(dim=-1, keepdim=True) / top).clamp(min=1e-12)).round()


def always_127(x: Tensor, top: int = 127) -> Tensor:
    return round_rows(x)


def steps_counted_in_int8(x: Tensor, top: int = 127) -> Tensor:
    scale = (x.abs().amax(dim=-1, keepdim=True) / top).clamp(min=1e-12)
    return (x / scale).round().to(torch.int8) * scale


def steps_from_end_to_end(x: Tensor, top: int = 127) -> Tensor:
    return round_rows(x, top / 2)  # type: ignore[arg-type]


def zero_rows_become_nan(x: Tensor, top: int = 127) -> Tensor:
    scale = x.abs().amax(dim=-1, keepdim=True) / top
    return (x / scale).round() * scale


def rounds_down(x: Tensor, top: int = 127) -> Tensor:
    scale = (x.abs().amax(dim=-1, keepdim=True) / top).clamp(min=1e-12)
    return (x / scale).floor() * scale


def no_rounding(x: Tensor, top: int = 127) -> Tensor:
    return x + 0.0


def truncates(x: Tensor, top: int = 127) -> Tensor:
    scale = (x.abs().amax(dim=-1, keepdim=True) / top).clamp(min=1e-12)
    return (x / scale).trunc() * scale


EXERCISES = {
    "4.7": ExerciseFunctions(
        round_rows,
        round_rows_cases,
        (
            one_scale_for_all,
            one_scale_per_column,
            largest_value_not_magnitude,
            returns_the_codes,
            always_127,
            steps_counted_in_int8,
            steps_from_end_to_end,
            zero_rows_become_nan,
            rounds_down,
            no_rounding,
            truncates,
            one_scale_per_text,
            largest_along_dimension_1,
            one_scale_per_column_of_a_batch,
        ),
        random_round_rows,
    ),
}
