"""Two quantizers in 8 bits: absmax, and with a zero-point."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, batch_shape
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64
from labutils.quantization.integers import quantize

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
        (float64([0.3, -1.27, 0.02], [0.52, 0.9, -0.014]),),
        (float64([[-0.0127, 0.004], [0.0002, 0.0061]]).float(),),
        (float64(-3.0, -25.4, -1.3).float(),),
        (float64(-0.8),),
        (float64(2e-8, -1.1e-7, 0.0),),
        (float64(127.0, 0.5, 1.5, -2.5, -3.5),),  # halves go to the even neighbour
    ]


def number_off_the_ties(rng: random.Random, low: float, high: float, scale: float) -> float:
    """A number to three digits that every right computation rounds to the same code: its quotient by the scale is no half."""
    while True:
        number = float(f"{rng.uniform(low, high):.3g}")
        if abs(abs(number / scale) % 1 - 0.5) > 0.02:
            return number


def random_absmax_quantize(rng: random.Random, size: int) -> tuple[Tensor]:
    largest = float(f"{rng.uniform(1, 9) * 10.0 ** rng.randint(-3, 3):.3g}")
    shape = (*batch_shape(rng, size), 1 + size // 2)
    numbers = [number_off_the_ties(rng, -largest, largest, largest / 127) for _ in range(prod(shape) - 1)]
    numbers.insert(rng.randrange(prod(shape)), rng.choice((largest, -largest)))
    return (torch.tensor(numbers, dtype=rng.choice(DTYPES)).reshape(shape),)


def inverted_scale(x: Tensor) -> tuple[Tensor, float]:
    codes, scale = absmax_quantize(x)
    return codes, 1 / scale


def largest_value_not_magnitude(x: Tensor) -> tuple[Tensor, float]:
    return rounded(x, x.max().item() / 127)


def magnitude_of_the_largest_value(x: Tensor) -> tuple[Tensor, float]:
    return rounded(x, abs(x.max().item()) / 127)


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


def rounds_halves_up(x: Tensor) -> tuple[Tensor, float]:
    _, scale = absmax_quantize(x)
    return (x / scale + 0.5).floor(), scale


def rounds_halves_away_from_zero(x: Tensor) -> tuple[Tensor, float]:
    _, scale = absmax_quantize(x)
    return x.sign() * (x.abs() / scale + 0.5).floor(), scale


def codes_of_type_int8(x: Tensor) -> tuple[Tensor, float]:
    codes, scale = absmax_quantize(x)
    return codes.to(torch.int8), scale


def returns_the_restored_values(x: Tensor) -> tuple[Tensor, float]:
    codes, scale = absmax_quantize(x)
    return codes * scale, scale


def one_scale_per_row(x: Tensor) -> tuple[Tensor, Tensor | float]:
    if x.ndim == 1:
        return absmax_quantize(x)
    scale = x.abs().amax(-1, keepdim=True) / 127
    return (x / scale).round(), scale


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
    negative = float64(-5.0, -5.1, -10.2)
    return [
        (positive,),
        (shifted,),
        (all_far_from_zero,),
        (uneven,),
        (negative,),
        (float64([0.61, -0.24], [0.03, -0.5]),),
        (float64([[0.002, 0.0051], [-0.0008, 0.0013]]).float(),),
        (float64(-0.8),),
        (float64(2e-6, -1.1e-5, 0.0),),
        (float64(253.5, -1.5, 0.0, 10.0),),  # both ends lie on a half and round away from 0: the highest code would be 256
        (float64(-1.0, 254.0, 0.5, 1.5, 2.5, 3.5),),  # halves, and an odd zero-point
        (float64(-2.5, 252.5, 0.0, 10.0),),  # the zero-point lies on a half and goes to its even neighbour
    ]


def random_zero_point_quantize(rng: random.Random, size: int) -> tuple[Tensor]:
    unit = 10.0 ** rng.randint(-3, 3)
    shape = (*batch_shape(rng, size), 2 + size // 2)
    low, high = rng.choice(((-9, 9), (-9, 9), (1, 9), (-9, -1)))
    while True:
        bounds = sorted(float(f"{unit * rng.uniform(low, high):.3g}") for _ in range(2))
        scale = (max(bounds[1], 0.0) - min(bounds[0], 0.0)) / 255
        if bounds[0] < bounds[1] and all(abs(abs(bound / scale) % 1 - 0.5) > 0.02 for bound in bounds):
            break
    numbers = bounds + [number_off_the_ties(rng, bounds[0], bounds[1], scale) for _ in range(prod(shape) - 2)]
    rng.shuffle(numbers)
    return (torch.tensor(numbers, dtype=rng.choice(DTYPES)).reshape(shape),)


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


def zero_point_below_zero(x: Tensor) -> tuple[Tensor, float, int]:
    codes, scale, zero_point = zero_point_quantize(x)
    return codes, scale, -zero_point


def does_not_clamp(x: Tensor) -> tuple[Tensor, float, int]:
    _, scale, zero_point = zero_point_quantize(x)
    return (x / scale).round() + zero_point, scale, zero_point


def clamps_before_the_zero_point_is_added(x: Tensor) -> tuple[Tensor, float, int]:
    _, scale, zero_point = zero_point_quantize(x)
    return (x / scale).round().clamp(0, 255) + zero_point, scale, zero_point


def rounds_the_distance_from_the_lowest(x: Tensor) -> tuple[Tensor, float, int]:
    _, scale, zero_point = zero_point_quantize(x)
    return ((x - min(x.min().item(), 0.0)) / scale).round().clamp(0, 255), scale, zero_point


def rounds_after_the_zero_point_is_added(x: Tensor) -> tuple[Tensor, float, int]:
    _, scale, zero_point = zero_point_quantize(x)
    return (x / scale + zero_point).round().clamp(0, 255), scale, zero_point


def codes_not_rounded(x: Tensor) -> tuple[Tensor, float, int]:
    _, scale, zero_point = zero_point_quantize(x)
    return (x / scale + zero_point).clamp(0, 255), scale, zero_point


def codes_without_the_zero_point(x: Tensor) -> tuple[Tensor, float, int]:
    _, scale, zero_point = zero_point_quantize(x)
    return (x / scale).round().clamp(0, 255), scale, zero_point


def codes_of_type_uint8(x: Tensor) -> tuple[Tensor, float, int]:
    codes, scale, zero_point = zero_point_quantize(x)
    return codes.to(torch.uint8), scale, zero_point


EXERCISES = {
    "4.3": ExerciseFunctions(
        absmax_quantize,
        absmax_quantize_cases,
        (
            inverted_scale,
            largest_value_not_magnitude,
            magnitude_of_the_largest_value,
            divides_by_128,
            no_rounding,
            rounds_down,
            truncates,
            rounds_halves_up,
            rounds_halves_away_from_zero,
            codes_of_type_int8,
            returns_the_restored_values,
            one_scale_per_row,
        ),
        random_absmax_quantize,
    ),
    "4.4": ExerciseFunctions(
        zero_point_quantize,
        zero_point_quantize_cases,
        (
            truncates_the_zero_point,
            fractional_zero_point,
            counts_256_steps,
            range_without_zero,
            zero_point_with_the_wrong_sign,
            zero_point_below_zero,
            does_not_clamp,
            clamps_before_the_zero_point_is_added,
            rounds_the_distance_from_the_lowest,
            rounds_after_the_zero_point_is_added,
            codes_not_rounded,
            codes_without_the_zero_point,
            codes_of_type_uint8,
        ),
        random_zero_point_quantize,
    ),
}
