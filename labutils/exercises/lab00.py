"""The functions of lab 00's exercise."""

from __future__ import annotations

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.machine.limits import GB, GIB

# --------------------------------------------------------------------------- 0.1 the memory of the weights


def memory_gb(parameters: int, bytes_per_parameter: int) -> float:
    return parameters * bytes_per_parameter / GB


def memory_gb_cases() -> Cases:
    return [(1_000_000_000, 4), (134_515_008, 4), (8_000_000_000, 2)]


def gib_instead_of_gb(parameters: int, bytes_per_parameter: int) -> float:
    return parameters * bytes_per_parameter / GIB


def bytes_instead_of_gb(parameters: int, bytes_per_parameter: int) -> float:
    return float(parameters * bytes_per_parameter)


def divides_by_the_bytes(parameters: int, bytes_per_parameter: int) -> float:
    return parameters / bytes_per_parameter / GB


EXERCISES = {
    "0.1": ExerciseFunctions(memory_gb, memory_gb_cases, (gib_instead_of_gb, bytes_instead_of_gb, divides_by_the_bytes)),
}
