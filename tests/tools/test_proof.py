"""tools/proof.py: what falls short is said, what was not measured is not called kept, and the page is safe to open."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import longer_runs
import proof
import pytest


def test_a_bound_is_kept_up_to_its_limit() -> None:
    assert proof.at_most("x", 3.2, 3.2, "GiB").kept
    line = proof.at_most("x", 3.2, 3.21, "GiB", 2)
    assert (line.promised, line.measured, line.kept) == ("at most 3.2 GiB", "3.21 GiB", False)


def test_a_lab_without_a_measurement_is_not_called_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        proof.doctor,
        "budgets",
        lambda: {"labs": {"00_start_here": {"seconds": 300.0, "core_seconds": 120.0, "peak_rss_gib": 1.0}}},
    )
    lines = {line.what: line.kept for line in proof.labs()}
    (whole,) = (line for line in proof.labs() if line.what == "lab 00: all cells")
    assert whole.measured == "5.0 min, of it the core path 2.0"
    assert lines["lab 00: all cells"] is False and lines["lab 00: peak of its kernel"] is True
    assert lines["lab 01"] is None


def test_hard_links_are_counted_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert proof.size_of(tmp_path) == 1000


def test_no_cell_of_a_solution_is_left_unverified() -> None:
    assert proof.cells().kept


def test_the_page_escapes_what_it_shows() -> None:
    page = proof.page([proof.Promise("<b>", "all", "<script>", False)], [("1.1", *["1 of 1"] * 6)])
    assert "<script>" not in page and "&lt;script&gt;" in page and "NOT kept" in page


LEFT = {
    "gpu": {"gpu": "a card", "runs": 9, "passed": 8},
    "below": {"answers": 40, "failed rounds": 0},
    "limits": {"notebooks": 4, "passed": 4, "killed": 1, "disk GB": 2.6},
    "repeats": {"notebooks": 2, "of each": 20, "runs": 40, "passed": 40},
    "speed": {
        "lines": [
            {"what": "sums", "unit": "a second", "ours": 10.0, "plain": "a library", "theirs": 20.0, "limit": "", "share": None},
            {
                "what": "products",
                "unit": "a second",
                "ours": 10.0,
                "plain": "a library",
                "theirs": 5.0,
                "limit": "of the matrix peak",
                "share": 0.5,
                "rest": "copies 40%",
            },
        ]
    },
    "growth": [{"what": "a sum", "needed": 1, "exponent": 1.2}, {"what": "a sort", "needed": 1, "exponent": 2.0}],
}


def test_the_longer_targets_are_read_where_they_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longer_runs, "ROOT", tmp_path)
    monkeypatch.setattr(longer_runs, "RECORD", tmp_path / "proof.json")
    assert {line.kept for line in proof.longer()} == {None}
    (tmp_path / "build").mkdir()
    for name, facts in LEFT.items():
        (tmp_path / "build" / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
    lines = {line.what: line for line in proof.longer()}
    assert lines["labs on CUDA"].kept is False and "8 of 9 on a card" in lines["labs on CUDA"].measured
    assert lines["right answers that run in the cells below them"].kept and lines["notebooks, again and again"].kept
    (walled,) = (line for what, line in lines.items() if "not root" in what)
    assert walled.kept is False and "1 processes killed" in walled.measured
    fast = [line for line in proof.longer() if line.what.startswith("speed")]
    assert [line.kept for line in fast] == [False, True, False] and "copies 40%" in fast[2].measured
    assert lines["growth: a sum"].kept and lines["growth: a sort"].kept is False


def test_what_ran_in_another_checkout_is_told_with_its_day_and_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longer_runs, "RECORD", tmp_path / "proof.json")
    monkeypatch.setattr(longer_runs, "NAMES", ("below", "gpu"))
    monkeypatch.setattr(longer_runs, "ROOT", tmp_path)
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words], cwd=tmp_path, check=True)
    (tmp_path / "build").mkdir()
    file = tmp_path / "build" / "below.json"
    file.write_text(json.dumps(LEFT["below"]), encoding="utf-8")
    assert longer_runs.found("below") == (LEFT["below"], "") and longer_runs.keep() == ["below"]
    file.unlink()
    facts, when = longer_runs.found("below") or ({}, "")
    assert facts == LEFT["below"] and re.fullmatch(r" \(\d{4}-\d\d-\d\d, at [0-9a-f]{7,}\)", when)
    (line,) = (line for line in proof.longer() if line.what.startswith("right answers"))
    assert line.kept and line.measured.endswith(when)
    assert longer_runs.found("gpu") is None and longer_runs.keep() == []
    assert longer_runs.found("below") == (facts, when)  # a checkout in which it did not run takes nothing from the record


def test_few_repeats_do_not_keep_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {**LEFT["repeats"], "of each": 2}
    monkeypatch.setattr(longer_runs, "found", lambda name: (few, "") if name == "repeats" else None)
    (line,) = (line for line in proof.longer() if line.what == "notebooks, again and again")
    assert line.kept is None


FAULTY = """
import pytest
fault = pytest.mark.fault
@fault("a power cut")
@pytest.mark.parametrize("moment", [1, 2])
def test_the_light_comes_back(moment):
    'It comes <b>back</b>.'
@fault("a flood")
def test_the_cellar_is_dry(): assert False
@fault("a flood")
@pytest.mark.skip
def test_nobody_is_wet(): pass
def test_something_else(): assert False
"""


def test_faults_are_told_in_the_words_of_their_tests(tmp_path: Path) -> None:
    file = tmp_path / "test_house.py"
    file.write_text(FAULTY, encoding="utf-8")
    plugin = ["-n", "0", "-p", "conftest", f"--rootdir={tmp_path}", "--import-mode=importlib", "-c", "pyproject.toml"]
    records = proof.cases("-m", "fault", *plugin, str(file))
    promise, rows = proof.faults(records)
    assert promise.kept is False and promise.measured == "2 of 4 tests of 2 faults, 1 not here"
    assert rows == [
        ("a flood", "Nobody is wet.", "test_house::test_nobody_is_wet", "0 of 1"),
        ("a flood", "The cellar is dry.", "test_house::test_the_cellar_is_dry", "0 of 1"),
        ("a power cut", "It comes <b>back</b>.", "test_house::test_the_light_comes_back", "2 of 2"),
    ]
    assert "&lt;b&gt;back" in proof.page([promise], [], rows)
    ended = {record.attrib["name"].partition("[")[0]: record for record in records}
    light, wet = ended["test_the_light_comes_back"], ended["test_nobody_is_wet"]
    assert proof.faults([light])[0].kept is True
    assert proof.faults([light, wet])[0].kept is None  # what was not shown here is not called kept
    assert proof.faults([])[0].kept is False


def test_results_are_read_by_test_and_parameter(tmp_path: Path) -> None:
    file = tmp_path / "test_two.py"
    file.write_text("import pytest\n@pytest.mark.parametrize('x', [1, 2])\ndef test_it(x): assert x == 1\n", encoding="utf-8")
    assert sorted(proof.ran(str(file))["test_it"]) == [("1", True), ("2", False)]
