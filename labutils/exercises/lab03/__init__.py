"""The functions of lab 03's exercises: prompts and labels, the token budget, and what is read from a completion."""

from labutils.exercises.lab03 import completions, labels, prompts, window

EXERCISES = {**prompts.EXERCISES, **labels.EXERCISES, **window.EXERCISES, **completions.EXERCISES}

__all__ = ["EXERCISES"]
