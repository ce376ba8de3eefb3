"""Progress: one small file that survives crashes, moves between machines, and holds neither code nor names."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from labutils.errors import LabError
from labutils.exercises.progress_entries import MOST_KINDS, ExerciseProgress, Guess, PredictionProgress, Progress
from labutils.machine import settings
from labutils.machine.files import write_atomically

LARGEST_BYTES = 1_000_000  # of a progress file; the whole course needs a hundredth
LOCK_SECONDS = 10.0

Result = TypeVar("Result")

# By progress file: the progress of this kernel that could not be written there, and why.
_unkept: dict[Path, tuple[Progress, str]] = {}


def progress_path() -> Path:
    """Where progress is kept: LABS_HOME/progress.json."""
    return settings.home() / "progress.json"


def read_progress(file: Path) -> Progress:
    """The progress in a file.

    Raises:
        OSError: there is none, or it cannot be read.
        ValueError: it holds something else.
    """
    if file.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{file} is too large for a progress file")
    text = file.read_text(encoding="utf-8-sig")  # editors on Windows put a byte-order mark before the text
    return Progress.model_validate_json(text)


def _load(file: Path) -> Progress:
    """The progress in the file of this machine. One that cannot be used is set aside under a new name, and that is said.

    Raises:
        LabError: the file cannot be read, or not be set aside.
    """
    try:
        try:
            return read_progress(file)
        except FileNotFoundError:
            return Progress()
        except ValueError:
            aside = _free_name(file)
            os.replace(file, aside)
            return _instead(file, aside)
    except OSError as error:
        raise LabError(f"{file}: {error.strerror}") from error


def _free_name(file: Path) -> Path:
    """A name beside a damaged progress file that nothing has, whatever the clock says."""
    stem = f"progress.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    names = (file.with_name(f"{stem}{f'-{number}' if number > 1 else ''}.json") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def _earlier(file: Path) -> Path:
    """Where the progress file is kept as it was before its last change."""
    return file.with_suffix(".earlier")


def _instead(file: Path, aside: Path) -> Progress:
    """What takes the place of a damaged file: the one before its last change, or else a fresh one."""
    said = f"The progress file was damaged or of another version: it is kept as {aside}"
    try:
        state = read_progress(_earlier(file))
        with suppress(LabError):
            _write(file, state)
        print(f"{said}, and the one from before the last change takes its place.")
    except (OSError, ValueError):
        state = Progress()
        print(f"{said}, and a fresh one begins.")
    return state


def _keep_earlier(file: Path) -> None:
    """Give the file as it is a second name, under which it stays when it is replaced. A disk without hard links has none."""
    temporary = file.with_name(f".{_earlier(file).name}.{os.getpid()}")
    with suppress(OSError):
        os.link(file, temporary)
        os.replace(temporary, _earlier(file))
    with suppress(OSError):
        temporary.unlink(missing_ok=True)  # is left where both are names of one file


def load_progress() -> Progress:
    """The progress on this machine; where its file cannot be used, what was done since this kernel started."""
    file = progress_path()
    if file in _unkept:
        return _unkept[file][0].model_copy(deep=True)
    try:
        return _load(file)
    except LabError as error:
        _unkept[file] = Progress(), str(error)
        return Progress()


def _write(file: Path, state: Progress) -> None:
    write_atomically(file, state.model_dump_json(indent=1) + "\n")


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold the lock of the progress file. Where the disk has no locks, or another user owns this one, go on without: a write is atomic.

    Raises:
        LabError: the folder cannot be made, or another program does not let go of the lock.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{file.parent}: {error.strerror}") from error
    lock = FileLock(file.with_suffix(".lock"), timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise LabError(f"{lock.lock_file}: another program holds it") from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _change(alter: Callable[[Progress], Result]) -> Result:
    """Change the progress while no other process does, and hand back what `alter` returns.

    Where the file cannot be read, locked or written, the change lasts as long as this kernel: `say_if_not_kept` says so.
    """
    file = progress_path()
    done: list[tuple[Progress, Result]] = []
    try:
        with _locked(file):
            state = _load(file)
            if file in _unkept:
                _add(state, _unkept[file][0])
            done.append((state, alter(state)))
            _keep_earlier(file)
            _write(file, state)
        _unkept.pop(file, None)
    except LabError as error:
        if not done:
            state = load_progress()
            done.append((state, alter(state)))
        cause = error.__cause__
        _unkept[file] = done[0][0], f"{file}: {cause.strerror}" if isinstance(cause, OSError) else str(error)
    return done[0][1]


def _add(state: Progress, other: Progress) -> None:
    """Add other progress to a state: what was passed in either is passed, and a guess whose result was shown stays."""
    for id, theirs in other.exercises.items():
        ours = state.get(id)
        state.exercises[id] = ExerciseProgress(
            passed=ours.passed or theirs.passed,
            tries=max(ours.tries, theirs.tries),
            hints=max(ours.hints, theirs.hints),
            wrong=_larger(ours.wrong, theirs.wrong),
        )
    for id, guess in other.predictions.items():
        if id not in state.predictions or (guess.revealed and not state.predictions[id].revealed):
            state.predictions[id] = guess


def _larger(ours: dict[str, int], theirs: dict[str, int]) -> dict[str, int]:
    """The larger count of each kind, for as many kinds as an entry holds."""
    kinds = list(dict.fromkeys([*ours, *theirs]))[:MOST_KINDS]
    return {kind: max(ours.get(kind, 0), theirs.get(kind, 0)) for kind in kinds}


def not_kept() -> str:
    """A sentence when the progress of this kernel could not be written, and what to do; "" if it could."""
    if (file := progress_path()) not in _unkept:
        return ""
    return f"Progress is not kept ({_unkept[file][1]}): set LABS_HOME to a folder of yours."


def say_if_not_kept() -> None:
    """Print that sentence, if there is one."""
    if sentence := not_kept():
        print(sentence)


def record_attempt(id: str, *, passed: bool, kind: str = "") -> ExerciseProgress:
    """Count an attempt at an exercise or quiz. A pass is never undone by a later failure.

    Args:
        id: the exercise or quiz.
        passed: whether the answer is right.
        kind: of a wrong answer, its name (see `Verdict.kind`); never the answer itself.
    """

    def count(state: Progress) -> ExerciseProgress:
        before = state.get(id)
        state.exercises[id] = before.model_copy(
            update={"tries": before.tries + 1, "passed": before.passed or passed, "wrong": before.with_wrong(kind)}
        )
        return state.exercises[id]

    return _change(count)


def record_hints(id: str, taken: int) -> ExerciseProgress:
    """Note how many hints of an exercise were taken so far; the number never falls."""

    def note(state: Progress) -> ExerciseProgress:
        before = state.get(id)
        state.exercises[id] = before.model_copy(update={"hints": max(before.hints, taken)})
        return state.exercises[id]

    return _change(note)


def record_guess(id: str, guess: Guess) -> PredictionProgress:
    """Note a guess. Once its result was shown it stays as it is: what comes back is the guess that counts."""

    def note(state: Progress) -> PredictionProgress:
        before = state.predictions.get(id)
        if not (before and before.revealed):
            state.predictions[id] = PredictionProgress(guess=guess)
        return state.predictions[id]

    return _change(note)


def record_outcome(id: str, close: bool | None) -> None:
    """Note that the result of a prediction was shown, and whether the guess was close. Without a guess nothing is noted."""

    def note(state: Progress) -> None:
        if before := state.predictions.get(id):
            state.predictions[id] = before.model_copy(update={"revealed": True, "close": close})

    _change(note)


def reset_exercise(id: str) -> None:
    """Make an exercise open again, with no tries and no hints, or a prediction, with no guess.

    Raises:
        LabError: the progress file cannot be written.
    """

    def forget(state: Progress) -> None:
        state.exercises.pop(id, None)
        state.predictions.pop(id, None)

    _change(forget)
    if sentence := not_kept():
        raise LabError(sentence)


def export_progress(file: Path) -> None:
    """Write the progress to a file to carry to another machine.

    Raises:
        LabError: the progress here cannot be read, or the file not be written.
    """
    state = load_progress()
    if sentence := not_kept():
        raise LabError(sentence)
    _write(file.absolute(), state)


def import_progress(file: Path) -> list[str]:
    """Add the progress of another machine: what was passed on either is passed.

    Returns:
        the ids in the file that this course does not have; they are left out.

    Raises:
        LabError: the file is missing or is not a progress file, or the progress here cannot be written; nothing changes then.
    """
    from labutils.exercises.registry import known_ids

    try:
        other = read_progress(file)
    except FileNotFoundError:
        raise LabError(f"There is no file {file}: give one that `labs progress --export FILE` wrote.") from None
    except UnicodeDecodeError:
        raise LabError(
            f"{file} is not UTF-8 text: save it again with the encoding UTF-8, or export it anew with `labs progress --export FILE`."
        ) from None
    except OSError as error:
        raise LabError(
            f"{file} cannot be read ({error.strerror}): give a file that `labs progress --export FILE` wrote and that you may read."
        ) from error
    except ValueError:
        raise LabError(
            f"{file} is not a progress file of this version: give one that `labs progress --export FILE` wrote."
        ) from None
    known = known_ids()

    unknown = sorted(id for id in (*other.exercises, *other.predictions) if id not in known)
    other.exercises = {id: entry for id, entry in other.exercises.items() if id in known}
    other.predictions = {id: entry for id, entry in other.predictions.items() if id in known}
    _change(lambda state: _add(state, other))
    if sentence := not_kept():
        raise LabError(sentence)
    return unknown


def progress(lab: str) -> None:
    """Show which exercises and quizzes of a lab, such as "02", are passed, and how its predictions fared.

    In a SageMaker Studio space it also says how to free the memory and stop the space.
    """
    from labutils.course.plots import show_table
    from labutils.course.session import leaving
    from labutils.exercises.registry import Exercise, Quiz, exercises, quizzes

    state = load_progress()
    everything: list[Exercise | Quiz] = [*exercises(), *quizzes()]
    items = [item for item in everything if item.id.split(".")[0] == str(int(lab))]
    rows = [(item.id, getattr(item, "title", "Quiz"), "passed" if state.get(item.id).passed else "open") for item in items]
    done = sum(row[2] == "passed" for row in rows)
    show_table(
        ("Exercise", "Title", "State"), rows, caption=f"Lab {lab}: {done} of {len(rows)} passed. {_guesses(state, lab)}".rstrip()
    )
    if sentence := leaving():
        print(sentence)
    say_if_not_kept()


def _guesses(state: Progress, lab: str) -> str:
    """How the guesses of a lab fared, in one sentence; empty where none was graded."""
    graded = [entry.close for id, entry in state.predictions.items() if id.startswith(f"{int(lab)}.") and entry.close is not None]
    return f"{sum(graded)} of {len(graded)} graded predictions were right or close." if graded else ""
