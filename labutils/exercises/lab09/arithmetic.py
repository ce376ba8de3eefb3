"""Arithmetic that is read from the syntax tree, and not run."""

from __future__ import annotations

import ast
import math
import operator
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from labutils.exercises.registry import Cases, ExerciseFunctions

# --------------------------------------------------------------------- 9.8 arithmetic without eval

SIGNS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
REFUSED = "refused"


def _number(value: Any) -> bool:
    return type(value) in (int, float)


def _walk(
    expression: str,
    signs: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = SIGNS,
    minus: Callable[[ast.UnaryOp], bool] = lambda node: isinstance(node.op, ast.USub),
    constant: Callable[[Any], bool] = _number,
    other: Callable[[ast.expr], Any] | None = None,
) -> float | str:
    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and constant(node.value):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in signs:
            return signs[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and minus(node):
            return -value(node.operand)
        if other:
            return other(node)
        raise ValueError

    try:
        found = value(ast.parse(expression, mode="eval").body)
        return float(found)
    except (SyntaxError, ValueError, ZeroDivisionError, TypeError, AttributeError, OverflowError):
        return REFUSED


def compute(expression: str) -> float | str:
    return _walk(expression)


def compute_cases() -> Cases:
    return [
        ("(36 + 28) / 16",),
        ("2 + 3 * 4",),
        ("-3 * (2 - 0.5)",),
        ("7 / 2",),
        ("len('abc')",),
        ("[1, 2][0]",),
        ("2 ** 5",),
        ("1 / 0",),
        ("().__class__.__name__",),
        ("'3' * 2",),
        ("'abc'",),
        ("True + 1",),
        ("3 +",),
        ("7 // 2",),
        ("a + 1",),
        ("3 if 1 else 4",),
        ("8 - 3 - 2",),
        ("-(2 + 3)",),
        ("6 - -2",),
        ("7 % 2",),
        ("pi * 2",),
        ("~3",),
        ("3 < 4",),
        ("6 | 1",),
        ("2j * 2",),
        ("None",),
        ("",),
        ("1 / 3",),
        ("6 ^ 2",),
        ("1 << 3",),
        ("2 @ 3",),
        ("3, 4",),
        ("x = 3",),
        ("3; 4",),
        ("3 and 4",),
    ]


def random_compute(rng: random.Random, size: int) -> tuple[str]:
    def expression(depth: int) -> str:
        if depth == 0 or rng.random() < 0.2:
            return rng.choice(("", "", "", "-")) + str(rng.choice((rng.randint(1, 99), rng.randint(1, 99), 2.5)))
        text = f"{expression(depth - 1)} {rng.choice('+-*/')} {expression(depth - 1)}"
        return f"({text})" if rng.random() < 0.5 else text

    text = expression(min(3, size // 3))
    others = (
        "abs({})",
        "{} ** 2",
        "{} / 0",
        "({}",
        "{} % 3",
        "~({})",
        "[{}][0]",
        "{}, 1",
        "{} > 1",
        "x * {}",
        "{} and 2",
        "+{} +",
    )
    return (rng.choice((text, rng.choice(("{}", "-({})", *others)).format(text))),)


def _evaluated(expression: str, names: dict[str, Any] | None) -> float | str:
    if len(expression) > 300 or re.search(r"\*\*.*\*\*|import|open|exec|eval|lambda|while|for", expression):
        return REFUSED  # a mistake is tried on cases only, and still is not to do harm
    try:
        found = eval(expression, {"__builtins__": {"len": len, "abs": abs}} if names is None else names)
        return float(found) if isinstance(found, int | float) else found
    except Exception:
        return REFUSED


def evaluates_everything(expression: str) -> float | str:
    return _evaluated(expression, None)


def evaluates_without_names(expression: str) -> float | str:
    return _evaluated(expression, {"__builtins__": {}})


def computes_powers(expression: str) -> float | str:
    return _walk(expression, {**SIGNS, ast.Pow: lambda a, b: a**b if abs(b) < 10 else 0})


def divides_for_every_other_sign(expression: str) -> float | str:
    others = (ast.Pow, ast.FloorDiv, ast.Mod, ast.BitOr)
    return _walk(expression, {**SIGNS, **dict.fromkeys(others, operator.truediv)})


def computes_whole_quotients(expression: str) -> float | str:
    return _walk(expression, {**SIGNS, ast.FloorDiv: operator.floordiv})


def computes_remainders(expression: str) -> float | str:
    return _walk(expression, {**SIGNS, ast.Mod: operator.mod})


def no_minus_sign(expression: str) -> float | str:
    return _walk(expression, minus=lambda node: False)


def every_unary_sign_is_a_minus(expression: str) -> float | str:
    return _walk(expression, minus=lambda node: True)


def minus_before_numbers_only(expression: str) -> float | str:
    return _walk(expression, minus=lambda node: isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant))


def truth_values_are_numbers(expression: str) -> float | str:
    return _walk(expression, constant=lambda value: isinstance(value, int | float))


def texts_are_numbers(expression: str) -> float | str:
    return _walk(expression, constant=lambda value: True)


def names_are_looked_up(expression: str) -> float | str:
    return _walk(expression, other=lambda node: getattr(math, node.id))  # type: ignore[attr-defined]


def numbers_are_made_of_texts(expression: str) -> float | str:
    return _walk(expression, constant=lambda value: False, other=lambda node: float(node.value))  # type: ignore[attr-defined]


def whole_division(expression: str) -> float | str:
    return _walk(expression, {**SIGNS, ast.Div: operator.floordiv})


def infinite_for_division_by_zero(expression: str) -> float | str:
    return _walk(expression, {**SIGNS, ast.Div: lambda a, b: a / b if b else math.inf})


def left_to_right(expression: str) -> float | str:
    if _walk(expression) == REFUSED:
        return REFUSED
    parts = re.findall(r"[\d.]+|[-+*/]", expression)
    if parts[0] == "-":
        parts[:2] = ["-" + parts[1]]
    signs = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
    total = float(parts[0])
    for sign, number in zip(parts[1::2], parts[2::2], strict=False):
        total = signs[sign](total, float(number))
    return total


EXERCISES = {
    "9.8": ExerciseFunctions(
        compute,
        compute_cases,
        (
            evaluates_everything,
            evaluates_without_names,
            computes_powers,
            divides_for_every_other_sign,
            computes_whole_quotients,
            computes_remainders,
            no_minus_sign,
            every_unary_sign_is_a_minus,
            minus_before_numbers_only,
            truth_values_are_numbers,
            texts_are_numbers,
            names_are_looked_up,
            numbers_are_made_of_texts,
            whole_division,
            infinite_for_division_by_zero,
            left_to_right,
        ),
        random_compute,
    ),
}
