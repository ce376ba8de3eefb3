"""Small character models, trained in seconds: the runs of lab 08.

A model is a stack of the blocks of lab 01, with PyTorch's fused attention, since dozens of them are trained. Places are marked by ALiBi: a
score falls with the distance, so that a model sees its neighbours from the first step on (Press et al. 2022, arXiv:2108.12409). The text
is the course's own prose, dialogues, reviews and puzzles, one id per character. A tenth of the documents is held out.
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from labutils.course.corpora import load_dialogues, load_prompting, load_prose, load_reviews
from labutils.errors import LabError
from labutils.validation import require_choice, require_positive, require_whole_number

CONTEXT, BATCH = 64, 8  # characters in a window, windows in a step
RATE = 0.02  # AdamW's peak
SLOPES = (1.0, 0.1)  # how much a score falls for each place of distance, in either head
WARM_UP, FLOOR = 0.05, 0.05  # shares of the steps, and of the peak at the last step
RARE = 5  # a character that stands less often than this in the text becomes the commonest one
MASKED_SHARE = 0.15


@dataclass(frozen=True)
class CharacterText:
    """The text that small models are trained on.

    Attributes:
        alphabet: the characters by id; "_", which the text does not have, comes last and stands for a mask.
        train: (S,) ids.
        validation: (W, CONTEXT + 1) ids, windows of documents that are not in `train`, one after another.
    """

    alphabet: str
    train: Tensor
    validation: Tensor

    def encode(self, text: str) -> list[int]:
        """One id per character."""
        place = {character: i for i, character in enumerate(self.alphabet)}
        return [place.get(character, 0) for character in text]

    def decode(self, ids: Iterable[int]) -> str:
        """The characters of ids."""
        return "".join(self.alphabet[i] for i in ids)


@cache
def character_text() -> CharacterText:
    """The course's prose, training dialogues, reviews and puzzles as characters."""
    documents = [*load_prose()["text"], *(row["dialogue"] for row in load_dialogues(own=False)["train"])]
    documents += [row["text"] for rows in load_reviews().values() for row in rows]
    documents += [text for row in load_prompting() if isinstance(text := row.get("text"), str) and text]
    random.Random(0).shuffle(documents)
    counts = Counter("\n\n".join(documents))
    alphabet = "".join(c for c, n in counts.most_common() if n >= RARE and c != "_") + "_"
    place = {character: i for i, character in enumerate(alphabet)}
    kept = "\n\n".join(text for i, text in enumerate(documents) if i % 10)
    held_out = "\n\n".join(documents[::10])
    train, validation = (torch.tensor([place.get(c, 0) for c in text]) for text in (kept, held_out))
    starts = torch.arange(0, len(validation) - CONTEXT, CONTEXT)
    return CharacterText(alphabet, train, validation[starts[:, None] + torch.arange(CONTEXT + 1)])


def distance_bias(causal: bool) -> Tensor:
    """What is added to the scores, (2, T, T): minus slope times distance, and minus infinity for what lies ahead of a causal model."""
    place = torch.arange(CONTEXT)
    ahead = place[None, :] - place[:, None]  # (T, T)
    bias = torch.stack([-slope * ahead.abs() for slope in SLOPES])
    return bias.masked_fill(ahead > 0, -torch.inf) if causal else bias


class CharacterBlock(nn.Module):
    """Attention, then feed-forward, each behind a norm and beside a residual connection."""

    bias: Tensor

    def __init__(self, dim: int, causal: bool) -> None:
        """Two heads; the feed-forward part is four times as wide."""
        super().__init__()
        self.register_buffer("bias", distance_bias(causal), persistent=False)  # (2, T, T)
        self.attend, self.feed = nn.RMSNorm(dim), nn.RMSNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.up, self.down = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        batch, length, dim = x.shape
        q, k, v = self.qkv(self.attend(x)).view(batch, length, 3, 2, dim // 2).permute(2, 0, 3, 1, 4)  # (B, 2, T, D/2) each
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.bias[:, :length, :length])
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, dim))
        return x + self.down(functional.gelu(self.up(self.feed(x))))


class CharacterModel(nn.Module):
    """A decoder over characters, or an encoder, which sees both sides. The embedding is also the output head."""

    def __init__(self, vocabulary: int, dim: int, layers: int, causal: bool = True) -> None:
        """Random weights from torch's global generator, scaled so that every layer keeps the size of its input."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.blocks = nn.ModuleList(CharacterBlock(dim, causal) for _ in range(layers))
        self.norm = nn.RMSNorm(dim)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                into_the_stream = (2 * layers) ** -0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
                small = 0.5 if "embedding" in name else 1.0
                nn.init.normal_(weight, std=small * into_the_stream * weight.shape[1] ** -0.5)

    def hidden_states(self, ids: Tensor) -> Tensor:
        """The last hidden states (B, T, D) of ids (B, T)."""
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V) of ids (B, T)."""
        return self.hidden_states(ids) @ self.embedding.weight.T


