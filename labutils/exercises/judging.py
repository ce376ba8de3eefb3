"""The judge: try a learner's function on every case within bounds, and say what is wrong with it in the learner's own numbers."""

from __future__ import annotations

import copy
import dis
import inspect
import linecache
import random
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from labutils.exercises.bounds import Bounded, LimitExceeded, TimeLimitExceeded, allowed_growth
from labutils.exercises.captured import Captured, captured_output
from labutils.exercises.derivatives import derivative_problem, derivatives, followed, recording
from labutils.exercises.registry import Exercise, ExerciseFunctions
from labutils.exercises.values import first_difference, values_equal
from labutils.exercises.verdicts import Verdict
from labutils.exercises.wording import comparison, short_text, type_text
from labutils.machine import limits

LIMIT_SECONDS = 10.0  # for one case
TOTAL_SECONDS = 30.0  # for all of them
RANDOM_SIZES = range(24)  # of the random cases, from the smallest
BROKEN = {"type", "dtype", "shape", "nan"}  # differences that leave no numbers to tell one mistake from another by
ERROR_CHARACTERS = 300  # shown of an exception's text
LINE_CHARACTERS = 100  # shown of the line that raised it

Function = Callable[..., Any]
Case = tuple[Any, ...]


class WrongAnswer(Exception):
    """The answer is wrong; the message says how, and the kind is one of `verdicts.KINDS`."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class NotAnswered(Exception):
    """The stub was not touched yet."""


@dataclass
class _Trial:
    """What came of one case: the result, what is wrong with it and of what kind that is ("" if nothing), and what was printed."""

    call: str
    got: Any = None
    want: Any = None
    problem: str = ""
    kind: str = ""
    printed: Captured = field(default_factory=Captured)


def judge(exercise: Exercise, function: Any) -> Verdict:
    """Judge an answer without showing or noting anything: on the fixed cases, then on the random ones."""
    with _quiet():
        functions = exercise.functions()
        cases = all_cases(exercise)
        if complaint := _complaint_about_signature(function, functions.reference, cases[0]):
            return Verdict("wrong", complaint, kind="signature")
    bounded, start = Bounded(allowed_growth()), time.monotonic()
    trials: list[_Trial] = []
    missed: _Trial | None = None
    for case in cases:
        trial = _Trial(call_text(functions.reference, case))
        try:
            _try(trial, exercise, functions, function, case, bounded, TOTAL_SECONDS - (time.monotonic() - start))
        except NotAnswered:
            return Verdict("open", "not answered yet. The cells below use the reference for now.")
        except WrongAnswer as wrong:
            if missed:
                break  # the numbers of an earlier, simpler case say more
            return Verdict("wrong", str(wrong), trial.printed, trial.call, wrong.kind)
        if missed and trial.kind in BROKEN:
            break  # a second mistake on top of the first, which would hide what the first one is
        trials.append(trial)
        if trial.problem and not missed:
            missed = trial
    if missed:
        with _quiet():
            mistake = _mistake_with(trials, trials.index(missed), functions, cases, exercise.atol)
        message = f"For {missed.call} {missed.problem}"
        named = f"{message} {exercise.mistakes[mistake.__name__]}" if mistake else message
        return Verdict("wrong", named, missed.printed, missed.call, mistake.__name__ if mistake else missed.kind)
    first = next((trial for trial in trials if trial.printed), trials[0])
    return Verdict("passed", "right on all cases.", first.printed, first.call)


def all_cases(exercise: Exercise) -> list[Case]:
    """The argument tuples that an answer is tried on: the fixed ones, then random ones from small to large, the same each time."""
    functions = exercise.functions()
    cases = list(functions.cases())
    if draw := functions.random_case:
        cases += [draw(random.Random(f"{exercise.id}/{size}"), size) for size in RANDOM_SIZES]
    return cases


@contextmanager
def _quiet() -> Iterator[None]:
    """The judge's own steps show no warnings and raise none, even where a notebook has made errors of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def uninitialized_memory_filled() -> Iterator[None]:
    """Let `torch.empty` hold NaN, so that an answer which forgets to write its numbers never passes by chance.

    Where PyTorch is not loaded, nothing changes.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    mode, fills = torch.get_deterministic_debug_mode(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)  # PyTorch fills in this mode alone
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        torch.utils.deterministic.fill_uninitialized_memory = fills


def _complaint_about_signature(function: Any, reference: Function, case: Case) -> str:
    """What to say of an answer that cannot be called as the reference is; "" if it can."""
    if not callable(function):
        return f"{short_text(function)} is not a function: pass the function itself, without parentheses and arguments."
    try:
        inspect.signature(function).bind(*case)
    except TypeError:
        names = ", ".join(inspect.signature(reference).parameters)
        return f"Your function is called with ({names}) and does not take these arguments: keep the signature of the stub."
    except ValueError:
        pass  # a built-in function that does not say what it takes
    return ""


def call_text(reference: Function, case: Case) -> str:
    """The arguments of a call by name, such as "x=[1, 3], k=2"."""
    names = list(inspect.signature(reference).parameters)
    return ", ".join(f"{name}={short_text(value)}" for name, value in zip(names, case, strict=False))


def _try(
    trial: _Trial,
    exercise: Exercise,
    functions: ExerciseFunctions,
    function: Function,
    case: Case,
    bounded: Bounded,
    seconds_left: float,
) -> None:
    """Run the learner's function on one case and fill in the trial.

    Raises:
        NotAnswered: it is the untouched stub.
        WrongAnswer: it raised, took too much time or memory, returned nothing, or changed its arguments.
    """
    with _quiet(), recording(functions):
        own = followed(copy.deepcopy(case), functions)
        trial.want = functions.reference(*own)
        slopes = derivatives(trial.want, own, functions)
        others = functions.also_right(*copy.deepcopy(case)) if functions.also_right else ()
        given = followed(copy.deepcopy(case), functions)

    def examine() -> None:
        """All that meets the learner's code and values: it may print, raise, and never end."""
        with recording(functions):
            trial.got = _result(function, given, trial.call, bounded)
        if trial.got is ... and trial.want is not ...:
            raise NotAnswered
        if trial.got is None and trial.want is not None:
            raise WrongAnswer("Your function returned None: does every way through it end with `return` and a value?", "none")
        with _quiet():
            _require_untouched(given, case, bounded)
            trial.kind, trial.problem = _problem_with(trial.got, trial.want, exercise.atol, bounded)
            if any(_problem_with(trial.got, other, exercise.atol, bounded) == ("", "") for other in others):
                trial.kind = trial.problem = ""
            if slopes and not trial.problem:
                trial.kind, trial.problem = derivative_problem(derivatives(trial.got, given, functions), slopes, exercise.atol)

    with captured_output() as trial.printed, uninitialized_memory_filled():
        try:
            bounded.run(examine, min(LIMIT_SECONDS, max(0.1, seconds_left)))
        except TimeLimitExceeded:
            if seconds_left < LIMIT_SECONDS:
                raise WrongAnswer(
                    f"Your function took more than {TOTAL_SECONDS:g} s for all cases: is it very slow?", "time"
                ) from None
            raise WrongAnswer(
                f"For {trial.call} your function was still running after {LIMIT_SECONDS:g} s: is there a loop that never ends?",
                "time",
            ) from None
        except LimitExceeded:
            amount = f"{bounded.growth / limits.GIB:g} GiB" if bounded.growth >= limits.GIB else f"{bounded.growth // 2**20} MiB"
            raise WrongAnswer(
                f"For {trial.call} your function took more than {amount} of memory: does something grow without end?",
                "memory",
            ) from None


