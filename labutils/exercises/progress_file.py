"""Progress: one small file that survives crashes, moves between machines, and holds neither code nor names."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labutils.errors import LabError
from labutils.machine import settings
from labutils.machine.files import write_atomically


class ExerciseProgress(BaseModel):
    """One exercise or quiz: passed or not, how often it was checked, how many hints were taken."""

    model_config = ConfigDict(extra="forbid")

    passed: bool = False
    tries: int = Field(default=0, ge=0)
    hints: int = Field(default=0, ge=0, le=3)


Guess = float | list[int] | str


class PredictionProgress(BaseModel):
    """A prediction: the guess, and whether it was close; None until the result was shown, and for words, which nobody grades."""

    model_config = ConfigDict(extra="forbid")

    guess: Guess
    revealed: bool = False
    close: bool | None = None


class Progress(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    exercises: dict[str, ExerciseProgress] = {}
    predictions: dict[str, PredictionProgress] = {}

    def get(self, id: str) -> ExerciseProgress:
        """The progress in an exercise or quiz; empty if it was never tried."""
        return self.exercises.get(id, ExerciseProgress())


def progress_path() -> Path:
    """Where progress is kept: LABS_HOME/progress.json."""
    return settings.home() / "progress.json"


def _read(file: Path) -> Progress:
    text = file.read_text(encoding="utf-8-sig")  # editors on Windows put a byte-order mark before the text
    return Progress.model_validate_json(text)


def load_progress() -> Progress:
    """The progress on this machine. A damaged file is set aside under a new name, said so, and a fresh one begun."""
    try:
        return _read(progress_path())
    except FileNotFoundError:
        return Progress()
    except (ValidationError, UnicodeDecodeError):
        aside = progress_path().with_name(f"progress.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.json")
        os.replace(progress_path(), aside)
        print(f"The progress file was damaged: it is kept as {aside}, and a fresh one begins.")
        return Progress()


def _write(file: Path, state: Progress) -> None:
    write_atomically(file, state.model_dump_json(indent=1) + "\n")


def _lock() -> FileLock:
    try:
        progress_path().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"{progress_path().parent} cannot be used ({error.strerror}): set LABS_HOME to a folder of yours."
        ) from error
    return FileLock(progress_path().with_suffix(".lock"))


@contextmanager
def _changed_progress() -> Iterator[Progress]:
    """The progress on this machine, written back when the block ends, while no other process changes it."""
    with _lock():
        state = load_progress()
        yield state
        _write(progress_path(), state)


def record_attempt(id: str, *, passed: bool) -> ExerciseProgress:
    """Count an attempt at an exercise or quiz. A pass is never undone by a later failure."""
    with _changed_progress() as state:
        before = state.get(id)
        after = before.model_copy(update={"tries": before.tries + 1, "passed": before.passed or passed})
        state.exercises[id] = after
    return after


def record_hints(id: str, taken: int) -> ExerciseProgress:
    """Note how many hints of an exercise were taken so far; the number never falls."""
    with _changed_progress() as state:
        before = state.get(id)
        after = before.model_copy(update={"hints": max(before.hints, taken)})
        state.exercises[id] = after
    return after


def record_guess(id: str, guess: Guess) -> PredictionProgress:
    """Note a guess. Once its result was shown it stays as it is: what comes back is the guess that counts."""
    with _changed_progress() as state:
        before = state.predictions.get(id)
        after = before if before and before.revealed else PredictionProgress(guess=guess)
        state.predictions[id] = after
    return after


def record_outcome(id: str, close: bool | None) -> None:
    """Note that the result of a prediction was shown, and whether the guess was close. Without a guess nothing is noted."""
    with _changed_progress() as state:
        if before := state.predictions.get(id):
            state.predictions[id] = before.model_copy(update={"revealed": True, "close": close})


def reset_exercise(id: str) -> None:
    """Make an exercise open again, with no tries and no hints."""
    with _changed_progress() as state:
        state.exercises.pop(id, None)
        state.predictions.pop(id, None)


def export_progress(file: Path) -> None:
    """Write the progress to a file to carry to another machine."""
    _write(file.absolute(), load_progress())


def import_progress(file: Path) -> None:
    """Add the progress of another machine: what was passed on either is passed.

    Raises:
        LabError: the file is missing or is not a progress file; nothing changes then.
    """
    try:
        other = _read(file)
    except FileNotFoundError:
        raise LabError(f"There is no file {file}: give one that `labs progress --export FILE` wrote.") from None
    except (ValidationError, UnicodeDecodeError, OSError):
        raise LabError(f"{file} is not a progress file: give one that `labs progress --export FILE` wrote.") from None
    with _changed_progress() as state:
        for id, theirs in other.exercises.items():
            ours = state.get(id)
            state.exercises[id] = ExerciseProgress(
                passed=ours.passed or theirs.passed, tries=max(ours.tries, theirs.tries), hints=max(ours.hints, theirs.hints)
            )
        for id, guess in other.predictions.items():
            if id not in state.predictions or (guess.revealed and not state.predictions[id].revealed):
                state.predictions[id] = guess


def progress(lab: str) -> None:
    """Show which exercises and quizzes of a lab, such as "02", are passed, and how its predictions fared."""
    from labutils.course.plots import show_table
    from labutils.exercises.registry import Exercise, Quiz, exercises, quizzes

    state = load_progress()
    everything: list[Exercise | Quiz] = [*exercises(), *quizzes()]
    items = [item for item in everything if item.id.split(".")[0] == str(int(lab))]
    rows = [(item.id, getattr(item, "title", "Quiz"), "passed" if state.get(item.id).passed else "open") for item in items]
    done = sum(row[2] == "passed" for row in rows)
    show_table(
        ("Exercise", "Title", "State"), rows, caption=f"Lab {lab}: {done} of {len(rows)} passed. {_guesses(state, lab)}".rstrip()
    )


def _guesses(state: Progress, lab: str) -> str:
    """How the guesses of a lab fared, in one sentence; empty where none was graded."""
    graded = [entry.close for id, entry in state.predictions.items() if id.startswith(f"{int(lab)}.") and entry.close is not None]
    return f"{sum(graded)} of {len(graded)} graded predictions were right or close." if graded else ""
