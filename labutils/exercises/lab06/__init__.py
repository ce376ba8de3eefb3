"""The functions of lab 06's exercises: ROUGE, BLEU, and two systems on the same examples."""

from labutils.exercises.lab06 import bleu, intervals, rouge, upsets

EXERCISES = {**rouge.EXERCISES, **bleu.EXERCISES, **upsets.EXERCISES, **intervals.EXERCISES}

__all__ = ["EXERCISES"]
