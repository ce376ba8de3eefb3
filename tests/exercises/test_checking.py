"""A check names what is wrong in the learner's own numbers, and never breaks the notebook."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy
import pytest
import torch

from labutils.errors import CheckFailed, UnknownExercise
from labutils.exercises import bounds, check, judging, quiz, registry
from labutils.exercises.judging import all_cases, judge
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
        (NUMBER, lambda a, b: torch.tensor([a / b]), ["tensor", "number", ".item()"]),
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
    monkeypatch.setattr(judging, "LIMIT_SECONDS", 0.3)
    wrong(TENSOR, endless, "still running after 0.3 s", "never ends", "x=[1, 3]")
    # An interrupt that came late would break one of these.
    for _ in range(3):
        threading.Event().wait(0.1)
    assert judge(TENSOR, double).status == "passed"


def test_an_interrupt_by_the_person_is_not_swallowed() -> None:
    def interrupted(x):
        os.kill(os.getpid(), signal.SIGINT)
        return threading.Event().wait(5)

    with pytest.raises(KeyboardInterrupt):
        judge(TENSOR, interrupted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


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


# --- random cases, types, mistakes ------------------------------------------------------------------------------------


def drawn_case(rng, size: int) -> tuple[list[int]]:
    return ([rng.randint(-9, 9) for _ in range(size)],)


def with_random_cases(reference, *cases, **more) -> Exercise:
    item = exercise(reference, *cases, **more)
    functions = item.functions()
    functions = ExerciseFunctions(functions.reference, functions.cases, functions.mistakes, drawn_case)
    return dataclasses.replace(item, functions=lambda: functions)


LARGEST = with_random_cases(lambda items: max(items, default=0), ([3, 1, 2],), ([1, 5],))


def test_random_cases_follow_the_fixed_ones_from_small_to_large_and_are_the_same_each_time() -> None:
    cases = all_cases(LARGEST)
    assert cases[:2] == [([3, 1, 2],), ([1, 5],)]
    assert [len(case[0]) for case in cases[2:]] == list(range(24))
    assert cases == all_cases(LARGEST)


def test_a_wrong_answer_that_the_fixed_cases_let_pass_is_shown_on_a_small_random_one() -> None:
    wrong(LARGEST, lambda items: max(items), "For items=[]", "ValueError")
    message = wrong(LARGEST, lambda items: max([0, *items]), "expected -")  # right unless all are negative
    assert len(re.search(r"items=\[(.*?)\]", message)[1].split(",")) <= 3


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (0.75, torch.tensor(0.75)),
        (0.75, numpy.float32(0.75)),
        (1.0, 1),
        (3, numpy.int64(3)),
        ([0.5, 1.0], [numpy.float64(0.5), 1]),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0], dtype=torch.float64)),
        (float("inf"), float("inf")),
        (float("nan"), float("nan")),
        ({"a": 1}, Counter("a")),
    ],
)
def test_another_floating_point_type_is_right_where_the_numbers_agree(want, got) -> None:
    assert judge(exercise(lambda x: want, (1,)), lambda x: got).status == "passed"


@pytest.mark.parametrize(
    ("want", "got", "words"),
    [
        (1, 1.0, ["expected 1 of type int", "got 1.0 of type float"]),
        (1, True, ["got True of type bool"]),
        (True, 1, ["expected True of type bool", "got 1 of type int"]),
        ([1, 2], (1, 2), ["of type list", "of type tuple", "`list(...)`"]),
        ((1, 2), [1, 2], ["`tuple(...)`"]),
        ({"a": [1, 2]}, {"a": [1, 2.0]}, ["expected 2 of type int at ['a'][1]", "got 2.0 of type float"]),
        (torch.tensor([1, 2]), torch.tensor([1.0, 2.0]), ["int64", "float32"]),
        (torch.tensor([1.0, 2.0]), torch.tensor([1, 2]), ["expected numbers of type float32", "got int64"]),
        (torch.tensor([1, 2], dtype=torch.int8), torch.tensor([1, 2]), ["int8", "int64"]),
        (torch.tensor([True]), torch.tensor([1]), ["bool", "int64"]),
        (torch.tensor(2.0), 2.0, ["a tensor of shape ()", "float"]),
    ],
)
def test_a_type_that_is_not_the_expected_one_is_wrong_though_the_values_are_equal(want, got, words: list[str]) -> None:
    wrong(exercise(lambda x: want, (1,)), lambda x: got, "expected", "got", *words)


def test_a_mistake_that_a_random_case_tells_apart_is_not_named() -> None:
    item = with_random_cases(
        lambda items: sum(items),
        ([1, 2],),
        mistakes={"Not this.": lambda items: max([1, *items]), "This.": lambda items: items[-1:]},
    )
    message = wrong(item, lambda items: max([*items, 0]), "expected 3, got 2")
    assert "Not this." not in message


def test_a_mistake_whose_result_is_right_on_the_case_shown_is_not_named() -> None:
    item = exercise(double, (3.0,), (0.0,), atol=1.0, mistakes={"Half a step off.": lambda x: 2 * x + 0.9})
    assert "Half" not in wrong(item, lambda x: 2 * x + 1.7)


# --- what differs is what is shown --------------------------------------------------------------------------------------


def returning(want, got) -> str:
    return wrong(exercise(lambda x: want, (1,)), lambda x: got)


def test_small_matrices_are_shown_as_rows() -> None:
    message = returning(torch.tensor([[1, 2], [3, 4], [5, 6]]), torch.tensor([[1, 2], [3, 4], [5, 7]]))
    assert "expected [[1, 2], [3, 4], [5, 6]], got [[1, 2], [3, 4], [5, 7]]." in message


def test_a_large_tensor_is_shown_where_it_differs() -> None:
    want = torch.arange(200.0).reshape(5, 40)
    got = want.clone()
    got[1, 37] = 0
    message = returning(want, got)
    assert "1 of 200 numbers, first at [1, 37]" in message
    assert "[..., 74, 75, 76, 77, 78, 79]" in message and "[..., 74, 75, 76, 0, 78, 79]" in message


def test_a_long_list_is_shown_where_it_differs() -> None:
    got = list(range(300))
    got[100] = -1
    message = returning(list(range(300)), got)
    assert "at [100]" in message and "99, 100, 101" in message and "99, -1, 101" in message and "300" not in message
    assert "yours has 299" in returning(list(range(300)), list(range(299)))


def test_long_texts_are_shown_around_the_first_difference() -> None:
    want = "word " * 100
    message = returning(want, want[:301] + "#" + want[302:])
    assert "character 301" in message and "#" in message and len(message) < 300


def test_numbers_that_round_to_the_same_are_shown_with_more_digits() -> None:
    assert "expected 1, got 1.0002." in wrong(exercise(lambda x: 1.0, (1,)), lambda x: 1.0002)


def test_a_place_deep_inside_is_named() -> None:
    want = {"rows": [{"id": n, "text": "x" * 20} for n in range(20)]}
    got = copy.deepcopy(want)
    got["rows"][13]["text"] = "y"
    message = returning(want, got)
    assert "at ['rows'][13]['text']" in message and "'y'" in message


# --- nothing that an answer returns, raises or does breaks the judge ------------------------------------------------------


class Hostile:
    """An object that cannot be compared, shown or measured."""

    def fails(self, *arguments):
        raise SystemExit("hostile")

    __eq__ = __repr__ = __len__ = __iter__ = __str__ = __bool__ = fails


class HostileList(list):
    __len__ = __iter__ = __getitem__ = __repr__ = Hostile.fails


class HostileError(Exception):
    __str__ = __repr__ = Hostile.fails


def itself():
    items: list = [1]
    items.append(items)
    return items


RESULTS = {
    "a long int": 10**20000,
    "sparse": torch.eye(2).to_sparse(),
    "compressed": torch.eye(2).to_sparse_csr(),
    "quantized": torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8),
    "meta": torch.empty(2, 2, device="meta"),
    "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "complex": torch.eye(2).to(torch.complex64),
    "a huge list": [0] * 10**7,
    "itself": itself(),
    "an object": Hostile(),
    "a list": HostileList([1, 2]),
    "objects": [Hostile(), Hostile()],
    "a key": {"a": Hostile()},
    "a generator": (n for n in range(3)),
    "half a character": "\udc80",
    "a class": Hostile,
}
WANTED = [torch.eye(2), [1, 2], 0.5, 7, "text", {"a": [1]}, (1, torch.ones(2))]


@pytest.mark.parametrize("want", WANTED, ids=lambda want: type(want).__name__)
@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.filterwarnings("ignore")
def test_any_result_gets_a_verdict(name: str, want) -> None:
    message = wrong(exercise(lambda x: want, (1,)), lambda x: RESULTS[name], "expected")
    assert len(message) < 500


def raising(error: BaseException):
    def answer(x):
        raise error

    return answer


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(),
        HostileError(),
        BaseException("x"),
        ValueError("\udc80" * 10**6),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_exception_is_an_error_like_any_other(error: BaseException, course, capsys) -> None:
    message = wrong(TENSOR, raising(error), type(error).__name__, "line 2 of your function")
    assert len(message) < 600
    assert check("9.1", raising(error)) is double
    assert capsys.readouterr().out.splitlines()[-1].startswith("9.1 Title: not yet")


def test_not_implemented_inside_a_library_is_an_error_and_no_stub() -> None:
    wrong(TENSOR, lambda x: torch.arange(4).softmax(-1), "NotImplementedError", "softmax")


def test_not_implemented_in_a_helper_is_an_error_and_no_stub() -> None:
    wrong(TENSOR, lambda x: raises_not_implemented(x), "NotImplementedError")


def test_a_warning_that_is_an_error_is_one_like_any_other_and_the_judge_itself_warns_not() -> None:
    def warns(x):
        warnings.warn("mind this", stacklevel=1)
        return 2 * x

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrong(TENSOR, warns, "UserWarning", "mind this")
        assert judge(TENSOR, lambda x: x + x).status == "passed"


def test_emptying_the_arguments_is_changing_them() -> None:
    item = exercise(lambda items, more: sum(items), ([1, 2], {"a": 1}))
    wrong(item, lambda items, more: items.clear() or more.clear() or 3, "changing the input in place")


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


def test_a_silent_function_shows_the_verdict_alone(course, capsys) -> None:
    check("9.1", lambda x: x + x)
    assert capsys.readouterr().out.splitlines() == ["9.1 Title: passed, right on all cases."]


# --- time and memory ----------------------------------------------------------------------------------------------------


def work() -> None:
    for _ in range(10**5):
        pass


def swallows(x):
    while True:
        try:  # noqa: SIM105
            work()
        except:  # noqa: E722
            pass


def swallows_twice(x):
    while True:
        try:
            try:  # noqa: SIM105
                work()
            except BaseException:
                pass
        except BaseException:
            pass


def swallows_in_its_sleep(x):
    while True:
        try:  # noqa: SIM105
            time.sleep(1)
        except:  # noqa: E722
            pass


def suppresses(x):
    while True:
        with contextlib.suppress(BaseException):
            work()


def returns_when_it_is_stopped(x):
    try:
        while True:
            pass
    except BaseException:
        return 2 * x


UNENDING = {
    "loop": endless,
    "swallows": swallows,
    "swallows twice": swallows_twice,
    "swallows in its sleep": swallows_in_its_sleep,
    "suppresses": suppresses,
    "returns when it is stopped": returns_when_it_is_stopped,
    "sleep": lambda x: time.sleep(60),
    "lock": lambda x: threading.Event().wait(),
    "pattern": lambda x: re.match(r"(a+)+$", "a" * 50 + "b"),
    "power": lambda x: len(str(10 ** (10**9))),
}


@pytest.mark.parametrize("name", UNENDING)
def test_whatever_never_ends_is_stopped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LIMIT_SECONDS", 0.2)
    tracer = sys.gettrace()
    wrong(TENSOR, UNENDING[name], "still running after 0.2 s")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert sys.gettrace() is tracer


def test_a_function_that_is_slow_in_every_case_is_stopped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "TOTAL_SECONDS", 0.5)
    item = with_random_cases(lambda items: sum(items), ([1],))
    wrong(item, lambda items: time.sleep(0.1) or sum(items), "more than 0.5 s for all cases")


def test_a_cleanup_runs_when_a_function_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LIMIT_SECONDS", 0.2)

    def without_gradients(x):
        with torch.no_grad():
            while True:
                pass

    wrong(TENSOR, without_gradients, "still running")
    assert torch.is_grad_enabled()


MEMORY = """
import sys, torch
from labutils.exercises import bounds, judging
from labutils.exercises.registry import Exercise, ExerciseFunctions
from labutils.machine import limits
bounds.allowed_growth = judging.allowed_growth = lambda: 2**28
functions = ExerciseFunctions(lambda x: 2 * x, lambda: [(1.5,)])
item = Exercise(id="9.1", title="T", hints=("a", "b"), functions=lambda: functions)
def appends(x):
    items = []
    while True: items.append("x" * 1000)
