"""Exercises made for the tests of the judge."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import torch

from labutils.exercises.judging import judge
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


def wrong(item: Exercise, function, *words: str) -> str:
    verdict = judge(item, function)
    assert verdict.status == "wrong", verdict
    assert [word for word in words if word not in verdict.message] == [], verdict.message
    return verdict.message


def drawn_case(rng, size: int) -> tuple[list[int]]:
    return ([rng.randint(-9, 9) for _ in range(size)],)


def with_random_cases(reference, *cases, **more) -> Exercise:
    item = exercise(reference, *cases, **more)
    functions = item.functions()
    functions = ExerciseFunctions(functions.reference, functions.cases, functions.mistakes, drawn_case)
    return dataclasses.replace(item, functions=lambda: functions)


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IPYTHONDIR": str(folder)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)
