"""What a step costs, and bits per byte."""

from __future__ import annotations

import math
import random

from labutils.exercises.registry import Cases, ExerciseFunctions

# --------------------------------------------------------------------- 8.4 FLOPs of training


def training_flops(matrix_parameters: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * matrix_parameters * tokens + 12 * layers * dim * context * tokens


def training_flops_cases() -> Cases:
    return [(1_000, 10, 1, 8, 4), (7_000_000_000, 1_000, 32, 4096, 2048), (50_000, 1, 3, 16, 128), (135_000_000, 512, 30, 576, 1)]


def random_training_flops(rng: random.Random, size: int) -> tuple[int, ...]:
    return tuple(rng.randint(1, 3 + 40 * size) for _ in range(5))


def attention_left_out(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens


def forward_pass_only(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 2 * n * tokens + 4 * layers * dim * context * tokens


def backward_pass_only(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 4 * n * tokens + 8 * layers * dim * context * tokens


def attention_forward_only(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens + 4 * layers * dim * context * tokens


def attention_of_one_layer(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens + 12 * dim * context * tokens


def attention_once(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens + 12 * layers * dim * context


def six_for_attention(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens + 6 * layers * dim * context * tokens


def without_the_tokens(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n + 12 * layers * dim * context


def context_squared(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens + 12 * layers * dim * context**2 * tokens


def attention_backward_only(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens + 8 * layers * dim * context * tokens


def six_times_twelve(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * (n + 12 * layers * dim * context) * tokens


def tokens_for_the_context(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens + 12 * layers * dim * tokens**2


def attention_without_the_context(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 6 * n * tokens + 12 * layers * dim * tokens


def weights_of_every_layer(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return layers * (6 * n + 12 * dim * context) * tokens


def attention_alone(n: int, tokens: int, layers: int, dim: int, context: int) -> int:
    return 12 * layers * dim * context * tokens


# --------------------------------------------------------------------- 8.5 bits per byte


def bits_per_byte(loss: float, tokens: int, n_bytes: int) -> float:
    return loss * tokens / n_bytes / math.log(2)


def bits_per_byte_cases() -> Cases:
    return [(math.log(2), 100, 100), (3.2, 1_000, 4_100), (1.7, 57, 57), (0.0, 5, 20), (2.5, 90, 30)]


def random_bits_per_byte(rng: random.Random, size: int) -> tuple[float, int, int]:
    return rng.uniform(0.1, 8.0), rng.randint(1, 5 + 40 * size), rng.randint(1, 5 + 90 * size)


def nats_per_byte(loss: float, tokens: int, n_bytes: int) -> float:
    return loss * tokens / n_bytes


def bits_per_token(loss: float, tokens: int, n_bytes: int) -> float:
    return loss / math.log(2)


def quotient_upside_down(loss: float, tokens: int, n_bytes: int) -> float:
    return loss * n_bytes / tokens / math.log(2)


def times_ln_2(loss: float, tokens: int, n_bytes: int) -> float:
    return loss * tokens / n_bytes * math.log(2)


def bits_in_all(loss: float, tokens: int, n_bytes: int) -> float:
    return loss * tokens / math.log(2)


def loss_taken_for_a_sum(loss: float, tokens: int, n_bytes: int) -> float:
    return loss / n_bytes / math.log(2)


def eight_bits_to_a_byte(loss: float, tokens: int, n_bytes: int) -> float:
    return loss * tokens / (8 * n_bytes) / math.log(2)


def rounded_ln_2(loss: float, tokens: int, n_bytes: int) -> float:
    return loss * tokens / n_bytes / 0.693


def logarithm_of_the_loss(loss: float, tokens: int, n_bytes: int) -> float:
    return math.log2(loss) * tokens / n_bytes


EXERCISES = {
    "8.4": ExerciseFunctions(
        training_flops,
        training_flops_cases,
        (
            attention_left_out,
            forward_pass_only,
            backward_pass_only,
            attention_forward_only,
            attention_of_one_layer,
            attention_once,
            six_for_attention,
            without_the_tokens,
            context_squared,
            attention_backward_only,
            six_times_twelve,
            tokens_for_the_context,
            attention_without_the_context,
            weights_of_every_layer,
            attention_alone,
        ),
        random_training_flops,
    ),
    "8.5": ExerciseFunctions(
        bits_per_byte,
        bits_per_byte_cases,
        (
            nats_per_byte,
            bits_per_token,
            quotient_upside_down,
            times_ln_2,
            bits_in_all,
            loss_taken_for_a_sum,
            eight_bits_to_a_byte,
            rounded_ln_2,
            logarithm_of_the_loss,
        ),
        random_bits_per_byte,
    ),
}
