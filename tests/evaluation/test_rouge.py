"""ROUGE against rouge_score, on the course's data and on random strings; then what must hold of any such metric."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from rouge_score.rouge_scorer import RougeScorer
from scored_texts import TOLERANCE, course_rows, random_pairs, random_text

from labutils.errors import LabError
from labutils.evaluation import rouge
from labutils.evaluation.rouge import Score
from labutils.evaluation.tokens import tokenize, tokenize_anywhere

TYPES = ["rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum"]


def all_rouge(candidate: str, reference: str, stem: bool) -> dict[str, Score]:
    return {
        **{f"rouge{n}": rouge.rouge_n(candidate, reference, n, stem) for n in (1, 2, 3)},
        "rougeL": rouge.rouge_l(candidate, reference, stem),
        "rougeLsum": rouge.rouge_lsum(candidate, reference, stem),
    }


def assert_rouge_equals_the_library(pairs: list[tuple[str, str]], stem: bool) -> None:
    scorer = RougeScorer(TYPES, use_stemmer=stem)
    for candidate, reference in pairs:
        theirs = scorer.score(reference, candidate)
        for name, ours in all_rouge(candidate, reference, stem).items():
            expected = theirs[name]
            for mine, other in zip((ours.precision, ours.recall, ours.f1), expected, strict=True):
                assert abs(mine - other) <= TOLERANCE, (name, stem, candidate, reference, ours, expected)


# Equal to rouge_score


@pytest.mark.parametrize("stem", [False, True])
def test_rouge_equals_rouge_score_on_random_strings(stem):
    assert_rouge_equals_the_library(random_pairs(3_000, seed=6), stem)


@pytest.mark.parametrize("stem", [False, True])
def test_rouge_equals_rouge_score_on_the_course_s_data(stem, translations, summaries):
    pairs = [(text, reference) for text, references in translations for reference in references]
    pairs += [pair for row in summaries for pair in permutations(row, 2)]
    dialogues = [row["dialogue"] for row in course_rows("dialogues/test.jsonl")]
    pairs += [pair for text, row in zip(dialogues[:20], summaries[:20], strict=True) for pair in [(text, row[0]), (row[0], text)]]
    assert len(pairs) > 1_000
    assert_rouge_equals_the_library(pairs, stem)


def test_rouge_lsum_equals_rouge_score_on_texts_of_many_lines():
    rng = random.Random(7)
    texts = ["\n".join(random_text(rng) for _ in range(rng.randint(2, 5))) for _ in range(200)]
    assert_rouge_equals_the_library([(a, "\n".join(reversed(a.split("\n")))) for a in texts[:100]], False)
    assert_rouge_equals_the_library(list(zip(texts[:100], texts[100:], strict=True)), True)


# Where rouge_score fails


def test_a_thai_or_emoji_text_scores_nothing_against_itself_and_the_other_tokenizer_mends_it():
    for text in ("สวัสดีครับ", "🙂 👍🏽 🇹🇭", "привет, мир", "你好世界"):
        assert RougeScorer(["rouge1"]).score(text, text)["rouge1"].fmeasure == 0 == rouge.rouge_n(text, text, 1).f1
        for score in (rouge.rouge_n, rouge.rouge_l, rouge.rouge_lsum):
            extra = {"n": 1} if score is rouge.rouge_n else {}
            assert score(text, text, tokenizer=tokenize_anywhere, **extra).f1 == 1


# Properties


def test_a_text_against_itself_scores_one_where_it_has_tokens():
    for text, _ in random_pairs(800, seed=11):
        tokens = tokenize(text)
        for n in (1, 2):
            assert rouge.rouge_n(text, text, n).f1 == (len(tokens) >= n), text
        assert rouge.rouge_l(text, text).f1 == rouge.rouge_lsum(text, text).f1 == bool(tokens), text


def test_exchanging_the_texts_exchanges_precision_and_recall():
    for a, b in random_pairs(500, seed=12):
        for one, other in [(rouge.rouge_n(a, b, 2), rouge.rouge_n(b, a, 2)), (rouge.rouge_l(a, b), rouge.rouge_l(b, a))]:
            assert (one.precision, one.recall, one.f1) == pytest.approx((other.recall, other.precision, other.f1))


def test_lsum_equals_l_on_single_lines_and_is_not_symmetric_on_several():
    for a, b in random_pairs(500, seed=13):
        a, b = a.replace("\n", " "), b.replace("\n", " ")
        assert rouge.rouge_lsum(a, b) == rouge.rouge_l(a, b)
    different = [
        1
        for a, b in random_pairs(500, seed=14)
        if abs(rouge.rouge_lsum(a, b).recall - rouge.rouge_lsum(b, a).precision) > TOLERANCE
    ]
    assert different


def test_precision_divides_by_the_candidate_and_recall_by_the_reference():
    assert rouge.rouge_n("the cat", "the cat sat on the mat", 1) == Score(1.0, 2 / 6, 0.5)
    assert rouge.rouge_n("the the the", "the cat sat", 1) == Score(1 / 3, 1 / 3, 1 / 3)
    assert rouge.rouge_l("one two", "") == Score(0.0, 0.0, 0.0)


def test_a_common_subsequence_may_have_gaps():
    assert rouge.lcs_length(["a", "b", "c", "d", "e"], ["a", "x", "c", "y", "e"]) == 3
    assert rouge.lcs_length(["a", "b", "c"], ["c", "b", "a"]) == 1
    assert rouge.lcs_length([], ["a"]) == 0


def test_stemming_joins_inflections_and_now_and_then_strangers():
    assert rouge.rouge_n("running", "runs", 1).f1 == 0
    assert rouge.rouge_n("meetings", "meeting", 1, stem=True).f1 == 1
    assert rouge.rouge_n("university", "universe", 1, stem=True).f1 == 1


# Bad input


def test_another_tokenizer_and_stemming_do_not_mix():
    with pytest.raises(LabError, match="stem=True"):
        rouge.rouge_n("a", "a", 1, stem=True, tokenizer=tokenize_anywhere)


def test_no_ngram_is_shorter_than_one_token(says):
    with pytest.raises(LabError) as caught:
        rouge.rouge_n("a", "a", 0)
    says(caught.value, "at least 1")


@pytest.mark.parametrize("score", [lambda a, b: rouge.rouge_n(a, b, 1), rouge.rouge_l, rouge.rouge_lsum])
@pytest.mark.parametrize(("candidate", "reference"), [(None, "a"), ("a", None), (["a"], "a")])
def test_a_text_that_is_none_is_one_sentence(score, candidate, reference, says):
    with pytest.raises(LabError) as caught:
        score(candidate, reference)
    says(caught.value, "not a text")
