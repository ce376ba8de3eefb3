"""`predict` takes a guess before a cell measures; `outcome` shows it beside what was measured, in one line."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from typing import Any

from labutils.errors import LabError
from labutils.exercises.progress_file import Guess, load_progress, record_guess, record_outcome
from labutils.exercises.registry import Prediction, find_prediction

LONGEST_WORDS = 300  # characters of a guess in words that are kept
# What stands for the guess in the call that the static page shows: an example would read as a hint.
PLACEHOLDERS = {"number": "NUMBER", "choice": "N", "ranking": "[N, N, ...]", "words": '"..."'}
HOW = {
    "number": "with your number",
    "choice": "with the number of your option",
    "ranking": "with the numbers of the options in your order",
    "words": "with your own words",
}


def predict(id: str, guess: Any = None) -> None:
    """Ask for a guess; with `guess` take it without the fields.

    Args:
        id: the prediction, such as "2.p1".
        guess: a number, the number of an option (1, 2, ...), the numbers of all options in order, or a text.

    Raises:
        UnknownExercise: no prediction has this id.
        LabError: the guess does not fit the question.
    """
    from labutils.course.plots import show_widget

    item = find_prediction(id)
    if guess is None:
        show_widget(_widget(item), _question_html(item), _question_text(item))
        return
    print(_take(item, guess))


def outcome(id: str, measured: Any) -> None:
    """Show the guess beside what was measured, in one line; where no guess was made, what was measured alone.

    Args:
        id: the prediction, such as "2.p1".
        measured: a number; the option (its text or its number from 1); the options in order; or a text.

    Raises:
        UnknownExercise: no prediction has this id.
        LabError: the measured value does not fit the question.
    """
    item = find_prediction(id)
    result = _checked(item, measured)
    entry = load_progress().predictions.get(item.id)
    if entry is None:
        print(f"Measured: {_shown(item, result)}.")
        return
    close = _is_close(item, entry.guess, result)
    try:
        record_outcome(item.id, close)
    except LabError as error:
        print(f"Your guess is not kept: {error}")
    word = {True: "right" if item.kind != "number" else "close", False: "not quite", None: ""}[close]
    line = f"You said {_shown(item, entry.guess)}; measured: {_shown(item, result)}{_distance(item, entry.guess, result)}"
    print(f"{line}: {word}." if word else f"{line}.")


def _take(item: Prediction, guess: Any) -> str:
    """Note a guess and say what was noted."""
    checked = _checked(item, guess)
    try:
        kept = record_guess(item.id, checked)
    except LabError as error:
        return f"Your guess is not kept: {error}"
    if kept.revealed and kept.guess != checked:
        return f"You have seen the result, so your guess stays: {_shown(item, kept.guess)}. `labs reset {item.id}` forgets it."
    return f"Noted: {_shown(item, kept.guess)}. Now measure it."


def _checked(item: Prediction, value: Any) -> Guess:
    """The value in the form in which it is kept."""
    problem = LabError(f'Prediction {item.id} is answered {HOW[item.kind]}: predict("{item.id}", {PLACEHOLDERS[item.kind]}).')
    if item.kind == "words":
        if not isinstance(value, str) or not value.strip():
            raise problem
        return " ".join(value.split())[:LONGEST_WORDS]
    if item.kind == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise problem
        return float(value)
    if item.kind == "choice":
        return [_option(item, value, problem)]
    values = list(value) if isinstance(value, (list, tuple)) else []
    order = [_option(item, one, problem) for one in values]
    if sorted(order) != list(range(1, len(item.options) + 1)):
        raise problem
    return order


def _option(item: Prediction, value: Any, problem: LabError) -> int:
    """The number of an option, from 1, given as such or as its text."""
    if value in item.options:
        return item.options.index(value) + 1
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= len(item.options):
        return value
    raise problem


def _shown(item: Prediction, value: Guess) -> str:
    if isinstance(value, list):
        return ", ".join(item.options[number - 1] for number in value)
    if isinstance(value, str):
        return f"“{value}”"
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number} {item.unit}".rstrip()


def _is_close(item: Prediction, guess: Guess, result: Guess) -> bool | None:
    if item.kind == "words":
        return None
    if isinstance(guess, float) and isinstance(result, float):
        return abs(guess - result) <= item.tolerance * abs(result)
    return guess == result


def _distance(item: Prediction, guess: Guess, result: Guess) -> str:
    """How far off a number is, as a factor, where both have a sign in common and the factor says something."""
    if not (isinstance(guess, float) and isinstance(result, float)) or guess * result <= 0:
        return ""
    factor = guess / result
    if 0.5 < factor < 2:
        return ""
    return f" ({factor:.2g} times that)" if factor > 1 else f" (1/{1 / factor:.2g} of that)"


def _call(item: Prediction) -> str:
    return f'predict("{item.id}", {PLACEHOLDERS[item.kind]})'


def _unit(item: Prediction) -> str:
    return f" ({item.unit})" if item.unit else ""


def _question_html(item: Prediction) -> str:
    """The question for a page without a kernel."""
    options = "".join(f"<li>{html.escape(option)}</li>" for option in item.options)
    return (
        f"<p><b>Predict {item.id}.</b> {html.escape(item.question)}{html.escape(_unit(item))}</p>"
        + (f"<ol>{options}</ol>" if options else "")
        + f"<p>To answer, run <code>{html.escape(_call(item))}</code> in a new cell, {HOW[item.kind]}.</p>"
    )


def _question_text(item: Prediction) -> str:
    """The same as plain text."""
    options = [f"{number}. {option}" for number, option in enumerate(item.options, 1)]
    answering = f"To answer, run {_call(item)} in a new cell, {HOW[item.kind]}."
    return "\n".join([f"Predict {item.id}. {item.question}{_unit(item)}", *options, answering])


def _field(item: Prediction) -> tuple[Any, Callable[[], Any]]:
    """The field that takes the guess, and a function that reads it."""
    import ipywidgets

    wide = {"width": "max-content"}
    if item.kind == "number":
        field: Any = ipywidgets.FloatText(value=None, layout={"width": "12em"})
        return field, lambda: field.value
    if item.kind == "choice":
        field = ipywidgets.RadioButtons(options=[(o, n) for n, o in enumerate(item.options, 1)], index=None, layout=wide)
        return field, lambda: field.value
    hint = "your order, such as 3, 1, 2" if item.kind == "ranking" else "your own words"
    field = ipywidgets.Text(placeholder=hint, continuous_update=False, layout={"width": "30em"})
    if item.kind == "ranking":
        return field, lambda: [int(part) for part in field.value.replace(",", " ").split() if part.isdigit()]
    return field, lambda: field.value


def _widget(item: Prediction) -> Any:
    """The question with a field and a button."""
    import ipywidgets

    options = "".join(f"<li>{html.escape(option)}</li>" for option in item.options) if item.kind == "ranking" else ""
    question = ipywidgets.HTML(
        f"<b>Predict {item.id}.</b> {html.escape(item.question)}" + (f"<ol>{options}</ol>" if options else "")
    )
    field, read = _field(item)
    unit = ipywidgets.HTML(html.escape(item.unit))
    button = ipywidgets.Button(description="Note my guess")
    said = ipywidgets.HTML()

    def note(_: Any) -> None:
        try:
            message = _take(item, read())
        except LabError as error:
            message = str(error)
        said.value = f'<div role="status">{html.escape(message)}</div>'

    button.on_click(note)
    row = ipywidgets.HBox([field, unit, button]) if item.kind != "choice" else ipywidgets.VBox([field, button])
    return ipywidgets.VBox([question, row, said])
