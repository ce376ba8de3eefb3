"""What is written survives crashes, and progress only ever grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labutils.course import results
from labutils.errors import LabError
from labutils.exercises import registry
from labutils.exercises.registry import Exercise, Quiz
from labutils.exercises.store import Entry, export, forget, load, merge, note, progress
from labutils.exercises.store import path as progress_path
from labutils.machine import files


@pytest.fixture(autouse=True)
def no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_lab", None)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch):
    """A function that makes the last step of every write fail from now on."""

    def fill() -> None:
        def fail(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", fail)

    return fill


# --- results --------------------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_text_and_nothing_else(tmp_path: Path, full_disk, says) -> None:
    path = tmp_path / "kept" / "file.json"
    files.write_atomically(path, "old")
    full_disk()
    with pytest.raises(LabError) as caught:
        files.write_atomically(path, "new")
    says(caught.value, path, "No space left on device", "untouched")
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]
    assert path.read_text() == "old"


def test_a_write_replaces_the_whole_text(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    files.write_atomically(path, "a long old text")
    files.write_atomically(path, "új")
    assert path.read_text(encoding="utf-8") == "új"
    assert list(tmp_path.glob("*file.txt*")) == [path]


@pytest.mark.parametrize("write", [lambda: results.begin("02"), lambda: note("2.1", passed=True)], ids=["results", "progress"])
def test_a_home_that_is_a_file_is_one_sentence(home: Path, write, says) -> None:
    home.write_text("not a folder")
    with pytest.raises(LabError) as caught:
        write()
    says(caught.value, "LABS_HOME")
    assert home.read_text() == "not a folder"


def test_recording_before_start_is_one_sentence(home: Path, says) -> None:
    with pytest.raises(LabError) as caught:
        results.record("a", 1.0)
    says(caught.value, "start")
    assert not home.exists()


def test_recorded_values_are_read_back(home: Path) -> None:
    results.begin("02")
    values = {"p-value": 0.25, "steps": 3, "mode": "greedy, “é”", "fits": True, "list": [1, 2.5], "by name": {"a": 1}}
    for name, value in values.items():
        results.record(name, value)
    results.record("steps", 4)
    assert results.read("02") == {**values, "steps": 4}


def test_a_lab_that_never_ran_has_no_results() -> None:
    assert results.read("02") == {}


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), [1.0, float("nan")], {"a": float("inf")}, object(), {1, 2}],
    ids=["nan", "inf", "-inf", "nan in a list", "inf in a dict", "object", "set"],
)
def test_what_is_not_finite_or_not_json_is_refused_and_the_rest_kept(value, says) -> None:
    results.begin("02")
    results.record("good", 1.5)
    with pytest.raises(LabError) as caught:
        results.record("bad number", value)
    says(caught.value, "bad number")
    assert results.read("02") == {"good": 1.5}


def test_a_failed_record_leaves_the_earlier_results(full_disk) -> None:
    results.begin("02")
    results.record("good", 1.5)
    full_disk()
    with pytest.raises(LabError):
        results.record("more", 2.5)
    assert results.read("02") == {"good": 1.5}


# --- progress -------------------------------------------------------------------------------------------------------


def test_without_a_file_nothing_is_passed(home: Path) -> None:
    assert load().get("2.1") == Entry(passed=False, tries=0, hints=0)
    assert not home.exists()


def test_a_pass_is_never_undone_and_tries_count() -> None:
    outcomes = [note("2.1", passed=passed).passed for passed in (False, True, False)]
    assert outcomes == [False, True, True]
    assert load().get("2.1") == Entry(passed=True, tries=3, hints=0)


def test_hints_are_the_most_that_were_taken_and_are_no_tries() -> None:
    for hints in (1, 3, 2):
        note("2.1", hints=hints)
    assert load().get("2.1") == Entry(passed=False, tries=0, hints=3)


def test_forgetting_opens_one_exercise_and_no_other() -> None:
    note("2.1", passed=True)
    note("2.2", passed=True)
    forget("2.1")
    forget("9.9")
    assert load().exercises == {"2.2": Entry(passed=True, tries=1)}


@pytest.mark.parametrize(
    "content",
    [b"", b'{"version": 1, "exer', b"\xff\xfe\x00", b"[]", b'{"version": 1, "exercises": {"2.1": {"tries": -1}}}'],
    ids=["empty", "half", "binary", "list", "impossible"],
)
def test_a_damaged_file_is_kept_aside_and_named(home: Path, content: bytes, capsys, says) -> None:
    home.mkdir()
    progress_path().write_bytes(content)
    note("2.1", passed=True)
    (aside,) = [path for path in home.glob("*.json") if path != progress_path()]
    assert aside.read_bytes() == content
    says(capsys.readouterr().out, aside, "damaged")
    assert load().exercises == {"2.1": Entry(passed=True, tries=1)}
    assert capsys.readouterr().out == ""


def test_a_failed_write_leaves_the_earlier_progress(full_disk) -> None:
    note("2.1", passed=True)
    full_disk()
    with pytest.raises(LabError):
        note("2.2", passed=True)
    assert load().exercises == {"2.1": Entry(passed=True, tries=1)}


def test_progress_moves_to_another_machine_and_merges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note("2.1", passed=True)
    note("2.2", passed=False)
    note("2.3", hints=2)
    export(tmp_path / "carried.json")
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "another machine"))
    for passed in (False, False):
        note("2.1", passed=passed)
    note("2.2", passed=True)
    note("2.4", hints=1)
    merge(tmp_path / "carried.json")
    merged = {
        "2.1": Entry(passed=True, tries=2),
        "2.2": Entry(passed=True, tries=1),
        "2.3": Entry(hints=2),
        "2.4": Entry(hints=1),
    }
    assert load().exercises == merged
    merge(tmp_path / "carried.json")
    assert load().exercises == merged


def test_an_export_merged_into_an_empty_home_is_the_same_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note("2.1", passed=True)
    note("2.1", hints=1)
    before = load()
    export(tmp_path / "carried.json")
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "another machine"))
    merge(tmp_path / "carried.json")
    assert load() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\xff\xfe\x00", b"[]", b'{"name": "Ada"}', b'{"exercises": {"2.1": {"code": "x"}}}', None],
    ids=["empty", "text", "binary", "list", "a name", "code", "a folder"],
)
def test_merging_rubbish_is_one_sentence_and_changes_nothing(tmp_path: Path, content: bytes | None, says) -> None:
    note("2.1", passed=True)
    before = progress_path().read_bytes()
    rubbish = tmp_path / "rubbish.json"
    rubbish.mkdir() if content is None else rubbish.write_bytes(content)
    with pytest.raises(LabError) as caught:
        merge(rubbish)
    says(caught.value, rubbish, "--export")
    assert progress_path().read_bytes() == before


def test_merging_a_missing_file_is_one_sentence(tmp_path: Path, says) -> None:
    with pytest.raises(LabError) as caught:
        merge(tmp_path / "missing.json")
    says(caught.value, tmp_path / "missing.json")


NOTING = """
import sys
from labutils.exercises.store import note
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    note("2.1", passed=False)
    note(sys.argv[1], passed=True)
