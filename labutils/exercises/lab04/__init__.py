"""The functions of lab 04's exercises: formats and quantizers, and the bytes that inference and training take."""

from labutils.exercises.lab04 import memory, quantizers

EXERCISES = {**quantizers.EXERCISES, **memory.EXERCISES}

__all__ = ["EXERCISES"]
