"""Files and folders that are written under a temporary name beside their place, and what a kill leaves of them."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

import psutil


def temporary_beside(path: Path, kind: str = "partial") -> Path:
    """The temporary name of a file or folder: in the same folder, hidden, with this process's number."""
    return path.with_name(f".{path.name}.{os.getpid()}.{kind}")


def leftovers(path: Path, kind: str = "partial") -> list[Path]:
    """Temporary names of `path` that no living process uses; ask for them when this process is writing nothing there."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(\d{{1,9}})\.{kind}")
    try:
        found = [(entry, pattern.fullmatch(entry.name)) for entry in sorted(path.parent.iterdir())]
    except OSError:
        return []
    numbers = [(entry, int(match[1])) for entry, match in found if match]
    return [entry for entry, number in numbers if number == os.getpid() or not psutil.pid_exists(number)]


def remove_leftovers(path: Path, kind: str = "partial") -> None:
    """Delete what killed processes left behind while they wrote `path`; what cannot be deleted stays."""
    for entry in leftovers(path, kind):
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        with suppress(OSError):
            entry.unlink(missing_ok=True)
