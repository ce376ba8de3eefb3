"""What a lab records survives crashes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from labutils.course import results
from labutils.errors import LabError
from labutils.machine import files


@pytest.fixture(autouse=True)
def no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_lab", None)
    monkeypatch.setattr(results, "_unwritten", {})


def refuse(*arguments: object, **more: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch):
    """A function that makes the last step of every write fail from now on."""

    return lambda: monkeypatch.setattr(os, "replace", refuse)


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


@pytest.mark.fault("the home cannot be used where a lab records what it measured")
def test_a_home_that_is_a_file_costs_the_file_and_not_the_cell(home: Path, capsys, says) -> None:
    """Said once, in one sentence; the values last as long as the kernel."""
    home.write_text("not a folder")
    results.begin("02")
    says(capsys.readouterr().out, "not kept for later", "LABS_HOME")
    for value in (1.5, 2.5):
        results.record("value", value)
    assert results.read("02") == {"value": 2.5} and capsys.readouterr().out == ""
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


@pytest.mark.fault("the disk fills up between two values that a lab records")
def test_a_failed_record_leaves_the_earlier_results_and_is_written_later(home: Path, monkeypatch, capsys, says) -> None:
    """One sentence, the lab goes on, and the next value that the disk takes brings the others with it."""
    results.begin("02")
    results.record("good", 1.5)
    with monkeypatch.context() as full:
        full.setattr(os, "replace", refuse)
        results.record("more", 2.5)
        says(capsys.readouterr().out, "not kept for later", "No space left", "untouched")
        assert json.loads((home / "results" / "02.json").read_text()) == {"good": 1.5}
        assert results.read("02") == {"good": 1.5, "more": 2.5}
    results.record("last", 3.5)
    assert json.loads((home / "results" / "02.json").read_text()) == {"good": 1.5, "more": 2.5, "last": 3.5}


@pytest.mark.fault("a file of measured values is damaged")
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"7", b"null"])
def test_damaged_results_are_none_and_are_replaced(home: Path, content: bytes) -> None:
    """The lab, run again, writes them anew."""
    (home / "results").mkdir(parents=True)
    (home / "results" / "02.json").write_bytes(content)
    assert results.read("02") == {}
    results.begin("02")
    results.record("good", 1.5)
    assert results.read("02") == {"good": 1.5}
