"""From a hidden state to a text: reading the residual stream, and the generate loop."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal
from labutils.transformer import attention

NextLogits = Callable[[Sequence[int]], Tensor]  # the ids so far -> logits (V,) of the next token


# ---------------------------------------------------------------------------- 1.7 read the residual stream


def read_out(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return attention.rms_norm(h, gain, eps) @ unembedding.T


def read_out_cases() -> Cases:
    hidden_state, gain = float64(3.0, -1.0, 2.0, 4.0), float64(1.0, 2.0, 0.5, 1.0)
    table, other = normal(17, (5, 4), (4,))
    return [
        (hidden_state, gain, torch.eye(4, dtype=torch.float64)),
        (hidden_state * 100, gain, table),
        (other * 0.01, gain, table),
        (other, gain, table, 0.5),
        (other * 0, gain, table),
        (torch.stack([hidden_state, other, hidden_state * 100]), gain, table),  # a state a row, as the cells below pass them
        (normal(71, (5, 4))[0].float(), gain.float(), table.float(), 1e-6),
        (float64(-2.0), float64(3.0), float64([1.0], [-1.0])),
    ]


def random_read_out(rng: random.Random, size: int) -> tuple[Any, ...]:
    dim, words, dtype = 1 + size // 2, 1 + rng.randrange(2 + size // 2), rng.choice(DTYPES)
    rows = () if size % 2 else (1 + size // 4,)
    level = rng.choice((1.0, 1.0, 1.0, 100.0, 0.002, 0.0))
    h = drawn(rng, *rows, dim, dtype=dtype) * level
    given = h, drawn(rng, dim, dtype=dtype), drawn(rng, words, dim, dtype=dtype)
    return given if size % 3 == 0 else (*given, rng.choice((1e-6, 1e-2, 0.5)))


def no_norm(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h @ unembedding.T


def subtracts_the_mean(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return attention.layer_norm(h, gain, torch.zeros_like(gain), eps) @ unembedding.T


def no_gain(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return read_out(h, torch.ones_like(gain), unembedding, eps)


def divides_by_the_length(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h / (h.square().sum(-1, keepdim=True) + eps).sqrt() * gain @ unembedding.T


def brings_to_length_one(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h / h.norm(dim=-1, keepdim=True).clamp(min=1e-12) * gain @ unembedding.T


def divides_by_the_gain_too(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return read_out(h, 1 / gain, unembedding, eps)


def forgets_the_root(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h / (h.square().mean(-1, keepdim=True) + eps) * gain @ unembedding.T


def squares_the_mean(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h / (h.mean(-1, keepdim=True).square() + eps).sqrt() * gain @ unembedding.T


def norm_after_the_gain(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return read_out(h * gain, torch.ones_like(gain), unembedding, eps)


def no_eps(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return read_out(h, gain, unembedding, 0.0)


def always_the_same_eps(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return read_out(h, gain, unembedding)


def leaves_h_as_it_is(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h * gain @ unembedding.T


def returns_probabilities(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return read_out(h, gain, unembedding, eps).softmax(-1)


def one_norm_for_all_rows(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h / (h.square().mean() + eps).sqrt() * gain @ unembedding.T


def eps_outside_the_root(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return h / (h.square().mean(-1, keepdim=True).sqrt() + eps) * gain @ unembedding.T


# ----------------------------------------------------------------------------------- 1.8 the generate loop


@dataclass(frozen=True)
class ToyModel:
    """A stand-in for a model: the next token is one more than the sum of all ids so far, modulo the size of the vocabulary.

    The one makes what follows a single id differ from the id, so that it matters which ids the model is shown.

    Attributes:
        vocabulary: how many tokens there are.
        ordered: whether each id counts times its place (1, 2, ...), so that the order of the ids matters.
        level: added to all logits; below -5 they are all negative.
    """

    vocabulary: int = 7
    ordered: bool = False
    level: float = 0.0

    def __repr__(self) -> str:
        """What a verdict shows in the place of the function."""
        return f"<toy model: its next token is (sum of {'place * id' if self.ordered else 'ids'} + 1) % {self.vocabulary}>"

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Logits (V,) for the token after ids, which become a tensor as they do for a real model."""
        read = torch.tensor([ids])[0].tolist()
        total = sum(place * i for place, i in enumerate(read, 1)) if self.ordered else sum(read)
        logits = -torch.arange(self.vocabulary, dtype=torch.float64) / 4 - 1 + self.level
        logits[(total + 1) % self.vocabulary] = self.level
        return logits


