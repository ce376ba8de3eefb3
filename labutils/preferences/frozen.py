"""The course's model with its lower layers run once and its last layers trained: reward features and DPO on two cores (lab 10).

All replies to a note stand in one row behind their common prompt. A mask lets each see the prompt and itself alone, and its places go
on from the prompt's. So a row gives what a call per reply would give, and the prompt is computed once. The hidden states before the
last layers are kept. Whatever is trained afterwards starts from them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from labutils.errors import LabError
from labutils.validation import require_whole_number


def reply_prompt(row: Mapping[str, Any]) -> str:
    """What stands before a reply."""
    return f"Note: {row['note']}\nQuestion: {row['question']}\nReply:"


@dataclass(frozen=True)
class PackedReplies:
    """Rows of one prompt and its replies, padded to one length T.

    Attributes:
        ids: (N, T) tokens.
        places: (N, T) positions.
        branch: (N, T) 0 for the prompt, 1, 2, ... for the replies, -1 for padding.
        before: (N, T) the place in the row of the token that comes before each one.
        replies: K, how many replies a row has at most.
    """

    ids: Tensor
    places: Tensor
    branch: Tensor
    before: Tensor
    replies: int

    def rows(self, chosen: Tensor) -> PackedReplies:
        """Some of the rows."""
        return PackedReplies(self.ids[chosen], self.places[chosen], self.branch[chosen], self.before[chosen], self.replies)

    def to(self, device: Any) -> PackedReplies:
        """The same rows on a device."""
        ids, places, branch, before = (part.to(device) for part in (self.ids, self.places, self.branch, self.before))
        return PackedReplies(ids, places, branch, before, self.replies)

    def mask(self) -> Tensor:
        """(N, 1, T, T), True where a token may look: at the prompt and at its own reply, not ahead."""
        same = (self.branch.unsqueeze(2) == self.branch.unsqueeze(1)) | (self.branch.unsqueeze(1) == 0)
        length = self.ids.shape[1]
        return (same & torch.ones(length, length, dtype=torch.bool, device=self.ids.device).tril()).unsqueeze(1)


def pack(tokenizer: Any, prompts: Sequence[str], replies: Sequence[Sequence[str]]) -> PackedReplies:
    """Prompts, each with its replies, as rows; every reply ends in the tokenizer's end token.

    Raises:
        LabError: no prompts, or other than one list of replies for each.
    """
    if not prompts or len(prompts) != len(replies):
        raise LabError(f"There are {len(prompts)} prompts and {len(replies)} lists of replies: give one list for each prompt.")
    made = []
    for prompt, texts in zip(prompts, replies, strict=True):
        start = tokenizer(prompt)["input_ids"]
        ids, places, branch = list(start), list(range(len(start))), [0] * len(start)
        before = [max(0, i - 1) for i in range(len(start))]
        for number, text in enumerate(texts, 1):
            tokens = [*tokenizer(f" {text.strip()}", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
            before += [len(start) - 1, *range(len(ids), len(ids) + len(tokens) - 1)]
            ids += tokens
            places += range(len(start), len(start) + len(tokens))
            branch += [number] * len(tokens)
        made.append((ids, places, branch, before))
    longest = max(len(row[0]) for row in made)
    fills = (tokenizer.eos_token_id, 0, -1, 0)
    ids_, places_, branch_, before_ = (
        torch.tensor([row[k] + [fills[k]] * (longest - len(row[0])) for row in made]) for k in range(4)
    )
    return PackedReplies(ids_, places_, branch_, before_, max(map(len, replies)))


def _through(layers: Any, rotary: Any, hidden: Tensor, packed: PackedReplies) -> Tensor:
    """Hidden states (N, T, D) through some of the model's layers."""
    angles, mask = rotary(hidden, packed.places), packed.mask()
    for layer in layers:
        hidden = layer(hidden, attention_mask=mask, position_embeddings=angles, position_ids=packed.places)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return hidden


@torch.no_grad()
def hidden_states(model: Any, packed: PackedReplies, layers: Sequence[int], rows: int = 8) -> list[Tensor]:
    """The hidden states (N, T, D) behind so many layers, for each of `layers` in rising order, from one pass; on the CPU."""
    kept: list[list[Tensor]] = [[] for _ in layers]
    for chosen in torch.arange(len(packed.ids)).split(rows):
        part, done = packed.rows(chosen).to(model.device), 0
        hidden = model.model.embed_tokens(part.ids)
        for place, upto in enumerate(layers):
            hidden = _through(model.model.layers[done:upto], model.model.rotary_emb, hidden, part)
            kept[place].append(hidden.float().cpu())
            done = upto
    return [torch.cat(parts) for parts in kept]


def reply_means(hidden: Tensor, packed: PackedReplies) -> Tensor:
    """The mean of each reply's hidden states, its end token included: (N, K, D)."""
    masks = torch.stack([packed.branch == k + 1 for k in range(packed.replies)], dim=1).to(hidden.dtype)  # (N, K, T)
    return masks @ hidden / masks.sum(-1, keepdim=True).clamp(min=1)


class Tail(nn.Module):
    """A model's last layers, a copy that can be trained, with the norm and the output head, which stay as they are."""

    def __init__(self, model: Any, count: int) -> None:
        """The last `count` layers of a decoder with blocks."""
        super().__init__()
        require_whole_number("count", count)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for layer in model.model.layers[-count:])
        self.layers.requires_grad_(True)
        self.norm, self.head = model.model.norm, model.lm_head
        self.norm.requires_grad_(False)
        self.head.requires_grad_(False)
        self._rotary = [model.model.rotary_emb]  # in a list, so that it is no part of this module

    def forward(self, hidden: Tensor, packed: PackedReplies) -> Tensor:
        """log p of each reply, the sum over its tokens with the end: (N, K), from hidden states (N, T, D) before these layers."""
        packed, hidden = packed.to(self.head.weight.device), hidden.to(self.head.weight)
        states = _through(self.layers, self._rotary[0], hidden, packed)
        asked = (packed.branch > 0).nonzero()  # (M, 2), the tokens of replies
        rows, columns = asked[:, 0], asked[:, 1]
        logits = self.head(self.norm(states[rows, packed.before[rows, columns]]))  # (M, V)
        log_probs = -functional.cross_entropy(logits, packed.ids[rows, columns], reduction="none")
        totals = log_probs.new_zeros(len(packed.ids), packed.replies)
        return totals.index_put((rows, packed.branch[rows, columns] - 1), log_probs, accumulate=True).float().cpu()
