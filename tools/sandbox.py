"""Run a command without a network and within a memory limit. Where the machine does not allow a wall it is said, and in CI
(the environment variable CI is true) the command is not run.

Usage: python tools/sandbox.py --memory-gib 4 -- COMMAND ...
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from untouched import is_failure

INSIDE = "LLM_LABS_SANDBOX"
CGROUP = Path("/sys/fs/cgroup")


def network_prefix() -> list[str]:
    """The words that start a command in a network namespace of its own, or [] where that is not allowed."""
    if not sys.platform.startswith("linux") or not shutil.which("unshare"):
        return []
    for flags in (["--net"], ["--net", "--map-root-user"]):
        if subprocess.call(["unshare", *flags, "true"], stderr=subprocess.DEVNULL) == 0:
            return ["unshare", *flags]
    return []


def raise_loopback() -> None:
    """Bring up `lo` in a fresh network namespace: notebook kernels talk over it. Source: netdevice(7)."""
    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, get_flags, struct.pack("16sH14s", b"lo", 0, b""))
        flags = struct.unpack("16sH14s", request)[1]
        fcntl.ioctl(control, set_flags, struct.pack("16sH14s", b"lo", flags | up, b""))


def network_is_off() -> bool:
    """True if no interface but the loopback exists."""
    return [name for _, name in socket.if_nameindex() if name != "lo"] == []


def limit_memory(n_bytes: int) -> Path | None:
    """Move this process into a new memory cgroup (version 1 or 2) of that size; None where that is not allowed."""
    v1 = CGROUP / "memory"
    root, limit = (v1, "memory.limit_in_bytes") if v1.is_dir() else (CGROUP, "memory.max")
    group = root / f"llm-labs-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit).write_text(str(n_bytes))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        if group.is_dir():
            group.rmdir()
        return None
    return group


def missing(sentence: str) -> None:
    """Say that a wall is missing; in CI, where nobody would read it, stop.

    Raises:
        SystemExit: the environment variable CI is set to anything but 0 or false.
    """
    if is_failure():
        sys.exit(f"sandbox: {sentence} In CI that is a failure.")
    print(f"sandbox: {sentence}", flush=True)


def remove(group: Path) -> None:
    """Leave a cgroup and delete it."""
    (group.parent / "cgroup.procs").write_text(str(os.getpid()))
    group.rmdir()


def main() -> int:
    """Set the walls up, run the command inside, take them down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory-gib", type=float, default=4.0)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = [word for word in options.command if word != "--"]
    if INSIDE not in os.environ:
        prefix = network_prefix()
        if not prefix:
            missing("this machine allows no network namespace; the network stays ON for this run.")
        os.environ[INSIDE] = "net" if prefix else "open"
        return subprocess.call([*prefix, sys.executable, *sys.argv])
    if os.environ[INSIDE] == "net":
        raise_loopback()
        if not network_is_off():
            sys.exit("sandbox: the network namespace still has an interface.")
        print("sandbox: the network is off.", flush=True)
    group = limit_memory(int(options.memory_gib * 2**30))
    if group:
        print(f"sandbox: memory is limited to {options.memory_gib:g} GiB.", flush=True)
    else:
        missing("this machine allows no memory cgroup; memory is NOT limited for this run.")
    try:
        return subprocess.call(command)
    finally:
        if group:
            remove(group)


if __name__ == "__main__":
    sys.exit(main())
