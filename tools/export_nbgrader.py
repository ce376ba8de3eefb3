"""`tools/export_nbgrader.py NN OUT`: a lab as an assignment of nbgrader, which clears the solutions, collects, marks and gives feedback.

Each exercise becomes two cells: the answer, whose solution nbgrader removes, and a locked test worth one point. The test asks the
course's own judge, so it has nothing to hide. nbgrader itself is not needed here: what is written are its cell metadata
(schema 3, https://nbgrader.readthedocs.io/en/stable/contributor_guide/metadata.html) and a configuration.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Annotated, Any

import jupytext
import nbformat
import typer
from editions import CHECK, ROOT, make, sources, tags
from nbformat import NotebookNode

TIMEOUT_FACTOR = 3  # times the seconds of the whole lab, for one of its cells
LEAST_TIMEOUT = 120  # seconds
CONFIG = """\
# nbgrader_config.py: for the assignments that tools/export_nbgrader.py wrote beside it.
c = get_config()
c.CourseDirectory.course_id = "llm-labs"
c.ClearSolutions.code_stub = {{"python": "raise NotImplementedError  # your code instead"}}
# A cell's limit: {factor} times what the longest exported lab takes as a whole on two cores without a GPU, at least {least} s.
c.ExecutePreprocessor.timeout = {timeout}
c.ExecutePreprocessor.startup_timeout = 300
"""


def _metadata(name: str, **given: Any) -> dict[str, Any]:
    """nbgrader's metadata of a cell."""
    empty = {"grade": False, "locked": False, "schema_version": 3, "solution": False, "task": False}
    return {**empty, "grade_id": name, **given}


def answer_source(stub: str, solution: str) -> str:
    """The answer's cell: what stub and solution have in common, the stub's remarks, and the solution between nbgrader's marks.

    Args:
        stub, solution: the sources of the two cells, with or without their call of `check`.

    Raises:
        ValueError: they do not begin with the same `def` line.
    """
    ours, theirs = ([line for line in text.rstrip().splitlines() if not CHECK.search(line)] for text in (stub, solution))
    same = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
    head, rest = theirs[:same], theirs[same:]
    while rest and not rest[-1].strip():
        rest.pop()
    while rest and not rest[0].strip():  # a blank line has no indent to go by
        rest.pop(0)
    if not any(line.startswith("def ") for line in head) or not rest:
        raise ValueError("stub and solution must begin with the same `def`")
    remarks = [line for line in ours[same:] if line.lstrip().startswith("#")]
    indent = rest[0][: len(rest[0]) - len(rest[0].lstrip())]
    return "\n".join([*head, *remarks, f"{indent}### BEGIN SOLUTION", *rest, f"{indent}### END SOLUTION"])


def test_source(id: str, name: str) -> str:
    """The locked cell that earns the point; the cells below it go on with the course's function where the answer is not right."""
    return (
        f"# Exercise {id}: 1 point. This cell is locked.\n"
        "from labutils.exercises import score\n\n"
        f'{name}, passed = score("{id}", {name})\n'
        f'assert passed, "exercise {id} is not passed: its verdict says why"'
    )


def assignment(source: Path) -> NotebookNode:
    """A lab's notebook with nbgrader's metadata, solutions included: what `nbgrader generate_assignment` starts from."""
    script = jupytext.read(source, fmt="py:percent")
    stubs = {str(cell.metadata["exercise"]): cell.source for cell in script.cells if "exercise" in tags(cell)}
    notebook = make(source, "solutions")
    cells: list[NotebookNode] = []
    for cell in notebook.cells:
        if "solution" not in tags(cell):
            cells.append(cell)
            continue
        id = str(cell.metadata["exercise"])
        called = re.search(r'^(\w+) = check\("[^"]+", (\w+)\)', cell.source, re.MULTILINE)
        if called is None:
            raise ValueError(f"exercise {id}: the solution does not end in `name = check(...)`")
        mark = id.replace(".", "-")
        answer = nbformat.v4.new_code_cell(answer_source(stubs[id], cell.source), id=f"answer-{mark}")
        answer.metadata["nbgrader"] = _metadata(f"answer-{mark}", solution=True)
        test = nbformat.v4.new_code_cell(test_source(id, called[1]), id=f"score-{mark}")
        test.metadata["nbgrader"] = _metadata(f"score-{mark}", grade=True, locked=True, points=1)
        cells += [answer, test]
    notebook.cells = cells
    notebook.metadata.pop("llm_labs")  # it is no edition that `labs update` should look after
    return notebook


def timeout(labs: list[str]) -> int:
    """Seconds for one cell of any of some labs, from their measured budgets."""
    budgets = json.loads((ROOT / "labs" / "budgets.json").read_text(encoding="utf-8"))["labs"]
    seconds = [budget["seconds"] for name, budget in budgets.items() if name[:2] in labs]
    return max(LEAST_TIMEOUT, math.ceil(TIMEOUT_FACTOR * max(seconds, default=0)))


def main(
    lab: Annotated[str, typer.Argument(help="A lab's number, such as 02.")],
    out: Annotated[Path, typer.Argument(help="The folder of the nbgrader course.")],
) -> None:
    """Write OUT/source/labNN/NN_name.ipynb, and OUT/nbgrader_config.py if there is none that is yours."""
    number = lab.zfill(2)
    source = next((path for path in sources() if path.name[:2] == number), None)
    if source is None:
        raise typer.BadParameter(f"there is no lab {lab!r}: choose one of {', '.join(path.name[:2] for path in sources())}")
    target = out / "source" / f"lab{number}" / f"{source.stem}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    notebook = assignment(source)
    nbformat.write(notebook, target)
    points = sum(cell.metadata.get("nbgrader", {}).get("points", 0) for cell in notebook.cells)
    typer.echo(f"{target}: {points} points.")
    config = out / "nbgrader_config.py"
    if config.exists() and "tools/export_nbgrader.py" not in config.read_text(encoding="utf-8"):
        typer.echo(f"{config} is yours and stays; lab {number} needs c.ExecutePreprocessor.timeout = {timeout([number])}.")
        return
    exported = [path.name[3:] for path in (out / "source").glob("lab[0-9][0-9]")]
    config.write_text(CONFIG.format(factor=TIMEOUT_FACTOR, least=LEAST_TIMEOUT, timeout=timeout(exported)), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
