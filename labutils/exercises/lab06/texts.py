"""Tokens of the texts that lab 06's exercises compare."""

import random
from collections.abc import Sequence

Tokens = Sequence[str]

CAT = ["the", "cat", "sat", "on", "the", "mat"]
MAT = ["the", "mat", "sat", "on", "a", "mat"]
THE = ["the", "the", "the", "the", "the", "the", "the"]
REORDERED = ["on", "the", "mat", "the", "cat", "sat"]
SHORT = ["the", "cat"]
WORDS = ["a", "b", "ab", "the", "cat", "mat", "on"]  # "a" and "b" next to each other are not "ab"


def random_tokens(rng: random.Random, size: int) -> list[str]:
    """About as many tokens, of few kinds, so that they and their n-grams repeat."""
    kinds = rng.sample(WORDS, rng.randint(2, 4))
    return [rng.choice(kinds) for _ in range(rng.randint(size // 2, 1 + size))]


def random_pair(rng: random.Random, size: int) -> tuple[list[str], list[str]]:
    """Two texts of the same kinds of tokens; the second one is sometimes the first with changes."""
    first = random_tokens(rng, size)
    if size % 3 == 2 and first:
        second = [token for token in first for _ in range(rng.choice((0, 1, 1, 1, 2)))]
    else:
        second = [
            rng.choice(first or WORDS[:2]) if rng.random() < 0.8 else "dog" for _ in range(rng.randint(size // 3, 1 + size))
        ]
    return first, second
