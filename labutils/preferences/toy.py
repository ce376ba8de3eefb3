"""A policy with eight texts, whose KL, gradients and optimum can all be computed exactly: the oracle of lab 10."""

from __future__ import annotations

import torch
from torch import Tensor

from labutils.errors import LabError
from labutils.validation import require_positive, require_tensor, require_whole_number

TEXTS = (
    "tea.",
    "tea milk.",
    "eggs rice jam.",
    "tea milk eggs oil.",
    "milk tee.",
    "tea tea tea.",
    "oil oil oil oil oil oil.",
    "rice salt soap jam ham.",
)
REFERENCE = (0.2, 0.24, 0.18, 0.1, 0.14, 0.08, 0.02, 0.04)
PROXY = (1.5, 2.5, 4.0, 4.8, 1.0, 3.6, 7.2, 6.0)
TRUTH = (1.0, 2.0, 3.0, 4.0, 0.0, -1.0, -4.0, 3.0)


def _require_distribution(name: str, p: Tensor, last: int | None = None) -> None:
    """Refuse what is no row of probabilities, or no stack of such rows."""
    require_tensor(name, p, last=last)
    if not p.numel() or not bool(((p >= 0) & p.isfinite()).all()) or not bool(((p.sum(-1) - 1).abs() < 1e-2).all()):
        raise LabError(f"{name} is no distribution: give probabilities of at least 0 whose sum is 1.")


def _require_rewards(rewards: Tensor, last: int) -> None:
    """Refuse what is no reward for each text."""
    require_tensor("rewards", rewards, last=last)
    if not bool(rewards.isfinite().all()):
        raise LabError("rewards holds a number that is not finite: give one finite reward per text.")


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) in nats of two distributions (..., K); what p never does costs nothing.

    Raises:
        LabError: no distributions, other lengths, or a q of 0 where p is not.

    >>> round(float(kl_divergence(torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75]))), 4)
    0.1438
    """
    _require_distribution("p", p)
    _require_distribution("q", q, last=p.shape[-1])
    if bool(((p > 0) & (q == 0)).any()):
        raise LabError("q gives 0 to what p does, so the KL divergence is infinite: give every text a probability above 0.")
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def tilted(reference: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """The policy that maximises mean reward - beta KL(policy || reference): proportional to reference * exp(reward / beta), (K,).

    Raises:
        LabError: a beta that is not a finite number above 0, or tensors that do not fit.

    Source: Rafailov et al. 2023 (arXiv:2305.18290), equation 4.
    """
    require_positive("beta", beta)
    _require_distribution("reference", reference)
    _require_rewards(rewards, reference.shape[-1])
    return (reference.log() + rewards / beta).softmax(-1)


def best_of(reference: Tensor, rewards: Tensor, n: int) -> Tensor:
    """The distribution of the text with the highest reward among n draws from the reference: (K,).

    With F(k) the probability of a reward of at most that of text k, text k is the best with F(k)^n - F(before k)^n.

    Raises:
        LabError: an n below 1, equal rewards (the first of equals would have to be agreed on), or tensors that do not fit.
    """
    require_whole_number("n", n)
    _require_distribution("reference", reference)
    _require_rewards(rewards, reference.shape[-1])
    if reference.dim() > 1 or rewards.dim() > 1 or len(torch.unique(rewards)) != rewards.numel():
        raise LabError("The best of n is only defined here for one row of texts with different rewards.")
    order = rewards.argsort()
    up_to = reference[order].cumsum(0)
    shares = up_to**n - torch.cat([up_to.new_zeros(1), up_to[:-1]]) ** n
    return torch.zeros_like(shares).scatter(0, order, shares)
