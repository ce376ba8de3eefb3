"""Exercises and quizzes of lab 00."""

from __future__ import annotations

from labutils.exercises.registry import Exercise, Mistake, Quiz


def memory_gb(parameters: int, bytes_per_parameter: int) -> float:
    """The memory of a model's weights in GB (10**9 bytes)."""
    return parameters * bytes_per_parameter / 1e9


EXERCISES = (
    Exercise(
        id="0.1",
        title="The memory of the weights",
        reference=memory_gb,
        cases=((1_000_000_000, 4), (134_515_008, 4), (8_000_000_000, 2)),
        mistakes=(
            Mistake("That is GiB (2**30 bytes); GB means 10**9 bytes.", lambda n, b: n * b / 2**30),
            Mistake("That is in bytes: divide by 10**9 for GB.", lambda n, b: float(n * b)),
            Mistake(
                "You divided by the bytes of a parameter; each parameter takes that many, so multiply.", lambda n, b: n / b / 1e9
            ),
        ),
        hints=(
            "Each parameter takes `bytes_per_parameter` bytes. How many bytes do all of them take?",
            "Multiply the two numbers, then divide by 1e9, because a GB is 10**9 bytes.",
        ),
    ),
)

QUIZZES = (
    Quiz(
        id="0.a",
        question="Your summaries come out too long and in the wrong style. What do you try first?",
        options=(
            "Pretrain a model of your own",
            "Change the prompt",
            "Fine-tune on a thousand examples",
            "Collect human feedback",
        ),
        right=1,
        why=(
            "Pretraining costs the most by far and is the last resort: start from a model that exists.",
            "A prompt costs minutes and can be undone. Fine-tuning, then human feedback, come after it.",
            "Fine-tuning may be needed in the end, but a better prompt costs minutes and often does.",
            "Human feedback comes after fine-tuning: it is slow to collect, and a prompt may already do.",
        ),
    ),
)
