"""Softmax with a temperature, and a draw by weight."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, drawn
from labutils.exercises.lab02.logits import CAKE, MINUS_INFINITY, NEGATIVE, PLAIN
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.transformer import decoding

# -------------------------------------------------------------------------- 2.1 softmax with a temperature


def softmax_cases() -> Cases:
    huge = float64(1000.0, 999.0, 0.0)
    return [
        (PLAIN, 1.0),
        (PLAIN, 2.0),
        (CAKE, 0.5),
        (huge, 1.0),
        (PLAIN,),  # the cells below leave the temperature out
        (NEGATIVE, 0.7),
        (float64(0.0, 200.0, 199.0, -150.0).float(), 1.0),  # exp(200) overflows in float32, and so it does less the mean
        (float64(-300.0, -301.0, -299.5).float(), 1.5),  # all exponentials are 0 in float32
        (float64(2.0, 1.0, 1.0, 2.0).float(), 0.01),
        (float64(1.0, MINUS_INFINITY, 0.0, MINUS_INFINITY), 1.3),  # after a filter
        (float64(-3.0),),
    ]


def random_softmax(rng: random.Random, size: int) -> tuple[Any, ...]:
    spread, level = rng.choice((1.0, 2.0, 2.0, 120.0)), rng.choice((0.0, 0.0, 120.0, -120.0))
    logits = drawn(rng, 1 + size, spread=spread, dtype=rng.choice(DTYPES)) + level
    if size % 5 == 4:
        logits[rng.randrange(size)] = MINUS_INFINITY
    return (logits,) if size % 4 == 1 else (logits, round(rng.uniform(0.2, 3.0), 2))


def multiplies_by_the_temperature(logits: Tensor, temperature: float = 1.0) -> Tensor:
    return decoding.softmax(logits * temperature)


def temperature_after_exp(logits: Tensor, temperature: float = 1.0) -> Tensor:
    return decoding.softmax(logits) / temperature


def not_normalized(logits: Tensor, temperature: float = 1.0) -> Tensor:
    scaled = logits / temperature
    return (scaled - scaled.max()).exp()


def overflows(logits: Tensor, temperature: float = 1.0) -> Tensor:
    weights = (logits / temperature).exp()
    return weights / weights.sum()


def subtracts_the_unscaled_largest(logits: Tensor, temperature: float = 1.0) -> Tensor:
    weights = (logits / temperature - logits.max()).exp()
    return weights / weights.sum()


def returns_the_logarithms(logits: Tensor, temperature: float = 1.0) -> Tensor:
    return torch.log_softmax(logits / temperature, dim=-1)


def ignores_the_temperature(logits: Tensor, temperature: float = 1.0) -> Tensor:
    return decoding.softmax(logits)


# -------------------------------------------------------------------------------------- 2.2 draw by weight


def draw_cases() -> Cases:
    bowls, words = float64(0.2, 0.5, 0.3), float64(0.05, 0.0, 0.25, 0.3, 0.4)
    eighths = float64(0.0, 0.25, 0.125, 0.0, 0.5, 0.125, 0.0)  # after a filter; their running sums are exact
    return [
        (bowls, 0.1),
        (bowls, 0.2),
        (bowls, 0.65),
        (bowls, 0.999),
        (words, 0.05),
        (words, 0.29),
        (words, 0.31),
        (float64(1.0), 0.5),
        (eighths, 0.0),
        (eighths.float(), 0.375),
        (eighths, 0.999),
        (bowls.float() * 0.9995, 0.9998),  # a sum below 1, as rounding leaves it, only further
        (eighths.float() * 0.9995, 0.9998),
        (float64(0.2, 0.5, 0.2999), 0.20001),  # the sum is not 1, and u is still compared with the running sum itself
    ]


def random_draw(rng: random.Random, size: int) -> tuple[Tensor, float]:
    """Probabilities in 64ths, some of them 0, whose running sums are exact, and u in 128ths, so that it often meets one."""
    counts = [0] * (1 + size // 2)
    for _ in range(64):
        counts[min(int(rng.expovariate(2 / len(counts))), len(counts) - 1)] += 1
    rng.shuffle(counts)
    probs = torch.tensor(counts, dtype=rng.choice(DTYPES)) / 64
    if size % 6 == 5:
        return probs * 0.9995, 0.9998
    return probs, rng.randrange(128) / 128


def always_the_most_probable(probs: Tensor, u: float) -> int:
    return int(probs.argmax())


def every_token_equally_often(probs: Tensor, u: float) -> int:
    return int(u * len(probs))


def one_token_too_early(probs: Tensor, u: float) -> int:
    return max(0, int((probs.cumsum(-1) <= u).sum()) - 1)


def compares_with_single_probabilities(probs: Tensor, u: float) -> int:
    return int((probs > u).double().argmax())


def takes_an_end_that_equals_u(probs: Tensor, u: float) -> int:
    return min(int((probs.cumsum(-1) < u).sum()), int(probs.nonzero()[-1]))


def searches_from_the_left(probs: Tensor, u: float) -> int:
    return int((probs.cumsum(-1) < u).sum())


def rescales_the_probabilities(probs: Tensor, u: float) -> int:
    return decoding.draw(probs / probs.sum(), u)


def falls_back_on_the_most_probable(probs: Tensor, u: float) -> int:
    return decoding.draw(probs, u) if probs.sum() > u else int(probs.argmax())


def runs_past_the_last_token(probs: Tensor, u: float) -> int:
    return int((probs.cumsum(-1) <= u).sum())


def draws_an_impossible_token(probs: Tensor, u: float) -> int:
    return min(runs_past_the_last_token(probs, u), len(probs) - 1)


def returns_the_first_where_none_exceeds(probs: Tensor, u: float) -> int:
    return int((probs.cumsum(-1) > u).double().argmax())


EXERCISES = {
    "2.1": ExerciseFunctions(
        decoding.softmax,
        softmax_cases,
        (
            multiplies_by_the_temperature,
            temperature_after_exp,
            not_normalized,
            ignores_the_temperature,
            overflows,
            subtracts_the_unscaled_largest,
            returns_the_logarithms,
        ),
        random_softmax,
    ),
    "2.2": ExerciseFunctions(
        decoding.draw,
        draw_cases,
        (
            always_the_most_probable,
            every_token_equally_often,
            one_token_too_early,
            compares_with_single_probabilities,
            takes_an_end_that_equals_u,
            searches_from_the_left,
            runs_past_the_last_token,
            draws_an_impossible_token,
            returns_the_first_where_none_exceeds,
            rescales_the_probabilities,
            falls_back_on_the_most_probable,
        ),
        random_draw,
    ),
}
