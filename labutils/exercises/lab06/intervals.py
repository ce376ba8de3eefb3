"""Two systems on the same examples: the paired bootstrap interval of their difference."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import fmean

from labutils.exercises.lab06.upsets import Draws, Scores, total
from labutils.exercises.registry import Cases, ExerciseFunctions

Ends = tuple[float, float]  # low, high


# ------------------------------------------------------------------------- 6.8 the paired bootstrap


def difference_interval(a: Scores, b: Scores, draws: Draws) -> Ends:
    return ends(mean_differences(a, b, draws))


def mean_differences(a: Scores, b: Scores, draws: Draws) -> list[float]:
    """One per draw."""
    return [(total(a, draw) - total(b, draw)) / len(draw) for draw in draws]


def ends(values: Sequence[float], low: float = 0.025, high: float = 0.975) -> Ends:
    """Two quantiles of the values."""
    import numpy as np

    first, second = np.quantile(values, [low, high])
    return float(first), float(second)


def difference_interval_cases() -> Cases:
    wide = [[i % 4, (3 * i) % 4, (i // 2) % 4, (i * i) % 4] for i in range(41)]
    return [
        ([0.5, 0.25, 1.0], [0.25, 0.5, 0.25], [[0, 0, 1], [1, 1, 2], [0, 1, 2], [2, 2, 2]]),
        ([0.5, 0.25, 1.0, 0.0], [0.25, 0.5, 0.25, 0.25], wide),
        ([0.0, 0.25, 0.5, 0.25], [0.5, 0.5, 0.75, 1.0], wide),
        ([0.5, 1.0], [0.25, 0.25], [[0, 1]]),
        ([40.0, 30.0, 10.0], [30.0, 35.0, 5.0], [[0, 1, 1], [2, 2, 0], [1, 1, 1]]),
        ([0.5, 0.5], [0.5, 0.5], [[0, 1], [1, 1]]),
        ([0.25], [1.0], [[0], [0]]),
        ([0.5, 0.25, 1.0], [0.25, 0.5, 0.25], [[0], [2, 1], [2, 2, 1, 0, 2, 2]]),  # draws of several lengths
    ]


def random_difference_interval(rng: random.Random, size: int) -> tuple[list[float], list[float], list[list[int]]]:
    examples = 1 + size // 3
    a, b = ([rng.randrange(65) / 64 for _ in range(examples)] for _ in range(2))
    return a, b, [[rng.randrange(examples) for _ in range(examples)] for _ in range(1 + 2 * size)]


def interval_without_draws(a: Scores, b: Scores, draws: Draws) -> Ends:
    return ends([x - y for x, y in zip(a, b, strict=True)])


def sums_of_the_draws(a: Scores, b: Scores, draws: Draws) -> Ends:
    return ends([total(a, draw) - total(b, draw) for draw in draws])


def divides_by_the_examples(a: Scores, b: Scores, draws: Draws) -> Ends:
    return ends([(total(a, draw) - total(b, draw)) / len(a) for draw in draws])


def second_minus_first(a: Scores, b: Scores, draws: Draws) -> Ends:
    return difference_interval(b, a, draws)


def middle_90_percent(a: Scores, b: Scores, draws: Draws) -> Ends:
    return ends(mean_differences(a, b, draws), 0.05, 0.95)


def smallest_and_largest(a: Scores, b: Scores, draws: Draws) -> Ends:
    return ends(mean_differences(a, b, draws), 0, 1)


def ends_exchanged(a: Scores, b: Scores, draws: Draws) -> Ends:
    low, high = difference_interval(a, b, draws)
    return high, low


def first_system_alone(a: Scores, b: Scores, draws: Draws) -> Ends:
    return ends([total(a, draw) / len(draw) for draw in draws])


def each_system_apart(a: Scores, b: Scores, draws: Draws) -> Ends:
    (low_a, high_a), (low_b, high_b) = first_system_alone(a, b, draws), first_system_alone(b, a, draws)
    return low_a - high_b, high_a - low_b


def ends_subtracted(a: Scores, b: Scores, draws: Draws) -> Ends:
    (low_a, high_a), (low_b, high_b) = first_system_alone(a, b, draws), first_system_alone(b, a, draws)
    return low_a - low_b, high_a - high_b


def each_example_once(a: Scores, b: Scores, draws: Draws) -> Ends:
    return difference_interval(a, b, [sorted(set(draw)) for draw in draws])


def size_without_sign(a: Scores, b: Scores, draws: Draws) -> Ends:
    return ends([abs(difference) for difference in mean_differences(a, b, draws)])


def ends_without_interpolation(a: Scores, b: Scores, draws: Draws) -> Ends:
    means = sorted(mean_differences(a, b, draws))
    return means[int(0.025 * len(means))], means[int(0.975 * len(means))]


def mean_of_all_draws(a: Scores, b: Scores, draws: Draws) -> float:
    return fmean(mean_differences(a, b, draws))


EXERCISES = {
    "6.8": ExerciseFunctions(
        difference_interval,
        difference_interval_cases,
        (
            second_minus_first,
            ends_exchanged,
            sums_of_the_draws,
            divides_by_the_examples,
            interval_without_draws,
            each_system_apart,
            ends_subtracted,
            middle_90_percent,
            smallest_and_largest,
            first_system_alone,
            each_example_once,
            size_without_sign,
            ends_without_interpolation,
            mean_of_all_draws,
        ),
        random_difference_interval,
    ),
}
