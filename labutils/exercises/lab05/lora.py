"""LoRA: how it starts, a layer with an adapter, and the merged weight."""

from __future__ import annotations

import torch
from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

DOWN, UP = float64([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]), float64([1.0, 2.0])  # A (2, 3) and B (1, 2) to be worked out by hand


# ------------------------------------------------------------------------------------- 5.4 how LoRA starts


def lora_start(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return noise, torch.zeros(n_out, len(noise))


def lora_start_cases() -> Cases:
    (random,) = normal(54, (3, 5))
    return [
        (torch.tensor([[0.5, -1.0, 2.0]]), 1),
        (torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]]), 4),
        (random.float(), 5),
    ]


def b_not_zero(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (noise, torch.ones(n_out, len(noise)))


def both_zero(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (torch.zeros_like(noise), torch.zeros(n_out, len(noise)))


def b_transposed(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (noise, torch.zeros(len(noise), n_out))


def b_with_n_in_rows(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (noise, torch.zeros(noise.shape[1], len(noise)))


def roles_exchanged(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    return (torch.zeros_like(noise), torch.ones(n_out, len(noise)))


def wrong_order(noise: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    a, b = lora_start(noise, n_out)
    return b, a


# ----------------------------------------------------------------------------------- 5.5 a layer with LoRA


def lora_forward(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return x @ weight.T + alpha / len(a) * x @ a.T @ b.T


def lora_forward_cases() -> Cases:
    return [
        (float64([1.0, 0.0, 2.0]), float64([1.0, 1.0, 1.0]), DOWN, UP, 4),
        (*normal(55, (2, 5), (4, 5), (3, 5), (4, 3)), 6),
        (*normal(550, (3, 6), (5, 6), (2, 6), (5, 2)), 16),
    ]


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


# ----------------------------------------------------------------------------------- 5.7 merge the adapter


def merge(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return weight + alpha / len(a) * b @ a


def merge_cases() -> Cases:
    return [
        (float64([1.0, 1.0, 1.0]), DOWN, UP, 4),
        (*normal(57, (4, 5), (3, 5), (4, 3)), 6),
        (*normal(570, (5, 6), (1, 6), (5, 1)), 3),
    ]


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


def returns_the_change_alone(weight: Tensor, a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return merge(torch.zeros_like(weight), a, b, alpha)


EXERCISES = {
    "5.4": ExerciseFunctions(
        lora_start, lora_start_cases, (b_not_zero, both_zero, b_transposed, b_with_n_in_rows, roles_exchanged, wrong_order)
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
        ),
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
        ),
    ),
}
