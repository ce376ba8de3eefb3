"""A small GPT, put together from the lab's own attention and trained on the course's prose: the optional reading of lab 01.

Its parts are those of the real model, a thousand times smaller: `attention.multi_head` with rotary positions, RMS norm, a gated
feed-forward layer, residual connections, and an embedding that also serves as the output layer.

This module imports torch at once, since its models are classes of it; nothing imports this module before the lab does.

Shapes: B texts, T tokens, D numbers in a hidden state, F in the feed-forward layer, V tokens in the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from labutils.errors import LabError
from labutils.transformer import attention, decoding
from labutils.transformer.attention import AttentionProjections, KVCache
from labutils.transformer.bpe import BPETokenizer
from labutils.validation import require_choice, require_positive, require_whole_number


class Block(nn.Module):
    """Attention, then feed-forward, each behind a norm and beside a residual connection."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        """Random weights for D = dim, F = hidden."""
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim, bias=False) for _ in range(4))
        self.gate, self.up = nn.Linear(dim, hidden, bias=False), nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        weights = AttentionProjections(self.q.weight, self.k.weight, self.v.weight, self.o.weight, self.heads, self.heads)
        x = x + attention.multi_head(attention.rms_norm(x, self.norm1), weights, cache)[0]
        y = attention.rms_norm(x, self.norm2)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))  # (B, T, F) inside


class GPT(nn.Module):
    """A decoder-only language model."""

    def __init__(self, vocabulary: int, dim: int = 96, layers: int = 3, heads: int = 4) -> None:
        """Random weights, seeded by torch's global generator.

        Raises:
            LabError: the heads do not divide D evenly into even sizes.
        """
        super().__init__()
        if dim % (2 * heads):
            raise LabError(f"{dim} numbers do not split into {heads} heads of an even size: choose a multiple of {2 * heads}.")
        self.embedding = nn.Embedding(vocabulary, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, hidden=8 * dim // 3) for _ in range(layers))
        self.norm = nn.Parameter(torch.ones(dim))
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                # GPT-2's start: small, and smaller still where a block writes into the residual stream.
                narrow = (2 * layers) ** -0.5 if name.endswith(("o.weight", "down.weight")) else 1.0
                nn.init.normal_(weight, std=0.02 * narrow)

    def forward(self, ids: Tensor, caches: Sequence[KVCache | None] | None = None) -> Tensor:
        """Logits (B, T, V) of ids (B, T); with caches, one a block, `ids` holds the new tokens only."""
        x = self.embedding(ids)  # (B, T, D)
        for block, cache in zip(self.blocks, caches or [None] * len(self.blocks), strict=True):
            x = block(x, cache)
        return attention.rms_norm(x, self.norm) @ self.embedding.weight.T  # (B, T, V)

    @torch.no_grad()
    def generate(self, ids: list[int], max_new_tokens: int, temperature: float = 0.8, seed: int = 0) -> list[int]:
        """The ids drawn after `ids`; a key-value cache spares the recomputation. Temperature 0 is greedy."""
        caches = [KVCache() for _ in self.blocks]
        generator, device = torch.Generator().manual_seed(seed), self.norm.device
        new, added = list(ids), []
        for _ in range(max_new_tokens):
            logits = self(torch.tensor([new], device=device), caches)[0, -1].double().cpu()  # (V,)
            u = float(torch.rand((), generator=generator, dtype=torch.float64))
            best = int(logits.argmax()) if temperature == 0 else decoding.draw(decoding.softmax(logits, temperature), u)
            added.append(best)
            new = [best]
        return added


@dataclass(frozen=True)
class LossPoint:
    """A point of the learning curve; both losses in bits per byte of text, so that tokenizers compare."""

    step: int
    train: float
    validation: float


@dataclass(frozen=True)
class TrainedGPT:
    """A trained model, its tokenizer, and how it went.

    Attributes:
        model: the GPT.
        tokenizer: what made its ids.
        curve: the losses, from step 0 (random weights) on.
        unigram, bigram: what counting tokens, or pairs of tokens, in the training text reaches on the validation text, in bits
            per byte: the baselines to beat.
        parameters: numbers in the model.
    """

    model: GPT
    tokenizer: BPETokenizer
    curve: tuple[LossPoint, ...]
    unigram: float
    bigram: float
    parameters: int

    def sample(self, prompt: str, max_new_tokens: int = 100, temperature: float = 0.8, seed: int = 0) -> str:
        """The prompt and what the model adds to it."""
        ids = self.tokenizer.encode(prompt)
        if not ids:
            raise LabError("The prompt is empty: give at least one character.")
        return self.tokenizer.decode(ids + self.model.generate(ids, max_new_tokens, temperature, seed))


def ngram_baselines(train: Tensor, validation: Tensor, vocabulary: int) -> tuple[float, float]:
    """Cross-entropy, in bits per token, of validation ids (T,) after their first under counts from train ids (S,).

    Unigram: how often each token came, plus one. Bigram: (count(a, b) + k P(b)) / (count(a) + k), with the k that suits the
    validation text best, which favours this baseline.

    Source: MacKay and Peto 1995, "A hierarchical Dirichlet language model".
    """
    single = train.bincount(minlength=vocabulary).double() + 1
    single = single / single.sum()  # (V,)
    pairs = (train[:-1] * vocabulary + train[1:]).bincount(minlength=vocabulary**2).reshape(vocabulary, vocabulary).double()
    before, after = validation[:-1], validation[1:]
    unigram = float(-single[after].log2().mean())
    strengths = [2.0**n for n in range(12)]
    bigrams = [(pairs[before, after] + k * single[after]) / (pairs.sum(1)[before] + k) for k in strengths]
    return unigram, min(float(-p.log2().mean()) for p in bigrams)


def validation_loss(model: GPT, ids: Tensor, context: int) -> float:
    """The mean loss, in bits per token, on ids (T,) after their first, read in windows of `context` tokens.

    Each window starts with nothing before it, so this is a little worse than the model could do.
    """
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, context):
            window = ids[start : start + context + 1]
            logits = model(window[None, :-1])[0]  # (T, V)
            total += float(functional.cross_entropy(logits, window[1:], reduction="sum"))
    return total / (len(ids) - 1) / math.log(2)


def train_gpt(
    texts: Sequence[str],
    tokenizer: BPETokenizer | None = None,
    *,
    steps: int = 500,
    batch_size: int = 8,
    context: int = 128,
    dim: int = 96,
    layers: int = 3,
    heads: int = 4,
    learning_rate: float = 5e-3,
    eval_interval: int = 50,
    seed: int = 0,
    device: str = "cpu",
) -> TrainedGPT:
    """Train a small GPT on texts; every eighth is held out for validation.

    On the course's prose the default size and steps take about a minute on two cores. With bytes as tokens the model then beats
    both baselines clearly. With hundreds of merges a pair of tokens spans several letters, counting pairs does well, and with so
    little text the model comes out about even with it.

    Args:
        texts: at least eight.
        tokenizer: bytes (no merges) by default. Learn its merges without the held-out texts, `texts[::8]`.
        steps: optimizer steps, of `batch_size` windows of `context` tokens.
        dim, layers, heads: the model's size.
        learning_rate: AdamW's, after a warm-up, falling to a tenth along a cosine.
        eval_interval: how many steps lie between two points of the curve.
        seed: of weights and windows; torch's global generator is left as it was.
        device: where to compute.

    Raises:
        LabError: too few texts, texts too short for one window, a size below one, or an unknown device.
    """
    sizes = {"batch_size": batch_size, "context": context, "dim": dim, "layers": layers, "heads": heads}
    for name, size in {**sizes, "eval_interval": eval_interval}.items():
        require_whole_number(name, size)
    require_whole_number("steps", steps, 0)
    require_whole_number("seed", seed, 0)
    require_positive("learning_rate", learning_rate)
    require_choice("device", device.split(":")[0], ("cpu", "cuda", "mps"))
    if dim % heads:
        raise LabError(f"{dim} numbers do not split into {heads} equal heads: choose a number of heads that divides dim.")
    tokenizer = tokenizer or BPETokenizer([])
    held_out, kept = list(texts[::8]), [text for i, text in enumerate(texts) if i % 8]
    train, validation = (torch.tensor(tokenizer.encode("\n\n".join(part)), device=device) for part in (kept, held_out))
    if not kept or len(train) < context + 2 or len(validation) < 2:
        raise LabError(f"The texts are too few or too short for windows of {context} tokens: give more, or a smaller context.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPT(len(tokenizer), dim, layers, heads).to(device)
    per_byte = len(validation) / len("\n\n".join(held_out).encode())  # tokens per byte
    unigram, bigram = ngram_baselines(train, validation, len(tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    warm_up = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, 0.55 + 0.45 * math.cos(math.pi * step / max(1, steps)))
    )
    generator = torch.Generator().manual_seed(seed)
    curve, losses = [], []
    for step in range(steps + 1):
        starts = torch.randint(len(train) - context, (batch_size, 1), generator=generator)
        window = train[(starts + torch.arange(context + 1)).to(device)]  # (B, T + 1)
        loss = functional.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
        losses.append(float(loss.detach()) / math.log(2))
        if step % eval_interval == 0 or step == steps:
            recent = losses[-eval_interval:]
            curve.append(
                LossPoint(step, sum(recent) / len(recent) * per_byte, validation_loss(model, validation, context) * per_byte)
            )
        if step < steps:
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    parameters = sum(weight.numel() for weight in model.parameters())
    return TrainedGPT(model.eval(), tokenizer, tuple(curve), unigram * per_byte, bigram * per_byte, parameters)
