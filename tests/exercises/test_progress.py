"""Progress survives crashes, moves between machines, and only ever grows."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from labutils.errors import LabError
from labutils.exercises import progress_file, registry
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
from labutils.exercises.registry import Exercise, ExerciseFunctions, Prediction, Quiz


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
    assert record_attempt("2.1", passed=True) == ExerciseProgress(passed=True, tries=1)
    says(progress_file.not_kept(), "LABS_HOME", progress_path())
    with pytest.raises(LabError) as caught:
        reset_exercise("2.1")
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


@pytest.mark.fault("the progress file is damaged")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"version": 1, "exer',
        b"\xff\xfe\x00",
        b"[]",
        b'{"version": 1, "exercises": {"2.1": {"tries": -1}}}',
        b'{"version": 2}',
        b'{"version": 1}' + b" " * 10**6,
    ],
    ids=["empty", "half", "binary", "list", "impossible", "another version", "a megabyte"],
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


@pytest.mark.fault("one flipped bit in the progress file")
def test_a_file_with_one_flipped_bit_costs_the_last_change_at_most(home: Path, capsys, says) -> None:
    """Any bit of it: read as it stands, or kept aside and said so, and the file from before the last change takes its place."""
    for id in ("2.1", "2.2"):
        record_attempt(id, passed=True)
    before = load_progress()
    record_attempt("2.3", passed=False, kind="value")
    whole, earlier = progress_path().read_bytes(), progress_path().with_suffix(".earlier").read_bytes()
    taken = 0
    for place in range(0, 8 * len(whole), 3):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        progress_path().write_bytes(flipped)
        capsys.readouterr()
        found = load_progress()
        if aside := list(home.glob("progress.damaged-*")):
            says(capsys.readouterr().out, aside[0], "damaged", "before the last change")
            assert aside[0].read_bytes() == flipped and found == before == load_progress()
            if taken % 50 == 0:
                record_attempt("2.4", passed=True)
                assert set(load_progress().exercises) == {"2.1", "2.2", "2.4"}
            aside[0].unlink()
            taken += 1
        else:
            assert capsys.readouterr().out == "" and len(found.exercises) >= 2  # another digit, or another letter of a name
        progress_path().with_suffix(".earlier").write_bytes(earlier)
    assert taken > len(whole)


@pytest.mark.fault("the clock is set back between two damages of the progress file")
def test_two_damaged_files_of_one_second_are_both_kept(home: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Neither takes the other's name."""
    monkeypatch.setattr(progress_file.time, "strftime", lambda form: "20261127-101500")
    home.mkdir()
    for content in (b"first", b"second", b"third"):
        progress_path().write_bytes(content)
        load_progress()
    assert sorted(path.read_bytes() for path in home.glob("progress.damaged-*")) == [b"first", b"second", b"third"]


def test_on_a_disk_without_hard_links_progress_is_kept_and_no_earlier_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        record_attempt("2.1", passed=True)
    assert load_progress().get("2.1").tries == 2
    assert sorted(path.name for path in home.iterdir() if path.suffix != ".lock") == ["progress.json"]


@pytest.mark.fault("one flipped bit in an exported progress file")
def test_importing_a_file_with_one_flipped_bit_never_takes_anything_away(tmp_path: Path, says) -> None:
    """It is imported as it stands, or refused in one sentence; what was passed here stays."""
    record_attempt("2.2", passed=True)
    carried = tmp_path / "carried.json"
    export_progress(carried)
    whole, refusals = carried.read_bytes(), 0
    record_attempt("2.1", passed=True)
    for place in range(0, 8 * len(whole), 7):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        carried.write_bytes(flipped)
        try:
            import_progress(carried)
        except LabError as error:
            says(error, carried)
            refusals += 1
        assert load_progress().get("2.1").passed and load_progress().get("2.2").passed
    assert refusals > len(whole) // 2


@pytest.mark.fault("the disk is full where progress is written")
def test_a_failed_write_leaves_the_earlier_progress(full_disk) -> None:
    record_attempt("2.1", passed=True)
    full_disk()
    record_attempt("2.2", passed=True)
    assert json.loads(progress_path().read_text())["exercises"] == {"2.1": {"passed": True, "tries": 1, "hints": 0}}
    assert "No space left" in progress_file.not_kept()


