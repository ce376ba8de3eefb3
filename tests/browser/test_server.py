"""A server that ended fails the test that needs it, with the end of its log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from server import Lab, address_of


def ended(tmp_path: Path, code: str) -> Lab:
    """A server that ran this code and is gone."""
    log = tmp_path / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen([sys.executable, "-c", code], stdout=file, stderr=file)
    server.wait()
    return Lab("", tmp_path, server, log)


def test_the_log_of_a_server_that_ended_is_shown(tmp_path: Path) -> None:
    lab = ended(tmp_path, "print('Bad config encountered'); raise SystemExit(3)")
    with pytest.raises(pytest.fail.Exception, match="status 3") as failed:
        lab.require_alive()
    assert "Bad config encountered" in str(failed.value)


def test_a_server_that_runs_is_let_go_on(tmp_path: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    Lab("", tmp_path, server, tmp_path / "server.log").require_alive()
    server.communicate(b"\n")


@pytest.mark.parametrize("content", [None, "", "{", '{"port": 1}'])
def test_a_server_that_does_not_answer_yet_has_no_address(tmp_path: Path, content: str | None) -> None:
    lab = ended(tmp_path, "")
    if content is not None:
        (tmp_path / f"jpserver-{lab.server.pid}.json").write_text(content)
    assert address_of(lab.server, tmp_path) is None
