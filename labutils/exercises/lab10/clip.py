"""The clipped loss of policy gradients."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from labutils.exercises.draws import batch_shape, drawn
from labutils.exercises.registry import Cases, ExerciseFunctions


def clipped_loss(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = (new - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def clipped_loss_cases() -> Cases:
    up = torch.tensor(2.0).log().item()
    return [
        (torch.tensor([up, -up, up, -up]), torch.zeros(4), torch.tensor([1.0, 1.0, -1.0, -1.0]), 0.2),
        (torch.tensor([-1.0, -2.0]), torch.tensor([-1.0, -2.0]), torch.tensor([3.0, -0.5]), 0.2),
        (
            torch.tensor([[-1.0, -0.4], [-2.0, -1.0]], dtype=torch.float64),
            torch.tensor([[-1.1, -0.9], [-1.0, -1.5]], dtype=torch.float64),
            torch.tensor([[2.0, 1.0], [1.0, -4.0]], dtype=torch.float64),
            0.1,
        ),
        (torch.tensor([-120.0, -119.0]), torch.tensor([-120.5, -118.5]), torch.tensor([1.0, 1.0]), 0.2),  # probabilities of 0
    ]


def random_clipped_loss(rng: random.Random, size: int) -> tuple[Tensor, Tensor, Tensor, float]:
    shape = (*batch_shape(rng, size), 1 + size // 2)
    old = -drawn(rng, *shape).abs()
    return old + drawn(rng, *shape, spread=0.4), old, drawn(rng, *shape, spread=2), rng.choice((0.1, 0.2, 0.4))


def clip_on_the_wrong_side(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = (new - old).exp()
    return -torch.maximum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def not_clipped(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    return -(new - old).exp() * advantages


def always_clipped(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    return -(new - old).exp().clamp(1 - clip, 1 + clip) * advantages


def wrong_sign(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    return -clipped_loss(new, old, advantages, clip)


def difference_for_ratio(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = new - old
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def quotient_of_logarithms(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = new / old
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def quotient_of_rounded_probabilities(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = new.exp() / old.exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def ratio_upside_down(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    return clipped_loss(old, new, advantages, clip)


def clipped_from_above_only(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = (new - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(max=1 + clip) * advantages)


def always_a_fifth(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    return clipped_loss(new, old, advantages, 0.2)


def logarithm_is_clipped(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    gap = new - old
    return -torch.minimum(gap.exp() * advantages, gap.clamp(-clip, clip).exp() * advantages)


def smaller_ratio(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = (new - old).exp()
    return -torch.minimum(ratio, ratio.clamp(1 - clip, 1 + clip)) * advantages


def clipped_ratio_alone(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = (new - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip))


def nothing_outside_the_clip(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    ratio = (new - old).exp()
    return -ratio * advantages * ((ratio - 1).abs() <= clip)


def averaged_loss(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    return clipped_loss(new, old, advantages, clip).mean()


def summed_loss(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    return clipped_loss(new, old, advantages, clip).sum(-1)


def product_is_clipped(new: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    product = (new - old).exp() * advantages
    return -torch.minimum(product, product.clamp(1 - clip, 1 + clip))


EXERCISES = {
    "10.6": ExerciseFunctions(
        clipped_loss,
        clipped_loss_cases,
        (
            clip_on_the_wrong_side,
            not_clipped,
            always_clipped,
            wrong_sign,
            difference_for_ratio,
            quotient_of_logarithms,
            quotient_of_rounded_probabilities,
            ratio_upside_down,
            clipped_from_above_only,
            always_a_fifth,
            logarithm_is_clipped,
            smaller_ratio,
            clipped_ratio_alone,
            nothing_outside_the_clip,
            averaged_loss,
            summed_loss,
            product_is_clipped,
        ),
        random_clipped_loss,
        differentiable=("new",),
    ),
}
