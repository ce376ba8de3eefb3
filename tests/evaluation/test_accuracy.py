"""Accuracy: the Wilson interval against its own equation, and the rows of a table."""

from __future__ import annotations

from statistics import NormalDist

import pytest

from labutils.errors import LabError
from labutils.evaluation.accuracy import ACCURACY_HEADER, accuracy_rows, mcnemar, wilson_interval


@pytest.mark.parametrize("count", [1, 2, 16, 126])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_ends_solve_the_score_equation(count, level):
    z = NormalDist().inv_cdf((1 + level) / 2)
    for right in {0, 1, count // 2, count}:
        share, low, high = wilson_interval(right, count, level)
        assert share == right / count and 0 <= low <= share <= high <= 1
        for p in (low, high):  # |p - share| is z standard errors at p itself
            assert (share - p) ** 2 == pytest.approx(z * z * p * (1 - p) / count, abs=1e-12)


def test_wilson_refuses_what_is_no_accuracy():
    for right, count in [(0, 0), (3, 2), (-1, 2)]:
        with pytest.raises(LabError):
            wilson_interval(right, count)


def test_accuracy_rows_are_ready_for_a_table():
    rows = accuracy_rows({"0 shots": [True] * 11 + [False] * 5, "6 shots": [True] * 16})
    assert rows == [("0 shots", "11 of 16", "69%", "44% to 86%"), ("6 shots", "16 of 16", "100%", "81% to 100%")]
    assert len(ACCURACY_HEADER) == len(rows[0])


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (5, 1), (7, 7), (0, 12)])
def test_mcnemar_equals_the_count_of_all_coin_tosses(only_a, only_b):
    a = [True] * only_a + [False] * only_b + [True, False]
    b = [False] * only_a + [True] * only_b + [True, False]
    n, observed = only_a + only_b, abs(only_a - only_b)
    exact = sum(abs(2 * bin(k).count("1") - n) >= observed for k in range(2**n)) / 2**n
    assert mcnemar(a, b) == pytest.approx(exact)


def test_mcnemar_needs_answers_to_the_same_questions():
    for a, b in [([], []), ([True], [True, False])]:
        with pytest.raises(LabError):
            mcnemar(a, b)
