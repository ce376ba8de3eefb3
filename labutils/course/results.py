"""What a lab measured, kept where `labs report`, `make report` and the tests read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labutils.errors import LabError
from labutils.machine import settings
from labutils.machine.files import write_atomically

_lab: str | None = None
# By file: what this kernel could not write there. It lasts as long as the kernel, and is written as soon as the disk takes it.
_unwritten: dict[Path, dict[str, Any]] = {}


def _path(lab: str) -> Path:
    return settings.home() / "results" / f"{lab}.json"


def begin(lab: str) -> None:
    """Name the lab whose results follow and forget its earlier ones. `start` calls it."""
    global _lab
    _lab = lab
    _keep(lab, {})


def _keep(lab: str, results: dict[str, Any]) -> None:
    """Write a lab's results. A disk that takes nothing costs the file and not the cell: that is said once, and the lab goes on."""
    path = _path(lab)
    try:
        write_atomically(path, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        _unwritten.pop(path, None)
    except LabError as error:
        if path not in _unwritten:
            print(f"What this lab measures is not kept for later: {error}")
        _unwritten[path] = results


def record(name: str, value: float | int | str | bool | list | dict) -> None:
    """Keep one measured value under a name, such as `record("2.3 chi-square p-value", 0.41)`.

    Where it cannot be written it lasts as long as this kernel.

    Raises:
        LabError: called before `start`, or the value is not a finite, JSON-like value.
    """
    if _lab is None:
        raise LabError("Call start(...) before record(...): it names the lab that the result belongs to.")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise LabError(
            f"The result {name!r} is {value!r}: only finite numbers, texts, and lists and dicts of them are recorded."
        ) from None
    _keep(_lab, {**read(_lab), name: value})


def read(lab: str) -> dict[str, Any]:
    """What a lab recorded last, by name; empty if it never ran here, or if its file is damaged."""
    if (path := _path(lab)) in _unwritten:
        return dict(_unwritten[path])
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}
