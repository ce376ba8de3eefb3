"""The n-gram explorer: its numbers against rouge_score, its marks against its numbers, its widget through its own parts."""

from __future__ import annotations

import random
from html.parser import HTMLParser

import pytest
from explorers import shown_by
from rouge_score import rouge_scorer

from labutils.errors import LabError
from labutils.evaluation import ngram_explorer
from labutils.evaluation.ngram_explorer import MATCH, explore_ngrams, ngram_view

TEXTS = [
    "",
    "cat",
    "the the the the",
    "The cat sat on the mat.",
    "On the mat sat the cat!",
    "a b a b a",
    "b a b a",
    "<b>bold</b> & more",
    "ไทย 🎉 é",
]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("stem", [False, True])
def test_numbers_are_those_of_the_reference_implementation(n, stem):
    scorer = rouge_scorer.RougeScorer([f"rouge{n}"], use_stemmer=stem)
    dice = random.Random(n)
    made = [" ".join(dice.choices(["running", "runs", "cat", "cats", "the"], k=dice.randint(0, 9))) for _ in range(40)]
    for candidate, reference in zip(made + TEXTS, made[::-1] + TEXTS[::-1], strict=True):
        view = ngram_view(candidate, reference, n, stem)
        want = scorer.score(reference, candidate)[f"rouge{n}"]
        assert (view.precision, view.recall, view.f1) == pytest.approx(tuple(want), abs=1e-12)


def marked(line, state):
    return [number for number, (_, mark) in enumerate(line) if mark == state]


def test_as_many_words_light_up_as_match():
    for candidate in TEXTS:
        for reference in TEXTS:
            view = ngram_view(candidate, reference)
            assert len(marked(view.candidate, MATCH)) == len(marked(view.reference, MATCH)) == view.matched


def test_what_was_used_up_is_marked_apart():
    view = ngram_view("the the the cat", "the cat and the dog")
    assert [state for _, state in view.candidate] == ["match", "match", "surplus", "match"]
    assert [state for _, state in view.reference] == ["match", "match", "", "match", ""]
    assert (view.matched, view.in_candidate, view.in_reference) == (3, 4, 5)


def test_a_word_in_a_matched_bigram_stays_lit_where_a_later_one_is_surplus():
    view = ngram_view("a b a b", "a b", 2)
    assert [state for _, state in view.candidate] == ["match", "match", "surplus", "surplus"]


def test_a_text_shorter_than_n_has_no_ngrams():
    view = ngram_view("one two", "one two", 3)
    assert (view.matched, view.in_candidate, view.in_reference, view.f1) == (0, 0, 0, 0.0)
    assert "0/0 = 0.000" in view.summary


@pytest.mark.parametrize("n", [0, -1])
def test_n_below_one_is_refused(n):
    with pytest.raises(LabError, match="at least 1"):
        ngram_view("a", "a", n)


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)


def test_the_page_shows_numerators_and_denominators():
    page = ngram_view("the the the cat", "the cat and the dog").html
    assert "precision = <b>3</b> matched" in page and ">4</span>" in page and ">5</span>" in page
    assert "3/4 = 0.750" in page and "3/5 = 0.600" in page


def test_colour_is_not_the_only_sign():
    page = ngram_view("the the", "the").html
    matched, surplus = page.index(">the</mark>"), page.index(">the</span>")
    assert "font-weight: bold" in page[:matched] and "3px solid" in page[:matched]
    assert "3px dotted" in page[matched:surplus]


def test_markup_in_a_text_does_not_reach_the_page(monkeypatch):
    # The metric's tokenizer drops signs; another one need not.
    monkeypatch.setattr(ngram_explorer, "tokenize", lambda text, stem=False: text.split())
    page = ngram_view("<script>alert(1)</script> <i>", "<script>alert(1)</script> &").html
    parser = Words()
    parser.feed(page)
    assert not {"script", "i"} & set(parser.tags) and "&lt;script&gt;" in page and "&amp;" in page


def test_typing_moving_and_resetting_change_the_page():
    shown = shown_by(explore_ngrams, "the cat", "the cat sat", 1)
    start = shown.page
    shown["candidate"].value = "a dog sat"
    assert "precision 1/3" in shown.page
    shown["n"].value = 2
    assert "ROUGE-2: 0 matched" in shown.page
    shown["candidate"].value, shown["n"].value = "the cats", 1
    assert "precision 1/2" in shown.page
    shown["cut words to their stems"].value = True
    assert "precision 2/2" in shown.page
    shown["Reset"].click()
    assert shown.page == start and (shown["n"].value, shown["cut words to their stems"].value) == (1, False)


def test_an_emptied_field_is_no_error():
    shown = shown_by(explore_ngrams, "the cat", "the cat sat")
    shown["candidate"].value = ""
    assert "(no words)" in shown.page and "precision 0/0 = 0.000" in shown.page


def test_the_static_twin_holds_the_same_view():
    shown = shown_by(explore_ngrams, "the cat", "the cat sat", 2)
    assert shown.html == shown.page == ngram_view("the cat", "the cat sat", 2).html
    assert shown.text.startswith("N-gram explorer. ROUGE-2: 1 matched")
