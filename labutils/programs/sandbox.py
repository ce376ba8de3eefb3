"""A program in a process of its own, with limits on time, memory, files and environment (lab 09).

The child takes its limits itself, before the program's first line, and cannot raise them again. What stands on which system:

- everywhere: a time limit, an empty environment, an empty folder, Python without site packages;
- Linux and macOS: CPU seconds, no core file, no file or socket can be opened, nothing can be written to a file;
- Linux: a limit on memory;
- Linux where user namespaces are allowed: no network, no other process in sight, the empty folder as the root of all paths.

This is a teaching sandbox. A fault in the kernel or in Python is outside its walls, and so is what a program learns from timing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import IO

from labutils.errors import LabError

MOST_OUTPUT = 10_000  # bytes that are kept; a program that writes more is ended
START_SECONDS = 1.0  # what starting Python may take on top


@dataclass(frozen=True)
class Limits:
    """What a program may take.

    Attributes:
        seconds: of wall time; of CPU time as well, rounded up.
        mebibytes: of address space.
    """

    seconds: float = 2.0
    mebibytes: int = 256


@dataclass(frozen=True)
class Outcome:
    """What became of a program.

    Attributes:
        ran: it ended by itself without an exception.
        output: what it printed, at most 10,000 bytes.
        reason: "" or why it did not run: the exception, "time", "output" (it wrote too much), or a signal.
        walls: the limits that this machine could set, by name.
    """

    ran: bool
    output: str
    reason: str
    walls: tuple[str, ...]


# Runs in the child. `fractions` and `math` are imported before files are shut, so that a program may import them.
_CHILD = r"""
import sys
code, seconds, mebibytes = sys.stdin.read(), int(sys.argv[1]), int(sys.argv[2])
import fractions, math, os
try:
    import resource
except ImportError:
    resource = None
walls = ["time", "environment"]
linux = sys.platform.startswith("linux")
try:
    import ctypes
    libc = ctypes.CDLL(None)
    NEWUSER, NEWPID, NEWNET, NEWNS, NEWIPC = 0x10000000, 0x20000000, 0x40000000, 0x00020000, 0x08000000
    alone = linux and libc.unshare(NEWUSER | NEWPID | NEWNET | NEWNS | NEWIPC) == 0
except (ImportError, OSError, AttributeError, TypeError):
    libc, alone = None, False
if hasattr(os, "fork"):
    child = os.fork()  # the program's parent is this process and not the one that waits for it outside
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            os.kill(os.getpid(), -code)
        os._exit(code)
    if linux and libc:
        libc.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL: it does not outlive its parent
if alone:  # the first process of a new namespace: when it ends, all that it started end
    walls += ["network", "processes"]
    try:
        os.chroot(".")
        os.chdir("/")
        walls.append("paths")
    except OSError:
        pass
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capset(header, nothing)  # no capability is left, so the root stays where it is
LIMITS = {"CPU": (seconds, "cpu"), "CORE": (0, ""), "FSIZE": (0, ""), "AS": (mebibytes * 2**20, "memory"), "NOFILE": (0, "files")}
for name, (value, wall) in LIMITS.items() if resource else ():
    try:
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
        walls.append(wall)
    except (AttributeError, ValueError, OSError):
        pass
sys.stderr.write("\0" + " ".join(filter(None, walls)) + "\0")
sys.stderr.flush()
try:
    exec(compile(code, "program", "exec"), {"__name__": "__main__"})
except BaseException as error:
    if isinstance(error, SystemExit) and not error.code:
        sys.exit(0)
    sys.stdout.flush()
    sys.stderr.write("\1" + type(error).__name__ + ": " + str(error)[:200])
    sys.stderr.flush()
    os._exit(1)
"""


def run_program(code: str, limits: Limits | None = None) -> Outcome:
    """Run Python code in a process of its own, within limits; what it prints is its answer.

    Args:
        code: the program.
        limits: what it may take; 2 seconds and 256 MiB by default.

    Raises:
        LabError: the limits are not above 0.

    Source of the limits: setrlimit(2), unshare(2), chroot(2), prctl(2).

    Example: `run_program("print(6 * 7)").output` is "42\\n"; `run_program("while True: pass").reason` is "time" (or SIGXCPU).
    """
    limits = limits or Limits()
    if limits.seconds <= 0 or limits.mebibytes <= 0:
        raise LabError("A program needs a limit above 0 on its seconds and its memory.")
    command = [sys.executable, "-I", "-S", "-c", _CHILD, str(int(limits.seconds) + 1), str(limits.mebibytes)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = _start(command, folder)
        stdout, stderr = _Reader(process, process.stdout), _Reader(process, process.stderr)
        reason = ""
        try:
            _give(process, code)
            process.wait(limits.seconds + START_SECONDS)
        except subprocess.TimeoutExpired:
            reason = "time"
        _end(process)
        process.wait()
        output, text = stdout.text(), stderr.text()
    walls = tuple(text.split("\0")[1].split()) if text.count("\0") >= 2 else ()
    if stdout.flooded or stderr.flooded:
        reason = "output"
    elif not reason and process.returncode < 0:
        reason = signal.Signals(-process.returncode).name
    elif not reason and process.returncode:
        reason = text.rpartition("\1")[2].strip() or f"exit code {process.returncode}"
    return Outcome(not reason, output, reason, walls)


class _Reader(threading.Thread):
    """Reads a stream to its end, keeps the beginning, and ends a program that floods it."""

    def __init__(self, process: subprocess.Popen[bytes], stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)  # a grandchild that holds the stream open does not keep us
        self.process, self.stream, self.kept, self.flooded = process, stream, bytearray(), False
        self.start()

    def run(self) -> None:
        while self.stream and (chunk := os.read(self.stream.fileno(), 65_536)):
            self.kept += chunk[: MOST_OUTPUT - len(self.kept)]
            if len(self.kept) == MOST_OUTPUT:
                self.flooded = True
                _end(self.process)
                return

    def text(self) -> str:
        self.join(1)
        return bytes(self.kept).decode("utf-8", "replace")


def _start(command: list[str], folder: str) -> subprocess.Popen[bytes]:
    pipe, posix = subprocess.PIPE, os.name == "posix"
    environment = {} if posix else {"SYSTEMROOT": os.environ.get("SYSTEMROOT", "")}  # without it Python does not start on Windows
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder, env=environment, start_new_session=posix, close_fds=True
    )


def _give(process: subprocess.Popen[bytes], code: str) -> None:
    """Hand over the code; a child that has died already does not read it."""
    if process.stdin:
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(code.encode("utf-8", "surrogatepass"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and everything in its group."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
