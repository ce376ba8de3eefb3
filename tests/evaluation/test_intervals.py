"""The bootstrap interval against known distributions; all draws are seeded."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from labutils.errors import LabError
from labutils.evaluation import comparisons, intervals

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
    assert len(intervals.resampled_means(X, 777, 0)) == 777
    assert intervals.bootstrap_interval(X).low == pytest.approx(0.41, abs=0.1)
    assert 0 < comparisons.approximate_randomization(X, Y, rounds=777) <= 1
    assert 0 <= comparisons.wrong_winner_rate(X, Y, 10, draws=777) <= 1


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
    ],
)
def test_bad_input_is_one_sentence(call, word, says):
    with pytest.raises(LabError) as caught:
        call()
    says(caught.value, word)


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [0.5, -2.5], [4.0, 4.1, 3.9, 4.05, 3.95]])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_t_intervals_are_those_of_scipy(values, level):
    found = intervals.t_interval(values, level)
    low, high = stats.t.interval(level, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values))
    assert found.low == pytest.approx(low) and found.high == pytest.approx(high)


@pytest.mark.parametrize("values, level", [([1.0], 0.95), ([], 0.95), ([1.0, float("nan")], 0.95), ([1.0, 2.0], 1.0)])
def test_too_few_runs_and_odd_levels_are_refused(values, level):
    with pytest.raises(LabError):
        intervals.t_interval(values, level)
