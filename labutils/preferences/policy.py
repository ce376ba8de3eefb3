"""A small policy over characters, and many copies of it that are trained side by side (lab 10).

A text is a shopping list such as "tea milk eggs." The network reads the last five characters, the place, and how often each character
has stood so far. That is a window model in the manner of Bengio et al. 2003 (JMLR 3) with a bag of characters beside the window. It
has no recurrence, so a whole batch of texts is scored in one product. R copies, each with weights of its own, stand along a leading
dimension: arms and seeds of an experiment then run in the same time as one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from labutils.errors import LabError
from labutils.validation import require_positive, require_tensor, require_whole_number

ITEMS = (
    "tea",
    "milk",
    "eggs",
    "rice",
    "salt",
    "soap",
    "jam",
    "oil",
    "figs",
    "corn",
    "ham",
    "peas",
    "nuts",
    "beans",
    "bread",
    "plums",
)
ALPHABET = ". " + "".join(sorted(set("".join(ITEMS))))  # the full stop ends a list
END, WINDOW, LENGTH = 0, 5, 32  # id of the end, characters that are seen, characters at most
VOCABULARY = len(ALPHABET)
FEATURES = WINDOW * VOCABULARY + LENGTH + VOCABULARY
HIDDEN = 64


def written_list(rng: random.Random) -> str:
    """A list as people write it: one to six items, now and then one twice, and one word in eight misspelled."""
    words = []
    for _ in range(rng.choices((1, 2, 3, 4, 5, 6), (2, 5, 6, 4, 2, 1))[0]):
        word = rng.choice(ITEMS)
        if rng.random() < 0.125:
            place = rng.randrange(len(word))
            word = word[:place] + rng.choice(
                (word[place + 1 :], rng.choice(ALPHABET[2:]) + word[place + 1 :], word[place] + word[place:])
            )
        words.append(word)
    return " ".join(words)[: LENGTH - 1] + "."


def encode(texts: Sequence[str]) -> Tensor:
    """Ids (B, LENGTH) of texts; what stands behind the end is the end again.

    Raises:
        LabError: a text with another character, or one that is too long.
    """
    rows = []
    for text in texts:
        if len(text) > LENGTH or not set(text) <= set(ALPHABET):
            raise LabError(f"{text[:50]!r} is no list: up to {LENGTH} small letters and spaces, a full stop at the end.")
        rows.append([ALPHABET.index(character) for character in text] + [END] * (LENGTH - len(text)))
    return torch.tensor(rows, dtype=torch.long).reshape(len(rows), LENGTH)


def _require_ids(ids: Tensor, dimensions: int = 1, last: int | None = None) -> None:
    """Refuse what are no ids of characters."""
    require_tensor("ids", ids, dimensions, last=last, floating=False)
    if ids.dtype != torch.long or (ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < VOCABULARY):
        raise LabError(f"ids must be whole numbers from 0 to {VOCABULARY - 1}: make them with encode() or sample().")


def decode(ids: Tensor) -> list[str]:
    """The texts of ids (B, LENGTH), up to and with the first end.

    Raises:
        LabError: other numbers than ids, or another shape.
    """
    _require_ids(ids, 2)
    if ids.dim() > 2:
        raise LabError(f"ids has the shape {tuple(ids.shape)}; give one row per text, (B, T).")
    texts = ["".join(ALPHABET[i] for i in row) for row in ids.tolist()]
    return [text[: text.index(".") + 1] if "." in text else text for text in texts]


def written_mask(ids: Tensor) -> Tensor:
    """True where a character was chosen, (..., LENGTH): up to and with the first end.

    Raises:
        LabError: other numbers than ids.
    """
    _require_ids(ids)
    ended = (ids == END).cumsum(-1)
    return (ended == 0) | ((ended == 1) & (ids == END))


@cache
def _one_hot() -> Tensor:
    return torch.eye(VOCABULARY)


def features(ids: Tensor) -> Tensor:
    """What the network reads at each place, (..., LENGTH, FEATURES): the window, the place, and counts of all characters before.

    Raises:
        LabError: other numbers than ids, or texts of another length.
    """
    _require_ids(ids, last=LENGTH)
    hot = _one_hot()[ids]  # (..., T, V)
    shifted = [torch.cat([torch.zeros_like(hot[..., :k, :]), hot[..., :-k, :]], dim=-2) for k in range(1, WINDOW + 1)]
    place = torch.eye(LENGTH).expand(*ids.shape[:-1], LENGTH, LENGTH)
    counts = hot.cumsum(-2) - hot
    return torch.cat([*shifted, place, counts / 4], dim=-1)


class Policies(nn.Module):
    """R networks with weights of their own: from a text so far to the probabilities of the next character."""

    def __init__(self, runs: int = 1, seed: int = 0) -> None:
        """Random weights, the same for all runs; torch's global generator is left alone."""
        super().__init__()
        require_whole_number("runs", runs)
        require_whole_number("seed", seed, 0)
        draw = torch.Generator().manual_seed(seed)

        def weights(n_in: int, n_out: int) -> nn.Parameter:
            return nn.Parameter((torch.randn(n_in, n_out, generator=draw) * n_in**-0.5).repeat(runs, 1, 1))

        self.w1, self.w2, self.head = weights(FEATURES, HIDDEN), weights(HIDDEN, HIDDEN), weights(HIDDEN, VOCABULARY)
        self.b1, self.b2 = (nn.Parameter(torch.zeros(runs, 1, HIDDEN)) for _ in range(2))

    @property
    def runs(self) -> int:
        """R."""
        return len(self.w1)

    @property
    def parameters_per_run(self) -> int:
        """The weights of one network."""
        return sum(weight[0].numel() for weight in self.parameters())

    def copies(self, runs: int) -> Policies:
        """`runs` independent copies of a single policy."""
        if self.runs != 1:
            raise LabError(f"There are {self.runs} policies: copies are made of one.")
        made = Policies(runs)
        with torch.no_grad():
            for new, old in zip(made.parameters(), self.parameters(), strict=True):
                new.copy_(old.expand_as(new))
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Logits (R, N, V) of features (R, N, FEATURES)."""
        hidden = torch.tanh(torch.baddbmm(self.b1, x, self.w1))
        hidden = torch.tanh(torch.baddbmm(self.b2, hidden, self.w2))
        return hidden @ self.head

    def log_probs(self, ids: Tensor, x: Tensor | None = None) -> Tensor:
        """Log-probability of each character of texts: (R, B, T) -> (R, B, T), 0 behind the end. `x`: their features, if at hand."""
        x = features(ids) if x is None else x
        logits = self(x.flatten(1, 2)).view(*ids.shape, VOCABULARY)
        chosen = -functional.cross_entropy(logits.flatten(0, 2), ids.flatten(), reduction="none").view(ids.shape)
        return chosen * written_mask(ids)

    @torch.no_grad()
    def sample(self, count: int, generator: Generator) -> Tensor:
        """`count` texts of each run: ids (R, count, LENGTH). After an end only ends follow."""
        runs = self.runs
        ids = torch.zeros(runs, count, LENGTH, dtype=torch.long)
        window = torch.zeros(runs, count, WINDOW, VOCABULARY)
        counts = torch.zeros(runs, count, VOCABULARY)
        going = torch.ones(runs, count, dtype=torch.bool)
        draws = torch.rand(LENGTH, runs, count, 1, generator=generator)
        split = WINDOW * VOCABULARY
        weights = torch.cat([self.w1[:, :split], self.w1[:, split + LENGTH :]], dim=1)  # of the window and the counts
        places = self.w1[:, split : split + LENGTH].unsqueeze(2) + self.b1.unsqueeze(1)  # (R, T, 1, H)
        for t in range(LENGTH):
            seen = torch.cat([window.flatten(2), counts / 4], dim=-1)
            hidden = torch.tanh(torch.baddbmm(places[:, t], seen, weights))
            hidden = torch.tanh(torch.baddbmm(self.b2, hidden, self.w2))
            probabilities = (hidden @ self.head).softmax(-1)
            chosen = (probabilities.cumsum(-1) < draws[t]).sum(-1).clamp(max=VOCABULARY - 1)  # (R, B)
            chosen = chosen.masked_fill(~going, END)
            ids[:, :, t] = chosen
            going = going & (chosen != END)
            if not going.any():
                break
            hot = _one_hot()[chosen]
            window = torch.cat([hot.unsqueeze(2), window[:, :, :-1]], dim=2)
            counts = counts + hot
        return ids


def train_reference(steps: int = 300, batch: int = 128, rate: float = 0.005, seed: int = 0) -> Policies:
    """The policy that all others start from, trained to imitate written lists.

    Args:
        steps: of AdamW.
        batch: lists in a step.
        rate: the peak of the learning rate, which falls to 0.
        seed: of the weights and of the lists.

    Raises:
        LabError: a size that is no whole number of at least 1, or a rate that is no number above 0 and at most 1.
    """
    require_whole_number("steps", steps)
    require_whole_number("batch", batch)
    require_whole_number("seed", seed, 0)
    require_positive("rate", rate)
    if rate > 1:
        raise LabError(f"rate={rate!r} would throw the weights about: choose a learning rate below 1, such as 0.005.")
    rng, policy = random.Random(seed), Policies(1, seed)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=rate, weight_decay=0.0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        ids = encode([written_list(rng) for _ in range(batch)]).unsqueeze(0)
        loss = -policy.log_probs(ids).sum() / written_mask(ids).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy
