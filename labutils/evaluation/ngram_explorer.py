"""The n-gram explorer of lab 06: edit a candidate, and see which n-grams match, in both texts, with every denominator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from labutils.course.explorer import Explorer, Slider, Text, Tick, View, legend_html
from labutils.course.plots import BLUE, ORANGE, VERMILION
from labutils.evaluation.tokens import ngrams, tokenize

MATCH, SURPLUS, OTHER = "match", "surplus", ""

# Each state has a sign beside its colour: bold on a solid line, or a dotted line.
_STYLES = {
    MATCH: f"background: #d6e9f5; color: #000; font-weight: bold; border-bottom: 3px solid {BLUE};",
    SURPLUS: f"border-bottom: 3px dotted {VERMILION};",
    OTHER: "",
}
LEGEND = (
    f'<mark style="{_STYLES[MATCH]}">bold on a solid line</mark>: matched. '
    f'<span style="{_STYLES[SURPLUS]}">dotted line</span>: in the reference, but used up already (clipping).'
)
CONTROLS = (Text("candidate", "candidate"), Slider("n", "n", 1, 4), Tick("stem", "cut words to their stems"))

Marked = tuple[tuple[str, str], ...]  # tokens, each with its state


@dataclass(frozen=True)
class NgramSettings:
    """The candidate, the length of the n-grams, and whether words are cut to their stems first."""

    candidate: str
    n: int = 1
    stem: bool = False


@dataclass(frozen=True)
class NgramView(View):
    """What the explorer shows: two texts as the metric sees them, and how many n-grams they share.

    Attributes:
        n: the length of the n-grams.
        candidate, reference: (token, state) pairs. "match" is a token of a matched n-gram; "surplus" one whose n-grams occur in
            the reference, but were all used up by earlier ones; "" any other.
        matched: n-grams in common, each reference n-gram used once (clipping).
        in_candidate, in_reference: n-grams in each text: the denominators of precision and of recall.
    """

    n: int
    candidate: Marked
    reference: Marked
    matched: int
    in_candidate: int
    in_reference: int

    @property
    def precision(self) -> float:
        """The matched share of the candidate's n-grams; 0 if it has none."""
        return self.matched / max(1, self.in_candidate)

    @property
    def recall(self) -> float:
        """The matched share of the reference's n-grams; 0 if it has none."""
        return self.matched / max(1, self.in_reference)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 if nothing matches."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def summary(self) -> str:
        """The three scores, two of them with their counts."""
        return (
            f"ROUGE-{self.n}: {self.matched} matched; precision {self.matched}/{self.in_candidate} = {self.precision:.3f}, "
            f"recall {self.matched}/{self.in_reference} = {self.recall:.3f}, F1 {self.f1:.3f}."
        )

    @property
    def body(self) -> str:
        """Both texts as the metric sees them, then precision, recall and F1 with their denominators."""
        p, r = f"{self.precision:.3f}", f"{self.recall:.3f}"
        return (
            _line("candidate", BLUE, self.candidate)
            + _line("reference", ORANGE, self.reference)
            + self._fraction("precision", self.in_candidate, p, BLUE, "candidate")
            + self._fraction("recall", self.in_reference, r, ORANGE, "reference")
            + f"<div>F1 = 2 · {p} · {r} / ({p} + {r}) = <b>{self.f1:.3f}</b></div>"
            + legend_html(LEGEND)
        )

    def _fraction(self, name: str, below: int, share: str, colour: str, whose: str) -> str:
        chip = f'<span style="border: 2px solid {colour}; padding: 0 4px;">{below}</span>'
        grams = f"{self.n}-gram{'s' if below != 1 else ''}"
        return f"<div>{name} = <b>{self.matched}</b> matched / {chip} {grams} of the {whose} = <b>{share}</b></div>"


def _line(name: str, colour: str, marked: Marked) -> str:
    """A text whose words show their states."""
    tag = {MATCH: "mark", SURPLUS: "span", OTHER: "span"}
    words = " ".join(f'<{tag[state]} style="{_STYLES[state]}">{escape(token)}</{tag[state]}>' for token, state in marked)
    style = f"border-left: 6px solid {colour}; padding: 4px 10px; margin: 6px 0; line-height: 1.9; max-width: 56em;"
    return f'<div style="{style}"><b>{name}</b><br>{words or "<i>(no words)</i>"}</div>'


def _mark(tokens: Sequence[str], n: int, allowed: Counter[tuple[str, ...]], known: set[tuple[str, ...]]) -> Marked:
    """Each token with its state; `allowed` says how often each n-gram may still be matched, from left to right."""
    states = [OTHER] * len(tokens)
    left = allowed.copy()
    for start in range(len(tokens) - n + 1):
        gram = tuple(tokens[start : start + n])
        if left[gram] > 0:
            left[gram] -= 1
            states[start : start + n] = [MATCH] * n
        elif gram in known:
            states[start : start + n] = [state or SURPLUS for state in states[start : start + n]]
    return tuple(zip(tokens, states, strict=True))


def ngram_view(candidate: str, reference: str, n: int = 1, stem: bool = False) -> NgramView:
    """Compare two texts by their n-grams, as ROUGE-N does.

    Args:
        candidate: the text to judge.
        reference: the text it is held against.
        n: the length of the n-grams, 1 or more.
        stem: cut words to their stems first.

    Raises:
        LabError: n is below 1.

    Example:
        >>> view = ngram_view("the the cat", "the cat sat")
        >>> view.matched, view.in_candidate, view.in_reference
        (2, 3, 3)
    """
    ours, theirs = tokenize(candidate, stem=stem), tokenize(reference, stem=stem)
    have, want = ngrams(ours, n), ngrams(theirs, n)
    common = have & want
    return NgramView(
        n=n,
        candidate=_mark(ours, n, common, set(want)),
        reference=_mark(theirs, n, common, set()),
        matched=sum(common.values()),
        in_candidate=sum(have.values()),
        in_reference=sum(want.values()),
    )


def explore_ngrams(candidate: str, reference: str, n: int = 1) -> None:
    """Show the explorer: a field for the candidate, a slider for n, a box for stemming.

    Args:
        candidate: what the field holds at first.
        reference: the text that the candidate is held against.
        n: where the slider stands at first, 1 to 4.
    """
    Explorer(
        "N-gram explorer",
        NgramSettings(candidate, n),
        CONTROLS,
        lambda settings: ngram_view(settings.candidate, reference, settings.n, settings.stem),
    ).show()
