"""Prompts that hold passages, and answers scored without a judge (lab 09)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from labutils.errors import LabError

NOT_THERE = "not in the text"

# Three short worked examples about another made-up place; the last one has no answer.
READING = (
    (
        "The bakery in Ardle opens at six. Its owner, Nan Ferris, sells rye bread on Mondays.",
        "Who owns the bakery in Ardle?",
        "Nan Ferris",
    ),
    (
        "A ticket for the tram costs two shillings. The tram was painted red in 1950.",
        "What does a ticket for the tram cost?",
        "two shillings",
    ),
    ("The cinema of Ardle has four cats. Its roof was mended by Jon Abbot.", "Who built the cinema of Ardle?", NOT_THERE),
)


def answer_prompt(
    question: str, passages: Sequence[str] = (), shots: Sequence[tuple[str, str, str]] = READING, mark: tuple[str, str] = ("", "")
) -> str:
    """A few-shot prompt that asks a question about some passages; it ends in "Answer:", without a blank.

    Args:
        question: what is asked.
        passages: texts in the order in which they are to stand; without any, no text stands in the prompt or its shots.
        shots: (text, question, answer) per worked example.
        mark: put before and after each text, such as ("<<", ">>"), to fence it in.
    """
    before, after = mark
    blocks = []
    for text, asked, answer in (*shots, (" ".join(passages), question, "")):
        lines = [f"Text: {before}{text}{after}"] if passages else []
        blocks.append("\n".join([*lines, f"Question: {asked}", f"Answer: {answer}".rstrip()]))
    return "\n\n".join(blocks)


_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBERS = {word: i for i, word in enumerate(_ONES.split())} | {word: 10 * i for i, word in enumerate(_TENS.split(), 2)}
_MULTIPLIERS = {"dozen": 12, "hundred": 100}


def _in_digits(words: list[str]) -> list[str]:
    """Number words up to 999 as digits, "and" inside them left out."""
    found: list[str] = []
    value: int | None = None
    for i, word in enumerate(words):
        following = words[i + 1] if i + 1 < len(words) else ""
        if word in _NUMBERS and (
            value is None or (value % 100 == 0 and value) or (value % 10 == 0 and value % 100 and _NUMBERS[word] < 10)
        ):
            value = (value or 0) + _NUMBERS[word]
        elif word in _MULTIPLIERS and value:
            value *= _MULTIPLIERS[word]
        elif not (word == "and" and value and value % 100 == 0 and following in _NUMBERS):
            if value is not None:
                found.append(str(value))
            value = _NUMBERS.get(word)
            if value is None:
                found.append(word)
    return [*found, str(value)] if value is not None else found


def normalise(text: str) -> str:
    """What is compared of an answer: lower case, numbers in digits, no article at the start, no marks at the ends, single blanks.

    >>> normalise(" The Night Tide."), normalise("two hundred and twelve"), normalise("three dozen oars")
    ('night tide', '212', '36 oars')
    """
    text = re.sub(r"[\"']", "", text.lower()).strip(" .,;:!?\n")
    words = _in_digits([word.strip(",;:!?") for word in text.replace("-", " ").split()])
    return re.sub(r"^(a|an|the) ", "", " ".join(words))


def is_right(answer: str, gold: str) -> bool:
    """Whether an answer holds the gold answer, as whole words.

    An answer may say more ("It is copper."): the gold answers of the course stand in one passage of the town only, so a text that holds
    one has found that passage. A bare number is enough where the gold answer is a number and a unit. With an empty gold answer, the right
    answer is `NOT_THERE`.

    >>> is_right("It costs 8 crowns a week.", "eight crowns"), is_right("eighteen crowns", "eight crowns"), is_right("9", "nine days")
    (True, False, True)
    """
    wanted, given = normalise(gold or NOT_THERE), normalise(answer)
    if re.fullmatch(r"\d+", given) and re.fullmatch(rf"{given} [a-z]+", wanted):
        return True
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", given) is not None


def risk_and_coverage(confidence: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float, float]]:
    """What happens if only the surest questions are answered: (threshold, coverage, risk) per possible threshold, surest first.

    Args:
        confidence: one number per question, higher is surer.
        right: whether the answer to it was right.

    Returns:
        One row per different confidence c: c, the share of questions with at least that confidence, and the share of wrong answers
        among these.

    Raises:
        LabError: no questions, lists of different lengths, or a confidence that is not a number.

    Source: El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification".

    >>> risk_and_coverage([0.9, 0.5], [True, False])
    [(0.9, 0.5, 0.0), (0.5, 1.0, 0.5)]
    """
    if not confidence or len(confidence) != len(right):
        raise LabError("Give one confidence and one verdict per question.")
    if any(math.isnan(c) for c in confidence):
        raise LabError("A confidence is not a number, so it cannot be ordered: leave that question out, and say so.")
    rows = []
    for threshold in sorted(set(confidence), reverse=True):
        answered = [ok for c, ok in zip(confidence, right, strict=True) if c >= threshold]
        rows.append((threshold, len(answered) / len(right), 1 - sum(answered) / len(answered)))
    return rows
