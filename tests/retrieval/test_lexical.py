"""BM25 equals another program's, and its parts do what they say."""

from __future__ import annotations

import random

import pytest

from labutils.course import load_town
from labutils.errors import LabError
from labutils.retrieval import BM25, idf_floored, idf_lucene, sqlite_bm25


@pytest.fixture(scope="module")
def town() -> tuple[list[str], list[str]]:
    """The texts of the passages, and the questions."""
    splits = load_town()
    return splits["passages"]["text"][:], splits["questions"]["question"][:]


def test_scores_equal_those_of_sqlite(town: tuple[list[str], list[str]]) -> None:
    texts, questions = town
    index = BM25(texts, idf=idf_floored)
    for question in questions:
        assert index.scores(question) == pytest.approx(sqlite_bm25(texts, question), abs=1e-9)


def test_scores_equal_those_of_sqlite_on_random_words() -> None:
    rng = random.Random(0)
    for _ in range(50):
        texts = [" ".join(rng.choices("abcdefgh", k=rng.randint(1, 12))) for _ in range(rng.randint(1, 9))]
        question = " ".join(rng.choices("abcdefghij", k=rng.randint(1, 5)))
        assert BM25(texts, idf=idf_floored).scores(question) == pytest.approx(sqlite_bm25(texts, question), abs=1e-9)


def test_a_rare_word_weighs_more_and_no_weight_is_negative() -> None:
    weights = [idf_lucene(80, n) for n in range(81)]
    assert weights == sorted(weights, reverse=True) and weights[-1] > 0
    assert idf_floored(80, 60) == 1e-6


def test_a_word_asked_twice_counts_once() -> None:
    index = BM25(["a red boat", "a blue cart"])
    assert index.scores("red red") == index.scores("red")


def test_b_sets_how_much_length_counts() -> None:
    texts = ["boat", "boat and many more words that say nothing of it"]
    short, long = BM25(texts, b=0).scores("boat")
    assert short == pytest.approx(long)
    short, long = BM25(texts).scores("boat")
    assert short > long


def test_nothing_shared_scores_zero_and_keeps_the_order() -> None:
    index = BM25(["a", "b", "c"])
    assert index.scores("z") == [0, 0, 0] and index.rank("z") == [0, 1, 2] and index.scores("") == [0, 0, 0]
    assert sqlite_bm25(["a", "b"], "?") == [0, 0]


@pytest.mark.parametrize("texts", [[], "one text"])
def test_no_passages_are_refused(texts: object) -> None:
    with pytest.raises(LabError, match="no passages"):
        BM25(texts)
