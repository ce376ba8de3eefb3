"""Exercises and quizzes of lab 01: each check with the mistakes that people really make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from labutils.exercises.registry import Exercise, Mistake, Quiz
from labutils.transformer import attention

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple[int, int]


# ------------------------------------------------------------------------------------------------ byte-pair encoding


def _merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    merged: list[int] = []
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def _merge_without_skipping(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    return [new if tuple(ids[i : i + 2]) == pair else ids[i] for i in range(len(ids))]


def _merge_first_only(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    places = [i for i in range(len(ids)) if tuple(ids[i : i + 2]) == pair][:1]
    return [*ids[: places[0]], new, *ids[places[0] + 2 :]] if places else list(ids)


def _merge_from_the_right(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    return _merge(ids[::-1], (pair[1], pair[0]), new)[::-1]


def _merge_losing_the_last(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    merged: list[int] = []
    i = 0
    while i < len(ids) - 1:
        found = (ids[i], ids[i + 1]) == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


def _merge_both_orders(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    merged: list[int] = []
    i = 0
    while i < len(ids):
        found = sorted(ids[i : i + 2]) == sorted(pair)
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged


def _encode(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    result = list(ids)
    for pair, new in merges.items():
        result = _merge(result, pair, new)
    return result


def _encode_newest_first(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    return _encode(ids, dict(reversed(list(merges.items()))))


def _encode_leftmost_first(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    """Out of order: whichever known pair stands furthest to the left is merged next."""
    result = list(ids)
    while True:
        known = [i for i in range(len(result) - 1) if (result[i], result[i + 1]) in merges]
        if not known:
            return result
        result[known[0] : known[0] + 2] = [merges[result[known[0]], result[known[0] + 1]]]


def _encode_one_merge(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    for pair, new in merges.items():
        if pair in pairwise(ids):
            return _merge(ids, pair, new)
    return list(ids)


def _encode_from_the_bytes(ids: Sequence[int], merges: Mapping[Pair, int]) -> list[int]:
    """One pass from left to right over the bytes; what it makes is never looked at again."""
    result: list[int] = []
    i = 0
    while i < len(ids):
        new = merges.get(tuple(ids[i : i + 2]))  # type: ignore[arg-type]
        result.append(ids[i] if new is None else new)
        i += 1 if new is None else 2
    return result


# ------------------------------------------------------------------------------------------------ vectors and attention


def _speeds(half: int, base: float, power: float = 1.0) -> Tensor:
    import torch

    return base ** (-power * torch.arange(half, dtype=torch.float64) / half)


def _turn(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair (i, i + d/2) of x (..., T, d) by angles (T, d/2)."""
    import torch

    both = torch.cat([angles, angles], dim=-1)
    return attention.rotate(x, both.cos(), both.sin())


