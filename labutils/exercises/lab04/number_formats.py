"""Formats: the bytes of a parameter in each, and the number that a float's bits stand for."""

from __future__ import annotations

import random

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.machine.limits import GB, GIB
from labutils.quantization.number_formats import BitPattern, FloatFormat

BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int4": 4}

# ----------------------------------------------------------------------------- 4.1 parameters to gigabytes


def gigabytes(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / 8 / GB


def gigabytes_cases() -> Cases:
    return [
        (10**9, "fp32"),
        (8 * 10**9, "fp32"),
        (7 * 10**9, "bf16"),
        (70 * 10**9, "int8"),
        (10**9, "int4"),
        (134_515_008, "fp16"),
        (134_515_008, "int4"),
        (1, "int4"),
        (0, "int8"),
    ]


def random_gigabytes(rng: random.Random, size: int) -> tuple[int, str]:
    return rng.randrange(1, 4 * 10 ** (1 + size // 2)), rng.choice(list(BITS))


def gib_instead_of_gb(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / 8 / GIB


def gigabits(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / GB


def bytes_instead_of_gb(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / 8


def four_bytes_in_every_format(parameters: int, dtype: str) -> float:
    return parameters * 4 / GB


def whole_billions_only(parameters: int, dtype: str) -> float:
    return parameters // GB * BITS[dtype] / 8


def whole_gigabytes_only(parameters: int, dtype: str) -> float:
    return float(parameters * BITS[dtype] // 8 // GB)


def one_byte_at_least(parameters: int, dtype: str) -> float:
    return parameters * max(BITS[dtype] // 8, 1) / GB


def megabytes(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / 8 / 10**6


def whole_bytes_only(parameters: int, dtype: str) -> float:
    return parameters * (BITS[dtype] // 8) / GB


# ------------------------------------------------------------------------- 4.2 the value of a float's bits


def float_value(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return BitPattern(FloatFormat("", exponent_bits, mantissa_bits), sign, exponent, mantissa).value


def scaled(sign: int, exponent: float, significand: float) -> float:
    return (-1.0) ** sign * 2.0**exponent * significand


def float_value_cases() -> Cases:
    return [
        (0, 127, 0, 8, 23),
        (1, 128, 2**22, 8, 23),
        (0, 16, 256, 5, 10),
        (0, 0, 1, 5, 10),
        (1, 134, 1, 8, 7),
        (0, 0, 0, 8, 7),
        (1, 0, 3, 5, 10),
        (1, 0, 5, 4, 3),
        (1, 0, 2**23 - 1, 8, 23),
        (0, 254, 2**23 - 1, 8, 23),
        (1, 1, 0, 2, 1),
        (0, 30, 3, 5, 2),
    ]


def random_float_value(rng: random.Random, size: int) -> tuple[int, ...]:
    """Fields of a float16, bfloat16, float32 or small format; one in three is subnormal, none is infinite."""
    own = (rng.randint(2, min(8, 3 + size // 3)), rng.randint(1, 2 + size))
    exponent_bits, mantissa_bits = own if size < 6 else rng.choice((own, (8, 23), (8, 7), (5, 10), (4, 3)))
    exponent = 0 if size % 3 == 2 else rng.randrange(2**exponent_bits - 1)
    return rng.randrange(2), exponent, rng.randrange(2**mantissa_bits), exponent_bits, mantissa_bits


def no_hidden_one(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return scaled(sign, exponent - 2 ** (exponent_bits - 1) + 1, mantissa / 2**mantissa_bits)


def bias_one_too_large(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return float_value(sign, exponent, mantissa, exponent_bits, mantissa_bits) / 2


def no_bias(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return scaled(sign, exponent, 1 + mantissa / 2**mantissa_bits)


def ignores_the_sign(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return float_value(0, exponent, mantissa, exponent_bits, mantissa_bits)


def minus_one_without_parentheses(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return -float_value(0, exponent, mantissa, exponent_bits, mantissa_bits)


def subnormal_without_its_sign(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return float_value(sign if exponent else 0, exponent, mantissa, exponent_bits, mantissa_bits)


def subnormal_one_power_too_low(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return float_value(sign, exponent, mantissa, exponent_bits, mantissa_bits) / (1 if exponent else 2)


def subnormal_taken_for_zero(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return float_value(sign, exponent, mantissa, exponent_bits, mantissa_bits) if exponent else 0.0


def subnormal_read_as_normal(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return scaled(sign, exponent - 2 ** (exponent_bits - 1) + 1, 1 + mantissa / 2**mantissa_bits)


def subnormal_keeps_the_hidden_one(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return scaled(sign, max(exponent, 1) - 2 ** (exponent_bits - 1) + 1, 1 + mantissa / 2**mantissa_bits)


EXERCISES = {
    "4.1": ExerciseFunctions(
        gigabytes,
        gigabytes_cases,
        (
            gib_instead_of_gb,
            gigabits,
            bytes_instead_of_gb,
            four_bytes_in_every_format,
            whole_billions_only,
            whole_gigabytes_only,
            one_byte_at_least,
            megabytes,
            whole_bytes_only,
        ),
        random_gigabytes,
    ),
    "4.2": ExerciseFunctions(
        float_value,
        float_value_cases,
        (
            no_hidden_one,
            bias_one_too_large,
            no_bias,
            ignores_the_sign,
            minus_one_without_parentheses,
            subnormal_without_its_sign,
            subnormal_one_power_too_low,
            subnormal_taken_for_zero,
            subnormal_read_as_normal,
            subnormal_keeps_the_hidden_one,
        ),
        random_float_value,
    ),
}
