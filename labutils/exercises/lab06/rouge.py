"""ROUGE: shared n-grams, precision and recall, the longest common subsequence."""

from __future__ import annotations

import math

from labutils.evaluation.rouge import lcs_length
from labutils.evaluation.tokens import ngrams
from labutils.exercises.lab06.texts import CAT, MAT, REORDERED, SHORT, THE, Tokens
from labutils.exercises.registry import Cases, ExerciseFunctions

# -------------------------------------------------------------------------------------- 6.1 shared n-grams


def overlap(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    ours, theirs = ngrams(candidate, n), ngrams(reference, n)
    return (ours & theirs).total(), ours.total(), theirs.total()


def overlap_cases() -> Cases:
    return [
        (CAT, MAT, 1),
        (THE, CAT, 1),
        (CAT, REORDERED, 2),
        (SHORT, CAT, 1),
        (SHORT, CAT, 3),
        (list("ababa"), list("abab"), 2),
    ]


def no_clipping(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    ours, theirs = ngrams(candidate, n), ngrams(reference, n)
    return sum(count for gram, count in ours.items() if gram in theirs), ours.total(), theirs.total()


def exchanges_the_totals(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    return overlap(reference, candidate, n)


def counts_each_kind_once(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    ours, theirs = set(ngrams(candidate, n)), set(ngrams(reference, n))
    return len(ours & theirs), len(ours), len(theirs)


def matches_each_kind_once(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    ours, theirs = ngrams(candidate, n), ngrams(reference, n)
    return len(ours & theirs), ours.total(), theirs.total()


def ignores_n(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    return overlap(candidate, reference, 1)


# ------------------------------------------------------------------------------- 6.2 precision, recall, F1


def precision_recall_f1(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall = shares(matched, in_candidate, in_reference)
    return precision, recall, 2 * precision * recall / (precision + recall) if matched else 0.0


def shares(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float]:
    """(precision, recall)."""
    return matched / in_candidate if in_candidate else 0.0, matched / in_reference if in_reference else 0.0


def precision_recall_f1_cases() -> Cases:
    return [(3, 4, 6), (6, 6, 6), (2, 10, 5), (0, 4, 6), (0, 0, 6)]


def swaps_precision_and_recall(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall, f1 = precision_recall_f1(matched, in_candidate, in_reference)
    return recall, precision, f1


def f1_as_arithmetic_mean(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall = shares(matched, in_candidate, in_reference)
    return precision, recall, (precision + recall) / 2


def f1_as_geometric_mean(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall = shares(matched, in_candidate, in_reference)
    return precision, recall, math.sqrt(precision * recall)


def f1_without_its_factor_two(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall, f1 = precision_recall_f1(matched, in_candidate, in_reference)
    return precision, recall, f1 / 2


# -------------------------------------------------------------------------- 6.3 longest common subsequence


def lcs_length_cases() -> Cases:
    return [
        (CAT, MAT),
        (list("abcd"), list("axbcxd")),
        (CAT, REORDERED),
        (list("dabc"), list("abcd")),
        (list("ab"), list("cd")),
        ([], list("ab")),
    ]


def longest_common_substring(a: Tokens, b: Tokens) -> int:
    return max((n for n in range(1, len(a) + 1) if ngrams(a, n) & ngrams(b, n)), default=0)


def ignores_the_order(a: Tokens, b: Tokens) -> int:
    return overlap(a, b, 1)[0]


def takes_the_first_match(a: Tokens, b: Tokens) -> int:
    place = length = 0
    for word in a:
        if word in b[place:]:
            place = b.index(word, place) + 1
            length += 1
    return length


def compares_place_by_place(a: Tokens, b: Tokens) -> int:
    return sum(x == y for x, y in zip(a, b, strict=False))


EXERCISES = {
    "6.1": ExerciseFunctions(
        overlap, overlap_cases, (no_clipping, exchanges_the_totals, counts_each_kind_once, matches_each_kind_once, ignores_n)
    ),
    "6.2": ExerciseFunctions(
        precision_recall_f1,
        precision_recall_f1_cases,
        (swaps_precision_and_recall, f1_as_arithmetic_mean, f1_as_geometric_mean, f1_without_its_factor_two),
    ),
    "6.3": ExerciseFunctions(
        lcs_length,
        lcs_length_cases,
        (longest_common_substring, ignores_the_order, takes_the_first_match, compares_place_by_place),
    ),
}
