"""The functions of lab 10's exercises: rewards and the leash, policy gradients, best-of-n and DPO."""

from labutils.exercises.lab10 import choices, clip, gradients, rewards

EXERCISES = {**rewards.EXERCISES, **gradients.EXERCISES, **clip.EXERCISES, **choices.EXERCISES}

__all__ = ["EXERCISES"]
