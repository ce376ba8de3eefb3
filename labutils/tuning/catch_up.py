"""Catch-up points: the result of an arm of lab 05 is kept, so that someone short of time can load it instead of training again.

LABS_HOME/trained/LAB holds a JSON file for each result and a folder for each model that was saved.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from labutils.errors import LabError
from labutils.machine import limits
from labutils.machine.files import json_files, write_atomically
from labutils.machine.settings import home
from labutils.tuning.temporaries import leftovers, remove_leftovers, temporary_beside


def folder(lab: str) -> Path:
    """Where a lab keeps what it trained: LABS_HOME/trained/LAB.

    Raises:
        LabError: `lab` is a path.
    """
    return home() / "trained" / _plain(lab)


def cached_result(
    where: Path, name: str, depends_on: Mapping[str, Any], compute: Callable[[], dict[str, Any]], reuse: bool = False
) -> dict[str, Any]:
    """What `compute` returns, kept in WHERE/NAME.json; or, with `reuse`, what an earlier run kept there.

    Says in a line what it did where it loads, or where it was asked to load and could not. A result that cannot be kept, on a full
    disk or because it is not JSON, is returned all the same, and a line says so.

    Args:
        where: from `folder`.
        name: of the arm.
        depends_on: whatever the result depends on, JSON-like: a result is reused if it was computed with the same.
        compute: trains and measures; returns JSON-like values.
        reuse: load instead, if possible.

    Raises:
        LabError: `name` is a path, or `depends_on` is not JSON-like; nothing was computed then.
    """
    path = where / f"{_plain(name)}.json"
    _recover(where / name)
    try:
        wanted = json.loads(json.dumps(dict(depends_on)))
    except (TypeError, ValueError) as error:
        raise LabError(
            f"depends_on of “{name}” cannot be written as JSON ({error}): give numbers, texts, lists and dicts."
        ) from None
    if reuse:
        reason = "there is no earlier run on this machine"
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            earlier, when = kept["result"], kept["when"]
            if kept["depends_on"] == wanted:
                print(f"“{name}” is loaded from the run of {when}.")
                return earlier
            reason = "the earlier run had other settings"
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError):
            reason = "what the earlier run kept is damaged"
        print(f"“{name}” is trained now: {reason}.")
    result = compute()
    try:
        text = json.dumps({"when": time.strftime("%Y-%m-%d %H:%M"), "depends_on": wanted, "result": result})
        write_atomically(path, text + "\n")
    except (TypeError, ValueError, RecursionError) as error:
        print(f"“{name}” is not kept for later: its result cannot be written as JSON ({error}).")
        return result
    except LabError as error:
        print(f"“{name}” is not kept for later: {error}")
    return json.loads(text)["result"]


def kept_results(lab: str) -> dict[str, dict[str, Any]]:
    """The results that runs of a lab on this machine have kept, by name; a damaged one is left out.

    Raises:
        LabError: `lab` is a path.
    """
    found = {}
    for path in json_files(folder(lab)):
        with suppress(OSError, ValueError, KeyError, TypeError):
            found[path.stem] = dict(json.loads(path.read_text(encoding="utf-8"))["result"])
    return found


def saved_bytes(model: Any, where: Path, keep: bool = True) -> int:
    """Save a model, or a PEFT model's adapter alone, and return the bytes of its weights on disk.

    Args:
        model: with `save_pretrained`.
        where: the folder; what an earlier run saved there is replaced, once the new files are complete.
        keep: False deletes them again afterwards.

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
    _recover(where)
    temporary, replaced = temporary_beside(where), temporary_beside(where, "replaced")
    try:
        temporary.mkdir(parents=True)
        model.save_pretrained(temporary)
        n_bytes = sum(file.stat().st_size for file in temporary.rglob("*.safetensors"))
        if keep:
            if where.exists():
                where.rename(replaced)
            temporary.rename(where)
    except OSError as error:
        raise LabError(f"{where} could not be written ({error.strerror}): free some disk space.") from error
    finally:
        _recover(where)
    return n_bytes


def _recover(where: Path) -> None:
    """Clean up after a `saved_bytes` that is over or was killed; if it fell between its two renames, the old folder comes back."""
    for earlier in leftovers(where, "replaced"):
        if not where.exists():
            with suppress(OSError):
                earlier.rename(where)
    remove_leftovers(where, "replaced")
    remove_leftovers(where)


def _plain(name: str) -> str:
    """A name that stays in its folder."""
    if not name or name.startswith(".") or any(character in name for character in "/\\:\0"):
        raise LabError(f"{name!r} is not the name of a file: give a plain one such as 'lora', without a path.")
    return name
