"""Several references: the best and the average, and how well people agree."""

from __future__ import annotations

from itertools import permutations

import pytest
from rouge_score.rouge_scorer import RougeScorer

from labutils.errors import LabError
from labutils.evaluation import rouge
from labutils.evaluation.references import best_and_average, reference_ceiling


def test_best_and_average():
    best, average = best_and_average("the cat", ["the cat", "a dog", "the dog"], rouge.rouge_l)
    assert (best, average) == (1.0, pytest.approx(0.5))
    assert best_and_average("x", ["x", "y"], lambda a, b: float(a == b)) == (1.0, 0.5)


def test_the_best_is_what_rouge_score_takes(summaries):
    scorer = RougeScorer(["rouge1"])
    for row in summaries:
        theirs = scorer.score_multi(row[1:], row[0])["rouge1"].fmeasure
        assert best_and_average(row[0], row[1:], lambda a, b: rouge.rouge_n(a, b, 1))[0] == pytest.approx(theirs)


def test_the_reference_ceiling_scores_each_reference_against_the_others(summaries):
    def metric(a: str, b: str) -> float:
        return rouge.rouge_n(a, b, 1, stem=True).f1

    assert reference_ceiling([["the cat", "the cat", "a dog"]], rouge.rouge_l) == [pytest.approx(1 / 3)]
    assert reference_ceiling([["the cat", "the cat", "a dog"]], rouge.rouge_l, best=True) == [pytest.approx(2 / 3)]
    average, best = reference_ceiling(summaries, metric), reference_ceiling(summaries, metric, best=True)
    assert len(average) == len(best) == len(summaries)
    assert all(0 <= low <= high <= 1 for low, high in zip(average, best, strict=True))
    expected = sum(metric(a, b) for a, b in permutations(summaries[0], 2)) / 6
    assert average[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: best_and_average("a", [], rouge.rouge_l), "no reference"),
        (lambda: reference_ceiling([], rouge.rouge_l), "no examples"),
        (lambda: reference_ceiling([["a"]], rouge.rouge_l), "fewer than two"),
    ],
)
def test_bad_input_is_one_sentence(call, word, says):
    with pytest.raises(LabError) as caught:
        call()
    says(caught.value, word)
