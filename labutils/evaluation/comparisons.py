"""Two systems on the same examples: tests, and a comparison that refuses to rank inside the noise (lab 06).

All functions take one score per example and system, in the same order, and ask how the mean difference would move with another test
set (see `intervals`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from labutils.errors import LabError
from labutils.evaluation.intervals import as_scores, blocks, percentile_ends, require_draws, resampled_means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labutils.evaluation.intervals import Array, Scores

TINY = 1e-12  # differences below this share of the largest are rounding, not results
POWER = 0.8  # the chance of an interval without 0, at the smallest difference that compare() names


class MeanDifference(NamedTuple):
    """A mean difference, the interval around it, and the two-sided p-value of no difference."""

    mean: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class PairedComparison:
    """What `compare` says of two systems.

    Attributes:
        ranked: True where the interval of the difference leaves 0 out.
        better: the name of the better system; None where they are not ranked.
        difference: mean of the first system's scores minus the second's, on the same examples.
        low: lower end of the difference's interval.
        high: upper end of it.
        detectable: the smallest true difference that a test set like this one would show four times in five.
        sentence: all of that for a person.
    """

    ranked: bool
    better: str | None
    difference: float
    low: float
    high: float
    detectable: float
    sentence: str

    def __str__(self) -> str:
        """The sentence."""
        return self.sentence


def _differences(a: Scores, b: Scores) -> Array:
    first, second = as_scores(a, "scores of the first system"), as_scores(b, "scores of the second system")
    if len(first) != len(second):
        raise LabError(
            f"The systems have {len(first):,} and {len(second):,} scores: score both on the same examples, in the same order."
        )
    return first - second


def paired_bootstrap(a: Scores, b: Scores, resamples: int = 10_000, level: float = 0.95, seed: int = 0) -> MeanDifference:
    """The mean difference a - b on the same examples, its percentile bootstrap interval, and a two-sided p-value.

    The examples are drawn, and with each its two scores, so what makes an example hard for both systems cancels out.
    The p-value is the share of resamples whose mean lies at least as far from the observed difference as 0 does, counting the
    observation itself: (1 + k) / (1 + resamples).

    Args:
        a: (n,), the first system's scores.
        b: (n,), the second system's, on the same examples in the same order.
        resamples: how many resamples.
        level: the share of the resampled means that the interval holds.
        seed: of the draws.

    Raises:
        LabError: lists of different lengths, and what `bootstrap_interval` raises.

    Source: Koehn 2004 (EMNLP, "Statistical significance tests for machine translation evaluation"); the p-value with
    the resampled differences centred on the null hypothesis is that of Riezler and Maxwell 2005.

    Example: where a is b plus 0.1 on every example, the difference is 0.1 with an interval of 0.1 to 0.1.
    """
    require_draws(resamples, level, seed)
    differences = _differences(a, b)
    mean = float(differences.mean())
    means = resampled_means(differences, resamples, seed)
    slack = TINY * float(abs(differences).max())
    as_far = int((abs(means - mean) >= abs(mean) - slack).sum())
    return MeanDifference(mean, *percentile_ends(means, level), (1 + as_far) / (1 + resamples))


def approximate_randomization(a: Scores, b: Scores, rounds: int = 10_000, seed: int = 0) -> float:
    """The two-sided p-value of the hypothesis that the two systems are interchangeable.

    Were they, the labels "first" and "second" on an example's two scores would be arbitrary. Each round exchanges them on a random
    half of the examples; the p-value is the share of rounds whose mean difference is at least as large as the one observed,
    counting the observation itself: (1 + k) / (1 + rounds).

    Args:
        a: (n,), the first system's scores.
        b: (n,), the second system's, on the same examples in the same order.
        rounds: how many exchanges.
        seed: of the exchanges.

    Raises:
        LabError: lists of different lengths, fewer than two examples, or a score that is not finite.

    Source: Noreen 1989, "Computer-Intensive Methods for Testing Hypotheses"; for metrics, Riezler and Maxwell 2005 (ACL workshop,
    "On some pitfalls in automatic evaluation and significance testing for MT").

    Example: ten examples, all won by 1, give about 2 / 1,024: only all heads or all tails are as extreme.
    """
    import numpy as np

    require_draws(rounds, seed=seed)
    differences = _differences(a, b)
    rng, n = np.random.default_rng(seed), len(differences)
    observed = abs(differences.sum()) - TINY * abs(differences).sum()
    as_large = 0
    for rows in blocks(rounds, n):
        signs = 2.0 * rng.integers(0, 2, (rows, n), dtype=np.int8) - 1
        as_large += int((abs(signs @ differences) >= observed).sum())
    return (1 + as_large) / (1 + rounds)


def compare(
    a: Scores, b: Scores, names: tuple[str, str] = ("A", "B"), resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> PairedComparison:
    """Rank two systems scored on the same examples, or refuse where the interval of their difference holds 0.

    Where it refuses, it says how large a difference this test set could have shown. With s the standard deviation of the
    differences per example and n examples,

        detectable = (z + z_power) * s / sqrt(n),    z = 1.96 at level 0.95, z_power = 0.84 for a power of 0.8.

    If the true difference is that large, four test sets in five of this size give an interval without 0. The observed difference
    does not enter: a power computed from it would only repeat the p-value (Hoenig and Heisey 2001, The American Statistician 55).

    Args:
        a: (n,), the first system's scores.
        b: (n,), the second system's, on the same examples in the same order.
        names: what to call the two.
        resamples: of the paired bootstrap.
        level: of its interval.
        seed: of its draws.

    Raises:
        LabError: as `paired_bootstrap`.

    Source of the formula: the power of a paired z-test; for metrics, Card et al. 2020 (arXiv:2010.06595).

    Example: `print(compare(rouge_of_a, rouge_of_b, ("tuned", "zero-shot")))` prints the verdict's sentence.
    """
    mean, low, high, _ = paired_bootstrap(a, b, resamples, level, seed)
    differences = _differences(a, b)
    count, percent = len(differences), f"{100 * level:g} %"
    slack = TINY * max(max(map(abs, a)), max(map(abs, b)))  # rounding can put an end of the interval a hair beside 0
    ranked = low > slack or high < -slack
    z = NormalDist().inv_cdf((1 + level) / 2) + NormalDist().inv_cdf(POWER)
    detectable = z * float(differences.std(ddof=1)) / math.sqrt(count)
    if ranked:
        first, second = names if mean > 0 else names[::-1]
        small, large = sorted((abs(low), abs(high)))
        sentence = f"{first} is better than {second} by {abs(mean):.3g} ({percent} interval {small:.3g} to {large:.3g}, {count:,} examples)."
        return PairedComparison(True, first, mean, low, high, detectable, sentence)
    power = (
        f"a true difference of {detectable:.2g} would have shown four times in five"
        if detectable > slack
        else "they differ on no example"
    )
    sentence = (
        f"{names[0]} and {names[1]} cannot be ranked: their difference is {mean:.3g} ({percent} interval {low:.3g} to {high:.3g}, "
        f"{count:,} examples). With these examples {power}."
    )
    return PairedComparison(False, None, mean, low, high, detectable, sentence)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family of tests, adjusted so that the chance of even one false alarm stays at the level.

    The smallest of m p-values is multiplied by m, the next by m - 1, and so on; none may be smaller than one before it, or above 1.

    Raises:
        LabError: no p-values, or one outside 0..1.

    Source: Holm 1979 (Scandinavian Journal of Statistics 6, 65-70).

    >>> holm([0.25, 0.01, 0.125])
    [0.25, 0.03, 0.25]
    """
    if not p_values or not all(0 <= p <= 1 for p in p_values):
        raise LabError("A family of tests has one p-value or more, each between 0 and 1.")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def wrong_winner_rate(a: Scores, b: Scores, size: int, draws: int = 2_000, seed: int = 0) -> float:
    """How often a small test set crowns the wrong system: the share of random draws in which the overall worse one wins.

    Each draw takes `size` different examples and compares the two means on them. A tie on a draw is not a win, so the worse
    system's share and the better one's can add up to less than 1. With `size` equal to the number of examples the share is 0.

    Args:
        a: (n,), the first system's scores.
        b: (n,), the second system's, on the same examples in the same order.
        size: examples per draw, 1 to n.
        draws: how many draws.
        seed: of the draws.

    Raises:
        LabError: the systems are equal over all examples, or `size` is not within 1..n.

    Example: with differences of +1 on six examples and -1 on four, draws of one example crown the wrong system 4 times in 10.
    """
    import numpy as np

    require_draws(draws)
    differences = _differences(a, b)
    count = len(differences)
    if not 1 <= size <= count:
        raise LabError(f"A draw of {size} examples is not possible: there are {count:,}, so choose 1 to {count:,}.")
    slack = TINY * float(abs(differences).sum())
    if abs(differences.sum()) <= slack:
        raise LabError("The two systems have the same mean over all examples, so neither is the worse one.")
    winnings = differences * np.sign(differences.sum())
    rng, lost = np.random.default_rng(seed), 0
    for rows in blocks(draws, count):
        order = rng.random((rows, count)).argpartition(size - 1, axis=1)[:, :size]  # `size` different places, evenly drawn
        lost += int((winnings[order].sum(axis=1) < -slack).sum())
    return lost / draws
