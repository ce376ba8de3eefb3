"""Is a person's own home as it was before the tests or the notebooks ran: contents, modes and dates?"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

State = dict[str, tuple[int, int, int]]


def state(folder: Path) -> State:
    """Mode, size and date of everything in a folder, and of the folder itself; empty where there is none."""
    found: State = {}
    for path in [folder, *folder.rglob("*")] if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # another program's, gone meanwhile
            status = path.lstat()
            found[str(path)] = status.st_mode, status.st_size, status.st_mtime_ns
    return found


def difference(folder: Path, before: State) -> str:
    """A sentence where a folder is not as it was, else ""."""
    after = state(folder)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return f"Not as before, or used by another program meanwhile: {', '.join(changed[:3])}{more}." if changed else ""


def is_failure() -> bool:
    """Whether what is only said elsewhere is a failure: in CI, where nobody else uses the home and nobody reads along."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")
