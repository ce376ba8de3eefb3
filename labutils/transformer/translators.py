"""Three small translators of about the same size, for `seq2seq` (lab 01): a transformer, and a GRU without and with attention.

The GRU without attention hands its decoder one vector of fixed size, however long the source. With attention it is the same
network plus one look back at the source for each written token: the two differ in nothing else.

This module imports torch at once, since its models are classes of it; only `seq2seq` imports it.

Shapes: B pairs, S source tokens, T target tokens, D numbers in a hidden state, H heads, V tokens in the target's vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from labutils.transformer import attention

PAD = 0  # the id that fills up short rows of a batch, in both vocabularies


class Translator(nn.Module):
    """What the models have in common: `encode` reads the source once, `decode` writes from what it left behind."""

    def encode(self, source: Tensor) -> Any:
        """What the decoder gets of source ids (B, S)."""
        raise NotImplementedError

    def decode(self, memory: Any, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (B, T, V) after each of the target ids (B, T), and the attention to the source (B, T, S), if there is any."""
        raise NotImplementedError


class MultiHeadAttention(nn.Module):
    """Attention from x (B, T, D) to a memory (B, S, D): queries of the one, keys and values of the other."""

    def __init__(self, dim: int, heads: int) -> None:
        """Random projections of D = dim numbers, split into heads."""
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), and the weights (B, H, T, S)."""
        q, k, v = (attention.split_heads(y, self.heads) for y in (self.q(x), self.k(memory), self.v(memory)))
        output, weights = attention.scaled_dot_product(q, k, v, mask)
        return self.o(attention.merge_heads(output)), weights


def _feed_forward(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))


class Transformer(Translator):
    """One encoder layer, one decoder layer. Cross-attention has a single head, so that its map tells all there is to see."""

    def __init__(self, sources: int, targets: int, dim: int, heads: int = 4) -> None:
        """Random weights for vocabularies of these sizes; embeddings start smaller than positions, which makes the map clearer."""
        super().__init__()
        self.source_embedding, self.target_embedding = nn.Embedding(sources, dim), nn.Embedding(targets, dim)
        for table in (self.source_embedding, self.target_embedding):
            nn.init.normal_(table.weight, std=0.3)
        self.encoder_attention = MultiHeadAttention(dim, heads)
        self.decoder_attention = MultiHeadAttention(dim, heads)
        self.cross_attention = MultiHeadAttention(dim, 1)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(4))
        self.encoder_feed_forward, self.decoder_feed_forward = _feed_forward(dim), _feed_forward(dim)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, targets))

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's hidden states (B, S, D), and which of them are no padding."""
        real = (source != PAD)[:, None, None]  # (B, 1, 1, S)
        x = self.source_embedding(source)
        x = x + attention.sinusoidal_positions(*x.shape[1:]).to(x)
        y = self.norms[0](x)
        x = x + self.encoder_attention(y, y, real)[0]
        return self.norms[1](x + self.encoder_feed_forward(x)), real

    def decode(self, memory: tuple[Tensor, Tensor], target: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T, V), and the weights of the cross-attention (B, T, S)."""
        states, real = memory
        x = self.target_embedding(target)
        x = x + attention.sinusoidal_positions(*x.shape[1:]).to(x)
        y = self.norms[2](x)
        x = x + self.decoder_attention(y, y, attention.causal_mask(target.shape[1]))[0]
        contexts, weights = self.cross_attention(self.norms[3](x), states, real)  # one context for each target token
        x = x + contexts
        return self.head(x + self.decoder_feed_forward(x)), weights[:, 0]


class Recurrent(Translator):
    """A GRU that reads and a GRU that writes, which starts from the last state of the first.

    Source: Cho et al. 2014 (arXiv:1406.1078), with the vector as the first state as in Sutskever et al. 2014 (arXiv:1409.3215);
    attention: Luong et al. 2015 (arXiv:1508.04025), section 3.1, with the scaled dot product as the score.
    """

    def __init__(self, sources: int, targets: int, dim: int, use_attention: bool) -> None:
        """Random weights for vocabularies of these sizes; the state has 7/4 D numbers, which makes the model as large as a `Transformer` of the same D."""
        super().__init__()
        hidden = 7 * dim // 4
        self.source_embedding, self.target_embedding = nn.Embedding(sources, dim), nn.Embedding(targets, dim)
        self.encoder, self.decoder = nn.GRU(dim, hidden, batch_first=True), nn.GRU(dim, hidden, batch_first=True)
        self.use_attention = use_attention
        self.head = nn.Linear(2 * hidden if use_attention else hidden, targets)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All states (B, S, D), the one after each source's <end> (1, B, D), and which states are no padding."""
        states, _ = self.encoder(self.source_embedding(source))
        last = (source != PAD).sum(1) - 1
        return states, states[torch.arange(len(source), device=source.device), last][None], (source != PAD)[:, None]

    def decode(self, memory: tuple[Tensor, Tensor, Tensor], target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (B, T, V), and the weights of the attention to the encoder's states (B, T, S), or None without it."""
        states, last, real = memory
        x, _ = self.decoder(self.target_embedding(target), last)
        if not self.use_attention:
            return self.head(x), None
        contexts, weights = attention.scaled_dot_product(x, states, states, real)
        return self.head(torch.cat([x, contexts], dim=-1)), weights
