"""`make test-hub`: nbgitpuller itself on a small repository, and what it does to a notebook in which a learner has worked.

deploy/jupyterhub/README.md says it in words; each sentence there is one test here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import hub_play
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

NAME = "00_lab.ipynb"
PULL = "import sys; from nbgitpuller.pull import GitPuller; [print(x, end='') for x in GitPuller(sys.argv[1], sys.argv[2], branch='main').pull()]"
Cells = list[str]


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=folder, check=True, capture_output=True)


def write(path: Path, cells: Cells) -> None:
    notebook = new_notebook(cells=[new_markdown_cell("# A lab", id="title")])
    notebook.cells += [new_code_cell(source, id=f"cell-{n}") for n, source in enumerate(cells)]
    nbformat.write(notebook, path)


def sources(path: Path) -> Cells:
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def python() -> Path:
    return hub_play.tools()["python"]


@pytest.fixture
def course(tmp_path: Path) -> tuple[Path, Path, Callable[[Cells, str], None]]:
    """The course's repository, a learner's copy, and a function that releases a new version of the notebook."""
    ours, theirs = tmp_path / "course", tmp_path / "learner"
    ours.mkdir()
    git(ours, "init", "-q", "-b", "main")

    def release(cells: Cells, name: str = NAME) -> None:
        write(ours / name, cells)
        git(ours, "add", "-A")
        git(ours, "commit", "-q", "-m", "a release")

    release(["first = 1", "second = 2", "third = 3"])
    return ours, theirs, release


def pull(python: Path, ours: Path, theirs: Path) -> str:
    done = subprocess.run([python, "-c", PULL, ours.as_uri(), theirs], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_a_learner_did_not_touch_is_brought_up_to_date(python, course) -> None:
    ours, theirs, release = course
    pull(python, ours, theirs)
    release(["first = 1", "second = 22", "third = 3"])
    pull(python, ours, theirs)
    assert sources(theirs / NAME) == ["first = 1", "second = 22", "third = 3"]


def test_changes_in_different_cells_are_joined(python, course) -> None:
    ours, theirs, release = course
    pull(python, ours, theirs)
    write(theirs / NAME, ["first = 'mine'", "second = 2", "third = 3"])
    release(["first = 1", "second = 2", "third = 33"])
    pull(python, ours, theirs)
    assert sources(theirs / NAME) == ["first = 'mine'", "second = 2", "third = 33"]


def test_where_both_changed_a_cell_the_learners_stays_and_nothing_says_so(python, course) -> None:
    ours, theirs, release = course
    pull(python, ours, theirs)
    write(theirs / NAME, ["first = 'mine'", "second = 2", "third = 3"])
    release(["first = 'mended'", "second = 2", "third = 3"])
    said = pull(python, ours, theirs)
    assert sources(theirs / NAME)[0] == "first = 'mine'"
    assert "conflict" not in said.lower()


def test_a_deleted_notebook_comes_back(python, course) -> None:
    ours, theirs, _ = course
    pull(python, ours, theirs)
    (theirs / NAME).unlink()
    pull(python, ours, theirs)
    assert (theirs / NAME).exists()


def test_a_file_of_the_learners_own_is_renamed_where_a_new_one_has_its_name(python, course) -> None:
    ours, theirs, release = course
    pull(python, ours, theirs)
    write(theirs / "01_lab.ipynb", ["own = True"])
    release(["course = True"], "01_lab.ipynb")
    pull(python, ours, theirs)
    assert sources(theirs / "01_lab.ipynb") == ["course = True"]
    (kept,) = [path for path in theirs.glob("01_lab_*.ipynb")]
    assert sources(kept) == ["own = True"]
