"""A check names what is wrong in the learner's own numbers, and never breaks the notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from labutils.errors import CheckFailed, UnknownExercise
from labutils.exercises import check, checking, quiz, registry
from labutils.exercises.checking import judge
from labutils.exercises.progress_file import load_progress
from labutils.exercises.registry import Exercise, ExerciseFunctions, Quiz


def exercise(reference, *cases, id: str = "9.1", mistakes=None, **more) -> Exercise:
    """An exercise with mistakes as {message: function}."""
    functions = [named(function, f"mistake_{n}") for n, function in enumerate((mistakes or {}).values())]
    return Exercise(
        id=id,
        title="Title",
        hints=("a", "b"),
        functions=lambda: ExerciseFunctions(reference, lambda: cases, functions),
        mistakes={function.__name__: message for function, message in zip(functions, mistakes or {}, strict=True)},
        **more,
    )


def named(function, name: str):
    function.__name__ = name
    return function


def double(x):
    """The reference of most tests here."""
    return 2 * x


TENSOR = exercise(
    double,
    (torch.tensor([1.0, 3.0]),),
    (torch.tensor([0.5, -4.0, 8.0]),),
    mistakes={"You tripled it.": lambda x: 3 * x, "You squared it.": lambda x: x * x, "You kept it.": lambda x: x},
)
NUMBER = exercise(lambda a, b: a / b, (3.0, 4.0), (1.0, 8.0), id="9.2")
WHOLE = exercise(lambda text: len(text), ("four",), ("",))
QUIZ = Quiz(id="9.a", question="Which?", options=("this", "that"), right=1, why=("This is not it.", "That is it."))


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_catalogue", lambda: {"9.1": TENSOR, "9.2": NUMBER, "9.a": QUIZ})


def wrong(item: Exercise, function, *words: str) -> str:
    verdict = judge(item, function)
    assert verdict.status == "wrong", verdict
    assert [word for word in words if word not in verdict.message] == [], verdict.message
    return verdict.message


# --- judge ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "answer"),
    [
        (TENSOR, double),
        (TENSOR, lambda x: x + x),
        (TENSOR, lambda anything: anything * 2),
        (TENSOR, lambda x: (2 * x).double()),
        (TENSOR, lambda x: (2 * x).requires_grad_()),
        (TENSOR, lambda x: 2 * x + 5e-6),
        (NUMBER, lambda a, b: a * (1 / b)),
        (NUMBER, lambda *numbers: numbers[0] / numbers[1]),
        (WHOLE, len),
        (exercise(lambda n: n / 2, (4,)), lambda n: n // 2),
    ],
)
def test_a_right_answer_passes_however_it_is_written(item: Exercise, answer) -> None:
    verdict = judge(item, answer)
    assert verdict.status == "passed", verdict
    assert verdict.message == "right on all cases."


def raises_not_implemented(x):
    raise NotImplementedError


@pytest.mark.parametrize("stub", [lambda x: ..., raises_not_implemented])
def test_an_untouched_stub_is_open(stub) -> None:
    verdict = judge(TENSOR, stub)
    assert verdict.status == "open"
    assert "reference" in verdict.message


def test_none_is_a_forgotten_return() -> None:
    wrong(TENSOR, lambda x: None, "returned None", "return")


def test_none_on_one_way_only_is_a_forgotten_return() -> None:
    wrong(TENSOR, lambda x: 2 * x if len(x) == 2 else None, "returned None")


@pytest.mark.parametrize(
    ("item", "answer", "words"),
    [
        (TENSOR, lambda x: [2.0, 6.0], ["type list", "a tensor of shape (2,)"]),
        (TENSOR, lambda x: 2.0, ["type float", "a tensor of shape (2,)"]),
        (NUMBER, lambda a, b: "0.75", ["type str", "number"]),
        (NUMBER, lambda a, b: True, ["type bool", "number"]),
        (NUMBER, lambda a, b: torch.tensor(a / b), ["tensor", "number", ".item()"]),
        (WHOLE, lambda text: float(len(text)), ["type float", "type int"]),
        (WHOLE, lambda text: torch.tensor(len(text)), ["tensor", "type int"]),
    ],
)
def test_a_wrong_type_is_named_with_the_expected_one(item: Exercise, answer, words: list[str]) -> None:
    wrong(item, answer, *words)


def test_a_wrong_shape_is_named_with_the_expected_one() -> None:
    wrong(TENSOR, lambda x: (2 * x).unsqueeze(0), "(1, 2)", "(2,)", "x=[1, 3]")


def test_nan_is_named() -> None:
    wrong(TENSOR, lambda x: 2 * x * torch.tensor(float("nan")), "NaN", "x=[1, 3]")


def test_a_nan_number_is_wrong() -> None:
    wrong(NUMBER, lambda a, b: float("nan"), "0.75", "nan")


def a_helper_above(x):
    raise ValueError("the helper's reason")


def raises_in_line_3(x):
    y = x + 1
    return y / undefined_name  # noqa: F821


def raises_through_a_helper(x):
    y = x + 1
    return a_helper_above(y)


def test_an_exception_is_named_with_the_line() -> None:
    wrong(TENSOR, raises_in_line_3, "NameError", "undefined_name", "line 3 of your function", "return y / undefined_name")


def test_an_exception_in_a_helper_is_named_with_the_line_that_calls_it() -> None:
    wrong(TENSOR, raises_through_a_helper, "ValueError", "the helper's reason", "line 3 of your function")


def test_an_exception_in_a_library_is_named_with_the_learners_line() -> None:
    wrong(TENSOR, lambda x: torch.ones(5) + torch.cat([x, x, x]), "RuntimeError", "line 1 of your function")


@pytest.mark.parametrize(
    "answer", [lambda: 1, lambda x, y: x, lambda *, x: x, lambda x, y, z=0: x], ids=["none", "two", "by name only", "two and one"]
)
def test_other_arguments_are_named_with_the_expected_ones(answer) -> None:
    wrong(TENSOR, answer, "(x)", "signature")


@pytest.mark.parametrize("answer", [3, None, "double", torch.tensor([2.0, 6.0]), ...])
def test_what_is_not_a_function_is_wrong(answer) -> None:
    wrong(TENSOR, answer, "not a function")


def changes_its_input(x):
    x *= 2
    return x.clone()


def test_changing_the_input_is_wrong_and_does_not_reach_the_case() -> None:
    wrong(TENSOR, changes_its_input, "changing the input in place")
    assert TENSOR.functions().cases()[0][0].tolist() == [1.0, 3.0]


def test_changing_a_list_is_wrong() -> None:
    item = exercise(lambda items: sorted(items), ([3, 1, 2],))
    wrong(item, lambda items: items.sort() or list(items), "changing the input in place")
    assert item.functions().cases() == (([3, 1, 2],),)


def endless(x):
    while True:
        pass


def test_an_endless_loop_is_stopped_and_nothing_comes_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LIMIT_SECONDS", 0.3)
    wrong(TENSOR, endless, "still running after 0.3 s", "never ends", "x=[1, 3]")
    # An interrupt that came late would break one of these.
    for _ in range(3):
        threading.Event().wait(0.1)
    assert judge(TENSOR, double).status == "passed"


def test_a_learners_own_interrupt_is_not_swallowed() -> None:
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(TENSOR, interrupted)


@pytest.mark.parametrize(
    ("answer", "named"),
    [(lambda x: x + x + x, "You tripled it."), (lambda x: x**2, "You squared it."), (lambda x: x.clone(), "You kept it.")],
)
def test_wrong_numbers_name_the_mistake_whose_numbers_they_are(answer, named: str) -> None:
    message = wrong(TENSOR, answer, named)
    assert sum(text in message for text in TENSOR.mistakes.values()) == 1


def test_wrong_numbers_are_shown_with_the_arguments_and_the_expected_ones() -> None:
    message = wrong(TENSOR, lambda x: 2 * x + 1, "x=[1, 3]", "expected [2, 6]", "got [3, 7]")
    assert not any(text in message for text in TENSOR.mistakes.values())


def test_a_mistake_that_agrees_on_the_first_case_alone_is_not_named() -> None:
    message = wrong(TENSOR, lambda x: 3 * x if len(x) == 2 else 5 * x, "expected [2, 6]", "got [3, 9]")
    assert "tripled" not in message


def test_a_mistake_that_itself_fails_is_not_named() -> None:
    item = exercise(double, (1.0,), mistakes={"Never.": lambda x: 1 / 0, "You tripled it.": lambda x: 3 * x})
    assert "Never" not in wrong(item, lambda x: 3.0, "You tripled it.")


def test_the_case_that_differs_is_the_one_that_is_shown() -> None:
    wrong(NUMBER, lambda a, b: 0.75, "a=1, b=8", "expected 0.125", "got 0.75")


@pytest.mark.parametrize(("off_by", "status"), [(0.05, "passed"), (0.2, "wrong")])
def test_the_tolerance_is_the_exercises(off_by: float, status: str) -> None:
    item = exercise(lambda x: x, (torch.tensor([0.0, 1.0]),), (torch.tensor([0.0]),), atol=0.1)
    assert judge(item, lambda x: x + off_by).status == status


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        (lambda a, b: [a + b, a - b], lambda a, b: [0.3, -0.1]),
        (lambda a, b: (torch.tensor([a, b]), a), lambda a, b: (torch.tensor([a, b]) * 1.0, a)),
        (lambda a, b: {"sum": a + b}, lambda a, b: {"sum": 0.3}),
    ],
    ids=["list of numbers", "tuple with a tensor", "dict of numbers"],
)
def test_several_results_are_compared_with_the_tolerance_too(reference, answer) -> None:
    item = exercise(reference, (0.1, 0.2))  # 0.1 + 0.2 is not 0.3 in binary
    assert judge(item, answer).status == "passed"
    assert judge(item, lambda a, b: type(reference(a, b))()).status == "wrong"


def test_a_list_of_tensors_as_an_argument_is_compared() -> None:
    item = exercise(lambda parts: torch.cat(parts), ([torch.tensor([1.0, 2.0]), torch.tensor([3.0])],))
    assert judge(item, lambda parts: torch.hstack(parts)).status == "passed"
    wrong(item, lambda parts: torch.cat([parts.pop(0), parts[0]]), "changing the input in place")


# --- check ----------------------------------------------------------------------------------------------------------


def test_check_hands_back_a_right_answer_and_else_the_reference(course) -> None:
    def mine(x):
        return x + x

    assert check("9.1", mine) is mine
    assert check("9.1", lambda x: x) is double
    assert check("9.1", lambda x: ...) is double
    assert check("9.1", 7) is double


def test_check_notes_passes_and_tries_and_not_an_open_stub(course) -> None:
    for answer in (lambda x: ..., lambda x: x, double, lambda x: x):
        check("9.1", answer)
    entry = load_progress().get("9.1")
    assert (entry.passed, entry.tries) == (True, 3)
    check("9.2", lambda a, b: ...)
    assert "9.2" not in load_progress().exercises


@pytest.mark.parametrize("id", ["7.7", "9.a", "", 9.1])
def test_an_unknown_id_lists_the_ids_there_are(course, id, says) -> None:
    if id == 9.1:  # a number instead of a text is what a person meant
        assert check(id, double) is double
        return
    with pytest.raises(UnknownExercise) as caught:
        check(id, double)
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


# --- how it looks ---------------------------------------------------------------------------------------------------

CHECKING = """
from labutils.exercises import check, registry
from labutils.exercises.registry import Exercise, ExerciseFunctions
functions = ExerciseFunctions(lambda x: 2 * x, lambda: [(1.5,)])
item = Exercise(id="9.1", title="<Title>", hints=("a", "b"), functions=lambda: functions)
registry._catalogue = lambda: {"9.1": item}
mine = check("9.1", lambda x: x)
"""


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IPYTHONDIR": str(folder)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)


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
