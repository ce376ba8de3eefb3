"""Exercises and quizzes of lab 04: bytes, bits, quantizers, caches and training memory, each with the mistakes that people make."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

from labutils.exercises.registry import Exercise, Mistake, Quiz

if TYPE_CHECKING:
    from torch import Tensor

BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int4": 4}


def _t(*values: float) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.float64)


def _gigabytes(parameters: int, dtype: str) -> float:
    return parameters * BITS[dtype] / 8 / 10**9


def _float_value(sign: int, exponent: int, mantissa: int, exponent_bits: int, mantissa_bits: int) -> float:
    bias = 2 ** (exponent_bits - 1) - 1
    if exponent == 0:
        return (-1.0) ** sign * 2.0 ** (1 - bias) * (mantissa / 2**mantissa_bits)
    return (-1.0) ** sign * 2.0 ** (exponent - bias) * (1 + mantissa / 2**mantissa_bits)


def _absmax(x: Tensor) -> tuple[Tensor, float]:
    scale = x.abs().max().item() / 127
    return (x / scale).round(), scale


def _zero_point(x: Tensor) -> tuple[Tensor, float, int]:
    low, high = min(x.min().item(), 0.0), max(x.max().item(), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    return ((x / scale).round() + zero_point).clamp(0, 255), scale, zero_point


def _zero_point_with(rounding: Any = round, steps: int = 255, keep_zero: bool = True, sign: int = 1, clamp: bool = True) -> Any:
    """`_zero_point` with one thing changed."""

    def wrong(x: Tensor) -> tuple[Tensor, float, int]:
        low, high = x.min().item(), x.max().item()
        if keep_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / steps
        zero_point = rounding(-sign * low / scale)
        codes = (x / scale).round() + zero_point
        return codes.clamp(0, 255) if clamp else codes, scale, zero_point

    return wrong


def _quantized_bytes(rows: int, columns: int, bits: int, block: int) -> int:
    blocks = rows * math.ceil(columns / block)
    return rows * columns * bits // 8 + blocks * 4


def _pack(codes: Tensor) -> Tensor:
    import torch

    return (codes[0::2] + 16 * codes[1::2]).to(torch.uint8)


def _as_bytes(codes: Tensor) -> Tensor:
    import torch

    return codes.to(torch.uint8)


def _kv_cache_bytes(
    layers: int, heads: int, kv_heads: int, head_dim: int, length: int, batch: int = 1, bytes_per_number: int = 4
) -> int:
    return 2 * layers * kv_heads * head_dim * length * batch * bytes_per_number


def _training_bytes(parameters: int, trainable: int, bytes_per_number: int = 4) -> dict[str, int]:
    return {
        "weights": parameters * bytes_per_number,
        "gradients": trainable * bytes_per_number,
        "optimizer": 2 * trainable * bytes_per_number,
    }


def _terms(weights: int, gradients: int, optimizer: int) -> dict[str, int]:
    return {"weights": weights, "gradients": gradients, "optimizer": optimizer}


@cache
def _exercises() -> tuple[Exercise, ...]:
    toy = _t(1.27, -0.5, 0.036, 0.0)
    outlier = _t(0.47, -0.36, 0.24, 12.7)
    negative = _t(-2.54, 1.0, 0.5, -0.1)
    positive = _t(0.0, 1.0, 2.55, 0.3)
    shifted = _t(-1.007, 1.543, 0.004, 0.7)
    far = _t(5.0, 5.1, 10.2)
    uneven = _t(-0.777, 1.3, 0.2, -0.05)
    return (
        Exercise(
            id="4.1",
            title="Parameters to gigabytes",
            reference=_gigabytes,
            cases=((10**9, "fp32"), (8 * 10**9, "fp32"), (7 * 10**9, "bf16"), (70 * 10**9, "int8"), (10**9, "int4")),
            mistakes=(
                Mistake("These are GiB (2**30 bytes). A gigabyte, GB, is 10**9 bytes.", lambda n, d: n * BITS[d] / 8 / 2**30),
                Mistake("These are gigabits: a byte has 8 bits.", lambda n, d: n * BITS[d] / 10**9),
                Mistake("These are bytes: divide by 10**9 for GB.", lambda n, d: n * BITS[d] / 8),
                Mistake(
                    "Every format is counted with 4 bytes a parameter; only fp32 takes that many.", lambda n, d: n * 4 / 10**9
                ),
            ),
            hints=(
                "How many bits does one parameter take in that format? How many bytes is that?",
                '`bits = {"fp32": 32, ...}[dtype]`; bytes are `parameters * bits / 8`; a GB is 10**9 of them.',
            ),
        ),
        Exercise(
            id="4.2",
            title="The value of a float's bits",
            reference=_float_value,
            cases=(
                (0, 127, 0, 8, 23),
                (1, 128, 2**22, 8, 23),
                (0, 16, 256, 5, 10),
                (0, 0, 1, 5, 10),
                (1, 134, 1, 8, 7),
                (0, 0, 0, 8, 7),
            ),
            mistakes=(
                Mistake(
                    "The hidden 1 is missing: a normal number is 1 + mantissa / 2**mantissa_bits.",
                    lambda s, e, m, eb, mb: (-1.0) ** s * 2.0 ** (e - 2 ** (eb - 1) + 1) * m / 2**mb,
                ),
                Mistake(
                    "The bias is one too large: it is 2**(exponent_bits - 1) - 1, so 127 for 8 bits.",
                    lambda s, e, m, eb, mb: _float_value(s, e, m, eb, mb) / 2,
                ),
                Mistake(
                    "The bias is not taken off the exponent.",
                    lambda s, e, m, eb, mb: (-1.0) ** s * 2.0**e * (1 + m / 2**mb),
                ),
                Mistake("The sign is ignored.", lambda s, e, m, eb, mb: _float_value(0, e, m, eb, mb)),
                Mistake(
                    "With exponent 0 the number is subnormal: no hidden 1, and the exponent is 1 - bias.",
                    lambda s, e, m, eb, mb: (-1.0) ** s * 2.0 ** (e - 2 ** (eb - 1) + 1) * (1 + m / 2**mb),
                ),
            ),
            hints=(
                "Three factors: the sign, a power of two, and a number from 1 up to 2. When the stored exponent is 0, the last two change.",
                "`bias = 2 ** (exponent_bits - 1) - 1`; normally `2.0 ** (exponent - bias) * (1 + mantissa / 2 ** mantissa_bits)`; with exponent 0 `2.0 ** (1 - bias) * (mantissa / 2 ** mantissa_bits)`.",
            ),
            atol=0.0,
        ),
        Exercise(
            id="4.3",
            title="Absmax quantization",
            reference=_absmax,
            cases=((toy,), (outlier,), (negative,)),
            mistakes=(
                Mistake(
                    "The scale is upside down: codes are x divided by it.",
                    lambda x: ((x / _absmax(x)[1]).round(), 127 / x.abs().max().item()),
                ),
                Mistake(
                    "It takes the largest value, not the largest magnitude: a large negative number then falls off the range.",
                    lambda x: ((x / (x.max().item() / 127)).round(), x.max().item() / 127),
                ),
                Mistake(
                    "It divides by 128: the code 128 does not exist in int8, so the largest magnitude becomes 127.",
                    lambda x: ((x / (x.abs().max().item() / 128)).round(), x.abs().max().item() / 128),
                ),
                Mistake("The codes are not rounded to whole numbers.", lambda x: (x / _absmax(x)[1], _absmax(x)[1])),
                Mistake(
                    "It rounds down (floor or trunc): round to the nearest, or the error doubles.",
                    lambda x: ((x / _absmax(x)[1]).floor(), _absmax(x)[1]),
                ),
                Mistake(
                    "It cuts off the decimals (`.int()` or `.trunc()`): round to the nearest, or the error doubles.",
                    lambda x: ((x / _absmax(x)[1]).trunc(), _absmax(x)[1]),
                ),
            ),
            hints=(
                "The largest magnitude has to become 127. What is one step worth then?",
                "`scale = x.abs().max().item() / 127`, then `(x / scale).round()`.",
            ),
        ),
        Exercise(
            id="4.4",
            title="Zero-point quantization",
            reference=_zero_point,
            cases=((positive,), (shifted,), (far,), (uneven,)),
            mistakes=(
                Mistake(
                    "The zero-point is cut off instead of rounded to the nearest: zero then sits up to a whole step beside its code.",
                    _zero_point_with(rounding=int),
                ),
                Mistake(
                    "The zero-point is not a whole number: it must be a code itself, or zero has no exact code.",
                    _zero_point_with(rounding=float),
                ),
                Mistake("There are 256 codes but only 255 steps between them.", _zero_point_with(steps=256)),
                Mistake(
                    "The range leaves 0 out where all numbers lie on one side of it: take min(low, 0) and max(high, 0).",
                    _zero_point_with(keep_zero=False),
                ),
                Mistake("The zero-point has the wrong sign: the lowest number has to land on code 0.", _zero_point_with(sign=-1)),
            ),
            hints=(
                "255 steps have to span the numbers and 0. The zero-point is the code on which 0 lands.",
                "`low = min(x.min().item(), 0.0)`, `high` likewise; `scale = (high - low) / 255`; `zero_point = round(-low / scale)`; codes are `(x / scale).round() + zero_point`, clamped to 0 ... 255.",
            ),
        ),
        Exercise(
            id="4.5",
            title="Bytes of a quantized matrix, scales included",
            reference=_quantized_bytes,
            cases=((4, 64, 8, 64), (576, 576, 4, 64), (576, 1536, 4, 32), (10, 100, 8, 64), (2, 6, 4, 4)),
            mistakes=(
                Mistake("The scales are forgotten: each block keeps one, in 4 bytes.", lambda r, c, b, k: r * c * b // 8),
                Mistake("A scale takes 4 bytes, not one.", lambda r, c, b, k: r * c * b // 8 + r * math.ceil(c / k)),
                Mistake(
                    "A short last block needs a scale too: round the number of blocks in a row up.",
                    lambda r, c, b, k: r * c * b // 8 + r * (c // k) * 4,
                ),
                Mistake(
                    "Each value is counted with a byte: with 4 bits, two share one.",
                    lambda r, c, b, k: r * c + r * math.ceil(c / k) * 4,
                ),
                Mistake(
                    "There is one scale a row here; with blocks there are several.", lambda r, c, b, k: r * c * b // 8 + r * 4
                ),
                Mistake(
                    "The blocks run across the ends of rows: they start afresh in each row.",
                    lambda r, c, b, k: r * c * b // 8 + math.ceil(r * c / k) * 4,
                ),
            ),
            hints=(
                "Two sums: the codes, and the scales. How many blocks does a row have if the last may be short?",
                "`blocks = rows * math.ceil(columns / block)`; codes take `rows * columns * bits // 8` bytes, scales `blocks * 4`.",
            ),
        ),
        Exercise(
            id="4.6",
            title="Two 4-bit codes in a byte",
            reference=_pack,
            cases=((_codes(3, 10),), (_codes(0, 15, 15, 0, 7, 8),), (_codes(1, 2, 3, 4),)),
            mistakes=(
                Mistake(
                    "The two halves are exchanged: the first code of a pair goes into the low four bits.",
                    lambda c: _as_bytes(16 * c[0::2] + c[1::2]),
                ),
                Mistake(
                    "The second code is not moved up: multiply it by 16, or shift it by 4.",
                    lambda c: _as_bytes(c[0::2] + c[1::2]),
                ),
                Mistake(
                    "It shifts by 8, out of the byte: four bits are enough.",
                    lambda c: _as_bytes(c[0::2]),
                ),
                Mistake(
                    "It pairs the first half of the codes with the second half: a byte takes neighbours.",
                    lambda c: _as_bytes(c[: len(c) // 2] + 16 * c[len(c) // 2 :]),
                ),
            ),
            hints=(
                "`codes[0::2]` are the first of each pair, `codes[1::2]` the second. How do you move a code up by four bits?",
                "`first + 16 * second` (or `first | second << 4`), as `torch.uint8`.",
            ),
        ),
        Exercise(
            id="4.7",
            title="Bytes of the key-value cache",
            reference=_kv_cache_bytes,
            cases=((30, 9, 3, 64, 100), (32, 32, 8, 128, 8192, 1, 2), (2, 4, 4, 8, 10, 3, 4), (80, 64, 8, 128, 1000, 2, 2)),
            mistakes=(
                Mistake(
                    "It counts the query heads. Only keys and values are kept, and several query heads share one pair: take kv_heads.",
                    lambda n, h, kv, d, t, b=1, w=4: 2 * n * h * d * t * b * w,
                ),
                Mistake(
                    "Only one of keys and values is counted: there are two tensors in each layer.",
                    lambda n, h, kv, d, t, b=1, w=4: n * kv * d * t * b * w,
                ),
                Mistake(
                    "It is the cache of one layer: every layer keeps its own.",
                    lambda n, h, kv, d, t, b=1, w=4: 2 * kv * d * t * b * w,
                ),
                Mistake(
                    "It ignores the batch: each sequence has a cache of its own.",
                    lambda n, h, kv, d, t, b=1, w=4: 2 * n * kv * d * t * w,
                ),
                Mistake(
                    "The length is squared. A cache has one key and one value a token; only the attention scores grow with the square.",
                    lambda n, h, kv, d, t, b=1, w=4: 2 * n * kv * d * t * t * b * w,
                ),
            ),
            hints=(
                "For each token, each layer keeps one key and one value. How long are they, and which heads have them?",
                "Seven factors: 2 (keys and values), layers, kv_heads, head_dim, length, batch, bytes_per_number.",
            ),
        ),
        Exercise(
            id="4.8",
            title="Training memory by term",
            reference=_training_bytes,
            cases=((100, 100), (135_000_000, 135_000_000), (135_000_000, 1_000_000), (8 * 10**9, 20_000_000, 2)),
            mistakes=(
                Mistake(
                    "Adam keeps two numbers for each trained parameter, the running means of the gradient and of its square.",
                    lambda p, t, w=4: _terms(p * w, t * w, t * w),
                ),
                Mistake(
                    "Frozen weights have no gradients: count the trainable ones.",
                    lambda p, t, w=4: _terms(p * w, p * w, 2 * t * w),
                ),
                Mistake(
                    "The optimizer keeps nothing for frozen weights: count the trainable ones, for gradients and for both states.",
                    lambda p, t, w=4: _terms(p * w, p * w, 2 * p * w),
                ),
                Mistake(
                    "Frozen weights take their memory too: all of them are needed for the forward pass.",
                    lambda p, t, w=4: _terms(t * w, t * w, 2 * t * w),
                ),
                Mistake(
                    "Every number is counted with 4 bytes, whatever bytes_per_number says.",
                    lambda p, t, w=4: _training_bytes(p, t, 4),
                ),
            ),
            hints=(
                "Which of the three terms is there for every weight, and which only for those that are trained?",
                "weights: `parameters * bytes_per_number`; gradients: the same with `trainable`; optimizer: twice the gradients.",
            ),
        ),
    )


def _codes(*values: int) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.uint8)


EXERCISES = _exercises()

QUIZZES = (
    Quiz(
        id="4.a",
        question="A model has 8 billion parameters in bf16. Your card has 16 GiB. Do the weights fit?",
        options=(
            "Yes: 16 GB are less than 16 GiB, so it runs",
            "The weights fit, but not much else does",
            "No: it takes 32 GB",
        ),
        right=1,
        why=(
            "The weights do fit: 16 GB are 14.9 GiB. Running it also takes the key-value cache, the activations and the framework, "
            "and 1.1 GiB are left for all of them.",
            "16 GB are 14.9 GiB. The 1.1 GiB that are left must hold the key-value cache, the activations and the framework.",
            "That is fp32. bf16 takes 2 bytes a parameter.",
        ),
    ),
    Quiz(
        id="4.b",
        question="Why did bf16 replace fp16 for training large models?",
        options=(
            "It is more precise",
            "It takes less memory",
            "It has fp32's range, so gradients neither overflow nor vanish",
        ),
        right=2,
        why=(
            "It is less precise: 7 mantissa bits against fp16's 10.",
            "Both take two bytes.",
            "It has fp32's 8 exponent bits. The price is precision, which is why sums are kept in fp32.",
        ),
    ),
    Quiz(
        id="4.c",
        question="int8 weights with one scale a row hardly hurt the model; int8 layers that round their input too hurt it a lot. Why?",
        options=(
            "int8 multiplication is inexact",
            "A few inputs are hundreds of times larger than the rest, and one scale must cover them all",
            "There are more activations than weights",
        ),
        right=1,
        why=(
            "Whole numbers multiply exactly; the loss is in the rounding before.",
            "With one scale for the whole input, the step is set by the outlier, and the ordinary values round to a handful of codes.",
            "How many there are does not matter; how far the largest stands from the rest does.",
        ),
    ),
    Quiz(
        id="4.d",
        question="With LoRA only about one parameter in a hundred is trained. By how much does the memory of a training step shrink?",
        options=(
            "To about a hundredth",
            "Gradients and optimizer state nearly vanish; weights and most activations stay",
            "Not at all",
        ),
        right=1,
        why=(
            "Only what is kept per trained parameter shrinks a hundredfold. The weights stay, and so do the activations.",
            "How much that is of the whole depends on the sequence length: with long sequences activations rule, and they stay.",
            "Gradients and Adam's two states are three times the weights in full fine-tuning, and they nearly vanish.",
        ),
    ),
)
