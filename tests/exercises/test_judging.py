"""The judge names what is wrong in the learner's own numbers, and nothing that an answer is or does breaks it."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections import Counter
from typing import get_args, get_type_hints

import numpy
import pytest
import torch
from made_exercises import NUMBER, TENSOR, WHOLE, double, exercise, with_random_cases, wrong

from labutils.exercises.judging import all_cases, judge
from labutils.exercises.registry import Exercise, ExerciseFunctions
from labutils.exercises.values import Difference
from labutils.exercises.verdicts import KINDS


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
        (TENSOR, lambda x: [2.0, 6.0], ["type list", "a tensor of shape (2,)", "`torch.tensor(...)`"]),
        (TENSOR, lambda x: (2 * x).numpy(), ["type ndarray", "a tensor of shape (2,)", "`torch.tensor(...)`"]),
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


def test_memory_that_was_never_written_does_not_pass_by_chance() -> None:
    item = exercise(lambda n: torch.zeros(n, n), (1024,))  # fresh pages of the system hold zeros
    wrong(item, lambda n: torch.empty(n, n), "NaN")
    assert judge(item, lambda n: torch.empty(n, n).zero_()).status == "passed"
    assert not torch.are_deterministic_algorithms_enabled()


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


@pytest.mark.parametrize(
    ("want", "got"), [(float("inf"), 0.0), (float("inf"), float("-inf")), (float("-inf"), 1e300), (1.0, float("inf"))]
)
def test_a_number_is_not_infinity(want: float, got: float) -> None:
    assert judge(exercise(lambda x: want, (1,)), lambda x: got).status == "wrong"


def test_a_mistake_that_a_random_case_tells_apart_is_not_named() -> None:
    item = with_random_cases(
        lambda items: sum(items),
        ([1, 2],),
        mistakes={"Not this.": lambda items: max([1, *items]), "This.": lambda items: items[-1:]},
    )
    message = wrong(item, lambda items: max([*items, 0]), "expected 3, got 2")
    assert "Not this." not in message


def test_each_of_several_right_results_passes_and_any_other_is_compared_with_the_reference() -> None:
    functions = ExerciseFunctions(
        LARGEST.functions().reference, lambda: [([1, 2],), ([3, 5],)], also_right=lambda items: [max(items) + 10]
    )
    item = dataclasses.replace(LARGEST, functions=lambda: functions)
    assert judge(item, lambda items: max(items)).status == "passed"
    assert judge(item, lambda items: max(items) + 10 * (3 in items)).status == "passed"
    wrong(item, lambda items: max(items) + 20, "expected 2, got 22")


def test_a_mistake_whose_result_is_right_on_the_case_shown_is_not_named() -> None:
    item = exercise(double, (3.0,), (0.0,), atol=1.0, mistakes={"Half a step off.": lambda x: 2 * x + 0.9})
    assert "Half" not in wrong(item, lambda x: 2 * x + 1.7)


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


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of kinds of tensors that are new or old
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
def test_any_exception_is_an_error_like_any_other(error: BaseException) -> None:
    message = wrong(TENSOR, raising(error), type(error).__name__, "line 2 of your function")
    assert len(message) < 600


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


SLOPE = exercise(
    lambda x, y: x * y, (torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0])), (torch.tensor([0.0]), torch.tensor([2.0]))
)


def differentiable(item: Exercise) -> Exercise:
    functions = dataclasses.replace(item.functions(), differentiable=("x",))
    return dataclasses.replace(item, functions=lambda: functions)


@pytest.mark.parametrize("answer", [lambda x, y: y * x, lambda x, y: x * y.detach(), lambda x, y: (x.double() * y).float()])
def test_derivatives_by_the_named_parameter_are_enough(answer) -> None:
    assert judge(differentiable(SLOPE), answer).status == "passed"


def test_derivatives_are_recorded_where_a_notebook_has_switched_them_off() -> None:
    with torch.no_grad():
        assert judge(differentiable(SLOPE), lambda x, y: x * y).status == "passed"


@pytest.mark.parametrize("answer", [lambda x, y: x.detach() * y, lambda x, y: torch.tensor((x * y).tolist())])
def test_right_values_without_derivatives_are_refused(answer) -> None:
    wrong(differentiable(SLOPE), answer, "nothing is left to differentiate by `x`")
    assert judge(SLOPE, answer).status == "passed"


def test_right_values_with_other_derivatives_are_refused() -> None:
    wrong(
        differentiable(SLOPE), lambda x, y: (x * y + x.detach() * y) / 2, "derivative of their sum by `x`", "[3, 1]", "[1.5, 0.5]"
    )


def test_every_kind_of_wrong_answer_has_its_words() -> None:
    kinds = set(get_args(get_type_hints(Difference)["kind"]))
    assert kinds < set(KINDS)
    answers = {
        "raised": lambda text: text.nothing,
        "none": lambda text: None,
        "type": lambda text: "4",
        "value": lambda text: 5,
        "signature": lambda: 4,
    }
    assert {kind: judge(WHOLE, answer).kind for kind, answer in answers.items()} == {kind: kind for kind in answers}
    assert judge(TENSOR, lambda x: 3 * x).kind == "mistake_0"
    assert judge(TENSOR, lambda x: x.mul_(2)).kind == "input"
    assert judge(WHOLE, len).kind == ""
