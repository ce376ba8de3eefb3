"""`check` shows the verdict last, notes it, and hands back a function that the cells below can rely on."""

from __future__ import annotations

import functools
import json
import signal
import sys
from pathlib import Path

import pytest
import torch
from made_exercises import NUMBER, QUIZ, TENSOR, double, python

from labutils.errors import CheckFailed, UnknownExercise
from labutils.exercises import check, quiz, registry
from labutils.exercises.progress_file import load_progress


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_catalogue", lambda: {"9.1": TENSOR, "9.2": NUMBER, "9.a": QUIZ})
    monkeypatch.setattr("labutils.exercises.checking.stub_and_solution", lambda id: {})  # those of lab 09 are others


def test_check_hands_back_a_right_answer_and_else_the_reference(course) -> None:
    def mine(x):
        return x + x

    assert check("9.1", mine) is mine
    assert check("9.1", lambda x: x) is double
    assert check("9.1", lambda x: ...) is double
    assert check("9.1", 7) is double


def test_check_notes_passes_and_tries_and_not_an_open_stub(course) -> None:
    for answer in (lambda x: ..., lambda x: x, lambda x: x + x, lambda x: x):
        check("9.1", answer)
    entry = load_progress().get("9.1")
    assert (entry.passed, entry.tries) == (True, 3)
    check("9.2", lambda a, b: ...)
    assert "9.2" not in load_progress().exercises


@pytest.mark.parametrize("id", ["7.7", "9.a", "", 9.1])
def test_an_unknown_id_lists_the_ids_there_are(course, id, says) -> None:
    right = lambda x: x + x  # noqa: E731
    if id == 9.1:  # a number instead of a text is what a person meant
        assert check(id, right) is right
        return
    with pytest.raises(UnknownExercise) as caught:
        check(id, right)
    says(caught.value, repr(id), "9.1, 9.2")


def test_strict_mode_raises_for_a_wrong_answer_only(course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_STRICT", "1")
    assert check("9.1", lambda x: ...) is double
    right = lambda x: x + x  # noqa: E731
    assert check("9.1", right) is right
    with pytest.raises(CheckFailed, match=r"9\.1.*You tripled it\."):
        check("9.1", lambda x: 3 * x)
    assert load_progress().get("9.1").tries == 2


def test_a_quiz_is_judged_with_the_reason_of_the_option_and_noted(course, capsys) -> None:
    quiz("9.a", choice=1)
    shown = capsys.readouterr().out
    assert "This is not it." in shown and "hint(" not in shown  # there are hints for exercises only
    assert load_progress().get("9.a").passed is False
    quiz("9.a", choice=2)
    assert "That is it." in capsys.readouterr().out
    assert (load_progress().get("9.a").passed, load_progress().get("9.a").tries) == (True, 2)


@pytest.mark.parametrize("choice", [0, 3, -1])
def test_an_option_that_there_is_not_is_one_sentence_and_not_noted(course, choice: int, says) -> None:
    from labutils.errors import LabError

    with pytest.raises(LabError) as caught:
        quiz("9.a", choice=choice)
    says(caught.value, choice)
    assert "9.a" not in load_progress().exercises


def test_what_a_function_prints_comes_cut_before_the_verdict(course, capsys) -> None:
    def chatty(x):
        print("first line")
        print("to stderr", file=sys.stderr)
        for n in range(10**4):
            print("line", n)
        return x

    check("9.1", chatty)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert "x=[1, 3]" in lines[0] and lines[1:3] == ["first line", "to stderr"]
    assert lines[-1].startswith("9.1 Title: not yet") and "characters more" in lines[-2]
    assert len(out) < 3000 and err == ""


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), ValueError("\\udc80")], ids=lambda error: type(error).__name__
)
def test_the_verdict_comes_whatever_is_raised(error: BaseException, course, capsys) -> None:
    def answer(x):
        raise error

    assert check("9.1", answer) is double
    shown = capsys.readouterr().out
    assert shown.startswith("9.1 Title: not yet") and type(error).__name__ in shown
    shown.encode("utf-8")


def test_a_silent_function_shows_the_verdict_alone(course, capsys) -> None:
    check("9.1", lambda x: x + x)
    assert capsys.readouterr().out.splitlines() == ["9.1 Title: passed, right on all cases."]


