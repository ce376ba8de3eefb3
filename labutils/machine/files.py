"""Writing files so that nothing is lost: the one atomic write, and a line more at the end of a record."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from labutils.errors import LabError


def write_atomically(path: Path, text: str, durable: bool = True) -> None:
    """Write a file so that a crash leaves either the old text or the new, never half of one.

    Args:
        path: the file; its folder is made if need be.
        text: its whole content.
        durable: wait until the disk has it, so that it also outlives a power cut. False is quicker and outlives the process.

    Raises:
        LabError: the disk is full or the folder cannot be written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise LabError(
            f"{path} could not be written ({error.strerror}): free some disk space or set LABS_HOME to a folder of yours; "
            f"what was there is untouched."
        ) from error


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Append a row to a file of JSON lines. A last line that a killed writer left unfinished goes: it would spoil the new one.

    Args:
        path: the file; it and its folder are made if need be.
        row: JSON-like.

    Raises:
        OSError: the disk is full or the file cannot be written to; a half line stays, and the next call takes it away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        file.seek(0)
        before, _, last = file.read().rpartition(b"\n")
        try:
            json.loads(last or b"{}")
            end = b"\n" if last else b""  # a whole line that an editor left without its end
        except ValueError:
            file.truncate(len(before) + 1 if before else 0)
            end = b""
        file.write(end + json.dumps(row).encode() + b"\n")


def lines_of(path: Path) -> list[bytes]:
    """The lines of a record, none where there is no file. As bytes, since a damaged one may be no text."""
    return path.read_bytes().splitlines() if path.exists() else []


def json_files(folder: Path) -> list[Path]:
    """The JSON files of a folder, in order; none where it is missing, or another user's that may not be entered."""
    try:
        return sorted(folder / name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith("."))
    except OSError:
        return []
