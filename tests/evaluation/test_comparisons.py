"""Tests and comparisons of two systems against known distributions and closed forms; all draws are seeded."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labutils.errors import LabError
from labutils.evaluation import comparisons

X = np.random.default_rng(0).random(60)
Y = X + np.random.default_rng(1).normal(0.02, 0.1, 60)


def test_pairing_cancels_what_the_examples_share():
    a = np.random.default_rng(6).normal(0, 10, 50)
    difference = comparisons.paired_bootstrap(a + 0.1, a)
    assert difference[:3] == pytest.approx((0.1, 0.1, 0.1))
    assert difference.p_value == pytest.approx(1 / 10_001)
    assert comparisons.paired_bootstrap(a, a) == (0, 0, 0, 1)


def test_the_paired_difference_exchanges_its_sign_with_the_systems():
    one, other = comparisons.paired_bootstrap(X, Y), comparisons.paired_bootstrap(Y, X)
    assert one.mean == pytest.approx(-other.mean) == pytest.approx(X.mean() - Y.mean())
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p_value == other.p_value


@pytest.mark.parametrize(
    "test",
    [comparisons.approximate_randomization, lambda a, b, n, seed: comparisons.paired_bootstrap(a, b, n, seed=seed).p_value],
)
def test_p_values_are_even_under_the_null(test):
    rng = np.random.default_rng(7)
    values = []
    for trial in range(600):
        hard = rng.normal(0, 1, 80)
        values.append(test(hard + rng.normal(0, 1, 80), hard + rng.normal(0, 1, 80), 400, seed=trial))
    # Kolmogorov-Smirnov distance from the even distribution: 1.63 / sqrt(600) = 0.067 is its 99 % point.
    values = np.sort(values)
    distance = max(np.abs(values - np.arange(1, 601) / 600).max(), np.abs(values - np.arange(600) / 600).max())
    assert distance < 0.067
    assert np.mean(values < 0.05) == pytest.approx(0.05, abs=0.03)


def test_randomization_equals_the_exact_test_where_that_can_be_counted():
    assert comparisons.approximate_randomization([1.0] * 10, [0.0] * 10, rounds=100_000) == pytest.approx(2 / 1024, abs=6e-4)
    differences = np.array([0.3, -0.1, 0.2, 0.4, -0.2, 0.1])
    signs = np.array([[1 if k >> i & 1 else -1 for i in range(6)] for k in range(64)])
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    assert comparisons.approximate_randomization(differences, np.zeros(6), rounds=50_000) == pytest.approx(exact, abs=0.01)
    assert comparisons.approximate_randomization(X, X) == 1


def test_a_p_value_is_never_zero():
    assert comparisons.approximate_randomization(X + 1, X, rounds=50) == pytest.approx(1 / 51)


def test_compare_ranks_a_clear_gap(says):
    verdict = comparisons.compare(X + 0.3, Y, ("tuned", "zero-shot"))
    assert verdict.ranked and verdict.better == "tuned" and 0 < verdict.low < verdict.difference < verdict.high
    says(verdict, "tuned is better than zero-shot", "60 examples")
    other = comparisons.compare(Y, X + 0.3, ("zero-shot", "tuned"))
    assert other.ranked and other.better == "tuned" and other.high < 0
    says(other, "tuned is better than zero-shot")


def test_compare_refuses_noise_and_says_what_could_have_been_seen(says):
    rng = np.random.default_rng(8)
    a = rng.normal(0, 1, 40)
    b = a + rng.normal(0, 1, 40)
    b += (a - b).mean() - 0.05  # the observed difference is 0.05, the noise of the mean 0.16
    verdict = comparisons.compare(a, b)
    assert not verdict.ranked and verdict.better is None and verdict.low < 0 < verdict.high
    assert verdict.detectable == pytest.approx((1.959964 + 0.841621) * (a - b).std(ddof=1) / math.sqrt(40), rel=1e-6)
    says(verdict, "A and B cannot be ranked", "40 examples", f"{verdict.detectable:.2g}", "four times in five")


def test_compare_ranks_nothing_where_there_is_no_difference(says):
    verdict = comparisons.compare(X, X)
    assert not verdict.ranked and verdict.difference == 0 and verdict.detectable == 0
    says(verdict, "differ on no example")


def test_compare_seldom_ranks_equal_systems():
    rng = np.random.default_rng(9)
    ranked = sum(comparisons.compare(rng.normal(0, 1, 80), rng.normal(0, 1, 80), resamples=500).ranked for _ in range(500))
    assert ranked / 500 == pytest.approx(0.05, abs=0.035)


def test_a_detectable_difference_shows_four_times_in_five():
    n = 196
    detectable = (1.959964 + 0.841621) / math.sqrt(n)
    rng = np.random.default_rng(10)
    shown = sum(comparisons.compare(rng.normal(detectable, 1, n), np.zeros(n), resamples=500).better == "A" for _ in range(400))
    assert shown / 400 == pytest.approx(0.8, abs=0.06)


def test_the_wrong_winner_of_a_single_example_is_a_share():
    a, b = np.array([1.0] * 6 + [0.0] * 4), np.array([0.0] * 6 + [1.0] * 4)
    assert comparisons.wrong_winner_rate(a, b, 1, draws=20_000) == pytest.approx(0.4, abs=0.015)
    assert comparisons.wrong_winner_rate(b, a, 1, draws=20_000) == pytest.approx(0.4, abs=0.015)


@pytest.mark.parametrize("size", [3, 5, 9, 10])
def test_the_wrong_winner_rate_equals_the_hypergeometric(size):
    good, bad = 30, 20
    a, b = np.array([0.1] * good + [0.0] * bad), np.array([0.0] * good + [0.1] * bad)
    draws = 40_000
    losing = sum(math.comb(good, k) * math.comb(bad, size - k) for k in range(size + 1) if k < size - k) / math.comb(
        good + bad, size
    )
    # Four standard errors of a share at 40,000 draws are at most 0.01. Draws that tie (size 10) are nobody's win.
    assert comparisons.wrong_winner_rate(a, b, size, draws=draws) == pytest.approx(losing, abs=0.01)


def test_all_examples_never_crown_the_wrong_system():
    assert comparisons.wrong_winner_rate(X, Y, len(X)) == 0


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: comparisons.paired_bootstrap(X, Y[:-1]), "60 and 59"),
        (lambda: comparisons.approximate_randomization(X, Y[:-1]), "same examples"),
        (lambda: comparisons.compare(X, Y[:-1]), "same examples"),
        (lambda: comparisons.wrong_winner_rate(X, Y, 0), "1 to 60"),
        (lambda: comparisons.wrong_winner_rate(X, Y, 61), "1 to 60"),
        (lambda: comparisons.wrong_winner_rate(X, X, 10), "same mean"),
        (lambda: comparisons.holm([]), "one p-value"),
        (lambda: comparisons.holm([0.5, 1.5]), "between 0 and 1"),
    ],
)
def test_bad_input_is_one_sentence(call, word, says):
    with pytest.raises(LabError) as caught:
        call()
    says(caught.value, word)


def test_lists_are_taken_and_left_alone():
    a, b = [0.1, 0.5, 0.4], [0.2, 0.2, 0.2]
    comparisons.compare(a, b)
    comparisons.wrong_winner_rate(a, b, 2)
    assert (a, b) == ([0.1, 0.5, 0.4], [0.2, 0.2, 0.2])


def test_rounding_alone_ranks_nobody():
    a, b = [0.1 + 0.2] * 20, [0.3] * 20  # unequal in the last bit
    assert a != b and not comparisons.compare(a, b).ranked
    assert comparisons.compare([1e-3] * 20, [0.0] * 20).ranked


def test_holm_equals_closed_testing():
    """Holm is the closed test whose intersections are tested by Bonferroni: an independent, slower definition."""
    for p_values in ([0.25, 0.01, 0.125], [0.04, 0.03, 0.02, 0.6], [0.5], [0.0, 1.0, 0.01, 0.01]):
        subsets = [[i for i in range(len(p_values)) if k >> i & 1] for k in range(1, 2 ** len(p_values))]
        closed = [max(min(1, len(s) * min(p_values[j] for j in s)) for s in subsets if i in s) for i in range(len(p_values))]
        assert comparisons.holm(p_values) == pytest.approx(closed)
