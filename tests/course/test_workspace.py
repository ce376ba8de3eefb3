"""A learner's folder is filled and brought up to date, and nothing that a person wrote is lost."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from editions import digest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from labutils import content
from labutils.course import workspace
from labutils.errors import LabError

NAMES = ("00_start.ipynb", "01_tokens.ipynb")


def notebook(*sources: str, built: bool = True) -> nbformat.NotebookNode:
    """A notebook with one text cell and some code cells, marked by the authors' own digest."""
    made = new_notebook(cells=[new_markdown_cell("# A lab\n\nÜber tokens"), *map(new_code_cell, sources)])
    made.metadata["llm_labs"] = {"inputs": digest(made)} if built else {}
    return made


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installed course: two labs, each with its solution."""
    labs = tmp_path / "course" / "labs"
    (labs / "solutions").mkdir(parents=True)
    for name in NAMES:
        nbformat.write(notebook("x = ...", "print(x)"), labs / name)
        nbformat.write(notebook("x = 1", "print(x)"), labs / "solutions" / name)
    monkeypatch.setattr(content, "labs_folder", lambda: labs)
    return labs


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "wörk of mine"


def release(course: Path, *names: str) -> None:
    """A newer course: some of its notebooks have other cells."""
    for name in names:
        nbformat.write(notebook("x = ...  # think of a number", "print(x)"), course / name)


def everything(folder: Path, names: str = "**/*") -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.glob(names)) if path.is_file()}


def change(path: Path, source: str = "x = 42  # my own answer") -> bytes:
    """Edit a cell and save, as JupyterLab does; the file's bytes."""
    opened = nbformat.read(path, as_version=4)
    opened.cells[1].source = source
    nbformat.write(opened, path)
    return path.read_bytes()


def run(path: Path) -> bytes:
    """Run a notebook without editing it: outputs and counts are saved, and an empty cell is added at the end."""
    opened = nbformat.read(path, as_version=4)
    opened.cells[2].outputs = [new_output("stream", text="42\n")]
    opened.cells[2].execution_count = 3
    opened.metadata["language_info"] = {"name": "python", "version": "3.12.1"}
    opened.cells.append(new_code_cell(""))
    nbformat.write(opened, path)
    return path.read_bytes()


def test_the_digest_is_the_authors_own(tmp_path: Path) -> None:
    made = notebook("x = 1\ny = 2", "", "print('é')")
    nbformat.write(made, tmp_path / "a.ipynb")
    assert workspace.inputs_digest(json.loads((tmp_path / "a.ipynb").read_text(encoding="utf-8"))) == digest(made)


def test_every_notebook_of_the_course_carries_the_digest_of_its_cells() -> None:
    paths = [*content.notebooks(), *content.notebooks(solutions=True)]
    assert len(paths) >= 14
    for path in paths:
        made = nbformat.read(path, as_version=4)
        assert made.metadata["llm_labs"]["inputs"] == digest(made), path


# --- start ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_made_and_filled(course: Path, mine: Path) -> None:
    assert workspace.fill(mine / "deep").added == list(NAMES)
    assert everything(mine / "deep") == {name: (course / name).read_bytes() for name in NAMES}


def test_solutions_come_when_they_are_asked_for(course: Path, mine: Path) -> None:
    assert workspace.fill(mine, solutions=True).added == [*NAMES, *(f"solutions/{name}" for name in NAMES)]
    assert (mine / "solutions" / NAMES[0]).read_bytes() == (course / "solutions" / NAMES[0]).read_bytes()


def test_what_is_there_is_not_touched(course: Path, mine: Path) -> None:
    mine.mkdir()
    (mine / NAMES[0]).write_text("my own file")
    (mine / "notes.txt").write_text("notes")
    date = (mine / NAMES[0]).stat().st_mtime_ns
    assert workspace.fill(mine).added == [NAMES[1]]
    assert (mine / NAMES[0]).read_text() == "my own file" and (mine / NAMES[0]).stat().st_mtime_ns == date
    assert not workspace.fill(mine)
    assert sorted(everything(mine)) == sorted([*NAMES, "notes.txt"])


