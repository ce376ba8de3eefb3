"""`check`: judge a learner's function, show the verdict, note it, and hand back what the cells below can rely on."""

from __future__ import annotations

import functools
import inspect
import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

from labutils.errors import CheckFailed
from labutils.exercises.hints import HINT_NAMES
from labutils.exercises.judging import judge
from labutils.exercises.progress_file import record_attempt, say_if_not_kept
from labutils.exercises.registry import Exercise, find_exercise, stub_and_solution
from labutils.exercises.verdicts import Verdict, show_verdict
from labutils.machine import settings
from labutils.machine.memory_guard import guard

HINT_AFTER_TRIES = 3

Function = Callable[..., Any]

_handed_back: list[Function] = []  # references that went to the cells below an exercise, and so are no learner's answers


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
    verdict = _judged_and_shown(exercise, function)
    if verdict.status == "wrong" and settings.strict():
        raise CheckFailed(f"{exercise.id}: {verdict.message}")
    return _handed_on(exercise, function, verdict)


def score(id: str, function: Any) -> tuple[Function, bool]:
    """What `check` does, for the cells that a grader runs: it never raises, and says whether the answer earns its points.

    Args:
        id: the exercise, such as "2.3".
        function: the learner's function.

    Returns:
        What the cells below can rely on, and whether the answer is the learner's own and right. An open stub is not.

    Raises:
        UnknownExercise: no exercise has this id.
    """
    exercise = find_exercise(id)
    verdict = _judged_and_shown(exercise, function)
    return _handed_on(exercise, function, verdict), verdict.status == "passed"


def _judged_and_shown(exercise: Exercise, function: Any) -> Verdict:
    """The verdict on an answer, which is shown and noted."""
    reference = exercise.functions().reference
    if _is_the_courses(function, reference):
        verdict = Verdict("open", f"this is the course's function, not yours: define {_stub_name(exercise)} in this cell.")
    else:
        with _guarded(exercise.id):
            verdict = judge(exercise, function)
    nudge = ""
    if verdict.status != "open":
        entry = record_attempt(exercise.id, passed=verdict.status == "passed", kind=verdict.kind)
        nudge = f'Stuck? Run hint("{exercise.id}") in a new cell.'
        if entry.tries >= HINT_AFTER_TRIES and not entry.passed:
            name = HINT_NAMES[min(entry.hints, len(HINT_NAMES) - 1)]
            nudge = f'That was try {entry.tries}: run hint("{exercise.id}") in a new cell for {name}.'
    show_verdict(exercise.id, exercise.title, verdict, nudge)
    if verdict.status != "open":
        say_if_not_kept()
    return verdict


def _handed_on(exercise: Exercise, function: Any, verdict: Verdict) -> Function:
    """The learner's function if it is right, else the reference, which is remembered as the course's own."""
    if verdict.status == "passed":
        return function
    reference = exercise.functions().reference
    if not any(reference is handed for handed in _handed_back):
        _handed_back.append(reference)
    return reference


def _is_the_courses(function: Any, reference: Function) -> bool:
    """Whether an answer is the reference, or another function of the course, and so no answer of the learner's."""
    while isinstance(function, functools.partial):
        function = function.func
    if function is reference or any(function is handed for handed in _handed_back):
        return True
    module = getattr(function, "__module__", None) if inspect.isroutine(function) or inspect.isclass(function) else None
    return isinstance(module, str) and module.split(".")[0] == "labutils"


def _stub_name(exercise: Exercise) -> str:
    """The name that the stub of an exercise defines."""
    try:
        found = re.findall(r"^def (\w+)", stub_and_solution(exercise.id)["stub"], re.MULTILINE)
    except (KeyError, OSError):
        found = []
    return found[-1] if found else exercise.functions().reference.__name__


@contextmanager
def _guarded(id: str) -> Iterator[None]:
    """Should the kernel die while an answer is judged, the next start names the check. Where that cannot be noted, say nothing."""
    with ExitStack() as stack:
        with redirect_stdout(io.StringIO()):
            stack.enter_context(guard(f"check {id}", 0))
        yield
