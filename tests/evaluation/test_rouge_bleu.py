"""ROUGE and BLEU against rouge_score and sacreBLEU, on the course's data and on random strings; then what must hold of any such metric."""

from __future__ import annotations

import doctest
import json
import logging
import math
import random
from collections import Counter
from itertools import permutations

import pytest
import sacrebleu
from paths import DATA
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer
from sacrebleu.metrics import BLEU

from labutils.errors import LabError
from labutils.evaluation import bleu_score, intervals, meaning, production, rouge
from labutils.evaluation.references import best_and_average, human_ceiling
from labutils.evaluation.rouge import Score
from labutils.evaluation.tokens import ngrams, tokenize, tokenize_13a, tokenize_anywhere

TOLERANCE = 1e-9
TYPES = ["rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum"]
# What a random text is made of. The first list has few words, so that n-grams match, and inflected ones, so that stems do.
PLAIN = [
    "the",
    "the",
    "the",
    "cat",
    "cats",
    "sat",
    "sitting",
    "on",
    "a",
    "mat",
    "generally",
    "generalization",
    "universities",
    "university",
    "running",
    "runs",
    "3",
    "12",
]
ODD = [
    *("The", "CAT", "don't", "well-known", "3,000.50", "1.5", "U.S.", "e.g.", "co2", "x_1", "99%", "a/b", "(b)", "[c]", "10-20"),
    *("café", "cafe\u0301", "naïve", "Ångström", "İstanbul", "straße", "ﬁne", "Ⅷ", "½", "٣", "привет", "γειά"),
    *("สวัสดี", "ครับ", "你好", "世界", "こんにちは", "안녕", "नमस्ते", "🙂", "👍🏽", "👨‍👩‍👧", "🇹🇭", "1️⃣"),
    *(
        ".",
        ",",
        "!",
        "...",
        "?!",
        "-",
        "—",
        "“",
        "”",
        "''",
        '"',
        "&quot;",
        "&amp;",
        "&lt;b&gt;",
        "&",
        "<skipped>",
        "$",
        "#",
        "~",
        "\\n",
    ),
]
SPACES = [*[" "] * 12, "  ", "\t", "\n", "\n\n", "\r\n", "-\n", "\u00a0", "\u3000", "\u2028", "\x0b", ""]
EDGES = [
    "",
    " ",
    "\n",
    "\n\n",
    "cat",
    "Cat ",
    "cat\n",
    "the the the the",
    "...",
    "?!\n--",
    "café",
    "สวัสดี",
    "🙂 🙂",
    "\u200d",
    "\x00",
    "a\n\nb\n",
]


