"""The functions of lab 08's exercises: objectives, the compute of a step, and the law that is fitted."""

from labutils.exercises.lab08 import compute, law, objectives

EXERCISES = {**objectives.EXERCISES, **compute.EXERCISES, **law.EXERCISES}

__all__ = ["EXERCISES"]
