"""What a lab measured, kept where `labs report`, `make report` and the tests read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labutils.errors import LabError
from labutils.machine import settings
from labutils.machine.files import write_atomically

_lab: str | None = None


def _path(lab: str) -> Path:
    return settings.home() / "results" / f"{lab}.json"


def begin(lab: str) -> None:
    """Name the lab whose results follow and forget its earlier ones. `start` calls it."""
    global _lab
    _lab = lab
    write_atomically(_path(lab), "{}\n")


def record(name: str, value: float | int | str | bool | list | dict) -> None:
    """Keep one measured value under a name, such as `record("2.3 chi-square p-value", 0.41)`.

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
    results = read(_lab)
    results[name] = value
    write_atomically(_path(_lab), json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def read(lab: str) -> dict[str, Any]:
    """What a lab recorded last, by name; empty if it never ran here."""
    try:
        return json.loads(_path(lab).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
