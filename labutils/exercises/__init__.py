"""Exercises: `check` an answer, take a `hint`, answer a `quiz`, see your `progress`."""

from labutils.exercises.checking import check
from labutils.exercises.hints import hint
from labutils.exercises.quizzes import quiz
from labutils.exercises.store import progress

__all__ = ["check", "hint", "progress", "quiz"]
