"""Intervals, tests and verdicts against known distributions and closed forms; all draws are seeded."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labutils.errors import LabError
from labutils.evaluation import intervals

X = np.random.default_rng(0).random(60)
Y = X + np.random.default_rng(1).normal(0.02, 0.1, 60)


def test_the_interval_holds_the_mean_of_a_known_normal_as_often_as_it_says():
    # 1,500 test sets of 100 from N(3, 1). The standard error of the observed share is 0.6 points; the percentile interval of 100
    # examples is known to cover about half a point too little. Tolerance: 2.5 points.
    rng = np.random.default_rng(2)
    trials = 1_500
    covered = 0
    for trial in range(trials):
        interval = intervals.bootstrap_interval(rng.normal(3, 1, 100), resamples=600, seed=trial)
        covered += interval.low <= 3 <= interval.high
    assert abs(covered / trials - 0.95) < 0.025


def test_the_interval_is_near_the_normal_one_and_narrows_with_the_root_of_the_examples():
    rng = np.random.default_rng(3)
    widths = []
    for count in (100, 1_600):
        scores = rng.normal(0, 1, count)
        mean, low, high = intervals.bootstrap_interval(scores)
        assert mean == pytest.approx(scores.mean())
        assert (high - low) / 2 == pytest.approx(1.96 * scores.std() / math.sqrt(count), rel=0.05)
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.2)


def test_a_higher_level_is_a_wider_interval_and_a_seed_repeats_it():
    narrow, wide = (intervals.bootstrap_interval(X, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high
    assert (
        intervals.bootstrap_interval(X, seed=4)
        == intervals.bootstrap_interval(X, seed=4)
        != intervals.bootstrap_interval(X, seed=5)
    )


def test_blocks_give_as_many_resamples_as_asked(monkeypatch):
    monkeypatch.setattr(intervals, "BLOCK", 1_000)
    assert len(intervals._resampled_means(X, 777, 0)) == 777
    assert intervals.bootstrap_interval(X).low == pytest.approx(0.41, abs=0.1)
    assert 0 < intervals.approximate_randomization(X, Y, rounds=777) <= 1
    assert 0 <= intervals.wrong_winner_rate(X, Y, 10, draws=777) <= 1


def test_pairing_cancels_what_the_examples_share():
    a = np.random.default_rng(6).normal(0, 10, 50)
    difference = intervals.paired_bootstrap(a + 0.1, a)
    assert difference[:3] == pytest.approx((0.1, 0.1, 0.1))
    assert difference.p_value == pytest.approx(1 / 10_001)
    assert intervals.paired_bootstrap(a, a) == (0, 0, 0, 1)


def test_the_paired_difference_exchanges_its_sign_with_the_systems():
    one, other = intervals.paired_bootstrap(X, Y), intervals.paired_bootstrap(Y, X)
    assert one.mean == pytest.approx(-other.mean) == pytest.approx(X.mean() - Y.mean())
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.p_value == other.p_value


@pytest.mark.parametrize(
    "test", [intervals.approximate_randomization, lambda a, b, n, seed: intervals.paired_bootstrap(a, b, n, seed=seed).p_value]
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
    assert intervals.approximate_randomization([1.0] * 10, [0.0] * 10, rounds=100_000) == pytest.approx(2 / 1024, abs=6e-4)
    differences = np.array([0.3, -0.1, 0.2, 0.4, -0.2, 0.1])
    signs = np.array([[1 if k >> i & 1 else -1 for i in range(6)] for k in range(64)])
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    assert intervals.approximate_randomization(differences, np.zeros(6), rounds=50_000) == pytest.approx(exact, abs=0.01)
    assert intervals.approximate_randomization(X, X) == 1


def test_a_p_value_is_never_zero():
    assert intervals.approximate_randomization(X + 1, X, rounds=50) == pytest.approx(1 / 51)


def test_compare_ranks_a_clear_gap(says):
    verdict = intervals.compare(X + 0.3, Y, ("tuned", "zero-shot"))
    assert verdict.ranked and verdict.better == "tuned" and 0 < verdict.low < verdict.difference < verdict.high
    says(verdict, "tuned is better than zero-shot", "60 examples")
    other = intervals.compare(Y, X + 0.3, ("zero-shot", "tuned"))
    assert other.ranked and other.better == "tuned" and other.high < 0
    says(other, "tuned is better than zero-shot")


def test_compare_refuses_noise_and_says_how_many_examples_would_settle_it(says):
    rng = np.random.default_rng(8)
    a = rng.normal(0, 1, 40)
    b = a + rng.normal(0, 1, 40)
    b += (a - b).mean() - 0.05  # the observed difference is 0.05, the noise of the mean 0.16
    verdict = intervals.compare(a, b)
    assert not verdict.ranked and verdict.better is None and verdict.low < 0 < verdict.high
    expected = ((1.959964 + 0.841621) * (a - b).std(ddof=1) / 0.05) ** 2
    assert verdict.examples_needed == pytest.approx(expected, abs=1.01)
    assert verdict.examples_needed > 40
    says(verdict, "A and B cannot be ranked", "40 examples", "would settle")


def test_compare_ranks_nothing_where_there_is_no_difference(says):
    verdict = intervals.compare(X, X)
    assert not verdict.ranked and verdict.difference == 0 and verdict.examples_needed == intervals.UNREACHABLE
    says(verdict, "no test set would rank them")


def test_compare_seldom_ranks_equal_systems():
    rng = np.random.default_rng(9)
    ranked = sum(intervals.compare(rng.normal(0, 1, 80), rng.normal(0, 1, 80), resamples=500).ranked for _ in range(500))
    assert ranked / 500 == pytest.approx(0.05, abs=0.035)


def test_the_named_number_of_examples_settles_a_true_difference_four_times_in_five():
    d, s = 0.2, 1.0
    needed = math.ceil(((1.959964 + 0.841621) * s / d) ** 2)
    rng = np.random.default_rng(10)
    settled = sum(intervals.compare(rng.normal(d, s, needed), np.zeros(needed), resamples=500).better == "A" for _ in range(400))
    assert settled / 400 == pytest.approx(0.8, abs=0.06)


def test_the_wrong_winner_of_a_single_example_is_a_share():
    a, b = np.array([1.0] * 6 + [0.0] * 4), np.array([0.0] * 6 + [1.0] * 4)
    assert intervals.wrong_winner_rate(a, b, 1, draws=20_000) == pytest.approx(0.4, abs=0.015)
    assert intervals.wrong_winner_rate(b, a, 1, draws=20_000) == pytest.approx(0.4, abs=0.015)


@pytest.mark.parametrize("size", [3, 5, 9, 10])
def test_the_wrong_winner_rate_equals_the_hypergeometric(size):
    good, bad = 30, 20
    a, b = np.array([0.1] * good + [0.0] * bad), np.array([0.0] * good + [0.1] * bad)
    draws = 40_000
    losing = sum(math.comb(good, k) * math.comb(bad, size - k) for k in range(size + 1) if k < size - k) / math.comb(
        good + bad, size
    )
    # Four standard errors of a share at 40,000 draws are at most 0.01. Draws that tie (size 10) are nobody's win.
    assert intervals.wrong_winner_rate(a, b, size, draws=draws) == pytest.approx(losing, abs=0.01)


def test_all_examples_never_crown_the_wrong_system():
    assert intervals.wrong_winner_rate(X, Y, len(X)) == 0


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: intervals.bootstrap_interval([]), "two examples"),
        (lambda: intervals.bootstrap_interval([1.0]), "two examples"),
        (lambda: intervals.bootstrap_interval([1.0, math.nan]), "not finite"),
        (lambda: intervals.bootstrap_interval([[1.0, 2.0]]), "shape"),
        (lambda: intervals.bootstrap_interval(["a", "b"]), "must be numbers"),
        (lambda: intervals.bootstrap_interval(X, level=95), "level"),
        (lambda: intervals.bootstrap_interval(X, resamples=0), "at least 1"),
        (lambda: intervals.paired_bootstrap(X, Y[:-1]), "60 and 59"),
        (lambda: intervals.approximate_randomization(X, Y[:-1]), "same examples"),
        (lambda: intervals.compare(X, Y[:-1]), "same examples"),
        (lambda: intervals.wrong_winner_rate(X, Y, 0), "1 to 60"),
        (lambda: intervals.wrong_winner_rate(X, Y, 61), "1 to 60"),
        (lambda: intervals.wrong_winner_rate(X, X, 10), "same mean"),
    ],
)
def test_bad_input_is_one_sentence(call, word, says):
    with pytest.raises(LabError) as caught:
        call()
    says(caught.value, word)


def test_lists_are_taken_and_left_alone():
    a, b = [0.1, 0.5, 0.4], [0.2, 0.2, 0.2]
    intervals.compare(a, b)
    intervals.wrong_winner_rate(a, b, 2)
    assert (a, b) == ([0.1, 0.5, 0.4], [0.2, 0.2, 0.2])


def test_rounding_alone_ranks_nobody():
    a, b = [0.1 + 0.2] * 20, [0.3] * 20  # unequal in the last bit
    assert a != b and not intervals.compare(a, b).ranked
    assert intervals.compare([1e-3] * 20, [0.0] * 20).ranked
