"""A room's page: what it counts, that it names nobody, and that no file can harm it."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rooms import made_folder, made_progress

from labutils.errors import LabError
from labutils.exercises import check
from labutils.exercises.progress_file import export_progress
from labutils.workshop import cohort
from labutils.workshop.cohort import plain, read_folder
from labutils.workshop.cohort_page import page

HOSTILE = "<script>alert(1)</script>\" onload='x' \u202e"


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += f" {data}"


def entry(passed: bool = True, tries: int = 1, **more: object) -> dict[str, object]:
    return {"passed": passed, "tries": tries, "hints": 0, **more}


def put(path: Path, **content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": 1, **content}))
    return path


def test_thirty_files_make_one_page_that_needs_nothing(labs, tmp_path: Path) -> None:
    folder, out = made_folder(tmp_path / "room"), tmp_path / "page.html"
    done = labs("cohort", folder, "--out", out)
    assert (done.status, done.err) == (0, "")
    html = out.read_text(encoding="utf-8")
    read = Page(html)
    assert html.count('<th class="person"') == 30 and "30 progress files" in read.text
    assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
    assert not {name for name in read.attributes if name.startswith("on") or name in ("src", "href")}
    assert "http://" not in html and "https://" not in html and "url(" not in html
    assert "default-src &#x27;none&#x27;" in html or "default-src 'none'" in html
    assert "person-" not in html


def test_names_are_written_when_asked_for_and_escaped(labs, tmp_path: Path) -> None:
    put(tmp_path / "room" / f"{HOSTILE.replace('/', '')}.json", exercises={"0.1": entry()})
    put(tmp_path / "room" / "Ada" / "progress.json", exercises={"0.1": entry(), "1.1": entry()})
    out = tmp_path / "page.html"
    assert labs("cohort", tmp_path / "room", "--out", out, "--names").status == 0
    html = out.read_text(encoding="utf-8")
    read = Page(html)
    assert "script" not in read.tags and "<script>alert(1)" in read.text and "\u202e" not in html
    assert html.index("Ada") < html.index("alert(1)")


def test_the_numbers_of_a_room(tmp_path: Path) -> None:
    wrong = {"gib_instead_of_gb": 2, "value": 1}
    put(tmp_path / "a.json", exercises={"0.1": entry(True, 4, wrong=wrong)}, predictions={"0.p1": guess(300.0, True)})
    put(tmp_path / "b.json", exercises={"0.1": entry(False, 2, wrong={"gib_instead_of_gb": 2})})
    put(tmp_path / "c.json", exercises={"0.a": entry(True, 2, wrong={"option_1": 1})}, predictions={"0.p1": guess(10.0, False)})
    text = " ".join(Page(page(read_folder(tmp_path))).text.split())
    assert "0.1 The memory of the weights 1 of 2 3 0.0" in text
    assert re.search(r"0\.1 That is GiB \(2\*\*30 bytes\); GB means 10\*\*9 bytes\. 2 4", text)
    assert "1 more, each from one person" in text
    assert "1 chose: Pretrain a model of your own" in text and "0 of 1" in text
    assert "2 guesses: median 155 times, 10 times to 300 times 1 of 2" in text
    assert "50% of 2 graded predictions" in text


def guess(number: object, close: bool | None) -> dict[str, object]:
    return {"guess": number, "revealed": True, "close": close}


def test_what_a_check_notes_reaches_the_page(home: Path, tmp_path: Path, capsys) -> None:
    check("0.1", lambda parameters, bytes_per_parameter: parameters * bytes_per_parameter / 2**30)
    export_progress(tmp_path / "room" / "one.json")
    text = Page(page(read_folder(tmp_path / "room"))).text
    assert "That is GiB" in text and "lambda" not in text


def test_damaged_and_hostile_files_are_left_out_with_a_line_each(labs, tmp_path: Path) -> None:
    room = made_folder(tmp_path / "room", 2)
    damaged = {
        "empty.json": b"",
        "half.json": b'{"version": 1, "exer',
        "binary.json": b"\xff\xfe\x00\x01",
        "list.json": b"[]",
        "deep.json": b"[" * 100_000,
        "large.json": b'{"version": 1}' + b" " * 10**6,
        "extra.json": b'{"version": 1, "names": ["Ada"]}',
        "negative.json": b'{"version": 1, "exercises": {"0.1": {"tries": -1}}}',
        "kinds.json": json.dumps({"version": 1, "exercises": {"0.1": {"wrong": {HOSTILE: 1}}}}).encode(),
        "many.json": json.dumps({"version": 1, "exercises": {"0.1": {"wrong": {f"k{n}": 1 for n in range(99)}}}}).encode(),
        "surrogate.json": b'{"version": 1, "predictions": {"0.p1": {"guess": "\\ud800"}}}',
        "nothing.json": b'{"version": 1}',
        "\x1b[31mred.json": b"{",
    }
    for name, content in damaged.items():
        (room / name).write_bytes(content)
    (room / "link.json").symlink_to("/etc/passwd")
    (room / "folder.json").symlink_to("/etc", target_is_directory=True)
    os.mkfifo(room / "pipe.json")
    (room / "page.pdf").write_bytes(b"%PDF")
    (room / ".DS_Store").write_bytes(b"")
    done = labs("cohort", room, "--out", tmp_path / "page.html")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert len(lines) == len(damaged) + 3 + 2 and "\x1b" not in done.out
    for name in [*(name for name in damaged if "\x1b" not in name), "link.json", "folder.json", "pipe.json"]:
        assert len([line for line in lines if line.startswith(f"{name}: ")]) == 1, name
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "2 progress files" in html and "16 files left out" in html and "kinds.json" not in html


def test_entries_of_no_course_are_left_out_and_counts_bounded(tmp_path: Path) -> None:
    many = {"0.1": entry(False, 10**300, wrong={"raised": 10**300, "no_such_mistake": 1}), HOSTILE: entry(), "0.p1": entry()}
    guesses = {"0.p1": guess(1e308, None), "0.1": guess(1.0, None), HOSTILE: guess(1.0, None)}
    put(tmp_path / "a.json", exercises=many, predictions=guesses)
    room = read_folder(tmp_path)
    (person,) = room.people
    assert person.progress.exercises["0.1"].tries == cohort.MOST_COUNT
    assert person.progress.exercises["0.1"].wrong == {"raised": cohort.MOST_COUNT}
    assert set(person.progress.exercises) == {"0.1"} and person.progress.predictions == {}
    assert room.strange == 6
    assert "6 entries not of this course" in page(room) and "onload" not in page(room)


@pytest.mark.parametrize("answer", ["word", 99, [99], [1, 1], HOSTILE, True], ids=str)
def test_a_guess_that_does_not_fit_its_question_is_not_shown(tmp_path: Path, answer: object) -> None:
    ids = ["0.p1", "1.p1", "2.p1", "3.p1", "4.p1", "5.p1", "6.p1"]
    put(tmp_path / "a.json", exercises={"0.1": entry()}, predictions={id: guess(answer, True) for id in ids})
    assert "<script>" not in page(read_folder(tmp_path), names=True)


def test_equal_files_are_two_people_and_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / f"{name}.json", exercises={"0.1": entry()})
    room = read_folder(tmp_path)
    assert len(room.people) == 2 and "b.json: the same as a.json" in room.notes[0]


def test_a_folder_without_files_and_no_folder_are_one_sentence(refused, tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    refused("cohort", tmp_path / "room", words=["--export"])
    refused("cohort", tmp_path / "missing", words=["missing"])
    refused("cohort", tmp_path / "room", "--out", tmp_path, words=["folder"])


def test_a_crowd_of_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setattr(cohort, "MOST_FILES", 3)
    made_folder(tmp_path, 4)
    with pytest.raises(LabError) as caught:
        read_folder(tmp_path)
    says(caught.value, tmp_path, "3 files")


def test_a_name_is_one_line_without_tricks() -> None:
    assert plain("a\u202eb\x00c\n  d") == "a b c d"
    assert len(plain("x" * 99)) == 40


def test_a_file_of_an_earlier_edition_says_that_kinds_are_missing(tmp_path: Path) -> None:
    put(tmp_path / "a.json", exercises={"0.1": entry(True, 3)})
    assert "whose kind is not noted" in page(read_folder(tmp_path))


def test_made_rooms_are_what_the_course_would_write() -> None:
    text = made_progress(1).model_dump_json()
    assert type(made_progress(1)).model_validate_json(text) == made_progress(1)
