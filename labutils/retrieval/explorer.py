"""The retrieval explorer of lab 09: a question, three ways to rank, and the passages with the question's words lit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from labutils.course.explorer import Choice, Explorer, Slider, Text, View, legend_html
from labutils.course.plots import BLUE, GREEN, GREY
from labutils.errors import LabError
from labutils.evaluation.tokens import tokenize
from labutils.retrieval.fusion import Index

_LIT = f"background: #d6e9f5; color: #000; font-weight: bold; border-bottom: 3px solid {BLUE};"
LEGEND = f'<mark style="{_LIT}">bold on a solid line</mark>: a word of the question. Dense search does not look at words.'


@dataclass(frozen=True)
class RetrievalSettings:
    """The question, how many passages to show, and which index ranks them."""

    question: str
    k: int = 3
    method: str = "lexical"


@dataclass(frozen=True)
class RetrievalView(View):
    """The first passages of a ranking.

    Attributes:
        method: the index that ranked them.
        question: what was asked.
        passages: (place in each index's ranking by name, title, text, whether it is a right one) per passage shown.
    """

    method: str
    question: str
    passages: tuple[tuple[Mapping[str, int], str, str, bool], ...]

    @property
    def summary(self) -> str:
        """What stands first."""
        titles = ", ".join(title for _, title, _, _ in self.passages)
        return f"{self.method}, {len(self.passages)} passages for {self.question!r}: {titles}."

    @property
    def body(self) -> str:
        """The passages, the question's words lit, each with its places in the other rankings."""
        return "".join(map(self._passage, self.passages)) + legend_html(LEGEND)

    def _passage(self, shown: tuple[Mapping[str, int], str, str, bool]) -> str:
        places, title, text, right = shown
        words = set(tokenize(self.question))
        parts = re.split("([A-Za-z0-9]+)", text)
        lit = "".join(f'<mark style="{_LIT}">{escape(part)}</mark>' if part.lower() in words else escape(part) for part in parts)
        where = ", ".join(f"{name} {place}" for name, place in places.items())
        note = " &#10003; needed for the answer" if right else ""
        style = f"border-left: 6px solid {GREEN if right else GREY}; padding: 4px 10px; margin: 6px 0; max-width: 56em;"
        return f'<div style="{style}"><b>{escape(title)}</b>{note} <small>(place: {escape(where)})</small><br>{lit}</div>'


def retrieval_view(
    question: str,
    indexes: Mapping[str, Index],
    passages: Sequence[Mapping[str, str]],
    k: int = 3,
    method: str = "lexical",
    gold: Mapping[str, Sequence[str]] | None = None,
) -> RetrievalView:
    """The first k passages for a question.

    Args:
        question: in plain words.
        indexes: by name; all of them over `passages`, in this order.
        passages: rows with id, title and text.
        k: how many to show.
        method: the name of the index that ranks.
        gold: question -> ids of its right passages, to mark them where the question is known.

    Raises:
        LabError: an empty question, or an unknown method.
    """
    if not question.strip():
        raise LabError("There is no question: type one.")
    if method not in indexes:
        raise LabError(f"There is no index {method!r}: choose one of {', '.join(indexes)}.")
    rankings = {name: index.rank(question) for name, index in indexes.items()}
    right = set((gold or {}).get(question, ()))
    shown = tuple(
        (
            {name: ranking.index(i) + 1 for name, ranking in rankings.items()},
            passages[i]["title"],
            passages[i]["text"],
            passages[i]["id"] in right,
        )
        for i in rankings[method][:k]
    )
    return RetrievalView(method, question, shown)


def explore_retrieval(
    question: str,
    indexes: Mapping[str, Index],
    passages: Sequence[Mapping[str, str]],
    gold: Mapping[str, Sequence[str]] | None = None,
    k: int = 3,
) -> None:
    """Show the explorer: a field for the question, a slider for k, a list of the indexes. Arguments as in `retrieval_view`."""
    controls = (Text("question", "question"), Slider("k", "k", 1, 8), Choice("method", "ranked by", tuple(indexes)))
    Explorer(
        "Retrieval explorer",
        RetrievalSettings(question, k, next(iter(indexes))),
        controls,
        lambda settings: retrieval_view(settings.question, indexes, passages, settings.k, settings.method, gold),
    ).show()
