"""Take a part out of a real Llama-type model and measure what gets worse: whole attention or feed-forward parts, or single heads (lab 01).

A part is taken out by putting zeros in the place of what it writes into the residual stream (zero ablation). What remains still
gets inputs that it never met in training, so a loss that rises shows that the model used the part, and not what for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labutils.errors import LabError

if TYPE_CHECKING:
    from torch import Tensor

PARTS: dict[str, str] = {"attention": "self_attn", "feed-forward": "mlp"}  # of a block: name here -> name in transformers
FIRST_ORDINARY_ID = 100  # the ids before it are special tokens and single bytes


@contextmanager
def without_parts(model: Any, part: str, layers: Iterable[int]) -> Iterator[Any]:
    """Silence one kind of part in some blocks, and give it back at the end.

    Args:
        model: a Llama-type model of transformers.
        part: "attention" or "feed-forward", which of the two parts of each block writes zeros.
        layers: the numbers of the blocks, from 0.

    Raises:
        LabError: there is no such part.
    """
    if part not in PARTS:
        raise LabError(f"A block has no part “{part}”: choose {' or '.join(PARTS)}.")

    def silence(_module: Any, _inputs: Any, output: Any) -> Any:
        return (output[0] * 0, *output[1:]) if isinstance(output, tuple) else output * 0

    hooks = [getattr(model.model.layers[layer], PARTS[part]).register_forward_hook(silence) for layer in layers]
    try:
        yield model
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def exchanged_keys_and_values(model: Any, layer: int) -> Iterator[Any]:
    """Let W_K and W_V of one block change places, and put them back at the end. They have the same shape."""
    part = model.model.layers[layer].self_attn
    part.k_proj, part.v_proj = part.v_proj, part.k_proj
    try:
        yield model
    finally:
        part.k_proj, part.v_proj = part.v_proj, part.k_proj


@contextmanager
def without_heads(model: Any, heads: Iterable[tuple[int, int]]) -> Iterator[Any]:
    """Silence some attention heads, given as (layer, head) from 0, and give them back at the end.

    The numbers of a head are set to zero before the output matrix W_O mixes the heads, so the head writes nothing.

    Raises:
        LabError: the model has no such head.
    """
    size, count = model.config.head_dim, model.config.num_attention_heads
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        if not (0 <= layer < model.config.num_hidden_layers and 0 <= head < count):
            raise LabError(f"There is no head {head} in layer {layer}: this model has {count} in each layer, counted from 0.")
        by_layer.setdefault(layer, []).append(head)

    def silencer(silenced: Sequence[int]) -> Any:
        def silence(_module: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            joined = inputs[0].clone()  # (B, T, H*E)
            for head in silenced:
                joined[..., head * size : (head + 1) * size] = 0
            return (joined,)

        return silence

    hooks = [
        model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(silencer(silenced))
        for layer, silenced in by_layer.items()
    ]
    try:
        yield model
    finally:
        for hook in hooks:
            hook.remove()


def repeated_tokens(model: Any, texts: int = 8, length: int = 40, seed: int = 0) -> Tensor:
    """Rows of random tokens, each row twice over, (texts, 2 * length): nothing but copying helps to predict the second half."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    once = torch.randint(FIRST_ORDINARY_ID, model.config.vocab_size, (texts, length), generator=generator)
    return torch.cat([once, once], dim=1).to(model.device)


def loss_by_position(model: Any, ids: Tensor) -> Tensor:
    """The loss of each next token, −ln p, in nats: (B, T - 1) on the CPU for ids (B, T); column t belongs to token t + 1."""
    import torch

    with torch.no_grad():
        logits = model(ids).logits[:, :-1].float()  # (B, T-1, V)
    return -logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0].cpu()


def copied(model: Any, repeats: Tensor) -> float:
    """The share of tokens in the second half of `repeated_tokens` that the model predicts; the first of it has nothing to go by.

    Args:
        model: a decoder.
        repeats: (B, 2 * length), of `repeated_tokens`; (length - 1) * B tokens are counted.
    """
    import torch

    half = repeats.shape[1] // 2
    with torch.no_grad():
        found = model(repeats).logits[:, half:-1].argmax(-1)  # (B, length - 1)
    return float((found == repeats[:, half + 1 :]).float().mean())


def answers_right(model: Any, tokenizer: Any, questions: Sequence[Mapping[str, Any]]) -> Tensor:
    """For each question, whether the first token of the right answer has the largest logit among the choices, (N,) of booleans.

    Args:
        model: a decoder.
        tokenizer: the decoder's own.
        questions: rows with prompt, choices and answer, as `load_probes` has them.
    """
    import torch

    rows = [tokenizer.encode(question["prompt"]) for question in questions]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=model.device)  # what follows is never seen
    right = []
    with torch.no_grad():
        states = model.model(ids).last_hidden_state  # (N, T, D)
        for state, row, question in zip(states, rows, questions, strict=True):
            logits = model.lm_head(state[len(row) - 1])  # (V,)
            choices = [tokenizer.encode(" " + choice)[0] for choice in question["choices"]]
            right.append(question["choices"][int(logits[choices].argmax())] == question["answer"])
    return torch.tensor(right)


@dataclass(frozen=True)
class PartRow:
    """What a model can still do without some of its parts.

    Attributes:
        part: the silenced part, "attention" or "feed-forward"; "nothing" for the whole model.
        first, last: the blocks concerned, from 0; None for the whole model.
        right: (N,), for each question whether it was answered right, see `answers_right`.
        copied: the share of tokens copied, see `copied`.
    """

    part: str
    first: int | None
    last: int | None
    right: Tensor
    copied: float

    @property
    def blocks(self) -> str:
        """The blocks concerned, as a person reads them."""
        return "" if self.first is None else f"{self.first} to {self.last}"


def part_study(
    model: Any, tokenizer: Any, questions: Sequence[Mapping[str, Any]], repeats: Tensor, ranges: Sequence[range]
) -> list[PartRow]:
    """Silence the attention parts of a range of blocks, then their feed-forward parts, and ask for knowledge and for copying.

    Args:
        model: a Llama-type model of transformers.
        tokenizer: its own.
        questions: for `answers_right`.
        repeats: of `repeated_tokens`.
        ranges: the blocks to silence, one range after another. The first row is of the whole model.
    """
    found = [PartRow("nothing", None, None, answers_right(model, tokenizer, questions), copied(model, repeats))]
    for layers in ranges:
        for part in PARTS:
            with without_parts(model, part, layers):
                right = answers_right(model, tokenizer, questions)
                found.append(PartRow(part, layers[0], layers[-1], right, copied(model, repeats)))
    return found
