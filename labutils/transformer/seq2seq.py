"""Sequence to sequence on a toy whose alignment can be seen: old English numbers to digits (lab 01).

"Four and twenty" is 24: the unit is said first and written last, so a translation has to look to and fro. A source is a row of one
or more such numbers. Some are three words, some one ("nineteen", "forty"), so the place of a word does not tell where its digit
goes. How many numbers there are is the length: it says how much a model must carry from the source to the target.

Three models of about the same size learn it (see `translators`): a transformer, and a GRU without and with attention.

This module imports torch at once, for its models; nothing imports this module before the lab does.

Shapes: B pairs, S source tokens, T target tokens, V tokens in the target's vocabulary.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from labutils.errors import LabError
from labutils.transformer.translators import PAD, Recurrent, Transformer, Translator

UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
START, END = 1, 2
SPECIAL = ("<pad>", "<start>", "<end>")
SOURCE_VOCABULARY = (*SPECIAL, *UNITS, "and", *TEENS, *TENS)
TARGET_VOCABULARY = (*SPECIAL, *"0123456789")
KINDS = ("transformer", "gru", "gru+attention")


# The task


@dataclass(frozen=True)
class TranslationPair:
    """A source in words, its translation in digits, and how many numbers it holds."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    length: int


def number_words(number: int) -> tuple[str, ...]:
    """A number from 10 to 99 in the words of old.

    >>> number_words(24), number_words(40), number_words(14)
    (('four', 'and', 'twenty'), ('forty',), ('fourteen',))
    """
    if not 10 <= number <= 99:
        raise LabError(f"{number} has no words here: choose a number from 10 to 99.")
    tens, unit = divmod(number, 10)
    if tens == 1:
        return (TEENS[unit],)
    return (UNITS[unit - 1], "and", TENS[tens - 2]) if unit else (TENS[tens - 2],)


def translation_pair(numbers: Sequence[int]) -> TranslationPair:
    """The pair of some numbers: `translation_pair([24, 14])` has the source "four and twenty fourteen", the target "2414", the length 2."""
    return TranslationPair(
        tuple(word for number in numbers for word in number_words(number)), tuple("".join(map(str, numbers))), len(numbers)
    )


