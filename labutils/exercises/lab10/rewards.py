"""The Bradley-Terry loss, the reward on a leash, and an estimate of the KL divergence."""

from __future__ import annotations

import random
from math import log

import torch
from torch import Tensor
from torch.nn import functional

from labutils.exercises.draws import drawn
from labutils.exercises.registry import Cases, ExerciseFunctions

# --------------------------------------------------------------------- 10.1 Bradley-Terry


def preference_loss(preferred: Tensor, other: Tensor) -> Tensor:
    return -functional.logsigmoid(preferred - other).mean()


def preference_loss_cases() -> Cases:
    return [
        (torch.tensor([2.0, 1.0]), torch.tensor([1.0, 1.5])),
        (torch.tensor([0.3, -1.2, 4.0], dtype=torch.float64), torch.tensor([0.3, 1.0, -2.0], dtype=torch.float64)),
        (torch.tensor([-3.0]), torch.tensor([2.0])),
        (torch.tensor([150.0, -160.0]), torch.tensor([-20.0, 140.0])),  # the naive logarithm is infinite here
    ]


def random_preference_loss(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    return drawn(rng, 1 + size, spread=2), drawn(rng, 1 + size, spread=2)


def preference_the_wrong_way(preferred: Tensor, other: Tensor) -> Tensor:
    return -functional.logsigmoid(other - preferred).mean()


def without_the_minus(preferred: Tensor, other: Tensor) -> Tensor:
    return functional.logsigmoid(preferred - other).mean()


def summed(preferred: Tensor, other: Tensor) -> Tensor:
    return -functional.logsigmoid(preferred - other).sum()


def probability_for_its_logarithm(preferred: Tensor, other: Tensor) -> Tensor:
    return -(preferred - other).sigmoid().mean()


def logarithm_of_the_mean(preferred: Tensor, other: Tensor) -> Tensor:
    return -(preferred - other).sigmoid().mean().log()


def differences_averaged_first(preferred: Tensor, other: Tensor) -> Tensor:
    return -functional.logsigmoid((preferred - other).mean())


def sigmoid_of_each(preferred: Tensor, other: Tensor) -> Tensor:
    return -(functional.logsigmoid(preferred) - functional.logsigmoid(other)).mean()


def bits(preferred: Tensor, other: Tensor) -> Tensor:
    return preference_loss(preferred, other) / log(2)


def naive_logarithm(preferred: Tensor, other: Tensor) -> Tensor:
    return -(preferred - other).sigmoid().log().mean()


def small_number_inside(preferred: Tensor, other: Tensor) -> Tensor:
    return -((preferred - other).sigmoid() + 1e-8).log().mean()


def difference_alone(preferred: Tensor, other: Tensor) -> Tensor:
    return -(preferred - other).mean()


def hinge(preferred: Tensor, other: Tensor) -> Tensor:
    return (1 - (preferred - other)).clamp(min=0).mean()


# --------------------------------------------------------------------- 10.2 the leash


def leashed(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs - reference).sum(-1)


def leashed_cases() -> Cases:
    return [
        (torch.tensor([1.0, 2.0]), torch.tensor([[-1.0, -2.0], [-0.5, -0.5]]), torch.tensor([[-2.0, -2.0], [-0.5, -1.5]]), 0.5),
        (torch.tensor([3.0]), torch.tensor([[-0.25, -1.0, 0.0]]), torch.tensor([[-1.25, -0.5, 0.0]]), 2.0),
        (torch.tensor([1.0, 0.0, 2.0]), torch.tensor([[-1.0, 0.0], [-4.0, -3.0], [-1.5, -2.5]]), torch.full((3, 2), -2.0), 0.1),
        (torch.tensor([1.5, -1.5]), torch.full((2, 3), -1.0), torch.full((2, 3), -2.0), 0.0),
    ]


def random_leashed(rng: random.Random, size: int) -> tuple[Tensor, Tensor, Tensor, float]:
    count, length = 1 + size // 2, 2 + size % 4
    return drawn(rng, count), -drawn(rng, count, length).abs(), -drawn(rng, count, length).abs(), rng.choice((0.1, 0.5, 1.0, 2.0))


def kl_rewarded(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards + beta * (log_probs - reference).sum(-1)


def averaged_over_the_text(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs - reference).mean(-1)


def summed_over_all_texts(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs - reference).sum()


def without_the_reference(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * log_probs.sum(-1)


def without_beta(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - (log_probs - reference).sum(-1)


def beta_divides(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - (log_probs - reference).sum(-1) / beta


def last_character_only(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs - reference)[..., -1]


def one_gap_for_all(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs - reference).sum(-1).mean()


def gains_only(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs - reference).sum(-1).clamp(min=0)


def gap_of_the_probabilities(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs.exp() - reference.exp()).sum(-1)


def gap_weighted(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs.exp() * (log_probs - reference)).sum(-1)


def beta_times_all(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return beta * (rewards - (log_probs - reference).sum(-1))


def gap_per_character(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards.unsqueeze(-1) - beta * (log_probs - reference)


def absolute_gap(rewards: Tensor, log_probs: Tensor, reference: Tensor, beta: float) -> Tensor:
    return rewards - beta * (log_probs - reference).abs().sum(-1)


# --------------------------------------------------------------------- 10.3 k3


def k3(log_probs: Tensor, reference: Tensor) -> Tensor:
    gap = reference - log_probs
    return torch.expm1(gap) - gap


def k3_cases() -> Cases:
    near = torch.tensor([-1.0, -2.5, -0.125])
    return [
        (torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([-1.5, -1.0, -0.5])),
        (torch.tensor([-3.0, -0.25], dtype=torch.float64), torch.tensor([-0.5, -4.0], dtype=torch.float64)),
        (near, near + torch.tensor([2**-10, -(2**-12), 2**-14])),  # 1 + gap is rounded in float32
        (torch.tensor([[-1.0, -7.0], [-2.0, -0.75]]), torch.tensor([[-2.0, -3.0], [-2.5, -0.5]])),
        (torch.tensor([-120.0, -110.0]), torch.tensor([-119.0, -111.5])),  # the probabilities themselves are 0 in float32
        (torch.tensor([-0.5, -1.0]), torch.tensor([-120.5, -1.0])),  # and here their ratio is
    ]


def random_k3(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    return -drawn(rng, 1 + size, spread=2).abs(), -drawn(rng, 1 + size, spread=2).abs()


def kl_the_wrong_way_round(log_probs: Tensor, reference: Tensor) -> Tensor:
    return torch.expm1(log_probs - reference) - (log_probs - reference)


def naive_near_zero(log_probs: Tensor, reference: Tensor) -> Tensor:
    gap = reference - log_probs
    return gap.exp() - 1 - gap


def k1(log_probs: Tensor, reference: Tensor) -> Tensor:
    return log_probs - reference


def k2(log_probs: Tensor, reference: Tensor) -> Tensor:
    return (log_probs - reference).square() / 2


def without_the_gap(log_probs: Tensor, reference: Tensor) -> Tensor:
    return torch.expm1(reference - log_probs)


def without_the_one(log_probs: Tensor, reference: Tensor) -> Tensor:
    gap = reference - log_probs
    return gap.exp() - gap


def plus_the_gap(log_probs: Tensor, reference: Tensor) -> Tensor:
    gap = reference - log_probs
    return torch.expm1(gap) + gap


def one_taken_off_twice(log_probs: Tensor, reference: Tensor) -> Tensor:
    return k3(log_probs, reference) - 1


def weighted_by_the_policy(log_probs: Tensor, reference: Tensor) -> Tensor:
    return log_probs.exp() * k3(log_probs, reference)


def quotient_of_probabilities(log_probs: Tensor, reference: Tensor) -> Tensor:
    ratio = reference.exp() / log_probs.exp()
    return ratio - 1 - ratio.log()


def logarithm_of_the_ratio(log_probs: Tensor, reference: Tensor) -> Tensor:
    ratio = (reference - log_probs).exp()
    return ratio - 1 - ratio.log()


def summed_over_the_text(log_probs: Tensor, reference: Tensor) -> Tensor:
    return k3(log_probs, reference).sum(-1)


def averaged(log_probs: Tensor, reference: Tensor) -> Tensor:
    return k3(log_probs, reference).mean()


EXERCISES = {
    "10.1": ExerciseFunctions(
        preference_loss,
        preference_loss_cases,
        (
            preference_the_wrong_way,
            without_the_minus,
            summed,
            probability_for_its_logarithm,
            logarithm_of_the_mean,
            differences_averaged_first,
            sigmoid_of_each,
            bits,
            naive_logarithm,
            small_number_inside,
            difference_alone,
            hinge,
        ),
        random_preference_loss,
        differentiable=("preferred", "other"),
    ),
    "10.2": ExerciseFunctions(
        leashed,
        leashed_cases,
        (
            kl_rewarded,
            averaged_over_the_text,
            summed_over_all_texts,
            without_the_reference,
            without_beta,
            beta_divides,
            last_character_only,
            one_gap_for_all,
            gains_only,
            gap_of_the_probabilities,
            gap_weighted,
            beta_times_all,
            gap_per_character,
            absolute_gap,
        ),
        random_leashed,
    ),
    "10.3": ExerciseFunctions(
        k3,
        k3_cases,
        (
            kl_the_wrong_way_round,
            naive_near_zero,
            k1,
            k2,
            without_the_gap,
            without_the_one,
            plus_the_gap,
            one_taken_off_twice,
            weighted_by_the_policy,
            quotient_of_probabilities,
            logarithm_of_the_ratio,
            summed_over_the_text,
            averaged,
        ),
        random_k3,
        differentiable=("log_probs",),
    ),
}
