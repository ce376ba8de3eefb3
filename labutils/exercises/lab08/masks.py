"""The masks of a masked model: what is hidden, and what is asked for."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from labutils.exercises.registry import Cases, ExerciseFunctions
from labutils.exercises.tensors import float64

# --------------------------------------------------------------------- 8.2 masks

Pair = tuple[Tensor, Tensor]


def mask_tokens(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    inputs, labels = ids.clone(), ids.clone()
    labels[~chosen] = -100
    inputs[chosen & (dice < 0.8)] = mask_id
    swapped = chosen & (dice >= 0.8) & (dice < 0.9)
    inputs[swapped] = random_ids[swapped]
    return inputs, labels


def mask_tokens_cases() -> Cases:
    ids = torch.tensor([5, 6, 7, 8, 9, 5])
    return [
        (
            ids,
            torch.tensor([1, 0, 1, 0, 1, 0]).bool(),
            float64(0.1, 0.1, 0.85, 0.85, 0.95, 0.95),
            99,
            torch.tensor([1, 2, 3, 4, 1, 2]),
        ),
        (ids, torch.ones(6).bool(), float64(0.8, 0.9, 0.79, 0.89, 0.0, 1.0), 99, torch.tensor([1, 2, 3, 4, 1, 2])),
        (ids, torch.zeros(6).bool(), float64(0.5, 0.5, 0.85, 0.5, 0.95, 0.5), 99, torch.tensor([1, 2, 3, 4, 1, 2])),
        (ids[:1], torch.ones(1).bool(), float64(0.82), 0, torch.tensor([3])),
        (torch.tensor([0, 3, 3]), torch.tensor([1, 1, 0]).bool(), float64(0.95, 0.1, 0.5), 3, torch.tensor([1, 2, 4])),
    ]


def random_mask_tokens(rng: random.Random, size: int) -> tuple[Tensor, Tensor, Tensor, int, Tensor]:
    n = 1 + size
    ids, other = (torch.tensor([rng.randrange(2, 30) for _ in range(n)]) for _ in range(2))
    chosen = torch.tensor([rng.random() < 0.5 for _ in range(n)])
    dice = float64(*(rng.choice((0.1, 0.5, 0.8, 0.85, 0.9, 0.95)) for _ in range(n)))
    return ids, chosen, dice, rng.choice((0, 103)), other


def labels_everywhere(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return mask_tokens(ids, chosen, dice, mask_id, random_ids)[0], ids.clone()


def labels_of_the_others(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return mask_tokens(ids, chosen, dice, mask_id, random_ids)[0], ids.masked_fill(chosen, -100)


def labels_only_where_hidden(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    inputs, labels = mask_tokens(ids, chosen, dice, mask_id, random_ids)
    return inputs, labels.masked_fill(dice >= 0.9, -100)


def masks_the_others(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return mask_tokens(ids, ~chosen, dice, mask_id, random_ids)


def always_masks(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return ids.masked_fill(chosen, mask_id), ids.masked_fill(~chosen, -100)


def not_only_the_chosen(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return mask_tokens(ids, torch.ones_like(chosen), dice, mask_id, random_ids)[0], ids.masked_fill(~chosen, -100)


def random_and_left_exchanged(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    inputs = ids.masked_fill(chosen & (dice < 0.8), mask_id)
    return torch.where(chosen & (dice >= 0.9), random_ids, inputs), ids.masked_fill(~chosen, -100)


def random_up_to_one(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    inputs = ids.masked_fill(chosen & (dice < 0.8), mask_id)
    return torch.where(chosen & (dice >= 0.8), random_ids, inputs), ids.masked_fill(~chosen, -100)


def labels_hold_the_inputs(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    inputs = mask_tokens(ids, chosen, dice, mask_id, random_ids)[0]
    return inputs, inputs.masked_fill(~chosen, -100)


def bounds_included(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    inputs = ids.masked_fill(chosen & (dice <= 0.8), mask_id)
    return torch.where(chosen & (dice > 0.8) & (dice <= 0.9), random_ids, inputs), ids.masked_fill(~chosen, -100)


# A mistake of one of the parts: the other part, or the other places, are right.


def labels_only_where_changed(ids: Tensor, *rest: Any) -> Pair:
    inputs, labels = mask_tokens(ids, *rest)
    return inputs, labels.masked_fill(inputs == ids, -100)


def labels_only_of_masks(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    inputs = mask_tokens(ids, chosen, dice, mask_id, random_ids)[0]
    return inputs, ids.masked_fill(inputs != mask_id, -100)


def labels_of_zero(*case: Any) -> Pair:
    inputs, labels = mask_tokens(*case)
    return inputs, labels.masked_fill(~case[1], 0)


def inputs_and_labels_exchanged(*case: Any) -> Pair:
    inputs, labels = mask_tokens(*case)
    return labels, inputs


def _by_rules(ids: Tensor, chosen: Tensor, mask_id: int, random_ids: Tensor, masked: Tensor, swapped: Tensor) -> Pair:
    """A masked place gets the mask, any other swapped one the random token; the labels are right."""
    return torch.where(masked, mask_id, torch.where(swapped, random_ids, ids)), ids.masked_fill(~chosen, -100)


def nothing_hidden(ids: Tensor, chosen: Tensor, *rest: Any) -> Pair:
    return ids.clone(), ids.masked_fill(~chosen, -100)


def random_over_the_masks(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, torch.zeros_like(chosen), chosen & (dice < 0.9))


def masks_over_the_random(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, chosen & (dice < 0.9), torch.zeros_like(chosen))


def never_masks(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, torch.zeros_like(chosen), chosen & (dice >= 0.8) & (dice < 0.9))


def never_random(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, chosen & (dice < 0.8), torch.zeros_like(chosen))


def random_for_the_others(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, chosen & (dice < 0.8), (dice >= 0.8) & (dice < 0.9))


def masks_for_the_others(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, dice < 0.8, chosen & (dice >= 0.8) & (dice < 0.9))


def mask_at_the_first_bound(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, chosen & (dice <= 0.8), chosen & (dice > 0.8) & (dice < 0.9))


def nothing_at_the_first_bound(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, chosen & (dice < 0.8), chosen & (dice > 0.8) & (dice < 0.9))


def random_at_the_second_bound(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    return _by_rules(ids, chosen, mask_id, random_ids, chosen & (dice < 0.8), chosen & (dice >= 0.8) & (dice <= 0.9))


def random_from_the_start(ids: Tensor, chosen: Tensor, dice: Tensor, mask_id: int, random_ids: Tensor) -> Pair:
    swapped = chosen & (dice >= 0.8) & (dice < 0.9)
    in_order = random_ids[(swapped.cumsum(0) - 1).clamp(min=0)]  # the first random place gets the first random token
    return _by_rules(ids, chosen, mask_id, in_order, chosen & (dice < 0.8), swapped)


EXERCISES = {
    "8.2": ExerciseFunctions(
        mask_tokens,
        mask_tokens_cases,
        (
            labels_everywhere,
            labels_of_the_others,
            labels_only_where_hidden,
            masks_the_others,
            always_masks,
            not_only_the_chosen,
            random_and_left_exchanged,
            random_up_to_one,
            labels_hold_the_inputs,
            bounds_included,
            labels_only_where_changed,
            labels_only_of_masks,
            labels_of_zero,
            inputs_and_labels_exchanged,
            nothing_hidden,
            random_over_the_masks,
            masks_over_the_random,
            never_masks,
            never_random,
            random_for_the_others,
            masks_for_the_others,
            mask_at_the_first_bound,
            nothing_at_the_first_bound,
            random_at_the_second_bound,
            random_from_the_start,
        ),
        random_mask_tokens,
    ),
}
