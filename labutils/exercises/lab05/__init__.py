"""The functions of lab 05's exercises: labels and their loss, the learning rate, LoRA, what is trained, soft prompts."""

from labutils.exercises.lab05 import labels, lora, schedule, soft_prompts, trained

EXERCISES = {
    **labels.EXERCISES,
    **schedule.EXERCISES,
    **lora.EXERCISES,
    **trained.EXERCISES,
    **soft_prompts.EXERCISES,
}

__all__ = ["EXERCISES"]
