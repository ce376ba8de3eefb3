"""The accuracy of right and wrong answers: its Wilson interval, McNemar's test, rows of a table (labs 03 and 06)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

from labutils.errors import LabError
from labutils.evaluation.intervals import Interval

ACCURACY_HEADER = ("prompt", "right", "accuracy", "95 % interval")


def wilson_interval(right: int, count: int, level: float = 0.95) -> Interval:
    """The accuracy right / count and its Wilson score interval.

    Unlike the bootstrap's, it does not shrink to a point when all answers are right: 16 of 16 is 0.81 to 1.

    Source: Wilson 1927 (JASA 22, 209-212); recommended for small n by Brown, Cai and DasGupta 2001 (Statistical Science 16, 101-133).

    Raises:
        LabError: no examples, or more right answers than examples.

    Example: 8 of 10 is 0.49 to 0.94.
    """
    if not 0 <= right <= count or count < 1 or not 0 < level < 1:
        raise LabError(
            f"{right} right of {count} at the level {level} makes no accuracy: give 0 to n right of n >= 1, and a level in 0..1."
        )
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, shrink = right / count, 1 + z * z / count
    centre = (share + z * z / (2 * count)) / shrink
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / shrink
    # Rounding must not put the accuracy outside its own interval.
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def mcnemar(a: Sequence[bool], b: Sequence[bool]) -> float:
    """The exact two-sided p-value of the hypothesis that two systems are right equally often on the same questions.

    Only questions that exactly one of them got right count. Were the two equally good, each of these would be a fair coin.

    Raises:
        LabError: no questions, or lists of different lengths.

    Source: McNemar 1947 (Psychometrika 12, 153-157), with the binomial distribution in place of chi-square.

    >>> mcnemar([True] * 5 + [False], [False] * 5 + [False])
    0.0625
    """
    if not len(a) or len(a) != len(b):
        raise LabError(
            f"The systems have {len(a):,} and {len(b):,} answers: give one answer per question and system, at least one."
        )
    only_a = sum(bool(x) and not y for x, y in zip(a, b, strict=True))
    only_b = sum(bool(y) and not x for x, y in zip(a, b, strict=True))
    n, fewer = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)


def accuracy_rows(correct: Mapping[str, Sequence[bool]], level: float = 0.95) -> list[tuple[str, str, str, str]]:
    """Rows for `show_table(ACCURACY_HEADER, ...)`: name, right of all, accuracy, Wilson interval (both in per cent, whole numbers)."""
    rows = []
    for name, answers in correct.items():
        right, count = sum(map(bool, answers)), len(answers)
        share, low, high = wilson_interval(right, count, level)
        rows.append((name, f"{right} of {count}", f"{share:.0%}", f"{low:.0%} to {high:.0%}"))
    return rows