"""


def test_two_processes_noting_at_once_lose_nothing() -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", NOTING, own], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for own in ("2.2", "2.3")
    ]
    assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0]
    assert load().exercises == {
        "2.1": Entry(tries=50),
        "2.2": Entry(passed=True, tries=25),
        "2.3": Entry(passed=True, tries=25),
    }


EXERCISE = Exercise(
    id="9.1", title="Double", reference=lambda x: 2.0 * x, cases=((1.0,),), mistakes=(), hints=("a nudge", "a partial answer")
)
QUIZ = Quiz(id="9.a", question="Which?", options=("this", "that"), right=0, why=("yes", "no"))


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    """One exercise and one quiz in lab 09, and an exercise in lab 19."""
    others = Exercise(**{**EXERCISE.__dict__, "id": "19.1", "title": "Other"})
    monkeypatch.setattr(registry, "_items", lambda: {"9.1": EXERCISE, "9.a": QUIZ, "19.1": others})


def test_the_file_holds_states_and_counts_and_nothing_else(course, monkeypatch: pytest.MonkeyPatch) -> None:
    from labutils.exercises import check, hints

    def a_telling_name(x):
        return x  # a telling remark

    monkeypatch.setattr(hints, "answer", lambda id: {"stub": "", "solution": "a telling solution"})
    check("9.1", a_telling_name)
    hints.hint("9.1")
    written = progress_path().read_text()
    assert "telling" not in written
    assert json.loads(written) == {"version": 1, "exercises": {"9.1": {"passed": False, "tries": 1, "hints": 1}}}


def test_the_table_shows_one_lab(course, capsys) -> None:
    note("9.1", passed=True)
    progress("09")
    shown = capsys.readouterr().out
    assert "1 of 2 passed" in shown
    assert "Double" in shown and "9.a" in shown and "19.1" not in shown


def test_hints_come_in_order_and_the_third_stays(course, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from labutils.exercises import hints

    shown = []
    monkeypatch.setattr(hints, "answer", lambda id: {"stub": "", "solution": "return 2 * x"})
    monkeypatch.setattr("IPython.display.display", lambda item: shown.append(item.data))
    for _ in range(4):
        hints.hint("9.1")
    expected = ("a nudge", "a partial answer", "return 2 * x", "return 2 * x")
    assert len(shown) == 4 and all(text in card for text, card in zip(expected, shown, strict=True))
    assert not any("return 2 * x" in card for card in shown[:2])
    assert load().get("9.1") == Entry(hints=3)
