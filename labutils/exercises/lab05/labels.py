"""What the model learns to write: the labels of a pair, and the loss on its completion."""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor
from torch.nn import functional as F

from labutils.exercises.draws import DTYPES, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64, normal

Ids = list[int]
IGNORE = -100


# ---------------------------------------------------------------------------- 5.1 ids and labels of a pair


def label_pair(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    wanted = [*completion_ids, end_id]
    return [*prompt_ids, *wanted], [*masked(prompt_ids), *wanted]


def masked(ids: Ids) -> Ids:
    return [IGNORE] * len(ids)


def label_pair_cases() -> Cases:
    return [
        ([5, 6], [7, 8], 2),
        ([5, 6, 7], [6, 9], 2),
        ([4], [8, 8, 3], 1),
        ([3, 1, 4, 1, 5], [9], 0),
        ([5, 6, 7], [], 2),
        ([], [7, 8], 2),
        ([2, 6, 2], [7, 2, 8], 2),  # the end token stands in the texts too
        ([], [], 1),
    ]


def random_label_pair(rng: random.Random, size: int) -> tuple[Ids, Ids, int]:
    """Few different ids, so that the same ones stand in both texts; either text may be empty."""
    different = 2 + size // 2
    texts = [[rng.randrange(different) for _ in range(rng.randint(0, 1 + size))] for _ in range(2)]
    return texts[0], texts[1], rng.randrange(different + 1)


def prompt_not_masked(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, list(ids)


def no_end_token(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    return [*prompt_ids, *completion_ids], [*masked(prompt_ids), *completion_ids]


def end_token_masked(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [*masked(prompt_ids), *completion_ids, IGNORE]


def end_token_without_label(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, labels = label_pair(prompt_ids, completion_ids, end_id)
    return ids, labels[:-1]


def completion_masked(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [*prompt_ids, *masked(completion_ids), IGNORE]


def labels_shifted(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, labels = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [*labels[1:], IGNORE]


def masks_one_too_few(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [*masked(prompt_ids[1:]), *prompt_ids[-1:], *completion_ids, end_id]


def masks_with_zero(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [*[0] * len(prompt_ids), *completion_ids, end_id]


def masks_by_id(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [IGNORE if i in prompt_ids else i for i in ids]


def masks_one_too_many(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, labels = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [*masked(prompt_ids), IGNORE, *labels[len(prompt_ids) + 1 :]]


def labels_of_the_completion_alone(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [*completion_ids, end_id]


def ids_and_labels_exchanged(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, labels = label_pair(prompt_ids, completion_ids, end_id)
    return labels, ids


def no_end_token_without_completion(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    pair = no_end_token if not completion_ids else label_pair
    return pair(prompt_ids, completion_ids, end_id)


def every_end_token_masked(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, labels = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [IGNORE if label == end_id else label for label in labels]


# ------------------------------------------------------------------------------ 5.2 loss on the completion


def completion_loss(logits: Tensor, labels: Tensor) -> float:
    return cross_entropy(logits[:-1], labels[1:])


def cross_entropy(logits: Tensor, labels: Tensor, reduction: str = "mean") -> float:
    """Of logits (T, V) and labels (T,) that are aligned already."""
    return F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction=reduction).item()


def completion_loss_cases() -> Cases:
    three = float64([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [0.0, 4.0, 1.0])
    two = float64([2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 2.0])
    five, four = normal(52, (6, 5), (7, 4))
    return [
        (three, torch.tensor([IGNORE, 1, 2])),
        (two, torch.tensor([IGNORE, IGNORE, 1, 0])),
        (five, torch.tensor([IGNORE, IGNORE, IGNORE, 4, 1, 3])),
        (3 * four, torch.tensor([IGNORE, 2, 3, 1, 0, IGNORE, IGNORE])),
        (four[:4].float(), torch.tensor([3, 0, 2, 1])),  # without a prompt; nothing predicts the first label
        (five, torch.tensor([IGNORE, 4, IGNORE, IGNORE, 0, IGNORE])),  # labels that are no block
        (two[:2], torch.tensor([IGNORE, 1])),
        (two[[1, 1, 1, 0]], torch.tensor([IGNORE, 1, 1, 0])),  # rows and labels that occur twice
        (three.float() + 120, torch.tensor([IGNORE, 0, 2])),  # exp(120) overflows in float32
        (-(80 * two).float(), torch.tensor([IGNORE, 0, 1, 0])),  # some probabilities are 0 in float32, their logarithms are not
    ]


def random_completion_loss(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    length, words = 2 + size // 2, 2 + size // 3
    labels = [rng.choice((IGNORE, rng.randrange(words), rng.randrange(words))) for _ in range(length)]
    labels[rng.randrange(1, length)] = rng.randrange(words)
    spread = rng.choice((1.0, 3.0, 3.0, 90.0))
    return drawn(rng, length, words, spread=spread, dtype=rng.choice(DTYPES)), torch.tensor(labels)


def not_shifted(logits: Tensor, labels: Tensor) -> float:
    return cross_entropy(logits, labels)


def shifted_twice(logits: Tensor, labels: Tensor) -> float:
    return cross_entropy(logits[:-2], labels[2:])


def shifted_the_wrong_way(logits: Tensor, labels: Tensor) -> float:
    return cross_entropy(logits[1:], labels[:-1])


def divides_by_all_positions(logits: Tensor, labels: Tensor) -> float:
    return cross_entropy(logits[:-1], labels[1:], "sum") / (len(labels) - 1)


def divides_by_the_length(logits: Tensor, labels: Tensor) -> float:
    return cross_entropy(logits[:-1], labels[1:], "sum") / len(labels)


def sums_instead_of_averaging(logits: Tensor, labels: Tensor) -> float:
    return cross_entropy(logits[:-1], labels[1:], "sum")


def measures_in_bits(logits: Tensor, labels: Tensor) -> float:
    return completion_loss(logits, labels) / math.log(2)


def masked_counted_as_token_0(logits: Tensor, labels: Tensor) -> float:
    return cross_entropy(logits[:-1], labels[1:].clamp(min=0))


def no_minus_sign(logits: Tensor, labels: Tensor) -> float:
    return -completion_loss(logits, labels)


def softmax_twice(logits: Tensor, labels: Tensor) -> float:
    return completion_loss(logits.softmax(-1), labels)


def logarithm_of_the_softmax(logits: Tensor, labels: Tensor) -> float:
    targets = labels[1:]
    kept = targets != IGNORE
    return -logits[:-1][kept].softmax(-1).log().gather(1, targets[kept][:, None]).mean().item()


def logits_taken_for_log_probs(logits: Tensor, labels: Tensor) -> float:
    targets = labels[1:]
    kept = targets != IGNORE
    return -logits[:-1][kept].gather(1, targets[kept][:, None]).mean().item()


def exponentials_overflow(logits: Tensor, labels: Tensor) -> float:
    targets = labels[1:]
    kept = targets != IGNORE
    rows = logits[:-1][kept]
    return (rows.exp().sum(-1).log() - rows.gather(1, targets[kept][:, None])[:, 0]).mean().item()


def returns_the_perplexity(logits: Tensor, labels: Tensor) -> float:
    return torch.tensor(completion_loss(logits, labels), dtype=torch.float64).exp().item()


def mean_of_the_probabilities(logits: Tensor, labels: Tensor) -> float:
    targets = labels[1:]
    kept = targets != IGNORE
    return -logits[:-1][kept].softmax(-1).gather(1, targets[kept][:, None]).mean().log().item()


EXERCISES = {
    "5.1": ExerciseFunctions(
        label_pair,
        label_pair_cases,
        (
            prompt_not_masked,
            no_end_token,
            end_token_masked,
            end_token_without_label,
            completion_masked,
            labels_shifted,
            masks_one_too_few,
            masks_with_zero,
            masks_by_id,
            masks_one_too_many,
            labels_of_the_completion_alone,
            ids_and_labels_exchanged,
            no_end_token_without_completion,
            every_end_token_masked,
        ),
        random_label_pair,
    ),
    "5.2": ExerciseFunctions(
        completion_loss,
        completion_loss_cases,
        (
            not_shifted,
            shifted_twice,
            shifted_the_wrong_way,
            divides_by_all_positions,
            divides_by_the_length,
            sums_instead_of_averaging,
            measures_in_bits,
            masked_counted_as_token_0,
            no_minus_sign,
            softmax_twice,
            logarithm_of_the_softmax,
            logits_taken_for_log_probs,
            exponentials_overflow,
            returns_the_perplexity,
            mean_of_the_probabilities,
        ),
        random_completion_loss,
    ),
}
