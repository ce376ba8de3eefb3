"""Bit patterns against PyTorch's own numbers and the operating system's floats."""

from __future__ import annotations

import math
import struct

import pytest
import torch

from labutils.quantization.number_formats import BF16, FORMATS, FP16, FP32, BitPattern, encode_int8, store_in_each_format, to_bits

DTYPES = {"fp32": (torch.float32, torch.int32), "fp16": (torch.float16, torch.int16), "bf16": (torch.bfloat16, torch.int16)}


def numbers() -> list[float]:
    """Floats of every size that float32 holds, ties, subnormals, zeros and the odd ones."""
    torch.manual_seed(0)
    patterns = torch.randint(-(2**31), 2**31, (3_000,)).to(torch.int32).view(torch.float32)
    near_one = 1 + torch.arange(-64, 64) / 4096
    special = [
        0.0,
        -0.0,
        math.inf,
        -math.inf,
        65504.0,
        65519.0,
        65520.0,
        2.0**-24,
        2.0**-25,
        3 * 2.0**-25,
        2.0**-149,
        257.0,
        259.0,
    ]
    return [x for x in [*patterns.tolist(), *near_one.tolist(), *special] if not math.isnan(x)]


@pytest.mark.parametrize("f", FORMATS, ids=lambda f: f.name)
def test_the_bits_are_those_of_pytorch(f):
    float_type, int_type = DTYPES[f.name]
    values = numbers()
    stored = torch.tensor(values, dtype=torch.float32).to(float_type)
    theirs = stored.view(int_type).tolist()
    for x, bits, value in zip(values, theirs, stored.tolist(), strict=True):
        pattern = to_bits(x, f)
        assert int("".join(pattern.fields), 2) == bits % 2**f.bits, x
        assert pattern.value == value and math.copysign(1, pattern.value) == math.copysign(1, value)


def test_half_precision_agrees_with_the_struct_module():
    for x in (0.1, 1 / 3, 1e-5, 6e-8, 1234.5):
        assert to_bits(x, FP16).value == struct.unpack("<e", struct.pack("<e", x))[0]


@pytest.mark.parametrize("f", FORMATS, ids=lambda f: f.name)
def test_what_a_format_says_of_itself(f):
    info = torch.finfo(DTYPES[f.name][0])
    assert (f.bits, f.largest, f.smallest_normal, f.gap_at_one) == (info.bits, info.max, info.smallest_normal, info.eps)
    assert to_bits(f.largest, f).value == f.largest and to_bits(1 + f.gap_at_one, f).value == 1 + f.gap_at_one


def test_not_a_number_stays_not_a_number():
    for f in FORMATS:
        assert math.isnan(to_bits(math.nan, f).value)
    assert BitPattern(FP32, 0, 255, 0).value == math.inf


def test_the_numbers_that_the_lab_speaks_of():
    assert to_bits(1 + 2**-9, BF16).value == 1 and to_bits(1 + 2**-9, FP16).value == 1 + 2**-9
    assert to_bits(257.0, BF16).value == 256
    assert to_bits(65504.0, FP16).value == 65504 and to_bits(70000.0, FP16).value == math.inf
    assert to_bits(70000.0, BF16).value == pytest.approx(70000, rel=2**-8)
    assert to_bits(1e-8, FP16).value == 0 < to_bits(1e-8, BF16).value


def test_int8_is_absmax_quantization():
    assert encode_int8(0.5, 127.0) == (0, 0.0) and encode_int8(1.5, 127.0) == (2, 2.0)
    assert encode_int8(-1e9, 4.0) == (-127, -4.0) and encode_int8(math.inf, 4.0) == (127, 4.0)


def test_a_number_in_each_format_by_hand():
    # 257 is 1 00000001 in binary: bf16 keeps 8 digits of it. With a scale of 512 / 127, 257 is 63.75 steps, 64 of which are 258.02.
    stored = {each.format: each for each in store_in_each_format(257.0, largest=512.0)}
    assert list(stored) == ["fp32", "fp16", "bf16", "int8"]
    assert stored["fp16"].fields == ("0", "10111", "0000000100") and stored["fp16"].error == 0
    assert stored["bf16"].fields == ("0", "10000111", "0000000") and stored["bf16"].error == 1
    assert stored["int8"].fields == ("01000000",) and stored["int8"].value == pytest.approx(258.016, abs=1e-3)
    assert store_in_each_format(-4.0)[3].fields == ("10000001",), "two's complement of 127"
    assert all(math.isnan(each.error) for x in (math.inf, math.nan) for each in store_in_each_format(x))
