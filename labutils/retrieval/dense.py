"""Dense search: passages ranked by the direction of their embeddings (lab 09)."""

from __future__ import annotations

from collections.abc import Sequence

from labutils.evaluation.meaning import embed
from labutils.retrieval.ranking import ranked


class Dense:
    """An index of passages by meaning, with the course's sentence encoder.

    Args:
        texts: (N,) the passages; each is read up to its 256th token, and what comes after is not seen.

    Raises:
        LabError: there are no texts.

    Source: Reimers and Gurevych 2019 (arXiv:1908.10084); the score is the cosine of two embeddings.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.vectors = embed(list(texts))  # (N, 384), rows of length 1

    def scores(self, question: str) -> list[float]:
        """The cosine of the question with every passage, (N,)."""
        return (self.vectors @ embed([question])[0]).tolist()

    def rank(self, question: str, k: int | None = None) -> list[int]:
        """The passages by their places in `texts`, best first; the first k of them."""
        return ranked(self.scores(question))[:k]
