"""A room's progress files, read with care: each was written by somebody else."""

from __future__ import annotations

import hashlib
import math
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labutils.errors import LabError
from labutils.exercises.progress_entries import ExerciseProgress, PredictionProgress, Progress
from labutils.exercises.progress_file import LARGEST_BYTES, read_progress
from labutils.exercises.registry import exercises, known_ids, quizzes
from labutils.exercises.verdicts import KINDS

MOST_FILES = 500
LONGEST_NAME = 40  # characters of a person's name on the page
MOST_COUNT = 999  # tries, or wrong answers of a kind; a file that claims more is shown with this many


@dataclass(frozen=True)
class Person:
    """One participant: the name that their file has, and what it holds of this course, with every count bounded."""

    name: str
    progress: Progress


@dataclass(frozen=True)
class Room:
    """What a folder held.

    Attributes:
        people: those whose files could be read, the furthest first.
        skipped: a line for each file that was left out.
        notes: further lines for the person who asked.
        strange: how many entries of the files read are not of this course.
    """

    people: tuple[Person, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    strange: int = 0


def read_folder(folder: Path) -> Room:
    """The progress files (`*.json`) in a folder and the folders below it. Links are not followed.

    Args:
        folder: what the participants handed in, each a file of `labs progress --export`.

    Raises:
        LabError: there is no such folder, it cannot be read, or it holds more than MOST_FILES files.
    """
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder: put the participants' files into one and give its name.")
    people: list[Person] = []
    skipped: list[str] = []
    notes: list[str] = []
    seen: dict[str, str] = {}
    strange = others = 0
    for number, path in enumerate(_files(folder)):
        if number >= MOST_FILES:
            raise LabError(f"{folder} holds more than {MOST_FILES} files: give the folder of one room.")
        shown = plain(path.relative_to(folder).as_posix(), 200)
        if path.suffix.lower() != ".json":
            others += 1
            continue
        try:
            digest, progress = _read(path)
        except ValueError as error:
            skipped.append(f"{shown}: {error}.")
            continue
        if digest in seen:  # two beginners may well have the same, so it is no proof of a copy
            notes.append(f"{shown}: the same as {seen[digest]} to the byte; both are counted.")
        seen.setdefault(digest, shown)
        kept, left = _of_this_course(progress)
        strange += left
        if not kept.exercises and not kept.predictions:
            skipped.append(f"{shown}: it holds nothing of this course.")
            continue
        people.append(Person(_name(path, folder), kept))
    if others:
        notes.append(f"{others} {'file that does' if others == 1 else 'files that do'} not end in .json, not opened.")
    return Room(tuple(sorted(people, key=_far, reverse=True)), tuple(skipped), tuple(notes), strange)


def _files(folder: Path) -> Iterator[Path]:
    """Every entry below a folder that is no folder, in order, without those of the system (a name that begins with a dot)."""
    for here, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        links = [name for name in folders if (Path(here) / name).is_symlink()]
        yield from (Path(here) / name for name in sorted([*files, *links]) if not name.startswith("."))


def _unreadable(error: OSError) -> None:
    raise LabError(f"{error.filename} cannot be read ({error.strerror}): give a folder that you may read.") from error


def _read(path: Path) -> tuple[str, Progress]:
    """The digest of a file's bytes, and the progress in it.

    Raises:
        ValueError: what is wrong, as the end of a sentence.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("no plain file (a link, a pipe or the like)")
        if status.st_size > LARGEST_BYTES:
            raise ValueError(f"larger than {LARGEST_BYTES / 1e6:g} MB, which no progress file is")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        try:
            return digest, read_progress(path)
        except (ValueError, RecursionError):
            raise ValueError("damaged, or no progress file of this version") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None


def _of_this_course(progress: Progress) -> tuple[Progress, int]:
    """The progress in what this course asks, with counts bounded, and how many entries were left out."""
    known = known_ids()
    posed = {item.id: {*KINDS, *item.mistakes} for item in exercises()}
    posed |= {item.id: {f"option_{number}" for number in range(1, len(item.options) + 1)} for item in quizzes()}
    kept, left = Progress(), 0
    for id, entry in progress.exercises.items():
        if id not in posed:
            left += 1
            continue
        wrong = {kind: min(count, MOST_COUNT) for kind, count in entry.wrong.items() if kind in posed[id]}
        left += len(entry.wrong) - len(wrong)
        kept.exercises[id] = ExerciseProgress(
            passed=entry.passed, tries=min(entry.tries, MOST_COUNT), hints=entry.hints, wrong=wrong
        )
    for id, guess in progress.predictions.items():
        if id not in known or id in posed or not _finite(guess):
            left += 1
            continue
        kept.predictions[id] = guess
    return kept, left


def _finite(entry: PredictionProgress) -> bool:
    return not isinstance(entry.guess, float) or (math.isfinite(entry.guess) and abs(entry.guess) < 1e100)


def _far(person: Person) -> tuple[int, int, int]:
    """How far a person came: exercises and quizzes passed, then those tried, then guesses."""
    entries = person.progress.exercises.values()
    return sum(entry.passed for entry in entries), sum(entry.tries > 0 for entry in entries), len(person.progress.predictions)


def plain(text: str, longest: int = LONGEST_NAME) -> str:
    """A text on one line without control characters or marks of direction, cut to a length."""
    kept = "".join(letter if unicodedata.category(letter)[0] != "C" else " " for letter in text)
    kept = " ".join(kept.split())
    return kept if len(kept) <= longest else f"{kept[: longest - 1]}…"


def _name(path: Path, folder: Path) -> str:
    """The name of a person: that of the file or, where it is just `progress`, that of its folder."""
    named_by_folder = path.stem.lower().startswith("progress") and path.parent != folder
    return plain(path.parent.name if named_by_folder else path.stem) or "?"
