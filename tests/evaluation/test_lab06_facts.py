"""What lab 06 says of the course's texts, pinned: a false summary that scores as the true one does, and where metrics are blind."""

from __future__ import annotations

from statistics import fmean

import pytest
from sacrebleu.metrics.bleu import BLEU

from labutils.course.corpora import load_dialogues, load_translations, load_written_summaries
from labutils.evaluation import bleu_score, comparisons, references, rouge, tokens
from labutils.evaluation.rouge import Score

TRUE, FALSE = "85 visit tomorrow to 190 tonight", "190 visit tonight to 85 tomorrow"


@pytest.fixture(scope="module")
def test_rows() -> list[dict]:
    return load_dialogues(own=False)["test"].to_list()


@pytest.fixture(scope="module")
def kinds() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in load_translations():
        for item in row["candidates"]:
            found.setdefault(item["defect"], []).append(item["text"])
    return found


def rouges(text: str, reference: str) -> list[Score]:
    return [rouge.rouge_n(text, reference, 1), rouge.rouge_n(text, reference, 2), rouge.rouge_l(text, reference)]


def test_exchanged_prices_cost_nothing(test_rows):
    reference, honest, _ = test_rows[1]["references"]
    false = honest.replace(TRUE, FALSE)
    assert false != honest and sorted(false) == sorted(honest)
    assert rouges(false, reference) == rouges(honest, reference)


def test_a_second_summary_shares_few_places_and_equals_none(test_rows):
    pairs = [[tokens.tokenize(text) for text in row["references"][:2]] for row in test_rows]
    same = sum(x == y for a, b in pairs for x, y in zip(a, b, strict=False))
    assert not any(a == b for a, b in pairs) and same / sum(len(a) for a, _ in pairs) == pytest.approx(0.08, abs=0.02)


def test_the_opposite_beats_the_paraphrase_in_every_sentence(kinds):
    targets = [row["references"][0] for row in load_translations()]
    opposite, paraphrase = (
        [rouge.rouge_n(text, target, 1).f1 for text, target in zip(kinds[kind], targets, strict=True)]
        for kind in ("negation flipped", "perfect paraphrase")
    )
    assert all(a > b for a, b in zip(opposite, paraphrase, strict=True))


def test_the_paraphrase_has_the_lowest_bleu(kinds):
    pairs = [row["references"][:2] for row in load_translations()]
    scores = {kind: bleu_score.bleu(texts, pairs) for kind, texts in kinds.items()}
    assert min(scores, key=scores.__getitem__) == "perfect paraphrase" and scores["perfect paraphrase"] < 1
    assert max(scores, key=scores.__getitem__) == "none"
    streams = [[texts[k] for texts in pairs] for k in (0, 1)]
    assert scores["none"] == pytest.approx(BLEU().corpus_score(kinds["none"], streams).score)


def test_an_accent_is_lost_and_thai_gets_nothing():
    thai = "ฉันชอบกินข้าวผัด"
    texts = [("café", "cafe"), ("café", "caf"), (thai, thai)]
    assert [rouge.rouge_n(a, b, 1).f1 for a, b in texts] == [0, 1, 0]
    assert [rouge.rouge_n(a, b, 1, tokenizer=tokens.tokenize_anywhere).f1 for a, b in texts] == [0, 0, 1]


def points(texts: list[str], rows: list[dict], rule) -> list[float]:
    return [100 * references.best_and_average(t, row["references"], rule)[1] for t, row in zip(texts, rows, strict=True)]


def stemmed(n: int):
    return lambda a, b: rouge.rouge_n(a, b, n, stem=True) if n else rouge.rouge_l(a, b, stem=True)


def copied(rows: list[dict], choose) -> list[str]:
    return [" ".join(choose(row["dialogue"].split("\n"))) for row in rows]


def test_pairing_helps_where_two_copiers_are_compared(test_rows):
    ending = points(copied(test_rows, lambda turns: turns[-3:]), test_rows, stemmed(0))
    whole = points(copied(test_rows, lambda turns: turns), test_rows, stemmed(0))
    gap = comparisons.paired_bootstrap(ending, whole)
    assert gap.low > 0 and gap.high - gap.low < 0.85 * 2 * 1.96 * (variance(ending) + variance(whole)) ** 0.5
    assert comparisons.wrong_winner_rate(ending, whole, 10) == pytest.approx(0.2, abs=0.03)
    assert not comparisons.compare(ending[:10], whole[:10]).ranked


def variance(scores: list[float]) -> float:
    """Of the mean."""
    mean = fmean(scores)
    return sum((x - mean) ** 2 for x in scores) / (len(scores) - 1) / len(scores)


def test_the_ceiling(test_rows):
    texts = [row["references"] for row in test_rows]
    assert 100 * fmean(references.reference_ceiling(texts, stemmed(1))) == pytest.approx(58.5, abs=0.1)


def test_the_saved_texts_rank_as_the_lab_says(test_rows):
    mean = {name: fmean(points(texts, test_rows, stemmed(1))) for name, texts in load_written_summaries().items()}
    longest = fmean(points(copied(test_rows, lambda turns: sorted(turns, key=len)[-3:]), test_rows, stemmed(1)))
    assert mean["best prompt"] < 29 < longest
