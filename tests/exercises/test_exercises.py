"""Every exercise: its solution passes, its stub is open, its mistakes are told apart; every quiz is complete."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch

from labutils.exercises.checking import judge
from labutils.exercises.registry import answer, exercises, find, quizzes

IDS = [exercise.id for exercise in exercises()]
# One file a lab: what the cells above its exercises have defined, and wrong answers as a person would type them.
FILES = {path.stem[3:]: runpy.run_path(str(path)) for path in sorted(Path(__file__).parent.glob("wrong_answers/lab*.py"))}
TYPED = [case for file in FILES.values() for case in file["TYPED"]]


def space_of(id: str) -> dict:
    """The names in a learner's notebook when all exercises of this one's lab are solved."""
    lab = id.split(".")[0]
    space: dict = {"torch": torch, **FILES.get(lab.zfill(2), {}).get("SPACE", {})}
    for other in IDS:
        if other.split(".")[0] == lab:
            exec(answer(other)["solution"], space)
    return space


def run(id: str, kind: str) -> object:
    """Run an exercise's stub or solution after the lab's other functions, and return the function that it defines."""
    space, code = space_of(id), answer(id)[kind]
    exec(code, space)
    return space[code.split("\ndef ")[-1].removeprefix("def ").split("(")[0]]


@pytest.mark.parametrize("id", IDS)
def test_the_solution_in_the_notebook_passes(id):
    verdict = judge(find(id), run(id, "solution"))
    assert verdict.status == "passed", verdict.message


@pytest.mark.parametrize("id", IDS)
def test_the_stub_in_the_notebook_is_open(id):
    assert judge(find(id), run(id, "stub")).status == "open"


@pytest.mark.parametrize("id", IDS)
def test_each_mistake_is_named_by_its_own_message(id):
    exercise = find(id)
    assert len(exercise.mistakes) >= 2
    assert len({mistake.message for mistake in exercise.mistakes}) == len(exercise.mistakes)
    for mistake in exercise.mistakes:
        verdict = judge(exercise, mistake.function)
        assert verdict.status == "wrong" and mistake.message in verdict.message
        assert "expected" in verdict.message and "got" in verdict.message


@pytest.mark.parametrize("id, code, word", TYPED)
def test_typed_wrong_answers_get_a_telling_message(id, code, word):
    space = space_of(id)
    exec(code, space)
    verdict = judge(find(id), space["f"])
    assert verdict.status == "wrong" and word in verdict.message, verdict.message


@pytest.mark.parametrize("exercise", exercises(), ids=IDS)
def test_hints_do_not_repeat_one_another(exercise):
    assert exercise.hints[0] != exercise.hints[1] and all(len(hint) > 20 for hint in exercise.hints)


@pytest.mark.parametrize("item", quizzes(), ids=[quiz.id for quiz in quizzes()])
def test_each_quiz_option_says_why(item):
    assert len(item.why) == len(item.options) >= 3 and 0 <= item.right < len(item.options)
    assert len(set(item.why)) == len(item.why)


def test_hints_go_from_nudge_to_solution_and_stay(tmp_path, monkeypatch):
    from labutils.exercises import hints, store

    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    shown: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda item: shown.append(item.data))
    for _ in range(4):
        hints.hint("2.1")
    exercise = find("2.1")
    assert exercise.hints[0] in shown[0] and exercise.hints[1] in shown[1]
    assert answer("2.1")["solution"] in shown[2] and answer("2.1")["solution"] in shown[3]
    assert store.load().get("2.1").hints == 3


def test_a_quiz_widget_judges_a_choice_and_notes_it(tmp_path, monkeypatch):
    from labutils.exercises import quizzes as module
    from labutils.exercises import store
    from labutils.exercises.registry import find_quiz

    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    item = find_quiz("2.a")
    box = module.widget(item)
    buttons, feedback = box.children[1], box.children[2]
    buttons.value = 0
    assert "Not quite" in feedback.value and not store.load().get("2.a").passed
    buttons.value = item.right
    assert "Right" in feedback.value and store.load().get("2.a").passed
    assert all(option in module.static(item) for option in item.options)


def test_answers_hold_no_check_call():
    for id in IDS:
        assert "check(" not in json.dumps(answer(id))
