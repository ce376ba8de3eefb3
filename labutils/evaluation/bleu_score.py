"""BLEU, written for reading (lab 06), equal to sacreBLEU.

BLEU (Bilingual Evaluation Understudy) counts the n-grams that a candidate (what a model wrote) shares with its references (what
people wrote), clips the counts, and gives one number from 0 to 100 for a whole corpus.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from labutils.errors import LabError
from labutils.evaluation.tokens import ngrams, tokenize_13a
from labutils.validation import require_text

SMOOTHINGS = ("exp", "none")


def clipped_counts(candidate_tokens: Sequence[str], reference_token_lists: Sequence[Sequence[str]], n: int) -> tuple[int, int]:
    """Of the candidate's n-grams: how many are matched, and how many there are.

    Clipping: an n-gram is matched at most as often as it occurs in the one reference that has it most often.

    Returns:
        (clipped, total): their quotient is BLEU's modified precision.

    Raises:
        LabError: there is no reference.

    Source: Papineni et al. 2002 (ACL, "BLEU: a Method for Automatic Evaluation of Machine Translation"), section 2.1.

    >>> clipped_counts("the the the the the the the".split(), ["the cat is on the mat".split()], 1)
    (2, 7)
    """
    if not reference_token_lists:
        raise LabError("There is no reference to score against: give at least one.")
    ours = ngrams(candidate_tokens, n)
    most: Counter[tuple[str, ...]] = Counter()
    for tokens in reference_token_lists:
        most |= ngrams(tokens, n)
    return (ours & most).total(), ours.total()


def brevity_penalty(candidate_length: int, reference_length: int) -> float:
    """What BLEU multiplies by: 1 where the candidate is at least as long as the reference, exp(1 - r / c) where it is shorter.

    Lengths are in tokens, summed over the corpus. An empty candidate (c = 0) has penalty 0, unless the reference is empty too.

    Source: Papineni et al. 2002, section 2.2.

    >>> round(brevity_penalty(3, 6), 3)
    0.368
    """
    if candidate_length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / candidate_length) if candidate_length else 0.0


def closest_length(candidate_length: int, reference_lengths: Sequence[int]) -> int:
    """The reference length that is closest to the candidate's; of two that are as close, the shorter.

    Raises:
        LabError: there is no reference.

    >>> closest_length(5, [7, 3, 9])
    3
    """
    if not reference_lengths:
        raise LabError("There is no reference to score against: give at least one.")
    return min(reference_lengths, key=lambda length: (abs(length - candidate_length), length))


def _bleu(
    candidates: Sequence[str], references: Sequence[Sequence[str]], max_n: int, smooth: str, effective_order: bool
) -> float:
    clipped, totals = [0] * max_n, [0] * max_n
    candidate_length = reference_length = 0
    for candidate, texts in zip(candidates, references, strict=True):
        ours, theirs = tokenize_13a(candidate), [tokenize_13a(text) for text in texts]
        candidate_length += len(ours)
        reference_length += closest_length(len(ours), [len(tokens) for tokens in theirs])
        for n in range(1, max_n + 1):
            found, total = clipped_counts(ours, theirs, n)
            clipped[n - 1] += found
            totals[n - 1] += total
    if not any(clipped):
        return 0.0
    orders = [n for n in range(max_n) if totals[n]] if effective_order else range(max_n)
    logarithms, halving = [], 1.0
    for n in orders:
        if clipped[n]:
            logarithms.append(math.log(clipped[n] / totals[n]))
        elif totals[n] and smooth == "exp":  # an order without a match counts as 1/2 of a match, the next one as 1/4, ...
            halving /= 2
            logarithms.append(math.log(halving / totals[n]))
        else:
            return 0.0
    geometric_mean = math.exp(sum(logarithms) / len(logarithms))
    return 100 * brevity_penalty(candidate_length, reference_length) * geometric_mean


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]], max_n: int = 4, smooth: str = "exp") -> float:
    """Corpus BLEU, 0 to 100: the geometric mean of the clipped precisions of orders 1 to `max_n`, times the brevity penalty.

    Matches, totals and lengths are summed over the corpus before anything is divided, so it is not the mean of sentence scores.
    A corpus without a single n-gram of some order (every candidate shorter than `max_n` tokens) scores 0, as in sacreBLEU.

    Args:
        candidates: one text per example.
        references: for each candidate, its references: one or more.
        max_n: the longest n-gram that counts.
        smooth: "exp" gives the k-th order without a match 1 / 2^k of a match; "none" makes the score 0 then.

    Raises:
        LabError: no candidates, a candidate without reference, lists of different lengths, or an unknown smoothing.

    Source: Papineni et al. 2002; the tokenizer and the smoothing are mteval-v13a's, as in Post 2018 (arXiv:1804.08771).

    >>> round(bleu(["the cat sat on the mat"], [["the cat is on the mat", "a cat sat on a mat"]]), 2)
    53.73
    """
    require_lists(candidates, references)
    if max_n < 1:
        raise LabError(f"max_n is {max_n}; BLEU needs at least order 1.")
    if smooth not in SMOOTHINGS:
        raise LabError(f"The smoothing {smooth!r} is unknown: choose {' or '.join(SMOOTHINGS)}.")
    return _bleu(candidates, references, max_n, smooth, effective_order=False)


def sentence_bleu(candidate: str, references: Sequence[str]) -> float:
    """BLEU of one text, 0 to 100, as `sacrebleu.sentence_bleu`: orders of which the candidate has no n-gram are left out.

    A single sentence has few 4-grams, so the number depends on the smoothing: use it to look at examples, not to rank systems.

    Raises:
        LabError: there is no reference.

    >>> round(sentence_bleu("the cat sat", ["the cat sat"]), 2), bleu(["the cat sat"], [["the cat sat"]])
    (100.0, 0.0)
    """
    require_lists([candidate], [references])
    return _bleu([candidate], [references], 4, "exp", effective_order=True)


def require_lists(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    """Nothing, where there is one list of references, not empty, for each of at least one candidate.

    Raises:
        LabError: something is missing, in one sentence that says what.

    Example: `require_lists(["a text"], ["its reference"])` raises: a reference on its own belongs in a list.
    """
    if isinstance(candidates, str):
        raise LabError("The candidates are one text: put them in a list, one text per example.")
    if not candidates:
        raise LabError("There are no candidates to score: the list is empty.")
    if len(candidates) != len(references):
        raise LabError(
            f"There are {len(candidates):,} candidates and {len(references):,} lists of references: give one list per candidate."
        )
    for i, texts in enumerate(references):
        if isinstance(texts, str):
            raise LabError(f"The references of candidate {i} are one text: put them in a list, even where there is only one.")
        if not texts:
            raise LabError(f"Candidate {i} has no reference to score against: give at least one.")
        require_text(f"Candidate {i}", candidates[i])
        for text in texts:
            require_text(f"A reference of candidate {i}", text)
