"""Catch-up points: what an arm of lab 05 came to is kept, so that someone short of time can load it in place of training again."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labutils.errors import LabError
from labutils.machine import limits, settings
from labutils.machine.files import write_atomically


def folder(lab: str) -> Path:
    """Where a lab keeps what it trained: LABS_HOME/trained/LAB."""
    return settings.home() / "trained" / lab


def arm(
    where: Path, name: str, settings: Mapping[str, Any], make: Callable[[], dict[str, Any]], use: bool = False
) -> dict[str, Any]:
    """What `make` returns, kept in WHERE/NAME.json; or, with `use`, what an earlier run with the same settings kept there.

    Says in a line what it did where it loads, or where it was asked to load and could not.

    Args:
        where: from `folder`.
        name: of the arm.
        settings: whatever the result depends on; JSON-like.
        make: trains and measures; returns JSON-like values.
        use: load instead, if possible.

    Raises:
        LabError: the result cannot be written.
    """
    path, wanted = where / f"{name}.json", json.loads(json.dumps(dict(settings)))
    if use:
        reason = "there is no earlier run on this machine"
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["settings"] == wanted:
                print(f"“{name}” is loaded from the run of {kept['when']}.")
                return kept["result"]
            reason = "the earlier run had other settings"
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError):
            reason = "what the earlier run kept is damaged"
        print(f"“{name}” is trained now: {reason}.")
    result = make()
    kept = {"when": time.strftime("%Y-%m-%d %H:%M"), "settings": wanted, "result": result}
    write_atomically(path, json.dumps(kept, ensure_ascii=False) + "\n")
    return json.loads(json.dumps(result))


def weigh(model: Any, where: Path, keep: bool = True) -> int:
    """Save a model, or a PEFT model's adapter alone, and return the bytes of its weights on disk.

    Args:
        model: with `save_pretrained`.
        where: the folder; what an earlier run saved there is replaced, once the new files are complete.
        keep: False deletes them again after weighing.

    Raises:
        LabError: the disk is too full.
    """
    needed = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    free = limits.disk_free(where)
    if needed > free:
        raise LabError(
            f"Saving takes {needed / 10**9:.2f} GB and {free / 10**9:.2f} GB are free on the disk of {where}: free some space, "
            f"or set LABS_HOME to a folder on another disk."
        )
    where.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{where.name}.", dir=where.parent))
    try:
        model.save_pretrained(fresh)
        weight = sum(file.stat().st_size for file in fresh.rglob("*.safetensors"))
        if keep:
            shutil.rmtree(where, ignore_errors=True)
            fresh.rename(where)
    except OSError as error:
        raise LabError(f"{where} could not be written ({error.strerror}): free some disk space.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return weight