def test_what_could_not_be_written_lasts_as_long_as_the_kernel_and_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    record_attempt("2.1", passed=True)
    with monkeypatch.context() as broken:
        broken.setattr(progress_file, "write_atomically", refuses_to_write)
        assert record_attempt("2.2", passed=False).tries == 1
        assert record_attempt("2.2", passed=False).tries == 2
        assert load_progress().get("2.2").tries == 2
    record_hints("2.3", 1)
    assert progress_file.not_kept() == ""
    written = json.loads(progress_path().read_text())["exercises"]
    assert {id: entry["tries"] for id, entry in written.items()} == {"2.1": 1, "2.2": 2, "2.3": 0}


def refuses_to_write(path: Path, text: str) -> None:
    try:
        raise OSError(30, "Read-only file system", str(path))
    except OSError as error:
        raise LabError(f"{path} could not be written") from error


@pytest.fixture
def refused(request, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A home in which nothing can be kept, each for another reason."""
    if request.param == "read-only":
        monkeypatch.setattr(progress_file, "write_atomically", refuses_to_write)
    elif request.param == "no folder":
        home.write_text("not a folder")
    elif request.param == "unreadable":
        monkeypatch.setattr(Path, "read_text", denied)
        home.mkdir()
        progress_path().touch()
    elif request.param == "held":
        monkeypatch.setattr(progress_file, "LOCK_SECONDS", 0.1)
        home.mkdir()
        lock = FileLock(progress_path().with_suffix(".lock"))
        lock.acquire()
        request.addfinalizer(lock.release)
    return request.param


def denied(path: Path, **more):
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.fault("the home takes nothing")
@pytest.mark.parametrize("refused", ["read-only", "no folder", "unreadable", "held"], indirect=True)
def test_the_answer_comes_first_where_progress_cannot_be_kept(refused: str, course, capsys, monkeypatch) -> None:
    from labutils.exercises import check, hint, hints, outcome, predict, quiz

    monkeypatch.setattr(hints, "stub_and_solution", lambda id: {"stub": "", "solution": "return 2 * x"})
    right = lambda x: x + x  # noqa: E731
    acts = {
        "passed": lambda: check("9.1", right),
        "not yet": lambda: check("9.1", lambda x: x),
        "no": lambda: quiz("9.a", 2),
        "Markdown": lambda: hint("9.1"),
        "Noted: 3": lambda: predict("9.p1", 3),
        "You said 3; measured: 3: close.": lambda: outcome("9.p1", 3),
    }
    for shown, act in acts.items():
        act()
        *lines, last = capsys.readouterr().out.splitlines()
        assert any(shown in line for line in lines), (shown, lines)
        assert last.startswith("Progress is not kept (") and last.endswith("): set LABS_HOME to a folder of yours.")
    progress("09")
    assert "1 of 2 passed" in capsys.readouterr().out


@pytest.mark.fault("the home lies on a disk without locks")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EPERM, errno.ENOSYS])
def test_a_disk_without_locks_keeps_progress(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lockless(FileLock):
        def acquire(self, *arguments, **more):
            raise NotImplementedError if code == errno.ENOSYS else OSError(code, os.strerror(code))

    monkeypatch.setattr(progress_file, "FileLock", Lockless)
    record_attempt("2.1", passed=True)
    assert json.loads(progress_path().read_text())["exercises"]["2.1"]["passed"] is True
    assert progress_file.not_kept() == ""


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
    [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"[]",
        b'{"name": "Ada"}',
        b'{"exercises": {"2.1": {"code": "x"}}}',
        None,
        b'{"version": 2, "exercises": {}}',
        b'{"exercises": {' + b", ".join(b'"%d": {}' % n for n in range(10**5)) + b"}}",
    ],
    ids=["empty", "text", "binary", "list", "a name", "code", "a folder", "another version", "a megabyte"],
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


def test_a_file_in_another_encoding_is_named_so(tmp_path: Path, says) -> None:
    carried = tmp_path / "carried.json"
    carried.write_text('{"exercises": {}}', encoding="utf-16")
    with pytest.raises(LabError) as caught:
        import_progress(carried)
    says(caught.value, carried, "not UTF-8 text", "--export")


def test_importing_leaves_out_what_this_course_does_not_have(tmp_path: Path) -> None:
    carried = tmp_path / "carried.json"
    entry = {"passed": True, "tries": 1, "hints": 0}
    guesses = {"0.p1": {"guess": 3.0}, "77.p1": {"guess": "mine"}}
    carried.write_text(json.dumps({"exercises": {"2.1": entry, "77.1": entry}, "predictions": guesses}))
    assert import_progress(carried) == ["77.1", "77.p1"]
    assert list(load_progress().exercises) == ["2.1"] and list(load_progress().predictions) == ["0.p1"]


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


@pytest.mark.fault("two kernels write progress at once")
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


ENDLESS = """
from labutils.exercises.progress_file import record_attempt
for number in range(10**6):
    record_attempt("2.1", passed=number > 0)
    print(number + 1, flush=True)
"""


@pytest.mark.fault("the kernel is killed while it writes progress")
def test_a_kernel_killed_while_it_records_loses_nothing_that_was_recorded(home: Path, capsys) -> None:
    """Five kills at chance moments: the file is whole, holds every try that had come back, and takes the next one at once."""
    had = 0
    for moment in range(5):
        with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True) as child:
            told = [int(child.stdout.readline()) for _ in range(3)][-1]
            time.sleep(0.003 * moment)
            child.kill()
            told = max([told, *(int(line) for line in child.stdout.read().splitlines()[:-1])])
        tries = json.loads(progress_path().read_text())["exercises"]["2.1"]["tries"]
        assert had + told <= tries
        had = record_attempt("2.1", passed=False).tries
        assert had == tries + 1 and load_progress().get("2.1").passed
    assert capsys.readouterr().out == "" and not list(home.glob("progress.damaged-*"))


FUNCTIONS = ExerciseFunctions(lambda x: 2.0 * x, lambda: [(1.0,)])
EXERCISE = Exercise(id="9.1", title="Double", hints=("a nudge", "a partial answer"), functions=lambda: FUNCTIONS)
PREDICTION = Prediction(id="9.p1", kind="number", question="How many?")
QUIZ = Quiz(id="9.a", question="Which?", options=("this", "that"), right=0, why=("yes", "no"))


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    """One exercise and one quiz in lab 09, and an exercise in lab 19."""
    others = dataclasses.replace(EXERCISE, id="19.1", title="Other")
    everything = {item.id: item for item in (EXERCISE, QUIZ, others, PREDICTION)}
    monkeypatch.setattr(registry, "_catalogue", lambda: everything)


def test_the_file_holds_states_and_counts_and_nothing_else(course, monkeypatch: pytest.MonkeyPatch) -> None:
    from labutils.exercises import check, hints

    def a_telling_name(x):
        return x  # a telling remark

    monkeypatch.setattr(hints, "stub_and_solution", lambda id: {"stub": "", "solution": "a telling solution"})
    check("9.1", a_telling_name)
    hints.hint("9.1")
    written = progress_path().read_text()
    assert "telling" not in written
    counts = {"9.1": {"passed": False, "tries": 1, "hints": 1, "wrong": {"value": 1}}}
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


def test_a_hint_can_be_read_again_and_none_is_skipped(course, monkeypatch: pytest.MonkeyPatch, says) -> None:
    from labutils.exercises import hints

    shown = []
    monkeypatch.setattr(hints, "stub_and_solution", lambda id: {"stub": "", "solution": "return 2 * x"})
    monkeypatch.setattr("IPython.display.display", lambda item: shown.append(item.data))
    with pytest.raises(LabError) as caught:
        hints.hint("9.1", 2)
    says(caught.value, 'hint("9.1")', "hint 1 of 3")
    for number in (None, None, 1, 2, None, 1, 3):
        hints.hint("9.1", number)
    firsts = ["a nudge", "a partial answer", "a nudge", "a partial answer", "return 2 * x", "a nudge", "return 2 * x"]
    assert [text in card for text, card in zip(firsts, shown, strict=True)] == [True] * 7
    for number in (0, 4, "1"):
        with pytest.raises(LabError):
            hints.hint("9.1", number)
    assert load_progress().get("9.1").hints == 3
