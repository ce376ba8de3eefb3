"""The n-gram explorer of lab 06: edit a candidate, and see which n-grams match, in both texts, with every denominator."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labutils.course.plots import BLUE, GREY, ORANGE, VERMILION, show_widget
from labutils.evaluation.tokens import ngrams, tokenize

MATCH, SURPLUS, OTHER = "match", "surplus", ""


@dataclass(frozen=True)
class View:
    """What the explorer shows: two texts as the metric sees them, and how many n-grams they share.

    Attributes:
        n: the length of the n-grams.
        candidate, reference: (token, state) pairs. "match" is a token of a matched n-gram; "surplus" one whose n-grams occur in
            the reference, but were all used up by earlier ones; "" any other.
        matched: n-grams in common, each reference n-gram used once (clipping).
        in_candidate, in_reference: n-grams in each text: the denominators of precision and of recall.
    """

    n: int
    candidate: tuple[tuple[str, str], ...]
    reference: tuple[tuple[str, str], ...]
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


def _grams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def _mark(
    tokens: Sequence[str], n: int, allowed: Counter[tuple[str, ...]], known: set[tuple[str, ...]]
) -> tuple[tuple[str, str], ...]:
    """Each token with its state; `allowed` says how often each n-gram may still be matched, from left to right."""
    states = [OTHER] * len(tokens)
    left = allowed.copy()
    for start, gram in enumerate(_grams(tokens, n)):
        if left[gram] > 0:
            left[gram] -= 1
            states[start : start + n] = [MATCH] * n
        elif gram in known:
            states[start : start + n] = [state or SURPLUS for state in states[start : start + n]]
    return tuple(zip(tokens, states, strict=True))


def look(candidate: str, reference: str, n: int = 1, stem: bool = False) -> View:
    """Compare two texts by their n-grams, as ROUGE-N does.

    Args:
        candidate: the text to judge.
        reference: the text it is held against.
        n: the length of the n-grams, 1 or more.
        stem: cut words to their stems first.

    Raises:
        LabError: n is below 1.

    Example:
        >>> view = look("the the cat", "the cat sat")
        >>> view.matched, view.in_candidate, view.in_reference
        (2, 3, 3)
    """
    ours, theirs = tokenize(candidate, stem=stem), tokenize(reference, stem=stem)
    have, want = ngrams(ours, n), ngrams(theirs, n)
    common = have & want
    return View(
        n=n,
        candidate=_mark(ours, n, common, set(want)),
        reference=_mark(theirs, n, common, set()),
        matched=sum(common.values()),
        in_candidate=sum(have.values()),
        in_reference=sum(want.values()),
    )


def summary(view: View) -> str:
    """One sentence on a view, which a screen reader announces when the candidate or n changes."""
    return (
        f"ROUGE-{view.n}: {view.matched} matched; precision {view.matched}/{view.in_candidate} = {view.precision:.3f}, "
        f"recall {view.matched}/{view.in_reference} = {view.recall:.3f}, F1 {view.f1:.3f}."
    )


# Each state has a sign beside its colour: bold on a solid line, or a dotted line.
_STYLES = {
    MATCH: f"background: #d6e9f5; color: #000; font-weight: bold; border-bottom: 3px solid {BLUE};",
    SURPLUS: f"border-bottom: 3px dotted {VERMILION};",
    OTHER: "",
}


def _words(marked: Sequence[tuple[str, str]]) -> str:
    if not marked:
        return "<i>(no words)</i>"
    tag = {MATCH: "mark", SURPLUS: "span", OTHER: "span"}
    return " ".join(f'<{tag[state]} style="{_STYLES[state]}">{html.escape(token)}</{tag[state]}>' for token, state in marked)


def _fraction(name: str, view: View, below: int, colour: str, whose: str) -> str:
    share = view.matched / max(1, below)
    chip = f'<span style="border: 2px solid {colour}; padding: 0 4px;">{below}</span>'
    return f"<div>{name} = <b>{view.matched}</b> matched / {chip} {view.n}-gram{'s' if below != 1 else ''} of the {whose} = <b>{share:.3f}</b></div>"


def view_html(view: View) -> str:
    """A view as HTML: both texts as the metric sees them, then precision, recall and F1 with their denominators."""

    def line(name: str, colour: str, marked: Sequence[tuple[str, str]]) -> str:
        style = f"border-left: 6px solid {colour}; padding: 4px 10px; margin: 6px 0; line-height: 1.9; max-width: 56em;"
        return f'<div style="{style}"><b>{name}</b><br>{_words(marked)}</div>'

    legend = (
        f'<mark style="{_STYLES[MATCH]}">bold on a solid line</mark>: matched. '
        f'<span style="{_STYLES[SURPLUS]}">dotted line</span>: in the reference, but used up already (clipping).'
    )
    return (
        f'<p aria-live="polite"><b>{summary(view)}</b></p>'
        + line("candidate", BLUE, view.candidate)
        + line("reference", ORANGE, view.reference)
        + _fraction("precision", view, view.in_candidate, BLUE, "candidate")
        + _fraction("recall", view, view.in_reference, ORANGE, "reference")
        + f"<div>F1 = 2 · {view.precision:.3f} · {view.recall:.3f} / ({view.precision:.3f} + {view.recall:.3f}) = <b>{view.f1:.3f}</b></div>"
        + f'<p style="font-size: 90%; border-top: 1px solid {GREY}; padding-top: 4px; max-width: 56em;">{legend}</p>'
    )


def explorer(candidate: str, reference: str, n: int = 1) -> None:
    """Show the explorer: a field for the candidate, a slider for n, a box for stemming.

    Args:
        candidate: what the field holds at first.
        reference: the text that the candidate is held against.
        n: where the slider stands at first, 1 to 4.

    On a static page the first view stands in its place.
    """
    view = look(candidate, reference, n)
    show_widget(explorer_widget(candidate, reference, n), view_html(view), f"N-gram explorer. {summary(view)}")


def explorer_widget(candidate: str, reference: str, n: int = 1) -> Any:
    """The widget behind `explorer`. Tab moves between its parts, the arrow keys move the slider, Reset brings the start back."""
    import ipywidgets as widgets

    style = {"description_width": "90px"}
    field = widgets.Textarea(
        value=candidate, description="candidate", rows=3, style=style, layout=widgets.Layout(width="95%", max_width="640px")
    )
    slider = widgets.IntSlider(value=n, min=1, max=4, description="n", style=style, layout=widgets.Layout(width="320px"))
    stem = widgets.Checkbox(value=False, description="cut words to their stems", indent=False)
    button = widgets.Button(description="Reset", tooltip="Back to the first candidate")
    page = widgets.HTML()

    def redraw(_: Any = None) -> None:
        page.value = view_html(look(field.value, reference, slider.value, stem.value))

    def reset(_: Any) -> None:
        field.value, slider.value, stem.value = candidate, n, False

    for part in (field, slider, stem):
        part.observe(redraw, names="value")
    button.on_click(reset)
    redraw()
    controls = widgets.Box([slider, stem, button], layout=widgets.Layout(flex_flow="row wrap"))
    return widgets.VBox([field, controls, page])