def _result(function: Function, given: Case, call: str, bounded: Bounded) -> Any:
    """What the learner's function returns.

    Raises:
        NotAnswered: it raised NotImplementedError itself, as a stub does.
        WrongAnswer: it raised anything else.
    """
    try:
        return function(*given)
    except BaseException as error:
        if bounded.must_leave(error):
            raise
        if _raised_as_a_stub(error, function):
            raise NotAnswered from None
        left = " left with" if isinstance(error, SystemExit) else " raised"
        raise WrongAnswer(
            f"For {call} your function{left} {type(error).__name__}{_line_text(error, function)}{_error_text(error, bounded)}",
            "raised",
        ) from None


def _raised_as_a_stub(error: BaseException, function: Function) -> bool:
    """Whether the function's own frame, not something that it called, has `raise NotImplementedError`."""
    if not isinstance(error, NotImplementedError) or error.__traceback__ is None:
        return False
    last = list(traceback.walk_tb(error.__traceback__))[-1][0]
    entry = error.__traceback__
    while entry.tb_next:
        entry = entry.tb_next
    code = last.f_code
    return code is getattr(function, "__code__", None) and dis.opname[code.co_code[entry.tb_lasti]] == "RAISE_VARARGS"


def _error_text(error: BaseException, bounded: Bounded) -> str:
    """ ": the exception's text", cut; "." if it has none that can be shown."""
    try:
        text = str(error)
    except BaseException as another:
        if bounded.must_leave(another):
            raise
        text = ""
    if not text:
        return "."
    if len(text) > ERROR_CHARACTERS:
        return f": {text[:ERROR_CHARACTERS]}..."
    return f": {text}" if text.endswith((".", "!", "?")) else f": {text}."


