"""Attention as lab 01 builds it by hand, in the form that works on batches and on the real model's weights.

Shapes: B texts, T positions of the queries, S positions of the keys and values (S = T where a text looks at itself), D numbers in
a hidden state, H heads of E numbers each, G groups of heads that share keys and values; `...` stands for any leading dimensions.
All functions leave their inputs unchanged. What they show on a whole model stands in `studies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labutils.errors import LabError
from labutils.validation import require_broadcast, require_positive, require_tensor, require_whole_number

if TYPE_CHECKING:
    from torch import Tensor

MINUS_INFINITY = float("-inf")


def sinusoidal_positions(length: int, dim: int) -> Tensor:
    """One vector for each position, (T, D), float32, to be added to the embeddings: sines in even places, cosines in odd ones.

    Place 2i holds sin(t / 10000^(2i/D)), place 2i + 1 the cosine of the same angle: hands of clocks, each slower than the last.

    Raises:
        LabError: D is odd, or a size is no whole number.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.5.

    Example: position 0 is 0, 1, 0, 1, ...
    """
    import torch

    require_whole_number("length", length, 0)
    require_whole_number("dim", dim)
    if dim % 2:
        raise LabError(f"The dimension is {dim}; sines and cosines come in pairs: choose an even number.")
    angles = _angles(length, dim, 10_000.0, 0)  # (T, D/2)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)  # (T, D)


def _angles(length: int, dim: int, base: float, start: int) -> Tensor:
    """Position times speed, (T, D/2) in float32, with the speeds base^(-2i/D)."""
    import torch

    speeds = 1.0 / base ** (torch.arange(0, dim, 2).float() / dim)
    return torch.arange(start, start + length).float()[:, None] * speeds


def rotary_tables(length: int, dim: int, base: float = 10_000.0, start: int = 0) -> tuple[Tensor, Tensor]:
    """The cosines and sines, (T, E) each, by which `rotate` turns queries and keys.

    Args:
        length: how many positions, T.
        dim: the size of a head, E, an even number.
        base: sets the slowest speed; 10,000 in the paper, 100,000 in the course's model.
        start: the first position; with a key-value cache, how many positions are cached.

    Raises:
        LabError: E is odd, a size is no whole number, or the base is not above 0.

    The tables are float32, as in transformers, whatever the model computes in.
    """
    import torch

    require_whole_number("length", length, 0)
    require_whole_number("dim", dim)
    require_whole_number("start", start, 0)
    require_positive("base", base)
    if dim % 2:
        raise LabError(f"The head size is {dim}; rotation turns pairs of numbers: choose an even number.")
    angles = _angles(length, dim, base, start)
    angles = torch.cat([angles, angles], dim=-1)  # (T, E): place i and place i + E/2 turn together
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys x (..., T, E) by their positions; the tables (T, E) are those of `rotary_tables`.

    After it, the dot product of a query and a key depends on their contents and on the distance between them only.

    Layout: place i makes a pair with place i + E/2 (half-split), as in transformers' Llama family. The paper pairs neighbours, 2i
    with 2i + 1 (interleaved). The two differ by an order of the places, the same for queries and keys, so the dot products are
    the same; but weights trained for one layout are wrong in the other unless their rows are reordered.

    Raises:
        LabError: E is odd, or x and the tables do not fit each other.

    Source: Su et al. 2021 (arXiv:2104.09864), section 3.4.2, equation 34.

    Example: with E = 2 and angle a, (1, 0) becomes (cos a, sin a).
    """
    import torch

    require_tensor("x", x)
    require_tensor("cos", cos, last=x.shape[-1])
    require_tensor("sin", sin, last=x.shape[-1])
    require_broadcast("x, cos and sin", x.shape, cos.shape, sin.shape)
    if x.shape[-1] % 2:
        raise LabError(f"The head size is {x.shape[-1]}; rotation turns pairs of numbers: choose an even number.")
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)  # each pair turned by a right angle
    return x * cos.to(x) + turned * sin.to(x)


