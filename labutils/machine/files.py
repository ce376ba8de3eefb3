"""Writing files so that nothing is lost: the one atomic write."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

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