def test_a_link_that_leads_nowhere_is_there(course: Path, mine: Path) -> None:
    mine.mkdir()
    (mine / NAMES[0]).symlink_to(mine / "on another disk")
    assert workspace.fill(mine).added == [NAMES[1]]
    assert (mine / NAMES[0]).is_symlink() and not (mine / "on another disk").exists()


def test_a_file_system_without_links_is_filled_too(course: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    workspace.fill(mine)
    assert sorted(everything(mine)) == list(NAMES)


@pytest.mark.parametrize("do", [workspace.fill, workspace.update])
@pytest.mark.parametrize("below", [".", "solutions"])
def test_the_courses_own_notebooks_are_no_folder_of_a_person(course: Path, below: str, do, says) -> None:
    before = everything(course)
    with pytest.raises(LabError) as caught:
        do(course / below)
    says(caught.value, "course's own", "labs start")
    assert everything(course) == before


@pytest.mark.fault("the disk refuses while `labs start` copies notebooks")
@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_disk_that_refuses_is_one_sentence_and_leaves_no_half_file(course, mine: Path, number: int, monkeypatch, says) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(LabError) as caught:
        workspace.fill(mine)
    says(caught.value, mine, "full" if number == errno.ENOSPC else "folder of yours")
    assert everything(mine) == {}


def test_a_file_in_the_place_of_the_folder_is_one_sentence(course: Path, mine: Path, says) -> None:
    mine.write_text("a file")
    with pytest.raises(LabError) as caught:
        workspace.fill(mine)
    says(caught.value, mine, "labs start")


# --- update ---------------------------------------------------------------------------------------------------------


def test_a_notebook_that_nobody_changed_is_replaced(course: Path, mine: Path) -> None:
    workspace.fill(mine)
    untouched = (mine / NAMES[1]).stat().st_mtime_ns
    release(course, NAMES[0])
    assert workspace.outdated(mine) == [NAMES[0]]
    changes = workspace.update(mine)
    assert (changes.replaced, changes.kept, changes.added) == ([NAMES[0]], {}, [])
    assert everything(mine) == {name: (course / name).read_bytes() for name in NAMES}
    assert (mine / NAMES[1]).stat().st_mtime_ns == untouched
    assert workspace.outdated(mine) == [] and not workspace.update(mine)


def test_running_a_notebook_is_no_change(course: Path, mine: Path) -> None:
    workspace.fill(mine)
    run(mine / NAMES[0])
    kept = run(mine / NAMES[1])
    release(course, NAMES[0])
    assert workspace.update(mine).replaced == [NAMES[0]]
    assert (mine / NAMES[0]).read_bytes() == (course / NAMES[0]).read_bytes()
    assert (mine / NAMES[1]).read_bytes() == kept  # the course has no newer one, so the outputs stay


def test_a_notebook_with_a_persons_change_is_kept_beside_the_newer_one(course: Path, mine: Path) -> None:
    workspace.fill(mine)
    run(mine / NAMES[0])
    written = change(mine / NAMES[0])
    release(course, NAMES[0])
    changes = workspace.update(mine)
    kept = changes.kept[NAMES[0]]
    assert re.fullmatch(r"00_start\.mine-\d{8}-\d{6}\.ipynb", kept)
    assert (mine / kept).read_bytes() == written
    assert (mine / NAMES[0]).read_bytes() == (course / NAMES[0]).read_bytes()
    assert not workspace.update(mine)
    assert sorted(everything(mine)) == sorted([*NAMES, kept])


def test_a_change_stays_in_place_while_the_course_has_no_newer_notebook(course: Path, mine: Path) -> None:
    workspace.fill(mine)
    written = change(mine / NAMES[0])
    assert not workspace.update(mine)
    assert (mine / NAMES[0]).read_bytes() == written


@pytest.mark.fault("the clock stands still, or is set back, between two updates")
def test_two_changes_within_a_second_are_both_kept(course: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content.time, "strftime", lambda form: "20261127-101500")
    workspace.fill(mine)
    written = []
    for number in range(3):
        written.append(change(mine / NAMES[0], f"x = {number}"))
        nbformat.write(notebook(f"x = ...  # release {number}"), course / NAMES[0])
        workspace.update(mine)
    kept = [data for name, data in everything(mine).items() if ".mine-" in name]
    assert sorted(kept) == sorted(written)


@pytest.mark.fault("a notebook is damaged")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3, "metadata": {}}', "\x00"])
def test_a_file_that_is_no_notebook_is_a_persons_own(course: Path, mine: Path, text: str) -> None:
    workspace.fill(mine)
    (mine / NAMES[0]).write_text(text)
    changes = workspace.update(mine)
    assert (mine / changes.kept[NAMES[0]]).read_text() == text
    assert (mine / NAMES[0]).read_bytes() == (course / NAMES[0]).read_bytes()


