"""The functions of lab 09's exercises: words and their weights, vectors, rankings, and arithmetic that is read and not run."""

from labutils.exercises.lab09 import arithmetic, rankings, vectors, words

EXERCISES = {**words.EXERCISES, **vectors.EXERCISES, **rankings.EXERCISES, **arithmetic.EXERCISES}

__all__ = ["EXERCISES"]
