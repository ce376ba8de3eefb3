"""Every exercise and quiz by its id: the texts stand in labNN.toml, the functions that judge an answer in labNN.py or labNN/.

The texts are read without the functions, so that progress, hints and quizzes need neither PyTorch nor a lab's module. An exercise's
functions are imported when an answer is first checked.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from labutils.errors import UnknownExercise

FOLDER = Path(__file__).parent
LABS = tuple(sorted(path.stem[3:] for path in FOLDER.glob("lab[0-9][0-9].toml")))
Cases = Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class ExerciseFunctions:
    """What judges an answer; a lab's module has one in its EXERCISES for each id.

    Attributes:
        reference: the correct function; the cells below use it when the answer is missing or wrong.
        cases: makes the argument tuples to try, each a call of the function. The first should be readable by a person.
        mistakes: wrong answers that people really give, in the order in which they are tried. The first whose results equal the
            learner's on every case is named, by the message that labNN.toml has for the function's name.
        random_case: draws an argument tuple of about a size from a seeded generator; 0 is the smallest that makes sense (empty,
            one element, a single row), and larger sizes give larger ones. Tried from small to large after the fixed cases, so
            that a wrong answer is shown on a small one.
        also_right: other results for a case's arguments that are as right as the reference's, where the task leaves a choice.
        differentiable: names of the reference's parameters, floating-point tensors, by which a later cell differentiates the result.
            The derivatives of an answer must be the reference's, too.
    """

    reference: Callable[..., Any]
    cases: Callable[[], Cases]
    mistakes: Sequence[Callable[..., Any]] = ()
    random_case: Callable[[random.Random, int], tuple[Any, ...]] | None = None
    also_right: Callable[..., Sequence[Any]] | None = None
    differentiable: Sequence[str] = ()


@dataclass(frozen=True)
class Exercise:
    """A function that the learner writes.

    Attributes:
        id: lab and number, such as "2.3".
        title: a few words.
        hints: a nudge, then a partial answer. The third hint is the solution, from the lab's source.
        functions: imports what judges an answer.
        mistakes: what to tell a learner whose results are those of a mistake, by the name of the mistake's function.
        atol: absolute tolerance for floating-point results.
    """

    id: str
    title: str
    hints: tuple[str, str]
    functions: Callable[[], ExerciseFunctions]
    mistakes: Mapping[str, str] = field(default_factory=dict)
    atol: float = 1e-5


@dataclass(frozen=True)
class Quiz:
    """A question with one right option and, for each option, why it is right or wrong. `right` counts from 0."""

    id: str
    question: str
    options: tuple[str, ...]
    right: int
    why: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """A question that a learner answers before a cell measures the answer; it holds no answer itself.

    Attributes:
        id: lab and number, such as "2.p1".
        kind: how it is answered: "number", "choice" (one of the options), "ranking" (all options in order) or "words".
        question: as the learner reads it.
        unit: of a number, such as "GB"; empty for a plain number.
        options: to choose from or to rank.
        tolerance: a number counts as close within this share of the measured one.
    """

    id: str
    kind: str
    question: str
    unit: str = ""
    options: tuple[str, ...] = ()
    tolerance: float = 0.25


def exercise_functions(id: str) -> ExerciseFunctions:
    """What judges answers to an exercise, such as "2.3", imported from its lab's module."""
    lab = id.split(".")[0].zfill(2)
    return import_module(f"labutils.exercises.lab{lab}").EXERCISES[id]


def _read_exercise(table: Mapping[str, Any]) -> Exercise:
    return Exercise(
        id=table["id"],
        title=table["title"],
        hints=(table["nudge"], table["partial"]),
        functions=partial(exercise_functions, table["id"]),
        mistakes=table["mistakes"],
        atol=table.get("tolerance", Exercise.atol),
    )


def _read_quiz(table: Mapping[str, Any]) -> Quiz:
    options = table["options"]
    (right,) = (number for number, option in enumerate(options) if option.get("right"))
    texts, reasons = (tuple(option[key] for option in options) for key in ("text", "why"))
    return Quiz(id=table["id"], question=table["question"], options=texts, right=right, why=reasons)


def _read_prediction(table: Mapping[str, Any]) -> Prediction:
    if (table["kind"] in ("choice", "ranking")) != bool(table.get("options")):
        raise ValueError(f"prediction {table['id']}: a choice or ranking has options, another kind has none")
    return Prediction(**{**table, "options": tuple(table.get("options", ()))})


@cache
def _catalogue() -> Mapping[str, Exercise | Quiz | Prediction]:
    """Everything that the labs ask, by id: of each lab the exercises, the quizzes, then the predictions."""
    found: dict[str, Exercise | Quiz | Prediction] = {}
    for lab in LABS:
        tables = tomllib.loads((FOLDER / f"lab{lab}.toml").read_text(encoding="utf-8"))
        items: list[Exercise | Quiz | Prediction] = [*map(_read_exercise, tables["exercise"]), *map(_read_quiz, tables["quiz"])]
        items += map(_read_prediction, tables.get("prediction", ()))
        for item in items:
            if item.id in found:
                raise ValueError(f"two exercises are called {item.id}")
            found[item.id] = item
    return found


def exercises() -> list[Exercise]:
    """All exercises, in the order of the labs."""
    return [item for item in _catalogue().values() if isinstance(item, Exercise)]


def quizzes() -> list[Quiz]:
    """All quizzes, in the order of the labs."""
    return [item for item in _catalogue().values() if isinstance(item, Quiz)]


def predictions() -> list[Prediction]:
    """All predictions, in the order of the labs."""
    return [item for item in _catalogue().values() if isinstance(item, Prediction)]


def known_ids() -> frozenset[str]:
    """The ids of all exercises, quizzes and predictions."""
    return frozenset(_catalogue())


def _lookup(id: str, kind: type, known: list[str]) -> Any:
    item = _catalogue().get(str(id))
    if not isinstance(item, kind):
        raise UnknownExercise(f"There is no {kind.__name__.lower()} {id!r}: choose one of {', '.join(known)}.")
    return item


def find_exercise(id: str) -> Exercise:
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


def find_prediction(id: str) -> Prediction:
    """The prediction with this id.

    Raises:
        UnknownExercise: there is none; the sentence lists those there are.
    """
    return _lookup(id, Prediction, [item.id for item in predictions()])


def stub_and_solution(id: str) -> dict[str, str]:
    """The stub and the solution of an exercise as they stand in the lab's source: {"stub": code, "solution": code}.

    `make build` extracts them, so that the third hint is the very code that the tests run.
    """
    return json.loads((FOLDER / "answers.json").read_text(encoding="utf-8"))[find_exercise(id).id]