def test_a_notebook_without_the_courses_mark_is_a_persons_own(course: Path, mine: Path) -> None:
    workspace.fill(mine)
    nbformat.write(notebook("x = 1", built=False), mine / NAMES[0])
    assert list(workspace.update(mine).kept) == [NAMES[0]]


@pytest.mark.fault("a person saves a notebook while `labs update` runs")
def test_a_save_between_looking_and_replacing_is_kept(course: Path, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.fill(mine)
    release(course, NAMES[0])
    saved = []
    rename = os.rename

    def save_first(source: Path, target: Path) -> None:
        saved.append(change(mine / NAMES[0]))
        rename(source, target)

    monkeypatch.setattr(os, "rename", save_first)
    changes = workspace.update(mine)
    assert (mine / changes.kept[NAMES[0]]).read_bytes() == saved[0]


@pytest.mark.fault("the disk is full while `labs update` runs")
def test_a_full_disk_changes_nothing(course: Path, mine: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    workspace.fill(mine)
    change(mine / NAMES[0])
    before = everything(mine)
    release(course, *NAMES)

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LabError) as caught:
        workspace.update(mine)
    says(caught.value, mine, "full")
    assert everything(mine) == before


class Killed(BaseException):
    """The system kills the command here."""


@pytest.mark.fault("`labs update` is killed")
@pytest.mark.parametrize("step", ["fsync", "rename", "link"])
def test_an_update_that_is_killed_loses_nothing_and_is_completed_by_the_next(course, mine: Path, step: str, monkeypatch) -> None:
    """What the person wrote is there under one of its two names, the newer notebooks come, and no half copy is left."""
    workspace.fill(mine)
    written = change(mine / NAMES[0])
    release(course, *NAMES)

    def killed(*arguments: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, step, killed)
        patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)  # where the process ends, nothing more of it runs
        patch.setattr(os, "getpid", lambda: 2**22 + 1)  # a number that no process has
        workspace.update(mine)
    assert written in everything(mine).values()
    workspace.update(mine)
    assert written in everything(mine).values()
    assert {name: data for name, data in everything(mine).items() if ".mine-" not in name} == everything(course, "[0-9]*.ipynb")


def test_new_labs_come_old_ones_stay_and_solutions_follow(course: Path, mine: Path) -> None:
    workspace.fill(mine, solutions=True)
    (course / NAMES[1]).rename(course / "02_more.ipynb")
    nbformat.write(notebook("x = 2"), course / "solutions" / NAMES[0])
    changes = workspace.update(mine)
    assert (changes.added, changes.replaced, changes.retired) == (["02_more.ipynb"], [f"solutions/{NAMES[0]}"], [NAMES[1]])
    assert (mine / NAMES[1]).exists()


def test_without_solutions_none_are_brought(course: Path, mine: Path) -> None:
    workspace.fill(mine)
    workspace.update(mine)
    assert not (mine / "solutions").exists()


def test_a_missing_folder_is_one_sentence(course: Path, mine: Path, says) -> None:
    with pytest.raises(LabError) as caught:
        workspace.update(mine)
    says(caught.value, mine, "labs start")
    assert not mine.exists()
