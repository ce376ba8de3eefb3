"""Two systems on the same examples: how often the worse one wins on a draw of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean

from labutils.exercises.registry import Cases, ExerciseFunctions

Scores = Sequence[float]  # one per example
Draws = Sequence[Sequence[int]]  # examples, by number


# --------------------------------------------------------------------- 6.7 how often the worse system wins


def upset_rate(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = ranked(a, b)
    return fmean(total(worse, draw) > total(better, draw) for draw in draws)


def ranked(a: Scores, b: Scores) -> tuple[Scores, Scores]:
    """(worse, better) by the mean over all examples."""
    return (a, b) if fmean(a) < fmean(b) else (b, a)


def total(scores: Scores, draw: Sequence[int]) -> float:
    return sum(scores[i] for i in draw)


def upset_rate_cases() -> Cases:
    return [
        ([0.5, 0.2, 0.9], [0.4, 0.6, 0.8], [[0, 0], [1, 1], [0, 2], [0, 1]]),
        ([0.4, 0.6, 0.8], [0.5, 0.2, 0.9], [[0, 0], [1, 1], [2, 2], [0, 2]]),
        ([0.5, 0.5, 0.5, 0.5], [0.75, 0.5, 0.5, 0.75], [[1, 2], [0, 1], [2, 1], [3, 3], [1, 1]]),
        ([0.25, 1.0, 0.25], [0.5, 0.5, 0.75], [[0, 1], [0, 2], [1, 1], [2, 2]]),
        ([0.75, 0.0, 0.5], [0.25, 0.25, 0.25], [[1], [0], [1, 1, 0], [2, 1, 1], [1, 2]]),  # draws of several lengths
        ([0.5], [0.25], [[0], [0, 0]]),
        ([0.5, 0.25], [0.484375, 0.5], [[0], [1], [0], [0]]),  # ahead by little is ahead
        ([0.0, 0.0, 0.75], [0.25, 0.25, 0.0], [[0, 1, 2, 2], [0, 1], [1]]),
        ([0.304, 0.2], [0.301, 0.3], [[0]]),  # no rounding on the way
        ([0.3004, 0.2], [0.3, 0.3], [[0], [1]]),
    ]


def random_upset_rate(rng: random.Random, size: int) -> tuple[list[float], list[float], list[list[int]]]:
    """Scores in eighths or in 64ths, whose sums are exact, so that ties are ties; the two means differ."""
    examples, parts = 1 + size // 3, 64 if size % 4 == 3 else 8
    while True:
        a, b = ([rng.randrange(parts + 1) / parts for _ in range(examples)] for _ in range(2))
        if sum(a) != sum(b):
            break
    length = rng.randint(1, 1 + size // 3)
    return a, b, [[rng.randrange(examples) for _ in range(length)] for _ in range(1 + size // 2)]


def better_system_wins(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = ranked(a, b)
    return fmean(total(better, draw) > total(worse, draw) for draw in draws)


def tie_counts_as_a_win(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = ranked(a, b)
    return fmean(total(worse, draw) >= total(better, draw) for draw in draws)


def second_system_taken_as_worse(a: Scores, b: Scores, draws: Draws) -> float:
    return fmean(total(b, draw) > total(a, draw) for draw in draws)


def first_system_taken_as_worse(a: Scores, b: Scores, draws: Draws) -> float:
    return fmean(total(a, draw) > total(b, draw) for draw in draws)


def share_without_an_upset(a: Scores, b: Scores, draws: Draws) -> float:
    return 1 - upset_rate(a, b, draws)


def counts_draws_instead_of_their_share(a: Scores, b: Scores, draws: Draws) -> int:
    return round(upset_rate(a, b, draws) * len(draws))


def worse_on_the_first_draw(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = (a, b) if total(a, draws[0]) < total(b, draws[0]) else (b, a)
    return fmean(total(worse, draw) > total(better, draw) for draw in draws)


def compares_the_best_examples(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = ranked(a, b)
    return fmean(max(worse[i] for i in draw) > max(better[i] for i in draw) for draw in draws)


def compares_with_the_mean(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = ranked(a, b)
    return fmean(total(worse, draw) / len(draw) > fmean(better) for draw in draws)


def counts_single_examples(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = ranked(a, b)
    return fmean(worse[i] > better[i] for draw in draws for i in draw)


EXERCISES = {
    "6.7": ExerciseFunctions(
        upset_rate,
        upset_rate_cases,
        (
            better_system_wins,
            tie_counts_as_a_win,
            second_system_taken_as_worse,
            first_system_taken_as_worse,
            share_without_an_upset,
            counts_draws_instead_of_their_share,
            worse_on_the_first_draw,
            compares_the_best_examples,
            compares_with_the_mean,
            counts_single_examples,
        ),
        random_upset_rate,
    ),
}
