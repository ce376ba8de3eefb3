"""The functions of lab 02's exercises: softmax and draws, filters, penalties, where a text stops, and the chain of them."""

from labutils.exercises.lab02 import chain, filters, penalties, sampling

EXERCISES = {**sampling.EXERCISES, **filters.EXERCISES, **penalties.EXERCISES, **chain.EXERCISES}

__all__ = ["EXERCISES"]
