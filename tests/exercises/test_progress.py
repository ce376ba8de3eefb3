"""Progress survives crashes, moves between machines, and only ever grows."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labutils.errors import LabError
from labutils.exercises import registry
from labutils.exercises.progress_file import (
    ExerciseProgress,
    export_progress,
    import_progress,
    load_progress,
    progress,
    progress_path,
    record_attempt,
    record_hints,
    reset_exercise,
)
from labutils.exercises.registry import Exercise, ExerciseFunctions, Quiz


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch):
    """A function that makes the last step of every write fail from now on."""

    def fill() -> None:
        def fail(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", fail)

    return fill


def test_a_home_that_is_a_file_is_one_sentence(home: Path, says) -> None:
    home.write_text("not a folder")
    with pytest.raises(LabError) as caught:
        record_attempt("2.1", passed=True)
    says(caught.value, "LABS_HOME")
    assert home.read_text() == "not a folder"


def test_without_a_file_nothing_is_passed(home: Path) -> None:
    assert load_progress().get("2.1") == ExerciseProgress(passed=False, tries=0, hints=0)
    assert not home.exists()


def test_a_pass_is_never_undone_and_tries_count() -> None:
    outcomes = [record_attempt("2.1", passed=passed).passed for passed in (False, True, False)]
    assert outcomes == [False, True, True]
    assert load_progress().get("2.1") == ExerciseProgress(passed=True, tries=3, hints=0)


def test_hints_are_the_most_that_were_taken_and_are_no_tries() -> None:
    for hints in (1, 3, 2):
        record_hints("2.1", hints)
    assert load_progress().get("2.1") == ExerciseProgress(passed=False, tries=0, hints=3)


def test_resetting_opens_one_exercise_and_no_other() -> None:
    record_attempt("2.1", passed=True)
    record_attempt("2.2", passed=True)
    reset_exercise("2.1")
    reset_exercise("9.9")
    assert load_progress().exercises == {"2.2": ExerciseProgress(passed=True, tries=1)}


@pytest.mark.parametrize(
    "content",
    [b"", b'{"version": 1, "exer', b"\xff\xfe\x00", b"[]", b'{"version": 1, "exercises": {"2.1": {"tries": -1}}}'],
    ids=["empty", "half", "binary", "list", "impossible"],
)
def test_a_damaged_file_is_kept_aside_and_named(home: Path, content: bytes, capsys, says) -> None:
    home.mkdir()
    progress_path().write_bytes(content)
    record_attempt("2.1", passed=True)
    (aside,) = [path for path in home.glob("*.json") if path != progress_path()]
    assert aside.read_bytes() == content
    says(capsys.readouterr().out, aside, "damaged")
    assert load_progress().exercises == {"2.1": ExerciseProgress(passed=True, tries=1)}
    assert capsys.readouterr().out == ""


def test_a_failed_write_leaves_the_earlier_progress(full_disk) -> None:
    record_attempt("2.1", passed=True)
    full_disk()
    with pytest.raises(LabError):
        record_attempt("2.2", passed=True)
    assert load_progress().exercises == {"2.1": ExerciseProgress(passed=True, tries=1)}


def test_progress_moves_to_another_machine_and_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_attempt("2.1", passed=True)
    record_attempt("2.2", passed=False)
    record_hints("2.3", 2)
    export_progress(tmp_path / "carried.json")
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "another machine"))
    for passed in (False, False):
        record_attempt("2.1", passed=passed)
    record_attempt("2.2", passed=True)
    record_hints("2.4", 1)
    import_progress(tmp_path / "carried.json")
    merged = {
        "2.1": ExerciseProgress(passed=True, tries=2),
        "2.2": ExerciseProgress(passed=True, tries=1),
        "2.3": ExerciseProgress(hints=2),
        "2.4": ExerciseProgress(hints=1),
    }
    assert load_progress().exercises == merged
    import_progress(tmp_path / "carried.json")
    assert load_progress().exercises == merged


def test_an_export_imported_into_an_empty_home_is_the_same_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_attempt("2.1", passed=True)
    record_hints("2.1", 1)
    before = load_progress()
    export_progress(tmp_path / "carried.json")
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "another machine"))
    import_progress(tmp_path / "carried.json")
    assert load_progress() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\xff\xfe\x00", b"[]", b'{"name": "Ada"}', b'{"exercises": {"2.1": {"code": "x"}}}', None],
    ids=["empty", "text", "binary", "list", "a name", "code", "a folder"],
)
def test_importing_rubbish_is_one_sentence_and_changes_nothing(tmp_path: Path, content: bytes | None, says) -> None:
    record_attempt("2.1", passed=True)
    before = progress_path().read_bytes()
    rubbish = tmp_path / "rubbish.json"
    rubbish.mkdir() if content is None else rubbish.write_bytes(content)
    with pytest.raises(LabError) as caught:
        import_progress(rubbish)
    says(caught.value, rubbish, "--export")
    assert progress_path().read_bytes() == before


def test_a_file_that_an_editor_on_windows_saved_is_imported(tmp_path: Path) -> None:
    record_attempt("2.1", passed=True)
    export_progress(tmp_path / "carried.json")
    reset_exercise("2.1")
    edited = (tmp_path / "carried.json").read_text().replace("\n", "\r\n")
    (tmp_path / "carried.json").write_bytes(b"\xef\xbb\xbf" + edited.encode())
    import_progress(tmp_path / "carried.json")
    assert load_progress().exercises == {"2.1": ExerciseProgress(passed=True, tries=1)}


def test_importing_a_missing_file_is_one_sentence(tmp_path: Path, says) -> None:
    with pytest.raises(LabError) as caught:
        import_progress(tmp_path / "missing.json")
    says(caught.value, tmp_path / "missing.json")


RECORDING = """
import sys
from labutils.exercises.progress_file import record_attempt
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    record_attempt("2.1", passed=False)
    record_attempt(sys.argv[1], passed=True)
