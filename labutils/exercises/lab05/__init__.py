"""The functions of lab 05's exercises: labels and their loss, the learning rate, LoRA, what is trained, facts."""

from labutils.exercises.lab05 import facts, labels, lora, schedule, trained

EXERCISES = {
    **labels.EXERCISES,
    **schedule.EXERCISES,
    **lora.EXERCISES,
    **trained.EXERCISES,
    **facts.EXERCISES,
}

__all__ = ["EXERCISES"]
