"""How good a ranking is, for questions with a few right passages: recall and precision at k, reciprocal rank, nDCG (lab 09).

A ranking is a list of passages, the best first; the right ones ("gold") are a set. A passage may be any hashable name.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence

from labutils.errors import LabError
from labutils.validation import require_whole_number


def ranked(scores: Sequence[float]) -> list[int]:
    """Places of the scores, the highest first; equal scores in their order.

    >>> ranked([0.1, 0.7, 0.7])
    [1, 2, 0]
    """
    return sorted(range(len(scores)), key=lambda i: -float(scores[i]))


def _require(gold: Collection[Hashable], k: int) -> None:
    if not gold:
        raise LabError("The question has no right passage: leave it out of a score of rankings.")
    require_whole_number("k", k)


def recall_at_k(ranking: Sequence[Hashable], gold: Collection[Hashable], k: int) -> float:
    """The share of the right passages that stand among the first k of the ranking, 0 to 1.

    Raises:
        LabError: gold is empty, or k below 1.

    >>> recall_at_k(["b", "a", "c"], {"a", "z"}, 2)
    0.5
    """
    _require(gold, k)
    return len(set(ranking[:k]) & set(gold)) / len(set(gold))


def precision_at_k(ranking: Sequence[Hashable], gold: Collection[Hashable], k: int) -> float:
    """The share of the first k that is right, 0 to 1. It divides by k also where fewer were found. Raises as `recall_at_k`."""
    _require(gold, k)
    return len(set(ranking[:k]) & set(gold)) / k


def reciprocal_rank(ranking: Sequence[Hashable], gold: Collection[Hashable]) -> float:
    """1 / place of the first right passage, places counted from 1; 0 where none is in the ranking. Its mean is the MRR.

    Raises:
        LabError: gold is empty.

    Source: Voorhees 1999, "The TREC-8 question answering track report".

    >>> reciprocal_rank(["b", "a", "c"], {"a"})
    0.5
    """
    _require(gold, 1)
    return next((1 / place for place, passage in enumerate(ranking, 1) if passage in gold), 0.0)


def ndcg_at_k(ranking: Sequence[Hashable], gold: Collection[Hashable], k: int) -> float:
    """Normalised discounted cumulative gain with gains of 0 and 1: a right passage at place i is worth 1 / log2(i + 1).

    Divided by what the best possible ranking would get, so that the result lies between 0 and 1. Raises as `recall_at_k`.

    Source: Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques"; equal to scikit-learn's ndcg_score
    for relevances of 0 and 1 without ties.

    >>> round(ndcg_at_k(["b", "a", "c"], {"a"}, 3), 4)
    0.6309
    """
    _require(gold, k)
    gained = sum(1 / math.log2(place + 1) for place, passage in enumerate(ranking[:k], 1) if passage in gold)
    best = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(set(gold))) + 1))
    return gained / best
