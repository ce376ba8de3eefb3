"""The facts of a summary that a program can look up: its names and numbers, and whether the dialogue has them (lab 05)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence


def plain_words(texts: Iterable[str]) -> set[str]:
    """The words that stand in lower case in some texts: one that opens a sentence with a capital is then no name.

    >>> sorted(plain_words(["Ann: the plumber comes.", "Plumber?"]))
    ['comes', 'plumber', 'the']
    """
    return {word for text in texts for word in re.findall(r"\w+", text) if word == word.lower() and not word[0].isdigit()}


def names_and_numbers(text: str, plain: Container[str] = ()) -> list[str]:
    """The words of a text that name or count something, in lower case, each once, in their order.

    A word counts if it holds a digit, or begins with a capital and is not in `plain`. Numbers in words ("ten") are not found.

    Args:
        text: a summary.
        plain: words that are no names, from `plain_words`.

    >>> names_and_numbers("The plumber asks Ann for 85. Ann pays 85.", {"the"})
    ['ann', '85']
    """
    found = [
        word.lower()
        for word in re.findall(r"\w+", text)
        if any(letter.isdigit() for letter in word) or (word[0].isupper() and word.lower() not in plain)
    ]
    return list(dict.fromkeys(found))


def fact_share(facts: Sequence[str], dialogue: str) -> float:
    """The share of some names and numbers that stand in a dialogue as whole words, 0 to 1; 0.0 where there are none.

    It says that a name occurs, not that the right person does what the summary says.

    >>> fact_share(["ann", "85", "rome"], "Ann: I'd pay 85.")
    0.6666666666666666
    """
    words = set(re.findall(r"\w+", dialogue.lower()))
    return sum(fact in words for fact in facts) / len(facts) if facts else 0.0


def fact_scores(texts: Sequence[str], dialogues: Sequence[str], plain: Container[str] = ()) -> list[float]:
    """`fact_share` of each text in points, 0 to 100, for texts and dialogues in the same order."""
    return [100 * fact_share(names_and_numbers(text, plain), dialogue) for text, dialogue in zip(texts, dialogues, strict=True)]
