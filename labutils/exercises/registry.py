"""What an exercise is, and where to find one by its id."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from labutils.errors import UnknownExercise

LABS = tuple(sorted(path.stem[3:] for path in Path(__file__).parent.glob("lab[0-9][0-9].py")))


@dataclass(frozen=True)
class Mistake:
    """A plausible wrong answer: what it computes, and what to tell the person whose numbers agree with it."""

    message: str
    function: Callable[..., Any]


@dataclass(frozen=True)
class Exercise:
    """A function that the learner writes, with everything needed to judge it.

    Attributes:
        id: lab and number, such as "2.3".
        title: a few words.
        reference: the correct function; the cells below use it when the answer is missing or wrong.
        cases: argument tuples to try, each a call of the function. The first should be readable by a person.
        mistakes: wrong answers that people really give. One whose results equal the learner's on every case is named.
        hints: a nudge, then a partial answer. The third hint is the solution, from the lab's source.
        atol: absolute tolerance for floating-point results.
    """

    id: str
    title: str
    reference: Callable[..., Any]
    cases: tuple[tuple[Any, ...], ...]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, str]
    atol: float = 1e-5


@dataclass(frozen=True)
class Quiz:
    """A question with one right option and, for each option, why it is right or wrong."""

    id: str
    question: str
    options: tuple[str, ...]
    right: int
    why: tuple[str, ...] = field(default=())


@cache
def _items() -> Mapping[str, Exercise | Quiz]:
    found: dict[str, Exercise | Quiz] = {}
    for lab in LABS:
        module = import_module(f"labutils.exercises.lab{lab}")
        for item in (*module.EXERCISES, *module.QUIZZES):
            if item.id in found:
                raise ValueError(f"two exercises are called {item.id}")
            found[item.id] = item
    return found


def exercises() -> list[Exercise]:
    """All exercises, in the order of the labs."""
    return [item for item in _items().values() if isinstance(item, Exercise)]


def quizzes() -> list[Quiz]:
    """All quizzes, in the order of the labs."""
    return [item for item in _items().values() if isinstance(item, Quiz)]


def _lookup(id: str, kind: type, known: list[str]) -> Any:
    item = _items().get(str(id))
    if not isinstance(item, kind):
        raise UnknownExercise(f"There is no {kind.__name__.lower()} {id!r}: choose one of {', '.join(known)}.")
    return item


def find(id: str) -> Exercise:
    """The exercise with this id.

    Raises:
        UnknownExercise: there is none; the sentence lists those there are.
    """
    return _lookup(id, Exercise, [item.id for item in exercises()])


def find_quiz(id: str) -> Quiz:
    """The quiz with this id.

    Raises:
        UnknownExercise: there is none; the sentence lists those there are.
    """
    return _lookup(id, Quiz, [item.id for item in quizzes()])


def answer(id: str) -> dict[str, str]:
    """The stub and the solution of an exercise as they stand in the lab's source: {"stub": code, "solution": code}.

    `make build` extracts them, so that the third hint is the very code that the tests run.
    """
    path = Path(__file__).with_name("answers.json")
    return json.loads(path.read_text(encoding="utf-8"))[find(id).id]
