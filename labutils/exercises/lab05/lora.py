"""LoRA: how it starts, a layer with an adapter, and the merged weight."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, batch_shape, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

DOWN, UP = float64([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]), float64([1.0, 2.0])  # A (2, 3) and B (1, 2) to be worked out by hand


# ------------------------------------------------------------------------------------- 5.4 how LoRA starts


def lora_start(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return noise, torch.zeros(n_out, len(noise))


def lora_start_cases() -> Cases:
    (random_rows,) = normal(54, (3, 5))
    return [
        (torch.tensor([[0.5, -1.0, 2.0]]), 1),
        (torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]]), 4),
        (random_rows.float(), 5),
        (random_rows, 7),
        (random_rows[:, :2].float(), 40),
        (torch.tensor([[0.5]]), 1),
    ]


def random_lora_start(rng: random.Random, size: int) -> tuple[Tensor, int]:
    rank, n_in, n_out = rng.randint(1, 1 + size // 3), rng.randint(1, 2 + size), rng.randint(1, 2 + 3 * size)
    return drawn(rng, rank, n_in, dtype=rng.choice(DTYPES)), n_out


def b_not_zero(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (noise, torch.ones(n_out, len(noise)))


def both_zero(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (torch.zeros_like(noise), torch.zeros(n_out, len(noise)))


def b_transposed(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (noise, torch.zeros(len(noise), n_out))


def b_with_n_in_rows(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (noise, torch.zeros(noise.shape[1], len(noise)))


def b_with_n_in_columns(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (noise, torch.zeros(n_out, noise.shape[1]))


def roles_exchanged(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (torch.zeros_like(noise), torch.ones(n_out, len(noise)))


def wrong_order(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    a, b = lora_start(noise, n_out)
    return b, a


def b_of_whole_numbers(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return noise, torch.zeros(n_out, len(noise), dtype=torch.int64)


def a_transposed(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return noise.T, torch.zeros(n_out, len(noise))


# ----------------------------------------------------------------------------------- 5.5 a layer with LoRA


def lora_forward(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return x @ weight.T + alpha / len(a) * x @ a.T @ b.T


def lora_forward_cases() -> Cases:
    return [
        (float64([1.0, 0.0, 2.0]), float64([1.0, 1.0, 1.0]), DOWN, UP, 4),
        (float64([1.0, 0.0, 2.0]), float64([1.0, 1.0, 1.0]), DOWN, UP, 3),
        (*normal(55, (2, 5), (4, 5), (3, 5), (4, 3)), 6),
        (*normal(550, (3, 6), (5, 6), (2, 6), (5, 2)), 16),
        (*normal(551, (2, 5), (4, 5), (3, 5), (4, 3)), 4),  # 4 / 3
        (*normal(552, (1, 3, 4), (5, 4), (2, 4), (5, 2)), 3),  # a batch, as the model gives the layer
        (*(tensor.float() for tensor in normal(553, (2, 4), (4, 4), (4, 4), (4, 4))), 1),
        (*normal(554, (3, 2), (3, 2), (5, 2), (3, 5)), 0.5),
    ]


def factors(rng: random.Random, size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, float]:
    """(weight, a, b, alpha) of a layer; alpha is seldom a multiple of the rank."""
    rank, n_in, n_out = rng.randint(1 + (size > 0), 2 + size // 4), rng.randint(1, 2 + size // 3), rng.randint(1, 3 + size // 3)
    shapes = ((n_out, n_in), (rank, n_in), (n_out, rank))
    weight, a, b = (drawn(rng, *shape, dtype=dtype) for shape in shapes)
    return weight, a, b, rng.choice((rng.randint(1, 9), rng.randint(1, 32), round(rng.uniform(0.1, 4), 1)))


def random_lora_forward(rng: random.Random, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
    dtype = rng.choice(DTYPES)
    weight, a, b, alpha = factors(rng, size, dtype)
    return drawn(rng, *batch_shape(rng, size), rng.randint(1, 2 + size // 3), weight.shape[1], dtype=dtype), weight, a, b, alpha


def no_factor(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return lora_forward(x, weight, a, b, len(a))


def no_division_by_the_rank(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return lora_forward(x, weight, a, b, alpha * len(a))


def inverted_factor(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return lora_forward(x, weight, a, b, len(a) ** 2 / alpha)


def no_frozen_layer(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return lora_forward(x, torch.zeros_like(weight), a, b, alpha)


def divides_by_n_in(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return lora_forward(x, weight, a, b, alpha * len(a) / a.shape[1])


def divides_by_n_out(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return lora_forward(x, weight, a, b, alpha * len(a) / len(b))


def scales_the_frozen_layer(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return alpha / len(a) * lora_forward(x, weight, a, b, len(a))


def whole_factor(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return lora_forward(x, weight, a, b, alpha // len(a) * len(a))


def divides_by_the_root_of_the_rank(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return lora_forward(x, weight, a, b, alpha * len(a) ** 0.5)


# ----------------------------------------------------------------------------------- 5.7 merge the adapter


def merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return weight + alpha / len(a) * b @ a


def merge_cases() -> Cases:
    return [
        (float64([1.0, 1.0, 1.0]), DOWN, UP, 4),
        (float64([1.0, 1.0, 1.0]), DOWN, UP, 3),
        (*normal(57, (4, 5), (3, 5), (4, 3)), 6),
        (*normal(570, (5, 6), (1, 6), (5, 1)), 3),
        (*normal(571, (4, 5), (3, 5), (4, 3)), 4),  # 4 / 3
        (*(tensor.float() for tensor in normal(572, (3, 3), (2, 3), (3, 2))), 1),
        (*normal(573, (3, 2), (5, 2), (3, 5)), 0.5),
    ]


def random_merge(rng: random.Random, size: int) -> tuple[Tensor, Tensor, Tensor, float]:
    return factors(rng, size, rng.choice(DTYPES))


def adds_the_change_twice(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(weight, a, b, 2 * alpha)


def merges_without_the_factor(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(weight, a, b, len(a))


def subtracts_the_change(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(weight, a, b, -alpha)


def merges_without_dividing_by_the_rank(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(weight, a, b, alpha * len(a))


def merges_with_the_inverted_factor(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(weight, a, b, len(a) ** 2 / alpha)


def merges_divided_by_n_in(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(weight, a, b, alpha * len(a) / a.shape[1])


def merges_divided_by_n_out(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(weight, a, b, alpha * len(a) / len(b))


def merges_with_a_whole_factor(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(weight, a, b, alpha // len(a) * len(a))


def scales_the_weight_too(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return alpha / len(a) * merge(weight, a, b, len(a))


def returns_the_change_alone(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(torch.zeros_like(weight), a, b, alpha)


EXERCISES = {
    "5.4": ExerciseFunctions(
        lora_start,
        lora_start_cases,
        (
            b_not_zero,
            both_zero,
            b_transposed,
            b_with_n_in_rows,
            b_with_n_in_columns,
            roles_exchanged,
            wrong_order,
            b_of_whole_numbers,
            a_transposed,
        ),
        random_lora_start,
    ),
    "5.5": ExerciseFunctions(
        lora_forward,
        lora_forward_cases,
        (
            no_factor,
            no_division_by_the_rank,
            inverted_factor,
            no_frozen_layer,
            divides_by_n_in,
            divides_by_n_out,
            scales_the_frozen_layer,
            whole_factor,
            divides_by_the_root_of_the_rank,
        ),
        random_lora_forward,
    ),
    "5.7": ExerciseFunctions(
        merge,
        merge_cases,
        (
            adds_the_change_twice,
            merges_without_the_factor,
            subtracts_the_change,
            merges_without_dividing_by_the_rank,
            merges_with_the_inverted_factor,
            merges_divided_by_n_in,
            merges_divided_by_n_out,
            returns_the_change_alone,
            merges_with_a_whole_factor,
            scales_the_weight_too,
        ),
        random_merge,
    ),
}
