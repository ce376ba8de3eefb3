"""Prompts and the window: what a cut takes, and how many shots fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labutils.exercises.registry import Cases, ExerciseFunctions

# ------------------------------------------------------------------------------------ 3.5 what a cut takes


def lost(parts: Mapping[str, int], max_new_tokens: int, window: int, side: str) -> dict[str, int]:
    over = sum(parts.values()) + max_new_tokens - window
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        if over > 0:
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
    ]


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
    ]


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


EXERCISES = {
    "3.5": ExerciseFunctions(
        lost,
        lost_cases,
        (ignores_the_completion, exchanges_the_sides, loses_whole_parts, returns_what_is_left, lists_parts_that_lose_nothing),
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
        ),
    ),
}
