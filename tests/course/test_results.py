"""What a lab records survives crashes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labutils.course import results
from labutils.errors import LabError
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


def test_a_home_that_is_a_file_is_one_sentence(home: Path, says) -> None:
    home.write_text("not a folder")
    with pytest.raises(LabError) as caught:
        results.begin("02")
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