KILLED = """
import os, signal
from labutils.exercises import check
check("2.1", lambda logits, temperature=1.0: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.fault("the kernel is killed inside a check")
def test_a_kernel_that_dies_inside_a_check_is_named_at_the_next_start(home: Path, tmp_path: Path) -> None:
    from labutils.machine.memory_guard import reports

    assert python("-c", KILLED, folder=tmp_path).returncode == -signal.SIGKILL
    (sentence,) = reports()
    assert "check 2.1" in sentence
    check("2.1", lambda logits, temperature=1.0: logits)
    assert reports() == []


# --- the course's own functions are no answers ----------------------------------------------------------------------------


def test_the_reference_is_no_answer_and_nothing_is_noted(course, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_STRICT", "1")
    handed = check("9.1", lambda x: ...)
    capsys.readouterr()
    for answer in (handed, functools.partial(handed)):
        assert check("9.1", answer) is double
        (line,) = capsys.readouterr().out.splitlines()
        assert line == "9.1 Title: open, this is the course's function, not yours: define double in this cell."
    assert check("9.2", handed)(3.0, 4.0) == 0.75  # another exercise's
    assert "9.1" not in load_progress().exercises and "9.2" not in load_progress().exercises


def test_a_function_of_the_course_is_no_answer_and_the_name_to_define_is_the_stubs(capsys) -> None:
    from labutils.transformer.attention import rotate

    check("1.3", rotate)
    assert "course's function" in capsys.readouterr().out
    assert check("2.1", torch.softmax) is not torch.softmax  # PyTorch's is judged like any other, and takes other arguments
    assert "not yet" in capsys.readouterr().out


def test_the_third_failed_try_points_to_the_hint(course, capsys) -> None:
    shown = []
    for _ in range(4):
        check("9.1", lambda x: x)
        shown.append(capsys.readouterr().out)
    assert ["That was try" in text for text in shown] == [False, False, True, True]
    assert 'try 3: run hint("9.1") in a new cell for a nudge' in shown[2]


# --- how it looks ---------------------------------------------------------------------------------------------------

CHECKING = """
from labutils.exercises import check, registry
from labutils.exercises.registry import Exercise, ExerciseFunctions
functions = ExerciseFunctions(lambda x: 2 * x, lambda: [(1.5,)])
item = Exercise(id="9.1", title="<Title>", hints=("a", "b"), functions=lambda: functions)
registry._catalogue = lambda: {"9.1": item}
mine = check("9.1", lambda x: x)
"""


@pytest.mark.parametrize("shell", [[], ["-m", "IPython", "--colors=NoColor"]], ids=["python", "ipython"])
def test_outside_a_notebook_a_verdict_is_one_plain_line(shell: list[str], tmp_path: Path) -> None:
    done = python(*shell, "-c", CHECKING, folder=tmp_path)
    (line,) = done.stdout.splitlines()
    assert "9.1 <Title>: not yet" in line and "expected 3, got 1.5" in line and 'hint("9.1")' in line
    assert "<div" not in line


SHOWING = """
import json
from IPython.utils.capture import capture_output
from labutils.exercises.verdicts import Verdict, show_verdict
with capture_output() as shown:
    show_verdict("9.1", "<Title>", Verdict("wrong", "a < b."))
print(json.dumps([output.data for output in shown.outputs]))
"""


def test_in_a_notebook_a_verdict_is_a_card_with_escaped_text(tmp_path: Path) -> None:
    (bundle,) = json.loads(python("-m", "IPython", "-c", SHOWING, folder=tmp_path).stdout)
    assert "&lt;Title&gt;" in bundle["text/html"] and "A &lt; b." in bundle["text/html"]
    assert "<Title>" not in bundle["text/html"]
    assert 'role="status"' in bundle["text/html"]
    assert "a < b." in bundle["text/plain"]


@pytest.mark.parametrize("name", ["LabError", "AssetError", "UnknownExercise", "CheckFailed", "NotEnoughMemory"])
def test_an_error_for_learners_shows_without_a_traceback(name: str) -> None:
    from labutils import errors

    error = getattr(errors, name)("Do this instead.")
    assert error._render_traceback_() == [f"{name}: Do this instead."]


def test_ipython_shows_an_error_for_learners_as_one_line(tmp_path: Path) -> None:
    code = "from labutils.errors import LabError\ndef f():\n    raise LabError('Do this instead.')\nf()"
    done = python("-m", "IPython", "--colors=NoColor", "-c", code, folder=tmp_path)
    shown = (done.stdout + done.stderr).strip()
    assert shown == "LabError: Do this instead."
    other = python("-m", "IPython", "--colors=NoColor", "-c", code.replace("LabError(", "ValueError("), folder=tmp_path)
    assert "Traceback" in other.stdout + other.stderr
