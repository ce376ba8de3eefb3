"""What a difference of two scores is worth: intervals, tests, and a comparison that refuses to rank inside the noise (lab 06).

A test set is a sample. All functions take one score per example and ask how the mean would move with another sample; they see the
choice of examples only, not that of the seed, the prompt or the references. Scores may be on any scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, Union

from labutils.errors import LabError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores: TypeAlias = Union[Sequence[float], NDArray[np.float64]]
    Array: TypeAlias = NDArray[np.float64]

BLOCK = 1 << 22  # random numbers held at a time: 32 MiB
TINY = 1e-12  # differences below this share of the largest are rounding, not results
POWER = 0.8  # the chance that a test set of the size that compare() names would settle it
UNREACHABLE = 10**9


class Interval(NamedTuple):
    """A mean and the interval around it."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """A mean difference, the interval around it, and the two-sided p-value of no difference."""

    mean: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Verdict:
    """What `compare` says of two systems.

    Attributes:
        ranked: True where the interval of the difference leaves 0 out.
        better: the name of the better system; None where they are not ranked.
        difference: mean of the first system's scores minus the second's, on the same examples.
        low: lower end of the difference's interval.
        high: upper end of it.
        examples_needed: about how many examples settle a difference of this size; 10**9 stands for "no test set will".
        sentence: all of that for a person.
    """

    ranked: bool
    better: str | None
    difference: float
    low: float
    high: float
    examples_needed: int
    sentence: str

    def __str__(self) -> str:
        """The sentence."""
        return self.sentence


def _scores(values: Scores, what: str = "scores") -> Array:
    import numpy as np

    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise LabError(f"The {what} must be numbers, one per example.") from None
    if array.ndim != 1:
        raise LabError(f"The {what} have shape {array.shape}; give one number per example.")
    if len(array) < 2:
        raise LabError(f"There are {len(array)} {what}; how much a mean can move is seen from two examples on.")
    if not np.isfinite(array).all():
        raise LabError(f"Some of the {what} are not finite numbers: leave those examples out of both systems, and say so.")
    return array


def _differences(a: Scores, b: Scores) -> Array:
    first, second = _scores(a, "scores of the first system"), _scores(b, "scores of the second system")
    if len(first) != len(second):
        raise LabError(
            f"The systems have {len(first):,} and {len(second):,} scores: score both on the same examples, in the same order."
        )
    return first - second


def _require(resamples: int, level: float = 0.95) -> None:
    if resamples < 1:
        raise LabError(f"The number of random draws is {resamples}; it must be at least 1.")
    if not 0 < level < 1:
        raise LabError(f"The level is {level}; it must lie between 0 and 1, such as 0.95.")


def _blocks(rows: int, width: int) -> Iterator[int]:
    """`rows` in portions that keep rows * width random numbers within BLOCK."""
    step = max(1, BLOCK // width)
    yield from (min(step, rows - done) for done in range(0, rows, step))


def _resampled_means(values: Array, resamples: int, seed: int) -> Array:
    """Means (resamples,) of as many draws of len(values) values with replacement."""
    import numpy as np

    rng, n = np.random.default_rng(seed), len(values)
    return np.concatenate([values[rng.integers(0, n, (rows, n))].mean(axis=1) for rows in _blocks(resamples, n)])


def _ends(means: Array, level: float) -> tuple[float, float]:
    import numpy as np

    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_interval(scores: Scores, resamples: int = 10_000, level: float = 0.95, seed: int = 0) -> Interval:
    """The mean of the scores and its percentile bootstrap interval.

    Each resample draws as many examples as there are, with replacement; the interval holds the middle `level` of their means.
    With few examples it is too narrow: of 2,000 sets of ten normal scores, the 95 % interval held the true mean in 90 %; of sets of
    fifty, in 95 %.

    Args:
        scores: (n,), one per example.
        resamples: how many resamples.
        level: the share of the resampled means that the interval holds.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        (mean, low, high), with names.

    Raises:
        LabError: fewer than two scores, a score that is not finite, or a level outside 0..1.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife"; the percentile interval is Efron 1981.

    Example: 100 scores, half of them 0 and half 1, have the mean 0.5 and an interval of about 0.40 to 0.60.
    """
    _require(resamples, level)
    values = _scores(scores)
    return Interval(float(values.mean()), *_ends(_resampled_means(values, resamples, seed), level))


def paired_bootstrap(a: Scores, b: Scores, resamples: int = 10_000, level: float = 0.95, seed: int = 0) -> Difference:
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
    _require(resamples, level)
    differences = _differences(a, b)
    mean = float(differences.mean())
    means = _resampled_means(differences, resamples, seed)
    slack = TINY * float(abs(differences).max())
    as_far = int((abs(means - mean) >= abs(mean) - slack).sum())
    return Difference(mean, *_ends(means, level), (1 + as_far) / (1 + resamples))


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

    _require(rounds)
    differences = _differences(a, b)
    rng, n = np.random.default_rng(seed), len(differences)
    observed = abs(differences.sum()) - TINY * abs(differences).sum()
    as_large = 0
    for rows in _blocks(rounds, n):
        signs = 2.0 * rng.integers(0, 2, (rows, n), dtype=np.int8) - 1
        as_large += int((abs(signs @ differences) >= observed).sum())
    return (1 + as_large) / (1 + rounds)


def compare(
    a: Scores, b: Scores, names: tuple[str, str] = ("A", "B"), resamples: int = 10_000, level: float = 0.95, seed: int = 0
) -> Verdict:
    """Rank two systems scored on the same examples, or refuse where the interval of their difference holds 0.

    About how many examples would settle it: with d the mean and s the standard deviation of the differences per example,

        n = ((z + z_power) * s / d)^2,    z = 1.96 at level 0.95, z_power = 0.84 for a power of 0.8.

    If the true difference is the observed one, four test sets in five of that size give an interval without 0. The observed
    difference is itself uncertain inside the noise, so read n as an order of magnitude.

    Args:
        a: (n,), the first system's scores.
        b: (n,), the second system's, on the same examples in the same order.
        names: what to call the two.
        resamples: of the paired bootstrap.
        level: of its interval.
        seed: of its draws.

    Raises:
        LabError: as `paired_bootstrap`.

    Source of the formula: the sample size of a paired z-test; for metrics, Card et al. 2020 (arXiv:2010.06595).

    Example: `print(compare(rouge_of_a, rouge_of_b, ("tuned", "zero-shot")))` prints the verdict's sentence.
    """
    mean, low, high, _ = paired_bootstrap(a, b, resamples, level, seed)
    differences = _differences(a, b)
    count, percent = len(differences), f"{100 * level:g} %"
    slack = TINY * max(max(map(abs, a)), max(map(abs, b)))  # rounding can put an end of the interval a hair beside 0
    ranked = low > slack or high < -slack
    z = NormalDist().inv_cdf((1 + level) / 2) + NormalDist().inv_cdf(POWER)
    needed = UNREACHABLE
    if abs(mean) > TINY * float(abs(differences).max()):
        needed = min(max(2, math.ceil((z * float(differences.std(ddof=1)) / mean) ** 2)), UNREACHABLE)
    if ranked:
        first, second = names if mean > 0 else names[::-1]
        small, large = sorted((abs(low), abs(high)))
        sentence = f"{first} is better than {second} by {abs(mean):.3g} ({percent} interval {small:.3g} to {large:.3g}, {count:,} examples)."
        return Verdict(True, first, mean, low, high, needed, sentence)
    needed = max(needed, count + 1)
    remedy = (
        "no test set would rank them"
        if needed >= UNREACHABLE
        else f"about {_round(needed):,} examples would settle a difference of this size"
    )
    sentence = (
        f"{names[0]} and {names[1]} cannot be ranked: their difference is {mean:.3g} ({percent} interval {low:.3g} to {high:.3g}, "
        f"{count:,} examples), and {remedy}."
    )
    return Verdict(False, None, mean, low, high, needed, sentence)


def _round(number: int) -> int:
    """Two significant digits, upwards: more would promise what a rough estimate cannot keep."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return -(-number // unit) * unit


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

    _require(draws)
    differences = _differences(a, b)
    count = len(differences)
    if not 1 <= size <= count:
        raise LabError(f"A draw of {size} examples is not possible: there are {count:,}, so choose 1 to {count:,}.")
    slack = TINY * float(abs(differences).sum())
    if abs(differences.sum()) <= slack:
        raise LabError("The two systems have the same mean over all examples, so neither is the worse one.")
    winnings = differences * np.sign(differences.sum())
    rng, lost = np.random.default_rng(seed), 0
    for rows in _blocks(draws, count):
        order = rng.random((rows, count)).argpartition(size - 1, axis=1)[:, :size]  # `size` different places, evenly drawn
        lost += int((winnings[order].sum(axis=1) < -slack).sum())
    return lost / draws


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


def accuracy_rows(correct: Mapping[str, Sequence[bool]], level: float = 0.95) -> list[tuple[str, str, str, str]]:
    """Rows for `show_table(ACCURACY_HEADER, ...)`: name, right of all, accuracy, Wilson interval (both in per cent, whole numbers)."""
    rows = []
    for name, answers in correct.items():
        right, count = sum(map(bool, answers)), len(answers)
        share, low, high = wilson_interval(right, count, level)
        rows.append((name, f"{right} of {count}", f"{share:.0%}", f"{low:.0%} to {high:.0%}"))
    return rows
