"""The functions of lab 07's exercises: what was forgotten, how a change is spread, other methods, soft prompts, features."""

from labutils.exercises.lab07 import changes, forgetting, methods, soft_prompts, transfer

EXERCISES = {
    **forgetting.EXERCISES,
    **changes.EXERCISES,
    **methods.EXERCISES,
    **soft_prompts.EXERCISES,
    **transfer.EXERCISES,
}

__all__ = ["EXERCISES"]
