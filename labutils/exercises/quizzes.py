"""`quiz`: one question, radio buttons where the page is live, the same text where it is not."""

from __future__ import annotations

import html
from typing import Any

from labutils.errors import LabError
from labutils.exercises import store
from labutils.exercises.checking import Verdict, show_verdict
from labutils.exercises.registry import Quiz, find_quiz


def judge(item: Quiz, choice: int) -> Verdict:
    """The verdict on option number `choice`, counted from 0."""
    return Verdict("passed" if choice == item.right else "wrong", item.why[choice])


def static(item: Quiz) -> str:
    """The quiz as HTML for a page without a kernel: the answer unfolds."""
    options = "".join(f"<li>{html.escape(option)}</li>" for option in item.options)
    answer = f"{item.right + 1}. {item.why[item.right]}"
    return (
        f"<p><b>Quiz {item.id}.</b> {html.escape(item.question)}</p><ol>{options}</ol>"
        f"<details><summary>Answer</summary>{html.escape(answer)}</details>"
    )


def widget(item: Quiz) -> Any:
    """The quiz as radio buttons (arrow keys move, the choice is judged at once)."""
    import ipywidgets

    question = ipywidgets.HTML(f"<b>Quiz {item.id}.</b> {html.escape(item.question)}")
    buttons = ipywidgets.RadioButtons(
        options=[(o, n) for n, o in enumerate(item.options)], index=None, layout={"width": "max-content"}
    )
    feedback = ipywidgets.HTML()

    def choose(change: dict[str, Any]) -> None:
        verdict = judge(item, change["new"])
        store.note(item.id, passed=verdict.status == "passed")
        word = "Right." if verdict.status == "passed" else "Not quite."
        feedback.value = f'<div role="status"><b>{word}</b> {html.escape(verdict.message)}</div>'

    buttons.observe(choose, names="value")
    return ipywidgets.VBox([question, buttons, feedback])


def quiz(id: str, choice: int | None = None) -> None:
    """Ask a quiz question; with `choice` (1, 2, ...) answer it without the radio buttons.

    Raises:
        UnknownExercise: no quiz has this id.
    """
    from labutils.course.plots import show_widget

    item = find_quiz(id)
    if choice is None:
        show_widget(widget(item), static(item), f"Quiz {item.id}. {item.question}")
        return
    if not 1 <= choice <= len(item.options):
        raise LabError(f"Quiz {item.id} has no option {choice}: choose 1 to {len(item.options)}.")
    verdict = judge(item, choice - 1)
    store.note(item.id, passed=verdict.status == "passed")
    show_verdict(item.id, "Quiz", verdict)
