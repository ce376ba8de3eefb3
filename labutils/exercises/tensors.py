"""Tensors for the cases of exercises: written out, or drawn the same way everywhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def float64(*values: Any) -> Tensor:
    """A float64 tensor of numbers, or of rows. `float64([1.0, 2.0], [3.0, 4.0])` has the shape (2, 2)."""
    return torch.tensor(values, dtype=torch.float64)


def normal(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    """A float64 tensor of standard normal numbers for each shape; the same numbers for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
