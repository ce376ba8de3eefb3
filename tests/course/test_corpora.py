"""Loading: columns, order, a person's own dialogues, and one clear sentence for every bad file."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paths import DATA, ROOT

from labutils import content
from labutils.course import corpora
from labutils.errors import LabError

COLUMNS = ["id", "topic", "dialogue", "summary", "references"]


def lines(count: int, **extra: Any) -> list[dict[str, Any]]:
    return [{"dialogue": f"Ann: {n}?\nBo: No, {n + 1}.", "summary": f"Bo corrects Ann's {n}.", **extra} for n in range(count)]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that writes rows, text or bytes to a file and names it in LABS_DIALOGUES."""

    def write(content: list[Any] | str | bytes, name: str = "own.jsonl") -> Path:
        path = tmp_path / name
        if isinstance(content, list):
            content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        monkeypatch.setenv("LABS_DIALOGUES", str(path))
        return path

    return write


@pytest.fixture
def refused(own, says) -> Callable[..., None]:
    """Assert that a file is refused in one sentence that names it and holds some words."""

    def check(content: Any, *wanted: object) -> None:
        path = own(content)
        with pytest.raises(LabError) as caught:
            corpora.load_dialogues()
        says(caught.value, path, *wanted)

    return check


# --- the course's own sets


def test_dialogues_have_their_splits_and_columns() -> None:
    data = corpora.load_dialogues()
    assert {name: len(split) for name, split in data.items()} == {"train": 500, "validation": 64, "test": 78}
    for name, split in data.items():
        assert split.column_names == COLUMNS
        assert all(row["id"].startswith(name) and row["summary"] == row["references"][0] for row in split)
        assert {len(row["references"]) for row in split} == ({3} if name == "test" else {1})


