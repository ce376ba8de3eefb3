"""The record of small runs that is shipped with the course: data/scaling/runs.jsonl, made by benchmarks/scaling.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labutils import content
from labutils.errors import LabError
from labutils.machine.files import lines_of

KEYS = ("dim", "layers", "seed", "parameters", "tokens", "loss")


def record_path() -> Path:
    """Where it lies."""
    return content.data_folder() / "scaling" / "runs.jsonl"


def load_runs(path: Path | None = None) -> list[dict[str, Any]]:
    """The runs: "dim", "layers", "seed", "budget" (FLOPs it was planned for), "parameters" N, "tokens" D, "loss" in bits per character.

    A missing record is an empty one, and a last line that was cut off is left out.

    Raises:
        LabError: another line is damaged.
    """
    where, found = path or record_path(), []
    for number, line in enumerate(lines := lines_of(where), 1):
        try:
            row = json.loads(line.decode("utf-8"))
            found.append({**row, **{key: row[key] for key in KEYS}})
        except (ValueError, KeyError, TypeError):
            if number < len(lines):
                raise LabError(
                    f"{where.name}, line {number}, is damaged: delete that line, and run benchmarks/scaling.py again."
                ) from None
    return found
