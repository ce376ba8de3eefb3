"""What the model learns to write: the labels of a pair, and the loss on its completion."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

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
    return [([5, 6], [7, 8], 2), ([5, 6, 7], [6, 9], 2), ([4], [8, 8, 3], 1), ([3, 1, 4, 1, 5], [9], 0)]


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
    return ids, [*masked(prompt_ids[1:]), prompt_ids[-1], *completion_ids, end_id]


def masks_with_zero(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [*[0] * len(prompt_ids), *completion_ids, end_id]


def masks_by_id(prompt_ids: Ids, completion_ids: Ids, end_id: int) -> tuple[Ids, Ids]:
    ids, _ = label_pair(prompt_ids, completion_ids, end_id)
    return ids, [IGNORE if i in prompt_ids else i for i in ids]


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
    ]


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
        ),
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
        ),
    ),
}