"""


def test_two_processes_recording_at_once_lose_nothing() -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", RECORDING, own], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for own in ("2.2", "2.3")
    ]
    assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0]
    assert load_progress().exercises == {
        "2.1": ExerciseProgress(tries=50),
        "2.2": ExerciseProgress(passed=True, tries=25),
        "2.3": ExerciseProgress(passed=True, tries=25),
    }


FUNCTIONS = ExerciseFunctions(lambda x: 2.0 * x, lambda: [(1.0,)])
EXERCISE = Exercise(id="9.1", title="Double", hints=("a nudge", "a partial answer"), functions=lambda: FUNCTIONS)
QUIZ = Quiz(id="9.a", question="Which?", options=("this", "that"), right=0, why=("yes", "no"))


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    """One exercise and one quiz in lab 09, and an exercise in lab 19."""
    others = dataclasses.replace(EXERCISE, id="19.1", title="Other")
    monkeypatch.setattr(registry, "_catalogue", lambda: {"9.1": EXERCISE, "9.a": QUIZ, "19.1": others})


def test_the_file_holds_states_and_counts_and_nothing_else(course, monkeypatch: pytest.MonkeyPatch) -> None:
    from labutils.exercises import check, hints

    def a_telling_name(x):
        return x  # a telling remark

    monkeypatch.setattr(hints, "stub_and_solution", lambda id: {"stub": "", "solution": "a telling solution"})
    check("9.1", a_telling_name)
    hints.hint("9.1")
    written = progress_path().read_text()
    assert "telling" not in written
    counts = {"9.1": {"passed": False, "tries": 1, "hints": 1}}
    assert json.loads(written) == {"version": 1, "exercises": counts, "predictions": {}}


def test_the_table_shows_one_lab(course, capsys) -> None:
    record_attempt("9.1", passed=True)
    progress("09")
    shown = capsys.readouterr().out
    assert "1 of 2 passed" in shown
    assert "Double" in shown and "9.a" in shown and "19.1" not in shown


def test_hints_come_in_order_and_the_third_stays(course, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from labutils.exercises import hints

    shown = []
    monkeypatch.setattr(hints, "stub_and_solution", lambda id: {"stub": "", "solution": "return 2 * x"})
    monkeypatch.setattr("IPython.display.display", lambda item: shown.append(item.data))
    for _ in range(4):
        hints.hint("9.1")
    expected = ("a nudge", "a partial answer", "return 2 * x", "return 2 * x")
    assert len(shown) == 4 and all(text in card for text, card in zip(expected, shown, strict=True))
    assert not any("return 2 * x" in card for card in shown[:2])
    assert load_progress().get("9.1") == ExerciseProgress(hints=3)
