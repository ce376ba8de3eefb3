"""Exercises and quizzes of lab 06: each check with the mistakes that people really make."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from labutils.evaluation import bleu_score, rouge, tokens
from labutils.exercises.registry import Exercise, Mistake, Quiz

Words = list[str]
Pairs = list[tuple[int, int]]


def _overlap(candidate: Words, reference: Words, n: int) -> tuple[int, int, int]:
    ours, theirs = tokens.ngrams(candidate, n), tokens.ngrams(reference, n)
    return sum((ours & theirs).values()), sum(ours.values()), sum(theirs.values())


def _overlap_unclipped(candidate: Words, reference: Words, n: int) -> tuple[int, int, int]:
    ours, theirs = tokens.ngrams(candidate, n), tokens.ngrams(reference, n)
    return sum(count for gram, count in ours.items() if gram in theirs), sum(ours.values()), sum(theirs.values())


def _overlap_kinds(candidate: Words, reference: Words, n: int) -> tuple[int, int, int]:
    ours, theirs = set(tokens.ngrams(candidate, n)), set(tokens.ngrams(reference, n))
    return len(ours & theirs), len(ours), len(theirs)


def _overlap_kinds_matched(candidate: Words, reference: Words, n: int) -> tuple[int, int, int]:
    return _overlap_kinds(candidate, reference, n)[0], *_overlap(candidate, reference, n)[1:]


def _precision_recall_f1(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision = matched / in_candidate if in_candidate else 0.0
    recall = matched / in_reference if in_reference else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if matched else 0.0


def _with_f1(mean: Any) -> Any:
    """`precision_recall_f1` with another mean in place of the harmonic one."""

    def wrong(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
        precision, recall, _ = _precision_recall_f1(matched, in_candidate, in_reference)
        return precision, recall, float(mean(precision, recall))

    return wrong


def _swapped(matched: int, in_candidate: int, in_reference: int) -> tuple[float, float, float]:
    precision, recall, f1 = _precision_recall_f1(matched, in_candidate, in_reference)
    return recall, precision, f1


def _lcs(a: Words, b: Words) -> int:
    return rouge.lcs_length(a, b)


def _longest_substring(a: Words, b: Words) -> int:
    return max((n for n in range(1, len(a) + 1) if tokens.ngrams(a, n) & tokens.ngrams(b, n)), default=0)


def _greedy_subsequence(a: Words, b: Words) -> int:
    place = length = 0
    for word in a:
        if word in b[place:]:
            place = b.index(word, place) + 1
            length += 1
    return length


def _clipped(candidate: Words, references: list[Words], n: int) -> tuple[int, int]:
    return bleu_score.clipped_counts(candidate, references, n)


def _clipped_by_sum(candidate: Words, references: list[Words], n: int) -> tuple[int, int]:
    together: Counter[tuple[str, ...]] = Counter()
    for reference in references:
        together += tokens.ngrams(reference, n)
    ours = tokens.ngrams(candidate, n)
    return sum((ours & together).values()), sum(ours.values())


def _unclipped(candidate: Words, references: list[Words], n: int) -> tuple[int, int]:
    known = {gram for reference in references for gram in tokens.ngrams(reference, n)}
    ours = tokens.ngrams(candidate, n)
    return sum(count for gram, count in ours.items() if gram in known), sum(ours.values())


def _clipped_over_reference(candidate: Words, references: list[Words], n: int) -> tuple[int, int]:
    return bleu_score.clipped_counts(candidate, references, n)[0], sum(sum(tokens.ngrams(r, n).values()) for r in references)


def _brevity(candidate_length: int, reference_length: int) -> float:
    return bleu_score.brevity_penalty(candidate_length, reference_length)


def _bleu_score(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    precisions = [matched / total for matched, total in pairs]
    return 100 * _brevity(candidate_length, reference_length) * math.prod(precisions) ** (1 / len(pairs))


def _bleu_with(mean: Any, penalised: bool = True) -> Any:
    """`bleu_score` with another mean of the precisions, or without the brevity penalty."""

    def wrong(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
        return 100 * (_brevity(candidate_length, reference_length) if penalised else 1.0) * float(mean(pairs))

    return wrong


def _geometric(pairs: Pairs) -> float:
    return math.prod(matched / total for matched, total in pairs) ** (1 / len(pairs))


def _bleu_inverted(pairs: Pairs, candidate_length: int, reference_length: int) -> float:
    return 100 * _brevity(reference_length, candidate_length) * _geometric(pairs)


def _mean(scores: list[float]) -> float:
    return sum(scores) / len(scores)


def _upset_rate(a: list[float], b: list[float], draws: list[list[int]]) -> float:
    worse, better = (a, b) if _mean(a) < _mean(b) else (b, a)
    return _mean([sum(worse[i] for i in draw) > sum(better[i] for i in draw) for draw in draws])


def _upset_or_tie(a: list[float], b: list[float], draws: list[list[int]]) -> float:
    worse, better = (a, b) if _mean(a) < _mean(b) else (b, a)
    return _mean([sum(worse[i] for i in draw) >= sum(better[i] for i in draw) for draw in draws])


def _better_wins(a: list[float], b: list[float], draws: list[list[int]]) -> float:
    worse, better = (a, b) if _mean(a) < _mean(b) else (b, a)
    return _mean([sum(better[i] for i in draw) > sum(worse[i] for i in draw) for draw in draws])


def _second_wins(a: list[float], b: list[float], draws: list[list[int]]) -> float:
    return _mean([sum(b[i] for i in draw) > sum(a[i] for i in draw) for draw in draws])


def _against_the_mean(a: list[float], b: list[float], draws: list[list[int]]) -> float:
    worse, better = (a, b) if _mean(a) < _mean(b) else (b, a)
    return _mean([_mean([worse[i] for i in draw]) > _mean(better) for draw in draws])


def _single_examples(a: list[float], b: list[float], draws: list[list[int]]) -> float:
    worse, better = (a, b) if _mean(a) < _mean(b) else (b, a)
    return _mean([worse[i] > better[i] for draw in draws for i in draw])


_CAT = ["the", "cat", "sat", "on", "the", "mat"]
_MAT = ["the", "mat", "sat", "on", "a", "mat"]
_THE = ["the", "the", "the", "the", "the", "the", "the"]
_ON = ["on", "the", "mat", "the", "cat", "sat"]
_SHORT = ["the", "cat"]
_ABC = list("axbcxd")

EXERCISES = (
    Exercise(
        id="6.1",
        title="Shared n-grams",
        reference=_overlap,
        cases=(
            (_CAT, _MAT, 1),
            (_THE, _CAT, 1),
            (_CAT, _ON, 2),
            (_SHORT, _CAT, 1),
            (_SHORT, _CAT, 3),
            (list("ababa"), list("abab"), 2),
        ),
        mistakes=(
            Mistake(
                "Clipping is forgotten: an n-gram is matched at most as often as it occurs in the reference, however often the candidate says it.",
                _overlap_unclipped,
            ),
            Mistake(
                "The denominators are exchanged: the candidate's n-grams come second, the reference's third.",
                lambda c, r, n: _overlap(r, c, n),
            ),
            Mistake(
                "Each kind of n-gram is counted once: a repeated n-gram counts each time, so take a `Counter`, not a set.",
                _overlap_kinds,
            ),
            Mistake(
                "The totals are right, but each kind of n-gram is matched once only: one that occurs twice in both texts is matched twice.",
                _overlap_kinds_matched,
            ),
            Mistake("It counts single words whatever n is.", lambda c, r, n: _overlap(c, r, 1)),
        ),
        hints=(
            "Count the n-grams of each text. For an n-gram that occurs three times here and twice there, how many pairs can you make?",
            "With `ours = grams(candidate, n)` and `theirs = grams(reference, n)`: `ours & theirs` keeps the smaller count of each. Return three sums of `.values()`.",
        ),
    ),
    Exercise(
        id="6.2",
        title="Precision, recall, F1",
        reference=_precision_recall_f1,
        cases=((3, 4, 6), (6, 6, 6), (2, 10, 5), (0, 4, 6), (0, 0, 6)),
        mistakes=(
            Mistake(
                "Precision and recall are swapped: recall divides by the reference's n-grams, precision by the candidate's.",
                _swapped,
            ),
            Mistake(
                "The F1 is the plain average of the two: it is their harmonic mean, 2PR / (P + R).",
                _with_f1(lambda p, r: (p + r) / 2),
            ),
            Mistake(
                "The F1 is the geometric mean of the two: it is their harmonic mean, 2PR / (P + R).",
                _with_f1(lambda p, r: math.sqrt(p * r)),
            ),
            Mistake("The F1 lacks its factor 2: 2PR / (P + R).", _with_f1(lambda p, r: p * r / (p + r) if p else 0.0)),
        ),
        hints=(
            "One numerator, two denominators. Which text does each of the two shares speak about?",
            "`precision = matched / in_candidate`, `recall = matched / in_reference`; F1 is `2 * precision * recall / (precision + recall)`, and 0.0 where nothing matched.",
        ),
    ),
    Exercise(
        id="6.3",
        title="Longest common subsequence",
        reference=_lcs,
        cases=(
            (_CAT, _MAT),
            (list("abcd"), _ABC),
            (_CAT, _ON),
            (list("dabc"), list("abcd")),
            (list("ab"), list("cd")),
            ([], list("ab")),
        ),
        mistakes=(
            Mistake(
                "That is the longest common substring: a subsequence may have gaps, as long as the order is kept.",
                _longest_substring,
            ),
            Mistake("It ignores the order: that is the number of shared words (ROUGE-1).", lambda a, b: _overlap(a, b, 1)[0]),
            Mistake(
                "It takes the first match it meets and never reconsiders: an early match can block longer ones. Fill in the whole table.",
                _greedy_subsequence,
            ),
            Mistake(
                "It compares word 1 with word 1, word 2 with word 2: a subsequence may be shifted.",
                lambda a, b: sum(x == y for x, y in zip(a, b, strict=False)),
            ),
        ),
        hints=(
            "What is the answer for a[:i] and b[:j] if the last words agree? And if they do not, which of the two may you drop?",
            "`table[i][j]` is `table[i-1][j-1] + 1` if `a[i-1] == b[j-1]`, else `max(table[i-1][j], table[i][j-1])`.",
        ),
    ),
    Exercise(
        id="6.4",
        title="Clipped counts",
        reference=_clipped,
        cases=(
            (_THE, [_CAT, ["there", "is", "a", "cat", "on", "the", "mat"]], 1),
            (_THE, [_SHORT, _CAT], 1),
            (_ON, [_CAT, _MAT], 2),
            (_SHORT, [_CAT], 4),
        ),
        mistakes=(
            Mistake("Clipping is forgotten: seven times 'the' cannot match a reference that has it twice.", _unclipped),
            Mistake(
                "It clips at the sum over the references: an n-gram may be matched as often as in the one reference that has most of it.",
                _clipped_by_sum,
            ),
            Mistake("It looks at the first reference only.", lambda c, refs, n: _clipped(c, refs[:1], n)),
            Mistake(
                "The denominator is the references': a precision divides by what the candidate has.", _clipped_over_reference
            ),
        ),
        hints=(
            "For each n-gram: in which reference does it occur most often? That is how often it may be matched.",
            "Start with `most = Counter()` and do `most |= grams(reference, n)` for each reference: `|` keeps the larger count. Then as in 6.1.",
        ),
    ),
    Exercise(
        id="6.5",
        title="The brevity penalty",
        reference=_brevity,
        cases=((3, 6), (6, 6), (9, 6), (5, 6), (12, 6)),
        mistakes=(
            Mistake(
                "The brevity penalty is inverted: it is 1 where the candidate is long enough, and below 1 where it is shorter.",
                lambda c, r: bleu_score.brevity_penalty(r, c),
            ),
            Mistake(
                "The fraction in the exponent is upside down: exp(1 - reference / candidate).",
                lambda c, r: 1.0 if c >= r else math.exp(1 - c / r),
            ),
            Mistake(
                "It rewards long candidates with a factor above 1: from the reference's length on it stays at 1.",
                lambda c, r: math.exp(1 - r / c),
            ),
            Mistake(
                "That is the plain ratio of the lengths: the penalty is exponential, exp(1 - reference / candidate).",
                lambda c, r: min(1.0, c / r),
            ),
        ),
        hints=(
            "Two cases: long enough, or too short. What is exp(0)?",
            "`1.0 if candidate_length >= reference_length else math.exp(1 - reference_length / candidate_length)`.",
        ),
    ),
    Exercise(
        id="6.6",
        title="BLEU",
        reference=_bleu_score,
        cases=(
            ([(5, 6), (3, 5), (2, 4), (1, 3)], 6, 6),
            ([(6, 6), (5, 5), (4, 4), (3, 3)], 6, 12),
            ([(9, 10), (4, 9), (1, 8), (0, 7)], 10, 8),
            ([(9, 10), (4, 9), (2, 8), (1, 7)], 10, 8),
            ([(40, 50), (20, 45), (9, 40), (4, 35)], 50, 60),
        ),
        mistakes=(
            Mistake(
                "That is the plain average of the four precisions: BLEU takes their geometric mean, the fourth root of the product.",
                _bleu_with(lambda pairs: sum(m / t for m, t in pairs) / len(pairs)),
            ),
            Mistake("The brevity penalty is missing.", _bleu_with(_geometric, penalised=False)),
            Mistake("The brevity penalty is inverted: its lengths are exchanged.", _bleu_inverted),
            Mistake("The product lacks its fourth root.", _bleu_with(lambda pairs: math.prod(m / t for m, t in pairs))),
            Mistake(
                "All orders are thrown into one fraction: divide for each order, then take the geometric mean.",
                _bleu_with(lambda pairs: sum(m for m, _ in pairs) / sum(t for _, t in pairs)),
            ),
            Mistake("It is between 0 and 1: BLEU is given times 100.", lambda pairs, c, r: _bleu_score(pairs, c, r) / 100),
        ),
        hints=(
            "Three factors: 100, the brevity penalty, and a mean of four precisions under which one zero makes the whole zero.",
            "`math.prod(precisions) ** (1 / len(pairs))` is the geometric mean; multiply by `brevity(...)` and by 100.",
        ),
    ),
    Exercise(
        id="6.7",
        title="How often the worse system wins",
        reference=_upset_rate,
        cases=(
            ([0.5, 0.2, 0.9], [0.4, 0.6, 0.8], [[0, 0], [1, 1], [0, 2], [0, 1]]),
            ([0.4, 0.6, 0.8], [0.5, 0.2, 0.9], [[0, 0], [1, 1], [2, 2], [0, 2]]),
            ([0.5, 0.5, 0.5, 0.5], [0.75, 0.5, 0.5, 0.75], [[1, 2], [0, 1], [2, 1], [3, 3], [1, 1]]),
            ([0.25, 1.0, 0.25], [0.5, 0.5, 0.75], [[0, 1], [0, 2], [1, 1], [2, 2]]),
        ),
        mistakes=(
            Mistake("That is how often the better system wins: you want the draws in which it loses.", _better_wins),
            Mistake("A tie counts as a win for the worse system: it has to be strictly ahead.", _upset_or_tie),
            Mistake("The second system is not always the worse one: compare the means over all examples first.", _second_wins),
            Mistake(
                "The worse system's draw is held against the other's mean over all examples: use the same draw for both.",
                _against_the_mean,
            ),
            Mistake("It counts single examples: compare the two sums over each draw.", _single_examples),
        ),
        hints=(
            "Which is the worse system? Decide that once, with all examples. Then compare the two on each draw.",
            "`worse, better = (a, b) if sum(a) < sum(b) else (b, a)`; then the share of draws in which `sum(worse[i] for i in draw)` is the larger.",
        ),
    ),
)

QUIZZES = (
    Quiz(
        id="6.a",
        question="What does the G in ROUGE stand for?",
        options=("Generation", "Gisting", "Grading", "Grammar"),
        right=1,
        why=(
            "A common slip. It is Recall-Oriented Understudy for Gisting Evaluation: catching the gist is what a summary is for.",
            "Recall-Oriented Understudy for Gisting Evaluation (Lin 2004). To gist is to catch the main points.",
            "No grades: Recall-Oriented Understudy for Gisting Evaluation.",
            "ROUGE knows no grammar at all: Recall-Oriented Understudy for Gisting Evaluation.",
        ),
    ),
    Quiz(
        id="6.b",
        question="A summary copies the reference word for word, and then adds as many words that match nothing. What does ROUGE-1 say?",
        options=("Precision 0.5, recall 1", "Precision 1, recall 0.5", "Precision 0.5, recall 0.5", "Precision 1, recall 1"),
        right=0,
        why=(
            "All of the reference is there, so recall is 1; half of the candidate is padding, so precision is 0.5.",
            "The other way round: recall divides by the reference, all of which was found; precision divides by the candidate.",
            "Recall divides by the reference's words, and each of them was found.",
            "Precision divides by the candidate's words, and half of them match nothing.",
        ),
    ),
    Quiz(
        id="6.c",
        question="On 20 examples system A has ROUGE-L 0.44 and B 0.42; the 95 % interval of the difference is -0.03 to +0.07. What do you report?",
        options=("A is better", "B is better", "The two are equally good", "These 20 examples cannot tell them apart"),
        right=3,
        why=(
            "The interval includes 0: another 20 examples might well put B ahead.",
            "Its score is lower here, and the interval includes 0: nothing speaks for B.",
            "That is not shown either: a difference of 0.07 is inside the interval. Not seen is not the same as not there.",
            "The interval includes 0 and useful differences on both sides of it. Score more examples, or say that it is open.",
        ),
    ),
)
