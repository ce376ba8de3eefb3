"""The JupyterLab behind the browser tests: where it listens, and what its log says if it ended."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

TOKEN = "browser-test"


@dataclass
class Lab:
    """A running JupyterLab: its address, the scratch home behind it, its process and its log."""

    address: str
    home: Path
    server: subprocess.Popen
    log: Path

    def require_alive(self) -> None:
        """Fail with the end of the server's log if the server has ended."""
        if self.server.poll() is not None:
            pytest.fail(f"JupyterLab ended with status {self.server.returncode}. {self.log_end()}")

    def log_end(self) -> str:
        """The last lines of the server's log."""
        return "Its log ends:\n" + "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:])


def address_of(server: subprocess.Popen, runtime: Path) -> str | None:
    """Where a server listens, once it answers; Jupyter writes the port that it took into its runtime folder."""
    try:
        told = json.loads((runtime / f"jpserver-{server.pid}.json").read_text(encoding="utf-8"))
        urllib.request.urlopen(f"http://127.0.0.1:{told['port']}/api/status?token={TOKEN}", timeout=2).close()
        return f"http://127.0.0.1:{told['port']}"
    except (OSError, ValueError):
        return None
