"""What lab 10's tables say: intervals as text, agreement note by note; gradients against sums."""

from __future__ import annotations

import pytest
import torch

from labutils.exercises.lab10 import clip, gradients
from labutils.preferences import reports
from labutils.preferences.toy import PROXY, REFERENCE, kl_divergence, tilted


def test_equal_runs_have_an_interval_without_width():
    assert reports.over_seeds([2.0, 2.0, 2.0]) == "2.00 (2.00 to 2.00)"


def test_an_interval_ends_where_the_quantity_ends():
    assert reports.over_seeds([99.0, 90.0, 93.0], (0, 100)).endswith("to 100.00)")
    assert reports.over_seeds([0.1, 5.0], (0, float("inf"))).split("(")[1].startswith("0.00 to")


def test_agreement_is_counted_note_by_note_and_ties_of_the_goal_are_left_out():
    values = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]])
    goal = torch.tensor([[1.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    pairs = torch.tensor([[0, 0, 1], [0, 1, 2], [1, 0, 1], [1, 1, 2]])
    assert reports.agreement(values, pairs) == [0.5, 0.5]
    assert reports.agreement(values, pairs, goal) == [0.0, 0.5]  # of note 0 only the second pair has a better reply


def test_a_judge_that_cannot_decide_is_right_half_the_time():
    values = torch.tensor([[1.0, 1.0, 0.0]])
    assert reports.agreement(values, torch.tensor([[0, 0, 1], [0, 0, 2]])) == [0.75]


def test_runs_are_told_by_proxy_truth_and_a_kl_of_at_least_0():
    told = reports.over_runs([torch.tensor([1.0, 1.0]), torch.tensor([2.0, 4.0]), torch.tensor([0.0, 1.0])])
    assert told[0] == "1.00 (1.00 to 1.00)" and told[1].startswith("3.00 (") and "(0.00 to" in told[2]


# --- the small policy with eight texts: sums instead of samples ---------------------------------------------------------


def eight(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    logits = torch.randn(8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()
    return logits, torch.tensor(REFERENCE, dtype=torch.float64), torch.tensor(PROXY, dtype=torch.float64)


def test_the_clipped_loss_at_ratio_one_has_the_gradient_of_reinforce():
    logits, _, proxy = eight()
    p = logits.softmax(-1)
    (exact,) = torch.autograd.grad(p @ proxy, logits, retain_graph=True)
    log_p = p.log()
    loss = clip.clipped_loss(log_p, log_p.detach(), proxy - proxy.mean(), 0.2)  # any baseline leaves the mean as it is
    (found,) = torch.autograd.grad((p.detach() * loss).sum(), logits)
    assert torch.allclose(found, -exact, atol=1e-12)


def test_advantages_sum_to_nothing_and_equal_rewards_have_none():
    rewards = torch.randn(3, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(gradients.advantages(rewards).sum(-1), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    for function in (gradients.advantages, lambda r: gradients.group_advantages(r, 4)):
        assert function(torch.full((2, 8), 0.7)).abs().max() < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_the_leashed_objective_has_the_gradient_of_mean_reward_minus_beta_times_the_divergence(seed):
    logits, reference, proxy = eight(seed)
    beta, p = 0.7, logits.softmax(-1)
    goal = p @ proxy - beta * (p * (p / reference).log()).sum()
    (exact,) = torch.autograd.grad(goal, logits, retain_graph=True)
    log_p = p.log()
    worth = proxy - beta * (log_p.detach() - reference.log())  # exercise 10.2, one character per text
    (found,) = torch.autograd.grad((p.detach() * worth * log_p).sum(), logits)
    assert torch.allclose(found, exact, atol=1e-12)


def test_at_the_tilted_policy_that_gradient_is_nought():
    _, reference, proxy = eight()
    best = tilted(reference, proxy, 0.7)
    logits = best.log().requires_grad_()
    p = logits.softmax(-1)
    (slope,) = torch.autograd.grad(p @ proxy - 0.7 * (p * (p / reference).log()).sum(), logits)
    assert slope.abs().max() < 1e-9 and float(kl_divergence(best, reference)) > 0
