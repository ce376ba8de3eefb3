"""The sandbox: no network and a memory wall. Where the machine allows neither it must say so, and in CI it must fail.

The tests of a wall are skipped where the machine allows none, except in CI: there they fail.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from paths import TOOLS

SANDBOX = TOOLS / "sandbox.py"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox is made of Linux namespaces")

INTERFACES = "import socket; print([name for _, name in socket.if_nameindex()])"
LOOPBACK = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname()); print('loopback works')"
GREEDY = "data = bytearray(700 * 2**20); print('kept', len(data))"
OFF, LIMITED = "the network is off", "memory is limited to"
ON, UNLIMITED = "the network stays ON", "memory is NOT limited"


def run(code: str, memory: str = "4", **variables: str) -> subprocess.CompletedProcess:
    """A Python in the sandbox; a missing wall does not stop it, whatever this machine is."""
    command = [sys.executable, str(SANDBOX), "--memory-gib", memory, "--", sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CI": "", **variables})


@pytest.fixture(scope="module")
def walls() -> str:
    """What the sandbox says of this machine's walls."""
    return run("print('ran')").stdout


def need(wall: str, walls: str) -> None:
    """Skip where the machine does not allow a wall; in CI that is a failure."""
    if wall not in walls:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not here: {wall}")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch):
    """The script as a module, told to run a command that leaves a mark, on a machine that allows nothing."""
    spec = importlib.util.spec_from_file_location("sandbox_under_test", SANDBOX)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "network_prefix", lambda: [])
    monkeypatch.setattr(module, "limit_memory", lambda n_bytes: None)
    monkeypatch.setattr(sys, "argv", ["sandbox.py", "--", "true"])
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv(module.INSIDE, raising=False)
    monkeypatch.setattr(module.os, "environ", dict(os.environ))
    return module


def test_it_says_of_each_wall_whether_it_stands(walls: str) -> None:
    assert (OFF in walls) != (ON in walls)
    assert (LIMITED in walls) != (UNLIMITED in walls)
    assert "ran" in walls


def test_only_the_loopback_is_left(walls: str) -> None:
    need(OFF, walls)
    assert "['lo']" in run(INTERFACES).stdout


def test_the_loopback_works_for_kernels(walls: str) -> None:
    need(OFF, walls)
    assert "loopback works" in run(LOOPBACK).stdout


def test_a_process_beyond_the_wall_is_stopped_and_one_below_it_is_not(walls: str) -> None:
    need(LIMITED, walls)
    stopped, kept = run(GREEDY, memory="0.3"), run(GREEDY, memory="2")
    assert "kept" not in stopped.stdout and stopped.returncode != 0
    assert "kept" in kept.stdout and kept.returncode == 0


def test_the_commands_exit_status_comes_through() -> None:
    assert run("raise SystemExit(7)").returncode == 7


def test_a_machine_without_unshare_is_told_apart(tmp_path) -> None:
    done = run("print('ran')", PATH=str(tmp_path))
    assert ON in done.stdout and OFF not in done.stdout and "ran" in done.stdout
    failed = run("print('ran')", PATH=str(tmp_path), CI="true")
    assert failed.returncode != 0 and ON in failed.stderr and "ran" not in failed.stdout


@pytest.mark.parametrize("value", ["true", "1", "yes"])
@pytest.mark.parametrize(("inside", "sentence"), [(None, ON), ("open", UNLIMITED)])
def test_in_ci_a_missing_wall_stops_the_run(sandbox, monkeypatch, inside, sentence: str, value: str) -> None:
    ran = []
    monkeypatch.setattr(sandbox.subprocess, "call", lambda command: ran.append(command) or 0)
    sandbox.os.environ.update({"CI": value} | ({sandbox.INSIDE: inside} if inside else {}))
    with pytest.raises(SystemExit, match=sentence):
        sandbox.main()
    assert ran == []


@pytest.mark.parametrize("value", [None, "", "0", "false"])
@pytest.mark.parametrize(("inside", "sentence"), [(None, ON), ("open", UNLIMITED)])
def test_elsewhere_a_missing_wall_is_said(sandbox, monkeypatch, capsys, inside, sentence: str, value: str | None) -> None:
    ran = []
    monkeypatch.setattr(sandbox.subprocess, "call", lambda command: ran.append(command) or 0)
    sandbox.os.environ.update(({"CI": value} if value is not None else {}) | ({sandbox.INSIDE: inside} if inside else {}))
    assert sandbox.main() == 0
    assert sentence in capsys.readouterr().out and len(ran) == 1
