"""Prompts, draws, budgets and leaks against the tokenizer, its chat template and its truncation, and by counting."""

from __future__ import annotations

import copy
import random
from collections import Counter

import pytest
from tokenizers.processors import TemplateProcessing

from labutils.course.corpora import load_dialogues, load_reviews
from labutils.errors import LabError
from labutils.prompting.budget import fit_shots, token_budget
from labutils.prompting.prompts import (
    SENTIMENT,
    STYLES,
    SUMMARY,
    Prompt,
    PromptPart,
    draw_shots,
    encode_prompt,
    few_shot_prompt,
    find_leaks,
    shot_orders,
    words_by_task,
)

GOOD, BAD, QUERY = (
    {"text": "Lovely.", "label": "positive"},
    {"text": "Broken.", "label": "negative"},
    {"text": "It hums."},
)


@pytest.fixture(scope="module")
def tokenizer(default_model):
    return copy.deepcopy(default_model[1])


@pytest.fixture(scope="module")
def reviews():
    return {split: list(rows) for split, rows in load_reviews().items()}


def tokens_by_part(tokenizer, prompt, first=0, last=None):
    """Tokens of each part, by decoding: a token begins where the text of those before it ends. For plain ASCII."""
    ends, text = [], ""
    for part in prompt.parts:
        text += part.text
        ends.append((len(text), part.name))
    assert text.isascii()
    ids = tokenizer(text).input_ids
    begins = [len(tokenizer.decode(ids[:i], clean_up_tokenization_spaces=False)) for i in range(len(ids))]
    return Counter(next(name for end, name in ends if begin < end) for begin in begins[first:last])


def test_the_bare_prompt_word_for_word():
    text = str(few_shot_prompt(SENTIMENT, [GOOD, BAD], QUERY))
    assert text == (
        "Say whether the review is positive or negative.\n\nReview: Lovely.\nSentiment: positive\n\n"
        "Review: Broken.\nSentiment: negative\n\nReview: It hums.\nSentiment:"
    )
    assert str(few_shot_prompt(SENTIMENT, [], QUERY)).count("Review:") == 1


def test_chat_styles_are_the_template_of_their_messages(tokenizer):
    def render(*contents):
        messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(contents)]
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    bare = str(few_shot_prompt(SENTIMENT, [GOOD, BAD], QUERY))
    assert str(few_shot_prompt(SENTIMENT, [GOOD, BAD], QUERY, "chat", tokenizer)) == render(bare)
    first = f"{SENTIMENT.instruction}\n\nReview: Lovely."
    turns = few_shot_prompt(SENTIMENT, [GOOD, BAD], QUERY, "turns", tokenizer)
    assert str(turns) == render(first, "positive", "Review: Broken.", "negative", "Review: It hums.")
    names = list(dict.fromkeys(part.name for part in turns.parts))
    assert names == ["template", "instruction", "shot 1", "shot 2", "query"]


def test_a_text_that_occurs_twice_is_given_to_the_right_part(tokenizer):
    prompt = few_shot_prompt(SENTIMENT, [{"text": "user", "label": "positive"}], {"text": "user"}, "turns", tokenizer)
    assert [part.text for part in prompt.parts if part.name == "query"] == ["Review: user"]
    assert [part.text for part in prompt.parts if part.name == "shot 1"] == ["Review: user", "positive"]


def test_bad_requests_are_one_sentence(says, tokenizer):
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = None
    for call, word in [
        (lambda: few_shot_prompt(SENTIMENT, [], QUERY, "poem"), "poem"),
        (lambda: few_shot_prompt(SUMMARY, [], QUERY), "dialogue"),
        (lambda: few_shot_prompt(SENTIMENT, [QUERY], QUERY), "label"),
        (lambda: few_shot_prompt(SENTIMENT, [], QUERY, "chat", plain), "template"),
        (lambda: SENTIMENT.endings("poem"), "poem"),
        (lambda: draw_shots([GOOD, BAD, GOOD], 4), "at most 3"),
        (lambda: draw_shots([], 1), "empty"),
        (lambda: token_budget(tokenizer, few_shot_prompt(SENTIMENT, [], QUERY), 100, 100), "max_new_tokens"),
    ]:
        with pytest.raises(LabError) as error:
            call()
        says(error.value, word)


