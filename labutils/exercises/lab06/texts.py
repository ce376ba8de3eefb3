"""Tokens of the texts that lab 06's exercises compare."""

from collections.abc import Sequence

Tokens = Sequence[str]

CAT = ["the", "cat", "sat", "on", "the", "mat"]
MAT = ["the", "mat", "sat", "on", "a", "mat"]
THE = ["the", "the", "the", "the", "the", "the", "the"]
REORDERED = ["on", "the", "mat", "the", "cat", "sat"]
SHORT = ["the", "cat"]
