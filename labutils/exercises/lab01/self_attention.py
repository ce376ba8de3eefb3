"""Self-attention: rotary positions, scaled dot products, the causal mask, heads."""

from __future__ import annotations

import torch
from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal
from labutils.transformer import attention
from labutils.transformer.attention import MINUS_INFINITY, split_heads

# ------------------------------------------------------------------------------------ 1.3 rotary positions


def rotate(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return turn_pairs(x, positions[:, None] * rotation_speeds(x, base))


def rotation_speeds(x: Tensor, base: float, exponent: float = -1.0) -> Tensor:
    """Angles (d/2,) by which one position more turns the pairs of x (..., T, d)."""
    half = x.shape[-1] // 2
    return base ** (exponent * torch.arange(half, dtype=torch.float64) / half)


def turn_pairs(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair (i, i + d/2) of x (..., T, d) by angles (T, d/2)."""
    both = torch.cat([angles, angles], dim=-1)
    return attention.rotate(x, both.cos(), both.sin())


def rotate_cases() -> Cases:
    (random,) = normal(13, (2, 3, 8))
    return [
        (float64([1.0, 0.0], [1.0, 0.0]), float64(0.0, 1.0)),
        (float64([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]), float64(1.0, 3.0)),
        (random, float64(0.0, 5.0, 9.0), 100.0),
    ]


def pairs_neighbours(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    angles = positions[:, None] * rotation_speeds(x, base)
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = [even * angles.cos() - odd * angles.sin(), odd * angles.cos() + even * angles.sin()]
    return torch.stack(pairs, dim=-1).flatten(-2).to(x)


def turns_the_other_way(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return rotate(x, -positions, base)


def speeds_fall_too_slowly(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return turn_pairs(x, positions[:, None] * rotation_speeds(x, base, exponent=-0.5))


def one_speed_for_all_pairs(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return turn_pairs(x, positions[:, None] * torch.ones(x.shape[-1] // 2))


# ------------------------------------------------------------------------ 1.4 scaled dot-product attention


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attention.scaled_dot_product(q, k, v)[0]


def scaled_scores(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.mT / q.shape[-1] ** 0.5


def attend_cases() -> Cases:
    keys = float64([1.0, 0.0], [0.0, 1.0], [1.0, 1.0])
    return [
        (keys[:2] * 2, keys, float64([1.0], [2.0], [4.0])),
        tuple(normal(14, (4, 8), (4, 8), (4, 8))),
        tuple(normal(41, (2, 3, 5), (2, 6, 5), (2, 6, 7))),
    ]


def softmax_over_the_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return scaled_scores(q, k).softmax(-2) @ v


def no_scaling(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT).softmax(-1) @ v


def divides_by_d(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / q.shape[-1]).softmax(-1) @ v


def no_softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return scaled_scores(q, k) @ v


def scales_after_the_softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT).softmax(-1) / q.shape[-1] ** 0.5 @ v


# ----------------------------------------------------------------------------------------- 1.5 causal mask


def causal_weights(scores: Tensor) -> Tensor:
    visible = attention.causal_mask(scores.shape[-1]).to(scores.device)
    return scores.masked_fill(~visible, MINUS_INFINITY).softmax(-1)


def seen(scores: Tensor, ahead: int = 0) -> Tensor:
    """True where a query may look, if it sees its own position and so many positions ahead."""
    return torch.ones_like(scores, dtype=torch.bool).tril(ahead)


def causal_weights_cases() -> Cases:
    matrices, single = normal(15, (2, 4, 4), (1, 1))
    return [(float64([0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 1.0, 0.0]),), (matrices,), (single,)]


def masks_after_the_softmax(scores: Tensor) -> Tensor:
    return scores.softmax(-1) * seen(scores)


def masks_the_past(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores).mT, MINUS_INFINITY).softmax(-1)


def sees_one_position_ahead(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores, ahead=1), MINUS_INFINITY).softmax(-1)


def masks_the_present(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores, ahead=-1), -1e9).softmax(-1)


def no_mask(scores: Tensor) -> Tensor:
    return scores.softmax(-1)


def masks_with_zero(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores), 0.0).softmax(-1)


# ------------------------------------------------------------------------------------ 1.6 split into heads


def split_heads_cases() -> Cases:
    numbered = torch.arange(24, dtype=torch.float64).reshape(1, 3, 8)
    (random,) = normal(16, (2, 5, 12))
    return [(numbered, 2), (numbered, 4), (random, 3)]


def reshapes_without_transposing(x: Tensor, heads: int) -> Tensor:
    return x.reshape(x.shape[0], heads, x.shape[1], -1)


def interleaves_the_heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)


EXERCISES = {
    "1.3": ExerciseFunctions(
        rotate, rotate_cases, (pairs_neighbours, turns_the_other_way, speeds_fall_too_slowly, one_speed_for_all_pairs)
    ),
    "1.4": ExerciseFunctions(
        attend, attend_cases, (softmax_over_the_queries, no_scaling, divides_by_d, no_softmax, scales_after_the_softmax)
    ),
    "1.5": ExerciseFunctions(
        causal_weights,
        causal_weights_cases,
        (masks_after_the_softmax, masks_the_past, sees_one_position_ahead, masks_the_present, no_mask, masks_with_zero),
    ),
    "1.6": ExerciseFunctions(split_heads, split_heads_cases, (reshapes_without_transposing, interleaves_the_heads)),
}
