"""Numbers in 32, 16 and 8 bits, bit by bit: what a format keeps of a number (lab 04; `bits_explorer` shows it).

A floating-point number is (-1)**sign * 2**(exponent - bias) * (1 + mantissa / 2**mantissa_bits). int8 has no exponent of its own: it
is a whole number from -127 to 127 times a scale that many numbers share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from labutils.validation import require_positive


@dataclass(frozen=True)
class FloatFormat:
    """A floating-point format: one sign bit, then exponent, then mantissa.

    Example: fp16 has 5 exponent bits and 10 mantissa bits; its largest number is 65,504.
    """

    name: str
    exponent_bits: int
    mantissa_bits: int

    @property
    def bits(self) -> int:
        """All bits of a number."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self) -> int:
        """What is taken off the stored exponent: 127 with 8 bits."""
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return (2 - 2.0**-self.mantissa_bits) * 2.0**self.bias

    @property
    def smallest_normal(self) -> float:
        """The smallest number with the full precision; below it digits are lost one by one."""
        return 2.0 ** (1 - self.bias)

    @property
    def gap_at_one(self) -> float:
        """The distance from 1 to the next larger number ("machine epsilon")."""
        return 2.0**-self.mantissa_bits


FP32, FP16, BF16 = FloatFormat("fp32", 8, 23), FloatFormat("fp16", 5, 10), FloatFormat("bf16", 8, 7)
FORMATS = (FP32, FP16, BF16)


@dataclass(frozen=True)
class BitPattern:
    """A number in a format: the three fields as whole numbers."""

    format: FloatFormat
    sign: int
    exponent: int
    mantissa: int

    @property
    def fields(self) -> tuple[str, str, str]:
        """The fields as bits, such as ("0", "10000", "1001000000")."""
        f = self.format
        return f"{self.sign}", f"{self.exponent:0{f.exponent_bits}b}", f"{self.mantissa:0{f.mantissa_bits}b}"

    @property
    def value(self) -> float:
        """The number that the bits stand for."""
        f = self.format
        sign = -1.0 if self.sign else 1.0
        if self.exponent == 2**f.exponent_bits - 1:
            return math.nan if self.mantissa else sign * math.inf
        if self.exponent == 0:  # subnormal: no hidden 1, and the exponent of the smallest normal number
            return sign * math.ldexp(self.mantissa, 1 - f.bias - f.mantissa_bits)
        return sign * math.ldexp(2**f.mantissa_bits + self.mantissa, self.exponent - f.bias - f.mantissa_bits)


def to_bits(x: float, f: FloatFormat) -> BitPattern:
    """The nearest number of a format, halves to even; beyond the range it is infinity.

    Source: IEEE 754-2019, sections 3.4 and 4.3.1; bf16 is the upper half of an fp32 number.

    Example: `to_bits(257.0, BF16).value == 256.0`.
    """
    sign = int(math.copysign(1, x) < 0)
    infinite = BitPattern(f, sign, 2**f.exponent_bits - 1, 0)
    if math.isnan(x):
        return BitPattern(f, 0, infinite.exponent, 2 ** (f.mantissa_bits - 1))
    if math.isinf(x):
        return infinite
    exponent = max(math.frexp(x)[1] - 1, 1 - f.bias)
    whole = round(math.ldexp(abs(x), f.mantissa_bits - exponent))  # in units of the last place
    if whole == 2 ** (f.mantissa_bits + 1):  # rounded up to the next power of two
        whole, exponent = whole // 2, exponent + 1
    if exponent > f.bias:
        return infinite
    hidden = 2**f.mantissa_bits
    return BitPattern(f, sign, 0, whole) if whole < hidden else BitPattern(f, sign, exponent + f.bias, whole - hidden)


def encode_int8(x: float, largest: float) -> tuple[int, float]:
    """(code, value) of a number in int8 whose scale was chosen for numbers up to `largest`: absmax quantization."""
    code = 0 if math.isnan(x) else round(max(-127.0, min(127.0, x / (largest / 127))))
    return code, code * largest / 127


@dataclass(frozen=True)
class StoredNumber:
    """What one format makes of a number: its bits by field, the value that is left, and how far off it is."""

    format: str
    fields: tuple[str, ...]
    value: float
    error: float


def store_in_each_format(x: float, largest: float = 4.0) -> tuple[StoredNumber, ...]:
    """A number in fp32, fp16, bf16 and int8.

    Args:
        x: the number.
        largest: the largest magnitude among the numbers that share the int8 scale.

    Raises:
        LabError: `largest` is not a finite number above 0.
    """
    require_positive("largest", largest)
    stored = []
    for f in FORMATS:
        pattern = to_bits(x, f)
        stored.append(StoredNumber(f.name, pattern.fields, pattern.value, _distance(pattern.value, x)))
    code, value = encode_int8(x, largest)
    stored.append(StoredNumber("int8", (f"{code & 0xFF:08b}",), value, _distance(value, x)))
    return tuple(stored)


def _distance(value: float, x: float) -> float:
    """How far a stored value is from a number; not a number where that number is not finite."""
    return abs(value - x) if math.isfinite(x) else math.nan
