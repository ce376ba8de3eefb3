"""A home that takes nothing: the disk is full or read-only, or it belongs to somebody else. A lab runs to its end all the same.

The disks and the other user are real, so Linux and root are needed; where they cannot be had the tests are skipped, except in CI.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT

NOBODY = 65534
LAB = r"""
import contextlib, io, json, os, sys, traceback
from pathlib import Path

import torch
from labutils import cli
from labutils.course import results, session
from labutils.exercises import check, hint, outcome, predict, progress, progress_file
from labutils.machine.memory_guard import guard
from labutils.tuning.catch_up import cached_result, folder, saved_bytes

top = Path(sys.argv[1])


def lab(home):
    # Every kind of side effect that a lab has, each after what it is there for.
    os.environ["LABS_HOME"] = str(home)
    session.start("02")
    predict("2.p1", 1)
    check("2.1", lambda logits, temperature=1.0: torch.softmax(logits / temperature, 0))
    hint("2.2")
    outcome("2.p1", 1)
    with guard("2.6 A heavy cell", 0.0):
        results.record("measured", 0.5)
    arm = cached_result(folder("05"), "lora", {"examples": 4}, lambda: {"loss": 1.5})
    assert results.read("02") == {"measured": 0.5} and arm == {"loss": 1.5}
    assert progress_file.load_progress().get("2.1").passed and progress_file.load_progress().get("2.2").hints >= 1
    progress("02")


def tried(home):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            lab(home)
        except BaseException:
            traceback.print_exc()
    return shown.getvalue()


def command(home, *words):
    # What `labs ...` prints, and how it ends.
    os.environ["LABS_HOME"], sys.argv, shown = str(home), ["labs", *map(str, words)], io.StringIO()
    cli.console.file = shown
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            cli.main()
        except SystemExit as left:
            print("" if left.code in (0, 1, None) else left.code)
        except BaseException:
            traceback.print_exc()
    return shown.getvalue()


def commands(home):
    return {" ".join(words[:1]): command(home, *words) for words in (["progress"], ["report"], ["fetch", "--from", top], ["reset", "2.1"])}


said = {name: tried(top / name) for name in ("good", "full", "read-only")}
typed = {name: commands(top / name) for name in ("good", "full", "read-only")}
os.remove(top / "full" / "filler")
said["free again"] = tried(top / "full")
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
os.environ["HOME"] = str(top)
said |= {name: tried(top / name) for name in ("another's", "another's, closed")}
typed |= {name: commands(top / name) for name in ("another's", "another's, closed")}
json.dump({"said": said, "typed": typed}, sys.stdout)
"""
# The walls are made in a mount namespace of their own, which goes with the process.
WALLS = """
set -e
mount -t tmpfs -o size=1m,mode=755 tmpfs "$1/full"
mkdir "$1/full/results" && cp "$1/progress.json" "$1/full/progress.json"
cat /dev/zero > "$1/full/filler" 2>/dev/null || true
mount --bind "$1/read-only" "$1/read-only" && mount -o remount,bind,ro "$1/read-only"
exec "$2" -c "$3" "$1"
"""
EARLIER = {"version": 1, "exercises": {"2.3": {"passed": True, "tries": 2, "hints": 0}}, "predictions": {}}
REFUSED = ("full", "read-only", "another's", "another's, closed")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="made of Linux mounts and users")


def listing(folder: Path) -> dict[str, tuple]:
    """What lies in a folder: content, mode, owner and date of every entry."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (
            status.st_mode, status.st_uid, status.st_mtime_ns, path.read_bytes() if path.is_file() else b"",
        )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def told() -> Iterator[dict[str, dict]]:
    """By home: what the lab said, what each command printed; and what lay in the homes of others before and after."""
    can = os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
    if not can:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("not here: root who may mount")
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)  # pytest's own folders cannot be entered by another user
        (top / "progress.json").write_text(json.dumps(EARLIER))
        for home in ("good", *REFUSED):
            (top / home).mkdir(mode=0o755)
            if home != "full":
                (top / home / "progress.json").write_text(json.dumps(EARLIER))
        (top / "another's, closed").chmod(0o700)
        before = {home: listing(top / home) for home in REFUSED[1:]}
        command = ["unshare", "--mount", "sh", "-c", WALLS, "walls", str(top), sys.executable, LAB]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "LABS_PROFILE": "smoke", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=name)
        assert done.returncode == 0, done.stderr[-3000:]
        yield {**json.loads(done.stdout), "before": before, "after": {home: listing(top / home) for home in REFUSED[1:]}}


FAULTS = {
    "full": "the home's disk is full", "read-only": "the home is read-only", "another's": "the home is another user's",
    "another's, closed": "the home is another user's and may not be entered",
}  # fmt: skip


@pytest.mark.parametrize("home", [pytest.param(home, marks=pytest.mark.fault(fault)) for home, fault in FAULTS.items()])
def test_a_lab_runs_to_its_end_and_says_what_is_not_kept(home: str, told, says) -> None:
    """Verdict, hint, prediction, guard, results and training: each shown first, then one sentence that names LABS_HOME."""
    shown = told["said"][home]
    assert "Traceback" not in shown, shown
    assert "passed, right on all cases" in shown and "Markdown object" in shown and "Right, as you said" in shown
    for words in (
        "Progress is not kept (",
        "What this lab measures is not kept for later: ",
        "is not kept for later: ",
        "will not say so: ",
    ):
        lines = [line for line in shown.splitlines() if words in line]
        assert lines, (words, shown)
        for line in lines:
            says(line, "LABS_HOME")
    measured = [line for line in shown.splitlines() if line.startswith("What this lab measures")]
    assert len(measured) == 1  # said once, not at every value


@pytest.mark.parametrize("home", [pytest.param(home, marks=pytest.mark.fault(fault)) for home, fault in FAULTS.items()])
def test_every_command_is_a_page_or_a_sentence(home: str, told, says) -> None:
    """`labs progress` and `labs report` show what can be read; `labs fetch` and `labs reset` say what to do."""
    typed = told["typed"][home]
    assert not any("Traceback" in shown for shown in typed.values()), typed
    assert "Softmax with a temperature" in typed["progress"] and typed["report"].strip()
    says(typed["fetch"].strip().splitlines()[-1], "labs: ", "LABS_HOME")
    says(typed["reset"].strip().splitlines()[-1], "labs: Progress is not kept (", "LABS_HOME")


def test_in_a_good_home_nothing_of_the_kind_is_said(told) -> None:
    shown = told["said"]["good"]
    assert "not kept" not in shown and "will not say so" not in shown and "Traceback" not in shown, shown
    assert "does not hold" in told["typed"]["good"]["fetch"] and "2.1 is open again" in told["typed"]["good"]["reset"]


@pytest.mark.fault("the home's disk is full, then has room again")
def test_what_a_full_disk_refused_is_written_when_there_is_room(told) -> None:
    """The same lab run again keeps everything, with what was passed before and meanwhile."""
    shown = told["said"]["free again"]
    assert "Traceback" not in shown and "not kept" not in shown, shown
    assert re.search(r"Lab 02: 2 of \d+ passed", shown), shown  # the one of now, and the one of before


@pytest.mark.parametrize("home", [pytest.param(home, marks=pytest.mark.fault(FAULTS[home])) for home in REFUSED[1:]])
def test_what_lies_there_is_not_touched(home: str, told) -> None:
    """Contents, modes, owners and dates are those of before."""
    assert told["before"][home] and told["after"][home] == told["before"][home]
