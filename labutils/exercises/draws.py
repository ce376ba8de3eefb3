"""Numbers and tensors for the random cases of exercises: from a seeded generator, and rounded so that a person can read them."""

from __future__ import annotations

import random
from math import prod

import torch
from torch import Tensor

DTYPES = (torch.float64, torch.float32)


def drawn(rng: random.Random, *shape: int, spread: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
    """A tensor of normal numbers with this standard deviation, to two digits."""
    return torch.tensor([round(rng.gauss(0, spread), 2) for _ in range(prod(shape))], dtype=dtype).reshape(shape)


def whole(rng: random.Random, *shape: int, largest: int = 9, dtype: torch.dtype = torch.float64) -> Tensor:
    """A tensor of whole numbers from -largest to largest. Their products and sums are exact in float32 too."""
    return torch.tensor([rng.randint(-largest, largest) for _ in range(prod(shape))], dtype=dtype).reshape(shape)


def distinct(rng: random.Random, count: int, spread: int = 4) -> list[float]:
    """So many different numbers between -spread and spread, to two digits."""
    return [number / 100 for number in rng.sample(range(-100 * spread, 100 * spread), count)]


def batch_shape(rng: random.Random, size: int) -> tuple[int, ...]:
    """The dimensions that stand before the last ones: none, one or two; none in small cases."""
    return rng.choice(((), (1,), (2,), (1, 3), (2, 2))) if size > 2 else ()
