"""From a hidden state to a text: reading the residual stream, and the generate loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal
from labutils.transformer import attention

NextLogits = Callable[[Sequence[int]], Tensor]  # the ids so far -> logits (V,) of the next token


# ---------------------------------------------------------------------------- 1.7 read the residual stream


def read_out(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return attention.rms_norm(h, gain, eps) @ unembedding.T


def read_out_cases() -> Cases:
    hidden_state, gain = float64(3.0, -1.0, 2.0, 4.0), float64(1.0, 2.0, 0.5, 1.0)
    table, random = normal(17, (5, 4), (4,))
    return [
        (hidden_state, gain, torch.eye(4, dtype=torch.float64)),
        (hidden_state * 100, gain, table),
        (random * 0.01, gain, table),
    ]


def no_norm(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h @ unembedding.T


def subtracts_the_mean(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return attention.layer_norm(h, gain, torch.zeros_like(gain), eps) @ unembedding.T


def no_gain(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return read_out(h, torch.ones_like(gain), unembedding, eps)


def divides_by_the_length(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h / (h.square().sum(-1, keepdim=True) + eps).sqrt() * gain @ unembedding.T


def returns_probabilities(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return read_out(h, gain, unembedding, eps).softmax(-1)


# ----------------------------------------------------------------------------------- 1.8 the generate loop


@dataclass(frozen=True)
class ToyModel:
    """A stand-in for a model: the next token is the sum of all ids so far, modulo the size of the vocabulary."""

    vocabulary: int = 7

    def __repr__(self) -> str:
        """What a verdict shows in the place of the function."""
        return f"<next token: sum of the ids modulo {self.vocabulary}>"

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Logits (V,) for the token after ids."""
        logits = -torch.arange(self.vocabulary, dtype=torch.float64)
        logits[sum(ids) % self.vocabulary] = 5.0
        return logits


def generate(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    added: list[int] = []
    while len(added) < max_new_tokens and end not in added:
        added.append(int(next_logits([*ids, *added]).argmax()))
    return added


def generate_cases() -> Cases:
    model = ToyModel()
    return [(model, [1, 2], 0, 4), (model, [1, 4], 3, 10), (model, [3], 6, 8), (model, [2, 2], 4, 5)]


def ignores_the_end_token(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return generate(next_logits, ids, -1, max_new_tokens)


def drops_the_end_token(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return [i for i in generate(next_logits, ids, end, max_new_tokens) if i != end]


def returns_the_prompt_too(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return [*ids, *generate(next_logits, ids, end, max_new_tokens)]


def shows_the_newest_token_only(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    added: list[int] = []
    while len(added) < max_new_tokens and end not in added:
        added.append(int(next_logits(added[-1:] or ids).argmax()))
    return added


def adds_one_token_too_many(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return generate(next_logits, ids, end, max_new_tokens + 1)


def counts_the_prompt(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return generate(next_logits, ids, end, max(0, max_new_tokens - len(ids)))


EXERCISES = {
    "1.7": ExerciseFunctions(
        read_out, read_out_cases, (no_norm, subtracts_the_mean, no_gain, divides_by_the_length, returns_probabilities)
    ),
    "1.8": ExerciseFunctions(
        generate,
        generate_cases,
        (
            ignores_the_end_token,
            drops_the_end_token,
            returns_the_prompt_too,
            shows_the_newest_token_only,
            adds_one_token_too_many,
            counts_the_prompt,
        ),
    ),
}
