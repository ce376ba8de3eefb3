"""The rounds of `make test-repeat`, kept one by one: a run of hours may be stopped, and goes on where it was.

A round is one run of every notebook. Rounds count together as long as nothing has changed that a notebook's run depends on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from editions import ROOT

from labutils.machine.files import append_line, lines_of

RECORD = ROOT / "build" / "rounds.jsonl"
PARTS = ("labs", "labutils", "data", "requirements.lock")


def state_of_course() -> str:
    """A digest of the notebooks, the package, the data and the lock."""
    digest = hashlib.sha256()
    for part in PARTS:
        place = ROOT / part
        for file in sorted([place] if place.is_file() else place.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def earlier(state: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """The rounds of this very state and of these notebooks that are on record."""
    rows = []
    for line in lines_of(RECORD):
        with suppress(ValueError):  # a kill cut the last line short: that round runs again
            rows.append(json.loads(line))
    return [row for row in rows if row["state"] == state and row["notebooks"] == sorted(names)]


def add(state: str, names: Iterable[str], failed: Iterable[str], minutes: float) -> None:
    """Put a finished round on record."""
    append_line(RECORD, {"state": state, "notebooks": sorted(names), "failed": sorted(failed), "minutes": round(minutes, 1)})


def total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All rounds together, as `make proof` reads it."""
    notebooks = len(rows[0]["notebooks"])
    runs, failed = notebooks * len(rows), sum(len(row["failed"]) for row in rows)
    minutes = round(sum(row["minutes"] for row in rows), 1)
    return {"notebooks": notebooks, "of each": len(rows), "runs": runs, "passed": runs - failed, "minutes": minutes}
