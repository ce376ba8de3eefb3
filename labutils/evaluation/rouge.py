"""ROUGE, written for reading (lab 06), equal to rouge_score.

ROUGE (Recall-Oriented Understudy for Gisting Evaluation) counts what a candidate (what a model wrote) shares with a reference
(what a person wrote), and gives precision, recall and F1, from 0 to 1. What can be said about a difference of two scores is in
`labutils.evaluation.comparisons`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labutils.errors import LabError
from labutils.evaluation.tokens import Tokenizer, ngrams, tokenize
from labutils.validation import require_text


@dataclass(frozen=True)
class Score:
    """A ROUGE score; each part is between 0 and 1.

    Attributes:
        precision: matches divided by what the candidate has.
        recall: matches divided by what the reference has.
        f1: the harmonic mean of the two.
    """

    precision: float
    recall: float
    f1: float


def _score(matches: int, in_candidate: int, in_reference: int) -> Score:
    precision = matches / in_candidate if in_candidate else 0.0
    recall = matches / in_reference if in_reference else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Score(precision, recall, f1)


def _tokens(text: str, stem: bool, tokenizer: Tokenizer | None) -> list[str]:
    require_text("A candidate or reference", text)
    if tokenizer is None:
        return tokenize(text, stem)
    if stem:
        raise LabError("stem=True belongs to the default tokenizer: leave it out, or stem inside your own tokenizer.")
    return tokenizer(text)


def rouge_n(candidate: str, reference: str, n: int, stem: bool = False, tokenizer: Tokenizer | None = None) -> Score:
    """ROUGE-N: how many n-grams the two texts share, each counted at most as often as it occurs in both.

    Precision divides by the candidate's n-grams, recall by the reference's.

    Args:
        candidate: the text to be scored.
        reference: the text to be scored against.
        n: 1 for ROUGE-1 (words), 2 for ROUGE-2 (pairs of neighbours).
        stem: compare stems, as `use_stemmer=True` does in rouge_score.
        tokenizer: another tokenizer than `tokenize`, such as `tokenize_anywhere`.

    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 2.

    >>> rouge_n("the cat sat", "the cat sat on the mat", 1)
    Score(precision=1.0, recall=0.5, f1=0.6666666666666666)
    """
    ours = ngrams(_tokens(candidate, stem, tokenizer), n)
    theirs = ngrams(_tokens(reference, stem, tokenizer), n)
    return _score((ours & theirs).total(), ours.total(), theirs.total())


def _lcs_table(a: Sequence[str], b: Sequence[str]) -> list[list[int]]:
    """table[i][j] is the length of the longest common subsequence of a[:i] and b[:j]."""
    table = [[0] * (len(b) + 1)]
    for token in a:
        above, row = table[-1], [0]
        for j, other in enumerate(b):
            row.append(above[j] + 1 if token == other else max(above[j + 1], row[j]))
        table.append(row)
    return table


def lcs_length(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence: tokens in the same order in both, with gaps allowed.

    A common substring allows no gaps; that is another thing, and shorter.

    >>> lcs_length("the cat sat on the mat".split(), "the mat sat on a mat".split())
    4
    """
    return _lcs_table(a, b)[-1][-1]


def rouge_l(candidate: str, reference: str, stem: bool = False, tokenizer: Tokenizer | None = None) -> Score:
    """ROUGE-L: the longest common subsequence of the two texts, divided by the length of each. Line breaks do not count.

    Source: Lin 2004, section 3.1, with F1 in place of the paper's beta, as in rouge_score.

    >>> rouge_l("the mat sat", "the cat sat on the mat").recall
    0.3333333333333333
    """
    ours, theirs = _tokens(candidate, stem, tokenizer), _tokens(reference, stem, tokenizer)
    return _score(lcs_length(ours, theirs), len(ours), len(theirs))


def _lcs_places(reference: Sequence[str], candidate: Sequence[str]) -> set[int]:
    """Where in the reference one longest common subsequence lies. Of several, the one that rouge_score takes."""
    table = _lcs_table(reference, candidate)
    i, j = len(reference), len(candidate)
    places = set()
    while i and j:
        if reference[i - 1] == candidate[j - 1]:
            i, j = i - 1, j - 1
            places.add(i)
        elif table[i][j - 1] > table[i - 1][j]:
            j -= 1
        else:
            i -= 1
    return places


def rouge_lsum(candidate: str, reference: str, stem: bool = False, tokenizer: Tokenizer | None = None) -> Score:
    """ROUGE-Lsum: ROUGE-L of a summary whose sentences stand on lines of their own.

    Each line of the reference is matched against every line of the candidate; the union of the matched places counts, and no
    word more often than it occurs in either text. Where neither text has a line break it equals `rouge_l`.
    Exchanging the texts need not exchange precision and recall, because the union is taken over the reference's lines.

    Source: Lin 2004, section 3.2 (union LCS); the limit on counts is that of ROUGE-1.5.5 and rouge_score.

    >>> rouge_lsum("It rained.\\nWe left.", "We left.\\nIt rained.").f1, rouge_l("It rained.\\nWe left.", "We left.\\nIt rained.").f1
    (1.0, 0.5)
    """
    require_text("The candidate", candidate)
    require_text("The reference", reference)
    ours = [_tokens(line, stem, tokenizer) for line in candidate.split("\n")]
    theirs = [_tokens(line, stem, tokenizer) for line in reference.split("\n")]
    count_ours = Counter(token for line in ours for token in line)
    count_theirs = Counter(token for line in theirs for token in line)
    matched: Counter[str] = Counter()
    for line in theirs:
        places: set[int] = set().union(*(_lcs_places(line, other) for other in ours))
        matched.update(line[i] for i in places)
    return _score((matched & count_ours & count_theirs).total(), count_ours.total(), count_theirs.total())
