"""A grammar of arithmetic, and decoding that cannot leave it (lab 09).

    line       = " " expression "\\n"
    expression = operand (operator operand)*
    operand    = number | "(" expression ")"
    operator   = "+" | "-" | "*" | "/"

Blanks may stand between the parts, one at a time. Limits on digits, operators and brackets keep a line short.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

CHARACTERS = frozenset(" 0123456789+-*/()\n")


class State(NamedTuple):
    """Where a line stands: what may come next depends on this alone."""

    wants: str = "operand"  # "operand", "digits" (inside a number), "operator" or "nothing" (after the line's end)
    depth: int = 0
    operators: int = 0
    digits: str = ""
    blank: bool = False


@dataclass(frozen=True)
class ArithmeticGrammar:
    """The grammar with its limits.

    Attributes:
        numbers: the numbers that may stand in a line, as texts; None allows any.
        most_digits: of a number.
        most_operators: of a line.
        most_depth: brackets inside brackets.

    Example: `ArithmeticGrammar().after("(3 + 4")` is a state; `.after("3 +)")` is None, for no valid line begins so.
    """

    numbers: frozenset[str] | None = None
    most_digits: int = 4
    most_operators: int = 3
    most_depth: int = 2

    def after(self, text: str, state: State | None = None) -> State | None:
        """The state after some more text, or None if no line of the grammar begins so. It starts at a line's start by default."""
        now: State | None = state or State()
        for character in text:
            now = self._step(now, character) if now else None
        return now

    def _step(self, state: State, character: str) -> State | None:
        wants, depth, operators, digits, blank = state
        if character in "0123456789":
            return self._digit(state, character)
        number_ends = wants == "digits" and (self.numbers is None or digits in self.numbers)
        operand_ends = number_ends or wants == "operator"
        if character == " " and not blank and (wants == "operand" or operand_ends):
            return State("operand" if wants == "operand" else "operator", depth, operators, "", True)
        if character == "(" and wants == "operand" and depth < self.most_depth:
            return State("operand", depth + 1, operators)
        if character == ")" and operand_ends and depth:
            return State("operator", depth - 1, operators)
        if character in "+-*/" and operand_ends and operators < self.most_operators:
            return State("operand", depth, operators + 1)
        if character == "\n" and operand_ends and not depth and operators:
            return State("nothing", 0, operators)
        return None

    def _digit(self, state: State, character: str) -> State | None:
        number = state.digits + character
        known = self.numbers is None or any(allowed.startswith(number) for allowed in self.numbers)
        if state.wants not in ("operand", "digits") or state.digits == "0" or len(number) > self.most_digits or not known:
            return None
        return State("digits", state.depth, state.operators, number)


def arithmetic_only(tokenizer: Any, prompt_tokens: int, grammars: Sequence[ArithmeticGrammar]) -> Any:
    """A logits processor for `model.generate`: every token that leaves the grammar gets minus infinity.

    Args:
        tokenizer: the model's.
        prompt_tokens: the length of the padded prompts; what comes after is the line.
        grammars: one per row of the batch, so that each row may have numbers of its own.

    After the line's end only the end token is allowed. The likeliest token *inside* the grammar is taken at each step, which need not be
    the likeliest line.
    """
    import torch
    from transformers import LogitsProcessor

    texts = {i: tokenizer.decode([i]) for i in range(len(tokenizer))}
    useful = {i: text for i, text in texts.items() if text and set(text) <= CHARACTERS and i not in tokenizer.all_special_ids}
    known: dict[tuple[int, State], list[int]] = {}

    def allowed(row: int, state: State) -> list[int]:
        if state.wants == "nothing":
            return [tokenizer.eos_token_id]
        if (row, state) not in known:
            known[row, state] = [i for i, text in useful.items() if grammars[row].after(text, state) is not None]
        return known[row, state]

    class ArithmeticOnly(LogitsProcessor):
        def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
            masked = torch.full_like(scores, -torch.inf)
            for row, ids in enumerate(input_ids[:, prompt_tokens:].tolist()):
                line = "".join(useful.get(i, "") for i in ids)
                state = grammars[row].after(line)
                places = allowed(row, state) if state else [tokenizer.eos_token_id]
                masked[row, places] = scores[row, places]
            return masked

    return ArithmeticOnly()


def numbers_of(text: str, more: Collection[str] = ()) -> frozenset[str]:
    """The whole numbers that stand in a text as digits, and some more.

    >>> sorted(numbers_of("5 bags of 12", ["2"]))
    ['12', '2', '5']
    """
    import re

    return frozenset(re.findall(r"\d+", text)) | frozenset(more)
