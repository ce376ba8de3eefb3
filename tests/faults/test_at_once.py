"""Two labs at once in one home, and what a notebook that is run unattended leaves of a person's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from paths import ROOT
from running import environment, execute

LAB = """
import sys
from labutils.course import results
from labutils.exercises.progress_file import record_attempt, record_guess
from labutils.machine.memory_guard import guard, reports
from labutils.tuning.catch_up import cached_result, folder
lab = sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
results.begin(lab)
for number in range(15):
    with guard(f"{lab} a cell", 0.0):
        results.record(f"value {number}", number)
        record_attempt(f"{int(lab)}.{number + 1}", passed=True)
        record_guess(f"{int(lab)}.p1", number)
    cached_result(folder(lab), "arm", {"lab": lab}, lambda: {"number": number})
    assert reports() == []
"""


@pytest.mark.fault("two labs at once")
def test_two_labs_at_once_keep_what_both_did(home: Path) -> None:
    """Values, progress, guesses and trained arms of both are there, neither is called dead, and nothing half-written is left."""
    labs = [
        subprocess.Popen(
            [sys.executable, "-c", LAB, lab], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for lab in ("03", "05")
    ]
    assert [lab.stdout.readline() for lab in labs] == ["ready\n"] * 2
    for lab in labs:
        lab.stdin.write("go\n")
        lab.stdin.flush()
    assert [lab.communicate()[1] for lab in labs] == ["", ""] and [lab.returncode for lab in labs] == [0, 0]
    progress = json.loads((home / "progress.json").read_text())
    assert len(progress["exercises"]) == 30 and progress["predictions"].keys() == {"3.p1", "5.p1"}
    for lab in ("03", "05"):
        assert json.loads((home / "results" / f"{lab}.json").read_text()) == {f"value {number}": number for number in range(15)}
        assert json.loads((home / "trained" / lab / "arm.json").read_text())["result"] == {"number": 14}
    left = {path.name for path in home.rglob("*") if path.is_file()}
    assert left == {"progress.json", "progress.earlier", "progress.lock", "03.json", "05.json", "arm.json"}


CELLS = (
    "from labutils import check, hint, outcome, predict, progress, quiz, record, start\nlab = start('02')\npredict('2.p1', 1)",
    "import torch\ncheck('2.1', lambda logits, temperature=1.0: torch.softmax(logits / temperature, 0))\nhint('2.2')",
    "outcome('2.p1', 1)\nrecord('value', 1.5)\nprogress('02')",
)


def contents(folder: Path) -> dict[str, tuple]:
    """Content, mode and date of every entry, and of the folder itself."""
    entries = [folder, *sorted(folder.rglob("*"))]
    states = [(path, path.lstat()) for path in entries]
    return {str(path): (s.st_mode, s.st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path, s in states}


@pytest.mark.slow
@pytest.mark.fault("a notebook is run unattended, as the tests and `make report` do")
def test_a_person_s_own_folders_are_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents, modes and dates of their progress, their settings and their IPython history are those of before."""
    person = tmp_path / "person"
    for name, text in {
        ".cache/llm-labs/progress.json": "{}", ".cache/llm-labs/results/02.json": '{"mine": 1}', ".ipython/profile_default/history.sqlite": "",
        ".ipython/profile_default/startup/00-mine.py": "raise SystemExit", ".config/matplotlib/matplotlibrc": "", ".bashrc": "", ".jupyter/mine.py": "",
    }.items():  # fmt: skip
        (person / name).parent.mkdir(parents=True, exist_ok=True)
        (person / name).write_text(text)
    before = contents(person)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(person))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    variables = {**environment(scratch, "smoke"), "PYTHONPATH": str(ROOT)}
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    execute(nbformat.from_dict(notebook), tmp_path, variables)
    assert json.loads((scratch / "progress.json").read_text())["exercises"]["2.1"]["passed"] is True
    assert json.loads((scratch / "results" / "02.json").read_text()) == {"value": 1.5}
    assert contents(person) == before
