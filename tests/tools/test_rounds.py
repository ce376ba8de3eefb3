"""tools/rounds.py: rounds of a stopped run count on, and none of another state of the course."""

from __future__ import annotations

from pathlib import Path

import pytest
import rounds


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small course with one file of each kind."""
    for name in ("labs/a.ipynb", "labutils/b.py", "data/c.jsonl", "requirements.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    monkeypatch.setattr(rounds, "ROOT", tmp_path)
    monkeypatch.setattr(rounds, "RECORD", tmp_path / "build" / "rounds.jsonl")
    return tmp_path


@pytest.mark.parametrize("name", ["labs/a.ipynb", "labutils/b.py", "data/c.jsonl", "requirements.lock", "labs/new.ipynb"])
def test_a_changed_or_a_new_file_is_another_state(course: Path, name: str) -> None:
    before = rounds.state_of_course()
    (course / "labutils" / "__pycache__").mkdir()
    (course / "labutils" / "__pycache__" / "b.pyc").write_bytes(b"compiled")
    (course / "README.md").write_text("nothing runs this", encoding="utf-8")
    assert rounds.state_of_course() == before
    (course / name).write_text("changed", encoding="utf-8")
    assert rounds.state_of_course() != before


def test_rounds_of_the_same_state_and_notebooks_add_up(course: Path) -> None:
    assert rounds.earlier("now", ["a", "b"]) == []
    rounds.add("now", ["b", "a"], [], 2.0)
    rounds.add("before", ["a", "b"], ["a"], 2.0)
    rounds.add("now", ["a"], [], 2.0)
    rounds.add("now", ["a", "b"], ["b"], 3.04)
    rows = rounds.earlier("now", ["a", "b"])
    assert rounds.total(rows) == {"notebooks": 2, "of each": 2, "runs": 4, "passed": 3, "minutes": 5.0}


def test_a_round_that_a_kill_cut_short_is_dropped(course: Path) -> None:
    rounds.add("now", ["a"], [], 1.0)
    with open(rounds.RECORD, "a", encoding="utf-8") as file:
        file.write('{"state": "now", "noteb')
    assert len(rounds.earlier("now", ["a"])) == 1
    rounds.add("now", ["a"], [], 1.0)
    assert len(rounds.earlier("now", ["a"])) == 2