def test_the_order_is_that_of_the_file_each_time() -> None:
    first, second = corpora.load_dialogues(), corpora.load_dialogues()
    for split in first:
        assert first[split].to_list() == second[split].to_list()
        in_file = (DATA / f"dialogues/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert list(first[split]["id"]) == [json.loads(line)["id"] for line in in_file]


def test_the_first_training_dialogues_are_varied() -> None:
    assert len(set(corpora.load_dialogues()["train"][:48]["topic"])) >= 20


def test_reviews() -> None:
    data = corpora.load_reviews()
    assert {name: len(split) for name, split in data.items()} == {"pool": 126, "test": 126}
    for split in data.values():
        assert split.column_names == ["id", "kind", "label", "hard", "why", "text"]
        assert set(split["label"]) == {"positive", "negative", "mixed"} and set(split["hard"]) == {True, False}


def test_translations() -> None:
    data = corpora.load_translations()
    assert len(data) == 78 and data.column_names == ["id", "source", "references", "candidates"]
    assert {candidate["defect"] for candidate in data[0]["candidates"]} > {"none", "wrong order", "repeated"}


def test_probes() -> None:
    data = corpora.load_probes()
    assert list(data) == list(corpora.PROBES) and {len(split) for split in data.values()} == {66}
    for split in data.values():
        assert split.column_names == ["id", "prompt", "choices", "answer"]
        assert all(row["answer"] in row["choices"] for row in split)


def test_words() -> None:
    data = corpora.load_words()
    assert {name: len(split) for name, split in data.items()} == {"pool": 9 * 24, "test": 9 * 40}
    assert all(split.column_names == ["id", "task", "word", "answer", "also"] for split in data.values())
    assert {tuple(row["also"]) for row in data["test"]} > {()}


def test_prompting_keeps_what_belongs_to_a_text_as_json() -> None:
    data = corpora.load_prompting()
    assert len(data) == 121 and data.column_names == ["id", "kind", "text", "meta"]
    first_sum = next(row for row in data if row["kind"] == "sum")
    assert json.loads(first_sum["meta"])["answer"] == 9


def test_prose_and_mixed_text() -> None:
    prose, mixed = corpora.load_prose(), corpora.load_mixed()
    assert prose.column_names == ["id", "subject", "text"] and len(prose) == 64
    assert sum(len(text.encode()) for text in prose["text"]) > 60 * 1024
    assert set(mixed.column_names) == {"id", "kind", "text", "english", "language"} and len(mixed) == 64
    assert all(row["english"] for row in mixed if row["kind"] == "french") and None not in set(mixed["language"])


def test_loading_writes_nothing_and_needs_no_network(tmp_path: Path) -> None:
    code = """
import socket
def no(*_): raise AssertionError("network")
socket.socket.connect = no
from labutils.course import corpora
for load in (corpora.load_dialogues, corpora.load_reviews, corpora.load_translations, corpora.load_probes,
             corpora.load_prompting, corpora.load_words, corpora.load_prose, corpora.load_mixed,
             corpora.load_written_summaries):
    load()
"""
    home = tmp_path / "user"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_", "LABS_"))}
    environment = {**kept, "HOME": str(home), "USERPROFILE": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)
    assert list(home.rglob("*")) == []


def test_importing_the_module_imports_no_library() -> None:
    code = "import sys, labutils.course.corpora; sys.exit(bool({'datasets', 'torch', 'pandas', 'numpy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_missing_data_folder_names_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setattr(content, "data_folder", lambda: tmp_path / "data")
    with pytest.raises(LabError) as caught:
        corpora.load_reviews()
    says(caught.value, tmp_path / "data", "does not exist", "fresh copy")


LOADERS = {
    "dialogues": lambda: (corpora.load_dialogues(own=False), corpora.load_written_summaries()), "reviews": corpora.load_reviews, "words": corpora.load_words,
    "translations": corpora.load_translations, "probes": corpora.load_probes, "prompting": corpora.load_prompting,
    "corpus": lambda: (corpora.load_prose(), corpora.load_mixed()), "town": corpora.load_town, "problems": corpora.load_problems,
    "preferences": corpora.load_preferences,
}  # fmt: skip


@pytest.mark.fault("one flipped bit in one of the course's texts")
@pytest.mark.parametrize("name", LOADERS)
def test_one_flipped_bit_in_a_text_of_the_course_is_a_letter_or_a_sentence(name: str, tmp_path: Path, monkeypatch, says) -> None:
    """Another letter in a text, or a sentence that names file and line and says to take a fresh copy."""
    shutil.copytree(DATA / name, tmp_path / name)
    monkeypatch.setattr(content, "data_folder", lambda: tmp_path)
    for file in sorted((tmp_path / name).glob("*.jsonl")):
        whole, refusals = file.read_bytes(), 0
        first = whole.index(b"\n")
        keys = [match.start(1) for match in re.finditer(rb'[{,] ?"(\w+)":', whole[:first])]
        for n, place in enumerate([*keys, *range(0, first, max(1, first // 6)), len(whole) // 2]):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << n % 7
            file.write_bytes(flipped)
            try:
                LOADERS[name]()
            except LabError as error:
                says(error, file, "fresh copy")
                refusals += 1
        file.write_bytes(whole)
        assert refusals >= len(keys)  # the name of a column does not change unseen


# --- a person's own dialogues


def test_own_dialogues_are_split_80_10_10(own) -> None:
    own(lines(60))
    data = corpora.load_dialogues()
    assert {name: len(split) for name, split in data.items()} == {"train": 48, "validation": 6, "test": 6}
    assert data["train"].column_names == COLUMNS
    assert all(row["topic"] == "" and row["references"] == [row["summary"]] for row in data["test"])


def test_the_smallest_file_fills_every_split(own) -> None:
    own(lines(corpora.MIN_DIALOGUES))
    assert {name: len(split) for name, split in corpora.load_dialogues().items()} == {"train": 24, "validation": 3, "test": 3}


def test_the_course_s_dialogues_can_be_had_beside_one_s_own(own) -> None:
    own(lines(30))
    assert len(corpora.load_dialogues(own=False)["test"]) == 78 and len(corpora.load_dialogues()["test"]) == 3


def test_written_summaries_stand_in_the_order_of_the_test_dialogues() -> None:
    written = corpora.load_written_summaries()
    assert "best prompt" in written and {len(texts) for texts in written.values()} == {78}


def test_own_splits_are_disjoint_and_follow_from_the_text_alone(own) -> None:
    rows = lines(100)
    own(rows)
    first = {name: list(split["dialogue"]) for name, split in corpora.load_dialogues().items()}
    assert sorted(text for texts in first.values() for text in texts) == sorted(row["dialogue"] for row in rows)
    shuffled = random.Random(3).sample(rows, len(rows))
    own(shuffled, "other-name.jsonl")
    second = {name: list(split["dialogue"]) for name, split in corpora.load_dialogues().items()}
    assert {name: sorted(texts) for name, texts in first.items()} == {name: sorted(texts) for name, texts in second.items()}
    place = {row["dialogue"]: n for n, row in enumerate(shuffled)}
    assert all(texts == sorted(texts, key=place.__getitem__) for texts in second.values())


def test_the_split_is_always_this_one(own) -> None:
    own(lines(30))
    assert [row["summary"] for row in corpora.load_dialogues()["test"]] == PINNED


PINNED = ["Bo corrects Ann's 1.", "Bo corrects Ann's 25.", "Bo corrects Ann's 27."]


def test_several_references_ids_and_topics_are_kept(own) -> None:
    rows = lines(40, id="x", topic="sums")
    for row in rows:
        row["summary1"], row["summary2"], row["summary3"] = row.pop("summary"), "Second.", "Third."
    own(rows)
    row = corpora.load_dialogues()["test"][0]
    assert row["references"][1:] == ["Second.", "Third."] and row["summary"] == row["references"][0]
    assert (row["id"], row["topic"]) == ("x", "sums")


def test_an_empty_extra_summary_is_no_summary(own) -> None:
    own(lines(40, summary2="", summary3=None))
    assert all(len(row["references"]) == 1 for row in corpora.load_dialogues()["train"])


def test_the_same_dialogue_twice_is_one_item_with_both_summaries(own) -> None:
    rows = lines(40)
    own([*rows, {"dialogue": rows[0]["dialogue"] + " ", "summary": "Another."}, rows[1]])
    data = corpora.load_dialogues()
    found = {row["dialogue"]: row["references"] for split in data.values() for row in split}
    assert len(found) == sum(map(len, data.values())) == 40
    assert found[rows[0]["dialogue"]] == [rows[0]["summary"], "Another."]
    assert found[rows[1]["dialogue"]] == [rows[1]["summary"]]


def test_marks_of_other_systems_are_tolerated(own) -> None:
    text = "\r\n".join(json.dumps(row) for row in lines(40)) + "\r\n\r\n"
    own(b"\xef\xbb\xbf" + text.encode("utf-8"))
    assert sum(map(len, corpora.load_dialogues().values())) == 40


def test_a_relative_path_and_an_empty_setting(own, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own(lines(40))
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("LABS_DIALOGUES", path.name)
    assert len(corpora.load_dialogues()["train"]) == 32
    monkeypatch.setenv("LABS_DIALOGUES", "")
    assert len(corpora.load_dialogues()["train"]) == 500


# --- bad files


def test_a_path_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    for path, problem in ((tmp_path / "none.jsonl", "does not exist"), (tmp_path, "is a folder")):
        monkeypatch.setenv("LABS_DIALOGUES", str(path))
        with pytest.raises(LabError) as caught:
            corpora.load_dialogues()
        says(caught.value, f"LABS_DIALOGUES={path}", problem)


@pytest.mark.fault("one flipped bit in a person's own dialogues")
def test_one_flipped_bit_in_one_s_own_dialogues_is_a_letter_or_a_sentence(own, says) -> None:
    """Another letter in a text, or a sentence that names the file and the line."""
    path = own(lines(40))
    whole, refusals = path.read_bytes(), 0
    for place in range(0, 8 * len(whole), 163):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert sum(map(len, corpora.load_dialogues().values())) in (39, 40)
        except LabError as error:
            says(error, path, "line ")
            refusals += 1
    assert refusals > 20


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file(content: str, refused) -> None:
    refused(content, "is empty", "one JSON object a line")


def test_a_line_that_is_not_json(refused) -> None:
    rows = lines(40)
    text = "\n".join(json.dumps(row) for row in rows[:6]) + "\nAnn: Hello\n"
    refused(text, "line 7 is not JSON", "one JSON object a line")


def test_a_json_file_that_is_not_json_lines(refused) -> None:
    refused(json.dumps(lines(40), indent=1), "line 1 is not JSON")
    refused(json.dumps(lines(40)), "line 1 is JSON, but not an object", "one JSON object a line")


def test_nesting_without_end(refused) -> None:
    refused("[" * 100_000, "line 1 is not JSON")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_wrong_encoding(encoding: str, refused) -> None:
    rows = [{"dialogue": "Zoë: Hé!", "summary": "Zoë greets."}, *lines(40)]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    refused(text.encode(encoding), "line 1 is not UTF-8", "encoding UTF-8")


@pytest.mark.parametrize("column", ["dialogue", "summary"])
def test_a_missing_column(column: str, refused) -> None:
    rows = lines(40)
    del rows[4][column]
    refused(rows, f'line 5 has no "{column}"', "add that column")


@pytest.mark.parametrize("value", ["", "  \n", None, 7, ["Ann: Hi"]])
def test_a_dialogue_that_is_no_text(value: Any, refused) -> None:
    rows = lines(40)
    rows[2]["dialogue"] = value
    refused(rows, 'line 3: "dialogue" must be text')


def test_a_summary_that_is_no_text(refused) -> None:
    rows = lines(40)
    rows[39]["summary"] = {"text": "Bo is right."}
    refused(rows, 'line 40: "summary" must be text')


def test_half_a_character(refused) -> None:
    text = "\n".join(json.dumps(row) for row in lines(40)) + '\n{"dialogue": "Ann: \\ud83d", "summary": "Ann smiles."}'
    refused(text, "line 41", "lone surrogate")


@pytest.mark.parametrize("count", [1, 29])
def test_too_few_dialogues(count: int, refused) -> None:
    refused(lines(count), f"has {count} different dialogues", "at least 30", "unset LABS_DIALOGUES")


def test_repeating_a_dialogue_does_not_make_more_of_them(refused) -> None:
    refused(lines(10) * 5, "has 10 different dialogues")


def test_a_file_that_may_not_be_read(own, says, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own(lines(40))

    def refuse(self: Path) -> bytes:  # what the system says to anyone but the administrator, who may run this test
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(LabError) as caught:
        corpora.load_dialogues()
    says(caught.value, path, "cannot be read")


def other_bytes(row: dict[str, Any], form: str) -> dict[str, Any]:
    """A row whose dialogue is in other bytes, and reads the same."""
    changed = {
        "line ends": lambda text: text.replace("\n", "\r\n"),
        "old line ends": lambda text: text.replace("\n", "\r"),
        "decomposed": lambda text: unicodedata.normalize("NFD", text),
        "trailing blanks": lambda text: text.replace("\n", " \n") + "\n",
        "two blanks": lambda text: text.replace(" ", "  "),
        "no-break blanks": lambda text: text.replace(" ", "\u00a0"),
        "byte-order mark": lambda text: "\ufeff" + text,
    }[form]
    return {**row, "dialogue": changed(row["dialogue"])}


@pytest.mark.parametrize(
    "form",
    ["line ends", "old line ends", "decomposed", "trailing blanks", "two blanks", "no-break blanks", "byte-order mark"],
)
def test_the_same_text_in_other_bytes_gives_the_same_splits(form: str, own) -> None:
    rows = [{"dialogue": f"Zoé: le café, à {n} heures ?\nLi: no, at {n + 1}.", "summary": f"Zoé and Li, {n}."} for n in range(40)]
    found = []
    for some in (rows, [other_bytes(row, form) for row in rows]):
        own("".join(json.dumps(row) + "\n" for row in some))
        found.append({split: part["summary"] for split, part in corpora.load_dialogues().items()})
    assert found[0] == found[1]


def test_the_same_dialogue_in_other_bytes_is_one_item(own) -> None:
    rows = [{"dialogue": f"Zoé: le café, {n} ?\nLi: no.", "summary": f"First {n}."} for n in range(30)]
    again = [other_bytes({**row, "summary": f"Second {n}."}, "decomposed") for n, row in enumerate(rows)]
    own("".join(json.dumps(row) + "\n" for row in [*rows, *again]))
    loaded = corpora.load_dialogues()
    assert sum(map(len, loaded.values())) == 30
    assert all(len(references) == 2 for references in loaded["train"]["references"])


def test_too_few_summaries_are_named_by_the_line(own, says) -> None:
    rows = [{"dialogue": f"Ann: {n}?\nBo: no.", "summary1": f"A {n}.", "summary2": f"B {n}."} for n in range(30)]
    own("\n".join(json.dumps(row) for row in rows))
    assert len(corpora.load_dialogues(references=2)["test"]) == 3
    with pytest.raises(LabError) as caught:
        corpora.load_dialogues(references=3)
    says(caught.value, "LABS_DIALOGUES=", "line ", "2 of the 3", "summary3", "unset")
