"""`make test-hub`: JupyterHub itself on this machine, and learners who log in and run a lab through it at the same time.

    python tools/hub_play.py                    1, 2, 4 and 8 learners in lab 00; about 15 minutes on two cores
    python tools/hub_play.py --learners 2 --lab 02

Each learner gets a server and a kernel in a control group of its own, with a limit on memory and a share of the cores, as the spawners of
a real hub set them. The models are one read-only folder that all map into memory. Printed and written to build/hub/results.json: seconds per
learner, memory per added learner (proportional set size: a page that n processes share counts 1/n in each), what the limits did, and
how long the same work takes under a CPU quota when the number of threads follows it and when it does not. Linux, as root.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat
import websocket
from editions import ROOT, sources, target

from labutils.course import assets
from labutils.machine import limits, settings

PLAY = ROOT / "build" / "hub"
HUB, PROXY = "jupyterhub==6.1.1", "configurable-http-proxy@5"
MEMORY_GIB = 3.2  # of one learner: what the course promises for a kernel, and the server beside it
CGROUP = Path("/sys/fs/cgroup")
ARMS = (
    (0, "as in the labs"),
    (2, "as in the labs"),
    (2, "active"),
    (16, "as in the labs"),
    (16, "active"),
)  # threads, and how OpenMP's wait for each other
CONFIG = """
import os
from pathlib import Path
from jupyterhub.spawner import SimpleLocalProcessSpawner

c = get_config()
GROUPS, MODELS, NOTEBOOK = {groups!r}, {models!r}, {notebook!r}

class LimitedSpawner(SimpleLocalProcessSpawner):
    def make_preexec_fn(self, name):
        places = [Path(group.format(name=name)) / "cgroup.procs" for group in GROUPS]
        def enter():
            for place in places:
                place.write_text(str(os.getpid()))
        return enter

def prepare(spawner):
    home = Path(spawner.home_dir_template.format(username=spawner.user.name))
    cache = home / ".cache" / "llm-labs"
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / "models").exists():
        (cache / "models").symlink_to(MODELS)
    work = home / "work"
    work.mkdir(exist_ok=True)
    (work / Path(NOTEBOOK).name).write_bytes(Path(NOTEBOOK).read_bytes())