def appends_and_swallows(x):
    items = []
    while True:
        try: items.append([0] * 1000)
        except: pass
def keeps(x):
    items = []
    try:
        while True: items.append("x" * 1000)
    except BaseException: return items
answers = [appends, appends_and_swallows, keeps, lambda x: torch.ones(2**15, 2**15)]
if sys.platform == "linux": answers += [lambda x: [0] * 10**10, lambda x: list(range(10**10))]
import psutil
start = psutil.Process().memory_info().rss
for answer in answers:
    print(judging.judge(item, answer))
print(max(0, psutil.Process().memory_info().rss - start) // 2**20, (limits.peak_rss() - start) // 2**20)
"""


def test_whatever_grows_without_end_is_stopped_and_given_back(tmp_path: Path) -> None:
    *verdicts, sizes = python("-c", MEMORY, folder=tmp_path).stdout.splitlines()
    assert len(verdicts) >= 4 and all("took more than 0.2 GiB of memory" in verdict for verdict in verdicts), verdicts
    left, peak = map(int, sizes.split())  # MiB
    assert left < 100 and peak < 700


def test_the_bound_is_half_of_what_is_free_and_at_most_a_gibibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, allowed in ((100 * 2**30, 2**30), (2**30, 2**29)):
        monkeypatch.setattr(bounds.limits, "memory_available", lambda free=free: free)
        assert bounds.allowed_growth() == allowed


KILLED = """
import os, signal
from labutils.exercises import check
check("2.1", lambda logits, temperature=1.0: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_kernel_that_dies_inside_a_check_is_named_at_the_next_start(home: Path, tmp_path: Path) -> None:
    from labutils.machine.memory_guard import reports

    assert python("-c", KILLED, folder=tmp_path).returncode == -signal.SIGKILL
    (sentence,) = reports()
    assert "check 2.1" in sentence
    check("2.1", lambda logits, temperature=1.0: logits)
    assert reports() == []


# --- check ----------------------------------------------------------------------------------------------------------


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