@dataclass(frozen=True)
class Size:
    """A model's width and depth."""

    dim: int
    layers: int

    def __post_init__(self) -> None:
        """Refuse what is no size.

        Raises:
            LabError: a number that is no whole number of at least 1, or a width that two heads of an even size do not divide.
        """
        require_whole_number("dim", self.dim)
        require_whole_number("layers", self.layers)
        if self.dim % 4:
            raise LabError(f"dim={self.dim} does not split into two heads of an even size: choose a multiple of 4.")

    def build(self, seed: int = 0, causal: bool = True) -> CharacterModel:
        """A model with random weights; torch's global generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return CharacterModel(len(character_text().alphabet), self.dim, self.layers, causal)

    @property
    def parameters(self) -> int:
        """N: all weights. The embedding, which is also the output head, counts once."""
        return self.in_blocks + (len(character_text().alphabet) + 1) * self.dim

    @property
    def in_blocks(self) -> int:
        """The weights of the blocks alone: what is called the non-embedding parameters."""
        return self.layers * (12 * self.dim**2 + 2 * self.dim)


@dataclass(frozen=True)
class SmallRun:
    """A trained model and how it went.

    Attributes:
        parameters: N, embedding included.
        tokens: D, characters that it was trained on; a character that was seen twice counts twice.
        loss: on the held-out text, in bits per character.
        seconds: of training.
        model: the trained weights.
    """

    parameters: int
    tokens: int
    loss: float
    seconds: float
    model: CharacterModel

    @property
    def flops(self) -> float:
        """6ND."""
        return 6.0 * self.parameters * self.tokens


def masked_windows(windows: Tensor, mask: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """(inputs, labels) of windows (B, T): 15 % of the places are asked for and hidden, the labels of the others are -100."""
    chosen = torch.rand(windows.shape, generator=generator) < MASKED_SHARE
    return windows.masked_fill(chosen, mask), windows.masked_fill(~chosen, -100)


def train_small(size: Size, tokens: float, *, objective: str = "causal", seed: int = 0, stop_after: float = 1.0) -> SmallRun:
    """Train a model on so many characters, its learning rate falling to its end at the last step, and measure it on the held-out text.

    Args:
        size: of the model.
        tokens: characters to train on, rounded to whole steps of BATCH windows.
        objective: "causal", or "masked" for a model that sees both sides.
        seed: of the weights, the windows and the masks.
        stop_after: the share of the steps after which to break off, the learning rate being where its schedule has it then.

    Returns:
        the run. The loss of a masked model is that of the masked places, which is another quantity: the two cannot be compared.

    Raises:
        LabError: fewer characters than one step takes, an unknown objective, or a share outside 0..1.
    """
    require_positive("tokens", tokens)
    require_whole_number("seed", seed, 0)
    require_choice("objective", objective, ("causal", "masked"))
    if not 0 < stop_after <= 1:
        raise LabError(f"stop_after={stop_after!r} must be a share of the steps, above 0 and at most 1.")
    if tokens < BATCH * CONTEXT:
        raise LabError(
            f"{tokens:,.0f} characters are less than one step of {BATCH * CONTEXT:,}: train on more, or a smaller model."
        )
    text, steps = character_text(), round(tokens / (BATCH * CONTEXT))
    model = size.build(seed, causal=objective == "causal")
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    generator, mask, warm_up = torch.Generator().manual_seed(seed), len(text.alphabet) - 1, max(1, round(WARM_UP * steps))
    began = time.perf_counter()
    taken = max(1, round(steps * stop_after))
    for step in range(taken):
        falling = FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.param_groups[0]["lr"] = RATE * min((step + 1) / warm_up, falling)
        starts = torch.randint(len(text.train) - CONTEXT, (BATCH, 1), generator=generator)
        window = text.train[starts + torch.arange(CONTEXT + 1)]  # (B, T + 1)
        if objective == "causal":
            inputs, labels = window[:, :-1], window[:, 1:]
        else:
            inputs, labels = masked_windows(window[:, 1:], mask, generator)
        loss = functional.cross_entropy(model(inputs).flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    seconds = time.perf_counter() - began
    return SmallRun(size.parameters, taken * BATCH * CONTEXT, held_out_loss(model, objective), seconds, model)


def held_out_loss(model: CharacterModel, objective: str = "causal") -> float:
    """Bits per character of the held-out text: of every character after the first of a window, or of the masked ones."""
    text, total, count = character_text(), 0.0, 0
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for windows in text.validation.split(64):
            if objective == "causal":
                inputs, labels = windows[:, :-1], windows[:, 1:]
            else:
                inputs, labels = masked_windows(windows[:, 1:], len(text.alphabet) - 1, generator)
            total += float(functional.cross_entropy(model(inputs).flatten(0, 1), labels.flatten(), reduction="sum"))
            count += int((labels != -100).sum())
    return total / count / math.log(2)


def pooled_states(model: CharacterModel, ids: Tensor) -> Tensor:
    """The mean over the places of the last hidden states, (B, D), of windows (B, T): what a probe reads."""
    with torch.no_grad():
        return model.hidden_states(ids).mean(dim=1)