@pytest.mark.parametrize("seed", range(5))
def test_draws_are_balanced_nested_and_repeatable(reviews, seed):
    pool = reviews["pool"]
    longest = draw_shots(pool, 20, seed)
    assert len({row["id"] for row in longest}) == 20
    for count in range(21):
        shots = draw_shots(pool, count, seed)
        assert shots == longest[:count]
        held = Counter(row["label"] for row in shots)
        assert max((held[label] for label in ("positive", "negative", "mixed")), default=0) - min(
            held[label] for label in ("positive", "negative", "mixed")
        ) in (0, 1)


def test_draws_differ_by_seed_and_no_label_always_comes_first(reviews):
    draws = [draw_shots(reviews["pool"], 3, seed) for seed in range(30)]
    assert {shots[0]["label"] for shots in draws} == {"positive", "negative", "mixed"}
    assert len({tuple(row["id"] for row in shots) for shots in draws}) > 25
    dialogues = [{"dialogue": str(i), "summary": ""} for i in range(9)]
    assert sorted(row["dialogue"] for row in draw_shots(dialogues, 9, by=None)) == [str(i) for i in range(9)]


def test_orders_are_different_orders_of_the_same_shots():
    rows = [{"id": i} for i in range(3)]
    every = shot_orders(rows, 100)
    assert every[0] == rows and len(every) == 6
    assert {tuple(row["id"] for row in order) for order in every} == {
        (0, 1, 2),
        (0, 2, 1),
        (1, 0, 2),
        (1, 2, 0),
        (2, 0, 1),
        (2, 1, 0),
    }
    assert len(shot_orders(rows, 4, seed=1)) == 4 and shot_orders([], 5) == [[]]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_parts_add_up_and_agree_with_the_places_of_the_tokens(tokenizer, reviews, style, count):
    prompt = few_shot_prompt(SENTIMENT, draw_shots(reviews["pool"], count), reviews["test"][0], style, tokenizer)
    budget = token_budget(tokenizer, prompt, 5, 4096)
    assert budget.prompt == len(tokenizer(str(prompt)).input_ids) and budget.total == budget.prompt + 5
    assert budget.tokens == tokens_by_part(tokenizer, prompt)
    assert budget.fits and budget.alarm == "" and not budget.lost_left and not budget.lost_right


@pytest.mark.parametrize("seed", range(40))
def test_parts_add_up_where_they_merge(tokenizer, seed):
    rng = random.Random(seed)
    alphabet = ["a", " ", "\n", "the", "ing", "\t", "🙂", "é", "<", "|", "im_end", "|>", "12", ".", "  "]
    parts = [PromptPart(f"part {i}", "".join(rng.choices(alphabet, k=rng.randrange(6)))) for i in range(6)]
    prompt = Prompt((*parts, PromptPart("query", "?")))
    budget = token_budget(tokenizer, prompt, 1, 200)
    assert budget.prompt == len(tokenizer(str(prompt)).input_ids)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("window", [40, 120, 200])
def test_what_a_cut_takes_is_what_the_tokenizer_cuts(tokenizer, reviews, style, window):
    prompt = few_shot_prompt(SENTIMENT, draw_shots(reviews["pool"], 5), reviews["test"][0], style, tokenizer)
    budget = token_budget(tokenizer, prompt, 10, window)
    ids = tokenizer(str(prompt)).input_ids
    for side, lost in [("left", budget.lost_left), ("right", budget.lost_right)]:
        cutter = copy.deepcopy(tokenizer)
        cutter.truncation_side = side
        kept = cutter(str(prompt), truncation=True, max_length=window - 10).input_ids
        gone = slice(0, len(ids) - len(kept)) if side == "left" else slice(len(kept), None)
        assert kept == (ids[gone.stop :] if side == "left" else ids[: gone.start])
        assert lost == tokens_by_part(tokenizer, prompt, gone.start, gone.stop)
    assert not budget.fits and sum(budget.lost_left.values()) == budget.total - window


