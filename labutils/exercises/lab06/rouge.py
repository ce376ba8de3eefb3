"""ROUGE: shared n-grams, precision and recall, the longest common subsequence."""

from __future__ import annotations

import difflib
import math
import random

from labutils.evaluation.rouge import lcs_length
from labutils.evaluation.tokens import ngrams
from labutils.exercises.lab06.texts import CAT, MAT, REORDERED, SHORT, THE, Tokens, random_pair
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
        ([], CAT, 1),
        (CAT, [], 2),
        (CAT, SHORT, 3),  # no trigram in the reference
        (["a", "bb", "a"], ["ab", "b", "ba"], 2),  # written together they would look the same
        (["The", "cat"], ["the", "cat"], 1),
        (CAT, CAT, 4),
    ]


def random_overlap(rng: random.Random, size: int) -> tuple[list[str], list[str], int]:
    return (*random_pair(rng, size), rng.choice((1, 1, 2, 2, 3, 4)))


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


def no_clipping_in_the_reference(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    ours, theirs = ngrams(candidate, n), ngrams(reference, n)
    return sum(count for gram, count in theirs.items() if gram in ours), ours.total(), theirs.total()


def totals_in_words(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    return overlap(candidate, reference, n)[0], len(candidate), len(reference)


def totals_of_kinds(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    return overlap(candidate, reference, n)[0], len(ngrams(candidate, n)), len(ngrams(reference, n))


def totals_below_zero(candidate: Tokens, reference: Tokens, n: int) -> tuple[int, int, int]:
    return overlap(candidate, reference, n)[0], len(candidate) - n + 1, len(reference) - n + 1


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
    return [(3, 4, 6), (6, 6, 6), (2, 10, 5), (0, 4, 6), (0, 0, 6), (0, 5, 0), (0, 0, 0), (1, 1, 97), (1, 89, 1), (7, 11, 13)]


def random_precision_recall_f1(rng: random.Random, size: int) -> tuple[int, int, int]:
    in_candidate, in_reference = (rng.randint(0, 1 + 5 * size) for _ in range(2))
    smaller = min(in_candidate, in_reference)
    matched = 0 if size % 6 == 5 else rng.randint(min(1, smaller), smaller)
    return matched, in_candidate, in_reference


def swaps_precision_and_recall(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall, f1 = precision_recall_f1(matched, in_candidate, in_reference)
    return recall, precision, f1


def f1_as_arithmetic_mean(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall = shares(matched, in_candidate, in_reference)
    return precision, recall, (precision + recall) / 2


def f1_as_geometric_mean(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall = shares(matched, in_candidate, in_reference)
    return precision, recall, math.sqrt(precision * recall)


def f1_of_the_smaller(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall = shares(matched, in_candidate, in_reference)
    return precision, recall, min(precision, recall)


def f1_as_the_product(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall = shares(matched, in_candidate, in_reference)
    return precision, recall, precision * recall


def whole_division(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall = (matched // total if total else 0 for total in (in_candidate, in_reference))
    return precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def in_per_cent(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall, f1 = precision_recall_f1(matched, in_candidate, in_reference)
    return 100 * precision, 100 * recall, 100 * f1


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
        (list("abxcd"), list("xabyzcd")),
        (list("cdxyzab"), list("xyzcdaxyb")),  # the longest block is not a part of the longest subsequence
        (CAT, []),
        (CAT, CAT),
        (list("aaa"), list("aaaaa")),
        (["a", "b"], ["ab"]),
        (list("xaxbxcx"), list("abc")),
        (["The", "cat"], ["the", "cat"]),
    ]


def random_lcs(rng: random.Random, size: int) -> tuple[list[str], list[str]]:
    return random_pair(rng, size)


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


def matching_blocks(a: Tokens, b: Tokens) -> int:
    return sum(block.size for block in difflib.SequenceMatcher(None, a, b).get_matching_blocks())


def matches_a_word_repeatedly(a: Tokens, b: Tokens) -> int:
    row = [0] * (len(b) + 1)
    for word in a:  # in one row, which already holds this word's own matches
        for j, other in enumerate(b):
            row[j + 1] = row[j] + 1 if word == other else max(row[j + 1], row[j])
    return row[-1]


def adds_one_to_the_larger_neighbour(a: Tokens, b: Tokens) -> int:
    above = [0] * (len(b) + 1)
    for word in a:
        row = [0]
        for j, other in enumerate(b):
            row.append(max(above[j + 1], row[j]) + (word == other))
        above = row
    return above[-1]


def adds_one_to_the_entry_above(a: Tokens, b: Tokens) -> int:
    above = [0] * (len(b) + 1)
    for word in a:
        row = [0]
        for j, other in enumerate(b):
            row.append(above[j + 1] + 1 if word == other else max(above[j + 1], row[j]))
        above = row
    return above[-1]


def ends_at_the_first_missing_word(a: Tokens, b: Tokens) -> int:
    place = length = 0
    for word in a:
        while place < len(b) and b[place] != word:
            place += 1
        if place < len(b):
            place += 1
            length += 1
    return length


def leaves_out_the_last_words(a: Tokens, b: Tokens) -> int:
    return lcs_length(a[:-1], b[:-1])


def kinds_in_common(a: Tokens, b: Tokens) -> int:
    return len(set(a) & set(b))


def compares_place_by_place(a: Tokens, b: Tokens) -> int:
    return sum(x == y for x, y in zip(a, b, strict=False))


EXERCISES = {
    "6.1": ExerciseFunctions(
        overlap,
        overlap_cases,
        (
            no_clipping,
            exchanges_the_totals,
            counts_each_kind_once,
            matches_each_kind_once,
            no_clipping_in_the_reference,
            totals_in_words,
            totals_of_kinds,
            totals_below_zero,
            ignores_n,
        ),
        random_overlap,
    ),
    "6.2": ExerciseFunctions(
        precision_recall_f1,
        precision_recall_f1_cases,
        (
            swaps_precision_and_recall,
            f1_as_arithmetic_mean,
            f1_as_geometric_mean,
            f1_without_its_factor_two,
            f1_of_the_smaller,
            f1_as_the_product,
            whole_division,
            in_per_cent,
        ),
        random_precision_recall_f1,
    ),
    "6.3": ExerciseFunctions(
        lcs_length,
        lcs_length_cases,
        (
            longest_common_substring,
            ignores_the_order,
            takes_the_first_match,
            compares_place_by_place,
            matching_blocks,
            matches_a_word_repeatedly,
            adds_one_to_the_larger_neighbour,
            adds_one_to_the_entry_above,
            ends_at_the_first_missing_word,
            leaves_out_the_last_words,
            kinds_in_common,
        ),
        random_lcs,
    ),
}
