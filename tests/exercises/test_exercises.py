"""Every exercise: its solution passes, its stub is open, its mistakes are told apart; every quiz is complete."""

from __future__ import annotations

import copy
import dataclasses
import html
import importlib
import json
import random
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from labutils.exercises import checking, registry
from labutils.exercises import quizzes as quizzes_module
from labutils.exercises.checking import judge
from labutils.exercises.progress_file import load_progress
from labutils.exercises.registry import LABS, exercises, find_exercise, quizzes, stub_and_solution
from labutils.exercises.values import values_equal

IDS = [exercise.id for exercise in exercises()]
# One file a lab: what the cells above its exercises have defined, and wrong answers as a person would type them.
FOLDER = Path(__file__).parent
FILES = {path.stem[3:]: runpy.run_path(str(path)) for path in sorted(FOLDER.glob("wrong_answers/lab*.py"))}
RIGHT_FILES = {path.stem[3:]: runpy.run_path(str(path)) for path in sorted(FOLDER.glob("right_answers/lab*.py"))}
TYPED = [case for file in FILES.values() for case in file["TYPED"]]
SIZES = range(24)


def answers_of(texts: dict[str, str]) -> list[tuple[str, str]]:
    """(exercise, code) of each answer in texts that hold several, each a `def f`, and any helpers inside it."""
    return [(id, f"def f({code}".rstrip()) for id, text in texts.items() for code in text.split("\ndef f(")[1:]]


REFUSED = [answer for file in FILES.values() for answer in answers_of(file.get("REFUSED", {}))]
ACCEPTED = [answer for file in RIGHT_FILES.values() for answer in answers_of(file["ACCEPTED"])]
WITH_RANDOM_CASES = [exercise.id for exercise in exercises() if exercise.functions().random_case]


def space_of(id: str) -> dict:
    """The names in a learner's notebook when all exercises of this one's lab are solved."""
    lab = id.split(".")[0]
    spaces = [files.get(lab.zfill(2), {}).get("SPACE", {}) for files in (FILES, RIGHT_FILES)]
    space: dict = {"torch": torch, **spaces[0], **spaces[1]}
    for other in IDS:
        if other.split(".")[0] == lab:
            exec(stub_and_solution(other)["solution"], space)
    return space


def run(id: str, kind: str) -> object:
    """Run an exercise's stub or solution after the lab's other functions, and return the function that it defines."""
    space, code = space_of(id), stub_and_solution(id)[kind]
    exec(code, space)
    return space[code.split("\ndef ")[-1].removeprefix("def ").split("(")[0]]


@pytest.mark.parametrize("id", IDS)
def test_the_solution_in_the_notebook_passes(id):
    verdict = judge(find_exercise(id), run(id, "solution"))
    assert verdict.status == "passed", verdict.message


@pytest.mark.parametrize("id", IDS)
def test_the_stub_in_the_notebook_is_open(id):
    assert judge(find_exercise(id), run(id, "stub")).status == "open"


@pytest.mark.parametrize("id", IDS)
def test_each_mistake_is_named_by_its_own_message(id):
    exercise = find_exercise(id)
    assert len(exercise.mistakes) >= 2
    assert len(set(exercise.mistakes.values())) == len(exercise.mistakes)
    for mistake in exercise.functions().mistakes:
        verdict = judge(exercise, mistake)
        assert verdict.status == "wrong" and exercise.mistakes[mistake.__name__] in verdict.message
        assert "expected" in verdict.message and "got" in verdict.message


@pytest.mark.parametrize("id", IDS)
def test_the_cases_are_the_same_each_time(id):
    once, again = (find_exercise(id).functions().cases() for _ in range(2))
    assert len(once) >= 2
    assert values_equal([list(case) for case in once], [list(case) for case in again], 0.0)


@pytest.mark.parametrize("id, code, word", TYPED)
def test_typed_wrong_answers_get_a_telling_message(id, code, word):
    space = space_of(id)
    exec(code, space)
    verdict = judge(find_exercise(id), space["f"])
    assert verdict.status == "wrong" and word in verdict.message, verdict.message


def defined(id: str, code: str):
    """The function f of an answer, typed into a notebook whose other exercises are solved."""
    space = space_of(id)
    exec(code, space)
    return space["f"]


def random_cases(id: str, draws: int = 1) -> list[tuple]:
    """Random cases of an exercise, from small to large, so many of each size."""
    draw = find_exercise(id).functions().random_case
    return [draw(random.Random(f"{id} {size} {n}"), size) for size in SIZES for n in range(draws)]


@pytest.mark.parametrize("id, code", REFUSED)
def test_a_plausible_wrong_answer_is_refused(id, code, monkeypatch):
    monkeypatch.setattr(checking, "LIMIT_SECONDS", 1.0, raising=False)  # one of them never ends
    assert judge(find_exercise(id), defined(id, code)).status == "wrong"


@pytest.mark.parametrize("id, code", ACCEPTED)
def test_an_unusual_right_answer_is_accepted(id, code):
    verdict = judge(find_exercise(id), defined(id, code))
    assert verdict.status == "passed", verdict.message


@pytest.mark.parametrize("id", WITH_RANDOM_CASES)
def test_reference_and_solution_agree_on_every_case(id):
    exercise, solution = find_exercise(id), run(id, "solution")
    for case in [*exercise.functions().cases(), *random_cases(id, draws=8)]:
        functions = exercise.functions()
        want, got = functions.reference(*copy.deepcopy(case)), solution(*copy.deepcopy(case))
        also_right = functions.also_right(*copy.deepcopy(case)) if functions.also_right else []
        assert any(values_equal(got, right, exercise.atol) for right in (want, *also_right)), case
        assert type(got) is type(want) and getattr(got, "dtype", None) == getattr(want, "dtype", None), case


