"""Features for a classifier: every column on one scale, without a look at the test rows."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

Both = tuple[Tensor, Tensor]

# ---------------------------------------------------------------------------------------- 7.7 standardize


def standardize(train: Tensor, test: Tensor) -> Both:
    return scaled(train, train), scaled(test, train)


def scaled(rows: Tensor, by: Tensor, dim: int = 0, correction: int = 1) -> Tensor:
    """The rows, by the mean and the standard deviation of others."""
    return (rows - by.mean(dim, keepdim=True)) / by.std(dim, keepdim=True, correction=correction)


def standardize_cases() -> Cases:
    return [
        (float64([1.0, 10.0], [3.0, 30.0]), float64([2.0, 40.0], [6.0, 20.0])),
        (float64([0.0, 100.0], [2.0, 140.0], [4.0, 120.0]), float64([2.0, 120.0], [8.0, 100.0])),
        tuple(normal(77, (5, 3), (4, 3))),
        tuple(tensor.float() for tensor in normal(771, (6, 2), (2, 2))),
        (*normal(772, (3, 3)), 5 + 3 * normal(773, (3, 3))[0]),  # square, and the test rows lie elsewhere
        (*normal(774, (4, 1)), *normal(775, (1, 1))),
    ]


def random_standardize(rng: random.Random, size: int) -> Both:
    """Columns of different scales, none of them constant."""
    rows, columns, dtype = 2 + size // 3, 1 + size // 4, rng.choice(DTYPES)
    while True:
        scales, shift = drawn(rng, columns).exp(), drawn(rng, columns, spread=3.0)
        train, test = (((drawn(rng, n, columns)) * scales + shift).to(dtype) for n in (rows, 1 + size // 3))
        if float(train.std(0).min()) > 0.05:
            return train, test


def each_by_its_own(train: Tensor, test: Tensor) -> Both:
    own = scaled(test, test) if len(test) > 1 else test - test.mean(0)
    return scaled(train, train), own


def by_both_together(train: Tensor, test: Tensor) -> Both:
    both = torch.cat([train, test])
    return scaled(train, both), scaled(test, both)


def test_left_as_it_is(train: Tensor, test: Tensor) -> Both:
    return scaled(train, train), test


def centred_only(train: Tensor, test: Tensor) -> Both:
    return train - train.mean(0), test - train.mean(0)


def scaled_only(train: Tensor, test: Tensor) -> Both:
    return train / train.std(0), test / train.std(0)


def divides_by_the_variance(train: Tensor, test: Tensor) -> Both:
    middle, variance = train.mean(0), train.var(0)
    return (train - middle) / variance, (test - middle) / variance


def without_brackets(train: Tensor, test: Tensor) -> Both:
    shift = train.mean(0) / train.std(0)
    return train - shift, test - shift


def one_scale_for_all_columns(train: Tensor, test: Tensor) -> Both:
    middle, spread = train.mean(), train.std()
    return (train - middle) / spread, (test - middle) / spread


def spread_with_all_rows(train: Tensor, test: Tensor) -> Both:
    return scaled(train, train, correction=0), scaled(test, train, correction=0)


EXERCISES = {
    "7.7": ExerciseFunctions(
        standardize,
        standardize_cases,
        (
            each_by_its_own,
            by_both_together,
            test_left_as_it_is,
            centred_only,
            scaled_only,
            divides_by_the_variance,
            without_brackets,
            one_scale_for_all_columns,
            spread_with_all_rows,
        ),
        random_standardize,
    ),
}
