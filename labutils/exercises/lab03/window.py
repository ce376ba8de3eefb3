"""Prompts and the window: what a cut takes, and how many shots fit."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from labutils.exercises.registry import Cases, ExerciseFunctions

# ------------------------------------------------------------------------------------ 3.5 what a cut takes


def lost(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    over = sum(parts.values()) + max_new_tokens - window
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        if tokens > 0 and over > 0:
            gone[name] = min(tokens, over)
            over -= tokens
    return gone


def lost_cases() -> Cases:
    parts = {"instruction": 12, "shot 1": 40, "shot 2": 35, "query": 30}
    return [
        (parts, 10, 100, "left"),
        (parts, 10, 100, "right"),
        (parts, 3, 120, "left"),
        (parts, 60, 100, "left"),
        (parts, 60, 100, "right"),
        (parts, 10, 200, "left"),  # it fits, with room to spare
        (parts, 10, 127, "right"),  # it fits, to the last token
        (parts, 10, 115, "left"),  # just the first part goes
        (parts, 10, 97, "right"),  # just the last part goes
        (parts, 80, 60, "left"),  # nothing is left
        (parts, 80, 60, "right"),
        ({"query": 7}, 0, 6, "left"),
        ({}, 5, 10, "right"),
        ({"shot 2": 9, "instruction": 9, "query": 9, "shot 10": 9}, 4, 30, "left"),  # alike, and not in the order of the names
    ]


def random_lost(rng: random.Random, size: int) -> tuple[dict[str, int], int, int, str]:
    """Parts of different lengths, and a window whose edge often falls between two of them, or holds them all."""
    names = rng.sample(["instruction", "query", "template", *(f"shot {n}" for n in range(1, 13))], (size + 1) // 2)
    parts = {name: rng.randint(1, 3 + size) for name in names}
    lengths, side = list(parts.values()), rng.choice(("left", "right"))
    ends = [sum(lengths[:n]) if side == "left" else sum(lengths[len(lengths) - n :]) for n in range(len(lengths) + 1)]
    over = rng.choice((rng.randint(-9, sum(lengths) + 5), rng.choice(ends)))
    max_new_tokens = rng.randint(max(0, over - sum(lengths)), 40 + size)
    return parts, max_new_tokens, sum(lengths) + max_new_tokens - over, side


def ignores_the_completion(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    return lost(parts, 0, window, side)


def exchanges_the_sides(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    return lost(parts, max_new_tokens, window, "right" if side == "left" else "left")


def loses_whole_parts(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    return {name: parts[name] for name in lost(parts, max_new_tokens, window, side)}


def returns_what_is_left(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    gone = lost(parts, max_new_tokens, window, side)
    return {name: tokens - gone.get(name, 0) for name, tokens in parts.items()}


def lists_parts_that_lose_nothing(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    gone = lost(parts, max_new_tokens, window, side)
    return {name: gone.get(name, 0) for name in parts}


def loses_below_zero(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    over, names = sum(parts.values()) + max_new_tokens - window, list(parts)
    if over >= 0 or not parts:
        return lost(parts, max_new_tokens, window, side)
    return {names[0 if side == "left" else -1]: over}


def takes_the_same_from_each_part(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    over = sum(parts.values()) + max_new_tokens - window
    return {name: min(tokens, over) for name, tokens in parts.items() if over > 0}


def always_cuts_from_the_left(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    return lost(parts, max_new_tokens, window, "left")


def takes_everything_from_one_part(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    over = sum(parts.values()) + max_new_tokens - window
    return {list(parts)[0 if side == "left" else -1]: over} if over > 0 and parts else {}


# -------------------------------------------------------------------------------- 3.6 as many shots as fit


def fit_shots(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    used, count = fixed + max_new_tokens, 0
    for length in lengths:
        used += length
        if used > window:
            break
        count += 1
    return count


def fit_shots_cases() -> Cases:
    return [
        ([40, 30, 50], 35, 5, 120),
        ([40, 30, 50], 35, 5, 110),
        ([40, 90, 20], 35, 5, 120),
        ([40, 30, 50], 35, 5, 70),
        ([40, 30], 35, 5, 512),
        ([30, 30, 30], 20, 40, 130),
        ([], 35, 5, 120),
        ([40, 30, 50], 100, 50, 120),  # not even the fixed tokens fit
        ([40, 30, 50], 35, 5, 160),  # all fit, to the last token
        ([40, 30, 50], 35, 5, 159),
        ([9, 1, 1, 1], 0, 0, 10),
        ([60, 1, 1], 10, 10, 50),
        ([7], 3, 0, 10),
    ]


def random_fit_shots(rng: random.Random, size: int) -> tuple[list[int], int, int, int]:
    """Shots of different lengths, and a window whose edge often falls just before, on or after the end of one."""
    lengths = [rng.randint(1, 10 + size) for _ in range(size // 2)]
    fixed, max_new_tokens = rng.randint(0, 30), rng.randint(0, 30)
    used = fixed + max_new_tokens + sum(lengths[: rng.randint(0, len(lengths))])
    return lengths, fixed, max_new_tokens, max(1, used + rng.choice((-1, 0, 0, 1, 1, rng.randint(-20, 20))))


def no_room_for_the_completion(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    return fit_shots(lengths, fixed, 0, window)


def no_room_for_the_fixed_tokens(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    return fit_shots(lengths, 0, max_new_tokens, window)


def skips_a_long_shot(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    used, count = fixed + max_new_tokens, 0
    for length in lengths:
        if used + length <= window:
            used, count = used + length, count + 1
    return count


def leaves_the_last_token_free(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    return fit_shots(lengths, fixed, max_new_tokens, window - 1)


def returns_the_tokens_in_use(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    return fixed + max_new_tokens + sum(lengths[: fit_shots(lengths, fixed, max_new_tokens, window)])


def counts_the_shot_that_does_not_fit(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    return min(len(lengths), fit_shots(lengths, fixed, max_new_tokens, window) + 1)


def takes_the_shortest_first(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    return fit_shots(sorted(lengths), fixed, max_new_tokens, window)


def takes_all_shots_to_be_alike(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    room = max(0, window - fixed - max_new_tokens)
    return min(len(lengths), room // lengths[0]) if lengths else 0


def one_shot_in_any_case(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    return max(1, fit_shots(lengths, fixed, max_new_tokens, window))


def begins_with_the_last_shot(lengths: Sequence[int], fixed: int, max_new_tokens: int, window: int) -> int:
    return fit_shots(lengths[::-1], fixed, max_new_tokens, window)


EXERCISES = {
    "3.5": ExerciseFunctions(
        lost,
        lost_cases,
        (
            ignores_the_completion,
            exchanges_the_sides,
            loses_whole_parts,
            returns_what_is_left,
            lists_parts_that_lose_nothing,
            loses_below_zero,
            takes_the_same_from_each_part,
            always_cuts_from_the_left,
            takes_everything_from_one_part,
        ),
        random_lost,
    ),
    "3.6": ExerciseFunctions(
        fit_shots,
        fit_shots_cases,
        (
            no_room_for_the_completion,
            no_room_for_the_fixed_tokens,
            skips_a_long_shot,
            leaves_the_last_token_free,
            returns_the_tokens_in_use,
            counts_the_shot_that_does_not_fit,
            takes_the_shortest_first,
            takes_all_shots_to_be_alike,
            one_shot_in_any_case,
            begins_with_the_last_shot,
        ),
        random_fit_shots,
    ),
}
