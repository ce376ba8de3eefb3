"""The functions of lab 00's exercise."""

from __future__ import annotations

import random

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.machine.limits import GB, GIB

# --------------------------------------------------------------------------- 0.1 the memory of the weights


def memory_gb(parameters: int, bytes_per_parameter: float) -> float:
    return parameters * bytes_per_parameter / GB


def memory_gb_cases() -> Cases:
    return [
        (1_000_000_000, 4),
        (134_515_008, 4),
        (8_000_000_000, 2),
        (109_482_240, 1),
        (70_553_706_496, 2),
        (6_738_415_616, 0.5),  # four bits
        (0, 4),
        (300, 1),  # rounding to so many places would lose it
    ]


def random_memory_gb(rng: random.Random, size: int) -> tuple[int, float]:
    return rng.randrange(10**7, 10 ** (8 + size // 6)), rng.choice((1, 2, 4, 8, 0.5))


def gib_instead_of_gb(parameters: int, bytes_per_parameter: float) -> float:
    return parameters * bytes_per_parameter / GIB


def bytes_instead_of_gb(parameters: int, bytes_per_parameter: float) -> float:
    return float(parameters * bytes_per_parameter)


def divides_by_the_bytes(parameters: int, bytes_per_parameter: float) -> float:
    return parameters / bytes_per_parameter / GB


def loses_the_fraction(parameters: int, bytes_per_parameter: float) -> float:
    return float(parameters * bytes_per_parameter // GB)


def bits_instead_of_bytes(parameters: int, bytes_per_parameter: float) -> float:
    return parameters * bytes_per_parameter * 8 / GB


def megabytes_instead_of_gb(parameters: int, bytes_per_parameter: float) -> float:
    return parameters * bytes_per_parameter / 10**6


EXERCISES = {
    "0.1": ExerciseFunctions(
        memory_gb,
        memory_gb_cases,
        (
            gib_instead_of_gb,
            bytes_instead_of_gb,
            divides_by_the_bytes,
            loses_the_fraction,
            bits_instead_of_bytes,
            megabytes_instead_of_gb,
        ),
        random_memory_gb,
    ),
}
