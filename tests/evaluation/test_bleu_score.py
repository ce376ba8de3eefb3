"""BLEU against sacreBLEU, on the course's data and on random strings; then what must hold of any such metric."""

from __future__ import annotations

import logging
import math
import random

import pytest
import sacrebleu
from sacrebleu.metrics import BLEU
from scored_texts import TOLERANCE, random_pairs, random_text

from labutils.errors import LabError
from labutils.evaluation import bleu_score
from labutils.evaluation.tokens import tokenize_13a


def sacrebleu_corpus(candidates: list[str], references: list[list[str]], max_n: int = 4, smooth: str = "exp") -> float:
    most = max(map(len, references))
    streams = [[texts[k] if k < len(texts) else None for texts in references] for k in range(most)]
    return BLEU(max_ngram_order=max_n, smooth_method=smooth, force=True).corpus_score(candidates, streams).score


# Equal to sacreBLEU


def test_sentence_bleu_equals_sacrebleu_on_random_strings():
    rng = random.Random(9)
    for candidate, reference in random_pairs(3_000, seed=9):
        references = [reference, *(random_text(rng) for _ in range(rng.randint(0, 2)))]
        theirs = sacrebleu.sentence_bleu(candidate, references).score
        assert abs(bleu_score.sentence_bleu(candidate, references) - theirs) <= TOLERANCE, (candidate, references)


@pytest.mark.parametrize(("max_n", "smooth"), [(4, "exp"), (4, "none"), (2, "exp"), (1, "none")])
def test_corpus_bleu_equals_sacrebleu_on_random_corpora(max_n, smooth):
    rng = random.Random(max_n)
    pairs = random_pairs(1_500, seed=10)
    positive = 0
    for _ in range(500):
        chosen = rng.sample(pairs, rng.randint(1, 6))
        candidates = [candidate for candidate, _ in chosen]
        references = [[reference, *(random_text(rng) for _ in range(rng.randint(0, 2)))] for _, reference in chosen]
        ours, theirs = (
            bleu_score.bleu(candidates, references, max_n, smooth),
            sacrebleu_corpus(candidates, references, max_n, smooth),
        )
        assert abs(ours - theirs) <= TOLERANCE, (candidates, references)
        positive += ours > 0
    assert positive > 100  # the comparison is not one of zeros


def test_bleu_equals_sacrebleu_on_the_course_s_data(translations, summaries):
    for text, references in translations:
        assert abs(bleu_score.sentence_bleu(text, references) - sacrebleu.sentence_bleu(text, references).score) <= TOLERANCE
    candidates, references = [text for text, _ in translations], [texts for _, texts in translations]
    assert abs(bleu_score.bleu(candidates, references) - sacrebleu_corpus(candidates, references)) <= TOLERANCE
    first, others = [row[0] for row in summaries], [row[1:] for row in summaries]
    assert abs(bleu_score.bleu(first, others) - sacrebleu_corpus(first, others)) <= TOLERANCE


# Where sacreBLEU surprises


def test_a_short_corpus_scores_nothing_against_itself_in_sacrebleu():
    assert (
        sacrebleu.corpus_bleu(["the cat sat"], [["the cat sat"]]).score
        == 0
        == bleu_score.bleu(["the cat sat"], [["the cat sat"]])
    )
    assert sacrebleu.sentence_bleu("the cat sat", ["the cat sat"]).score == pytest.approx(100)


def test_an_empty_second_reference_lifts_the_brevity_penalty_in_sacrebleu():
    candidate, reference = "the cat", "the cat sat on the mat"
    alone, with_empty = sacrebleu.sentence_bleu(candidate, [reference]), sacrebleu.sentence_bleu(candidate, [reference, ""])
    assert alone.bp < 0.2 and with_empty.bp == 1
    assert bleu_score.sentence_bleu(candidate, [reference, ""]) == pytest.approx(with_empty.score)


def test_nothing_to_score_is_an_index_error_in_sacrebleu_and_a_sentence_here(says):
    with pytest.raises(IndexError):
        sacrebleu.corpus_bleu([], [[]])
    with pytest.raises(IndexError):
        sacrebleu.sentence_bleu("a", [])
    for call in (lambda: bleu_score.bleu([], []), lambda: bleu_score.sentence_bleu("a", [])):
        with pytest.raises(LabError) as caught:
            call()
        says(caught.value)


def test_sacrebleu_stays_quiet(caplog):
    with caplog.at_level(logging.WARNING):
        bleu_score.bleu(["the cat sat ."] * 200, [["the cat sat ."]] * 200)
    assert not caplog.records


# Properties