def test_the_alarm_says_what_is_lost_from_which_side(tokenizer, reviews, says):
    prompt = few_shot_prompt(SENTIMENT, draw_shots(reviews["pool"], 4), reviews["test"][0])
    size = len(tokenizer(str(prompt)).input_ids)
    left, right = token_budget(tokenizer, prompt, 10, size - 10).alarm.split("cut from the right")
    assert "the instruction and part of shot 1" in left and "query" not in left
    assert "part of the query" in right and "instruction" not in right
    says(token_budget(tokenizer, prompt, 10, size - 10).alarm, "20", size, size - 10)
    assert token_budget(tokenizer, prompt, 10, size + 10).alarm == ""
    assert token_budget(tokenizer, prompt, 10, size + 9).alarm != ""


def test_special_tokens_are_counted_once_and_survive_a_cut(tokenizer):
    marked = copy.deepcopy(tokenizer)
    start = (marked.bos_token, marked.bos_token_id)
    marked._tokenizer.post_processor = TemplateProcessing(single=f"{start[0]} $A", special_tokens=[start])
    prompt = few_shot_prompt(SENTIMENT, [GOOD], QUERY)
    budget = token_budget(marked, prompt, 5, 20)
    assert budget.prompt == len(encode_prompt(marked, prompt)) == len(encode_prompt(tokenizer, prompt)) + 1
    assert budget.tokens["template"] == 1 and "template" not in budget.lost_left
    marked.truncation_side = "left"
    kept = marked(str(prompt), truncation=True, max_length=15).input_ids
    assert kept[0] == start[1] and sum(budget.lost_left.values()) == budget.prompt - len(kept)
    chat = few_shot_prompt(SENTIMENT, [GOOD], QUERY, "chat", marked)
    assert encode_prompt(marked, chat).count(start[1]) == encode_prompt(tokenizer, chat).count(start[1])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("window", [30, 60, 150, 400])
def test_as_many_shots_fit_as_the_tokenizer_says(tokenizer, reviews, style, window):
    shots, query = draw_shots(reviews["pool"], 8), reviews["test"][0]
    sizes = [len(tokenizer(str(few_shot_prompt(SENTIMENT, shots[:n], query, style, tokenizer))).input_ids) for n in range(9)]
    want = sum(size + 10 <= window for size in sizes) - 1
    assert fit_shots(tokenizer, SENTIMENT, shots, query, 10, window, style) == want


def test_leaks_are_found_word_for_word_and_nearly(says):
    test = [{"text": "The kettle leaked on the second day, and nobody answered."}, {"text": "A film to see twice."}]
    shots = [
        {"text": "The kettle leaked on the second day, and nobody answered."},
        {"text": "the KETTLE leaked on the second day and nobody  answered"},
        {"text": "Sadly the kettle leaked on the second day, and nobody answered me."},
        {"text": "The kettle sang on the second day, and everybody came."},
        {"text": "A film to see"},
    ]
    found = find_leaks(shots, test)
    assert [(leak.shot, leak.test, leak.kind) for leak in found] == [
        (0, 0, "exact"),
        (1, 0, "words"),
        (2, 0, "near"),
        (4, 1, "near"),
    ]
    for leak in found:
        says(leak, f"shot {leak.shot + 1}", f"example {leak.test + 1}")
    assert [leak.shot for leak in find_leaks(shots, test, near=0.3)] == [0, 1, 2, 3, 4]


def test_the_course_pools_do_not_leak_and_the_test_sets_do(reviews):
    assert not find_leaks(reviews["pool"], reviews["test"])
    assert [(leak.shot, leak.test) for leak in find_leaks(reviews["test"], reviews["test"])] == [(i, i) for i in range(126)]
    dialogues = load_dialogues()
    train, test = list(dialogues["train"]), list(dialogues["test"])
    assert not find_leaks(train, test, by="dialogue") and find_leaks(test[5:6], test, by="dialogue")[0].test == 5


def test_words_come_by_task_and_split():
    words = words_by_task()
    assert len(words) == 9 and {task: (len(rows["pool"]), len(rows["test"])) for task, rows in words.items()}["sum"] == (24, 40)
