"""`check`: run a learner's function, compare it with the reference, and name the likely mistake in the learner's own numbers."""

from __future__ import annotations

import copy
import inspect
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from labutils.errors import CheckFailed
from labutils.exercises.progress_file import record_attempt
from labutils.exercises.registry import Cases, Exercise, find_exercise
from labutils.exercises.time_limit import TimeLimitExceeded, time_limit
from labutils.exercises.values import is_tensor, short_text, type_text, values_equal
from labutils.exercises.verdicts import Verdict, show_verdict
from labutils.machine import settings

LIMIT_SECONDS = 10.0

Function = Callable[..., Any]
Case = tuple[Any, ...]


class WrongAnswer(Exception):
    """The answer is wrong; the message says how."""


class NotAnswered(Exception):
    """The stub was not touched yet."""


def check(id: str, function: Any) -> Function:
    """Judge an answer, show what came of it, note it, and hand back a function that the cells below can rely on.

    Args:
        id: the exercise, such as "2.3".
        function: the learner's function.

    Returns:
        The learner's own function if it is right, else the reference.

    Raises:
        UnknownExercise: no exercise has this id.
        CheckFailed: in strict mode, if the answer is wrong (an untouched stub is not wrong, it is open).

    Example: `my_softmax = check("2.1", my_softmax)`
    """
    exercise = find_exercise(id)
    verdict = judge(exercise, function)
    if verdict.status != "open":
        record_attempt(exercise.id, passed=verdict.status == "passed")
    show_verdict(exercise.id, exercise.title, verdict, f'Stuck? Run hint("{exercise.id}") in a new cell.')
    if verdict.status == "wrong" and settings.strict():
        raise CheckFailed(f"{exercise.id}: {verdict.message}")
    return function if verdict.status == "passed" else exercise.functions().reference


def judge(exercise: Exercise, function: Any) -> Verdict:
    """Judge an answer without showing or noting anything."""
    functions = exercise.functions()
    reference, cases = functions.reference, functions.cases()
    if complaint := _complaint_about_signature(function, reference, cases[0]):
        return Verdict("wrong", complaint)
    results: list[Any] = []
    missed = ""
    for case in cases:
        call = _call_text(reference, case)
        given = copy.deepcopy(case)
        try:
            got = _run(function, given, call)
            want = reference(*copy.deepcopy(case))
            _require_type(got, want, call)
            _require_untouched(given, case)
        except NotAnswered:
            return Verdict("open", "not answered yet. The cells below use the reference for now.")
        except WrongAnswer as wrong:
            if not missed:
                return Verdict("wrong", str(wrong))
            break  # the numbers of an earlier, simpler case say more
        results.append(got)
        if not missed and not values_equal(got, want, exercise.atol):
            missed = f"For {call} expected {short_text(want)}, got {short_text(got)}."
    if missed:
        mistake = _mistake_with(results, functions.mistakes, cases, exercise.atol)
        return Verdict("wrong", f"{missed} {exercise.mistakes[mistake.__name__]}" if mistake else missed)
    return Verdict("passed", "right on all cases.")


def _complaint_about_signature(function: Any, reference: Function, case: Case) -> str:
    """What to say of an answer that cannot be called as the reference is; "" if it can."""
    if not callable(function):
        return f"{short_text(function)} is not a function: pass the function itself, without parentheses and arguments."
    try:
        inspect.signature(function).bind(*case)
    except (TypeError, ValueError):
        names = ", ".join(inspect.signature(reference).parameters)
        return f"Your function is called with ({names}) and does not take these arguments: keep the signature of the stub."
    return ""


def _call_text(reference: Function, case: Case) -> str:
    """The arguments of a call by name, such as "x=[1, 3], k=2"."""
    names = list(inspect.signature(reference).parameters)
    return ", ".join(f"{name}={short_text(value)}" for name, value in zip(names, case, strict=False))


def _run(function: Function, given: Case, call: str) -> Any:
    """What the learner's function returns for one case.

    Raises:
        NotAnswered: it is the untouched stub.
        WrongAnswer: it raised, never ended, or returned nothing.
    """
    try:
        with time_limit(LIMIT_SECONDS):
            got = function(*given)
    except TimeLimitExceeded:
        raise WrongAnswer(
            f"For {call} your function was still running after {LIMIT_SECONDS:g} s: is there a loop that never ends?"
        ) from None
    except NotImplementedError:
        raise NotAnswered from None
    except Exception as error:
        raise WrongAnswer(
            f"For {call} your function raised {type(error).__name__}{_line_text(error, function)}: {error}"
        ) from error
    if got is ...:
        raise NotAnswered
    if got is None:
        raise WrongAnswer("Your function returned None: does every way through it end with `return` and a value?")
    return got


def _line_text(error: BaseException, function: Function) -> str:
    """ " in line 3 of your function, `x = y`" for the deepest line of the learner's own function in a traceback."""
    file = inspect.getsourcefile(function) if inspect.isfunction(function) else None
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file and f.name == function.__name__]
    if not lines or not inspect.isfunction(function):
        return ""
    frame = lines[-1]
    number = (frame.lineno or 0) - function.__code__.co_firstlineno + 1
    return f" in line {number} of your function" + (f", `{frame.line}`" if frame.line else "")


def _require_type(got: Any, want: Any, call: str) -> None:
    """Raise WrongAnswer unless a result has the expected type and shape, and no NaN that is not expected."""
    import torch

    if is_tensor(want):
        if not is_tensor(got):
            raise WrongAnswer(f"Your function returned {type_text(got)}; {type_text(want)} is expected.")
        if got.shape != want.shape:
            raise WrongAnswer(f"For {call} your result has the shape {tuple(got.shape)}; {tuple(want.shape)} is expected.")
        if torch.isnan(got).any() and not torch.isnan(want).any():
            raise WrongAnswer(
                f"For {call} your result holds NaN (not a number): {short_text(got)}. Is there an inf - inf, 0 / 0 or inf * 0?"
            )
    elif isinstance(want, float):
        if isinstance(got, bool) or not isinstance(got, (int, float)):
            raise WrongAnswer(f"Your function returned {type_text(got)}; a number is expected (`.item()` makes one of a tensor).")
    elif type(got) is not type(want):
        raise WrongAnswer(f"Your function returned {type_text(got)}; {type_text(want)} is expected.")


def _require_untouched(given: Case, case: Case) -> None:
    """Raise WrongAnswer if the learner's function changed its arguments."""
    if not all(values_equal(after, before, 0.0) for after, before in zip(given, case, strict=True)):
        raise WrongAnswer(
            "Your result was computed by changing the input in place; work on a copy, because later cells use the input again."
        )


def _mistake_with(results: list[Any], mistakes: Sequence[Function], cases: Cases, atol: float) -> Function | None:
    """The first mistake that gives the learner's results on every case that the learner's function got through."""
    for mistake in mistakes:
        try:
            mistaken = [mistake(*copy.deepcopy(case)) for case in cases[: len(results)]]
        except Exception:
            continue
        if all(values_equal(got, theirs, atol) for got, theirs in zip(results, mistaken, strict=True)):
            return mistake
    return None
