"""Prompts that hold passages, and answers scored without a judge (lab 09)."""

from __future__ import annotations

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


def normalise(text: str) -> str:
    """What is compared of an answer: lower case, no article at the start, no marks at the ends, single blanks.

    >>> normalise(" The Night Tide.")
    'night tide'
    """
    text = " ".join(re.sub(r"[\"']", "", text.lower()).split()).strip(" .,;:!?")
    return re.sub(r"^(a|an|the) ", "", text)


def is_right(answer: str, gold: str) -> bool:
    """Whether an answer holds the gold answer, as whole words.

    An answer may say more ("It is copper."): the gold answers of the course stand in one passage of the town only, so a text that holds
    one has found that passage. With an empty gold answer, the right answer is `NOT_THERE`.

    >>> is_right("It costs eight crowns a week.", "eight crowns"), is_right("eighteen crowns", "eight crowns")
    (True, False)
    """
    wanted = normalise(gold or NOT_THERE)
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", normalise(answer)) is not None


def risk_and_coverage(confidence: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float, float]]:
    """What happens if only the surest questions are answered: (threshold, coverage, risk) per possible threshold, surest first.

    Args:
        confidence: one number per question, higher is surer.
        right: whether the answer to it was right.

    Returns:
        One row per different confidence c: c, the share of questions with at least that confidence, and the share of wrong answers
        among these.

    Raises:
        LabError: no questions, or lists of different lengths.

    Source: El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification".

    >>> risk_and_coverage([0.9, 0.5], [True, False])
    [(0.9, 0.5, 0.0), (0.5, 1.0, 0.5)]
    """
    if not confidence or len(confidence) != len(right):
        raise LabError("Give one confidence and one verdict per question.")
    rows = []
    for threshold in sorted(set(confidence), reverse=True):
        answered = [ok for c, ok in zip(confidence, right, strict=True) if c >= threshold]
        rows.append((threshold, len(answered) / len(right), 1 - sum(answered) / len(answered)))
    return rows