c.JupyterHub.spawner_class = LimitedSpawner
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.command = [{node!r}, {proxy!r}]
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret_file = {secret!r}
c.LimitedSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.LimitedSpawner.pre_spawn_hook = prepare
c.LimitedSpawner.http_timeout = 300
c.LimitedSpawner.start_timeout = 300
c.LimitedSpawner.environment = {environment!r}
c.LimitedSpawner.cmd = [{singleuser!r}, "--allow-root"]
c.JupyterHub.services = [{{"name": "play", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [{{"name": "play", "services": ["play"], "scopes": ["admin:users", "admin:servers", "access:servers"]}}]
"""
# The same greedy decoding, with the threads that are asked for.
DECODE = """
import sys, time, torch
from labutils import load_model, machine
threads = int(sys.argv[1]) or machine.cores()
torch.set_num_threads(threads)
model, tokenizer = load_model()
inputs = tokenizer(["The old sailor looked at the sky and said"] * 4, return_tensors="pt")
with torch.inference_mode():
    model.generate(**inputs, max_new_tokens=2, do_sample=False)
    began = time.perf_counter()
    model.generate(**inputs, max_new_tokens=24, min_new_tokens=24, do_sample=False)
print(threads, time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Learner:
    """One learner's run: seconds until the server answered, seconds for all cells, cells that raised, and bytes of memory."""

    name: str
    spawn_seconds: float
    lab_seconds: float
    failed_cells: int
    pss: int


def group_folders(name: str) -> list[Path]:
    """The control groups of a learner: one of version 2, or one for memory and one for the CPU of version 1."""
    if (CGROUP / "cgroup.controllers").exists():
        return [CGROUP / f"llm-hub-{name}"]
    return [CGROUP / controller / f"llm-hub-{name}" for controller in ("memory", "cpu")]


@contextmanager
def group(name: str, memory_gib: float, cores: float) -> Iterator[list[Path]]:
    """Control groups with a limit on memory and a share of the cores, taken away at the end.

    Raises:
        SystemExit: this machine lets nobody make them.
    """
    folders = group_folders(name)
    try:
        for folder in folders:
            folder.mkdir(exist_ok=True)
        if len(folders) == 1:
            (folders[0] / "memory.max").write_text(str(int(memory_gib * 2**30)))
            (folders[0] / "cpu.max").write_text(f"{int(cores * 100_000)} 100000")
        else:
            (folders[0] / "memory.limit_in_bytes").write_text(str(int(memory_gib * 2**30)))
            (folders[1] / "cpu.cfs_period_us").write_text("100000")
            (folders[1] / "cpu.cfs_quota_us").write_text(str(int(cores * 100_000)))
    except OSError as error:
        sys.exit(f"hub: control groups with limits cannot be made here ({error}): run as root on Linux.")
    try:
        yield folders
    finally:
        for folder in folders:
            for _ in range(50):
                try:
                    folder.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)


def tools() -> dict[str, Path]:
    """JupyterHub and its proxy, installed once into build/hub."""
    home = PLAY / "env"
    if not (home / "bin" / "jupyterhub-singleuser").exists():
        print("hub: installing JupyterHub ...", flush=True)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "-q", HUB, "jupyterlab", "nbgitpuller"], check=True)
    proxy = PLAY / "node" / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    node = shutil.which("node")
    if not proxy.exists():
        npm = shutil.which("npm")
        if not npm or not node:
            sys.exit("hub: the proxy of JupyterHub needs node and npm: install them.")
        subprocess.run([npm, "install", "--silent", "--prefix", PLAY / "node", PROXY], check=True)
    assert node
    return {"python": home / "bin" / "python", "proxy": proxy, "node": Path(node)}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Hub:
    """JupyterHub, running, and its API.

    Args:
        notebook: what each learner finds in the folder `work`. The learners' control groups must exist.
    """

    def __init__(self, notebook: Path) -> None:
        found = tools()
        self.token, self.port = secrets.token_hex(16), free_port()
        self.homes = PLAY / "homes"
        shutil.rmtree(self.homes, ignore_errors=True)
        self.homes.mkdir(parents=True)
        environment = {
            "JUPYTER_PATH": str(Path(sys.prefix) / "share" / "jupyter"), "LABS_PROFILE": "small", "PYTHONPATH": "", "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        config = CONFIG.format(
            groups=[str(f).replace("llm-hub-x", "llm-hub-{name}") for f in group_folders("x")], models=str(assets.models_folder()),
            notebook=str(notebook), port=self.port, hub_port=free_port(), api_port=free_port(), node=str(found["node"]),
            proxy=str(found["proxy"]), secret=str(PLAY / "secret"), homes=str(self.homes), environment=environment,
            singleuser=str(found["python"].parent / "jupyterhub-singleuser"), token=self.token,
        )  # fmt: skip
        (PLAY / "jupyterhub_config.py").write_text(config, encoding="utf-8")
        self.log = (PLAY / "hub.log").open("w")
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("LABS_", "JUPYTER"))}
        variables["CONFIGPROXY_AUTH_TOKEN"] = secrets.token_hex(16)
        self.process = subprocess.Popen(
            [found["python"], "-m", "jupyterhub", "-f", PLAY / "jupyterhub_config.py"], cwd=PLAY, env=variables, stdout=self.log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.wait_until("the hub answers", lambda: self.call("GET", "/hub/api/")["version"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A request to the hub or, below /user/NAME/, to a learner's server; its JSON."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", None if body is None else json.dumps(body).encode(),
            {"Authorization": f"token {self.token}", "Content-Type": "application/json"}, method=method,
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def wait_until(self, what: str, ready: Any, seconds: float = 300) -> Any:
        """Ask again until something is there.

        Raises:
            SystemExit: it did not come, with the end of the hub's log.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                if found := ready():
                    return found
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.3)
        sys.exit(f"hub: waited in vain until {what}.\n{(PLAY / 'hub.log').read_text(errors='replace')[-3000:]}")

    def spawn(self, name: str) -> float:
        """A learner logs in and starts a server; seconds until it answers."""
        began = time.perf_counter()
        self.call("POST", f"/hub/api/users/{name}")
        self.call("POST", f"/hub/api/users/{name}/server")
        self.wait_until(
            f"the server of {name} is up", lambda: self.call("GET", f"/hub/api/users/{name}")["servers"].get("", {}).get("ready")
        )
        return time.perf_counter() - began

    def run_lab(self, name: str, notebook: Path) -> tuple[float, int, str]:
        """All cells of a lab in the learner's kernel, over the websocket that JupyterLab uses: seconds, cells that raised, kernel id."""
        session = {"path": f"work/{notebook.name}", "name": notebook.name, "type": "notebook", "kernel": {"name": "llm-labs"}}
        kernel = self.call("POST", f"/user/{name}/api/sessions", session)["kernel"]["id"]
        wire = websocket.create_connection(
            f"ws://127.0.0.1:{self.port}/user/{name}/api/kernels/{kernel}/channels", header=[f"Authorization: token {self.token}"], timeout=900
        )  # fmt: skip
        failed, began = 0, time.perf_counter()
        for cell in nbformat.read(notebook, 4).cells:
            if cell.cell_type == "code":
                failed += not execute(wire, cell.source)
        seconds = time.perf_counter() - began
        wire.close()
        return seconds, failed, kernel

    def stop(self) -> None:
        """End the servers and the hub."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def execute(wire: websocket.WebSocket, code: str) -> bool:
    """Run one cell and wait for its end; False if it raised."""
    id = secrets.token_hex(8)
    header = {"msg_id": id, "msg_type": "execute_request", "username": "", "session": id, "version": "5.3", "date": ""}
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": False,
    }
    wire.send(
        json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []})
    )
    good = True
    while True:
        message = json.loads(wire.recv())
        if message["parent_header"].get("msg_id") != id:
            continue
        if message["msg_type"] == "error":
            good = False
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return good


def proportional(folders: Sequence[Path]) -> int:
    """Bytes of all processes of a control group, each shared page divided by the number of processes that map it."""
    total = 0
    for pid in (folders[0] / "cgroup.procs").read_text().split():
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def play(count: int, notebook: Path, cores: float) -> dict[str, Any]:
    """So many learners at once; what each took, and the memory while all kernels were alive."""
    names = [f"learner{n}" for n in range(count)]
    with ThreadPoolExecutor(count) as pool, groups_of(names, cores) as groups:
        hub = Hub(notebook)
        try:
            spawned = list(pool.map(hub.spawn, names))
            ran = list(pool.map(lambda name: hub.run_lab(name, notebook), names))
            pss = [proportional(groups[name]) for name in names]
            killed = sum(oom_kills(groups[name]) for name in names)
        finally:
            hub.stop()
    learners = [Learner(n, s, r[0], r[1], p) for n, s, r, p in zip(names, spawned, ran, pss, strict=True)]
    return {
        "learners": count, "cores_each": cores, "spawn_seconds": max(spawned), "lab_seconds": statistics.fmean(r[0] for r in ran),
        "failed_cells": sum(r[1] for r in ran), "pss_gib": sum(pss) / 2**30, "pss_gib_each": sum(pss) / count / 2**30,
        "oom_kills": killed, "each": [asdict(x) for x in learners],
    }  # fmt: skip


@contextmanager
def groups_of(names: Sequence[str], cores: float) -> Iterator[dict[str, list[Path]]]:
    """The control groups of all learners."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(group(name, MEMORY_GIB, cores)) for name in names}


def oom_kills(folders: Sequence[Path]) -> int:
    """How many processes of a group the kernel killed for its memory limit."""
    for name in ("memory.events", "memory.oom_control"):
        file = folders[0] / name
        if file.exists():
            counts = dict(line.split() for line in file.read_text().splitlines())
            return int(counts.get("oom_kill", 0))
    return 0


def decoding_seconds(cores: float, threads: int, waiting: str) -> tuple[int, float]:
    """(threads, seconds) of one decoding in a control group with a quota; threads 0 are those that the course takes."""
    with group("quota", MEMORY_GIB, cores) as folders:

        def enter() -> None:
            for folder in folders:
                (folder / "cgroup.procs").write_text(str(os.getpid()))

        variables = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
        variables |= {"OMP_WAIT_POLICY": "ACTIVE"} if waiting == "active" else settings.THREADS
        done = subprocess.run(
            [sys.executable, "-c", DECODE, str(threads)], capture_output=True, text=True, check=True, preexec_fn=enter,
            env=variables,
        )  # fmt: skip
    used, seconds = done.stdout.split()[-2:]
    return int(used), float(seconds)


def quota(cores: float, arms: Sequence[tuple[int, str]], repeats: int = 3) -> list[dict[str, Any]]:
    """Seconds of the same decoding under a quota, for numbers of threads and ways of waiting, the arms in turn."""
    found: dict[tuple[int, str], list[tuple[int, float]]] = {arm: [] for arm in arms}
    for _ in range(repeats):
        for arm in arms:
            found[arm].append(decoding_seconds(cores, *arm))
    return [
        {
            "quota_cores": cores,
            "asked": asked,
            "threads": runs[0][0],
            "waiting": waiting,
            "seconds": [seconds for _, seconds in runs],
        }
        for (asked, waiting), runs in found.items()
    ]


def main() -> int:
    """Play, print, write; 1 if a cell raised or a kernel was killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--lab", default="00")
    parser.add_argument("--no-quota", action="store_true", help="leave out the measurement of threads under a quota")
    options = parser.parse_args()
    PLAY.mkdir(parents=True, exist_ok=True)
    (source,) = [source for source in sources() if source.name.startswith(options.lab)]
    notebook, machine = target(source, "learner"), limits.cores()
    rooms = []
    for count in options.learners:
        rooms.append(play(count, notebook, max(0.25, machine / count)))
        room = rooms[-1]
        print(
            f"{count} learners in lab {options.lab}, {room['cores_each']:g} cores each: server after {room['spawn_seconds']:.1f} s, lab "
            f"{room['lab_seconds']:.0f} s, memory {room['pss_gib']:.2f} GiB in all, {room['pss_gib_each']:.2f} each; cells that raised "
            f"{room['failed_cells']}, killed {room['oom_kills']}; load of the machine {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    threads = [] if options.no_quota else [row for cores in (0.5, 1) for row in quota(cores, ARMS)]
    for row in threads:
        who = "the course's own" if not row["asked"] else "forced"
        seconds = ", ".join(f"{value:.1f}" for value in sorted(row["seconds"]))
        print(
            f"quota {row['quota_cores']:g} cores: {row['threads']} threads, {row['waiting']} ({who}): {seconds} s",
            flush=True,
        )
    results = {"cores": machine, "lab": options.lab, "rooms": rooms, "quota": threads, "load": os.getloadavg()[0]}
    (PLAY / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 1 if any(room["failed_cells"] or room["oom_kills"] for room in rooms) else 0


if __name__ == "__main__":
    sys.exit(main())
