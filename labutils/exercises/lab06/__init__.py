"""The functions of lab 06's exercises: ROUGE, BLEU, and two systems on the same examples."""

from labutils.exercises.lab06 import bleu, rouge, upsets

EXERCISES = {**rouge.EXERCISES, **bleu.EXERCISES, **upsets.EXERCISES}

__all__ = ["EXERCISES"]
