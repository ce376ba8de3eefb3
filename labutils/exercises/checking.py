"""`check`: run a learner's function, compare it with the reference, and name the likely mistake in the learner's own numbers."""

from __future__ import annotations

import _thread
import copy
import html
import inspect
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from labutils.errors import CheckFailed
from labutils.exercises import store
from labutils.exercises.registry import Exercise, find
from labutils.machine import settings

LIMIT_SECONDS = 10.0


@dataclass(frozen=True)
class Verdict:
    """What came of a check."""

    status: Literal["passed", "open", "wrong"]
    message: str


class _Wrong(Exception):
    """The answer is wrong; the message says how."""


class _Open(Exception):
    """The stub was not touched yet."""


class _Timeout(Exception):
    pass


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after some seconds, as the Interrupt button would. Works in the main thread on every platform."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lock, done, fired = threading.Lock(), threading.Event(), False

    def watch() -> None:
        nonlocal fired
        if not done.wait(seconds):
            with lock:
                if not done.is_set():
                    fired = True
                    _thread.interrupt_main()

    threading.Thread(target=watch, daemon=True).start()
    try:
        try:
            yield
        finally:
            with lock:
                done.set()
            if fired:
                time.sleep(0.05)  # lets an interrupt that is under way arrive here, not in a later cell
    except KeyboardInterrupt:
        if not fired:
            raise
        raise _Timeout from None


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "detach")


def brief(value: Any) -> str:
    """A value as a person wants to read it: rounded, short.

    >>> brief([1, 2])
    '[1, 2]'
    """
    if _is_tensor(value):
        flat = value.detach().cpu().flatten().tolist()
        items = [f"{x:.4g}" if isinstance(x, float) else str(x) for x in flat[:8]]
        inner = ", ".join(items) + (", ..." if len(flat) > 8 else "")
        return f"[{inner}]" if value.ndim == 1 else f"{inner} of shape {tuple(value.shape)}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple) and any(map(_is_tensor, value)):
        return f"({', '.join(map(brief, value))})"
    text = repr(value)
    return text if len(text) <= 90 else text[:87] + "..."


def _call_text(exercise: Exercise, case: tuple[Any, ...]) -> str:
    names = list(inspect.signature(exercise.reference).parameters)
    return ", ".join(f"{name}={brief(value)}" for name, value in zip(names, case, strict=False))


def _equal(got: Any, want: Any, atol: float) -> bool:
    import torch

    if _is_tensor(want):
        if not _is_tensor(got) or got.shape != want.shape:
            return False
        return bool(torch.allclose(got.detach().double(), want.double(), atol=atol, rtol=1e-4, equal_nan=True))
    if isinstance(want, float):
        return isinstance(got, (int, float)) and abs(got - want) <= atol + 1e-4 * abs(want)
    if type(got) is not type(want):
        return False
    if isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(_equal(g, w, atol) for g, w in zip(got, want, strict=True))
    if isinstance(want, dict):
        return got.keys() == want.keys() and all(_equal(got[key], want[key], atol) for key in want)
    return got == want


def _kind(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if _is_tensor(value) else f"a value of type {type(value).__name__}"


def _where(error: BaseException, function: Callable[..., Any]) -> str:
    """ "in line 3, `x = y`" for the deepest line of the learner's own function in a traceback."""
    file = inspect.getsourcefile(function) if inspect.isfunction(function) else None
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file and f.name == function.__name__]
    if not lines or not inspect.isfunction(function):
        return ""
    frame = lines[-1]
    number = (frame.lineno or 0) - function.__code__.co_firstlineno + 1
    return f" in line {number} of your function" + (f", `{frame.line}`" if frame.line else "")


