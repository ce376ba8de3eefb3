"""The functions of lab 01's exercises: byte-pair encoding, rotary positions, self-attention, and from a hidden state to a text."""

from labutils.exercises.lab01 import byte_pairs, generation, rotary, self_attention

EXERCISES = {**byte_pairs.EXERCISES, **rotary.EXERCISES, **self_attention.EXERCISES, **generation.EXERCISES}

__all__ = ["EXERCISES"]