def translation_datasets(
    longest: int = 6, train_each: int = 2_400, test_each: int = 100, seed: int = 0
) -> tuple[list[TranslationPair], list[TranslationPair]]:
    """Training and test pairs that have no source in common.

    Args:
        longest: lengths run from 1 to this.
        train_each, test_each: how many pairs of each length; of length 1 there are but 90, a fifth of which go to the test.
        seed: of the draw.
    """
    dice = random.Random(seed)
    train: list[TranslationPair] = []
    test: list[TranslationPair] = []
    for length in range(1, longest + 1):
        wanted = min(train_each + test_each, 90**length)
        drawn: dict[tuple[int, ...], None] = {}  # a set that keeps its order
        while len(drawn) < wanted:
            drawn[tuple(dice.choices(range(10, 100), k=length))] = None
        pairs = [translation_pair(numbers) for numbers in drawn]
        held_out = min(test_each, len(pairs) // 5)
        test += pairs[:held_out]
        train += pairs[held_out:]
    return train, test


def _ids(rows: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> Tensor:
    """Ids of rows of tokens, (B, S), filled up with <pad>."""
    number = {token: i for i, token in enumerate(vocabulary)}
    if unknown := {token for row in rows for token in row} - set(number):
        raise LabError(f"“{min(unknown)}” is not in the vocabulary: use words such as {', '.join(number_words(24))} or nineteen.")
    ids = [torch.tensor([number[token] for token in row]) for row in rows]
    return nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)


def source_ids(sources: Sequence[Sequence[str]]) -> Tensor:
    """(B, S), each row closed by <end>."""
    return _ids([(*source, "<end>") for source in sources], SOURCE_VOCABULARY)


# The models


def build_translator(kind: str, dim: int = 64, seed: int = 0) -> Translator:
    """A model with random weights: "transformer", "gru" (one fixed vector) or "gru+attention".

    Raises:
        LabError: an unknown kind.
    """
    if kind not in KINDS:
        raise LabError(f"There is no model “{kind}”: choose one of {', '.join(KINDS)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "transformer":
            return Transformer(len(SOURCE_VOCABULARY), len(TARGET_VOCABULARY), dim)
        return Recurrent(len(SOURCE_VOCABULARY), len(TARGET_VOCABULARY), dim, use_attention=kind == "gru+attention")


def trainable_parameters(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(weight.numel() for weight in model.parameters())


# Training and use


def train_translator(
    model: Translator,
    pairs: Sequence[TranslationPair],
    steps: int = 800,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> list[float]:
    """Train a model in place: every step on `batch_size` pairs, each length as likely as any other.

    Args:
        model: what `build_translator` returned.
        pairs: to learn from.
        steps: of AdamW, with one rise and fall of the learning rate.
        batch_size: B.
        learning_rate: its highest value.
        seed: of the choice of pairs: the same pairs in the same order for every model.

    Returns:
        The loss of each step, in nats per target token.
    """
    device = next(model.parameters()).device
    source, target = source_ids([pair.source for pair in pairs]).to(device), _target_ids(pairs).to(device)
    common = Counter(pair.length for pair in pairs)
    chances = torch.tensor([1 / common[pair.length] for pair in pairs])
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=max(2, steps), pct_start=0.1)
    losses = []
    model.train()
    for _ in range(steps):
        rows = torch.multinomial(chances, batch_size, replacement=True, generator=generator).to(device)
        logits, _ = model.decode(model.encode(source[rows]), target[rows, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), target[rows, 1:].flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    model.eval()
    return losses


def _target_ids(pairs: Sequence[TranslationPair]) -> Tensor:
    """(B, T), each row between <start> and <end>."""
    return _ids([("<start>", *pair.target, "<end>") for pair in pairs], TARGET_VOCABULARY)


@torch.no_grad()
def translate(model: Translator, sources: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Greedy translations, token by token, each without its <end> and never longer than two digits for each word."""
    ids = source_ids(sources).to(next(model.parameters()).device)
    memory = model.encode(ids)
    written = torch.full((len(ids), 1), START, device=ids.device)
    for _ in range(2 * ids.shape[1]):
        best = model.decode(memory, written)[0][:, -1:].argmax(-1)  # (B, 1)
        written = torch.cat([written, best], dim=1)
        if (written == END).any(1).all():
            break
    # No word is more than two digits: a row that never ends is cut there.
    rows = [row[: 2 * len(source)] for row, source in zip(written[:, 1:].tolist(), sources, strict=True)]
    rows = [row[: row.index(END)] if END in row else row for row in rows]
    return [tuple(TARGET_VOCABULARY[i] for i in row) for row in rows]


@dataclass(frozen=True)
class ExactMatches:
    """How many of the translations are right in every token."""

    right: int
    total: int


def exact_match(model: Translator, pairs: Sequence[TranslationPair]) -> dict[int, ExactMatches]:
    """Exact translations by length, shortest first."""
    written = translate(model, [pair.source for pair in pairs])
    total = Counter(pair.length for pair in pairs)
    right = Counter(pair.length for pair, row in zip(pairs, written, strict=True) if row == pair.target)
    return {length: ExactMatches(right[length], total[length]) for length in sorted(total)}


@dataclass(frozen=True)
class CrossAttention:
    """Where a model looks while it writes.

    Attributes:
        weights: (T, S), a row for each written token; it sums to one, and is the recipe of that step's context vector.
        target: the T tokens written, <end> included if it came.
        source: the S tokens read, <end> included.
    """

    weights: Tensor
    target: tuple[str, ...]
    source: tuple[str, ...]


@torch.no_grad()
def cross_attention(model: Translator, source: Sequence[str]) -> CrossAttention:
    """The attention of a model's own greedy translation of one source.

    Raises:
        LabError: the model has no attention to the source.
    """
    written = (*translate(model, [source])[0], "<end>")
    ids = source_ids([source]).to(next(model.parameters()).device)
    weights = model.decode(model.encode(ids), _ids([("<start>", *written[:-1])], TARGET_VOCABULARY).to(ids.device))[1]
    if weights is None:
        raise LabError(
            "This model looks back at nothing: its decoder has one fixed vector. Build “gru+attention” or “transformer”."
        )
    return CrossAttention(weights[0].cpu(), written, (*source, "<end>"))
