"""Two systems on the same examples: how often the worse one wins on a draw of them."""

from __future__ import annotations

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
    ]


def better_system_wins(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = ranked(a, b)
    return fmean(total(better, draw) > total(worse, draw) for draw in draws)


def tie_counts_as_a_win(a: Scores, b: Scores, draws: Draws) -> float:
    worse, better = ranked(a, b)
    return fmean(total(worse, draw) >= total(better, draw) for draw in draws)


def second_system_taken_as_worse(a: Scores, b: Scores, draws: Draws) -> float:
    return fmean(total(b, draw) > total(a, draw) for draw in draws)


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
        (better_system_wins, tie_counts_as_a_win, second_system_taken_as_worse, compares_with_the_mean, counts_single_examples),
    ),
}
