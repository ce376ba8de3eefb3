"""A record that grows by lines survives a kill in the middle of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labutils.machine.files import append_line, json_files, lines_of

ROWS = [{"cell": "é", "loss": 1.5}, {"cell": "b", "loss": 2.5}]


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in lines_of(path)]


def test_rows_are_added_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "made" / "record.jsonl"
    assert lines_of(path) == []
    for row in ROWS:
        append_line(path, row)
    assert rows(path) == ROWS and path.read_bytes().endswith(b"}\n")


@pytest.mark.fault("a run is killed, or the disk is full, while it adds to a record")
def test_a_line_that_was_cut_off_goes_and_no_other(tmp_path: Path) -> None:
    """At whatever byte: the rows before it stay, and the next one stands on a line of its own."""
    path = tmp_path / "record.jsonl"
    append_line(path, ROWS[0])
    first = path.read_bytes()
    append_line(path, ROWS[1])
    whole = path.read_bytes()
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        append_line(path, {"cell": "c"})
        kept = ROWS[: (end >= len(first) - 1) + (end >= len(whole) - 1)]  # a whole line may lack its end
        assert rows(path) == [*kept, {"cell": "c"}], end


def test_the_json_files_of_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", ".a.json.77", ".hidden.json", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in json_files(tmp_path)] == ["a.json", "b.json"]
    assert json_files(tmp_path / "none") == json_files(tmp_path / "a.json") == []
