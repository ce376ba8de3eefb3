"""A space like SageMaker Studio's on this machine: a home on a small disk of its own, the image's Python, and no network.

Linux and root only. What is inside sees a user `sagemaker-user` with the home /home/sagemaker-user, a Python in /opt/conda, folders in
/mnt, an empty /tmp, and no network but the loopback, where the space serves a package mirror. Its commands run under a limit on
memory and cores. All this lives in namespaces: stopping the space ends every process in it and leaves only the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import CGROUP, network_prefix

from labutils.errors import LabError

USER, UID, GID = "sagemaker-user", 1000, 100
HOME = f"/home/{USER}"
PORT = 8099
PROGRAMS = ("unshare", "nsenter", "setpriv", "mount", "mkfs.ext4", "flock")

# The first process of a space: it arranges the disks, then serves the mirror. It has imported what it needs before /tmp is covered.
HOLDER = """
import functools, http.server, signal, subprocess, sys
sys.path.insert(0, sys.argv[1])
import sandbox
image, passwd, port, *folders = sys.argv[2:]
sandbox.raise_loopback()
assert sandbox.network_is_off()
def run(*words):
    subprocess.run(words, check=True)
run("mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", "/mnt")
run("mkdir", "/mnt/home")
run("mount", "-o", "loop", image, "/mnt/home")
for folder in folders:
    name, source = folder.split("=", 1)
    run("mkdir", "/mnt/" + name)
    run("mount", "--bind", source, "/mnt/" + name)
for covered, place, name in (("/home", "/home/sagemaker-user", "home"), ("/opt", "/opt/conda", "base")):
    run("mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", covered)
    run("mkdir", place)
    run("mount", "--bind", "/mnt/" + name, place)
run("mount", "--bind", passwd, "/etc/passwd")
run("mount", "--bind", "/mnt/tmp", "/tmp")
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), functools.partial(Quiet, directory="/mnt/mirror"))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # it inherits what its commands leave behind
print("ready", flush=True)
server.serve_forever()
"""


def require_machine() -> None:
    """Refuse a machine that cannot hold a space.

    Raises:
        LabError: it is not Linux, not root, or lacks a program or a right; the sentence says which.
    """
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise LabError("A space needs Linux and root: run it as root in a virtual machine or a container of yours.")
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        raise LabError(f"A space needs {', '.join(missing)}: install util-linux and e2fsprogs.")
    if not network_prefix() or not os.access(CGROUP, os.W_OK):
        raise LabError("A space needs network namespaces and control groups: run it where root has both.")


def make_disk(image: Path, n_bytes: int) -> None:
    """Make an empty ext4 disk in a file, whose root belongs to the user of a space."""
    image.unlink(missing_ok=True)
    with open(image, "wb") as file:
        file.truncate(n_bytes)
    subprocess.run(["mkfs.ext4", "-q", "-E", f"root_owner={UID}:{GID}", str(image)], check=True)


class _Limits:
    """A control group, version 1 or 2, with so many bytes of memory and cores."""

    def __init__(self, memory: int, cores: int) -> None:
        name, period = f"llm-labs-space-{os.getpid()}", 100_000
        v1 = (CGROUP / "memory").is_dir()
        self.memory = (CGROUP / "memory" if v1 else CGROUP) / name
        self.groups = [self.memory, CGROUP / "cpu" / name] if v1 else [self.memory]
        for group in self.groups:
            group.mkdir()
        if v1:
            (self.memory / "memory.limit_in_bytes").write_text(str(memory))
            (self.groups[1] / "cpu.cfs_quota_us").write_text(str(cores * period))
        else:
            (self.memory / "memory.max").write_text(str(memory))
            (self.memory / "cpu.max").write_text(f"{cores * period} {period}")

    def killed(self) -> int:
        """How many processes were killed for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                found = dict(line.split() for line in (self.memory / name).read_text().splitlines())
                return int(found.get("oom_kill", 0))
        return 0

    def remove(self) -> None:
        for group in self.groups:
            for _ in range(50):
                with suppress(OSError):
                    group.rmdir()
                if not group.exists():
                    break
                time.sleep(0.1)


@dataclass
class Space:
    """A space that runs from `with` to its end; started again on the same disk it finds its home as it was.

    Attributes:
        image: the disk, as `make_disk` makes it.
        folders: what to show in /mnt, by name; `base` is /opt/conda, `tmp` is /tmp and `mirror` is served.
        memory: bytes.
        cores: at most so many.
        killed: processes killed for want of memory, known when the space has stopped.
    """

    image: Path
    folders: dict[str, Path]
    memory: int = 4 * 2**30
    cores: int = 2
    killed: int = field(default=0, init=False)

    def __enter__(self) -> Space:
        tmp = self.folders["tmp"]
        shutil.rmtree(tmp, ignore_errors=True)
        tmp.mkdir(parents=True)
        tmp.chmod(0o1777)
        passwd = self.image.with_name("passwd")
        passwd.write_text(f"root:x:0:0:root:/root:/bin/sh\n{USER}:x:{UID}:{GID}::{HOME}:/bin/bash\n")
        passwd.chmod(0o644)
        self.limits = _Limits(self.memory, self.cores)
        alone = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        holder = [sys.executable, "-c", HOLDER, str(Path(__file__).parent), str(self.image), str(passwd), str(PORT)]
        self.holder = subprocess.Popen(
            [*alone, *holder, *(f"{name}={folder}" for name, folder in self.folders.items())],
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        )
        assert self.holder.stdout is not None
        if self.holder.stdout.readline().strip() != "ready":
            self.__exit__()
            raise LabError("The space did not start: the lines above say which step failed.")
        return self

    def __exit__(self, *error: object) -> None:
        self.holder.kill()
        self.holder.wait()
        self.killed += self.limits.killed()
        self.limits.remove()
        time.sleep(0.5)  # the disk is let go when the last process has ended

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the space as its user; its status and what it printed, on either stream."""
        pid = self.holder.pid
        inside = ["nsenter", f"--net=/proc/{pid}/ns/net", f"--mount=/proc/{pid}/ns/mnt", f"--pid=/proc/{pid}/ns/pid_for_children"]
        user = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups"]
        known = {
            "HOME": HOME,
            "USER": USER,
            "LANG": "C.UTF-8",
            "PATH": "/opt/conda/bin:/usr/local/bin:/usr/bin:/bin",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": f"http://127.0.0.1:{PORT}/simple",
            "SAGEMAKER_APP_TYPE": "JupyterLab",
            **variables,
        }
        env = ["env", "-i", *(f"{name}={value}" for name, value in known.items())]
        join = "".join(f"echo $$ > {group}/cgroup.procs && " for group in self.limits.groups) + 'exec "$@"'
        words = ["sh", "-c", join, "sh", *inside, *user, *env, "bash", "-c", f"cd {HOME} && {command}"]
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
