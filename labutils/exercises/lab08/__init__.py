"""The functions of lab 08's exercises: objectives, the compute of a step, and the law that is fitted."""

from labutils.exercises.lab08 import causal, compute, law, masks, spans

EXERCISES = {**causal.EXERCISES, **masks.EXERCISES, **spans.EXERCISES, **compute.EXERCISES, **law.EXERCISES}

__all__ = ["EXERCISES"]
