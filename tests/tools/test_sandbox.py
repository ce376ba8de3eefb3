"""The sandbox: no network, a memory wall; where the machine allows neither, it must say so."""

from __future__ import annotations

import subprocess
import sys

import pytest
from paths import TOOLS

SANDBOX = TOOLS / "sandbox.py"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox is made of Linux namespaces")

INTERFACES = "import socket; print([name for _, name in socket.if_nameindex()])"
LOOPBACK = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname()); print('loopback works')"
GREEDY = "data = bytearray(700 * 2**20); print('kept', len(data))"


def run(code: str, memory: str = "4") -> subprocess.CompletedProcess:
    command = [sys.executable, str(SANDBOX), "--memory-gib", memory, "--", sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True)


def test_only_the_loopback_is_left_or_it_says_that_the_network_is_on():
    out = run(INTERFACES).stdout
    assert "['lo']" in out if "the network is off" in out else "stays ON" in out


def test_the_loopback_works_for_kernels():
    assert "loopback works" in run(LOOPBACK).stdout


def test_a_process_beyond_the_wall_is_stopped_or_it_says_that_there_is_no_wall():
    done = run(GREEDY, memory="0.3")
    if "NOT limited" in done.stdout:
        assert "kept" in done.stdout
    else:
        assert "kept" not in done.stdout and done.returncode != 0


def test_the_commands_exit_status_comes_through():
    assert run("raise SystemExit(7)").returncode == 7
