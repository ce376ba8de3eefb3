"""What a shopping list is worth in truth, and what a hurried rater prefers (lab 10).

The true reward is known because the course made it up. That is the point of the small world: a proxy can be held against the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from labutils.preferences.policy import ITEMS

BAG = 4  # items that fit into the bag
LIST_FEATURES = ("words that are items", "other words", "characters")
RATER_TRUTH, RATER_LENGTH = 1.0, 0.25  # how much the rater weighs a point of the truth, and a character


def true_reward(text: str) -> float:
    """The worth of a list: 1 for each different item up to four; minus 1 for each further word, wrong, repeated or too much.

    >>> true_reward("tea milk tea.")
    1.0
    """
    words = text.removesuffix(".").split()
    good = min(BAG, len(set(words) & set(ITEMS)))
    return float(2 * good - len(words))


def true_rewards(texts: Sequence[str]) -> Tensor:
    """The worth of each of B texts: (B,)."""
    return torch.tensor([true_reward(text) for text in texts])


def list_features(texts: Sequence[str]) -> Tensor:
    """What a reward model sees of each text, (B, 3): words that are items (a repeated one counts again), other words, characters."""
    rows = []
    for text in texts:
        words = text.removesuffix(".").split()
        known = sum(word in ITEMS for word in words)
        rows.append((float(known), float(len(words) - known), float(len(text.removesuffix(".")))))
    return torch.tensor(rows).reshape(len(rows), len(LIST_FEATURES))


def hurried_choice(first: Sequence[str], second: Sequence[str], generator: Generator) -> Tensor:
    """True where the rater prefers the first of two lists: (B,).

    A Bradley-Terry rater, whose utility is the truth plus a quarter of a point per character. That is the planted flaw.
    """
    gap = RATER_TRUTH * (true_rewards(first) - true_rewards(second))
    gap = gap + RATER_LENGTH * (list_features(first)[:, 2] - list_features(second)[:, 2])
    return torch.rand(len(first), generator=generator) < gap.sigmoid()


def compared(first: Sequence[str], second: Sequence[str], generator: Generator) -> tuple[list[str], list[str]]:
    """The hurried rater's choices between the lists of two rows, B each: the preferred ones, and the others."""
    choices = hurried_choice(first, second, generator).tolist()
    pairs = [(a, b) if choice else (b, a) for a, b, choice in zip(first, second, choices, strict=True)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def minimising_weights(loss: Callable[[Tensor, Tensor], Tensor], preferred: Tensor, other: Tensor, decay: float = 0.0) -> Tensor:
    """The weights (F,) of a linear reward model that minimise a loss of its rewards, plus decay / 2 times their square.

    Args:
        loss: of two tensors of rewards (P), those of the preferred texts and of the others.
        preferred, other: (P, F) features of the two texts of each pair.
        decay: the weight of the penalty.
    """
    weights = torch.zeros(preferred.shape[1], dtype=preferred.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(preferred @ weights, other @ weights) + decay / 2 * weights @ weights
        value.backward()
        return value

    optimizer.step(closure)
    return weights.detach()
