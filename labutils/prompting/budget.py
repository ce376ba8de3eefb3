"""Prompt + completion = total tokens (lab 03): the count by part, what a cut to the window takes, and how many shots fit."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from labutils.errors import LabError
from labutils.prompting.prompts import DatasetRow, Prompt, Task, adds_special_tokens, few_shot_prompt
from labutils.validation import require_text


@dataclass(frozen=True)
class TokenBudget:
    """Prompt + completion against the window, in tokens.

    Attributes:
        tokens: tokens of each part, by name, in the prompt's order.
        completion: kept for the completion (max_new_tokens).
        window: what the model, or you, allow in all.
        lost_left, lost_right: tokens of each part that a cut to the window takes, from the left and from the right.
    """

    tokens: dict[str, int]
    completion: int
    window: int
    lost_left: dict[str, int]
    lost_right: dict[str, int]

    @property
    def prompt(self) -> int:
        """Tokens of the prompt."""
        return sum(self.tokens.values())

    @property
    def total(self) -> int:
        """Tokens of prompt and completion."""
        return self.prompt + self.completion

    @property
    def fits(self) -> bool:
        """Whether prompt and completion fit into the window."""
        return self.total <= self.window

    @property
    def alarm(self) -> str:
        """What is lost if the prompt is cut to the window, in one sentence; "" where it fits."""
        if self.fits:
            return ""
        return (
            f"{self.prompt:,} tokens of prompt and {self.completion:,} kept for the completion are {self.total - self.window:,} "
            f"too many for a window of {self.window:,}: cut from the left, the prompt loses {self._losses(self.lost_left)}; "
            f"cut from the right, it loses {self._losses(self.lost_right)}."
        )

    def _losses(self, lost: Mapping[str, int]) -> str:
        names = [name if name.startswith("shot") else f"the {name}" for name in lost]
        names = [name if lost[part] == self.tokens[part] else f"part of {name}" for name, part in zip(names, lost, strict=True)]
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def token_budget(tokenizer: Any, prompt: Prompt, max_new_tokens: int, window: int) -> TokenBudget:
    """Count the tokens of a prompt by part, and what a cut to the window would take.

    A token belongs to the part in which its first character stands, so the parts add up to the prompt's tokens. The window also
    holds the completion: a prompt of `window - max_new_tokens` tokens fills it. A tokenizer that cuts (`truncation=True`) does so
    silently; its `truncation_side` says where. What it adds itself, such as an end token, counts for "template" and stays.

    Args:
        tokenizer: the model's.
        prompt: from `few_shot_prompt`, or `Prompt((PromptPart("instruction", "..."), PromptPart("query", "...")))`.
        max_new_tokens: the cap on the completion.
        window: all that may be used; the model's own is `model.config.max_position_embeddings`.

    Raises:
        LabError: the completion alone fills the window, or the tokenizer is a slow one.
    """
    if max_new_tokens >= window:
        raise LabError(
            f"A completion of {max_new_tokens:,} tokens leaves no room in a window of {window:,}: lower max_new_tokens."
        )
    owners, fixed = _owners(tokenizer, prompt)
    cuttable = [owner for owner, special in zip(owners, fixed, strict=True) if not special]
    over = max(0, min(len(cuttable), len(owners) + max_new_tokens - window))
    lost_left, lost_right = cuttable[:over], cuttable[len(cuttable) - over :]
    return TokenBudget(_count(owners), max_new_tokens, window, _count(lost_left), _count(lost_right))


def _owners(tokenizer: Any, prompt: Prompt) -> tuple[list[str], list[int]]:
    """The part that each token belongs to; and 1 for a token that the tokenizer adds itself, such as T5's end token, else 0."""
    text = str(prompt)
    if not tokenizer.is_fast:
        raise LabError("This tokenizer does not say where its tokens stand in the text: load one with a tokenizer.json.")
    ends = list(accumulate(len(part.text) for part in prompt.parts))
    require_text("The prompt", text, whole=True)
    found = tokenizer(
        text,
        add_special_tokens=adds_special_tokens(tokenizer, text),
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    owners = [
        "template" if special else prompt.parts[bisect(ends, start)].name
        for (start, _), special in zip(found.offset_mapping, found.special_tokens_mask, strict=True)
    ]
    return owners, found.special_tokens_mask


def _count(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in dict.fromkeys(names)}


def fit_shots(
    tokenizer: Any,
    task: Task,
    shots: Sequence[DatasetRow],
    query: DatasetRow,
    max_new_tokens: int,
    window: int,
    style: str = "bare",
) -> int:
    """How many of the shots, from the first on, fit into the window with the query and the completion; -1 if not even none does.

    For a whole test set pass the row with the longest text as the query.
    """
    fitting = -1
    for count in range(len(shots) + 1):
        prompt = few_shot_prompt(task, shots[:count], query, style, tokenizer)
        if not token_budget(tokenizer, prompt, max_new_tokens, window).fits:
            break
        fitting = count
    return fitting