def _rotate(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    return _turn(x, positions[:, None] * _speeds(x.shape[-1] // 2, base))


def _rotate_interleaved(x: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    import torch

    angles = positions[:, None] * _speeds(x.shape[-1] // 2, base)
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = [even * angles.cos() - odd * angles.sin(), odd * angles.cos() + even * angles.sin()]
    return torch.stack(pairs, dim=-1).flatten(-2).to(x)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attention.scaled_dot_product(q, k, v)[0]


def _scores(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5


def _before(scores: Tensor, diagonal: int = 0) -> Tensor:
    """True at the places that a query may see."""
    import torch

    return torch.ones_like(scores, dtype=torch.bool).tril(diagonal)


def _causal_weights(scores: Tensor) -> Tensor:
    return scores.masked_fill(~_before(scores), attention.MINUS_INFINITY).softmax(-1)


def _interleaved_heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)


def _read_out(h: Tensor, gain: Tensor, unembedding: Tensor, eps: float = 1e-5) -> Tensor:
    return attention.rms_norm(h, gain, eps) @ unembedding.T


# ------------------------------------------------------------------------------------------------ generating


@dataclass(frozen=True)
class ToyModel:
    """A stand-in for a model in the checks: the next token is the sum of all ids so far, modulo the size of the vocabulary."""

    vocabulary: int = 7

    def __repr__(self) -> str:
        """What a verdict shows in the place of the function."""
        return f"<next token: sum of the ids modulo {self.vocabulary}>"

    def __call__(self, ids: Sequence[int]) -> Tensor:
        """Logits (V,) for the token after ids."""
        import torch

        logits = -torch.arange(self.vocabulary, dtype=torch.float64)
        logits[sum(ids) % self.vocabulary] = 5.0
        return logits


def _generate(next_logits: Callable, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    added: list[int] = []
    while len(added) < max_new_tokens and end not in added:
        added.append(int(next_logits([*ids, *added]).argmax()))
    return added


def _generate_from_newest(next_logits: Callable, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    added: list[int] = []
    while len(added) < max_new_tokens and end not in added:
        added.append(int(next_logits(added[-1:] or ids).argmax()))
    return added


def _generate_up_to_total(next_logits: Callable, ids: Sequence[int], end: int, max_new_tokens: int) -> list[int]:
    return _generate(next_logits, ids, end, max(0, max_new_tokens - len(ids)))


@cache
def _exercises() -> tuple[Exercise, ...]:
    import torch

    generator = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def t(values: Any) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)

    learned = {(1, 2): 10, (2, 3): 11, (10, 3): 12, (11, 4): 13, (12, 12): 14, (3, 1): 15}
    words = t([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    numbered = torch.arange(24, dtype=torch.float64).reshape(1, 3, 8)
    four, gain, table = t([3.0, -1.0, 2.0, 4.0]), t([1.0, 2.0, 0.5, 1.0]), random(5, 4)
    toy = ToyModel()
    return (
        Exercise(
            id="1.1",
            title="Merge a pair",
            reference=_merge,
            cases=(
                ([1, 2, 3, 1, 2], (1, 2), 9),
                ([1, 1, 1], (1, 1), 9),
                ([1, 2, 3], (1, 2), 9),
                ([2, 1, 2, 1], (1, 2), 9),
                ([4], (4, 4), 9),
            ),
            mistakes=(
                Mistake("The second half of a merged pair is still there: step over both of them.", _merge_without_skipping),
                Mistake("It merges the first occurrence only: go on to the end.", _merge_first_only),
                Mistake("It works from right to left: in 1 1 1 the first two belong together.", _merge_from_the_right),
                Mistake("The last id is lost when it is not half of a pair.", _merge_losing_the_last),
                Mistake("It merges the pair in both orders: (1, 2) is not (2, 1).", _merge_both_orders),
            ),
            hints=(
                "Walk along the list with an index. Where the pair starts, write the new id and go two steps; elsewhere copy and go one.",
                "`while i < len(ids):` and `tuple(ids[i : i + 2]) == pair`: the slice at the very end is shorter and equals no pair.",
            ),
        ),
        Exercise(
            id="1.2",
            title="Encode with merges in their order",
            reference=_encode,
            cases=(
                ([1, 2, 3, 4], learned),
                ([3, 1, 2], learned),
                ([2, 3, 4], learned),
                ([1, 2, 3, 1, 2, 3], learned),
                ([0, 3, 1, 2, 3, 4], learned),
                ([7], learned),
            ),
            mistakes=(
                Mistake(
                    "The merges are applied out of order: the newest comes first in yours. First learned, first applied.",
                    _encode_newest_first,
                ),
                Mistake(
                    "The merges are applied out of order: yours merges what stands furthest left. First learned, first applied.",
                    _encode_leftmost_first,
                ),
                Mistake("It stops after one merge: go through all of them, in order.", _encode_one_merge),
                Mistake("It never merges what it has merged: a new token can be half of a later pair.", _encode_from_the_bytes),
            ),
            hints=(
                "The order in which the merges were learned is the order in which they act. A dict keeps its order.",
                "`for pair, new in merges.items():` and in the loop your `merge` on what the round before it left.",
            ),
        ),
        Exercise(
            id="1.3",
            title="Rotary positions",
            reference=_rotate,
            cases=(
                (t([[1.0, 0.0], [1.0, 0.0]]), t([0.0, 1.0])),
                (t([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]]), t([1.0, 3.0])),
                (random(2, 3, 8), t([0.0, 5.0, 9.0]), 100.0),
            ),
            mistakes=(
                Mistake(
                    "The pairs are interleaved (2i with 2i + 1): here place i belongs with place i + d/2, as in the model's weights.",
                    _rotate_interleaved,
                ),
                Mistake(
                    "It turns the other way: check the two signs.",
                    lambda x, positions, base=10_000.0: _rotate(x, -positions, base),
                ),
                Mistake(
                    "The speeds fall too slowly: the exponent runs from 0 towards -1 over the d/2 pairs.",
                    lambda x, positions, base=10_000.0: _turn(x, positions[:, None] * _speeds(x.shape[-1] // 2, base, 0.5)),
                ),
                Mistake(
                    "All pairs turn at the same speed: each is slower than the one before.",
                    lambda x, positions, base=10_000.0: _turn(x, positions[:, None] * torch.ones(x.shape[-1] // 2)),
                ),
            ),
            hints=(
                "Turning (a, b) by an angle gives (a cos - b sin, b cos + a sin). Here a is the first half of the vector, b the second.",
                "`angles = positions[:, None] * speeds` has the shape (T, d/2). Join the two turned halves with `torch.cat([...], dim=-1)`.",
            ),
        ),
        Exercise(
            id="1.4",
            title="Scaled dot-product attention",
            reference=_attend,
            cases=(
                (words[:2] * 2, words, t([[1.0], [2.0], [4.0]])),
                (random(4, 8), random(4, 8), random(4, 8)),
                (random(2, 3, 5), random(2, 6, 5), random(2, 6, 7)),
            ),
            mistakes=(
                Mistake(
                    "The softmax runs over the wrong axis: each query's weights, a row, must sum to one.",
                    lambda q, k, v: _scores(q, k).softmax(-2) @ v,
                ),
                Mistake("There is no scaling: divide the scores by the root of d.", lambda q, k, v: (q @ k.mT).softmax(-1) @ v),
                Mistake("It divides by d instead of by the root of d.", lambda q, k, v: (q @ k.mT / q.shape[-1]).softmax(-1) @ v),
                Mistake("There is no softmax: the weights must be positive and sum to one.", lambda q, k, v: _scores(q, k) @ v),
                Mistake(
                    "The scaling comes after the softmax: divide the scores, not the weights.",
                    lambda q, k, v: (q @ k.mT).softmax(-1) / q.shape[-1] ** 0.5 @ v,
                ),
            ),
            hints=(
                "Scores, softmax, average: the three steps of the loop, each now one operation on matrices.",
                "`q @ k.transpose(-2, -1)` holds all dot products, one row a query. The softmax runs along a row, `dim=-1`.",
            ),
        ),
        Exercise(
            id="1.5",
            title="Causal mask",
            reference=_causal_weights,
            cases=((t([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 1.0, 0.0]]),), (random(2, 4, 4),), (random(1, 1),)),
            mistakes=(
                Mistake(
                    "The mask comes after the softmax: the future has already taken its share, and rows no longer sum to one.",
                    lambda s: s.softmax(-1) * _before(s),
                ),
                Mistake(
                    "It lets the future in and hides the past: the triangle is the wrong one.",
                    lambda s: s.masked_fill(~_before(s).mT, attention.MINUS_INFINITY).softmax(-1),
                ),
                Mistake(
                    "It lets one position of the future in: a token may see itself and what came before.",
                    lambda s: s.masked_fill(~_before(s, 1), attention.MINUS_INFINITY).softmax(-1),
                ),
                Mistake(
                    "It hides the present: a token may look at itself too.",
                    lambda s: s.masked_fill(~_before(s, -1), -1e9).softmax(-1),
                ),
                Mistake("No mask yet: the future is visible.", lambda s: s.softmax(-1)),
                Mistake(
                    "Hidden scores are set to 0, which is a respectable score: use minus infinity, whose exponential is 0.",
                    lambda s: s.masked_fill(~_before(s), 0.0).softmax(-1),
                ),
            ),
            hints=(
                "Row t belongs to the query at position t. Which columns may it see? Hide the others before the softmax.",
                "`torch.ones(T, T, dtype=torch.bool).triu(1)` is True above the diagonal; `scores.masked_fill(hidden, float('-inf'))`.",
            ),
        ),
        Exercise(
            id="1.6",
            title="Split into heads",
            reference=attention.split_heads,
            cases=((numbered, 2), (numbered, 4), (random(2, 5, 12), 3)),
            mistakes=(
                Mistake(
                    "It reshapes without transposing: the shape is right, but a head holds numbers of the wrong positions.",
                    lambda x, heads: x.reshape(x.shape[0], heads, x.shape[1], -1),
                ),
                Mistake(
                    "A head takes every H-th number: it should take a run of neighbours.",
                    _interleaved_heads,
                ),
            ),
            hints=(
                "Two steps: cut the last dimension in (H, E), then bring H in front of T.",
                "`x.reshape(B, T, heads, -1)` cuts; `.transpose(1, 2)` exchanges the dimensions T and H.",
            ),
        ),
        Exercise(
            id="1.7",
            title="Read the residual stream",
            reference=_read_out,
            cases=((four, gain, torch.eye(4, dtype=torch.float64)), (four * 100, gain, table), (random(4) * 0.01, gain, table)),
            mistakes=(
                Mistake("The norm is missing: the stream is read without it.", lambda h, g, u, eps=1e-5: h @ u.T),
                Mistake(
                    "The mean is taken off: that is layer norm. RMS norm only scales.",
                    lambda h, g, u, eps=1e-5: attention.layer_norm(h, g, torch.zeros_like(g), eps) @ u.T,
                ),
                Mistake("The gain is missing.", lambda h, g, u, eps=1e-5: _read_out(h, torch.ones_like(g), u, eps)),
                Mistake(
                    "It divides by the vector's length: take the root of the *mean* square, not of the sum.",
                    lambda h, g, u, eps=1e-5: h / (h.square().sum(-1, keepdim=True) + eps).sqrt() * g @ u.T,
                ),
                Mistake(
                    "It returns probabilities: logits are asked for.",
                    lambda h, g, u, eps=1e-5: _read_out(h, g, u, eps).softmax(-1),
                ),
            ),
            hints=(
                "First bring the vector to a mean square of one, then multiply by the gain, then compare it with each row of the table.",
                "`(h.square().mean(-1, keepdim=True) + eps).sqrt()` is what h is divided by; `@ unembedding.T` gives one number a token.",
            ),
        ),
        Exercise(
            id="1.8",
            title="The generate loop",
            reference=_generate,
            cases=((toy, [1, 2], 0, 4), (toy, [1, 4], 3, 10), (toy, [3], 6, 8), (toy, [2, 2], 4, 5)),
            mistakes=(
                Mistake("It goes on after the end token.", lambda n, ids, end, m: _generate(n, ids, -1, m)),
                Mistake(
                    "The end token is missing from the result: it was generated too.",
                    lambda n, ids, end, m: [i for i in _generate(n, ids, end, m) if i != end],
                ),
                Mistake(
                    "It returns the prompt as well: only what was added is asked for.",
                    lambda n, ids, end, m: [*ids, *_generate(n, ids, end, m)],
                ),
                Mistake("It shows the model only the newest token: the model needs everything so far.", _generate_from_newest),
                Mistake("It adds one token too many.", lambda n, ids, end, m: _generate(n, ids, end, m + 1)),
                Mistake("It counts the prompt in: max_new_tokens limits what is added.", _generate_up_to_total),
            ),
            hints=(
                "A list of what was added. In each round: logits for everything so far, the largest, append, stop if it is the end token.",
                "`int(next_logits(ids + added).argmax())` is the next token; `ids + added` makes a new list and leaves `ids` alone.",
            ),
        ),
    )


EXERCISES = _exercises()

QUIZZES = (
    Quiz(
        id="1.a",
        question="You fine-tune a model and want to use a tokenizer with better French. What happens if you just swap the tokenizer?",
        options=(
            "French gets cheaper, nothing else changes",
            "The model reads garbage: its table was learned for the old ids",
            "The model is a little worse at first and gets used to it while it generates",
        ),
        right=1,
        why=(
            "The number of tokens would fall, but each id would pick a row that was learned for another piece of text.",
            "An id is only a row number. Another tokenizer gives the same rows to other pieces, so every vector is the wrong one.",
            "Nothing is learned while a model generates: its weights stay as they are.",
        ),
    ),
    Quiz(
        id="1.b",
        question="In self-attention, what are the keys and the values of a token?",
        options=(
            "The same vector under two names",
            "Two separate projections of the token's hidden state",
            "The key comes from the token, the value from the next token",
        ),
        right=1,
        why=(
            "They come from the same input, through two different weight matrices. That they are one vector holds in some toy examples only.",
            "W_K makes the key (what can be matched), W_V the value (what is handed over). Both are learned.",
            "Both come from the same token; what is looked at later decides whose values are averaged.",
        ),
    ),
    Quiz(
        id="1.c",
        question="A text in, another text out: translation as a sequence-to-sequence task. Which family was built for it?",
        options=("Encoder-only", "Encoder-decoder", "None: only decoder-only models can write"),
        right=1,
        why=(
            "An encoder-only model gives one vector for each token of its input. It has no part that writes another text.",
            "The encoder reads the source in both directions; the decoder writes the target and looks back by cross-attention.",
            "An encoder-decoder writes too: its decoder is autoregressive. (A decoder-only model can also translate, as a continuation.)",
        ),
    ),
)
