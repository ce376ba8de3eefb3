"""Penalties on what was said before."""

from __future__ import annotations

import random

from torch import Tensor

from labutils.exercises.lab02.logits import NEGATIVE, PLAIN, SHUFFLED, random_logits, token_ids
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.transformer import decoding

# ---------------------------------------------------------------------- 2.5 frequency and presence penalty


def frequency_presence_cases() -> Cases:
    return [
        (PLAIN, token_ids(0, 2, 1, 0), 0.5, 0.0),
        (PLAIN, token_ids(0, 2, 1, 0), 0.0, 0.5),
        (SHUFFLED, token_ids(3, 0, 1, 5, 0, 2), 0.3, 1.2),
        (NEGATIVE, token_ids(1, 0, 40, 2), 0.7, 0.4),
        (NEGATIVE, token_ids(0, 0, 0, 0), 0.7, 0.4),
        (float64(0.5), token_ids(3), 1.0, 0.25),
    ]


def random_frequency_presence(rng: random.Random, size: int) -> tuple[Tensor, Tensor, float, float]:
    counts = token_ids(*(rng.choice((0, 0, 1, 2, rng.randrange(3, 30))) for _ in range(1 + size)))
    return random_logits(rng, 1 + size), counts, round(rng.uniform(0, 2), 2), round(rng.uniform(0, 2), 2)


def adds_the_penalties(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits + frequency * counts + presence * (counts > 0)


def presence_grows_with_the_count(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - frequency * counts - presence * counts


def frequency_is_flat(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - frequency * (counts > 0) - presence * (counts > 0)


def exchanges_the_penalties(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - presence * counts - frequency * (counts > 0)


def presence_hits_every_token(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - frequency * counts - presence


def presence_hits_repeated_tokens_only(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - frequency * counts - presence * (counts > 1)


def no_presence_penalty(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - frequency * counts


def no_frequency_penalty(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - presence * (counts > 0)


def divides_by_the_length(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - frequency * counts / counts.sum().clamp(min=1) - presence * (counts > 0)


# ---------------------------------------------------------------------------------- 2.6 repetition penalty


def repetition_penalty_cases() -> Cases:
    return [
        (PLAIN, token_ids(0, 3), 2.0),
        (SHUFFLED, token_ids(1, 1, 5, 2), 1.5),
        (PLAIN, token_ids(1), 1.0),
        (NEGATIVE, token_ids(3, 0, 3, 3, 1), 1.3),
        (float64(0.0, 2.0, -2.0, 0.0).float(), token_ids(0, 1, 2, 2, 1), 4.0),
        (SHUFFLED, token_ids(), 1.7),
        (float64(-0.5), token_ids(0), 1.2),
    ]


def random_repetition_penalty(rng: random.Random, size: int) -> tuple[Tensor, Tensor, float]:
    ids = token_ids(*(rng.randrange(1 + size) for _ in range(rng.randint(1, 2 + size))))
    return random_logits(rng, 1 + size), ids, round(rng.uniform(1.05, 3), 2)


def divides_negative_logits(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    return logits.scatter(0, ids, logits[ids] / penalty)


def rewards_repetition(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    return decoding.repetition_penalty(logits, ids, 1 / penalty)


def penalizes_each_occurrence(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    for token in ids:
        logits = decoding.repetition_penalty(logits, token[None], penalty)
    return logits


def penalizes_every_token(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    return logits.where(logits < 0, logits / penalty).where(logits > 0, logits * penalty)


def subtracts_the_penalty(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    return logits.scatter(0, ids, logits[ids] - penalty)


def penalizes_positive_logits_only(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    seen = logits[ids]
    return logits.scatter(0, ids, seen.where(seen < 0, seen / penalty))


def penalizes_the_newest_token_only(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    return decoding.repetition_penalty(logits, ids[-1:], penalty)


def changes_nothing(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    return logits.clone()


def penalizes_by_one_sign_for_all(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    seen = logits[ids]
    return logits.scatter(0, ids, seen / penalty if bool((seen > 0).all()) else seen * penalty)


EXERCISES = {
    "2.5": ExerciseFunctions(
        decoding.frequency_presence_penalty,
        frequency_presence_cases,
        (
            adds_the_penalties,
            presence_grows_with_the_count,
            frequency_is_flat,
            exchanges_the_penalties,
            presence_hits_every_token,
            presence_hits_repeated_tokens_only,
            divides_by_the_length,
            no_presence_penalty,
            no_frequency_penalty,
        ),
        random_frequency_presence,
    ),
    "2.6": ExerciseFunctions(
        decoding.repetition_penalty,
        repetition_penalty_cases,
        (
            divides_negative_logits,
            rewards_repetition,
            penalizes_each_occurrence,
            penalizes_every_token,
            subtracts_the_penalty,
            penalizes_positive_logits_only,
            penalizes_the_newest_token_only,
            penalizes_by_one_sign_for_all,
            changes_nothing,
        ),
        random_repetition_penalty,
    ),
}
