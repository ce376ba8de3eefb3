"""The causal loss: row t speaks about token t + 1."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

# --------------------------------------------------------------------- 8.1 the causal loss


def causal_loss(logits: Tensor, ids: Tensor) -> float:
    log_probs = logits[:-1].log_softmax(-1)
    return float(-log_probs[torch.arange(len(ids) - 1), ids[1:]].mean())


def causal_loss_cases() -> Cases:
    (logits,) = normal(8, (5, 7))
    sure = float64([0.0, 9.0, 0.0], [0.0, 0.0, 8.0], [6.0, 0.0, 0.0])
    return [
        (sure, torch.tensor([0, 1, 2])),
        (logits, torch.tensor([3, 0, 6, 6, 1])),
        (40 * logits, torch.tensor([1, 1, 1, 2, 5])),
        (logits[:2], torch.tensor([4, 2])),
        (logits.float(), torch.tensor([0, 1, 2, 3, 4])),
        (sure + 800, torch.tensor([0, 1, 2])),  # exp(800) is more than a float64 can hold
    ]


def random_causal_loss(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    length, vocabulary = 2 + size, 2 + size
    return 3 * drawn(rng, length, vocabulary), torch.tensor([rng.randrange(vocabulary) for _ in range(length)])


def _picked(logits: Tensor, ids: Tensor) -> Tensor:
    return -logits.log_softmax(-1)[torch.arange(len(ids)), ids]


def without_the_shift(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits, ids).mean())


def shifted_the_wrong_way(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[1:], ids[:-1]).mean())


def summed(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[1:]).sum())


def divided_by_all_tokens(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[1:]).sum() / len(ids))


def wrong_sign(logits: Tensor, ids: Tensor) -> float:
    return -causal_loss(logits, ids)


def in_bits(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[1:]).mean() / torch.tensor(2.0, dtype=torch.float64).log())


def own_tokens(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[:-1]).mean())


def own_tokens_but_the_first(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[1:], ids[1:]).mean())


def first_token_behind_the_last(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits, ids.roll(-1)).mean())


def softmax_over_the_positions(logits: Tensor, ids: Tensor) -> float:
    return float(-logits.log_softmax(0)[torch.arange(len(ids) - 1), ids[1:]].mean())


def softmax_over_the_positions_but_the_last(logits: Tensor, ids: Tensor) -> float:
    return float(-logits[:-1].log_softmax(0)[torch.arange(len(ids) - 1), ids[1:]].mean())


def without_the_logarithm(logits: Tensor, ids: Tensor) -> float:
    return float(-logits.softmax(-1)[torch.arange(len(ids) - 1), ids[1:]].mean())


def exponentials_too_large(logits: Tensor, ids: Tensor) -> float:
    shares = logits.exp() / logits.exp().sum(-1, keepdim=True)
    return float(-shares[torch.arange(len(ids) - 1), ids[1:]].log().mean())


def logits_not_probabilities(logits: Tensor, ids: Tensor) -> float:
    return float(-logits[torch.arange(len(ids) - 1), ids[1:]].mean())


def mean_of_probabilities(logits: Tensor, ids: Tensor) -> float:
    return float(-logits[:-1].softmax(-1)[torch.arange(len(ids) - 1), ids[1:]].mean().log())


def perplexity(logits: Tensor, ids: Tensor) -> float:
    return float(_picked(logits[:-1], ids[1:]).mean().exp())


EXERCISES = {
    "8.1": ExerciseFunctions(
        causal_loss,
        causal_loss_cases,
        (
            without_the_shift,
            shifted_the_wrong_way,
            own_tokens,
            own_tokens_but_the_first,
            first_token_behind_the_last,
            summed,
            divided_by_all_tokens,
            wrong_sign,
            in_bits,
            logits_not_probabilities,
            softmax_over_the_positions,
            softmax_over_the_positions_but_the_last,
            without_the_logarithm,
            exponentials_too_large,
            mean_of_probabilities,
            perplexity,
        ),
        random_causal_loss,
    ),
}
