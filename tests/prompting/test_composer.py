"""The composer: its view against the functions it shows, its widget through its own controls, with a scorer that is known."""

from __future__ import annotations

import pytest

from labutils.errors import LabError
from labutils.prompting import composer
from labutils.prompting.budget import token_budget
from labutils.prompting.composer import arrange, look, orders_for
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


def parts_of(widget):
    boxes, controls, button, page = widget.children
    order, template, room, kept = controls.children
    return boxes.children, order, template, room, kept, button, page


def widget_of(tokenizer, **options):
    return composer.composer_widget(tokenizer, SENTIMENT, CANDIDATES, TEST, always, **options)


@pytest.mark.parametrize("style", ["bare", "chat", "turns"])
def test_a_view_holds_the_prompt_of_the_longest_text_and_its_budget(tokenizer, style):
    view = look(tokenizer, SENTIMENT, CANDIDATES[:2], TEST, style, 300, 7)
    prompt = few_shot_prompt(SENTIMENT, CANDIDATES[:2], TEST[1], style, tokenizer)
    assert view.prompt == prompt and view.budget == token_budget(tokenizer, prompt, 7, 300)
    assert view.shots == 2 and view.leaks == () and view.answers == ()


def test_the_score_counts_the_scored_rows_only(tokenizer):
    view = look(tokenizer, SENTIMENT, CANDIDATES[:1], TEST, scored=2, score=always)
    assert [answer[1:] for answer in view.answers] == [("negative", "positive"), ("positive", "positive")]
    assert "1 of 2 right" in composer.summary(view) and "1 shot;" in composer.summary(view)


def test_a_prompt_that_does_not_fit_is_not_scored_and_says_what_is_lost(tokenizer):
    view = look(tokenizer, SENTIMENT, CANDIDATES, TEST, window=60, score=always)
    assert view.answers == () and "too many" in composer.summary(view)
    assert "Alarm." in composer.view_html(view) and "the instruction" in composer.view_html(view)


def test_a_leak_is_announced_even_where_its_row_is_not_scored(tokenizer):
    view = look(tokenizer, SENTIMENT, [CANDIDATES[3]], TEST, scored=1)
    assert [leak.test for leak in view.leaks] == [2]
    assert "leaked" in composer.summary(view) and "test example 3" in composer.view_html(view)


def test_orders_put_one_label_last_and_keep_the_rest_in_place():
    a, b, c, d = CANDIDATES
    assert arrange(CANDIDATES, "as listed", SENTIMENT) == [a, b, c, d]
    assert arrange(CANDIDATES, "reversed", SENTIMENT) == [d, c, b, a]
    assert arrange(CANDIDATES, "positive last", SENTIMENT) == [b, d, a, c]
    assert arrange(CANDIDATES, "negative last", SENTIMENT) == [a, c, b, d]
    assert orders_for(SUMMARY) == ["as listed", "reversed"]
    with pytest.raises(LabError, match="upside down"):
        arrange(CANDIDATES, "upside down", SENTIMENT)


def test_html_escapes_texts_and_holds_the_whole_prompt(tokenizer):
    html = composer.view_html(look(tokenizer, SENTIMENT, CANDIDATES[:1], TEST, score=always))
    assert "<b>soup" not in html and "&lt;b&gt;soup" in html
    assert "Say whether the review is positive or negative." in html and "kept for the completion" in html


def test_controls_change_the_prompt_and_the_button_scores(tokenizer):
    boxes, order, template, room, kept, button, page = parts_of(widget_of(tokenizer))
    assert [box.value for box in boxes] == [True, True, False, False] and "not scored" in page.value
    pages = [page.value]
    for change in (
        lambda: setattr(boxes[2], "value", True),
        lambda: setattr(order, "value", "negative last"),
        lambda: setattr(template, "value", "turns"),
        lambda: setattr(room, "value", 1024),
        lambda: setattr(kept, "value", 20),
    ):
        change()
        pages.append(page.value)
    assert len(set(pages)) == 6 and "+ 20 of 1,024 tokens" in page.value
    button.click()
    assert "1 of 3 right" in page.value
    boxes[0].value = False
    assert "not scored" in page.value, "a score must not outlive the prompt that it belongs to"


def test_an_impossible_setting_is_a_sentence_on_the_page(tokenizer):
    *_, room, kept, _, page = parts_of(widget_of(tokenizer, window=32, max_new_tokens=5))
    assert room.value == 32
    kept.value = 60
    assert "lower max_new_tokens" in page.value
    kept.value = 5
    assert "lower max_new_tokens" not in page.value


def test_without_a_scorer_there_is_no_button_and_summaries_can_be_composed(tokenizer):
    rows = [{"dialogue": f"Ann: Day {i}?\nBo: Yes.", "summary": f"They agree on day {i}."} for i in range(3)]
    widget = composer.composer_widget(tokenizer, SUMMARY, rows[:2], rows[2:])
    assert len(widget.children) == 3 and "They agree on day 1." in widget.children[-1].value


def test_the_static_page_shows_the_first_view_scored(tokenizer, monkeypatch):
    shown = []
    monkeypatch.setattr(composer, "show_widget", lambda *arguments: shown.append(arguments))
    composer.composer(tokenizer, SENTIMENT, CANDIDATES, TEST, always)
    ((widget, html, text),) = shown
    assert widget.children[-1].value == html and "1 of 3 right" in html and "1 of 3 right" in text
