"""The functions of lab 10's exercises: rewards and the leash, policy gradients, best-of-n and DPO."""

from labutils.exercises.lab10 import choices, gradients, rewards

EXERCISES = {**rewards.EXERCISES, **gradients.EXERCISES, **choices.EXERCISES}

__all__ = ["EXERCISES"]
