"""The best of n, and the loss of direct preference optimization."""

from __future__ import annotations

import random
from math import comb

import torch
from torch import Tensor
from torch.nn import functional

from labutils.exercises.draws import drawn
from labutils.exercises.registry import Cases, ExerciseFunctions

# --------------------------------------------------------------------- 10.7 best of n


def best_of_n(rewards: list[float], values: list[float], n: int) -> float:
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])
    ways = comb(len(rewards), n)
    return sum(values[i] * comb(below, n - 1) / ways for below, i in enumerate(order))


def best_of_n_cases() -> Cases:
    return [
        ([0.1, 0.9, 0.5], [1.0, 0.0, 2.0], 2),
        ([3.0, 1.0, 2.0, 4.0], [3.0, 1.0, 2.0, 4.0], 1),
        ([3.0, 1.0, 2.0, 4.0], [0.0, 1.0, 1.0, 0.5], 4),
        ([0.2, -1.0, 0.7, 0.1, 2.0], [3.0, 2.0, 0.0, 1.0, 1.0], 3),
        ([1.0, 1.0, 0.0, 2.0], [3.0, 3.0, 0.0, 1.0], 2),  # the same text twice: which of the two is taken makes no difference
        ([3.0, 4.0, 3.0], [1.0, 0.0, -4.0], 1),
    ]


def random_best_of_n(rng: random.Random, size: int) -> tuple[list[float], list[float], int]:
    count = 1 + size // 2
    rewards = [number / 100 for number in rng.sample(range(-300, 300), count)]
    values = [float(rng.randint(-1, 3)) for _ in range(count)]
    if size % 3 == 2:  # some texts are written twice
        texts = [rng.randrange(count) for _ in range(count)]
        rewards, values = [rewards[text] for text in texts], [values[text] for text in texts]
    return rewards, values, rng.randint(1, count)


def best_of_the_pool(rewards: list[float], values: list[float], n: int) -> float:
    return values[max(range(len(rewards)), key=lambda i: rewards[i])]


def mean_of_the_pool(rewards: list[float], values: list[float], n: int) -> float:
    return sum(values) / len(values)


def best_of_the_first_n(rewards: list[float], values: list[float], n: int) -> float:
    return values[max(range(n), key=lambda i: rewards[i])]


def drawn_with_replacement(rewards: list[float], values: list[float], n: int) -> float:
    order, count = sorted(range(len(rewards)), key=lambda i: rewards[i]), len(rewards)
    return sum(values[i] * (((k + 1) / count) ** n - (k / count) ** n) for k, i in enumerate(order))


def lowest_of_n(rewards: list[float], values: list[float], n: int) -> float:
    return best_of_n([-reward for reward in rewards], values, n)


def best_by_value(rewards: list[float], values: list[float], n: int) -> float:
    order = sorted(values)
    return sum(value * comb(k, n - 1) / comb(len(values), n) for k, value in enumerate(order))


def the_rewards_themselves(rewards: list[float], values: list[float], n: int) -> float:
    return best_of_n(rewards, rewards, n)


def mean_of_the_best_n(rewards: list[float], values: list[float], n: int) -> float:
    order = sorted(range(len(rewards)), key=lambda i: -rewards[i])[:n]
    return sum(values[i] for i in order) / n


def one_too_many_below(rewards: list[float], values: list[float], n: int) -> float:
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])
    return sum(values[i] * comb(below + 1, n - 1) for below, i in enumerate(order)) / comb(len(rewards), n)


def not_divided(rewards: list[float], values: list[float], n: int) -> float:
    return best_of_n(rewards, values, n) * comb(len(rewards), n)


def values_left_in_place(rewards: list[float], values: list[float], n: int) -> float:
    return sum(value * comb(k, n - 1) for k, value in enumerate(values)) / comb(len(values), n)


def same_texts_merged(rewards: list[float], values: list[float], n: int) -> float:
    pairs = sorted(set(zip(rewards, values, strict=True)))
    return sum(value * comb(k, n - 1) for k, (_, value) in enumerate(pairs)) / comb(len(pairs), n)


