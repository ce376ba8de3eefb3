"""`make test-below`: every right answer that the tests know, in its notebook; the check accepts it, and the cells below it run.

An exercise has several right answers (tests/exercises/right_answers). Round k of a lab takes the k-th of each exercise, and the solution
where an exercise has fewer, and runs the notebook to its end at the smoke profile. Writes build/below.json, which `make proof` reads.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from editions import ROOT, code_cells, make, sources, tags
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from running import environment, execute, passed_exercises, scratch_home
from validate import keep

ANSWERS = ROOT / "tests" / "exercises" / "right_answers"


def answers(lab: str) -> dict[str, list[str]]:
    """The right answers of a lab by exercise, each the code of a function f; what they use stands in the file's SPACE."""
    file = ANSWERS / f"lab{lab}.py"
    texts: dict[str, str] = runpy.run_path(str(file))["ACCEPTED"] if file.exists() else {}
    return {id: [f"def f({code}".rstrip() for code in text.split("\ndef f(")[1:]] for id, text in texts.items()}


def typed(solution: str, answer: str, lab: str) -> str:
    """The cell of a solution with another answer in the place of the function, under the name that the cell checks."""
    (name, check), *_ = re.findall(r"^(\w+) = (check\(.*\))$", solution, re.MULTILINE)
    space = f'globals().update(__import__("runpy").run_path({str(ANSWERS / f"lab{lab}.py")!r})["SPACE"])'
    renamed = re.sub(r"\bf(?=\()", name, answer)
    return f"{space}\n\n\n{renamed}\n\n\n{name} = {check}"


def with_answers(source: Path, turn: int) -> tuple[NotebookNode, list[str]]:
    """The solutions of a lab with the answers of one round, and the exercises whose answer is not the solution."""
    lab, notebook, ids = source.name[:2], make(source, "solutions"), []
    known = answers(lab)
    for cell in code_cells(notebook):
        id = cell.metadata.get("exercise")
        if "solution" in tags(cell) and turn < len(known.get(id, [])):
            cell.source = typed(cell.source, known[id][turn], lab)
            ids.append(id)
    return notebook, ids


def run(source: Path, turn: int) -> tuple[int, str]:
    """One round: how many answers were tried, and the first cell that failed, or "" if all ran."""
    notebook, ids = with_answers(source, turn)
    with scratch_home() as home:
        try:
            execute(notebook, ROOT / "labs", environment(home, "smoke"))
        except CellExecutionError as error:
            return len(ids), f"{error.ename}: {error.evalue}"
        refused = sorted(set(ids) - passed_exercises(home))
    return len(ids), f"refused: {', '.join(refused)}" if refused else ""


def main(labs: Annotated[Optional[list[str]], typer.Argument(help="Numbers of labs; all by default.")] = None) -> None:
    """Run all rounds of the labs, and fail if a cell does."""
    tried = failed = 0
    for source in sources():
        lab = source.name[:2]
        if labs and lab not in labs:
            continue
        for turn in range(max(map(len, answers(lab).values()), default=0)):
            count, fault = run(source, turn)
            tried, failed = tried + count, failed + bool(fault)
            print(f"lab {lab}, round {turn + 1}: {count} answers, {fault or 'all cells ran'}", flush=True)
    if not labs:
        keep("below", {"answers": tried, "failed rounds": failed})
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
