"""BLEU: clipped counts, the brevity penalty, and the score made of them."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU

from labutils.evaluation.bleu_score import brevity_penalty, clipped_counts
from labutils.evaluation.tokens import ngrams
from labutils.exercises.lab06.texts import CAT, MAT, REORDERED, SHORT, THE, Tokens, random_pair, random_tokens
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
        ([], [CAT], 1),
        (CAT, [[], SHORT], 2),
        (list("aabb"), [list("aacc"), list("bbcc")], 1),  # one half from each reference
        (list("abab"), [list("ab"), list("abcab"), list("bab")], 2),
        (["a", "bb"], [["ab", "b"], ["b"]], 2),
        (CAT, [CAT, CAT], 3),
    ]


def random_clipped(rng: random.Random, size: int) -> tuple[list[str], list[list[str]], int]:
    candidate, similar = random_pair(rng, size)
    others = [random_tokens(rng, size // 2) for _ in range(rng.randint(0, 1 + size // 6))]
    if candidate and size % 2:  # each reference has a part of the candidate
        middle = rng.randrange(len(candidate) + 1)
        others += [candidate[:middle], candidate[middle:]]
    references = [similar, *others]
    rng.shuffle(references)
    return candidate, references, rng.choice((1, 1, 2, 2, 3, 4))


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


def best_single_reference(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    return max(clipped(candidate, [reference], n) for reference in references)


def sums_over_the_references(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    return sum(clipped(candidate, [reference], n)[0] for reference in references), ngrams(candidate, n).total()


def smallest_count_of_all(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    together = ngrams(candidate, n)
    for reference in references:
        together &= ngrams(reference, n)
    return together.total(), ngrams(candidate, n).total()


def last_reference_only(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    return clipped(candidate, references[-1:], n)


def nothing_is_known(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    return 0, ngrams(candidate, n).total()


def kinds_of_ngrams(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    known = {gram for reference in references for gram in ngrams(reference, n)}
    return len(known & set(ngrams(candidate, n))), len(ngrams(candidate, n))


def total_in_words(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    return clipped(candidate, references, n)[0], len(candidate)


def divides_by_the_references(candidate: Tokens, references: Sequence[Tokens], n: int) -> tuple[int, int]:
    matched, _ = clipped(candidate, references, n)
    return matched, sum(ngrams(reference, n).total() for reference in references)


# --------------------------------------------------------------------------------- 6.5 the brevity penalty


def brevity_penalty_cases() -> Cases:
    return [(3, 6), (6, 6), (9, 6), (5, 6), (12, 6), (1, 1), (1, 5), (7, 4), (999, 1000), (61, 173), (40, 39)]


def random_brevity_penalty(rng: random.Random, size: int) -> tuple[int, int]:
    return rng.randint(1, 2 + 4 * size), rng.randint(1, 2 + 6 * size)


def inverted_penalty(candidate_length: int, reference_length: int) -> float:
    return brevity_penalty(reference_length, candidate_length)


def inverted_fraction(candidate_length: int, reference_length: int) -> float:
    return 1.0 if candidate_length >= reference_length else math.exp(1 - candidate_length / reference_length)


def rewards_long_candidates(candidate_length: int, reference_length: int) -> float:
    return math.exp(1 - reference_length / candidate_length)


def cases_exchanged(candidate_length: int, reference_length: int) -> float:
    return 1.0 if candidate_length <= reference_length else math.exp(1 - reference_length / candidate_length)


def without_the_one(candidate_length: int, reference_length: int) -> float:
    return 1.0 if candidate_length >= reference_length else math.exp(-reference_length / candidate_length)


def whole_fraction(candidate_length: int, reference_length: int) -> float:
    return 1.0 if candidate_length >= reference_length else math.exp(1 - reference_length // candidate_length)


def difference_of_the_lengths(candidate_length: int, reference_length: int) -> float:
    return math.exp(min(0, candidate_length - reference_length))


def punishes_long_candidates(candidate_length: int, reference_length: int) -> float:
    shorter, longer = sorted((candidate_length, reference_length))
    return math.exp(1 - longer / shorter)


def rounded_e(candidate_length: int, reference_length: int) -> float:
    return 1.0 if candidate_length >= reference_length else 2.718 ** (1 - reference_length / candidate_length)


def e_of_two_places(candidate_length: int, reference_length: int) -> float:
    return 1.0 if candidate_length >= reference_length else 2.72 ** (1 - reference_length / candidate_length)


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
        ([(3, 7)], 7, 9),  # orders up to 1, 2, 3 and 5: the root is not always the fourth
        ([(5, 6), (3, 5)], 6, 6),
        ([(5, 6), (3, 5), (1, 4)], 6, 8),
        ([(9, 11), (8, 10), (6, 9), (3, 8), (1, 7)], 11, 10),
        ([(5, 6), (3, 5), (2, 4), (1, 3)], 9, 12),  # lengths that the pairs do not give away
        ([(0, 4), (0, 3)], 4, 4),
        ([(7, 7), (6, 6)], 7, 7),
    ]


def random_bleu_score(rng: random.Random, size: int) -> tuple[list[tuple[int, int]], int, int]:
    total = rng.randint(3, 6 + 6 * size)
    pairs, length = [], total if size % 3 else rng.randint(1, 8 + 6 * size)
    for _ in range(1 + size // 2 if size < 6 else rng.randint(1, 6)):
        pairs.append((rng.randint(0 if size % 7 == 6 else 1, total), total))
        total = max(1, total - rng.randint(1, 1 + size // 2))
    return pairs, length, rng.randint(1, 2 * length)


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


def always_the_fourth_root(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * brevity_penalty(candidate_length, reference_length) * math.prod(precisions(pairs)) ** 0.25


def quarter_of_the_sum(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * brevity_penalty(candidate_length, reference_length) * sum(precisions(pairs)) / 4


def fourth_root_without_penalty(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * math.prod(precisions(pairs)) ** 0.25


def penalty_under_the_root(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * brevity_penalty(candidate_length, reference_length) ** (1 / len(pairs)) * geometric_mean(pairs)


def harmonic_mean_of_precisions(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    mean = len(pairs) / sum(1 / p for p in precisions(pairs)) if all(precisions(pairs)) else 0.0
    return 100 * brevity_penalty(candidate_length, reference_length) * mean


def leaves_out_orders_without_a_match(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    matched = [pair for pair in pairs if pair[0]]
    return bleu_score(matched, candidate_length, reference_length) if matched else 0.0


def between_0_and_1(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return bleu_score(pairs, candidate_length, reference_length) / 100


EXERCISES = {
    "6.4": ExerciseFunctions(
        clipped,
        clipped_cases,
        (
            clips_nothing,
            clips_at_the_sum,
            first_reference_only,
            divides_by_the_references,
            best_single_reference,
            sums_over_the_references,
            smallest_count_of_all,
            last_reference_only,
            nothing_is_known,
            kinds_of_ngrams,
            total_in_words,
        ),
        random_clipped,
    ),
    "6.5": ExerciseFunctions(
        brevity_penalty,
        brevity_penalty_cases,
        (
            inverted_penalty,
            inverted_fraction,
            rewards_long_candidates,
            ratio_of_the_lengths,
            cases_exchanged,
            without_the_one,
            whole_fraction,
            difference_of_the_lengths,
            punishes_long_candidates,
            rounded_e,
            e_of_two_places,
        ),
        random_brevity_penalty,
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
            always_the_fourth_root,
            quarter_of_the_sum,
            fourth_root_without_penalty,
            penalty_under_the_root,
            harmonic_mean_of_precisions,
            leaves_out_orders_without_a_match,
        ),
        random_bleu_score,
    ),
}
