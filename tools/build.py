"""`make build`: labs/source to the learner notebooks, which hold no outputs, and to the solutions, executed.

A notebook that is in step with its source is left alone. One that a person has worked in is first kept under another name. Where text
alone has changed, the outputs stay and nothing is executed.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Annotated, Optional

import nbformat
import typer
from editions import ROOT, answers_text, code_cells, complaints, digest, make, sources, target, tidy
from nbclient.exceptions import CellExecutionError
from report import keep_budgets, machine_facts
from rich.console import Console
from running import budget_of, environment, execute, read, scratch_home

from labutils.content import kept_copy

console = Console()
ANSWERS = ROOT / "labutils" / "exercises" / "answers.json"


def fresh(source: Path, edition: str) -> bool:
    """Is the edition on disk in step with its source, inputs and metadata alike, and without complaint?"""
    path = target(source, edition)
    if not path.exists():
        return False
    have, want = read(path), make(source, edition)
    same = [(c.id, c.cell_type, c.source, c.metadata) for c in have.cells] == [
        (c.id, c.cell_type, c.source, c.metadata) for c in want.cells
    ]
    return same and have.metadata == want.metadata and not list(complaints(have, edition))


def keep_aside(path: Path) -> None:
    """If a person changed a notebook since its build, keep their copy beside it."""
    if not path.exists():
        return
    notebook = read(path)
    if digest(notebook) != notebook.metadata.get("llm_labs", {}).get("inputs"):
        aside = kept_copy(path)
        path.rename(aside)
        console.print(f"{path.name} had changes of yours: they are kept in {aside.name}.")


def run(notebook: nbformat.NotebookNode, path: Path) -> dict[str, float] | None:
    """Execute a notebook in place; its seconds and peak memory, or None, and said why, where a cell raised."""
    metadata = copy.deepcopy(notebook.metadata)  # running it adds the kernel's own
    with scratch_home() as home:
        try:
            done = execute(notebook, ROOT / "labs", environment(home, "standard"))
        except CellExecutionError as error:
            console.print(
                f"{path.relative_to(ROOT)} was not written: {error.ename}: {error.evalue}", style="red", highlight=False
            )
            console.print(str(error)[-3000:], markup=False, highlight=False)
            return None
    tidy(notebook)
    notebook.metadata = metadata
    return budget_of(done)


def carried(notebook: nbformat.NotebookNode, executed: Path) -> bool:
    """Take the outputs of a notebook that has been executed, if it has the same code cells in the same order; True if it did.

    For a solution whose text alone has changed, and for the instructor's edition, which adds text to the solution.
    """
    if not executed.exists():
        return False
    solved = read(executed)
    cells, have = code_cells(notebook), code_cells(solved)
    if [cell.id for cell in cells] != [cell.id for cell in have]:
        return False
    for cell, other in zip(cells, have, strict=True):
        cell.outputs, cell.execution_count = other.outputs, other.execution_count
    return True


def build(source: Path, edition: str, measured: dict[str, dict[str, float]], force: bool = False) -> bool:
    """Write one edition, executed where its code is new or `force` says so; True if it came out without complaint.

    What a solution took is added to `measured`.
    """
    path, solved = target(source, edition), target(source, "solutions")
    notebook = make(source, edition)
    took = "not executed"
    if edition == "instructor" and fresh(source, "solutions") and carried(notebook, solved):
        took = "with the outputs of the solutions"
    elif edition == "solutions" and not force and carried(notebook, solved):
        took = "text alone has changed, the outputs stay"
    elif edition != "learner":
        done = run(notebook, path)
        if done is None:
            return False
        took = f"{done['seconds']:.0f} s, {done['peak_rss_gib']:.2f} GiB"
        if edition == "solutions":
            measured[source.stem] = done
    keep_aside(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    problems = list(complaints(notebook, edition))
    console.print(f"{path.relative_to(ROOT)}: {took}")
    for problem in problems:
        console.print(f"  {problem}", style="red", highlight=False)
    return not problems


def main(
    labs: Annotated[Optional[list[str]], typer.Argument(help="Numbers of labs; all by default.")] = None,
    edition: Annotated[Optional[str], typer.Option(help="learner, solutions or instructor; the first two by default.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if anything is out of step.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Build and execute also what is in step.")] = False,
    save: Annotated[
        bool, typer.Option("--save", help="Keep the seconds and the memory of this run in labs/budgets.json: on a quiet machine.")
    ] = False,
) -> None:
    """Build the editions that are out of step with their source."""
    chosen = [s for s in sources() if not labs or s.name[:2] in labs]
    editions = [edition] if edition else ["learner", "solutions"]
    good, measured = True, dict[str, dict[str, float]]()
    if not ANSWERS.exists() or ANSWERS.read_text(encoding="utf-8") != answers_text():
        good = not check
        if check:
            console.print(f"{ANSWERS.relative_to(ROOT)} is out of step: run `make build`.")
        else:
            ANSWERS.write_text(answers_text(), encoding="utf-8")
    for source in chosen:
        for name in editions:
            if fresh(source, name) and not force:
                continue
            if check:
                console.print(f"{target(source, name).relative_to(ROOT)} is out of step: run `make build`.")
                good = False
            else:
                good = build(source, name, measured, force) and good
    if save and measured:
        keep_budgets(measured, machine_facts())
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    typer.run(main)
