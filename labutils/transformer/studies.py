"""What lab 01 measures about attention: the maps of a real model, and on random numbers why to divide by sqrt(d) and what depth does to gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError
from labutils.transformer import attention
from labutils.validation import require_positive, require_whole_number

if TYPE_CHECKING:
    from torch import Tensor

MAX_MAP_TOKENS = 512  # the maps of all 270 heads of the course's model then take 0.28 GB


@contextmanager
def eager_attention(model: Any) -> Iterator[Any]:
    """Switch a transformers model to the attention that keeps its weights, and back at the end.

    By default the library calls PyTorch's fused attention, which is faster and never holds the maps in memory.
    """
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield model
    finally:
        model.set_attn_implementation(before)


def attention_maps(model: Any, ids: Tensor) -> Tensor:
    """The attention weights of every layer and head of a real model on one text, (L, H, T, T); each row sums to one.

    Args:
        model: a decoder or an encoder of transformers; left as it was.
        ids: (T,), at most `MAX_MAP_TOKENS` tokens: the maps grow with the square of T.

    Raises:
        LabError: the text is empty or too long.
    """
    import torch

    if not 1 <= len(ids) <= MAX_MAP_TOKENS:
        raise LabError(f"The text has {len(ids)} tokens; attention maps need 1 to {MAX_MAP_TOKENS}: choose another text.")
    with torch.no_grad(), eager_attention(model):
        found = model(input_ids=ids[None].to(model.device), output_attentions=True).attentions
    return torch.stack([layer[0] for layer in found]).float().cpu()


@dataclass(frozen=True)
class ScaleRow:
    """Attention scores of random queries and keys of d numbers each, without and with the division by sqrt(d).

    Attributes:
        dim: d.
        variance, scaled_variance: of the dot product q.k; of q.k / sqrt(d).
        largest, scaled_largest: the largest of the attention weights of a query, on average.
        gradient, scaled_gradient: the size (Frobenius norm) of the softmax's derivative there, on average; 0 means that no
            change of the scores changes anything: nothing can be learned.
    """

    dim: int
    variance: float
    scaled_variance: float
    largest: float
    scaled_largest: float
    gradient: float
    scaled_gradient: float


def scale_study(dims: Sequence[int], keys: int = 32, queries: int = 500, seed: int = 0) -> list[ScaleRow]:
    """Why divide by sqrt(d): with components of variance 1, q.k has variance d, and the softmax of such numbers saturates.

    Args:
        dims: the sizes d.
        keys: how many keys each query chooses from.
        queries: how many queries to average over.
        seed: of the random numbers, the same for every d.

    Raises:
        LabError: a size below one, or a single query with a single key, which have no variance.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.1, footnote 4.
    """
    for dim in dims:
        require_whole_number("dim", dim)
    require_whole_number("keys", keys)
    require_whole_number("queries", queries, 1 if keys > 1 else 2)
    require_whole_number("seed", seed, 0)
    import torch

    def softmax_facts(scores: Tensor) -> tuple[float, float, float]:
        p = scores.softmax(-1)  # (Q, K)
        # The derivative of the softmax is diag(p) - p p^T.
        derivative = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]  # (Q, K, K)
        return float(scores.var()), float(p.amax(-1).mean()), float(derivative.flatten(1).norm(dim=1).mean())

    rows = []
    for dim in dims:
        generator = torch.Generator().manual_seed(seed)
        q = torch.randn(queries, 1, dim, generator=generator, dtype=torch.float64)
        k = torch.randn(queries, keys, dim, generator=generator, dtype=torch.float64)
        scores = (q @ k.transpose(1, 2))[:, 0]  # (Q, K)
        plain, scaled = softmax_facts(scores), softmax_facts(scores / dim**0.5)
        rows.append(ScaleRow(dim, plain[0], scaled[0], plain[1], scaled[1], plain[2], scaled[2]))
    return rows


def gradient_norms(
    depth: int,
    residual: bool,
    norm: bool = False,
    dim: int = 64,
    heads: int = 4,
    length: int = 16,
    seed: int = 0,
    weight_scale: float = 1.0,
) -> list[float]:
    """How much gradient arrives at each depth of a stack of random blocks: its norm at the input of block 0, ..., depth - 1.

    A block is multi-head attention, then a feed-forward layer. With the residual connection each part computes x + f(x),
    without it f(x). The weights are PyTorch's defaults, the loss is a random direction of the output.

    Args:
        depth: how many blocks.
        residual: whether each part adds to its input or replaces it.
        norm: whether a layer norm stands before each part, as in a pre-norm transformer. It keeps the numbers in scale, and so
            rescues part of the gradient on its own; the residual connection does so without it.
        dim: D.
        heads: H.
        length: T.
        seed: of weights, input and loss: all settings get the same.
        weight_scale: multiplies the weights at the start. PyTorch's default has a standard deviation of 1/√(3·fan_in), so √3
            makes it 1/√fan_in, which keeps the variance of a sum of independent inputs.

    Computed in float64, since a float32 would run out of small numbers.

    Raises:
        LabError: a size below one, or heads that do not divide `dim`.

    Source: He et al. 2016 (arXiv:1512.03385), section 3; for norm and block: Xiong et al. 2020 (arXiv:2002.04745), section 3.
    """
    import torch
    from torch import nn

    for name, size in {"depth": depth, "dim": dim, "heads": heads, "length": length}.items():
        require_whole_number(name, size)
    require_whole_number("seed", seed, 0)
    require_positive("weight_scale", weight_scale)
    if dim % heads:
        raise LabError(f"{dim} numbers do not split into {heads} equal heads: choose a number of heads that divides dim.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x = torch.randn(1, length, dim, dtype=torch.float64)
        direction = torch.randn(1, length, dim, dtype=torch.float64)
        blocks = [[nn.Linear(a, b).double() for a, b in _block_shapes(dim)] for _ in range(depth)]
    with torch.no_grad():
        for part in (part for block in blocks for part in block):
            part.weight.mul_(weight_scale)
    inputs: list[Tensor] = []
    for query, key, value, out, up, down in blocks:
        x = x.requires_grad_() if not inputs else x
        x.retain_grad()
        inputs.append(x)
        y = nn.functional.layer_norm(x, (dim,)) if norm else x
        q, k, v = (attention.split_heads(part(y), heads) for part in (query, key, value))
        y = out(attention.merge_heads(attention.scaled_dot_product(q, k, v)[0]))
        x = x + y if residual else y
        y = nn.functional.layer_norm(x, (dim,)) if norm else x
        y = down(nn.functional.gelu(up(y)))
        x = x + y if residual else y
    (x * direction).sum().backward()
    return [float(one.grad.norm()) for one in inputs if one.grad is not None]


def _block_shapes(dim: int) -> list[tuple[int, int]]:
    """(in, out) of a block's layers: query, key, value, output; then up and down of the feed-forward part."""
    return [(dim, dim)] * 4 + [(dim, 4 * dim), (4 * dim, dim)]
