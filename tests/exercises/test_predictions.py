"""A prediction takes a guess before a cell measures, shows it beside the result, and gives nothing away."""

from __future__ import annotations

import builtins
import html
import math

import numpy
import pytest
import torch

from labutils.errors import LabError, UnknownExercise
from labutils.exercises import outcome, predict, predictions, registry
from labutils.exercises.progress_file import load_progress, progress, progress_path, reset_exercise
from labutils.exercises.registry import Prediction

NUMBER = Prediction(id="9.p1", kind="number", question="How many <GB>?", unit="GB", tolerance=0.1)
CHOICE = Prediction(id="9.p2", kind="choice", question="Which?", options=("this one", "that one", "neither"))
RANKING = Prediction(id="9.p3", kind="ranking", question="In which order?", options=("short", "long", "longest"))
WORDS = Prediction(id="9.p4", kind="words", question="What will it write?")
ITEMS = (NUMBER, CHOICE, RANKING, WORDS)


@pytest.fixture(autouse=True)
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_catalogue", lambda: {item.id: item for item in ITEMS})


def line(capsys) -> str:
    (text,) = capsys.readouterr().out.splitlines()
    return text


# --- a guess beside what was measured -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "guess", "measured", "line_shown", "close"),
    [
        ("9.p1", 10, 10.4, "You said 10 GB; measured: 10.4 GB: close.", True),
        ("9.p1", 12, 10, "You said 12 GB; measured: 10 GB: not quite.", False),
        ("9.p1", 500, 5000.0, "You said 500 GB; measured: 5,000 GB (10 times your guess): not quite.", False),
        ("9.p1", 30, 10, "You said 30 GB; measured: 10 GB (your guess is 3 times as large): not quite.", False),
        ("9.p1", -1, 10, "You said -1 GB; measured: 10 GB: not quite.", False),
        ("9.p1", 0, 0, "You said 0 GB; measured: 0 GB: close.", True),
        ("9.p1", 999.7, 999.7, "You said 1,000 GB; measured: 1,000 GB: close.", True),
        ("9.p1", 1e-200, 1e200, "You said 1e-200 GB; measured: 1e+200 GB: not quite.", False),
        ("9.p2", 2, "that one", "Right, as you said: that one.", True),
        ("9.p2", 1, 3, "You said this one; measured: neither: not quite.", False),
        ("9.p2", "neither", 3, "Right, as you said: neither.", True),
        (
            "9.p3",
            [2, 1, 3],
            ["long", "short", "longest"],
            "Right, as you said: long, short, longest.",
            True,
        ),
        ("9.p3", (1, 2, 3), [3, 2, 1], "You said short, long, longest; measured: longest, long, short: not quite.", False),
        ("9.p4", " a  cat\n", "A dog.", "You said “a cat”; measured: “A dog.”.", None),
    ],
)
def test_the_guess_stands_beside_the_result(id: str, guess, measured, line_shown: str, close, capsys) -> None:
    predict(id, guess)
    assert line(capsys).startswith("Noted: ")
    outcome(id, measured)
    assert line(capsys) == line_shown
    entry = load_progress().predictions[id]
    assert (entry.revealed, entry.close) == (True, close)


@pytest.mark.parametrize(
    ("id", "measured", "shown"),
    [("9.p1", 4909, "Measured: 4,909 GB."), ("9.p2", 2, "Measured: that one."), ("9.p1", math.nan, "Measured: nan GB.")],
)
def test_without_a_guess_the_result_stands_alone_and_nothing_is_written(id: str, measured, shown: str, capsys) -> None:
    outcome(id, measured)
    assert line(capsys) == shown
    assert not progress_path().exists()


@pytest.mark.parametrize("guess", [3, 3.0, "3", " 3 GB", "+3", numpy.float32(3), numpy.int64(3), torch.tensor(3.0)])
def test_a_number_is_taken_as_people_give_it(guess) -> None:
    predict("9.p1", guess)
    assert load_progress().predictions["9.p1"].guess == 3.0


@pytest.mark.parametrize(
    ("text", "number"), [("1,000", 1000), ("12 500", 12500), ("0,5", 0.5), ("1,234.5", 1234.5), ("1e6", 1e6), ("-,5", -0.5)]
)
def test_separators_are_read_as_a_person_means_them(text: str, number: float) -> None:
    predict("9.p1", text)
    assert load_progress().predictions["9.p1"].guess == number


@pytest.mark.parametrize(
    ("id", "guess"),
    [
        *(("9.p1", guess) for guess in ("many", "", "1.000,5", True, math.nan, math.inf, 10**400, [3], torch.ones(2), 3j, ...)),
        *(("9.p2", guess) for guess in (0, 4, "This one", 1.0, [1], True, torch.ones(2), numpy.ones(2))),
        *(("9.p3", guess) for guess in ([1, 2], [1, 1, 2], [0, 1, 2], 3, "short", [[1], 2, 3], [])),
        *(("9.p4", guess) for guess in ("", "  ", 3, ["a"])),
    ],
)
def test_a_guess_that_does_not_fit_is_one_sentence_with_the_call_and_is_not_noted(id: str, guess, says) -> None:
    with pytest.raises(LabError) as caught:
        predict(id, guess)
    says(caught.value, f'predict("{id}", ')
    assert not progress_path().exists()


