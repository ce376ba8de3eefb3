"""What texts cost by language: against counts by hand."""

from __future__ import annotations

import pytest

from labutils.course import load_mixed
from labutils.transformer import BPETokenizer
from labutils.transformer.costs import by_language, cost_rows, show_costs

BYTES = BPETokenizer([])  # one token per byte
ROWS = [
    {"kind": "english", "text": "ab cd", "english": "", "language": ""},
    {"kind": "accents", "text": "éé / ж", "english": "aa / b", "language": "French, Russian"},
    {"kind": "accents", "text": "ééé", "english": "a", "language": "French"},
]


def test_a_row_of_two_languages_is_taken_apart():
    assert by_language(ROWS) == {"English": [("ab cd", "")], "French": [("éé", "aa"), ("ééé", "a")], "Russian": [("ж", "b")]}


def test_costs_by_hand():
    doubled = BPETokenizer([(b"\xc3", b"\xa9")])  # é is one token
    rows = {row.name: row for row in cost_rows(ROWS, {"bytes": BYTES, "é": doubled}, compared="é")}
    assert list(rows) == ["French", "English", "Russian"]  # the cheapest first, by the tokenizer compared
    french = rows["French"]
    assert (french.lines, french.characters, french.bytes, french.unknown) == (2, 5, 10, 0)
    assert french.per_100_bytes == (100.0, 50.0)
    assert french.times_english == (1.0, 3.0)  # 2 tokens against 2, 3 against 1
    assert rows["English"].times_english == () and rows["Russian"].times_english == (2.0,)


def test_the_courses_own_texts_are_in_fourteen_languages():
    names = set(by_language(load_mixed()))
    assert len(names - {"Digits", "Code", "Emoji"}) == 14 and {"Arabic", "Thai", "Korean"} <= names
    per_100 = [row.per_100_bytes[0] for row in cost_rows(load_mixed(), {"bytes": BYTES}, compared="bytes")]
    assert per_100 == pytest.approx([100.0] * 17)


def test_the_table(capsys):
    show_costs(cost_rows(ROWS, {"bytes": BYTES}, compared="bytes"), ["bytes"])
    assert "French | 2 | 5 | 10 | 100 | 4.0 |" in capsys.readouterr().out
