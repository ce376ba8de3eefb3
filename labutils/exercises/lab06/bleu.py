"""BLEU: clipped counts, the brevity penalty, and the score made of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU

from labutils.evaluation.bleu_score import brevity_penalty, clipped_counts
from labutils.evaluation.tokens import ngrams
from labutils.exercises.lab06.texts import CAT, MAT, REORDERED, SHORT, THE, Tokens
from labutils.exercises.registry import Cases, ExerciseFunctions

Pairs = Sequence[tuple[int, int]]  # (matched, in the candidate) for n = 1, 2, ...


# -------------------------------------------------------------------------------------- 6.4 clipped counts


def clipped(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    return clipped_counts(candidate, references, n)


def clipped_cases() -> Cases:
    return [
        (THE, [CAT, ["there", "is", "a", "cat", "on", "the", "mat"]], 1),
        (THE, [SHORT, CAT], 1),
        (REORDERED, [CAT, MAT], 2),
        (SHORT, [CAT], 4),
    ]


def clips_nothing(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    known = {gram for reference in references for gram in ngrams(reference, n)}
    ours = ngrams(candidate, n)
    return sum(count for gram, count in ours.items() if gram in known), ours.total()


def clips_at_the_sum(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    together: Counter[tuple[str, ...]] = Counter()
    for reference in references:
        together += ngrams(reference, n)
    ours = ngrams(candidate, n)
    return (ours & together).total(), ours.total()


def first_reference_only(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    return clipped(candidate, references[:1], n)


def divides_by_the_references(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    matched, _ = clipped(candidate, references, n)
    return matched, sum(ngrams(reference, n).total() for reference in references)


# --------------------------------------------------------------------------------- 6.5 the brevity penalty


def brevity_penalty_cases() -> Cases:
    return [(3, 6), (6, 6), (9, 6), (5, 6), (12, 6)]


def inverted_penalty(candidate_length: int, reference_length: int) -> float:
    return brevity_penalty(reference_length, candidate_length)


def inverted_fraction(candidate_length: int, reference_length: int) -> float:
    return 1.0 if candidate_length >= reference_length else math.exp(1 - candidate_length / reference_length)


def rewards_long_candidates(candidate_length: int, reference_length: int) -> float:
    return math.exp(1 - reference_length / candidate_length)


def ratio_of_the_lengths(candidate_length: int, reference_length: int) -> float:
    return min(1.0, candidate_length / reference_length)


# ------------------------------------------------------------------------------------------------ 6.6 BLEU


def bleu_score(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    matched, totals = [m for m, _ in pairs], [t for _, t in pairs]
    return BLEU.compute_bleu(matched, totals, candidate_length, reference_length, max_ngram_order=len(pairs)).score


def precisions(pairs: Pairs) -> list[float]:
    return [matched / total for matched, total in pairs]


def geometric_mean(pairs: Pairs) -> float:
    return math.prod(precisions(pairs)) ** (1 / len(pairs))


def bleu_score_cases() -> Cases:
    return [
        ([(5, 6), (3, 5), (2, 4), (1, 3)], 6, 6),
        ([(6, 6), (5, 5), (4, 4), (3, 3)], 6, 12),
        ([(9, 10), (4, 9), (1, 8), (0, 7)], 10, 8),
        ([(9, 10), (4, 9), (2, 8), (1, 7)], 10, 8),
        ([(40, 50), (20, 45), (9, 40), (4, 35)], 50, 60),
    ]


def arithmetic_mean_of_precisions(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * brevity_penalty(candidate_length, reference_length) * sum(precisions(pairs)) / len(pairs)


def no_brevity_penalty(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * geometric_mean(pairs)


def inverted_brevity_penalty(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * brevity_penalty(reference_length, candidate_length) * geometric_mean(pairs)


def no_root(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * brevity_penalty(candidate_length, reference_length) * math.prod(precisions(pairs))


def one_fraction_for_all_orders(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    share = sum(matched for matched, _ in pairs) / sum(total for _, total in pairs)
    return 100 * brevity_penalty(candidate_length, reference_length) * share


def between_0_and_1(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return bleu_score(pairs, candidate_length, reference_length) / 100


EXERCISES = {
    "6.4": ExerciseFunctions(
        clipped, clipped_cases, (clips_nothing, clips_at_the_sum, first_reference_only, divides_by_the_references)
    ),
    "6.5": ExerciseFunctions(
        brevity_penalty,
        brevity_penalty_cases,
        (inverted_penalty, inverted_fraction, rewards_long_candidates, ratio_of_the_lengths),
    ),
    "6.6": ExerciseFunctions(
        bleu_score,
        bleu_score_cases,
        (
            arithmetic_mean_of_precisions,
            no_brevity_penalty,
            inverted_brevity_penalty,
            no_root,
            one_fraction_for_all_orders,
            between_0_and_1,
        ),
    ),
}
