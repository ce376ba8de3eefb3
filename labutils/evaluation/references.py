"""Scoring against several references, and how well references agree with each other (lab 06)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from labutils.errors import LabError
from labutils.evaluation.bleu_score import require_lists
from labutils.evaluation.rouge import Score


def _number(score: float | Score) -> float:
    return score.f1 if isinstance(score, Score) else float(score)


def best_and_average(
    candidate: str, references: Sequence[str], metric: Callable[[str, str], float | Score]
) -> tuple[float, float]:
    """The candidate's best score over several references, and its average.

    rouge_score's `score_multi` takes the best (by F1); the average is lower, and it does not rise with the number of references.
    BLEU does neither: it clips against all references together. A published number without the rule cannot be compared.

    Args:
        candidate: the text to be scored.
        references: one or more.
        metric: (candidate, reference) -> a number, or a `Score`, of which the F1 is taken.

    Raises:
        LabError: there is no reference.

    >>> from labutils.evaluation.rouge import rouge_l
    >>> best_and_average("the cat", ["the cat", "a dog"], rouge_l)
    (1.0, 0.5)
    """
    require_lists([candidate], [references])
    scores = [_number(metric(candidate, reference)) for reference in references]
    return max(scores), sum(scores) / len(scores)


def reference_ceiling(
    rows: Iterable[Sequence[str]], metric: Callable[[str, str], float | Score], best: bool = False
) -> list[float]:
    """How well references agree: one score per example, in which each of its references is scored against the others.

    It is called the human ceiling where people wrote the references. Each reference in turn is the candidate, the others are its references; the example's score is the mean over
    these turns. One number per example, so that `bootstrap_interval` can resample examples.

    Args:
        rows: for each example, its references (three in the course's dialogues; at least two).
        metric: (candidate, reference) -> a number, or a `Score`, of which the F1 is taken.
        best: within a turn take the best score over the others in place of the average. The best rises with the number of
            references, so compare it only with systems scored against as many (here: two).

    Raises:
        LabError: no examples, or an example with a single reference.

    Source: the leave-one-out procedure of Lin 2004, section 2.1, applied to the references themselves.

    >>> from labutils.evaluation.rouge import rouge_l
    >>> reference_ceiling([["the cat", "the cat", "a dog"]], rouge_l)
    [0.3333333333333333]
    """
    ceiling = []
    for i, texts in enumerate(rows):
        if isinstance(texts, str) or len(texts) < 2:
            raise LabError(f"Example {i} has fewer than two references: agreement needs at least two.")
        turns = [best_and_average(text, [*texts[:j], *texts[j + 1 :]], metric)[0 if best else 1] for j, text in enumerate(texts)]
        ceiling.append(sum(turns) / len(turns))
    if not ceiling:
        raise LabError("There are no examples to score: the list is empty.")
    return ceiling