def looked_up_by_reward(rewards: list[float], values: list[float], n: int) -> float:
    order = sorted(rewards)
    return sum(values[rewards.index(r)] * comb(k, n - 1) for k, r in enumerate(order)) / comb(len(order), n)


def subsets_of_n_below(rewards: list[float], values: list[float], n: int) -> float:
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])
    return sum(values[i] * comb(below, n) / comb(len(rewards), n) for below, i in enumerate(order))


# --------------------------------------------------------------------- 10.8 DPO


def dpo_loss(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float) -> Tensor:
    margin = (chosen - ref_chosen) - (rejected - ref_rejected)
    return -functional.logsigmoid(beta * margin).mean()


def dpo_loss_cases() -> Cases:
    a, b = torch.tensor([-10.0, -20.0]), torch.tensor([-12.0, -15.0])
    return [
        (a, b, torch.tensor([-11.0, -21.0]), torch.tensor([-10.0, -16.0]), 0.5),
        (a, b, a, b, 0.1),
        (torch.tensor([-700.0]), torch.tensor([-20.0]), torch.tensor([-30.0]), torch.tensor([-600.0]), 1.0),
        (a.double(), b.double(), b.double(), a.double(), 0.25),
    ]


def random_dpo_loss(rng: random.Random, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
    a, b, c, d = (drawn(rng, 1 + size, spread=3) - 10 for _ in range(4))
    return a, b, c, d, rng.choice((0.1, 0.25, 0.5, 2.0))


def margin_without_reference(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * (c - r)).mean()


def preference_sign(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(-beta * ((c - rc) - (r - rr))).mean()


def reference_added(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * ((c + rc) - (r + rr))).mean()


def beta_outside(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -beta * functional.logsigmoid((c - rc) - (r - rr)).mean()


def dpo_without_beta(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid((c - rc) - (r - rr)).mean()


def plus_sign(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return functional.logsigmoid(beta * ((c - rc) - (r - rr))).mean()


def dpo_summed(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * ((c - rc) - (r - rr))).sum()


def dpo_naive_logarithm(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -(beta * ((c - rc) - (r - rr))).sigmoid().log().mean()


def gap_of_the_chosen_alone(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * (c - rc)).mean()


def margins_averaged_first(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * ((c - rc) - (r - rr)).mean())


def beta_on_the_chosen_alone(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * (c - rc) - (r - rr)).mean()


def beta_on_the_policy_alone(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * (c - r) - (rc - rr)).mean()


def beta_as_a_divisor(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(((c - rc) - (r - rr)) / beta).mean()


def always_a_tenth(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return dpo_loss(c, r, rc, rr, 0.1)


def without_brackets(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * (c - rc - r - rr)).mean()


def quotients_of_logarithms(c: Tensor, r: Tensor, rc: Tensor, rr: Tensor, beta: float) -> Tensor:
    return -functional.logsigmoid(beta * (c / rc - r / rr)).mean()


EXERCISES = {
    "10.7": ExerciseFunctions(
        best_of_n,
        best_of_n_cases,
        (
            best_of_the_pool,
            mean_of_the_pool,
            best_of_the_first_n,
            drawn_with_replacement,
            lowest_of_n,
            best_by_value,
            the_rewards_themselves,
            mean_of_the_best_n,
            one_too_many_below,
            not_divided,
            values_left_in_place,
            same_texts_merged,
            looked_up_by_reward,
            subsets_of_n_below,
        ),
        random_best_of_n,
    ),
    "10.8": ExerciseFunctions(
        dpo_loss,
        dpo_loss_cases,
        (
            margin_without_reference,
            preference_sign,
            reference_added,
            beta_outside,
            dpo_without_beta,
            plus_sign,
            dpo_summed,
            dpo_naive_logarithm,
            gap_of_the_chosen_alone,
            margins_averaged_first,
            beta_on_the_chosen_alone,
            beta_on_the_policy_alone,
            beta_as_a_divisor,
            always_a_tenth,
            without_brackets,
            quotients_of_logarithms,
        ),
        random_dpo_loss,
        differentiable=("chosen", "rejected", "ref_chosen", "ref_rejected"),
    ),
}
