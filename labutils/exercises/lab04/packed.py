"""Fewer bits than a byte: the bytes of a quantized matrix with its scales, and two 4-bit codes in a byte."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.quantization.four_bit import pack_codes

# -------------------------------------------------------- 4.5 bytes of a quantized matrix, scales included


def quantized_bytes(rows: int, columns: int, bits: int, block: int) -> int:
    blocks = rows * math.ceil(columns / block)
    return rows * columns * bits // 8 + blocks * 4


def quantized_bytes_cases() -> Cases:
    return [
        (4, 64, 8, 64),
        (576, 576, 4, 64),
        (576, 1536, 4, 32),
        (10, 100, 8, 64),
        (2, 6, 4, 4),
        (3, 16, 4, 5),  # the last block has one value of five
        (2, 9, 4, 5),  # the last block has four values of five, and no row fills its last byte
        (4, 10, 2, 32),  # a block longer than a row
        (1, 1, 8, 1),
    ]


def random_quantized_bytes(rng: random.Random, size: int) -> tuple[int, int, int, int]:
    """A matrix whose codes fill their last byte: what a part of a byte should count for is not said."""
    while True:
        rows, columns, bits = rng.randint(1, 1 + size), rng.randint(1, 4 + 3 * size), rng.choice((2, 3, 4, 4, 6, 8))
        if rows * columns * bits % 8 == 0:
            return rows, columns, bits, rng.randint(1, columns + 3)


def no_scales(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8


def one_byte_per_scale(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * math.ceil(columns / block)


def ignores_the_short_block(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * (columns // block) * 4


def one_byte_per_value(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns + rows * math.ceil(columns / block) * 4


def whole_bytes_per_value(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * (bits // 8) + rows * math.ceil(columns / block) * 4


def one_scale_per_row(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * 4


def blocks_across_rows(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + math.ceil(rows * columns / block) * 4


def thirty_two_bytes_per_scale(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * math.ceil(columns / block) * 32


def scales_of_one_row(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + math.ceil(columns / block) * 4


def rounds_the_number_of_blocks(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * round(columns / block) * 4


def always_one_block_more(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * (columns // block + 1) * 4


def fills_the_short_block(rows: int, columns: int, bits: int, block: int) -> int:
    blocks = rows * math.ceil(columns / block)
    return blocks * block * bits // 8 + blocks * 4


def packs_each_row(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * (math.ceil(columns * bits / 8) + math.ceil(columns / block) * 4)


def cuts_each_row_off(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * (columns * bits // 8 + math.ceil(columns / block) * 4)


# --------------------------------------------------------------------------- 4.6 two 4-bit codes in a byte


def as_bytes(codes: Tensor) -> Tensor:
    return codes.to(torch.uint8)


def pack_cases() -> Cases:
    return [
        (as_bytes(torch.tensor([3, 10])),),
        (as_bytes(torch.tensor([0, 15, 15, 0, 7, 8])),),
        (as_bytes(torch.tensor([1, 2, 3, 4])),),
        (as_bytes(torch.tensor([15, 15])),),
        (as_bytes(torch.tensor([0, 0, 0, 9, 9, 0, 8, 8])),),
    ]


def random_pack(rng: random.Random, size: int) -> tuple[Tensor]:
    return (as_bytes(torch.tensor([rng.randrange(16) for _ in range(2 + 2 * size)])),)


def exchanges_the_halves(codes: Tensor) -> Tensor:
    return as_bytes(16 * codes[0::2] + codes[1::2])


def no_shift(codes: Tensor) -> Tensor:
    return as_bytes(codes[0::2] + codes[1::2])


def shifts_by_eight(codes: Tensor) -> Tensor:
    return as_bytes(codes[0::2])


def one_int64_per_byte(codes: Tensor) -> Tensor:
    return pack_codes(codes).long()


def adds_before_it_shifts(codes: Tensor) -> Tensor:
    return (codes[0::2] + codes[1::2]) << 4


def multiplies_by_ten(codes: Tensor) -> Tensor:
    return as_bytes(codes[0::2] + 10 * codes[1::2])


def multiplies_by_fifteen(codes: Tensor) -> Tensor:
    return as_bytes(codes[0::2] + 15 * codes[1::2])


def pairs_distant_codes(codes: Tensor) -> Tensor:
    return as_bytes(codes[: len(codes) // 2] + 16 * codes[len(codes) // 2 :])


EXERCISES = {
    "4.5": ExerciseFunctions(
        quantized_bytes,
        quantized_bytes_cases,
        (
            no_scales,
            one_byte_per_scale,
            ignores_the_short_block,
            one_byte_per_value,
            whole_bytes_per_value,
            one_scale_per_row,
            blocks_across_rows,
            thirty_two_bytes_per_scale,
            scales_of_one_row,
            rounds_the_number_of_blocks,
            always_one_block_more,
            fills_the_short_block,
            packs_each_row,
            cuts_each_row_off,
        ),
        random_quantized_bytes,
    ),
    "4.6": ExerciseFunctions(
        pack_codes,
        pack_cases,
        (
            exchanges_the_halves,
            no_shift,
            shifts_by_eight,
            one_int64_per_byte,
            adds_before_it_shifts,
            multiplies_by_ten,
            multiplies_by_fifteen,
            pairs_distant_codes,
        ),
        random_pack,
    ),
}
