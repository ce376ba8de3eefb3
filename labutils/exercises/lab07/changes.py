"""Over how many directions the change of a weight is spread."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

# -------------------------------------------------------------------- 7.2 the directions of a change


def directions(change: Tensor, share: float) -> int:
    return count_to_reach(torch.linalg.svdvals(change).square(), share)


def count_to_reach(parts: Tensor, share: float) -> int:
    """How many of the parts, from the first, add up to at least this share of all."""
    return int((parts.cumsum(0) < share * parts.sum()).sum()) + 1


def directions_cases() -> Cases:
    (product,) = normal(72, (2, 9))
    (left,) = normal(720, (6, 2))
    return [
        (float64([3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]), 0.9),
        (float64([3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]), 0.5),
        (float64([1.0, 2.0], [2.0, 4.0], [3.0, 6.0]), 0.9),
        (float64([4.0, 0.0], [0.0, -3.0]), 0.7),
        (left @ product, 0.99),
        (*normal(721, (5, 7)), 0.8),
        (*normal(722, (8, 3)), 0.95),
        (float64([1.5, 0.0, 0.0, 0.0], [0.0, 1.2, 0.0, 0.0], [0.0, 0.0, 1.1, 0.0], [0.0, 0.0, 0.0, 1.0]), 0.3),
        (float64([2.0, 0.0], [0.0, 2.0]), 0.5),  # the first reaches the share exactly
    ]


def random_directions(rng: random.Random, size: int) -> tuple[Tensor, float]:
    """A matrix whose sums stay clear of the share, so that no rounding can change the count."""
    rows, columns, dtype = 2 + size // 4, 2 + size // 3, rng.choice(DTYPES)
    while True:
        rank = rng.randint(1, min(rows, columns))
        change = (drawn(rng, rows, rank) @ drawn(rng, rank, columns)).to(dtype)
        share = rng.choice((0.3, 0.5, 0.7, 0.8, 0.9, 0.95))
        parts = torch.linalg.svdvals(change.double()).square()
        if float(parts[0]) > 0.01 and bool(((parts.cumsum(0) / parts.sum() - share).abs() > 0.01).all()):
            return change, share


def sums_without_squares(change: Tensor, share: float) -> int:
    return count_to_reach(torch.linalg.svdvals(change), share)


def one_direction_too_few(change: Tensor, share: float) -> int:
    return directions(change, share) - 1


def one_direction_too_many(change: Tensor, share: float) -> int:
    return directions(change, share) + 1


def rank_of_the_change(change: Tensor, share: float) -> int:
    return int(torch.linalg.matrix_rank(change))


def smallest_values_first(change: Tensor, share: float) -> int:
    return count_to_reach(torch.linalg.svdvals(change).square().flip(0), share)


def values_above_a_share_of_the_largest(change: Tensor, share: float) -> int:
    values = torch.linalg.svdvals(change)
    return int((values >= share * values[0]).sum())


def values_above_the_rest(change: Tensor, share: float) -> int:
    values = torch.linalg.svdvals(change)
    return int((values >= (1 - share) * values[0]).sum())


def counts_rows(change: Tensor, share: float) -> int:
    return count_to_reach(change.square().sum(1).sort(descending=True).values, share)


def counts_elements(change: Tensor, share: float) -> int:
    return count_to_reach(change.flatten().square().sort(descending=True).values, share)


EXERCISES = {
    "7.2": ExerciseFunctions(
        directions,
        directions_cases,
        (
            sums_without_squares,
            one_direction_too_few,
            one_direction_too_many,
            rank_of_the_change,
            smallest_values_first,
            values_above_a_share_of_the_largest,
            values_above_the_rest,
            counts_rows,
            counts_elements,
        ),
        random_directions,
    ),
}