def causal_mask(length: int, past: int = 0) -> Tensor:
    """Who may look at whom, (T, past + T) of booleans: a position sees itself and what came before, never what comes after.

    Args:
        length: how many new positions, T.
        past: how many cached positions stand before them; all of these may be seen.

    Raises:
        LabError: a size is no whole number.

    Example: `causal_mask(2)` is [[True, False], [True, True]].
    """
    import torch

    require_whole_number("length", length, 0)
    require_whole_number("past", past, 0)
    return torch.ones(length, past + length, dtype=torch.bool).tril(diagonal=past)


def scaled_dot_product(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Attention: for each query, an average of the values, weighted by how well their keys fit: softmax(q k^T / sqrt(E)) v.

    Args:
        q: queries (..., T, E).
        k: keys (..., S, E).
        v: values (..., S, F).
        mask: booleans that broadcast to (..., T, S); True where a query may look. None: everywhere.

    Returns:
        (output, weights): (..., T, F) and (..., T, S). Each row of weights sums to one; one whose mask allows nothing is zero, as
        in PyTorch, and so is its output.

    Raises:
        LabError: shapes that do not fit each other, or numbers that are not floating-point.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.1, equation 1.

    Example: a query of zeros fits all keys alike, so its output is the plain mean of the values it may see.
    """
    _require_attention(q, k, v, mask)
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5  # (..., T, S)
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        mask = mask.to(scores.device)
        # Filled again after the softmax, which has no numbers to offer for a row of nothing but minus infinity.
        weights = scores.masked_fill(~mask, MINUS_INFINITY).softmax(dim=-1).masked_fill(~mask, 0.0)
    return weights @ v, weights


def _require_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> None:
    """Refuse queries, keys, values and a mask that do not fit each other, (..., T, E), (..., S, E), (..., S, F) and (..., T, S)."""
    require_tensor("q", q, 2)
    require_tensor("k", k, 2, last=q.shape[-1])
    require_tensor("v", v, 2)
    if v.shape[-2] != k.shape[-2]:
        raise LabError(f"There are {k.shape[-2]} keys and {v.shape[-2]} values: give one value for each key.")
    if len({q.dtype, k.dtype, v.dtype}) > 1:
        raise LabError(f"q, k and v hold {q.dtype}, {k.dtype} and {v.dtype}: give them one type.")
    require_broadcast("The leading dimensions of q, k and v", q.shape[:-2], k.shape[:-2], v.shape[:-2])
    if mask is not None:
        if str(mask.dtype) != "torch.bool":
            raise LabError("The mask must hold booleans, True where a query may look: use mask.bool().")
        require_broadcast("The scores and the mask", (*q.shape[:-1], k.shape[-2]), mask.shape)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, H*E) to (B, H, T, E): each head gets its own E numbers of every position.

    Raises:
        LabError: the last dimension does not divide by the number of heads.
    """
    require_whole_number("heads", heads)
    require_tensor("x", x, 2, floating=False)
    if x.shape[-1] % heads:
        raise LabError(f"{x.shape[-1]} numbers do not split into {heads} equal heads: choose a number of heads that divides it.")
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, T, E) to (B, T, H*E): the inverse of `split_heads`.

    Raises:
        LabError: fewer than three dimensions.
    """
    require_tensor("x", x, 3, floating=False)
    return x.transpose(-3, -2).flatten(-2)


def repeat_heads(x: Tensor, times: int) -> Tensor:
    """(B, G, T, E) to (B, G*times, T, E): each head of keys or values `times` over, so that query heads can share it.

    Heads 0 to times - 1 of the result are copies of head 0, and so on. Source: Ainslie et al. 2023 (arXiv:2305.13245), section 2.2.

    Raises:
        LabError: fewer than three dimensions, or `times` below one.
    """
    require_tensor("x", x, 3, floating=False)
    require_whole_number("times", times)
    return x.repeat_interleave(times, dim=-3)


@dataclass(frozen=True)
class AttentionProjections:
    """The projections of one attention layer without biases, as a Llama-type model keeps them (each turns x into x @ W.T).

    Attributes:
        q: (H*E, D).
        k, v: (G*E, D), two different matrices: keys and values are separate projections of the same input.
        o: (D, H*E), which mixes the heads' outputs.
        heads: H, of the queries.
        kv_heads: G, of the keys and values; H where nothing is shared.
        base: of the rotation, see `rotary_tables`; None for none.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    o: Tensor
    heads: int
    kv_heads: int
    base: float | None = 10_000.0