def _line_text(error: BaseException, function: Function) -> str:
    """ " in line 3 of your function, `x = y`" for the deepest line of the learner's own function in a traceback."""
    if not inspect.isfunction(function):
        return ""
    entry, number = error.__traceback__, None
    while entry:
        if entry.tb_frame.f_code is function.__code__:
            number = entry.tb_lineno
        entry = entry.tb_next
    if number is None:
        return ""
    line = linecache.getline(function.__code__.co_filename, number).strip()
    line = line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}..."
    return f" in line {number - function.__code__.co_firstlineno + 1} of your function" + (f", `{line}`" if line else "")


def _require_untouched(given: Case, case: Case, bounded: Bounded) -> None:
    """Raise WrongAnswer if the learner's function changed its arguments."""
    try:
        untouched = all(values_equal(after, before, 0.0, 0.0) for after, before in zip(given, case, strict=True))
    except BaseException as error:
        if bounded.must_leave(error):
            raise
        untouched = False
    if not untouched:
        raise WrongAnswer(
            "Your result was computed by changing the input in place; work on a copy, because later cells use the input again.",
            "input",
        )


def _problem_with(got: Any, want: Any, atol: float, bounded: Bounded) -> tuple[str, str]:
    """What is wrong with a result: its kind, and the end of a sentence; twice "" if nothing is."""
    try:
        difference = first_difference(got, want, atol)
        return (difference.kind, comparison(got, want, difference, atol)) if difference else ("", "")
    except BaseException as error:
        if bounded.must_leave(error):
            raise
        return "type", f"expected {short_text(want)}; your result, {type_text(got)}, cannot be compared with it."


def _mistake_with(
    trials: list[_Trial], missed: int, functions: ExerciseFunctions, cases: list[Case], atol: float
) -> Function | None:
    """The first mistake that gives the learner's results on every case that the learner's function got through."""

    def gives_the_same(mistake: Function, number: int) -> bool:
        try:
            result = mistake(*copy.deepcopy(cases[number]))
            if number == missed and values_equal(result, trials[number].want, atol):
                return False
            return values_equal(trials[number].got, result, atol)
        except Exception:
            return False

    for mistake in functions.mistakes:
        if all(gives_the_same(mistake, number) for number in (missed, *range(len(trials)))):
            return mistake
    return None
