"""What the longer targets measured: fresh in build/, or as it was last kept in benchmarks/proof.json, with its day and commit.

The longer targets take hours together, and a checkout rarely has run them all: what one of them found is kept with the state it was found in.
"""

from __future__ import annotations

import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

from editions import ROOT

from labutils.machine.files import write_atomically

NAMES = ("below", "repeats", "limits", "gpu", "speed", "growth")
RECORD = ROOT / "benchmarks" / "proof.json"


def built(name: str) -> Path:
    """The file that a longer target leaves its result in."""
    return ROOT / "build" / f"{name}.json"


def found(name: str) -> tuple[Any, str] | None:
    """What a longer target measured, and when: "" for here and now, else its day and commit; None where it never ran."""
    if (file := built(name)).exists():
        return json.loads(file.read_text(encoding="utf-8")), ""
    if kept := _record().get(name):
        return kept["facts"], f" ({kept['day']}, at {kept['commit']})"
    return None


def keep() -> list[str]:
    """Put what lies in build/ into the record, each with the day it was measured and the commit; the names of what was kept."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    record, names = _record(), []
    for name in NAMES:
        if (file := built(name)).exists():
            day = datetime.date.fromtimestamp(file.stat().st_mtime).isoformat()
            facts = json.loads(file.read_text(encoding="utf-8"))
            record[name] = {"day": day, "commit": commit.stdout.strip(), "facts": facts}
            names.append(name)
    write_atomically(RECORD, json.dumps(record, indent=1) + "\n")
    return names


def _record() -> dict[str, Any]:
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
