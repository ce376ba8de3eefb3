"""The functions of lab 04's exercises: formats, quantizers, packed codes, inputs per token, and the bytes that inference and training take."""

from labutils.exercises.lab04 import memory, number_formats, packed, per_token, quantizers

EXERCISES = {
    **number_formats.EXERCISES,
    **quantizers.EXERCISES,
    **packed.EXERCISES,
    **per_token.EXERCISES,
    **memory.EXERCISES,
}

__all__ = ["EXERCISES"]
