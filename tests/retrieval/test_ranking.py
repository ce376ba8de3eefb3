"""Scores of rankings against values worked out elsewhere."""

from __future__ import annotations

import math
import random

import pytest

from labutils.errors import LabError
from labutils.retrieval import (
    Fused,
    ndcg_at_k,
    precision_at_k,
    ranked,
    recall_at_k,
    reciprocal_rank,
    reciprocal_rank_fusion,
)


def oracle_ndcg(ranking: list[int], gold: set[int], k: int) -> float:
    """As scikit-learn's ndcg_score has it: gains in the ranked order, divided by the gains in the best order."""
    gains = [float(passage in gold) for passage in ranking]
    discount = [1 / math.log2(place + 2) for place in range(len(gains))]
    best = sorted(gains, reverse=True)
    return sum(g * d for g, d in zip(gains[:k], discount, strict=False)) / sum(
        g * d for g, d in zip(best[:k], discount, strict=False)
    )


def test_ndcg_equals_the_oracle() -> None:
    rng = random.Random(0)
    for _ in range(200):
        n = rng.randint(1, 12)
        ranking, gold, k = rng.sample(range(n), n), set(rng.sample(range(n), rng.randint(1, n))), rng.randint(1, n)
        assert ndcg_at_k(ranking, gold, k) == pytest.approx(oracle_ndcg(ranking, gold, k), abs=1e-12)


@pytest.mark.parametrize(
    ("ranking", "gold", "k", "ndcg", "recall", "precision"),
    [
        ([4, 2, 5, 1, 0, 6, 3], {0, 3, 4}, 3, 0.469278726023, 1 / 3, 1 / 3),
        ([0, 5, 3, 1, 6, 2, 4, 7], {3}, 1, 0.0, 0.0, 0.0),
        ([1, 2, 0, 3], {0, 1, 3}, 2, 0.613147192765, 1 / 3, 0.5),
        ([6, 1, 8, 2, 7, 3, 4, 5, 0], {0}, 7, 0.0, 0.0, 0.0),
        ([0, 7, 4, 1, 5, 3, 6, 2], {0}, 2, 1.0, 1.0, 0.5),
    ],
)
def test_values_of_scikit_learn(ranking: list[int], gold: set[int], k: int, ndcg: float, recall: float, precision: float) -> None:
    """Computed once with ndcg_score, recall_score and precision_score of scikit-learn 1.9.1, which the course does not install."""
    assert ndcg_at_k(ranking, gold, k) == pytest.approx(ndcg, abs=1e-11)
    assert recall_at_k(ranking, gold, k) == pytest.approx(recall, abs=1e-11)
    assert precision_at_k(ranking, gold, k) == pytest.approx(precision, abs=1e-11)


def test_recall_precision_and_rank_on_one_ranking() -> None:
    ranking, gold = list("bacd"), {"a", "d", "z"}
    assert recall_at_k(ranking, gold, 2) == pytest.approx(1 / 3)
    assert precision_at_k(ranking, gold, 2) == 0.5
    assert precision_at_k(ranking, gold, 8) == 0.25
    assert reciprocal_rank(ranking, gold) == 0.5
    assert reciprocal_rank(ranking, {"z"}) == 0


@pytest.mark.parametrize("function", [recall_at_k, precision_at_k, ndcg_at_k])
def test_bad_input_is_refused(function) -> None:
    with pytest.raises(LabError, match="no right passage"):
        function(["a"], set(), 1)
    with pytest.raises(LabError, match="at least 1"):
        function(["a"], {"a"}, 0)


def test_equal_scores_keep_their_order() -> None:
    assert ranked([0.5, 0.7, 0.5, 0.7]) == [1, 3, 0, 2]


def test_fusion_of_one_ranking_is_that_ranking() -> None:
    assert reciprocal_rank_fusion([[3, 1, 2]]) == [3, 1, 2]


def test_fusion_by_hand() -> None:
    # 0: 1/61 + 1/63, 1: 1/62 + 1/61, 2: 1/63 + 1/62
    assert reciprocal_rank_fusion([[0, 1, 2], [1, 2, 0]]) == [1, 0, 2]


def test_fused_indexes() -> None:
    class Fixed:
        def __init__(self, *order: int) -> None:
            self.order = list(order)

        def rank(self, question: str, k: int | None = None) -> list[int]:
            return self.order[:k]

    assert Fused(Fixed(0, 1, 2), Fixed(1, 2, 0)).rank("", 2) == [1, 0]
    with pytest.raises(LabError):
        Fused().rank("")
