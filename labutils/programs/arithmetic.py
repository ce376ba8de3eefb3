"""Arithmetic by an allow-list over the syntax tree: what is not named here is refused before anything runs (lab 09)."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

from labutils.errors import LabError

MOST_CHARACTERS = 500
MOST_DEPTH = 50  # of the syntax tree
MOST_BITS = 4_000  # of a numerator or denominator: a result of about 1,200 digits
MOST_POWER = 1_000

_TWO: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_ONE: dict[type[ast.unaryop], Callable[[Fraction], Fraction]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


class RefusedProgram(LabError):
    """An expression that is not plain arithmetic, or that would take too much to compute."""


def evaluate(expression: str) -> Fraction:
    """The value of an expression of numbers, + - * / ** and brackets, exactly.

    Args:
        expression: such as "(36 + 28) / 16". Decimals are read as they are written: 0.1 is one tenth.

    Raises:
        RefusedProgram: anything else (names, calls, attributes, texts, truth values), a division by zero, a power above 1,000 or that is not
            a whole number, a text of more than 500 characters, or a number beyond 4,000 bits.

    The tree is walked and never compiled: a node whose type is not listed ends the walk. So the function can do arithmetic and nothing else.

    >>> evaluate("(2 - 3 / 10) / 5")
    Fraction(17, 50)
    """
    if not isinstance(expression, str):
        raise RefusedProgram(f"The expression must be a text, not {type(expression).__name__}.")
    if len(expression) > MOST_CHARACTERS:
        raise RefusedProgram(f"The expression has {len(expression):,} characters; at most {MOST_CHARACTERS} are read.")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RefusedProgram("This is not an expression: write numbers, + - * / ** and brackets.") from None
    return _value(tree.body, expression.strip(), MOST_DEPTH)


def _value(node: ast.expr, text: str, depth: int) -> Fraction:
    if depth == 0:
        raise RefusedProgram(f"The expression is nested more than {MOST_DEPTH} deep.")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        written = (ast.get_source_segment(text, node) or "").replace("_", "")
        if re.fullmatch(r"\d+(\.\d*)?|\.\d+", written):
            return _small(Fraction(written.rstrip(".")))
    elif isinstance(node, ast.BinOp):
        left, right = _value(node.left, text, depth - 1), _value(node.right, text, depth - 1)
        if isinstance(node.op, ast.Pow):
            return _power(left, right)
        if type(node.op) in _TWO:
            if isinstance(node.op, ast.Div) and right == 0:
                raise RefusedProgram("The expression divides by zero.")
            return _small(_TWO[type(node.op)](left, right))
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _ONE:
        return _ONE[type(node.op)](_value(node.operand, text, depth - 1))
    raise RefusedProgram(f"{type(node).__name__} is not arithmetic: only numbers, + - * / ** and brackets are allowed.")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    """base ** exponent, refused before it is computed where it would be large."""
    if exponent.denominator != 1 or abs(exponent) > MOST_POWER or (base == 0 and exponent < 0):
        raise RefusedProgram(f"A power must be a whole number of at most {MOST_POWER:,}.")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(exponent) > MOST_BITS:
        raise RefusedProgram(f"The power would have more than {MOST_BITS:,} bits.")
    return Fraction(base**exponent.numerator)


def _small(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise RefusedProgram(f"A number has more than {MOST_BITS:,} bits.")
    return value


def read_number(text: str) -> Fraction | None:
    """The last number of a text as a fraction, such as "17", "-2.5", "1,120" or "3/4"; None where there is none.

    >>> read_number("5 * 3 = 15, so it is 3/4.")
    Fraction(3, 4)
    """
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:\s*/\s*[1-9]\d*)?", text)
    if not found:
        return None
    top, _, bottom = found[-1].replace(",", "").replace(" ", "").partition("/")
    return Fraction(top) / (int(bottom) if bottom else 1)
