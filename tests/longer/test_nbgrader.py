"""`make test-nbgrader`: nbgrader itself, in an environment of its own, on four submissions of lab 00.

It takes some minutes: nbgrader is installed into build/nbgrader once, and each submission is executed.
"""

from __future__ import annotations

import copy
import csv
import os
import subprocess
import sys
import venv
from pathlib import Path

import editions
import export_nbgrader
import nbformat
import pytest
from paths import ROOT

from labutils.machine import settings

VERSION = "0.9.6"
MODELS = settings.home() / "models"  # read before any test has a home of its own
TOOLS = ROOT / "build" / "nbgrader"
LAB = "lab00"
NAME = "00_start_here.ipynb"


@pytest.fixture(scope="module")
def nbgrader() -> Path:
    """The command, installed once."""
    binary = TOOLS / "bin" / "nbgrader"
    if not binary.exists():
        venv.create(TOOLS, with_pip=True, clear=True)
        subprocess.run([TOOLS / "bin" / "python", "-m", "pip", "install", "-q", f"nbgrader=={VERSION}"], check=True)
    return binary


def cell(notebook: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    (found,) = [one for one in notebook.cells if one.metadata.get("nbgrader", {}).get("grade_id") == grade_id]
    return found


def submissions(release: nbformat.NotebookNode, source: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    """The four notebooks that are handed in."""
    found = {name: copy.deepcopy(release) for name in ("perfect", "empty", "wrong", "tampered")}
    answer = cell(release, "answer-0-1").source
    stub = "raise NotImplementedError  # your code instead"
    assert answer.count(stub) == 1
    cell(found["perfect"], "answer-0-1").source = cell(source, "answer-0-1").source
    for name in ("wrong", "tampered"):
        cell(found[name], "answer-0-1").source = answer.replace(stub, "return parameters * bytes_per_parameter / 2**30")
    cell(found["tampered"], "answer-0-1").source += "\n\n\ndef score(id, answer):\n    return answer, True\n\n\ncheck = score"
    test = cell(found["tampered"], "score-0-1")
    test.source, test.metadata["nbgrader"]["points"], test.metadata["nbgrader"]["locked"] = "assert True", 100, False
    return found


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, nbgrader: Path) -> Path:
    """A course folder in which four submissions were marked."""
    folder = tmp_path_factory.mktemp("course")
    source = export_nbgrader.assignment(next(path for path in editions.sources() if path.stem == NAME[:-6]))
    (folder / "source" / LAB).mkdir(parents=True)
    nbformat.write(source, folder / "source" / LAB / NAME)
    timeout = export_nbgrader.timeout(["00"]) * 3  # the machine may be busy
    config = export_nbgrader.CONFIG.format(factor=0, least=0, timeout=timeout)
    (folder / "nbgrader_config.py").write_text(config)
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(MODELS, target_is_directory=True)
    variables = {
        **os.environ,
        "PATH": f"{nbgrader.parent}{os.pathsep}{os.environ['PATH']}",  # it calls alembic by its bare name
        "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"),
        "LABS_HOME": str(home),
        "LABS_PROFILE": "smoke",
        **settings.THREADS,
    }

    def run(*words: str) -> None:
        done = subprocess.run([nbgrader, *words], cwd=folder, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]

    run("generate_assignment", LAB)
    release = nbformat.read(folder / "release" / LAB / NAME, as_version=4)
    for name, notebook in submissions(release, source).items():
        (folder / "submitted" / name / LAB).mkdir(parents=True)
        nbformat.write(notebook, folder / "submitted" / name / LAB / NAME)
    run("autograde", LAB)
    run("generate_feedback", LAB)
    run("export", "--to", "marks.csv")
    return folder


def test_the_release_holds_stubs_and_no_solution(course: Path) -> None:
    release = nbformat.read(course / "release" / LAB / NAME, as_version=4)
    answer = cell(release, "answer-0-1").source
    assert "NotImplementedError" in answer and "1e9" not in answer and "SOLUTION" not in answer
    assert answer.startswith("def ")


def test_the_marks(course: Path) -> None:
    with open(course / "marks.csv", newline="", encoding="utf-8") as file:
        marks = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in csv.DictReader(file)}
    assert marks == {"perfect": (1, 1), "empty": (0, 1), "wrong": (0, 1), "tampered": (0, 1)}


@pytest.mark.parametrize(
    ("name", "words"),
    [("perfect", "right on all cases"), ("empty", "Not answered yet"), ("wrong", "That is GiB"), ("tampered", "That is GiB")],
)
def test_the_feedback_says_what_the_judge_said(course: Path, name: str, words: str) -> None:
    page = (course / "feedback" / name / LAB / NAME.replace(".ipynb", ".html")).read_text(encoding="utf-8")
    assert words.lower() in page.lower()
    assert "assert True" not in page


def test_no_cell_but_the_test_of_an_answer_that_is_not_right_raises(course: Path) -> None:
    for name in ("perfect", "empty", "wrong"):
        graded = nbformat.read(course / "autograded" / name / LAB / NAME, as_version=4)
        raised = [
            one.metadata.get("nbgrader", {}).get("grade_id")
            for one in graded.cells
            if any(output.output_type == "error" for output in one.get("outputs", []))
        ]
        assert raised == ([] if name == "perfect" else ["score-0-1"]), name
