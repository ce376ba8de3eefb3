"""Prompts with shots (lab 03): building them, drawing the shots, and an alarm for shots that stand in the test set.

A shot is a row of a data set (a mapping) whose text and answer the prompt shows before the row that is asked about. Nothing here
runs a model; a tokenizer is needed for its chat template only.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from labutils.errors import LabError

DatasetRow = Mapping[str, Any]
STYLES = ("bare", "chat", "turns")
NEAR = 0.6  # the share of word trigrams from which two texts count as one


@dataclass(frozen=True)
class Task:
    """How a task is put into words.

    Attributes:
        instruction: what to do, the prompt's first line.
        input_name, output_name: the names before a text and before its answer, such as "Review" and "Sentiment".
        input_column, output_column: the columns of a row that hold them.
        labels: the possible answers; none where the answer is free text.

    Another instruction is `dataclasses.replace(SENTIMENT, instruction="...")`.
    """

    instruction: str
    input_name: str
    output_name: str
    input_column: str
    output_column: str
    labels: tuple[str, ...] = ()

    def endings(self, style: str = "bare") -> list[str]:
        """The labels as they continue a prompt of this style: after "Sentiment:" with a blank before them, in a chat without.

        >>> SENTIMENT.endings("bare")
        [' positive', ' negative']
        """
        _require(style)
        return [f" {label}" if style == "bare" else label for label in self.labels]


SENTIMENT = Task(
    "Say whether the review is positive or negative.", "Review", "Sentiment", "text", "label", ("positive", "negative")
)
SUMMARY = Task("Summarize the dialogue in one or two sentences.", "Dialogue", "Summary", "dialogue", "summary")


class PromptPart(NamedTuple):
    """A piece of a prompt: "instruction", "shot 1", ..., "query", or "template" for what a chat template adds."""

    name: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """A prompt in its parts. `str(prompt)` is the text that the model reads."""

    parts: tuple[PromptPart, ...]

    def __str__(self) -> str:
        """The text."""
        return "".join(part.text for part in self.parts)


def few_shot_prompt(
    task: Task, shots: Sequence[DatasetRow], query: DatasetRow, style: str = "bare", tokenizer: Any = None
) -> Prompt:
    """A prompt of an instruction, any number of shots, and the row that is asked about.

    Args:
        task: the wording and the columns.
        shots: rows with text and answer, in the order in which they are to stand; none is a zero-shot prompt.
        query: the row asked about; its answer is not read.
        style: "bare" is plain text that ends with the answer's name ("Sentiment:"); "chat" puts that same text into one user
            message of the chat template; "turns" makes each shot a user's turn and the assistant's answer.
        tokenizer: for its chat template; not needed for "bare".

    Raises:
        LabError: an unknown style, a row without the columns, or a tokenizer without a chat template.

    Source of the form: Brown et al. 2020 (arXiv:2005.14165), section 2.1.

    Example:
        >>> print(few_shot_prompt(SENTIMENT, [{"text": "Lovely.", "label": "positive"}], {"text": "Broken."}))
        Say whether the review is positive or negative.
        <BLANKLINE>
        Review: Lovely.
        Sentiment: positive
        <BLANKLINE>
        Review: Broken.
        Sentiment:
    """
    _require(style)
    inputs = [f"{task.input_name}: {_cell(row, task.input_column)}" for row in [*shots, query]]
    answers = [str(_cell(shot, task.output_column)) for shot in shots]
    opening = PromptPart("instruction", f"{task.instruction}\n\n")
    if style == "turns":
        turns = [[PromptPart(f"shot {i}", inputs[i - 1])] for i in range(1, len(answers) + 1)] + [
            [PromptPart("query", inputs[-1])]
        ]
        turns[0].insert(0, opening)
        replies = [[PromptPart(f"shot {i}", answer)] for i, answer in enumerate(answers, 1)]
        return _chat(tokenizer, [turn for pair in zip(turns, replies, strict=False) for turn in pair] + turns[-1:])
    examples = [
        PromptPart(f"shot {i}", f"{text}\n{task.output_name}: {answer}\n\n")
        for i, (text, answer) in enumerate(zip(inputs, answers, strict=False), 1)
    ]
    parts = [opening, *examples, PromptPart("query", f"{inputs[-1]}\n{task.output_name}:")]
    return Prompt(tuple(parts)) if style == "bare" else _chat(tokenizer, [parts])


def _require(style: str) -> None:
    if style not in STYLES:
        raise LabError(f"There is no style {style!r}: choose {', '.join(STYLES[:-1])} or {STYLES[-1]}.")


def _cell(row: DatasetRow, column: str) -> Any:
    try:
        return row[column]
    except KeyError:
        raise LabError(f"A row has no {column!r}, only {', '.join(row)}: pass the task that goes with these rows.") from None


def _chat(tokenizer: Any, turns: Sequence[Sequence[PromptPart]]) -> Prompt:
    """The turns (user, assistant, user, ...) in the tokenizer's chat template, whose own text becomes parts named "template"."""
    if getattr(tokenizer, "chat_template", None) is None:
        raise LabError('A chat needs a tokenizer with a chat template: pass one, or take style="bare".')
    texts = ["".join(part.text for part in turn) for turn in turns]
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    parts, done = [], 0
    for turn, text in zip(turns, texts, strict=True):
        place = rendered.find(text, done)
        if place < 0:
            raise LabError('The chat template alters the messages, so their parts cannot be told apart: take style="bare".')
        parts += [PromptPart("template", rendered[done:place]), *turn]
        done = place + len(text)
    return Prompt(tuple(part for part in [*parts, PromptPart("template", rendered[done:])] if part.text))