@pytest.mark.parametrize("id", WITH_RANDOM_CASES)
def test_random_cases_are_repeatable_and_differ_from_one_another(id):
    once, again = ([list(case) for case in random_cases(id)] for _ in range(2))
    assert values_equal(once, again, 0.0)
    assert len({repr(case) for case in once}) >= len(SIZES) - 4  # the smallest may be alike


@pytest.mark.parametrize("exercise", exercises(), ids=IDS)
def test_hints_do_not_repeat_one_another(exercise):
    assert exercise.hints[0] != exercise.hints[1] and all(len(hint) > 20 for hint in exercise.hints)


@pytest.mark.parametrize("item", quizzes(), ids=[quiz.id for quiz in quizzes()])
def test_each_quiz_option_says_why(item):
    assert len(item.why) == len(item.options) >= 3 and 0 <= item.right < len(item.options)
    assert len(set(item.why)) == len(item.why)


def test_hints_go_from_nudge_to_solution_and_stay(tmp_path, monkeypatch):
    from labutils.exercises import hints

    monkeypatch.setenv("LABS_HOME", str(tmp_path))
    shown: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda item: shown.append(item.data))
    for _ in range(4):
        hints.hint("2.1")
    exercise = find_exercise("2.1")
    assert exercise.hints[0] in shown[0] and exercise.hints[1] in shown[1]
    assert stub_and_solution("2.1")["solution"] in shown[2] and stub_and_solution("2.1")["solution"] in shown[3]
    assert load_progress().get("2.1").hints == 3


def test_answers_hold_no_check_call():
    for id in IDS:
        assert "check(" not in json.dumps(stub_and_solution(id))


# --- texts beside functions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lab", LABS)
def test_the_texts_and_the_functions_of_a_lab_agree(lab):
    declared = importlib.import_module(f"labutils.exercises.lab{lab}").EXERCISES
    texts = {exercise.id: list(exercise.mistakes) for exercise in exercises() if exercise.id.split(".")[0].zfill(2) == lab}
    assert texts == {id: [mistake.__name__ for mistake in functions.mistakes] for id, functions in declared.items()}


EXERCISE_KEYS = {"id", "title", "nudge", "partial", "mistakes"}


@pytest.mark.parametrize("lab", LABS)
def test_a_text_file_holds_the_known_keys_and_no_others(lab):
    tables = tomllib.loads(Path(registry.FOLDER, f"lab{lab}.toml").read_text(encoding="utf-8"))
    assert set(tables) - {"prediction"} == {"exercise", "quiz"}
    for prediction in tables.get("prediction", ()):
        assert set(prediction) - {"unit", "options", "tolerance"} == {"id", "kind", "question"}, prediction["id"]
    for exercise in tables["exercise"]:
        assert set(exercise) - {"tolerance"} == EXERCISE_KEYS, exercise["id"]
    for quiz in tables["quiz"]:
        assert set(quiz) == {"id", "question", "options"}, quiz["id"]
        assert all(set(option) - {"right"} == {"text", "why"} for option in quiz["options"]), quiz["id"]
        assert [option["right"] for option in quiz["options"] if "right" in option] == [True], quiz["id"]


WITHOUT_TORCH = {
    "labs progress": "from typer.testing import CliRunner\nfrom labutils.cli import app\n"
    "done = CliRunner().invoke(app, ['progress'])\nassert done.exit_code == 0 and '1.1' in done.output",
    "progress": "labutils.progress('01')",
    "hint": "labutils.hint('1.1')",
    "a quiz's question": "labutils.quiz('1.a')",
    "a quiz's answer": "labutils.quiz('1.a', 1)",
}


@pytest.mark.parametrize("use", WITHOUT_TORCH)
def test_texts_and_progress_need_neither_torch_nor_the_labs_functions(use):
    ending = "print([name for name in sys.modules if name == 'torch' or name.startswith('labutils.exercises.lab')])"
    code = f"import sys, labutils\n{WITHOUT_TORCH[use]}\n{ending}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


# --- quizzes --------------------------------------------------------------------------------------------------------


def test_a_quiz_widget_grades_a_choice_and_notes_it():
    item = registry.find_quiz("2.a")
    buttons, feedback = quizzes_module.quiz_widget(item).children[1:]
    buttons.value = 0
    assert "Not quite" in feedback.value and not load_progress().get("2.a").passed
    buttons.value = item.right
    assert "Right" in feedback.value and load_progress().get("2.a").passed


@pytest.mark.parametrize("item", quizzes(), ids=[quiz.id for quiz in quizzes()])
def test_a_stored_quiz_shows_how_to_answer_and_not_the_answer(item, monkeypatch):
    shown: list[dict] = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **more: shown.append(bundle))
    quizzes_module.quiz(item.id)
    (bundle,) = shown
    for stored in (html.unescape(bundle["text/html"]), bundle["text/plain"]):
        assert item.question in stored and all(option in stored for option in item.options)
        assert f'quiz("{item.id}", N)' in stored
        assert not any(reason in stored for reason in item.why) and "Answer" not in stored
    moved = dataclasses.replace(item, right=(item.right + 1) % len(item.options))  # nothing depends on which option is right
    assert quizzes_module.quiz_html(moved) == bundle["text/html"] and quizzes_module.quiz_text(moved) == bundle["text/plain"]
