"""JupyterLab on a learner's folder: started, its address told, stopped with Ctrl+C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from labutils.errors import LabError

RETRIES = 50  # ports that JupyterLab tries after the one that was asked for


def check_port(port: int) -> None:
    """Refuse what is no port.

    Raises:
        LabError: it is not in 1 to 65535.
    """
    if not 1 <= port <= 65535:
        raise LabError(f"{port} is not a port: give a number from 1 to 65535, as in `labs start --port 8888`.")


def has_display() -> bool:
    """Is there a screen on which a browser can open?"""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _runtime_folder() -> str:
    """Where the server writes down its address: Jupyter's own folder or, where that is read-only, a temporary one."""
    from jupyter_core.paths import jupyter_runtime_dir

    folder = jupyter_runtime_dir()
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return tempfile.mkdtemp(prefix="llm-labs-")


def _servers(runtime: str) -> dict[Path, tuple[int, int]]:
    """The files that servers have written in a folder, and what tells each from a later one of its name: inode and date."""
    found = {}
    for path in Path(runtime).glob("jpserver-*.json"):
        with suppress(OSError):  # gone by now
            status = path.stat()
            found[path] = status.st_ino, status.st_mtime_ns
    return found


def _server(runtime: str, token: str, before: dict[Path, tuple[int, int]]) -> dict[str, Any] | None:
    """What the server with this token says of itself, once it runs. Not found by process: on Windows a Python starts another.

    Args:
        runtime: the folder where servers write it down.
        token: the server's.
        before: the files that were there when it was started, which are of servers that have died. No dates are compared with the
            clock, which may be set meanwhile.
    """
    for path, identity in _servers(runtime).items():
        try:
            server = json.loads(path.read_text(encoding="utf-8"))
            if server.get("token") == token and before.get(path) != identity:
                return server
        except (OSError, ValueError):  # half written, or already gone
            continue
    return None


def command(folder: Path, page: str, port: int, browser: bool) -> list[str]:
    """The command that starts JupyterLab.

    Args:
        folder: the root of its file browser.
        page: the file to open, relative to it.
        port: the port to try first. JupyterLab itself goes on to others; to look for a free one here would be a race.
        browser: let it open a browser.
    """
    words = [sys.executable, "-m", "jupyterlab", f"--ServerApp.port={port}"]
    # Those others lie up to twice as far away as there are of them, and must exist.
    words += [f"--ServerApp.port_retries={max(0, min(RETRIES, (65535 - port) // 2 - 1))}", "--ServerApp.answer_yes=True"]
    words += ["--Application.log_level=ERROR", f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{quote(page)}"]
    if not browser:
        words.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        words.append("--allow-root")  # in a container; elsewhere do not run notebooks as root
    return words


def serve(folder: Path, page: str, port: int, browser: bool, say: Callable[[str], None]) -> int:
    """Run JupyterLab until it is stopped.

    Args:
        folder: the root of its file browser, an absolute path.
        page: the file to open, relative to it.
        port: the port to try first, 1 to 65535.
        browser: open a browser, if there is a display; else the address is told.
        say: shows a line to the person.

    Returns:
        Its exit status.

    Raises:
        LabError: it ended before it served anything.
    """
    browser = browser and has_display()
    token, runtime = os.environ.get("JUPYTER_TOKEN") or os.urandom(16).hex(), _runtime_folder()
    # The token goes by the environment: others on the machine can read a command line.
    variables = {**os.environ, "JUPYTER_TOKEN": token, "JUPYTER_RUNTIME_DIR": runtime}
    before = _servers(runtime)
    process = subprocess.Popen(command(folder, page, port, browser), cwd=folder, env=variables)
    try:
        while (server := _server(runtime, token, before)) is None:
            if process.poll() is not None:
                raise LabError("JupyterLab did not start: do what it says above, or try another port with `--port N`.")
            time.sleep(0.1)
        if server["port"] != port:
            say(f"Port {port} is in use (another JupyterLab, perhaps): using {server['port']} instead.")
        if not browser:
            say(f"Open this address in a browser: {server['url']}lab/tree/{quote(page)}?token={token}")
        say("Stop with Ctrl+C.")
        return process.wait()
    except KeyboardInterrupt:  # a terminal sends it to JupyterLab too, which then stops by itself
        say(f"Stopping; what you saved is in {folder}.")
        return _stop(process)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> int:
    """Wait a little for a process to end, then end it; its exit status."""
    for end in (lambda: None, process.terminate, process.kill):
        end()
        try:
            return process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    return process.wait()
