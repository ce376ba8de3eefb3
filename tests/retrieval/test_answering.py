"""Answers are scored exactly, prompts hold what they should, and pieces cover a text."""

from __future__ import annotations

import pytest

from labutils.course import load_town
from labutils.errors import LabError
from labutils.retrieval import (
    READING,
    answer_prompt,
    is_right,
    normalise,
    retrieval_view,
    risk_and_coverage,
    split_into_chunks,
)


@pytest.mark.parametrize(
    ("answer", "gold", "right"),
    [
        ("9 minutes", "nine minutes", True),
        ("9", "nine minutes", True),
        ("19", "nine minutes", False),
        ("three", "three dozen", False),
        ("three dozen", "three dozen", True),
        ("32", "thirty-two", True),
        ("30", "thirty-two", False),
        ("212", "two hundred and twelve", True),
        ("It is 618 metres.", "six hundred and eighteen metres", True),
        ("two crowns", "twelve crowns", False),
        ("forty-five crowns", "five crowns", False),
        ("two and a half metres", "two and a half metres", True),
        ("half", "two and a half metres", False),
        ("The Night Tide", "Night Tide", True),
        ("not in the text.", "", True),
        ("I do not know", "", False),
        ("98.3 MHz", "98.3 megahertz", False),
        ("", "ham", False),
        ("hamster", "ham", False),
    ],
)
def test_answers(answer: str, gold: str, right: bool) -> None:
    assert is_right(answer, gold) is right


def test_every_answer_of_the_town_is_right_for_itself_and_for_no_other_question() -> None:
    answers = {row["answer"] for row in load_town()["questions"] if row["answer"]}
    for answer in answers:
        assert [other for other in answers if is_right(answer, other)] == [answer]


@pytest.mark.parametrize(
    ("text", "normal"),
    [("twenty past five", "20 past 5"), ("one hundred", "100"), ("two crowns and five", "2 crowns and 5"), ("five six", "5 6")],
)
def test_numbers_in_digits(text: str, normal: str) -> None:
    assert normalise(text) == normal


def test_a_prompt_with_and_without_text() -> None:
    bare = answer_prompt("Who?", ())
    assert "Text:" not in bare and bare.endswith("Question: Who?\nAnswer:") and bare.count("Question:") == len(READING) + 1
    full = answer_prompt("Who?", ["One.", "Two."], mark=("<<", ">>"))
    assert "Text: <<One. Two.>>\nQuestion: Who?\nAnswer:" in full


def test_risk_and_coverage() -> None:
    rows = risk_and_coverage([0.9, 0.5, 0.9, 0.1], [True, True, False, False])
    assert rows == [(0.9, 0.5, 0.5), (0.5, 0.75, pytest.approx(1 / 3)), (0.1, 1.0, 0.5)]
    with pytest.raises(LabError):
        risk_and_coverage([], [])


@pytest.mark.parametrize(("words", "overlap"), [(3, 0), (3, 1), (4, 2), (100, 0), (1, 0)])
def test_pieces_hold_every_word_in_order(words: int, overlap: int) -> None:
    text = " ".join(map(str, range(23)))
    pieces = split_into_chunks(text, words, overlap)
    rejoined = pieces[0].split() + [word for piece in pieces[1:] for word in piece.split()[overlap:]]
    assert " ".join(rejoined) == text
    assert all(len(piece.split()) <= words for piece in pieces)
    with pytest.raises(LabError):
        split_into_chunks(text, 3, 3)


class Fixed:
    def rank(self, question: str, k: int | None = None) -> list[int]:
        return [1, 0][:k]


def test_the_explorer_lights_the_words_and_escapes_the_text() -> None:
    passages = [{"id": "a", "title": "A", "text": "x"}, {"id": "b", "title": "<B>", "text": "The boat & the <i>cart</i>."}]
    view = retrieval_view("A boat?", {"lexical": Fixed()}, passages, 2, gold={"A boat?": ["b"]})
    assert view.summary == "lexical, 2 passages for 'A boat?': <B>, A."
    assert ">boat</mark>" in view.html and "&lt;B&gt;" in view.html and "<i>" not in view.html
    assert view.html.count("needed for the answer") == 1
    with pytest.raises(LabError, match="no question"):
        retrieval_view(" ", {"lexical": Fixed()}, passages)
    with pytest.raises(LabError, match="no index"):
        retrieval_view("boat", {"lexical": Fixed()}, passages, method="dense")
