"""A learner's own folder of notebooks: filled by `labs start`, brought up to date by `labs update`, and never written over.

Each notebook carries in its metadata the digest of its cells as the course wrote them (`llm_labs.inputs`). Where that digest still
fits the cells, nobody has changed them: running cells and saving their outputs changes nothing. The mark lies inside the notebook,
so a folder may be moved, renamed or copied, and a notebook without it counts as a person's own.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from labutils import content
from labutils.errors import LabError

SOLUTIONS = "solutions"


@dataclass
class Changes:
    """What was done to a folder; every entry is a path relative to it."""

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)  # a notebook with a person's changes -> the name that it has now
    retired: list[str] = field(default_factory=list)  # notebooks of an earlier course, no longer part of it: left as they are

    def __bool__(self) -> bool:
        return bool(self.added or self.replaced or self.kept)


@contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LabError(f"The disk that holds {folder} is full: free some space and run the same command again.") from error
        raise LabError(
            f"{folder} cannot be used as a folder for notebooks ({error.strerror or error}): choose a folder of yours, "
            "as in `labs start DIR`."
        ) from error


def inputs_digest(notebook: dict[str, Any]) -> str:
    """The sha256 of the kinds and sources of all cells, as the course's build writes it into `llm_labs.inputs`.

    Args:
        notebook: the parsed JSON of a notebook in format 4; a source may be one string or a list of lines.
    """
    cells = ((cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"])
    return hashlib.sha256("\0".join(f"{kind}\0{source}" for kind, source in cells).encode()).hexdigest()


@dataclass(frozen=True)
class _Notebook:
    """A notebook on disk: the digest of its cells, and the digest that its build wrote; None where it cannot be read."""

    cells: str | None
    built: str | None

    @property
    def changed(self) -> bool:
        return self.cells is None or self.cells != self.built


def _read(path: Path) -> _Notebook:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        built = notebook["metadata"].get("llm_labs", {}).get("inputs")
        # Shift+Enter in the last cell adds an empty one below it, which is nobody's work.
        while inputs_digest(notebook) != built and notebook["cells"] and not "".join(notebook["cells"][-1]["source"]).strip():
            notebook["cells"].pop()
        return _Notebook(inputs_digest(notebook), built)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return _Notebook(None, None)


def _pairs(folder: Path, solutions: bool) -> Iterator[tuple[Path, Path]]:
    """Each notebook of the course, and its place in a folder."""
    for path in content.notebooks():
        yield path, folder / path.name
    if solutions:
        for path in content.notebooks(solutions=True):
            yield path, folder / SOLUTIONS / path.name


def _refuse_the_courses_own(folder: Path) -> None:
    own = content.labs_folder().resolve()
    if folder.resolve() == own or own in folder.resolve().parents:
        raise LabError(f"{folder} holds the course's own notebooks: choose another folder for yours, as in `labs start work`.")


def _whole_copy(source: Path, target: Path) -> Path:
    """A copy of a file, whole and on disk, under a temporary name beside `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(source.read_bytes())
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return temporary


def _put(temporary: Path, target: Path) -> None:
    """Give a temporary file its name, unless something has that name by now: then what is there stays."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not os.path.lexists(target):
            os.replace(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _exchange(source: Path, target: Path) -> Path:
    """Put a newer notebook in the place of an older one, which is renamed; its new name."""
    temporary = _whole_copy(source, target)  # first, so that a full disk changes nothing
    aside = content.kept_copy(target)
    os.rename(target, aside)
    _put(temporary, target)
    return aside


def _sweep(folder: Path) -> None:
    """Delete the half copies that a killed `labs start` or `labs update` left in a folder; what cannot be deleted stays."""
    for path in [*folder.glob(".*.ipynb.*"), *(folder / SOLUTIONS).glob(".*.ipynb.*")]:
        number = path.name.rpartition(".")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            with suppress(OSError):
                path.unlink()


def fill(folder: Path, solutions: bool = False) -> Changes:
    """Copy the course's notebooks into a folder, which is made if it is missing. A file that is there stays as it is.

    Args:
        folder: a learner's folder.
        solutions: also copy the solved notebooks, into `folder`/solutions.

    Raises:
        LabError: the folder is the course's own, cannot be written to, or its disk is full.
    """
    _refuse_the_courses_own(folder)
    changes = Changes()
    with _folder_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        for source, target in _pairs(folder, solutions):
            if not os.path.lexists(target):
                _put(_whole_copy(source, target), target)
                changes.added.append(target.relative_to(folder).as_posix())
    return changes


def outdated(folder: Path) -> list[str]:
    """The notebooks in a folder that the installed course has in another version; paths relative to it."""
    return [
        target.relative_to(folder).as_posix()
        for source, target in _pairs(folder, (folder / SOLUTIONS).is_dir())
        if os.path.lexists(target) and _read(target).built != _read(source).built
    ]


def update(folder: Path) -> Changes:
    """Bring a folder's notebooks to the versions of the installed course.

    A notebook whose cells nobody changed is replaced; its outputs go with it, since running it makes them again. One with changed
    cells is first renamed to `NAME.mine-DATE-TIME.ipynb` beside the new one. A notebook that the course has in the same version
    stays as it is, outputs and all, and so does every other file. Solutions are updated where `folder`/solutions exists.

    Raises:
        LabError: there is no such folder, it is the course's own or cannot be written to, or its disk is full.
    """
    _refuse_the_courses_own(folder)
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder: `labs start {folder}` makes it and fills it.")
    solutions = (folder / SOLUTIONS).is_dir()
    changes = fill(folder, solutions)
    with _folder_errors(folder):
        for source, target in _pairs(folder, solutions):
            name = target.relative_to(folder).as_posix()
            if name in changes.added or _read(target).built == _read(source).built:
                continue
            aside = _exchange(source, target)
            if _read(aside).changed:  # read after the renaming: nothing saved until then is missed
                changes.kept[name] = aside.relative_to(folder).as_posix()
            else:
                aside.unlink()
                changes.replaced.append(name)
    known = {target for _, target in _pairs(folder, solutions)}
    for path in [*content.notebooks_in(folder), *content.notebooks_in(folder / SOLUTIONS)]:
        if path not in known and _read(path).built is not None:
            changes.retired.append(path.relative_to(folder).as_posix())
    return changes
