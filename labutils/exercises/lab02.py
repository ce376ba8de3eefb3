"""The functions of lab 02's exercises: softmax, draws, filters, penalties, and the chain of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.transformer import decoding

MINUS_INFINITY = float("-inf")

CAKE = float64(math.log(0.20), math.log(0.10), math.log(0.02), math.log(0.01), math.log(0.67))
PLAIN = float64(2.0, 1.0, 0.0, -1.0)
SHUFFLED = float64(-1.0, 3.0, 0.5, 2.0, 2.5, -4.0)


def token_ids(*ids: int) -> Tensor:
    return torch.tensor(ids)


def keep(logits: Tensor, kept: Tensor) -> Tensor:
    """The logits with minus infinity where `kept` is False."""
    return logits.masked_fill(~kept, MINUS_INFINITY)


def rank(logits: Tensor) -> Tensor:
    """0 for the largest logit, 1 for the next, and so on."""
    return logits.argsort(descending=True).argsort()


# -------------------------------------------------------------------------- 2.1 softmax with a temperature


def softmax_cases() -> Cases:
    huge = float64(1000.0, 999.0, 0.0)
    return [(PLAIN, 1.0), (PLAIN, 2.0), (CAKE, 0.5), (huge, 1.0)]


def multiplies_by_the_temperature(logits: Tensor, temperature: float) -> Tensor:
    return decoding.softmax(logits * temperature)


def temperature_after_exp(logits: Tensor, temperature: float) -> Tensor:
    return decoding.softmax(logits) / temperature


def not_normalized(logits: Tensor, temperature: float) -> Tensor:
    scaled = logits / temperature
    return (scaled - scaled.max()).exp()


def ignores_the_temperature(logits: Tensor, temperature: float) -> Tensor:
    return decoding.softmax(logits)


# -------------------------------------------------------------------------------------- 2.2 draw by weight


def draw_cases() -> Cases:
    bowls, words = float64(0.2, 0.5, 0.3), float64(0.05, 0.0, 0.25, 0.3, 0.4)
    return [(bowls, 0.1), (bowls, 0.2), (bowls, 0.65), (bowls, 0.999), (words, 0.05), (words, 0.29), (words, 0.31)]


def always_the_most_probable(probs: Tensor, u: float) -> int:
    return int(probs.argmax())


def every_token_equally_often(probs: Tensor, u: float) -> int:
    return int(u * len(probs))


def one_token_too_early(probs: Tensor, u: float) -> int:
    return max(0, int((probs.cumsum(-1) <= u).sum()) - 1)


def compares_with_single_probabilities(probs: Tensor, u: float) -> int:
    return int((probs > u).double().argmax())


# ----------------------------------------------------------------------------------------------- 2.3 top-k


def top_k_cases() -> Cases:
    return [(PLAIN, 3), (SHUFFLED, 2), (CAKE, 1), (SHUFFLED, 6)]


def keeps_the_smallest(logits: Tensor, k: int) -> Tensor:
    return keep(logits, rank(-logits) < k)


def keeps_one_too_few(logits: Tensor, k: int) -> Tensor:
    return keep(logits, rank(logits) < k - 1)


def keeps_one_too_many(logits: Tensor, k: int) -> Tensor:
    return keep(logits, rank(logits) < k + 1)


def zeroes_the_removed(logits: Tensor, k: int) -> Tensor:
    return logits.masked_fill(rank(logits) >= k, 0.0)


def keeps_the_first_places(logits: Tensor, k: int) -> Tensor:
    return keep(logits, torch.arange(len(logits)) < k)


# ------------------------------------------------------------------------------------- 2.4 top-p (nucleus)


def top_p_cases() -> Cases:
    return [(PLAIN, 0.7), (SHUFFLED, 0.6), (CAKE, 0.75), (PLAIN, 0.1), (SHUFFLED, 0.95)]


def drops_the_crossing_token(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(descending=True)
    mass = decoding.softmax(logits)[order].cumsum(-1)
    return keep(logits, (mass <= p)[order.argsort()])


def collects_from_the_least_probable(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort()
    probs = decoding.softmax(logits)[order]
    return keep(logits, (probs.cumsum(-1) - probs < p)[order.argsort()])


def compares_single_probabilities_with_p(logits: Tensor, p: float) -> Tensor:
    return keep(logits, decoding.softmax(logits) >= p)


def returns_probabilities(logits: Tensor, p: float) -> Tensor:
    return decoding.softmax(decoding.top_p_filter(logits, p))


# ---------------------------------------------------------------------- 2.5 frequency and presence penalty


def frequency_presence_cases() -> Cases:
    return [
        (PLAIN, token_ids(0, 2, 1, 0), 0.5, 0.0),
        (PLAIN, token_ids(0, 2, 1, 0), 0.0, 0.5),
        (SHUFFLED, token_ids(3, 0, 1, 5, 0, 2), 0.3, 1.2),
    ]


def adds_the_penalties(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits + frequency * counts + presence * (counts > 0)


def presence_grows_with_the_count(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - frequency * counts - presence * counts


def frequency_is_flat(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - frequency * (counts > 0) - presence * (counts > 0)


def exchanges_the_penalties(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    return logits - presence * counts - frequency * (counts > 0)


# ---------------------------------------------------------------------------------- 2.6 repetition penalty


def repetition_penalty_cases() -> Cases:
    return [(PLAIN, token_ids(0, 3), 2.0), (SHUFFLED, token_ids(1, 1, 5, 2), 1.5), (PLAIN, token_ids(1), 1.0)]


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


# -------------------------------------------------------------------------------------- 2.7 stop sequences


def stop_at_cases() -> Cases:
    return [
        ("1. tea\n2. ink\n3. rye", ["3."]),
        ("yes; no. maybe", [".", ";"]),
        ("no stop here", ["END"]),
        ("END at once", ["END"]),
        ("a--b--c", ["--"]),
    ]


def keeps_the_stop(text: str, stops: Sequence[str]) -> str:
    place, stop = min(((text.find(stop), stop) for stop in stops if stop in text), default=(len(text), ""))
    return text[: place + len(stop)]


def cuts_at_the_first_stop_listed(text: str, stops: Sequence[str]) -> str:
    return next((text[: text.find(stop)] for stop in stops if stop in text), text)


def cuts_at_the_last_occurrence(text: str, stops: Sequence[str]) -> str:
    return text[: min((text.rfind(stop) for stop in stops if stop in text), default=len(text))]


def loses_the_last_character(text: str, stops: Sequence[str]) -> str:
    return text[: min(text.find(stop) for stop in stops)]


# ------------------------------------------------------------------ 2.8 the whole chain in the right order


def choose_in_order(
    steps: Sequence[str], logits: Tensor, ids: Tensor, u: float, temperature: float, k: int, p: float, penalty: float
) -> int:
    for step in steps:
        match step:
            case "penalty":
                logits = decoding.repetition_penalty(logits, ids, penalty)
            case "temperature":
                logits = logits / temperature
            case "top_k":
                logits = decoding.top_k_filter(logits, k)
            case "top_p":
                logits = decoding.top_p_filter(logits, p)
    return decoding.draw(decoding.softmax(logits), u)


def choose_cases() -> Cases:
    """Each wrong order picks another token on at least one of them."""
    return [
        (float64(3.0, 2.5, 2.0, 1.0), token_ids(0), 0.5, 1.0, 4, 1.0, 1.0),
        (float64(2.0, 1.5, 1.0, 0.0, -1.0), token_ids(3), 0.97, 2.0, 5, 0.8, 1.0),
        (float64(4.0, 3.0, 2.9, -1.0), token_ids(0, 3), 0.2, 1.0, 2, 1.0, 2.0),
        (float64(4.0, 3.0, 2.9, -1.0), token_ids(0, 3), 0.9, 0.7, 2, 0.9, 1.6),
        (float64(1.0, 0.9, 0.8, 0.7, 0.6), token_ids(4), 0.95, 1.0, 3, 0.65, 1.0),
        (float64(1.0, 0.9, 0.8, 0.7, 0.6), token_ids(4), 0.97, 0.25, 5, 0.7, 1.0),
        (float64(4.0, 3.0, 2.9, -1.0), token_ids(0), 0.3, 1.0, 3, 1.0, 2.0),
    ]


def temperature_after_top_p(*arguments: Any) -> int:
    return choose_in_order(["penalty", "top_k", "top_p", "temperature"], *arguments)


def repetition_penalty_last(*arguments: Any) -> int:
    return choose_in_order(["temperature", "top_k", "top_p", "penalty"], *arguments)


def no_repetition_penalty(*arguments: Any) -> int:
    return choose_in_order(["temperature", "top_k", "top_p"], *arguments)


def top_p_before_top_k(*arguments: Any) -> int:
    return choose_in_order(["penalty", "temperature", "top_p", "top_k"], *arguments)


EXERCISES = {
    "2.1": ExerciseFunctions(
        decoding.softmax,
        softmax_cases,
        (multiplies_by_the_temperature, temperature_after_exp, not_normalized, ignores_the_temperature),
    ),
    "2.2": ExerciseFunctions(
        decoding.draw,
        draw_cases,
        (always_the_most_probable, every_token_equally_often, one_token_too_early, compares_with_single_probabilities),
    ),
    "2.3": ExerciseFunctions(
        decoding.top_k_filter,
        top_k_cases,
        (keeps_the_smallest, keeps_one_too_few, keeps_one_too_many, zeroes_the_removed, keeps_the_first_places),
    ),
    "2.4": ExerciseFunctions(
        decoding.top_p_filter,
        top_p_cases,
        (drops_the_crossing_token, collects_from_the_least_probable, compares_single_probabilities_with_p, returns_probabilities),
    ),
    "2.5": ExerciseFunctions(
        decoding.frequency_presence_penalty,
        frequency_presence_cases,
        (adds_the_penalties, presence_grows_with_the_count, frequency_is_flat, exchanges_the_penalties),
    ),
    "2.6": ExerciseFunctions(
        decoding.repetition_penalty,
        repetition_penalty_cases,
        (divides_negative_logits, rewards_repetition, penalizes_each_occurrence, penalizes_every_token),
    ),
    "2.7": ExerciseFunctions(
        decoding.stop_at,
        stop_at_cases,
        (keeps_the_stop, cuts_at_the_first_stop_listed, cuts_at_the_last_occurrence, loses_the_last_character),
    ),
    "2.8": ExerciseFunctions(
        decoding.choose,
        choose_cases,
        (temperature_after_top_p, repetition_penalty_last, no_repetition_penalty, top_p_before_top_k),
    ),
}
