"""The cache of a shared beginning: what scoring and generation in `likelihoods` are made of (lab 03).

A batch is laid out as [shared tokens | padding | a row's own tokens], so that every row ends at the same place: the last positions
give a label's log-probabilities as well as the next token. The attention mask hides the padding, and position ids skip it.

Shapes: B rows in a batch, P tokens shared, S tokens of the longest suffix, K positions needed, V the vocabulary.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError
from labutils.prompting.prompts import Prompt, encode_prompt

if TYPE_CHECKING:
    from torch import Tensor


def encode_prompts(model: Any, tokenizer: Any, prompts: Sequence[str | Prompt]) -> list[list[int]]:
    """The prompts as token ids, each by itself.

    Raises:
        LabError: no prompts, an empty one, or one that is longer than the model's window.
    """
    ids = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    window = getattr(model.config, "max_position_embeddings", None)
    if not all(ids) or not ids:
        raise LabError("There is no prompt, or an empty one: each must hold at least one character.")
    if window and max(map(len, ids)) > window:
        raise LabError(f"A prompt has {max(map(len, ids)):,} tokens and the model's window holds {window:,}: take fewer shots.")
    return ids


def common_prefix_length(rows: Sequence[list[int]]) -> int:
    """How many tokens all rows begin with, leaving each at least one of its own."""
    first, last = min(rows), max(rows)  # in the order of a dictionary, what these two share all share
    most = min(map(len, rows)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)


def batches(lengths: Sequence[int], shared: int, batch_tokens: int) -> Iterator[list[int]]:
    """Indices of rows, longest first so that a batch pads little, in batches of at most `batch_tokens` (and at least one row)."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    while order:
        size = max(1, batch_tokens // (shared + lengths[order[0]]))
        yield order[:size]
        order = order[size:]


def prefill(model: Any, rows: Sequence[list[int]], share: bool = True) -> tuple[int, Any]:
    """Run the tokens that all rows begin with: their number P, and their keys and values.

    The cache has one row: (1, key-value heads, P, head size) in each layer; it is empty where P is 0. Layers that look back over a
    sliding window would count the padding in, so a model that has any shares nothing.
    """
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    shared = common_prefix_length(rows) if share and not any(cache.is_sliding) else 0
    if shared:
        ids = torch.tensor([rows[0][:shared]], device=model.device)
        model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return shared, cache


def pad(rows: Sequence[list[int]], model: Any, right: bool = False) -> tuple[Tensor, Tensor]:
    """Rows as ids (B, S) and mask (B, S), padded on the left, or on the right."""
    import torch

    longest = max(map(len, rows))
    gaps = [[0] * (longest - len(row)) for row in rows]  # any id will do: the mask hides it
    ids = [row + gap if right else gap + row for row, gap in zip(rows, gaps, strict=True)]
    mask = [[1] * len(row) + gap if right else gap + [1] * len(row) for row, gap in zip(rows, gaps, strict=True)]
    return torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device)


def forward(model: Any, cache: Any, shared: int, suffixes: Sequence[list[int]], keep: int) -> tuple[Tensor, Any, Tensor]:
    """Run the suffixes after the shared tokens: logits (B, K, V) of the last positions, the batch's own cache, its mask (B, P + S)."""
    import torch

    ids, own = pad(suffixes, model)
    mask = torch.cat([own.new_ones(len(suffixes), shared), own], dim=1)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, shared:]
    grown = copy.deepcopy(cache)  # the model appends to the cache that it is given
    grown.batch_repeat_interleave(len(suffixes))
    output = model(ids, attention_mask=mask, position_ids=positions, past_key_values=grown, use_cache=True, logits_to_keep=keep)
    return output.logits, grown, mask