@dataclass(frozen=True)
class ImpatientModel(ToyModel):
    """A toy model that may not be asked again after the end token: the loop must stop there.

    Attributes:
        end: the end token.
        prompt: how many of the ids are the prompt, in which the end token may stand.
    """

    end: int = 0
    prompt: int = 0

    def __repr__(self) -> str:
        """What a verdict shows in the place of the function."""
        return super().__repr__()

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Logits (V,), as of a toy model.

        Raises:
            RuntimeError: the end token was added already.
        """
        if self.end in list(ids)[self.prompt :]:
            raise RuntimeError("the model was asked for a token after the end token")
        return super().__call__(ids)


def generate(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    added: list[int] = []
    while len(added) < max_new_tokens and end not in added:
        added.append(int(next_logits([*ids, *added]).argmax()))
    return added


def generate_cases() -> Cases:
    model = ToyModel()
    return [
        (model, [1, 2], 0, 4),
        (model, [1, 4], 3, 10),
        (ImpatientModel(end=3, prompt=2), [1, 4], 3, 10),
        (model, [3], 6, 8),
        (model, [2, 2], 4, 5),
        (model, [1, 6, 2], 6, 5),  # the end token stands in the prompt too, as in a chat
        (model, [2, 3], 1, 0),
        (model, [2, 3], 5, 1),
        (ToyModel(11, ordered=True, level=-40.0), [3, 1, 4, 2], 10, 12),
        (ToyModel(5, ordered=True), [1], 0, 9),
    ]


def random_generate(rng: random.Random, size: int) -> tuple[ToyModel, list[int], int, int]:
    vocabulary = rng.randint(3, 5 + size)
    model = ToyModel(vocabulary, ordered=rng.random() < 0.7, level=rng.choice((0.0, 30.0, -30.0)))
    prompt = [rng.randrange(vocabulary) for _ in range(1 + rng.randrange(1 + size // 2))]
    end = rng.choice(prompt) if size % 3 == 1 else rng.randrange(vocabulary)
    return model, prompt, end, size // 2


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


def shows_the_prompt_only(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return generate(lambda _: next_logits(ids), ids, end, max_new_tokens)


def shows_the_added_only(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return generate(next_logits, [], end, max_new_tokens)


def adds_one_at_least(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return generate(next_logits, ids, end, max(1, max_new_tokens))


def goes_one_step_past_the_end(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    added = generate(next_logits, ids, end, max_new_tokens)
    one_more = end in added and len(added) < max_new_tokens
    return [*added, int(next_logits([*ids, *added]).argmax())] if one_more else added


def adds_one_token_too_many(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return generate(next_logits, ids, end, max_new_tokens + 1)


def counts_the_prompt(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return generate(next_logits, ids, end, max(0, max_new_tokens - len(ids)))


def stops_at_the_prompts_end_token(next_logits: NextLogits, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return [] if end in ids else generate(next_logits, ids, end, max_new_tokens)


EXERCISES = {
    "1.7": ExerciseFunctions(
        read_out,
        read_out_cases,
        (
            no_norm,
            subtracts_the_mean,
            no_gain,
            divides_by_the_length,
            brings_to_length_one,
            returns_probabilities,
            one_norm_for_all_rows,
            eps_outside_the_root,
            divides_by_the_gain_too,
            forgets_the_root,
            squares_the_mean,
            norm_after_the_gain,
            no_eps,
            always_the_same_eps,
            leaves_h_as_it_is,
        ),
        random_read_out,
    ),
    "1.8": ExerciseFunctions(
        generate,
        generate_cases,
        (
            ignores_the_end_token,
            goes_one_step_past_the_end,
            drops_the_end_token,
            returns_the_prompt_too,
            shows_the_newest_token_only,
            shows_the_prompt_only,
            shows_the_added_only,
            adds_one_token_too_many,
            adds_one_at_least,
            counts_the_prompt,
            stops_at_the_prompts_end_token,
        ),
        random_generate,
    ),
}
