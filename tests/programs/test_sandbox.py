"""A program in a process of its own meets its limits, and reaches nothing outside."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import tomllib
from pathlib import Path

import psutil
import pytest

from labutils.errors import LabError
from labutils.programs import Limits, RefusedProgram, evaluate, run_program, sandbox

ATTACKS = tomllib.loads((Path(__file__).parent / "adversarial.toml").read_text(encoding="utf-8"))["attack"]
SHORT = Limits(seconds=0.5, mebibytes=256)
SECRET = "the seal is green"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are those of POSIX")


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that puts a secret file and a victim into an attack's code, and the folder where they are."""
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "victim").write_text("still here")
    monkeypatch.setenv("LABS_SECRET", SECRET)
    return lambda code: code.replace("{secret}", str(tmp_path / "secret")).replace("{victim}", str(tmp_path / "victim"))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["name"])
def test_the_allow_list_refuses_every_attack_before_it_runs(attack: dict[str, str], filled) -> None:
    start = time.process_time()
    with pytest.raises(RefusedProgram):
        evaluate(filled(attack["code"]))
    assert time.process_time() - start < 1  # of CPU time, not of the clock


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["name"])
def test_the_process_survives_every_attack(attack: dict[str, str], filled, tmp_path: Path) -> None:
    limits = Limits(seconds=0.5, mebibytes=200 + os.getpid() % 100)  # a number that tells our children from others'
    outcome = run_program(filled(attack["code"]), limits)
    assert SECRET not in outcome.output + outcome.reason
    assert len(outcome.output) <= 10_000
    if "paths" in outcome.walls:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["secret", "victim"]
    if "processes" in outcome.walls:
        assert left_over(str(limits.mebibytes)) == []


def left_over(argument: str) -> list[int]:
    """Processes of a program that still run, by the last argument of their command line."""
    time.sleep(0.05)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-1:] == [argument] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def test_a_program_prints_its_answer() -> None:
    outcome = run_program("from fractions import Fraction\nprint(Fraction(1, 3) + Fraction(1, 6))")
    assert (outcome.ran, outcome.output, outcome.reason) == (True, "1/2\n", "")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("while True: print('x' * 1000)", "output"),
        ("this is no program", "SyntaxError"),
    ],
)
def test_why_a_program_did_not_run(code: str, reason: str) -> None:
    outcome = run_program(code)
    assert not outcome.ran and outcome.reason.startswith(reason)


def test_an_endless_loop_ends_in_time() -> None:
    outcome = run_program("while True: pass", SHORT)
    assert outcome.reason in ("time", "SIGXCPU", "SIGKILL")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux")
def test_memory_is_limited() -> None:
    outcome = run_program("x = bytearray(2 ** 30)", Limits(2, 128))
    assert outcome.reason.startswith("MemoryError") and "memory" in outcome.walls


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_SECRET", SECRET)
    assert SECRET not in run_program("import os; print(dict(os.environ))").output


def test_limits_must_be_above_zero() -> None:
    with pytest.raises(LabError, match="above 0"):
        run_program("1", Limits(0, 10))


def test_no_folder_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_program("import os; os.mkdir('left')")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["ends its parent", "reads a file", "an endless loop", "writes without end", "takes all memory"])
def test_without_namespaces_the_other_walls_stand(name: str, filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_CHILD", sandbox._CHILD.replace("alone = linux and", "alone = False and"))
    (attack,) = (attack for attack in ATTACKS if attack["name"] == name)
    outcome = run_program(filled(attack["code"]), SHORT)
    assert "network" not in outcome.walls and "files" in outcome.walls
    assert SECRET not in outcome.output and not outcome.ran
