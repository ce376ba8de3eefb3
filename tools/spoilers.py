"""What a learner must not read before a result: an assert that states it.

A learner reads a cell from its first line to its last, and guesses before the cell that measures. So an assert stands below what the
cell shows, and between a prediction and its outcome there is none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

SHOWS = re.compile(r"print|display|outcome|progress|show|show_\w+|explore_\w+|\w+_figure|\w+_table")
ASKED = re.compile(r'\bpredict\(\s*"([^"]+)"')
MEASURED = re.compile(r'\boutcome\(\s*"([^"]+)"')


def spoilers(sources: Sequence[str]) -> Iterator[str]:
    """The asserts that give a result away, one sentence each.

    Args:
        sources: the code cells of a notebook, in order.
    """
    open_predictions: list[str] = []
    for number, source in enumerate(sources, 1):
        body = ast.parse(source).body
        shown = [place for place, statement in enumerate(body) if _shows(statement)]
        for place, statement in enumerate(body):
            if isinstance(statement, ast.Assert) and shown and place < shown[-1]:
                yield f"code cell {number}: “{ast.unparse(statement)}” stands above what the cell shows"
        measured = MEASURED.findall(source)
        waiting = [id for id in open_predictions if id not in measured]
        if waiting:
            for statement in body:
                if isinstance(statement, ast.Assert) and _states_a_result(statement):
                    yield f"code cell {number}: “{ast.unparse(statement)}” stands between prediction {waiting[0]} and its outcome"
        open_predictions = [*waiting, *ASKED.findall(source)]


def _shows(statement: ast.stmt) -> bool:
    """Does a statement show something, itself or in its body? A definition shows nothing."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return False
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    names = (call.id if isinstance(call, ast.Name) else call.attr if isinstance(call, ast.Attribute) else "" for call in calls)
    return any(SHOWS.fullmatch(name) for name in names)


def _states_a_result(statement: ast.Assert) -> bool:
    """Does an assert compare a result with a number or a text that a learner could copy? Lengths and limits of 0 and 1 say nothing."""
    for node in ast.walk(statement.test):
        if isinstance(node, ast.Compare) and not any(
            isinstance(part, ast.Call) and _name(part) == "len" for part in ast.walk(node)
        ):
            literals = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            if any(isinstance(value, (int, float, str)) and value not in (0, 1, "") for value in literals):
                return True
    return False


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""