def words_by_task() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The rows of `load_words` by task and split, such as words["plural"]["test"] (lab 03)."""
    from labutils.course.corpora import load_words

    words: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for split, rows in load_words().items():
        for row in rows:
            words.setdefault(row["task"], {}).setdefault(split, []).append(row)
    return words


def draw_shots(pool: Sequence[DatasetRow], count: int, seed: int = 0, by: str | None = "label") -> list[DatasetRow]:
    """Draw `count` rows at random, balanced over the values of a column.

    The rows come in rounds that hold every value once, in an order drawn for each round, so the numbers of two values never differ
    by more than one. Draws are nested: with the same seed, the first two of four shots are the two shots.

    Args:
        pool: the rows to draw from. Leave the test set out of it (see `find_leaks`).
        count: how many.
        seed: of the draw.
        by: the column to balance; None draws from all rows alike.

    Raises:
        LabError: the pool is too small.
    """
    import random

    rng, groups = random.Random(seed), defaultdict(list)
    for row in pool:
        groups[str(_cell(row, by)) if by else ""].append(row)
    for name in sorted(groups):
        rng.shuffle(groups[name])
    drawn: list[DatasetRow] = []
    while len(drawn) < count:
        for name in rng.sample(sorted(groups), len(groups)):
            if len(drawn) < count and not groups[name]:
                raise LabError(f"The pool is too small for {count} balanced shots: draw at most {len(drawn)}.")
            drawn += groups[name][:1]
            del groups[name][:1]
        if not groups:
            raise LabError("The pool is empty: pass rows to draw from.")
    return drawn[:count]


def shot_orders(shots: Sequence[DatasetRow], count: int, seed: int = 0) -> list[list[DatasetRow]]:
    """Up to `count` different orders of the same shots, the given one first; fewer where there are no more."""
    import math
    import random

    rng, places = random.Random(seed), list(range(len(shots)))
    found = {tuple(places): None}
    while len(found) < min(count, math.factorial(len(shots))):
        found[tuple(rng.sample(places, len(places)))] = None
    return [[shots[i] for i in order] for order in found]


def adds_special_tokens(tokenizer: Any, text: str) -> bool:
    """Whether the tokenizer is to add its special tokens: not to a text that begins with its start token, as a chat may."""
    start = tokenizer.bos_token
    return not (start and text.startswith(start))


def encode_prompt(tokenizer: Any, text: str | Prompt) -> list[int]:
    """The token ids of a prompt, with one start token at most."""
    text = str(text)
    return list(tokenizer(text, add_special_tokens=adds_special_tokens(tokenizer, text)).input_ids)


class ShotLeak(NamedTuple):
    """A shot that stands in the test set. `shot` and `test` count from 0; `share` is the common share of their word trigrams."""

    shot: int
    test: int
    kind: str
    share: float

    def __str__(self) -> str:
        """The alarm, in one sentence."""
        how = {
            "exact": "is",
            "words": "is, but for case and punctuation,",
            "near": f"has {self.share:.0%} of its wording in common with",
        }
        return f"Leak: shot {self.shot + 1} {how[self.kind]} test example {self.test + 1}, so the score would be too good."


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _trigrams(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}


def find_leaks(shots: Sequence[DatasetRow], test: Sequence[DatasetRow], by: str = "text", near: float = NEAR) -> list[ShotLeak]:
    """Find the shots that stand in the test set, word for word or nearly.

    Kinds: "exact" (the same text), "words" (the same words in the same order, whatever the case, punctuation and blanks), "near"
    (at least the share `near` of the shorter text's word trigrams stands in the longer one).

    Args:
        shots: the rows in the prompt.
        test: the rows that are scored.
        by: the column that holds the text.
        near: from which share on two texts count as one, 0 to 1.

    A paraphrase passes: sentence embeddings (lab 06) find more.
    """
    known = [(str(_cell(row, by)), _words(str(_cell(row, by)))) for row in test]
    found = []
    for i, shot in enumerate(shots):
        text = str(_cell(shot, by))
        words = _words(text)
        mine = _trigrams(words)
        for j, (other, others) in enumerate(known):
            theirs = _trigrams(others)
            share = len(mine & theirs) / min(len(mine), len(theirs))
            kind = "exact" if text == other else "words" if words == others else "near" if share >= near else ""
            if kind:
                found.append(ShotLeak(i, j, kind, share))
    return found
