"""Exercise 1.3: rotary positions."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, batch_shape, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal
from labutils.transformer import attention


def rotate(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return turn_pairs(x, positions[:, None] * rotation_speeds(x, base))


def rotation_speeds(x: Tensor, base: float, exponent: float = -1.0) -> Tensor:
    """Angles (d/2,) by which one position more turns the pairs of x (..., T, d)."""
    half = x.shape[-1] // 2
    return base ** (exponent * torch.arange(half, dtype=torch.float64) / half)


def turn_pairs(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair (i, i + d/2) of x (..., T, d) by angles (T, d/2)."""
    both = torch.cat([angles, angles], dim=-1)
    return attention.rotate(x, both.cos(), both.sin())


def rotate_cases() -> Cases:
    (numbers,) = normal(13, (2, 3, 8))
    single = normal(31, (1, 2, 3, 6))[0].float()
    return [
        (float64([1.0, 0.0], [1.0, 0.0]), float64(0.0, 1.0)),
        (float64([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]), float64(1.0, 3.0)),
        (numbers, float64(0.0, 5.0, 9.0), 100.0),
        (single, torch.arange(3), 100_000.0),  # whole positions and float32, as the cells below pass them
        (single, torch.tensor([107, 12, 40])),
        (numbers[:, :1], torch.tensor([3]), 500.0),
    ]


def random_rotate(rng: random.Random, size: int) -> tuple[Any, ...]:
    length, half = 1 + size // 3, 1 + rng.randrange(1 + size // 4)
    positions = torch.tensor(rng.sample(range(120), length), dtype=rng.choice((torch.int64, torch.float64)))
    x = drawn(rng, *batch_shape(rng, size), length, 2 * half, dtype=rng.choice(DTYPES))
    return (x, positions) if size % 3 == 0 else (x, positions, rng.choice((20.0, 500.0, 10_000.0, 100_000.0)))


def pairs_neighbours(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    angles = positions[:, None] * rotation_speeds(x, base)
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = [even * angles.cos() - odd * angles.sin(), odd * angles.cos() + even * angles.sin()]
    return torch.stack(pairs, dim=-1).flatten(-2).to(x)


def turns_the_other_way(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return rotate(x, -positions, base)


def turned_halves(x: Tensor, angles: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the second half of x, turned by angles of any shape that broadcasts."""
    a, b = x.chunk(2, dim=-1)
    return a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()


def one_row_of_angles(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return torch.cat(turned_halves(x, positions * rotation_speeds(x, base)), dim=-1)


def wrong_sign_in_the_second_half(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    first, second = (part.chunk(2, dim=-1) for part in (rotate(x, positions, base), rotate(x, -positions, base)))
    return torch.cat([first[0], second[1]], dim=-1)


def turns_with_the_new_first_half(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    angles = positions[:, None] * rotation_speeds(x, base)
    a, b = x.chunk(2, dim=-1)
    a = a * angles.cos() - b * angles.sin()
    return torch.cat([a, b * angles.cos() + a * angles.sin()], dim=-1).to(x)


def exchanges_the_halves(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return torch.cat(rotate(x, positions, base).chunk(2, dim=-1)[::-1], dim=-1)


def weaves_the_halves(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return torch.stack(rotate(x, positions, base).chunk(2, dim=-1), dim=-1).flatten(-2)


def speeds_fall_too_slowly(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return turn_pairs(x, positions[:, None] * rotation_speeds(x, base, exponent=-0.5))


def one_speed_for_all_pairs(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return turn_pairs(x, positions[:, None] * torch.ones(x.shape[-1] // 2))


def ignores_the_positions(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return rotate(x, torch.arange(x.shape[-2]), base)


def ignores_the_base(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return rotate(x, positions)


EXERCISES = {
    "1.3": ExerciseFunctions(
        rotate,
        rotate_cases,
        (
            pairs_neighbours,
            turns_the_other_way,
            speeds_fall_too_slowly,
            one_speed_for_all_pairs,
            ignores_the_positions,
            ignores_the_base,
            one_row_of_angles,
            wrong_sign_in_the_second_half,
            turns_with_the_new_first_half,
            exchanges_the_halves,
            weaves_the_halves,
        ),
        random_rotate,
    ),
}