def test_a_text_against_itself_scores_100_where_it_has_tokens():
    for text, _ in random_pairs(800, seed=11):
        assert bleu_score.sentence_bleu(text, [text]) == pytest.approx(100.0 if tokenize_13a(text) else 0.0), text


def test_clipping_counts_an_ngram_as_often_as_the_reference_that_has_it_most():
    one, two = ["the", "cat", "is", "on", "the", "mat"], ["there", "is", "a", "cat"]
    assert bleu_score.clipped_counts(["the"] * 7, [one, two], 1) == (2, 7)
    assert bleu_score.clipped_counts(["the"] * 7, [two], 1) == (0, 7)
    assert bleu_score.clipped_counts(["the"] * 7, [one, one], 1) == (2, 7)  # the most, not the sum
    assert bleu_score.clipped_counts([], [one], 1) == (0, 0)
    rng = random.Random(15)
    for _ in range(300):
        lists = [[rng.choice("abc") for _ in range(rng.randint(0, 9))] for _ in range(4)]
        for n in (1, 2, 3):
            clipped, total = bleu_score.clipped_counts(lists[0], lists[1:], n)
            assert 0 <= clipped <= total == max(len(lists[0]) - n + 1, 0)
            assert clipped >= bleu_score.clipped_counts(lists[0], lists[1:2], n)[0]  # another reference never takes away


def test_bleu_is_the_geometric_mean_times_the_brevity_penalty():
    candidate, references = (
        "the cat sat on the mat today",
        ["the cat sat on a mat this morning , I think", "a cat sat on the mat"],
    )
    ours, theirs = candidate.split(), [text.split() for text in references]
    precisions = [clipped / total for clipped, total in (bleu_score.clipped_counts(ours, theirs, n) for n in (1, 2, 3, 4))]
    penalty = bleu_score.brevity_penalty(len(ours), bleu_score.closest_length(len(ours), [len(tokens) for tokens in theirs]))
    assert all(precisions)
    assert bleu_score.bleu([candidate], [references]) == pytest.approx(
        100 * penalty * math.prod(precisions) ** 0.25, abs=TOLERANCE
    )
    assert bleu_score.bleu([candidate], [references]) < 100 * penalty * sum(precisions) / 4


def test_the_brevity_penalty_is_at_most_one_and_falls_with_the_candidate():
    for reference in range(30):
        penalties = [bleu_score.brevity_penalty(length, reference) for length in range(40)]
        assert penalties == sorted(penalties) and all(0 <= penalty <= 1 for penalty in penalties)
        assert all(penalty == 1 for penalty in penalties[reference:])
    assert bleu_score.brevity_penalty(3, 6) == pytest.approx(math.exp(-1))
    assert bleu_score.brevity_penalty(0, 6) == 0


def test_the_closest_length_prefers_the_shorter_of_two():
    assert bleu_score.closest_length(5, [7, 3, 9]) == 3
    assert bleu_score.closest_length(5, [8, 6]) == 6
    metric = BLEU()
    rng = random.Random(16)
    for _ in range(300):
        length, lengths = rng.randint(0, 20), [rng.randint(0, 20) for _ in range(rng.randint(1, 4))]
        assert bleu_score.closest_length(length, lengths) == metric._get_closest_ref_len(length, lengths)


def test_corpus_bleu_is_not_the_mean_of_sentence_scores():
    candidates, references = ["the cat sat on the mat", "a dog"], [["the cat sat on the mat"], ["one dog ran home quickly"]]
    mean = sum(map(bleu_score.sentence_bleu, candidates, references)) / 2
    assert abs(bleu_score.bleu(candidates, references) - mean) > 1


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: bleu_score.bleu([], []), "no candidates"),
        (lambda: bleu_score.bleu(["a"], []), "1 candidates and 0"),
        (lambda: bleu_score.bleu(["a"], [[]]), "no reference"),
        (lambda: bleu_score.bleu(["a"], ["a"]), "put them in a list"),
        (lambda: bleu_score.bleu("a", [["a"]]), "put them in a list"),
        (lambda: bleu_score.bleu(["a"], [["a"]], max_n=0), "max_n"),
        (lambda: bleu_score.bleu(["a"], [["a"]], smooth="floor"), "floor"),
        (lambda: bleu_score.sentence_bleu("a", []), "no reference"),
        (lambda: bleu_score.clipped_counts(["a"], [], 1), "no reference"),
        (lambda: bleu_score.closest_length(1, []), "no reference"),
    ],
)
def test_bad_input_is_one_sentence(call, word, says):
    with pytest.raises(LabError) as caught:
        call()
    says(caught.value, word)
