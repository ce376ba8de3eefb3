"""Where a text stops, and the whole chain from logits to a token."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from labutils.exercises.lab02.logits import random_logits, token_ids
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.transformer import decoding

# -------------------------------------------------------------------------------------- 2.7 stop sequences


def stop_at_cases() -> Cases:
    return [
        ("1. tea\n2. ink\n3. rye", ["3."]),
        ("yes; no. maybe", [".", ";"]),
        ("no stop here", ["END"]),
        ("END at once", ["END"]),
        ("a--b--c", ["--"]),
        ("any text", []),
        ("", ["END"]),
        ("tea \n\nEND", ["ink", "END"]),  # what stands before the stop stays as it is
        ("the end, the End, the END.", ["END", "rye"]),
        ("(a) tea [b] ink", ["[b]", "tea.*"]),  # no patterns: plain texts
        ("one two three", ["two", "e t", "wo"]),  # they overlap
        ("abcde", ["c", "bcd"]),  # the first to begin, not the first to end
        ("abcd", ["cd", "bcd", "d"]),
        ("tea-- and ink", ["a-", "-- and"]),
        ("wait.. stop... here", ["...", "stop. "]),
    ]


def random_stop_at(rng: random.Random, size: int) -> tuple[str, list[str]]:
    text = "".join(rng.choices("ab.\n (B", weights=(5, 5, 2, 2, 3, 1, 1), k=size))
    stops = []
    for _ in range(size % 4):
        start, length = rng.randrange(size), rng.randint(1, 3)
        found, other = text[start : start + length], "".join(rng.choices("abB.", k=length))
        stops += rng.choice(([found], [found], [other], [found[1:-1] or other, found]))
    return text, stops


def keeps_the_stop(text: str, stops: Sequence[str]) -> str:
    place, stop = min(((text.find(stop), stop) for stop in stops if stop in text), default=(len(text), ""))
    return text[: place + len(stop)]


def cuts_at_the_first_stop_listed(text: str, stops: Sequence[str]) -> str:
    return next((text[: text.find(stop)] for stop in stops if stop in text), text)


def cuts_at_the_last_occurrence(text: str, stops: Sequence[str]) -> str:
    return text[: min((text.rfind(stop) for stop in stops if stop in text), default=len(text))]


def loses_the_last_character(text: str, stops: Sequence[str]) -> str:
    return text[: min((text.find(stop) for stop in stops), default=len(text))]


def cuts_for_one_stop_after_another(text: str, stops: Sequence[str]) -> str:
    for stop in stops:
        text = text.split(stop)[0]
    return text


def cuts_at_the_latest_stop(text: str, stops: Sequence[str]) -> str:
    return text[: max((text.find(stop) for stop in stops if stop in text), default=len(text))]


def misses_a_stop_at_the_start(text: str, stops: Sequence[str]) -> str:
    return text[: min((text.find(stop) for stop in stops if text.find(stop) > 0), default=len(text))]


def needs_every_stop(text: str, stops: Sequence[str]) -> str:
    return decoding.stop_at(text, stops) if all(stop in text for stop in stops) else text


def empties_a_text_without_a_stop(text: str, stops: Sequence[str]) -> str:
    return decoding.stop_at(text, stops) if any(stop in text for stop in stops) else ""


def strips_the_text(text: str, stops: Sequence[str]) -> str:
    return decoding.stop_at(text, stops).strip()


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
        (float64(1.0, 0.5, 0.25, 0.0), token_ids(1), 0.8, 0.4, 4, 1.0, 1.0),  # the temperature alone
        (float64(1.0, 0.5, 0.25, 0.0), token_ids(1), 0.9, 2.5, 4, 1.0, 1.0),
        (float64(0.0, 0.6, 0.2, 0.4), token_ids(0), 0.1, 1.0, 2, 1.0, 1.0),  # top-k alone
        (float64(0.0, 0.6, 0.2, 0.4), token_ids(0), 0.05, 1.0, 4, 0.5, 1.0),  # top-p alone
        (float64(-0.5, -1.0, -0.75).float(), token_ids(0, 0, 2), 0.4, 1.0, 3, 1.0, 1.8),  # the penalty alone
        (float64(2.0, 1.8, 0.0), token_ids(0), 0.1, 1.0, 3, 0.6, 3.0),  # the penalty before top-p
        (float64(1.5), token_ids(0), 0.6, 0.8, 1, 0.9, 1.2),
    ]


def choosing(*steps: str) -> Callable[..., int]:
    return lambda *arguments: choose_in_order(steps, *arguments)


# Chains with a step in the wrong place, left out or done twice; the random cases tell each from the right one.
WRONG_CHAINS = (
    ("penalty", "top_k", "top_p", "temperature"),
    ("temperature", "top_k", "top_p", "penalty"),
    ("temperature", "top_k", "penalty", "top_p"),
    ("temperature", "top_k", "top_p"),
    ("penalty", "temperature", "top_p", "top_k"),
    ("penalty", "temperature", "temperature", "top_k", "top_p"),
    ("penalty", "temperature", "top_p"),
    ("penalty", "temperature", "top_k"),
    ("penalty", "top_k", "top_p"),
    ("penalty", "penalty", "temperature", "top_k", "top_p"),
    ("penalty", "temperature", "top_k", "top_p", "temperature"),
)


def random_choose(rng: random.Random, size: int) -> tuple[Any, ...]:
    """A case on which one of the wrong chains picks another token (unless it is the only one), and rounding picks none."""
    count, wrong = 1 + size // 2, choosing(*WRONG_CHAINS[size % len(WRONG_CHAINS)])
    while True:
        ids = token_ids(*(rng.randrange(count) for _ in range(rng.randint(1, 3))))
        k, p = rng.randint(1 + count // 2, count), round(rng.uniform(0.3, 0.99), 2)
        temperature, penalty = round(rng.choice((rng.uniform(0.3, 0.9), rng.uniform(1.2, 3))), 2), round(rng.uniform(1.2, 3), 2)
        case = random_logits(rng, count) / 2, ids, round(rng.random(), 3), temperature, k, p, penalty
        if is_clear(*case) and (count <= 3 or wrong(*case) != decoding.choose(*case)):
            return case


def is_clear(logits: Tensor, ids: Tensor, u: float, temperature: float, k: int, p: float, penalty: float) -> bool:
    """Whether neither two logits, nor the mass and p, nor an end and u lie so close that rounding could decide."""
    logits = decoding.repetition_penalty(logits.double(), ids, penalty) / temperature
    ranked = logits.sort().values
    left = decoding.top_k_filter(logits, k)
    mass = decoding.softmax(left).sort(descending=True).values.cumsum(-1)[: k - 1]
    ends = decoding.softmax(decoding.top_p_filter(left, p)).cumsum(-1)
    gaps = [ranked.diff(), mass - p, ends - u]
    return all(len(gap) == 0 or float(gap.abs().min()) > 1e-4 for gap in gaps)


def temperature_after_top_p(*arguments: Any) -> int:
    return choose_in_order(("penalty", "top_k", "top_p", "temperature"), *arguments)


def repetition_penalty_last(*arguments: Any) -> int:
    return choose_in_order(("temperature", "top_k", "top_p", "penalty"), *arguments)


def repetition_penalty_after_top_k(*arguments: Any) -> int:
    return choose_in_order(("temperature", "top_k", "penalty", "top_p"), *arguments)


def no_repetition_penalty(*arguments: Any) -> int:
    return choose_in_order(("temperature", "top_k", "top_p"), *arguments)


def top_p_before_top_k(*arguments: Any) -> int:
    return choose_in_order(("penalty", "temperature", "top_p", "top_k"), *arguments)


def temperature_twice(*arguments: Any) -> int:
    return choose_in_order(("penalty", "temperature", "top_k", "top_p", "temperature"), *arguments)


def no_top_k(*arguments: Any) -> int:
    return choose_in_order(("penalty", "temperature", "top_p"), *arguments)


def no_top_p(*arguments: Any) -> int:
    return choose_in_order(("penalty", "temperature", "top_k"), *arguments)


def no_temperature(*arguments: Any) -> int:
    return choose_in_order(("penalty", "top_k", "top_p"), *arguments)


def draws_by_the_old_probabilities(
    logits: Tensor, ids: Tensor, u: float, temperature: float, k: int, p: float, penalty: float
) -> int:
    logits = decoding.repetition_penalty(logits, ids, penalty) / temperature
    kept = decoding.top_p_filter(decoding.top_k_filter(logits, k), p).isfinite()
    return decoding.draw(decoding.softmax(logits) * kept, u)


def softmax_before_top_p(logits: Tensor, ids: Tensor, u: float, temperature: float, k: int, p: float, penalty: float) -> int:
    logits = decoding.repetition_penalty(logits, ids, penalty) / temperature
    probs = decoding.softmax(decoding.top_k_filter(logits, k))
    return decoding.draw(decoding.softmax(decoding.top_p_filter(probs, p)), u)


def multiplies_by_the_temperature(*arguments: Any) -> int:
    logits, ids, u, temperature, *rest = arguments
    return decoding.choose(logits, ids, u, 1 / temperature, *rest)


def most_probable_token(*arguments: Any) -> int:
    logits, ids, *_, penalty = arguments
    return int(decoding.repetition_penalty(logits, ids, penalty).argmax())


EXERCISES = {
    "2.7": ExerciseFunctions(
        decoding.stop_at,
        stop_at_cases,
        (
            keeps_the_stop,
            cuts_at_the_first_stop_listed,
            cuts_at_the_last_occurrence,
            loses_the_last_character,
            cuts_for_one_stop_after_another,
            cuts_at_the_latest_stop,
            strips_the_text,
            misses_a_stop_at_the_start,
            needs_every_stop,
            empties_a_text_without_a_stop,
        ),
        random_stop_at,
    ),
    "2.8": ExerciseFunctions(
        decoding.choose,
        choose_cases,
        (
            temperature_after_top_p,
            repetition_penalty_last,
            no_repetition_penalty,
            top_p_before_top_k,
            temperature_twice,
            no_top_k,
            no_top_p,
            no_temperature,
            repetition_penalty_after_top_k,
            most_probable_token,
            draws_by_the_old_probabilities,
            softmax_before_top_p,
            multiplies_by_the_temperature,
        ),
        random_choose,
    ),
}
