"""Instruction pairs as tensors: what the model reads, what it is asked to predict, and what is left out of the loss (lab 05).

Shapes: B examples in a batch, T tokens of the longest, N labelled positions, V the vocabulary.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from labutils.errors import LabError
from labutils.prompting.prompts import encode_prompt
from labutils.validation import require_text

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
IGNORE_INDEX = -100  # PyTorch's cross_entropy leaves targets of this value out
MEGA_BATCH = 8  # steps' worth of shuffled examples that are sorted by length together


class Example(NamedTuple):
    """A prompt and its completion as token ids; the completion ends in the end token."""

    prompt: list[int]
    completion: list[int]

    @property
    def length(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.prompt) + len(self.completion)


class Batch(NamedTuple):
    """What goes into the model, and what each position should predict.

    Attributes:
        inputs: keyword arguments of the model.
        targets: (B, T) the next token's id, or IGNORE_INDEX where no loss is taken: already shifted by one.
    """

    inputs: dict[str, Tensor]
    targets: Tensor


def build_examples(
    tokenizer: Any, pairs: Sequence[tuple[str, str]], window: int | None = None, end: bool = True
) -> list[Example]:
    """Tokenize (prompt, completion) pairs.

    Prompt and completion are tokenized apart, as they are when the model writes: then the prompt comes alone. A completion after a
    bare prompt begins with its blank, " positive"; after a chat template's turn it does not.

    Args:
        tokenizer: the model's.
        pairs: texts.
        window: the model's `max_position_embeddings`; None means no limit.
        end: append the end token, so that the model learns to stop.

    Raises:
        LabError: no pairs, an empty prompt or completion, half a character, or a pair that is longer than the window.

    Example: in `build_examples(tokenizer, [("2 + 2 =", " 4")])` the completion is the token of " 4" and `tokenizer.eos_token_id`.
    """
    if not pairs:
        raise LabError("There are no examples: pass at least one pair of prompt and completion.")
    if end and tokenizer.eos_token_id is None:
        raise LabError("This tokenizer names no end token: set tokenizer.eos_token, or pass end=False.")
    examples = []
    for number, (prompt, completion) in enumerate(pairs):
        require_text(f"The prompt of pair {number}", prompt, whole=True)
        require_text(f"The completion of pair {number}", completion, whole=True)
        written = list(tokenizer(completion, add_special_tokens=False).input_ids)
        example = Example(encode_prompt(tokenizer, prompt), [*written, tokenizer.eos_token_id] if end else written)
        if not written or not example.prompt:
            raise LabError(f"Pair {number} has an empty {'prompt' if written else 'completion'}: both need at least one token.")
        if window and example.length > window:
            raise LabError(
                f"Pair {number} has {example.length:,} tokens and the model's window holds {window:,}: shorten it or leave it out."
            )
        examples.append(example)
    return examples


def collate(examples: Sequence[Example], model: Any) -> Batch:
    """A batch as long as its longest example, padded on the right.

    A decoder-only model needs no attention mask then: a token looks to the left only, so it never sees the padding, and what the
    padding computes has no label. An encoder looks both ways, so an encoder-decoder gets a mask for its source.

    Args:
        examples: B of them.
        model: for its kind and its device.
    """
    import torch

    def rows(lists: Sequence[Sequence[int]], filler: int) -> Tensor:
        longest = max(map(len, lists))
        return torch.tensor([[*row, *[filler] * (longest - len(row))] for row in lists], device=model.device)

    if model.config.is_encoder_decoder:
        start, completions = model.config.decoder_start_token_id, [e.completion for e in examples]
        inputs = {
            "input_ids": rows([e.prompt for e in examples], 0),
            "attention_mask": rows([[1] * len(e.prompt) for e in examples], 0),
            "decoder_input_ids": rows([[start, *completion[:-1]] for completion in completions], 0),
        }
        return Batch(inputs, rows(completions, IGNORE_INDEX))
    ids = rows([[*e.prompt, *e.completion] for e in examples], 0)
    targets = rows([[*[IGNORE_INDEX] * (len(e.prompt) - 1), *e.completion, IGNORE_INDEX] for e in examples], IGNORE_INDEX)
    return Batch({"input_ids": ids}, targets)


@contextmanager
def labelled_logits_only(model: Any, labelled: Tensor) -> Iterator[None]:
    """Inside the block, the output head computes logits (N, V) for the labelled positions alone, in place of (B, T, V).

    With a vocabulary of 49,152 the logits of every position would be the largest tensor of a training step. The head reads
    positions independently of one another, so leaving some out changes nothing for the others.

    Args:
        model: with an output head; wrapped by PEFT or DDP is fine. Virtual tokens before the input are skipped.
        labelled: (B, T) bool.

    Raises:
        LabError: the model has no output head.
    """
    head = getattr(model, "module", model).get_output_embeddings()
    if head is None:
        raise LabError("This model has no output head over the vocabulary: choose a language model that writes text.")

    def pick(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden = inputs[0]  # (B, virtual tokens + T, D)
        return (hidden[:, hidden.shape[1] - labelled.shape[1] :][labelled],)

    handle = head.register_forward_pre_hook(pick)
    try:
        yield
    finally:
        handle.remove()


def token_losses(model: Any, batch: Batch) -> Tensor:
    """Cross-entropy of each labelled position, in nats: (N,), row by row of the batch."""
    import torch

    labelled = batch.targets != IGNORE_INDEX
    with labelled_logits_only(model, labelled):
        logits = model(**batch.inputs, use_cache=False).logits  # (N, V)
    return torch.nn.functional.cross_entropy(logits.float(), batch.targets[labelled], reduction="none")


def step_order(examples: Sequence[Example], batch: int, epochs: int = 1, seed: int = 0) -> list[list[int]]:
    """The steps of a training run, each a list of `batch` indices: at random, but with neighbours in length together.

    Every epoch shuffles the examples, sorts each stretch of eight steps by length, cuts it into steps and shuffles these. Padding
    then costs little, and the order depends on nothing but the lengths, the batch and the seed: every method, micro-batch and
    number of processes sees the same steps. The last step of an epoch may be smaller.

    Raises:
        LabError: a batch or a number of epochs below one.
    """
    if batch < 1 or epochs < 1:
        raise LabError(f"batch={batch} and epochs={epochs}: both must be at least 1.")
    rng, steps = random.Random(seed), []
    for _ in range(epochs):
        order = rng.sample(range(len(examples)), len(examples))
        epoch = []
        for start in range(0, len(order), batch * MEGA_BATCH):
            stretch = sorted(order[start : start + batch * MEGA_BATCH], key=lambda i: examples[i].length)
            epoch += [stretch[i : i + batch] for i in range(0, len(stretch), batch)]
        rng.shuffle(epoch)
        steps += epoch
    return steps


def micro_batches(step: Sequence[T], size: int) -> list[Sequence[T]]:
    """A step in parts of at most `size`, as even as possible.

    >>> micro_batches(range(8), 3)
    [range(0, 3), range(3, 5), range(5, 8)]
    """
    parts = -(-len(step) // size)
    ends = [round(len(step) * part / parts) for part in range(parts + 1)]
    return [step[a:b] for a, b in pairwise(ends)]