def test_a_guess_can_be_changed_until_its_result_was_shown_and_then_stays(capsys) -> None:
    predict("9.p1", 3)
    predict("9.p1", 4)
    outcome("9.p1", 8)
    capsys.readouterr()
    predict("9.p1", 8)
    assert "your guess stays: 4 GB" in (shown := line(capsys)) and "labs reset 9.p1" in shown
    outcome("9.p1", 8)
    assert "You said 4 GB" in line(capsys)
    reset_exercise("9.p1")
    predict("9.p1", 8)
    assert "Noted: 8 GB" in line(capsys)


def test_long_words_are_cut() -> None:
    predict("9.p4", "word " * 10**5)
    assert len(load_progress().predictions["9.p4"].guess) <= 300


@pytest.mark.parametrize(
    ("id", "kept"), [("9.p1", "words"), ("9.p2", [7]), ("9.p2", 2.0), ("9.p3", [1, 2, 3, 4]), ("9.p3", [1]), ("9.p4", 3.0)]
)
def test_a_kept_guess_that_no_longer_fits_the_question_is_none(id: str, kept, capsys) -> None:
    from labutils.exercises.progress_file import record_guess

    measured = {"9.p1": 1, "9.p2": 1, "9.p3": [1, 2, 3], "9.p4": "x"}[id]
    record_guess(id, kept)
    outcome(id, measured)
    assert line(capsys).startswith("Measured: ")


def test_an_unknown_prediction_lists_those_there_are(says) -> None:
    for call in (predict, outcome):
        with pytest.raises(UnknownExercise) as caught:
            call("7.p1", 1)
        says(caught.value, "'7.p1'", "9.p1, 9.p2")


# --- the question -------------------------------------------------------------------------------------------------------


def shown_by(id: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    shown: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **more: shown.append(bundle))
    predict(id)
    (bundle,) = shown
    return bundle


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.kind)
def test_a_stored_question_shows_how_to_answer_and_knows_neither_result_nor_guess(item, monkeypatch) -> None:
    before = shown_by(item.id, monkeypatch)
    measured = {"number": 777, "choice": 2, "ranking": [3, 2, 1], "words": "seventy-seven"}[item.kind]
    predict(item.id, measured)
    outcome(item.id, measured)
    after = shown_by(item.id, monkeypatch)
    for kind in ("text/html", "text/plain"):
        assert before[kind] == after[kind]
        text = html.unescape(before[kind])
        assert item.question in text and all(option in text for option in item.options)
        assert f'predict("{item.id}", ' in text
    assert "&lt;GB&gt;" in before["text/html"] or item is not NUMBER


def test_the_course_keeps_no_answers_with_its_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {field for field in Prediction.__dataclass_fields__} == {"id", "kind", "question", "unit", "options", "tolerance"}


def parts(id: str):
    """The field, the button, and what is said below, of a question's widget."""
    from ipywidgets import HTML

    _, row, said = predictions._widget(registry.find_prediction(id)).children
    field, button = (child for child in row.children if not isinstance(child, HTML))
    return field, button, said


@pytest.mark.parametrize(
    ("id", "typed", "kept"),
    [("9.p1", "1,500 GB", 1500.0), ("9.p2", 2, [2]), ("9.p3", "3 > 1, 2", [3, 1, 2]), ("9.p4", "a cat", "a cat")],
)
def test_a_widget_takes_the_guess(id: str, typed, kept) -> None:
    field, button, said = parts(id)
    field.value = typed
    button.click()
    assert load_progress().predictions[id].guess == kept
    assert "Noted" in said.value and 'role="status"' in said.value
    assert "Your guess so far" in parts(id)[2].value


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.kind)
def test_a_widget_left_empty_notes_nothing_and_says_so(item) -> None:
    _, button, said = parts(item.id)
    button.click()
    assert "Fill in the field" in said.value and not progress_path().exists()


def test_without_widgets_the_question_is_plain_text_and_a_call_takes_the_guess(monkeypatch, capsys) -> None:
    load = builtins.__import__

    def refuse(name, *arguments, **more):
        if name.split(".")[0] == "ipywidgets":
            raise ImportError(name)
        return load(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    predict("9.p2")
    assert "2. that one" in capsys.readouterr().out
    predict("9.p2", 2)
    assert load_progress().predictions["9.p2"].guess == [2]


def test_progress_counts_graded_guesses(capsys) -> None:
    predict("9.p1", 3)
    predict("9.p2", 1)
    predict("9.p4", "a cat")
    outcome("9.p1", 3)
    outcome("9.p2", 2)
    outcome("9.p4", "a dog")
    capsys.readouterr()
    progress("09")
    assert "1 of 2 graded predictions" in capsys.readouterr().out
