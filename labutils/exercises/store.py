"""Progress: one small file that survives crashes, moves between machines, and holds neither code nor names."""

from __future__ import annotations

import os
import time
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labutils.errors import LabError
from labutils.machine import settings
from labutils.machine.files import write_atomically


class Entry(BaseModel):
    """One exercise or quiz: passed or not, how often it was checked, how many hints were taken."""

    model_config = ConfigDict(extra="forbid")

    passed: bool = False
    tries: int = Field(default=0, ge=0)
    hints: int = Field(default=0, ge=0, le=3)


class Progress(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    exercises: dict[str, Entry] = {}

    def get(self, id: str) -> Entry:
        """The entry of an exercise; an empty one if it was never tried."""
        return self.exercises.get(id, Entry())


def path() -> Path:
    """Where progress is kept: LABS_HOME/progress.json."""
    return settings.home() / "progress.json"


def _parse(file: Path) -> Progress:
    return Progress.model_validate_json(file.read_text(encoding="utf-8"))


def load() -> Progress:
    """The progress on this machine. A damaged file is set aside under a new name, said so, and a fresh one begun."""
    try:
        return _parse(path())
    except FileNotFoundError:
        return Progress()
    except (ValidationError, UnicodeDecodeError):
        aside = path().with_name(f"progress.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.json")
        os.replace(path(), aside)
        print(f"The progress file was damaged: it is kept as {aside}, and a fresh one begins.")
        return Progress()


def _save(state: Progress) -> None:
    write_atomically(path(), state.model_dump_json(indent=1) + "\n")


def _lock() -> FileLock:
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{path().parent} cannot be used ({error.strerror}): set LABS_HOME to a folder of yours.") from error
    return FileLock(path().with_suffix(".lock"))


def note(id: str, *, passed: bool | None = None, hints: int | None = None) -> Entry:
    """Note one try (`passed` given) or the number of hints taken so far. A pass is never undone by a later failure."""
    with _lock():
        state = load()
        entry = state.get(id)
        if passed is not None:
            entry = entry.model_copy(update={"tries": entry.tries + 1, "passed": entry.passed or passed})
        if hints is not None:
            entry = entry.model_copy(update={"hints": max(entry.hints, hints)})
        state.exercises[id] = entry
        _save(state)
    return entry


def forget(id: str) -> None:
    """Make an exercise open again, with no tries and no hints."""
    with _lock():
        state = load()
        state.exercises.pop(id, None)
        _save(state)


def export(file: Path) -> None:
    """Write the progress to a file to carry to another machine."""
    write_atomically(file.absolute(), load().model_dump_json(indent=1) + "\n")


def merge(file: Path) -> None:
    """Add the progress of another machine: what was passed on either is passed.

    Raises:
        LabError: the file is missing or is not a progress file; nothing changes then.
    """
    try:
        other = _parse(file)
    except FileNotFoundError:
        raise LabError(f"There is no file {file}: give one that `labs progress --export FILE` wrote.") from None
    except (ValidationError, UnicodeDecodeError, OSError):
        raise LabError(f"{file} is not a progress file: give one that `labs progress --export FILE` wrote.") from None
    with _lock():
        state = load()
        for id, theirs in other.exercises.items():
            ours = state.get(id)
            state.exercises[id] = Entry(
                passed=ours.passed or theirs.passed, tries=max(ours.tries, theirs.tries), hints=max(ours.hints, theirs.hints)
            )
        _save(state)


def progress(lab: str) -> None:
    """Show which exercises and quizzes of a lab, such as "02", are passed."""
    from labutils.course.plots import show_table
    from labutils.exercises.registry import Exercise, Quiz, exercises, quizzes

    state = load()
    everything: list[Exercise | Quiz] = [*exercises(), *quizzes()]
    items = [item for item in everything if item.id.split(".")[0] == str(int(lab))]
    rows = [(item.id, getattr(item, "title", "Quiz"), "passed" if state.get(item.id).passed else "open") for item in items]
    done = sum(row[2] == "passed" for row in rows)
    show_table(("Exercise", "Title", "State"), rows, caption=f"Lab {lab}: {done} of {len(rows)} passed.")
