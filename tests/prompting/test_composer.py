"""The composer: its view against the functions it shows, its widget through its own controls, with a scorer that is known."""

from __future__ import annotations

import pytest
from explorers import shown_by

from labutils.errors import LabError
from labutils.prompting.budget import token_budget
from labutils.prompting.composer import arrange_shots, explore_prompt, orders_for, prompt_view
from labutils.prompting.prompts import SENTIMENT, SUMMARY, few_shot_prompt

CANDIDATES = [
    {"text": "Lovely <b>soup</b>, and hot.", "label": "positive"},
    {"text": "Broken on the first day.", "label": "negative"},
    {"text": "The best hour of our week, by far.", "label": "positive"},
    {"text": "Nobody came, nobody called, nobody cared.", "label": "negative"},
]
TEST = [
    {"text": "Damp.", "label": "negative"},
    {"text": "The long way round was worth every single step of it.", "label": "positive"},
    CANDIDATES[3],
]


@pytest.fixture(scope="module")
def tokenizer(default_model):
    return default_model[1]


def always(prompts, style):
    return ["positive"] * len(prompts)


def composer(tokenizer, **options):
    return shown_by(explore_prompt, tokenizer, SENTIMENT, CANDIDATES, TEST, always, **options)


@pytest.mark.parametrize("style", ["bare", "chat", "turns"])
def test_a_view_holds_the_prompt_of_the_longest_text_and_its_budget(tokenizer, style):
    view = prompt_view(tokenizer, SENTIMENT, CANDIDATES[:2], TEST, style, 300, 7)
    prompt = few_shot_prompt(SENTIMENT, CANDIDATES[:2], TEST[1], style, tokenizer)
    assert view.prompt == prompt and view.budget == token_budget(tokenizer, prompt, 7, 300)
    assert view.shots == 2 and view.leaks == () and view.answers == ()


def test_the_score_counts_the_scored_rows_only(tokenizer):
    view = prompt_view(tokenizer, SENTIMENT, CANDIDATES[:1], TEST, scored=2, score=always)
    assert [answer[1:] for answer in view.answers] == [("negative", "positive"), ("positive", "positive")]
    assert "1 of 2 right" in view.summary and "1 shot;" in view.summary


def test_a_prompt_that_does_not_fit_is_not_scored_and_says_what_is_lost(tokenizer):
    view = prompt_view(tokenizer, SENTIMENT, CANDIDATES, TEST, window=60, score=always)
    assert view.answers == () and "too many" in view.summary
    assert "Alarm." in view.html and "the instruction" in view.html


def test_a_leak_is_announced_even_where_its_row_is_not_scored(tokenizer):
    view = prompt_view(tokenizer, SENTIMENT, [CANDIDATES[3]], TEST, scored=1)
    assert [leak.test for leak in view.leaks] == [2]
    assert "leaked" in view.summary and "test example 3" in view.html


def test_orders_put_one_label_last_and_keep_the_rest_in_place():
    a, b, c, d = CANDIDATES
    assert arrange_shots(CANDIDATES, "as listed", SENTIMENT) == [a, b, c, d]
    assert arrange_shots(CANDIDATES, "reversed", SENTIMENT) == [d, c, b, a]
    assert arrange_shots(CANDIDATES, "positive last", SENTIMENT) == [b, d, a, c]
    assert arrange_shots(CANDIDATES, "negative last", SENTIMENT) == [a, c, b, d]
    assert orders_for(SUMMARY) == ["as listed", "reversed"]
    with pytest.raises(LabError, match="upside down"):
        arrange_shots(CANDIDATES, "upside down", SENTIMENT)


def test_html_escapes_texts_and_holds_the_whole_prompt(tokenizer):
    html = prompt_view(tokenizer, SENTIMENT, CANDIDATES[:1], TEST, score=always).html
    assert "<b>soup" not in html and "&lt;b&gt;soup" in html
    assert "Say whether the review is positive or negative." in html and "kept for the completion" in html


def test_controls_change_the_prompt_and_the_button_scores(tokenizer):
    shown = composer(tokenizer)
    boxes = [widget for widget in shown.controls if widget.description[0] in "1234"]
    assert [box.value for box in boxes] == [True, True, False, False] and "1 of 3 right" in shown.page
    pages = [shown.page]
    for widget, value in (
        (boxes[2], True),
        (shown["order"], "negative last"),
        (shown["template"], "turns"),
        (shown["window"], 1024),
        (shown["completion"], 20),
    ):
        widget.value = value
        pages.append(shown.page)
        assert "not scored" in shown.page, "a score must not outlive the prompt that it belongs to"
    assert len(set(pages)) == 6 and "+ 20 of 1,024 tokens" in shown.page
    shown["Score"].click()
    assert "1 of 3 right" in shown.page
    shown["Reset"].click()
    assert [box.value for box in boxes] == [True, True, False, False] and "2 shots" in shown.page


def test_an_impossible_setting_is_a_sentence_on_the_page(tokenizer):
    shown = composer(tokenizer, window=32, max_new_tokens=5)
    assert shown["window"].value == 32
    shown["completion"].value = 60
    assert shown.page.startswith('<p role="alert">') and "lower max_new_tokens" in shown.page
    shown["completion"].value = 5
    assert "lower max_new_tokens" not in shown.page


def test_without_a_scorer_there_is_no_button_and_summaries_can_be_composed(tokenizer):
    rows = [{"dialogue": f"Ann: Day {i}?\nBo: Yes.", "summary": f"They agree on day {i}."} for i in range(3)]
    shown = shown_by(explore_prompt, tokenizer, SUMMARY, rows[:2], rows[2:])
    assert "Score" not in [widget.description for widget in shown.controls] and "They agree on day 1." in shown.page


def test_the_static_page_shows_the_first_view_scored(tokenizer):
    shown = composer(tokenizer, chosen=(2, 0))
    assert shown.page == shown.html and "1 of 3 right" in shown.html
    assert shown.text.startswith("Shot composer. 2 shots;") and "1 of 3 right" in shown.text
    assert shown.html.index("soup") < shown.html.index("best hour"), "listed in the order of the boxes"
