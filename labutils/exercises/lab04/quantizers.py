"""Bits: a float's value, two quantizers, and two 4-bit codes in a byte."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.quantization.four_bit import pack_codes
from labutils.quantization.integers import quantize
from labutils.quantization.number_formats import BitPattern, FloatFormat

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
    ]


def no_hidden_one(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return scaled(sign, exponent - 2 ** (exponent_bits - 1) + 1, mantissa / 2**mantissa_bits)


def bias_one_too_large(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return float_value(sign, exponent, mantissa, exponent_bits, mantissa_bits) / 2


def no_bias(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return scaled(sign, exponent, 1 + mantissa / 2**mantissa_bits)


def ignores_the_sign(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return float_value(0, exponent, mantissa, exponent_bits, mantissa_bits)


def subnormal_read_as_normal(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    return scaled(sign, exponent - 2 ** (exponent_bits - 1) + 1, 1 + mantissa / 2**mantissa_bits)


# --------------------------------------------------------------------------------- 4.3 absmax quantization


def absmax_quantize(x: Tensor) -> tuple[Tensor, float]:
    quantized = quantize(x, "absmax")
    return quantized.codes.to(x.dtype), quantized.scale.item()


def rounded(x: Tensor, scale: float) -> tuple[Tensor, float]:
    return (x / scale).round(), scale


def absmax_quantize_cases() -> Cases:
    return [
        (float64(1.27, -0.5, 0.036, 0.0),),
        (float64(0.47, -0.36, 0.24, 12.7),),
        (float64(-2.54, 1.0, 0.5, -0.1),),
    ]


def inverted_scale(x: Tensor) -> tuple[Tensor, float]:
    codes, scale = absmax_quantize(x)
    return codes, 1 / scale


def largest_value_not_magnitude(x: Tensor) -> tuple[Tensor, float]:
    return rounded(x, x.max().item() / 127)


def divides_by_128(x: Tensor) -> tuple[Tensor, float]:
    return rounded(x, x.abs().max().item() / 128)


def no_rounding(x: Tensor) -> tuple[Tensor, float]:
    _, scale = absmax_quantize(x)
    return x / scale, scale


def rounds_down(x: Tensor) -> tuple[Tensor, float]:
    _, scale = absmax_quantize(x)
    return (x / scale).floor(), scale


def truncates(x: Tensor) -> tuple[Tensor, float]:
    _, scale = absmax_quantize(x)
    return (x / scale).trunc(), scale


# ----------------------------------------------------------------------------- 4.4 zero-point quantization


def zero_point_quantize(x: Tensor) -> tuple[Tensor, float, int]:
    quantized = quantize(x, "zero_point")
    assert quantized.zero_point is not None
    return quantized.codes.to(x.dtype), quantized.scale.item(), int(quantized.zero_point)


def zero_point_with(
    x: Tensor, rounding: Callable[[float], float] = round, steps: int = 255, keep_zero: bool = True, sign: int = 1
) -> tuple[Tensor, float, float]:
    """`zero_point_quantize` with one thing changed."""
    low, high = x.min().item(), x.max().item()
    if keep_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / steps
    zero_point = rounding(-sign * low / scale)
    return ((x / scale).round() + zero_point).clamp(0, 255), scale, zero_point


def zero_point_quantize_cases() -> Cases:
    positive, all_far_from_zero = float64(0.0, 1.0, 2.55, 0.3), float64(5.0, 5.1, 10.2)
    shifted, uneven = float64(-1.007, 1.543, 0.004, 0.7), float64(-0.777, 1.3, 0.2, -0.05)
    return [(positive,), (shifted,), (all_far_from_zero,), (uneven,)]


def truncates_the_zero_point(x: Tensor) -> tuple[Tensor, float, float]:
    return zero_point_with(x, rounding=int)


def fractional_zero_point(x: Tensor) -> tuple[Tensor, float, float]:
    return zero_point_with(x, rounding=float)


def counts_256_steps(x: Tensor) -> tuple[Tensor, float, float]:
    return zero_point_with(x, steps=256)


def range_without_zero(x: Tensor) -> tuple[Tensor, float, float]:
    return zero_point_with(x, keep_zero=False)


def zero_point_with_the_wrong_sign(x: Tensor) -> tuple[Tensor, float, float]:
    return zero_point_with(x, sign=-1)


# --------------------------------------------------------------------------- 4.6 two 4-bit codes in a byte


def as_bytes(codes: Tensor) -> Tensor:
    return codes.to(torch.uint8)


def pack_cases() -> Cases:
    return [
        (as_bytes(torch.tensor([3, 10])),),
        (as_bytes(torch.tensor([0, 15, 15, 0, 7, 8])),),
        (as_bytes(torch.tensor([1, 2, 3, 4])),),
    ]


def exchanges_the_halves(codes: Tensor) -> Tensor:
    return as_bytes(16 * codes[0::2] + codes[1::2])


def no_shift(codes: Tensor) -> Tensor:
    return as_bytes(codes[0::2] + codes[1::2])


def shifts_by_eight(codes: Tensor) -> Tensor:
    return as_bytes(codes[0::2])


def pairs_distant_codes(codes: Tensor) -> Tensor:
    return as_bytes(codes[: len(codes) // 2] + 16 * codes[len(codes) // 2 :])


EXERCISES = {
    "4.2": ExerciseFunctions(
        float_value, float_value_cases, (no_hidden_one, bias_one_too_large, no_bias, ignores_the_sign, subnormal_read_as_normal)
    ),
    "4.3": ExerciseFunctions(
        absmax_quantize,
        absmax_quantize_cases,
        (inverted_scale, largest_value_not_magnitude, divides_by_128, no_rounding, rounds_down, truncates),
    ),
    "4.4": ExerciseFunctions(
        zero_point_quantize,
        zero_point_quantize_cases,
        (truncates_the_zero_point, fractional_zero_point, counts_256_steps, range_without_zero, zero_point_with_the_wrong_sign),
    ),
    "4.6": ExerciseFunctions(pack_codes, pack_cases, (exchanges_the_halves, no_shift, shifts_by_eight, pairs_distant_codes)),
}
