"""Summaries that cost nothing: what a score has to beat before it means anything (labs 05 and 06)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from labutils.evaluation.tokens import tokenize

FREQUENT = 40  # words that the constant string may be made of


def constant_string(summaries: Sequence[str]) -> str:
    """The one bag of words with the best mean ROUGE-1 F1 against some summaries, found greedily.

    With c words, r in the reference and s shared, F1 is 2 s / (c + r). Words are added one at a time, always the one that
    raises the mean most, until none does.

    Args:
        summaries: of the training set; a hundred will do.

    >>> constant_string(["the cat", "the dog"])
    'the'
    """
    bags = [Counter(tokenize(text)) for text in summaries]
    frequent = [word for word, _ in sum(bags, Counter[str]()).most_common(FREQUENT)]

    def mean_f1(words: Counter[str]) -> float:
        size = words.total()
        return fmean(2 * (words & bag).total() / (size + bag.total()) for bag in bags)

    best, bag = 0.0, Counter[str]()
    while frequent:
        grown = max((bag + Counter([word]) for word in frequent), key=mean_f1)
        if mean_f1(grown) <= best:
            break
        best, bag = mean_f1(grown), grown
    return " ".join(bag.elements())


def free_summaries(rows: Sequence[Mapping[str, Any]], summaries: Sequence[str]) -> dict[str, list[str]]:
    """What needs no model, by name, one text for each dialogue: copied turns, the whole dialogue, one constant string.

    Args:
        rows: dialogues, turns one a line.
        summaries: of the training set, for the constant string.
    """
    turns = [row["dialogue"].split("\n") for row in rows]
    return {
        "constant string": [constant_string(summaries)] * len(rows),
        "first two turns": [" ".join(said[:2]) for said in turns],
        "last two turns": [" ".join(said[-2:]) for said in turns],
        "last three turns": [" ".join(said[-3:]) for said in turns],
        "longest three turns": [" ".join(sorted(said, key=len)[-3:]) for said in turns],
        "whole dialogue": [" ".join(said) for said in turns],
    }
