"""From one source to the editions of a lab, and what a good notebook must satisfy.

A source is a jupytext percent script. Cell tags say who sees a cell:
  exercise    the stub, learner only; the cell's metadata names it, exercise="2.3", and it ends in check("2.3", ...)
  solution    the worked answer in its place, solutions and instructor
  instructor  instructor only; tools/instructor.py adds cells of its own
  device      the output depends on the machine: run by nbval, not compared; the next code cell that is not so tagged asserts
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from instructor import with_boxes
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "labs" / "source"
FOLDERS = {"learner": ROOT / "labs", "solutions": ROOT / "labs" / "solutions", "instructor": ROOT / "build" / "instructor"}
HIDDEN = {"learner": {"solution", "instructor"}, "solutions": {"exercise", "instructor"}, "instructor": {"exercise"}}
WIDGET = "application/vnd.jupyter.widget-view+json"
IGNORE = "nbval-ignore-output"
COMPARED_SHARE = 0.5
CHECK = re.compile(r'\bcheck\("([^"]+)"')


def sources() -> list[Path]:
    """The sources of all labs, in order."""
    return sorted(SOURCE.glob("[0-9][0-9]_*.py"))


def target(source: Path, edition: str) -> Path:
    """Where an edition of a source is written."""
    return FOLDERS[edition] / f"{source.stem}.ipynb"


def tags(cell: NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells with any content."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def digest(notebook: NotebookNode) -> str:
    """The sha256 of all inputs: what must be equal for outputs to be fresh."""
    text = "\0".join(f"{cell.cell_type}\0{cell.source}" for cell in notebook.cells)
    return hashlib.sha256(text.encode()).hexdigest()


def make(source: Path, edition: str) -> NotebookNode:
    """One edition of a lab, not yet executed."""
    script = jupytext.read(source, fmt="py:percent")
    cells: list[NotebookNode] = []
    seen: dict[str, int] = {}
    shown = [cell for cell in script.cells if not tags(cell) & HIDDEN[edition]]
    if edition == "instructor":
        shown = with_boxes(shown, source.name[:2])
    for cell in shown:
        if "device" in tags(cell):
            cell.metadata["tags"] = [*cell.metadata["tags"], IGNORE]
        name = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        seen[name] = seen.get(name, -1) + 1
        cell["id"] = f"{name}-{seen[name]}"
        cells.append(cell)
    metadata = {
        "kernelspec": {"name": "llm-labs", "display_name": "LLM Labs", "language": "python"},
        "language_info": {"name": "python"},
    }
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    notebook.metadata["llm_labs"] = {"edition": edition, "source": source.name, "inputs": digest(notebook)}
    return notebook


@functools.cache
def answers() -> dict[str, dict[str, str]]:
    """The stub and the solution of every exercise, from the sources: what `hint` and `labs reset` show."""
    found: dict[str, dict[str, str]] = {}
    for source in sources():
        for cell in jupytext.read(source, fmt="py:percent").cells:
            if "exercise" in cell.metadata and cell.cell_type == "code":
                kind = "solution" if "solution" in tags(cell) else "stub"
                code = "\n".join(line for line in cell.source.splitlines() if not CHECK.search(line))
                found.setdefault(str(cell.metadata["exercise"]), {})[kind] = code.rstrip()
    return found


def answers_text() -> str:
    """The content of labutils/exercises/answers.json."""
    return json.dumps(answers(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def tidy(notebook: NotebookNode) -> None:
    """Remove from an executed notebook what belongs to one run: times, widget state, views of widgets that are gone."""
    notebook.metadata.pop("widgets", None)
    for cell in code_cells(notebook):
        cell.metadata.pop("execution", None)
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET, None)


def compared_share(notebook: NotebookNode) -> float:
    """The share of code cells whose output nbval compares."""
    cells = code_cells(notebook)
    return sum(IGNORE not in tags(cell) for cell in cells) / len(cells)


def _checked_ids(cell: NotebookNode) -> list[str]:
    return CHECK.findall(cell.source)


def complaints(notebook: NotebookNode, edition: str) -> Iterator[str]:
    """What is wrong with a built notebook, one sentence each; nothing for a good one.

    The learner's notebook holds no outputs; every other edition was executed once, quietly, from top to bottom.
    """
    cells = code_cells(notebook)
    if digest(notebook) != notebook.metadata.get("llm_labs", {}).get("inputs"):
        yield "the inputs were changed after the last build"
    yield from _blank_complaints(cells) if edition == "learner" else _execution_complaints(cells)
    for number, cell in enumerate(cells, 1):
        yield from (f"code cell {number}: {problem}" for problem in _cell_complaints(cell))
        if "device" in tags(cell):
            following = next((c for c in cells[number:] if "device" not in tags(c)), None)
            if "assert" not in cell.source and (following is None or not re.search(r"\bassert\b|\bcheck\(", following.source)):
                yield f"code cell {number} depends on the device, and no check asserts the property that matters"
    yield from _exercise_complaints(cells, edition)
    if compared_share(notebook) < COMPARED_SHARE:
        yield f"only {compared_share(notebook):.0%} of the code cells are compared; at least {COMPARED_SHARE:.0%} must be"


def _blank_complaints(cells: list[NotebookNode]) -> Iterator[str]:
    for number, cell in enumerate(cells, 1):
        if cell.outputs or cell.execution_count is not None:
            yield f"code cell {number} was executed: a learner's notebook holds no outputs"


def _execution_complaints(cells: list[NotebookNode]) -> Iterator[str]:
    counts = [cell.execution_count for cell in cells]
    if None in counts:
        yield f"code cell {counts.index(None) + 1} was never executed"
    elif counts != list(range(1, len(cells) + 1)):
        yield "the cells were not executed once each, from top to bottom"


def differences(learner: NotebookNode, solutions: NotebookNode) -> Iterator[str]:
    """Where the two editions differ although they should not, one sentence each.

    Outside of the answers both have the same cells in the same order: kind, source, id and metadata. An answer stands at the same
    place in both, a stub in the learner's notebook and the solution of the same exercise in the other.
    """

    def kept(notebook: NotebookNode, answer: str) -> list[Any]:
        cells: list[Any] = []
        for cell in notebook.cells:
            if answer in tags(cell):
                cells.append(("answer", str(cell.metadata.get("exercise"))))
            else:
                cells.append((cell.cell_type, cell.source, cell.id, cell.metadata))
        return cells

    ours, theirs = kept(learner, "exercise"), kept(solutions, "solution")
    if len(ours) != len(theirs):
        yield f"{len(ours)} cells in the learner's notebook, {len(theirs)} in the solutions"
    for number, (our, their) in enumerate(zip(ours, theirs, strict=False), 1):
        if our != their:
            yield f"cell {number}: {our[:2]!r} in the learner's notebook, {their[:2]!r} in the solutions"


def _cell_complaints(cell: NotebookNode) -> Iterator[str]:
    if cell.source.rstrip().endswith(";"):
        yield "ends in a semicolon, under which nbval still sees the value"
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "error":
            yield f"holds a stored error, {output.ename}"
        if output.get("name") == "stderr":
            yield f"holds output on stderr: {output.text[:60]!r}"
        if WIDGET in data:
            yield "holds a widget view that no reader can open"
        if "image/png" in data and not output.metadata.get("image/png", {}).get("alt"):
            yield "holds an image without alt text"
        for tag in re.findall(r"<img\b[^>]*>", "".join(data.get("text/html", ""))):
            if not re.search(r'\balt="[^"]+"', tag):
                yield "holds an image without alt text"


def _exercise_complaints(cells: list[NotebookNode], edition: str) -> Iterator[str]:
    kind = "exercise" if edition == "learner" else "solution"
    posed = [str(cell.metadata["exercise"]) for cell in cells if kind in tags(cell)]
    checked = [id for cell in cells for id in _checked_ids(cell)]
    for id in posed:
        if id not in checked:
            yield f"exercise {id} has no check"
    for id in checked:
        if id not in posed:
            yield f"check {id} has no exercise"
    if edition != "learner":
        return
    everything = "\n".join(cell.source for cell in cells)
    for id, answer in answers().items():
        body = [line.strip() for line in answer.get("solution", "").splitlines()]
        # The lines that make the answer: long enough to be no coincidence, and not in the stub.
        stub = answer.get("stub", "")
        telling = [line for line in body if len(line) > 25 and line not in stub and not line.startswith(("#", '"', "def "))]
        if any("solution" in tags(cell) and str(cell.metadata.get("exercise")) == id for cell in cells) or any(
            line in everything for line in telling
        ):
            yield f"the solution of exercise {id} leaks into the learner's notebook"


def style(notebook: NotebookNode) -> dict[str, float]:
    """Lines per code cell (median, 90th percentile), text cells per code cell that does more than ask a question, cells."""
    asking = sum(bool(re.fullmatch(r'(predict|quiz)\("[^"]+"\)', cell.source.strip())) for cell in code_cells(notebook))
    lines = sorted(len([line for line in cell.source.splitlines() if line.strip()]) for cell in code_cells(notebook))
    text = sum(cell.cell_type == "markdown" for cell in notebook.cells)
    return {
        "median_lines": statistics.median(lines),
        "p90_lines": lines[int(0.9 * (len(lines) - 1))],
        "text_per_code": text / (len(lines) - asking),
        "cells": len(notebook.cells),
    }