def random_text(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.04:
        return rng.choice(EDGES)
    pool = PLAIN if kind < 0.45 else PLAIN + ODD if kind < 0.9 else ODD
    if kind < 0.1:
        pool = pool[:1] + pool[-1:]  # little but repetition
    return "".join(rng.choice(pool) + rng.choice(SPACES) for _ in range(rng.randint(1, 24)))


def changed(text: str, rng: random.Random) -> str:
    """The text with a few pieces left out, repeated or exchanged: pairs that share long n-grams."""
    pieces = text.split(" ")
    for _ in range(rng.randint(0, 4)):
        i, j = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        pieces[i] = rng.choice([pieces[j], "", rng.choice(PLAIN), pieces[i] + "\n"])
    return " ".join(pieces)


def random_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    pairs = []
    for _ in range(count):
        text = random_text(rng)
        pairs.append((text, changed(text, rng) if rng.random() < 0.5 else random_text(rng)))
    return pairs + [(a, b) for a in EDGES for b in EDGES]


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def translations() -> list[tuple[str, list[str]]]:
    return [
        (candidate["text"], row["references"])
        for row in rows("translations/translations.jsonl")
        for candidate in row["candidates"]
    ]


@pytest.fixture(scope="module")
def summaries() -> list[list[str]]:
    return [[row[f"summary{i}"] for i in (1, 2, 3)] for row in rows("dialogues/test.jsonl")]


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


# ------------------------------------------------------------------------------------------------- equal to rouge_score


@pytest.mark.parametrize("stem", [False, True])
def test_rouge_equals_rouge_score_on_random_strings(stem):
    assert_rouge_equals_the_library(random_pairs(3_000, seed=6), stem)


@pytest.mark.parametrize("stem", [False, True])
def test_rouge_equals_rouge_score_on_the_course_s_data(stem, translations, summaries):
    pairs = [(text, reference) for text, references in translations for reference in references]
    pairs += [pair for row in summaries for pair in permutations(row, 2)]
    dialogues = [row["dialogue"] for row in rows("dialogues/test.jsonl")]
    pairs += [pair for text, row in zip(dialogues[:20], summaries[:20], strict=True) for pair in [(text, row[0]), (row[0], text)]]
    assert len(pairs) > 1_000
    assert_rouge_equals_the_library(pairs, stem)


def test_rouge_lsum_equals_rouge_score_on_texts_of_many_lines():
    rng = random.Random(7)
    texts = ["\n".join(random_text(rng) for _ in range(rng.randint(2, 5))) for _ in range(200)]
    assert_rouge_equals_the_library([(a, "\n".join(reversed(a.split("\n")))) for a in texts[:100]], False)
    assert_rouge_equals_the_library(list(zip(texts[:100], texts[100:], strict=True)), True)


@pytest.mark.parametrize("stem", [False, True])
def test_tokens_equal_rouge_score(stem):
    theirs = DefaultTokenizer(stem)
    for text, _ in random_pairs(2_000, seed=8):
        assert tokenize(text, stem) == theirs.tokenize(text), text


# --------------------------------------------------------------------------------------------------- equal to sacreBLEU


def sacrebleu_corpus(candidates: list[str], references: list[list[str]], max_n: int = 4, smooth: str = "exp") -> float:
    most = max(map(len, references))
    streams = [[texts[k] if k < len(texts) else None for texts in references] for k in range(most)]
    return BLEU(max_ngram_order=max_n, smooth_method=smooth, force=True).corpus_score(candidates, streams).score


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


# ------------------------------------------------------------------------------------------- where the references fail


def test_a_thai_or_emoji_text_scores_nothing_against_itself_and_the_other_tokenizer_mends_it():
    for text in ("สวัสดีครับ", "🙂 👍🏽 🇹🇭", "привет, мир", "你好世界"):
        assert RougeScorer(["rouge1"]).score(text, text)["rouge1"].fmeasure == 0 == rouge.rouge_n(text, text, 1).f1
        for score in (rouge.rouge_n, rouge.rouge_l, rouge.rouge_lsum):
            extra = {"n": 1} if score is rouge.rouge_n else {}
            assert score(text, text, tokenizer=tokenize_anywhere, **extra).f1 == 1


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


# --------------------------------------------------------------------------------------------------------- properties


TEXTS = [text for text, _ in random_pairs(800, seed=11)]


def test_a_text_against_itself_scores_one_where_it_has_tokens():
    for text in TEXTS:
        tokens = tokenize(text)
        for n in (1, 2):
            assert rouge.rouge_n(text, text, n).f1 == (len(tokens) >= n), text
        assert rouge.rouge_l(text, text).f1 == rouge.rouge_lsum(text, text).f1 == bool(tokens), text
        assert bleu_score.sentence_bleu(text, [text]) == pytest.approx(100.0 if tokenize_13a(text) else 0.0), text


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


def test_ngrams_are_counted():
    assert ngrams(["a", "b", "a", "b"], 2) == Counter({("a", "b"): 2, ("b", "a"): 1})
    assert ngrams(["a"], 2) == Counter()
    with pytest.raises(LabError, match="at least one token"):
        ngrams(["a"], 0)


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


# ------------------------------------------------------------------------------------------------- tokens in any script


def test_tokens_anywhere_equal_the_default_on_ascii():
    rng = random.Random(17)
    for _ in range(1_000):
        text = "".join(chr(rng.randrange(128)) for _ in range(rng.randint(0, 60)))
        assert tokenize_anywhere(text) == tokenize(text), text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Café, naïve!", ["café", "naïve"]),
        ("cafe\u0301", ["café"]),
        ("Привет, мир", ["привет", "мир"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("你好 world", ["你", "好", "world"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("ok👍🏽🇹🇭👨‍👩‍👧!", ["ok", "👍🏽", "🇹🇭", "👨‍👩‍👧"]),
        ("… — “ ”", []),
    ],
)
def test_tokens_anywhere(text, tokens):
    assert tokenize_anywhere(text) == tokens


def test_another_tokenizer_and_stemming_do_not_mix():
    with pytest.raises(LabError, match="stem=True"):
        rouge.rouge_n("a", "a", 1, stem=True, tokenizer=tokenize_anywhere)


# ------------------------------------------------------------------------------------------------- several references


def test_best_and_average():
    best, average = best_and_average("the cat", ["the cat", "a dog", "the dog"], rouge.rouge_l)
    assert (best, average) == (1.0, pytest.approx(0.5))
    assert best_and_average("x", ["x", "y"], lambda a, b: float(a == b)) == (1.0, 0.5)


def test_the_best_is_what_rouge_score_takes(summaries):
    scorer = RougeScorer(["rouge1"])
    for row in summaries:
        theirs = scorer.score_multi(row[1:], row[0])["rouge1"].fmeasure
        assert best_and_average(row[0], row[1:], lambda a, b: rouge.rouge_n(a, b, 1))[0] == pytest.approx(theirs)


def test_the_human_ceiling_scores_each_reference_against_the_others(summaries):
    def metric(a: str, b: str) -> float:
        return rouge.rouge_n(a, b, 1, stem=True).f1

    assert human_ceiling([["the cat", "the cat", "a dog"]], rouge.rouge_l) == [pytest.approx(1 / 3)]
    assert human_ceiling([["the cat", "the cat", "a dog"]], rouge.rouge_l, best=True) == [pytest.approx(2 / 3)]
    average, best = human_ceiling(summaries, metric), human_ceiling(summaries, metric, best=True)
    assert len(average) == len(best) == len(summaries)
    assert all(0 <= low <= high <= 1 for low, high in zip(average, best, strict=True))
    expected = sum(metric(a, b) for a, b in permutations(summaries[0], 2)) / 6
    assert average[0] == pytest.approx(expected)


# ------------------------------------------------------------------------------------------------------------ bad input


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
        (lambda: best_and_average("a", [], rouge.rouge_l), "no reference"),
        (lambda: human_ceiling([], rouge.rouge_l), "no examples"),
        (lambda: human_ceiling([["a"]], rouge.rouge_l), "fewer than two"),
        (lambda: rouge.rouge_n("a", "a", 0), "at least one token"),
        (lambda: meaning.embed([]), "no texts"),
        (lambda: meaning.embed("a"), "put them in a list"),
        (lambda: production.load_metric("meteor"), "meteor"),
    ],
)
def test_bad_input_is_one_sentence(call, word, says):
    with pytest.raises(LabError) as caught:
        call()
    says(caught.value, word)


# ------------------------------------------------------------------------------------------------------------ embeddings


@pytest.mark.slow
def test_embeddings_see_a_paraphrase_and_hardly_see_a_negation(ready_home):
    import torch

    texts = [
        "The meeting was moved to Friday.",
        "They postponed the appointment until the end of the week.",
        "Bananas are yellow.",
        "",
    ]
    rows = meaning.embed(texts)
    assert rows.shape == (4, 384) and rows.dtype == torch.float32
    assert torch.allclose(rows.norm(dim=-1), torch.ones(4), atol=1e-6)
    one_by_one = torch.cat([meaning.embed([text]) for text in texts])
    assert torch.allclose(rows, one_by_one, atol=1e-5)  # padding and batches change nothing
    assert torch.allclose(meaning.embed(texts, batch_size=3), rows, atol=1e-5)
    assert meaning.similarity(texts[0], texts[0]) == pytest.approx(1, abs=1e-5)
    assert meaning.similarity(texts[0], texts[1]) > meaning.similarity(texts[0], texts[2]) + 0.2
    assert meaning.similarity("The meeting is on Friday.", "The meeting is not on Friday.") > 0.8
    assert len(meaning.embed(["word " * 2_000])) == 1  # longer than the encoder reads


def test_sacrebleu_stays_quiet(caplog):
    with caplog.at_level(logging.WARNING):
        bleu_score.bleu(["the cat sat ."] * 200, [["the cat sat ."]] * 200)
    assert not caplog.records


@pytest.mark.parametrize("module", [rouge, intervals])
def test_the_examples_in_the_docstrings_are_true(module):
    assert doctest.testmod(module).failed == 0
