"""`quiz`: one question, radio buttons where the page is live, the same question and options where it is not."""

from __future__ import annotations

import html
from typing import Any

from labutils.errors import LabError
from labutils.exercises.progress_file import not_kept, record_attempt, say_if_not_kept
from labutils.exercises.registry import Quiz, find_quiz
from labutils.exercises.verdicts import Verdict, show_verdict


def quiz(id: str, choice: int | None = None) -> None:
    """Ask a quiz question; with `choice` (1, 2, ...) answer it without the radio buttons.

    Raises:
        UnknownExercise: no quiz has this id.
        LabError: the quiz has no such option.
    """
    from labutils.course.plots import show_widget

    item = find_quiz(id)
    if choice is None:
        show_widget(quiz_widget(item), quiz_html(item), quiz_text(item))
        return
    if choice not in range(1, len(item.options) + 1):
        raise LabError(f"Quiz {item.id} has no option {choice!r}: choose 1 to {len(item.options)}.")
    show_verdict(item.id, "Quiz", _record(item, choice - 1))
    say_if_not_kept()


def grade(item: Quiz, choice: int) -> Verdict:
    """The verdict on option number `choice`, counted from 0."""
    if choice == item.right:
        return Verdict("passed", item.why[choice])
    return Verdict("wrong", item.why[choice], kind=f"option_{choice + 1}")


def _record(item: Quiz, choice: int) -> Verdict:
    verdict = grade(item, choice)
    record_attempt(item.id, passed=verdict.status == "passed", kind=verdict.kind)
    return verdict


def quiz_html(item: Quiz) -> str:
    """The question for a page without a kernel: the options and how to answer, without the answer."""
    options = "".join(f"<li>{html.escape(option)}</li>" for option in item.options)
    return (
        f"<p><b>Quiz {item.id}.</b> {html.escape(item.question)}</p><ol>{options}</ol>"
        f"<p>To answer, run <code>{html.escape(_call(item))}</code> in a new cell, with the number of your option for N.</p>"
    )


def quiz_text(item: Quiz) -> str:
    """The same as plain text."""
    options = [f"{number}. {option}" for number, option in enumerate(item.options, 1)]
    answering = f"To answer, run {_call(item)} in a new cell, with the number of your option for N."
    return "\n".join([f"Quiz {item.id}. {item.question}", *options, answering])


def _call(item: Quiz) -> str:
    return f'quiz("{item.id}", N)'  # a number as an example would read as a hint


def quiz_widget(item: Quiz) -> Any:
    """The question as radio buttons (arrow keys move, the choice is graded at once)."""
    import ipywidgets

    question = ipywidgets.HTML(f"<b>Quiz {item.id}.</b> {html.escape(item.question)}")
    buttons = ipywidgets.RadioButtons(
        options=[(o, n) for n, o in enumerate(item.options)], index=None, layout={"width": "max-content"}
    )
    feedback = ipywidgets.HTML()

    def choose(change: dict[str, Any]) -> None:
        verdict = _record(item, change["new"])
        word = "Right." if verdict.status == "passed" else "Not quite."
        said = f"{verdict.message} {not_kept()}".rstrip()
        feedback.value = f'<div role="status"><b>{word}</b> {html.escape(said)}</div>'

    buttons.observe(choose, names="value")
    return ipywidgets.VBox([question, buttons, feedback])
