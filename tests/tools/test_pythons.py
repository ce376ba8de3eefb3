"""`make pythons` finds the interpreters of a machine and keeps each in a folder of its own."""

from __future__ import annotations

import os
import stat
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import pythons

THIS = "{}.{}".format(*sys.version_info[:2])

posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def stand_in(path: Path, version: str) -> Path:
    """A program that says it is a Python of a version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_this_python_is_found_first(tmp_path: Path) -> None:
    assert pythons.find(THIS, tmp_path) == sys.executable


@posix
def test_others_are_found_under_pyenv_or_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    on_path = stand_in(tmp_path / "bin" / "python3.99", "3.99")
    assert pythons.find("3.99", tmp_path / "pyenv") == str(on_path)
    kept = stand_in(tmp_path / "pyenv" / "versions" / "3.99.4" / "bin" / "python", "3.99")
    assert pythons.find("3.99", tmp_path / "pyenv") == str(kept)


@posix
def test_a_program_that_is_another_python_or_none_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    stand_in(tmp_path / "pyenv" / "versions" / "3.99.4" / "bin" / "python", "3.98")
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "python3.99"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert pythons.find("3.99", tmp_path / "pyenv") is None


def test_each_python_is_set_up_and_tested_in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(pythons.subprocess, "call", lambda command, env, **how: calls.append((command, env["LABS_VENV"])) or 0)
    for version in ("3.11", "3.13"):
        done = pythons.run(version, f"/somewhere/python{version}", "cpu")
        assert [(name, state) for name, state, _ in done] == [
            ("set-up", "passed"),
            ("quick", "passed"),
            ("labs 00 and 02", "passed"),
        ]
    assert {folder for _, folder in calls} == {str(pythons.PYTHONS / version) for version in ("3.11", "3.13")}
    setup, _, labs = (command for command, _ in calls[:3])
    assert setup == ["make", "PYTHON=/somewhere/python3.11", "TORCH=cpu", "setup"]
    assert [Path(word).name[:3] for word in labs if word.endswith(".ipynb")] == ["00_", "02_"]


def test_a_step_that_fails_ends_that_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons.subprocess, "call", lambda command, **how: int("quick" in command))
    assert [state for _, state, _ in pythons.run("3.12", "python3.12", "cpu")] == ["passed", "FAILED"]


@pytest.mark.parametrize(("reachable", "flavour"), [(True, "cpu"), (False, "cuda")])
def test_cuda_wheels_stand_in_where_pytorchs_index_cannot_be_reached(monkeypatch, reachable: bool, flavour: str) -> None:
    def urlopen(address: str, timeout: float) -> object:
        if not reachable:
            raise urllib.error.URLError("no route")
        return open(os.devnull)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    assert pythons.torch_flavour() == flavour
