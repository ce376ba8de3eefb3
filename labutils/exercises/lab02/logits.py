"""Logits that the cases of lab 02 share, and what is said of them."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, distinct
from labutils.exercises.tensors import float64

MINUS_INFINITY = float("-inf")

CAKE = float64(math.log(0.20), math.log(0.10), math.log(0.02), math.log(0.01), math.log(0.67))
PLAIN = float64(2.0, 1.0, 0.0, -1.0)
SHUFFLED = float64(-1.0, 3.0, 0.5, 2.0, 2.5, -4.0)
NEGATIVE = float64(-7.5, -2.25, -3.0, -2.5).float()


def token_ids(*ids: int) -> Tensor:
    return torch.tensor(ids, dtype=torch.int64)


def keep(logits: Tensor, kept: Tensor) -> Tensor:
    """The logits with minus infinity where `kept` is False."""
    return logits.masked_fill(~kept, MINUS_INFINITY)


def rank(logits: Tensor) -> Tensor:
    """0 for the largest logit, 1 for the next, and so on."""
    return logits.argsort(descending=True).argsort()


def random_logits(rng: random.Random, count: int) -> Tensor:
    """So many different logits (V,), sometimes all negative, in float32 or float64."""
    level = rng.choice((0.0, 0.0, -10.0))
    return torch.tensor(distinct(rng, count), dtype=rng.choice(DTYPES)) + level
