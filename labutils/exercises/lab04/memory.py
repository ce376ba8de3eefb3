"""Bytes of the key-value cache and of a training step."""

from __future__ import annotations

import random

from labutils.exercises.registry import Cases, ExerciseFunctions

# ------------------------------------------------------------------------ 4.8 bytes of the key-value cache


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
        (3, 5, 5, 7, 11, 13),
        (1, 1, 1, 1, 1),
        (5, 6, 2, 16, 0, 3, 1),
    ]


def random_kv_cache_bytes(rng: random.Random, size: int) -> tuple[int, ...]:
    """With the batch and the bytes left out, the bytes left out, or neither."""
    kv_heads = rng.randint(1, 2 + size // 3)
    needed = (rng.randint(1, 2 + 2 * size), rng.randint(1, 4) * kv_heads, kv_heads, rng.randint(1, 4 + 5 * size))
    more = rng.randint(1, 2 + size), rng.choice((1, 2, 3, 4, 8))
    return (*needed, rng.randint(size > 0, 2 + 40 * size), *more[: size % 3])


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


def four_bytes_whatever_is_said(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * layers * kv_heads * head_dim * length * batch * 4


def counts_numbers(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * layers * kv_heads * head_dim * length * batch


def divides_the_heads(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * layers * (heads // kv_heads) * head_dim * length * batch * bytes_per_number


def counts_the_queries_too(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return layers * (heads + 2 * kv_heads) * head_dim * length * batch * bytes_per_number


# ----------------------------------------------------------------------------- 4.9 training memory by term


def training_bytes(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    trained = trainable * bytes_per_number
    return terms(parameters * bytes_per_number, trained, 2 * trained)


def terms(weights: int, gradients: int, optimizer: int) -> dict[str, int]:
    return {"weights": weights, "gradients": gradients, "optimizer": optimizer}


def training_bytes_cases() -> Cases:
    return [
        (100, 100),
        (135_000_000, 135_000_000),
        (135_000_000, 1_000_000),
        (8 * 10**9, 20_000_000, 2),
        (70, 0),  # nothing is trained
        (1, 1, 1),
    ]


def random_training_bytes(rng: random.Random, size: int) -> tuple[int, ...]:
    parameters = rng.randint(1, 3 * 10 ** (1 + size // 3))
    trainable = parameters if size % 5 == 4 else rng.randint(0, parameters)
    return (parameters, trainable, *rng.choice(((), (), (1,), (2,), (8,))))


def one_optimizer_state(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(parameters * bytes_per_number, trainable * bytes_per_number, trainable * bytes_per_number)


def gradients_for_frozen_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(parameters * bytes_per_number, parameters * bytes_per_number, 2 * trainable * bytes_per_number)


def optimizer_for_frozen_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(parameters * bytes_per_number, parameters * bytes_per_number, 2 * parameters * bytes_per_number)


def optimizer_alone_for_frozen_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(parameters * bytes_per_number, trainable * bytes_per_number, 2 * parameters * bytes_per_number)


def omits_the_frozen_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(trainable * bytes_per_number, trainable * bytes_per_number, 2 * trainable * bytes_per_number)


def four_bytes_for_every_number(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return training_bytes(parameters, trainable, 4)


def numbers_instead_of_bytes(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return training_bytes(parameters, trainable, 1)


def optimizer_in_four_bytes(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms(parameters * bytes_per_number, trainable * bytes_per_number, 8 * trainable)


def omits_the_trained_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms((parameters - trainable) * bytes_per_number, trainable * bytes_per_number, 2 * trainable * bytes_per_number)


def adds_the_trained_weights(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return terms((parameters + trainable) * bytes_per_number, trainable * bytes_per_number, 2 * trainable * bytes_per_number)


EXERCISES = {
    "4.8": ExerciseFunctions(
        kv_cache_bytes,
        kv_cache_bytes_cases,
        (
            counts_query_heads,
            keys_or_values_only,
            one_layer_only,
            ignores_the_batch,
            squares_the_length,
            four_bytes_whatever_is_said,
            counts_numbers,
            divides_the_heads,
            counts_the_queries_too,
        ),
        random_kv_cache_bytes,
    ),
    "4.9": ExerciseFunctions(
        training_bytes,
        training_bytes_cases,
        (
            one_optimizer_state,
            gradients_for_frozen_weights,
            optimizer_for_frozen_weights,
            optimizer_alone_for_frozen_weights,
            omits_the_frozen_weights,
            four_bytes_for_every_number,
            numbers_instead_of_bytes,
            optimizer_in_four_bytes,
            omits_the_trained_weights,
            adds_the_trained_weights,
        ),
        random_training_bytes,
    ),
}
