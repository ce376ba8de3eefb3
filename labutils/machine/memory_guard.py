"""Does it fit? A heavy cell asks before it runs, and leaves a trace in case its kernel dies all the same."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from labutils.errors import NotEnoughMemory
from labutils.machine import limits, settings

SAMPLE_SECONDS = 0.2


def _folder() -> Path:
    return settings.home() / "running"


def largest_that_fits(settings: Mapping[str, float], free_gib: float) -> str | None:
    """The most demanding of the settings (name -> GiB) that needs no more than `free_gib`.

    >>> largest_that_fits({"batch=8": 2.0, "batch=4": 1.1}, 1.5)
    'batch=4'
    """
    fitting = [(need, name) for name, need in settings.items() if need <= free_gib]
    return max(fitting)[1] if fitting else None


def _advice(smaller: Mapping[str, float], free_gib: float) -> str:
    setting = largest_that_fits(smaller, free_gib)
    if setting:
        return f"{setting} needs about {smaller[setting]:.1f} GiB and would fit."
    return "No smaller setting fits either: shut down other kernels (Kernel > Shut Down All Kernels) and restart this one."


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
    the next `labutils.start` reads it (see `reports`).
    """
    smaller = dict(smaller or {})
    free = limits.gib(limits.memory_available())
    if need_gib > free:
        limit = limits.gib(limits.memory_limit())
        raise NotEnoughMemory(
            f"“{cell}” needs about {need_gib:.1f} GiB and {free:.1f} of {limit:.1f} GiB are free. {_advice(smaller, free)}"
        )
    process = psutil.Process()
    path = _folder() / f"{process.pid}-{threading.get_ident()}-{time.monotonic_ns()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    note = {"cell": cell, "pid": process.pid, "born": process.create_time(), "need_gib": need_gib, "smaller": smaller}
    done = threading.Event()

    def sample() -> None:
        note["rss_gib"] = limits.gib(process.memory_info().rss)
        note["free_gib"] = limits.gib(limits.memory_available())
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(note), encoding="utf-8")
        os.replace(temporary, path)

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            sample()

    note["start_gib"] = limits.gib(process.memory_info().rss)
    sample()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        path.unlink(missing_ok=True)


def _alive(note: dict) -> bool:
    try:
        return abs(psutil.Process(note["pid"]).create_time() - note["born"]) < 1.0
    except psutil.Error:
        return False


def reports() -> list[str]:
    """One sentence for each guarded cell whose kernel died inside it; each is reported once."""
    sentences = []
    for path in sorted(_folder().glob("*.json")):
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
        path.unlink(missing_ok=True)
    return sentences
