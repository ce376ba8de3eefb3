"""Does it fit? A heavy cell asks before it runs, and leaves a trace in case its kernel dies all the same."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from labutils.errors import LabError, NotEnoughMemory
from labutils.machine import limits, settings
from labutils.machine.files import json_files, write_atomically

SAMPLE_SECONDS = 0.2
WRITE_STEP = 2**25  # bytes that the resident set must grow by before the trace is written again: a home may lie on a network


def _folder() -> Path:
    return settings.home() / "running"


def largest_that_fits(needs: Mapping[str, float], available: float) -> str | None:
    """The most demanding of several settings (name -> need) that needs no more than is available, in the same unit.

    >>> largest_that_fits({"batch=8": 2.0, "batch=4": 1.1}, 1.5)
    'batch=4'
    """
    fitting = [name for name, need in needs.items() if need <= available]
    return max(fitting, key=lambda name: needs[name], default=None)


def _advice(smaller: Mapping[str, float], free_gib: float) -> str:
    setting = largest_that_fits(smaller, free_gib)
    if setting:
        return f"{setting} needs about {smaller[setting]:.1f} GiB and would fit."
    return "No smaller setting fits either: shut down other kernels (Kernel > Shut Down All Kernels) and restart this one."


class _Trace:
    """The small file that says, while a block runs, which block it is and how much memory its kernel holds."""

    def __init__(self, cell: str, need_gib: float, smaller: Mapping[str, float]) -> None:
        self.process = psutil.Process()
        self.path = _folder() / f"{self.process.pid}-{threading.get_ident()}-{time.monotonic_ns()}.json"
        self.written_rss = self.process.memory_info().rss
        self.content: dict[str, Any] = {
            "cell": cell,
            "pid": self.process.pid,
            "born": self.process.create_time(),
            "since_boot": self.process.create_time() - psutil.boot_time(),
            "need_gib": need_gib,
            "smaller": dict(smaller),
            "start_gib": limits.gib(self.written_rss),
        }
        self.write(self.written_rss)

    def write(self, rss: int) -> None:
        self.written_rss = rss  # before the attempt, so that a disk that refuses is not asked again until memory has grown again
        write_atomically(self.path, json.dumps({**self.content, "rss_gib": limits.gib(rss)}), durable=False)

    def watch(self, done: threading.Event) -> None:
        """Write again each time the resident set has grown by `WRITE_STEP`, until the block is done."""
        while not done.wait(SAMPLE_SECONDS):
            rss = self.process.memory_info().rss
            if rss >= self.written_rss + WRITE_STEP:
                with suppress(LabError):  # a disk that has filled up meanwhile is not this block's business
                    self.write(rss)


@contextmanager
def guard(cell: str, need_gib: float, smaller: Mapping[str, float] | None = None) -> Iterator[None]:
    """Run a block that needs memory, or say beforehand that it does not fit.

    Args:
        cell: what a person calls the cell, such as "2.6 Sixty-four completions at once".
        need_gib: memory the block needs on top of what is in use, in GiB (2**30 bytes), measured or predicted.
        smaller: other settings and what they need in GiB, to recommend the largest that fits.

    Raises:
        NotEnoughMemory: before the block runs; names what it needs, what there is and the setting that fits.

    While the block runs, its name and its memory stand in a small file; a kernel that the system kills cannot remove it, and
    the next `labutils.start` reads it (see `reports`). Where that file cannot be written, the block runs without it.
    """
    smaller = dict(smaller or {})
    free = limits.gib(limits.memory_available())
    if need_gib > free:
        limit = limits.gib(limits.memory_limit())
        raise NotEnoughMemory(
            f"“{cell}” needs about {need_gib:.1f} GiB and {free:.1f} of {limit:.1f} GiB are free. {_advice(smaller, free)}"
        )
    try:
        trace = _Trace(cell, need_gib, smaller)
    except LabError as error:
        print(f"Should the kernel die in this cell, the next start will not say so: {error}")
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=trace.watch, args=(done,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        with suppress(OSError):
            trace.path.unlink(missing_ok=True)


def _alive(note: dict) -> bool:
    """Does the process of a trace live? Its number may be another's by now, whose start is another."""
    try:
        born = psutil.Process(note["pid"]).create_time()
    except psutil.Error:
        return False
    # Where the clock was set meanwhile, Linux tells another time of the start, and the same time since the machine's own.
    return abs(born - note["born"]) < 1.0 or abs(born - psutil.boot_time() - note["since_boot"]) < 1.0


def reports() -> list[str]:
    """One sentence for each guarded cell whose kernel died inside it; each is reported once."""
    sentences = []
    for path in json_files(_folder()):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            if _alive(note):
                continue
            free = limits.gib(limits.memory_available())
            used = max(0.0, note["rss_gib"] - note["start_gib"])
            fitting = {name: need for name, need in note["smaller"].items() if need < max(note["need_gib"], used)}
            sentences.append(
                f"The kernel died last time inside “{note['cell']}”, when it held {note['rss_gib']:.1f} GiB "
                f"({used:.1f} GiB more than at the cell's start; {note['need_gib']:.1f} were expected). {_advice(fitting, free)}"
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # a damaged trace tells nothing
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return sentences
