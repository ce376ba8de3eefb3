"""Bytes: of weights in each format, of a quantized matrix, of the key-value cache, of a training step."""

from __future__ import annotations

import math

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.machine.limits import GB, GIB

BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int4": 4}


# ----------------------------------------------------------------------------- 4.1 parameters to gigabytes


def gigabytes(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / 8 / GB


def gigabytes_cases() -> Cases:
    return [(10**9, "fp32"), (8 * 10**9, "fp32"), (7 * 10**9, "bf16"), (70 * 10**9, "int8"), (10**9, "int4")]


def gib_instead_of_gb(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / 8 / GIB


def gigabits(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / GB


def bytes_instead_of_gb(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / 8


def four_bytes_in_every_format(parameters: int, dtype: str) -> float:
    return parameters * 4 / GB


# -------------------------------------------------------- 4.5 bytes of a quantized matrix, scales included


def quantized_bytes(rows: int, columns: int, bits: int, block: int) -> int:
    blocks = rows * math.ceil(columns / block)
    return rows * columns * bits // 8 + blocks * 4


def quantized_bytes_cases() -> Cases:
    return [(4, 64, 8, 64), (576, 576, 4, 64), (576, 1536, 4, 32), (10, 100, 8, 64), (2, 6, 4, 4)]


def no_scales(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8


def one_byte_per_scale(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * math.ceil(columns / block)


def ignores_the_short_block(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * (columns // block) * 4


def one_byte_per_value(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns + rows * math.ceil(columns / block) * 4


def one_scale_per_row(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + rows * 4


def blocks_across_rows(rows: int, columns: int, bits: int, block: int) -> int:
    return rows * columns * bits // 8 + math.ceil(rows * columns / block) * 4


# ------------------------------------------------------------------------ 4.7 bytes of the key-value cache


def kv_cache_bytes(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * layers * kv_heads * head_dim * length * batch * bytes_per_number


def kv_cache_bytes_cases() -> Cases:
    return [
        (30, 9, 3, 64, 100),
        (32, 32, 8, 128, 8192, 1, 2),
        (2, 4, 4, 8, 10, 3, 4),
        (80, 64, 8, 128, 1000, 2, 2),
    ]


def counts_query_heads(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * layers * heads * head_dim * length * batch * bytes_per_number


def keys_or_values_only(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return layers * kv_heads * head_dim * length * batch * bytes_per_number


def one_layer_only(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * kv_heads * head_dim * length * batch * bytes_per_number


def ignores_the_batch(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * layers * kv_heads * head_dim * length * bytes_per_number


def squares_the_length(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * layers * kv_heads * head_dim * length * length * batch * bytes_per_number


# ----------------------------------------------------------------------------- 4.8 training memory by term


def training_bytes(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    trained = trainable * bytes_per_number
    return terms(parameters * bytes_per_number, trained, 2 * trained)


def terms(weights: int, gradients: int, optimizer: int) -> dict[str, int]:
    return {"weights": weights, "gradients": gradients, "optimizer": optimizer}


def training_bytes_cases() -> Cases:
    return [(100, 100), (135_000_000, 135_000_000), (135_000_000, 1_000_000), (8 * 10**9, 20_000_000, 2)]


def one_optimizer_state(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(parameters * bytes_per_number, trainable * bytes_per_number, trainable * bytes_per_number)


def gradients_for_frozen_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(parameters * bytes_per_number, parameters * bytes_per_number, 2 * trainable * bytes_per_number)


def optimizer_for_frozen_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(parameters * bytes_per_number, parameters * bytes_per_number, 2 * parameters * bytes_per_number)


def omits_the_frozen_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(trainable * bytes_per_number, trainable * bytes_per_number, 2 * trainable * bytes_per_number)


def four_bytes_for_every_number(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return training_bytes(parameters, trainable, 4)


EXERCISES = {
    "4.1": ExerciseFunctions(
        gigabytes, gigabytes_cases, (gib_instead_of_gb, gigabits, bytes_instead_of_gb, four_bytes_in_every_format)
    ),
    "4.5": ExerciseFunctions(
        quantized_bytes,
        quantized_bytes_cases,
        (no_scales, one_byte_per_scale, ignores_the_short_block, one_byte_per_value, one_scale_per_row, blocks_across_rows),
    ),
    "4.7": ExerciseFunctions(
        kv_cache_bytes,
        kv_cache_bytes_cases,
        (counts_query_heads, keys_or_values_only, one_layer_only, ignores_the_batch, squares_the_length),
    ),
    "4.8": ExerciseFunctions(
        training_bytes,
        training_bytes_cases,
        (
            one_optimizer_state,
            gradients_for_frozen_weights,
            optimizer_for_frozen_weights,
            omits_the_frozen_weights,
            four_bytes_for_every_number,
        ),
    ),
}
