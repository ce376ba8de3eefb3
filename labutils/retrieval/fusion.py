"""Several rankings made into one (lab 09)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from labutils.errors import LabError


class Index(Protocol):
    """What ranks passages for a question."""

    def rank(self, question: str, k: int | None = None) -> list[int]:
        """The passages by their places, best first."""
        ...


def reciprocal_rank_fusion(rankings: Sequence[Sequence[int]], constant: int = 60) -> list[int]:
    """One ranking from several: each gives 1 / (constant + place) to a passage, places from 1; the sums are ranked.

    It needs no scores, so it can join searches whose scores have different scales. Equal sums stay in the order in which the
    passages were first met.

    Raises:
        LabError: no rankings, or a negative constant.

    Source: Cormack, Clarke and Büttcher 2009, "Reciprocal rank fusion outperforms Condorcet", which takes 60.

    >>> reciprocal_rank_fusion([[0, 1, 2], [2, 0, 1]])
    [0, 2, 1]
    """
    if not rankings or constant < 0:
        raise LabError("Fusion needs at least one ranking and a constant of 0 or more.")
    sums: dict[int, float] = {}
    for ranking in rankings:
        for place, passage in enumerate(ranking, 1):
            sums[passage] = sums.get(passage, 0.0) + 1 / (constant + place)
    return sorted(sums, key=lambda passage: -sums[passage])


class Fused:
    """Several indexes of the same passages, ranked by reciprocal rank fusion."""

    def __init__(self, *indexes: Index, constant: int = 60) -> None:
        self.indexes, self.constant = indexes, constant

    def rank(self, question: str, k: int | None = None) -> list[int]:
        """The passages by their places, best first; the first k of them."""
        return reciprocal_rank_fusion([index.rank(question) for index in self.indexes], self.constant)[:k]