def _run(exercise: Exercise, function: Callable[..., Any], case: tuple[Any, ...]) -> tuple[Any, Any]:
    """Call the learner's function on one case and insist on a usable value: (what came, what the reference gives)."""
    import torch

    given = copy.deepcopy(case)
    call = _call_text(exercise, case)
    try:
        with _time_limit(LIMIT_SECONDS):
            got = function(*given)
    except _Timeout:
        raise _Wrong(
            f"For {call} your function was still running after {LIMIT_SECONDS:g} s: is there a loop that never ends?"
        ) from None
    except NotImplementedError:
        raise _Open from None
    except Exception as error:
        raise _Wrong(f"For {call} your function raised {type(error).__name__}{_where(error, function)}: {error}") from error
    if got is ...:
        raise _Open
    if got is None:
        raise _Wrong("Your function returned None: does every way through it end with `return` and a value?")
    want = exercise.reference(*copy.deepcopy(case))
    if _is_tensor(want):
        if not _is_tensor(got):
            raise _Wrong(f"Your function returned {_kind(got)}; {_kind(want)} is expected.")
        if got.shape != want.shape:
            raise _Wrong(f"For {call} your result has the shape {tuple(got.shape)}; {tuple(want.shape)} is expected.")
        if torch.isnan(got).any() and not torch.isnan(want).any():
            raise _Wrong(
                f"For {call} your result holds NaN (not a number): {brief(got)}. Is there an inf - inf, 0 / 0 or inf * 0?"
            )
    elif isinstance(want, float):
        if isinstance(got, bool) or not isinstance(got, (int, float)):
            raise _Wrong(f"Your function returned {_kind(got)}; a number is expected (`.item()` makes one of a tensor).")
    elif type(got) is not type(want):
        raise _Wrong(f"Your function returned {_kind(got)}; {_kind(want)} is expected.")
    if not all(_equal(after, before, 0.0) for after, before in zip(given, case, strict=True)):
        raise _Wrong(
            "Your result was computed by changing the input in place; work on a copy, because later cells use the input again."
        )
    return got, want


def _agrees(exercise: Exercise, results: list[Any], mistake: Callable[..., Any]) -> bool:
    """Does a mistake give the learner's results, on every case that the learner's function got through?"""
    try:
        theirs = [mistake(*copy.deepcopy(case)) for case in exercise.cases[: len(results)]]
    except Exception:
        return False
    return all(_equal(got, mistaken, exercise.atol) for got, mistaken in zip(results, theirs, strict=True))


def judge(exercise: Exercise, function: Any) -> Verdict:
    """Judge an answer without showing or noting anything."""
    if not callable(function):
        return Verdict(
            "wrong", f"{brief(function)} is not a function: pass the function itself, without parentheses and arguments."
        )
    try:
        inspect.signature(function).bind(*exercise.cases[0])
    except (TypeError, ValueError):
        names = ", ".join(inspect.signature(exercise.reference).parameters)
        return Verdict(
            "wrong", f"Your function is called with ({names}) and does not take these arguments: keep the signature of the stub."
        )
    results: list[Any] = []
    missed = ""
    for case in exercise.cases:
        try:
            got, want = _run(exercise, function, case)
        except _Open:
            return Verdict("open", "not answered yet. The cells below use the reference for now.")
        except _Wrong as wrong:
            if not missed:
                return Verdict("wrong", str(wrong))
            break  # the numbers of an earlier, simpler case say more
        results.append(got)
        if not missed and not _equal(got, want, exercise.atol):
            missed = f"For {_call_text(exercise, case)} expected {brief(want)}, got {brief(got)}."
    if missed:
        named = next((m.message for m in exercise.mistakes if _agrees(exercise, results, m.function)), None)
        return Verdict("wrong", f"{missed} {named}" if named else missed)
    return Verdict("passed", f"right on all {len(exercise.cases)} cases.")


_LOOK = {"passed": ("#009E73", "passed"), "open": ("#E69F00", "open"), "wrong": ("#D55E00", "not yet")}


def show_verdict(id: str, title: str, verdict: Verdict, nudge: str = "") -> None:
    """Show a verdict, and after a wrong answer the nudge, as a card in a notebook and as a line elsewhere."""
    from IPython import get_ipython
    from IPython.display import display

    colour, word = _LOOK[verdict.status]
    nudge = f" {nudge}" if nudge and verdict.status == "wrong" else ""
    plain = f"{id} {title}: {word}, {verdict.message}{nudge}"
    card = (
        f'<div role="status" style="border-left: 5px solid {colour}; padding: 4px 12px; margin: 4px 0;">'
        f"<b>{html.escape(id)} {html.escape(title)}: {word}.</b> {html.escape(verdict.message[0].upper() + verdict.message[1:] + nudge)}</div>"
    )
    if get_ipython() is None:
        print(plain)
    else:
        display({"text/html": card, "text/plain": plain}, raw=True)


def check(id: str, function: Any) -> Callable[..., Any]:
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
    exercise = find(id)
    verdict = judge(exercise, function)
    if verdict.status != "open":
        store.note(exercise.id, passed=verdict.status == "passed")
    show_verdict(exercise.id, exercise.title, verdict, f'Stuck? Run hint("{exercise.id}") in a new cell.')
    if verdict.status == "wrong" and settings.strict():
        raise CheckFailed(f"{exercise.id}: {verdict.message}")
    return function if verdict.status == "passed" else exercise.reference
