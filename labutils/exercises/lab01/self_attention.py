"""Self-attention: scaled dot products, the causal mask, heads."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import DTYPES, batch_shape, drawn, whole
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal
from labutils.transformer import attention
from labutils.transformer.attention import MINUS_INFINITY, split_heads

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
        tuple(normal(42, (1, 1), (1, 1), (1, 1))),
        tuple(x.float() for x in normal(43, (1, 3, 1, 4), (1, 3, 5, 4), (1, 3, 5, 2))),  # the newest query against a cache
        (50 * torch.eye(3)[2:], 4 * torch.eye(3), torch.tensor([[10.0], [20.0], [30.0]])),  # exp(115) overflows in float32
        (keys[:2] * -2000, keys, float64([1.0], [2.0], [4.0])),
    ]


def random_attend(rng: random.Random, size: int) -> tuple[Tensor, Tensor, Tensor]:
    batch, dtype = batch_shape(rng, size), rng.choice(DTYPES)
    queries, keys, dim, out = (1 + rng.randrange(1 + size // 3) for _ in range(4))
    shapes = ((*batch, queries, dim), (*batch, keys, dim))
    if size % 4 == 3:  # scores whose exponential overflows in float32
        q, k = (whole(rng, *shape, largest=20, dtype=dtype) for shape in shapes)
    else:
        q, k = (drawn(rng, *shape, spread=1.5, dtype=dtype) for shape in shapes)
    return q, k, drawn(rng, *batch, keys, out, dtype=dtype)


def softmax_over_the_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return scaled_scores(q, k).softmax(-2) @ v


def no_scaling(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT).softmax(-1) @ v


def divides_by_d(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / q.shape[-1]).softmax(-1) @ v


def divides_by_eight(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / 8).softmax(-1) @ v


def no_softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return scaled_scores(q, k) @ v


def scales_after_the_softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT).softmax(-1) / q.shape[-1] ** 0.5 @ v


def softmax_over_dimension_one(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return scaled_scores(q, k).softmax(1) @ v


def sees_the_past_only(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def divides_by_the_root_of_the_length(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / k.shape[-2] ** 0.5).softmax(-1) @ v


# ----------------------------------------------------------------------------------------- 1.5 causal mask


def causal_weights(scores: Tensor) -> Tensor:
    visible = attention.causal_mask(scores.shape[-1]).to(scores.device)
    return scores.masked_fill(~visible, MINUS_INFINITY).softmax(-1)


def seen(scores: Tensor, ahead: int = 0) -> Tensor:
    """True where a query may look, if it sees its own position and so many positions ahead."""
    return torch.ones_like(scores, dtype=torch.bool).tril(ahead)


def causal_weights_cases() -> Cases:
    matrices, single = normal(15, (2, 4, 4), (1, 1))
    return [
        (float64([0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 1.0, 0.0]),),
        (matrices,),
        (single,),
        (matrices[:, None].float(),),  # texts, heads, queries, keys
        (matrices.float() * 200,),  # exp(200) overflows in float32
        (matrices - 300,),
        (torch.zeros(3, 3),),
    ]


def random_causal_weights(rng: random.Random, size: int) -> tuple[Tensor]:
    length, level, spread = 1 + size // 3, rng.choice((0, 0, -250, 250)), rng.choice((1.0, 1.0, 4.0, 20_000.0))
    scores = drawn(rng, *batch_shape(rng, size), length, length, spread=spread, dtype=rng.choice(DTYPES)) + level
    return (scores.round() if size % 4 == 1 else scores,)


def masks_after_the_softmax(scores: Tensor) -> Tensor:
    return scores.softmax(-1) * seen(scores)


def masks_the_past(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores).mT, MINUS_INFINITY).softmax(-1)


def sees_one_position_ahead(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores, ahead=1), MINUS_INFINITY).softmax(-1)


def masks_the_present(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores, ahead=-1), -1e9).softmax(-1)


def masks_the_present_with_infinity(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores, ahead=-1), MINUS_INFINITY).softmax(-1)


def masks_what_may_be_seen(scores: Tensor) -> Tensor:
    return scores.masked_fill(seen(scores), MINUS_INFINITY).softmax(-1)


def multiplies_by_infinity(scores: Tensor) -> Tensor:
    return (scores + torch.ones_like(scores).triu(1) * MINUS_INFINITY).softmax(-1)


def softmax_down_the_columns(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores), MINUS_INFINITY).softmax(-2)


def returns_the_masked_scores(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores), MINUS_INFINITY)


def no_mask(scores: Tensor) -> Tensor:
    return scores.softmax(-1)


def masks_with_zero(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores), 0.0).softmax(-1)


def hides_with_a_small_score(scores: Tensor) -> Tensor:
    return scores.masked_fill(~seen(scores), -100.0).softmax(-1)


# ------------------------------------------------------------------------------------ 1.6 split into heads


def split_heads_cases() -> Cases:
    numbered = torch.arange(24, dtype=torch.float64).reshape(1, 3, 8)
    (numbers,) = normal(16, (2, 5, 12))
    return [
        (numbered, 2),
        (numbered, 4),
        (numbers, 3),
        (numbers, 1),
        (numbers.float(), 12),
        (numbers[:, :3, :9], 3),  # heads, length and the size of a head are all 3
        (numbers[:1, :1, :1], 1),
    ]


def random_split_heads(rng: random.Random, size: int) -> tuple[Tensor, int]:
    texts, length, heads, each = (1 + rng.randrange(1 + size // 4) for _ in range(4))
    return drawn(rng, texts, length, heads * each, dtype=rng.choice(DTYPES)), heads


def reshapes_without_transposing(x: Tensor, heads: int) -> Tensor:
    return x.reshape(x.shape[0], heads, x.shape[1], -1)


def leaves_the_heads_behind(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1))


def puts_the_heads_first(x: Tensor, heads: int) -> Tensor:
    return torch.stack(x.chunk(heads, dim=-1))


def interleaves_the_heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)


EXERCISES = {
    "1.4": ExerciseFunctions(
        attend,
        attend_cases,
        (
            softmax_over_the_queries,
            no_scaling,
            divides_by_d,
            divides_by_eight,
            no_softmax,
            scales_after_the_softmax,
            divides_by_the_root_of_the_length,
            softmax_over_dimension_one,
            sees_the_past_only,
        ),
        random_attend,
    ),
    "1.5": ExerciseFunctions(
        causal_weights,
        causal_weights_cases,
        (
            masks_after_the_softmax,
            masks_the_past,
            sees_one_position_ahead,
            masks_the_present,
            masks_the_present_with_infinity,
            masks_what_may_be_seen,
            no_mask,
            masks_with_zero,
            hides_with_a_small_score,
            multiplies_by_infinity,
            softmax_down_the_columns,
            returns_the_masked_scores,
        ),
        random_causal_weights,
    ),
    "1.6": ExerciseFunctions(
        split_heads,
        split_heads_cases,
        (
            reshapes_without_transposing,
            interleaves_the_heads,
            leaves_the_heads_behind,
            puts_the_heads_first,
        ),
        random_split_heads,
    ),
}
