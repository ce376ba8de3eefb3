"""The baseline and the group of policy gradients."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import batch_shape, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions

EPSILON = 1e-4

# --------------------------------------------------------------------- 10.4 the baseline


def advantages(rewards: Tensor) -> Tensor:
    count = rewards.shape[-1]
    return rewards - (rewards.sum(-1, keepdim=True) - rewards) / (count - 1)


def advantages_cases() -> Cases:
    return [
        (torch.tensor([1.0, 2.0, 6.0]),),
        (torch.tensor([4.0, 4.0, 4.0, 4.0]),),
        (torch.tensor([[0.0, 1.0, 5.0], [10.0, -2.0, 4.0]], dtype=torch.float64),),
        (torch.tensor([-1.5, 0.5]),),
    ]


def random_advantages(rng: random.Random, size: int) -> tuple[Tensor]:
    shape = (2 + size,) if size % 2 else (1 + size // 4, 2 + size % 5)
    return (drawn(rng, *shape, spread=3),)


def no_baseline(rewards: Tensor) -> Tensor:
    return rewards.clone()


def mean_of_all(rewards: Tensor) -> Tensor:
    return rewards - rewards.mean(-1, keepdim=True)


def mean_over_everything(rewards: Tensor) -> Tensor:
    return rewards - rewards.mean()


def baseline_minus_reward(rewards: Tensor) -> Tensor:
    return -advantages(rewards)


def own_reward_counts(rewards: Tensor) -> Tensor:
    return rewards - rewards.sum(-1, keepdim=True) / (rewards.shape[-1] - 1)


def divided_by_all(rewards: Tensor) -> Tensor:
    return rewards - (rewards.sum(-1, keepdim=True) - rewards) / rewards.shape[-1]


def baseline_alone(rewards: Tensor) -> Tensor:
    return rewards - advantages(rewards)


def sum_of_the_others(rewards: Tensor) -> Tensor:
    return rewards - (rewards.sum(-1, keepdim=True) - rewards)


def others_of_all_rows(rewards: Tensor) -> Tensor:
    return rewards - (rewards.sum() - rewards) / (rewards.numel() - 1)


def rows_counted(rewards: Tensor) -> Tensor:
    return rewards - (rewards.sum(-1, keepdim=True) - rewards) / (len(rewards) - 1)


def normalised(rewards: Tensor) -> Tensor:
    gain = advantages(rewards)
    return gain / (gain.std(-1, keepdim=True) + EPSILON)


def along_the_runs(rewards: Tensor) -> Tensor:
    return rewards - (rewards.sum(0, keepdim=True) - rewards) / max(1, len(rewards) - 1)


# --------------------------------------------------------------------- 10.5 the group


def group_advantages(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    normed = (groups - groups.mean(-1, keepdim=True)) / (groups.std(-1, keepdim=True) + EPSILON)
    return normed.flatten(-2)


def group_advantages_cases() -> Cases:
    return [
        (torch.tensor([1.0, 3.0, 10.0, 14.0, 2.0, 5.0]), 2),
        (torch.tensor([2.0, 2.0, 2.0, 0.0, 1.0, 5.0]), 3),
        (torch.tensor([0.001, 0.002, 0.0, 0.001]), 4),  # here the small number counts
        (torch.tensor([[0.0, 1.0, 1.0, 0.0], [5.0, 7.0, 1.0, 9.0]], dtype=torch.float64), 4),
        (torch.tensor([[[0.0, 3.0, 1.0, 2.0], [5.0, 1.0, 4.0, 6.0]], [[7.0, 2.0, 1.0, 9.0], [3.0, 3.5, 8.0, 0.0]]]), 2),
    ]


def random_group_advantages(rng: random.Random, size: int) -> tuple[Tensor, int]:
    group = 2 + size % 4
    return drawn(rng, *batch_shape(rng, size), group * (1 + size // 4), spread=3), group


def one_group_for_all(rewards: Tensor, size: int) -> Tensor:
    return (rewards - rewards.mean(-1, keepdim=True)) / (rewards.std(-1, keepdim=True) + EPSILON)


def without_the_spread(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    return (groups - groups.mean(-1, keepdim=True)).flatten(-2)


def without_the_small_number(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    return ((groups - groups.mean(-1, keepdim=True)) / groups.std(-1, keepdim=True)).flatten(-2)


def divided_by_n(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    return ((groups - groups.mean(-1, keepdim=True)) / (groups.std(-1, keepdim=True, correction=0) + EPSILON)).flatten(-2)


def divided_by_the_variance(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    return ((groups - groups.mean(-1, keepdim=True)) / (groups.var(-1, keepdim=True) + EPSILON)).flatten(-2)


def mean_of_all_texts(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    return ((groups - groups.mean()) / (groups.std(-1, keepdim=True) + EPSILON)).flatten(-2)


def spread_of_all_texts(rewards: Tensor, size: int) -> Tensor:
    return without_the_spread(rewards, size) / (rewards.std(-1, keepdim=True) + EPSILON)


def smaller_number(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    return ((groups - groups.mean(-1, keepdim=True)) / (groups.std(-1, keepdim=True) + 1e-8)).flatten(-2)


def number_under_the_root(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    return ((groups - groups.mean(-1, keepdim=True)) / (groups.var(-1, keepdim=True) + EPSILON).sqrt()).flatten(-2)


def mean_minus_reward(rewards: Tensor, size: int) -> Tensor:
    return -group_advantages(rewards, size)


def all_flattened(rewards: Tensor, size: int) -> Tensor:
    return group_advantages(rewards, size).flatten()


def first_two_flattened(rewards: Tensor, size: int) -> Tensor:
    return group_advantages(rewards, size).unflatten(-1, (-1, size)).flatten(0, 1)


def without_the_mean(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (-1, size))
    return (groups / (groups.std(-1, keepdim=True) + EPSILON)).flatten(-2)


def groups_left_apart(rewards: Tensor, size: int) -> Tensor:
    return group_advantages(rewards, size).unflatten(-1, (-1, size))


def every_nth_in_a_group(rewards: Tensor, size: int) -> Tensor:
    groups = rewards.unflatten(-1, (size, -1)).transpose(-1, -2)
    normed = (groups - groups.mean(-1, keepdim=True)) / (groups.std(-1, keepdim=True) + EPSILON)
    return normed.transpose(-1, -2).flatten(-2)


EXERCISES = {
    "10.4": ExerciseFunctions(
        advantages,
        advantages_cases,
        (
            no_baseline,
            mean_of_all,
            mean_over_everything,
            baseline_minus_reward,
            own_reward_counts,
            divided_by_all,
            baseline_alone,
            sum_of_the_others,
            others_of_all_rows,
            rows_counted,
            normalised,
            along_the_runs,
        ),
        random_advantages,
    ),
    "10.5": ExerciseFunctions(
        group_advantages,
        group_advantages_cases,
        (
            one_group_for_all,
            without_the_spread,
            without_the_small_number,
            divided_by_n,
            divided_by_the_variance,
            mean_of_all_texts,
            spread_of_all_texts,
            smaller_number,
            number_under_the_root,
            mean_minus_reward,
            all_flattened,
            first_two_flattened,
            without_the_mean,
            groups_left_apart,
            every_nth_in_a_group,
        ),
        random_group_advantages,
    ),
}
