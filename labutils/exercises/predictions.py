"""`predict` takes a guess before a cell measures; `outcome` shows it beside what was measured, in one line."""

from __future__ import annotations

import html
import math
import numbers
import re
from collections.abc import Callable
from typing import Any

from labutils.errors import LabError
from labutils.exercises.progress_entries import Guess, PredictionProgress
from labutils.exercises.progress_file import (
    load_progress,
    not_kept,
    record_guess,
    record_outcome,
    say_if_not_kept,
)
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
    if guess is not None:
        print(_take(item, guess))
        say_if_not_kept()
        return
    try:
        widget = _widget(item)
    except ImportError:  # without ipywidgets a call takes the guess
        print(_question_text(item))
        return
    show_widget(widget, _question_html(item), _question_text(item))


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
    if entry is None or not _fits(item, entry.guess):
        print(f"Measured: {guess_text(item, result)}.")
        return
    close = _is_close(item, entry.guess, result)
    record_outcome(item.id, close)
    if close and item.kind != "number":
        print(f"Right, as you said: {guess_text(item, result)}.")
        return say_if_not_kept()
    line = f"You said {guess_text(item, entry.guess)}; measured: {guess_text(item, result)}{_distance(entry.guess, result)}"
    print(f"{line}: {_word(item, close)}." if close is not None else f"{line}.")
    say_if_not_kept()


def fate(item: Prediction, entry: PredictionProgress | None) -> tuple[str, str]:
    """The guess of a learner and how it fared, each in a few words."""
    if entry is None or not _fits(item, entry.guess):
        return "", "open"
    if not entry.revealed:
        return guess_text(item, entry.guess), "not measured yet"
    return guess_text(item, entry.guess), "measured" if entry.close is None else _word(item, entry.close)


def _word(item: Prediction, close: bool) -> str:
    if not close:
        return "not quite"
    return "close" if item.kind == "number" else "right"


def _take(item: Prediction, guess: Any) -> str:
    """Note a guess and say what was noted."""
    checked = _checked(item, guess)
    if isinstance(checked, float) and not math.isfinite(checked):
        raise _misfit(item)
    kept = record_guess(item.id, checked)
    if kept.revealed and kept.guess != checked and _fits(item, kept.guess):
        return (
            f"You have seen the result, so your guess stays: {guess_text(item, kept.guess)}. `labs reset {item.id}` forgets it."
        )
    return f"Noted: {guess_text(item, kept.guess)}. Now measure it."


def _misfit(item: Prediction) -> LabError:
    return LabError(f'Prediction {item.id} is answered {HOW[item.kind]}: predict("{item.id}", {PLACEHOLDERS[item.kind]}).')


def _checked(item: Prediction, value: Any) -> Guess:
    """The value in the form in which it is kept: a float, the numbers of options from 1, or a text.

    Raises:
        LabError: it does not fit the question.
    """
    if item.kind == "words":
        if not isinstance(value, str) or not value.strip():
            raise _misfit(item)
        return " ".join(value.split())[:LONGEST_WORDS]
    if item.kind == "number":
        return _number(item, value)
    if item.kind == "choice":
        return [_option(item, value)]
    order = [_option(item, one) for one in value] if isinstance(value, (list, tuple)) else []
    if sorted(order) != list(range(1, len(item.options) + 1)):
        raise _misfit(item)
    return order


def _number(item: Prediction, value: Any) -> float:
    """A number as such, as a scalar of NumPy or PyTorch, or as a person types it: "1,000", "60 %", "0,5"."""
    if isinstance(value, str):
        value = value.strip().removesuffix(item.unit).removesuffix("%").strip()
        if re.fullmatch(r"[-+]?\d{1,3}([,_ ]\d{3})+(\.\d+)?", value):
            value = re.sub("[,_ ]", "", value)
        else:
            value = re.sub(r"^([-+]?\d*),(\d+)$", r"\1.\2", value)
    elif isinstance(value, bool) or not (isinstance(value, numbers.Real) or getattr(value, "ndim", None) == 0):
        raise _misfit(item)
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise _misfit(item) from None


def _option(item: Prediction, value: Any) -> int:
    """The number of an option, from 1, given as such or as its text."""
    if isinstance(value, str) and value in item.options:
        return item.options.index(value) + 1
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and 1 <= int(value) <= len(item.options):
        return int(value)
    raise _misfit(item)


def _fits(item: Prediction, guess: Guess) -> bool:
    """Whether a kept guess still fits the question, which a newer edition of the course may have changed."""
    try:
        values = guess[0] if item.kind == "choice" and isinstance(guess, list) and len(guess) == 1 else guess
        return _checked(item, values) == guess
    except LabError:
        return False


def guess_text(item: Prediction, value: Guess) -> str:
    """A guess or a measured value as a person reads it."""
    if isinstance(value, list):
        return ", ".join(item.options[number - 1] for number in value)
    if isinstance(value, str):
        return f"“{value}”"
    number = f"{value:,.0f}" if 100 <= abs(value) < 1e15 else f"{value:.3g}"
    return f"{number} {item.unit}".rstrip()


def _is_close(item: Prediction, guess: Guess, result: Guess) -> bool | None:
    """Whether a guess was right or close; None for words, which nobody grades, and where the measured number is none."""
    if isinstance(guess, float) and isinstance(result, float):
        return abs(guess - result) <= item.tolerance * abs(result) if math.isfinite(result) else None
    return None if item.kind == "words" else guess == result


def _distance(guess: Guess, result: Guess) -> str:
    """How far off a number is, as a factor, where both have a sign in common and the factor says something."""
    if not (isinstance(guess, float) and isinstance(result, float)) or not math.isfinite(result) or guess * result <= 0:
        return ""
    factor = max(guess / result, result / guess)
    if factor < 2 or not math.isfinite(factor):
        return ""
    return f" (your guess is {factor:.2g} times as large)" if abs(guess) > abs(result) else f" ({factor:.2g} times your guess)"


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

    if item.kind == "choice":
        options = [(option, number) for number, option in enumerate(item.options, 1)]
        field: Any = ipywidgets.RadioButtons(options=options, index=None, layout={"width": "max-content"})
        return field, lambda: field.value
    # A field for numbers alone would start at 0, and 0 would be noted for a guess that nobody made.
    hints = {"number": "your number", "ranking": "your order, such as 3, 1, 2", "words": "your own words"}
    width = "12em" if item.kind == "number" else "30em"
    field = ipywidgets.Text(placeholder=hints[item.kind], layout={"width": width})
    if item.kind == "ranking":
        return field, lambda: [int(digits) for digits in re.findall("[0-9]+", field.value)]
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
    guess, _ = fate(item, load_progress().predictions.get(item.id))
    said = ipywidgets.HTML(f"Your guess so far: {html.escape(guess)}." if guess else "")

    def note(_: Any) -> None:
        try:
            message = f"{_take(item, read())} {not_kept()}".rstrip()
        except LabError:
            message = f"Fill in the field first, {HOW[item.kind]}."
        said.value = f'<div role="status">{html.escape(message)}</div>'

    button.on_click(note)
    row = ipywidgets.HBox([field, unit, button]) if item.kind != "choice" else ipywidgets.VBox([field, button])
    return ipywidgets.VBox([question, row, said])