@dataclass
class KVCache:
    """The keys (rotated) and values of the positions that a layer has seen, (B, G, S, E) each; None at first."""

    keys: Tensor | None = None
    values: Tensor | None = None

    def __len__(self) -> int:
        """How many positions it holds, S."""
        return 0 if self.keys is None else self.keys.shape[-2]

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add those of new positions, (B, G, T, E) each, and return all."""
        import torch

        if self.keys is not None and self.values is not None:
            keys, values = torch.cat([self.keys, keys], dim=-2), torch.cat([self.values, values], dim=-2)
        self.keys, self.values = keys, values
        return keys, values


def multi_head(
    hidden_states: Tensor, weights: AttentionProjections, cache: KVCache | None = None, causal: bool = True
) -> tuple[Tensor, Tensor]:
    """One layer of multi-head, grouped-query attention with rotary positions.

    Project, split into heads, rotate queries and keys, attend in every head at once, merge, project again.

    Args:
        hidden_states: (B, T, D), normalised already, as the layer of the real model gets them.
        weights: the layer's projections.
        cache: where to keep keys and values. With it, `hidden_states` holds the new positions only: what was computed for the
            earlier ones is read from the cache instead of computed again, and the numbers are the same.
        causal: whether a position sees only itself and earlier ones. A cache makes sense only then.

    Returns:
        (output, attention): (B, T, D) and (B, H, T, S), S being all positions, cached ones included.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.2; grouped queries: Ainslie et al. 2023 (arXiv:2305.13245).
    """
    past, new = len(cache) if cache is not None else 0, hidden_states.shape[-2]
    q = split_heads(hidden_states @ weights.q.T, weights.heads)  # (B, H, T, E)
    k = split_heads(hidden_states @ weights.k.T, weights.kv_heads)  # (B, G, T, E)
    v = split_heads(hidden_states @ weights.v.T, weights.kv_heads)  # (B, G, T, E)
    if weights.base is not None:
        cos, sin = rotary_tables(new, q.shape[-1], weights.base, start=past)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
    if cache is not None:
        k, v = cache.append(k, v)  # (B, G, S, E)
    shared = weights.heads // weights.kv_heads
    mask = causal_mask(new, past) if causal else None
    output, attention = scaled_dot_product(q, repeat_heads(k, shared), repeat_heads(v, shared), mask)
    return merge_heads(output) @ weights.o.T, attention


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Each vector of x (..., D) shifted to mean 0 and scaled to variance 1, then times weight (D,) plus bias (D,).

    Raises:
        LabError: shapes that do not fit, or numbers that are not floating-point.

    Source: Ba, Kiros and Hinton 2016 (arXiv:1607.06450), section 3.
    """
    require_tensor("x", x)
    require_tensor("weight", weight, last=x.shape[-1])
    require_tensor("bias", bias, last=x.shape[-1])
    require_broadcast("x, weight and bias", x.shape, weight.shape, bias.shape)
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * weight + bias


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    """Each vector of x (..., D) scaled to a mean square of 1, then times weight (D,): layer norm without the shifting.

    Raises:
        LabError: shapes that do not fit, or numbers that are not floating-point.

    Source: Zhang and Sennrich 2019 (arXiv:1910.07467), section 3.
    """
    require_tensor("x", x)
    require_tensor("weight", weight, last=x.shape[-1])
    require_broadcast("x and weight", x.shape, weight.shape)
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight
