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


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) in nats of two distributions (..., K); what p never does costs nothing.

    Raises:
        LabError: no floating-point tensors, or other lengths.

    >>> round(float(kl_divergence(torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75]))), 4)
    0.1438
    """
    require_tensor("p", p)
    require_tensor("q", q, last=p.shape[-1])
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)


def tilted(reference: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """The policy that maximises mean reward - beta KL(policy || reference): proportional to reference * exp(reward / beta), (K,).

    Raises:
        LabError: a beta that is not a finite number above 0, or tensors that do not fit.

    Source: Rafailov et al. 2023 (arXiv:2305.18290), equation 4.
    """
    require_positive("beta", beta)
    require_tensor("reference", reference)
    require_tensor("rewards", rewards, last=reference.shape[-1])
    return (reference.log() + rewards / beta).softmax(-1)


def best_of(reference: Tensor, rewards: Tensor, n: int) -> Tensor:
    """The distribution of the text with the highest reward among n draws from the reference: (K,).

    With F(k) the probability of a reward of at most that of text k, text k is the best with F(k)^n - F(before k)^n.

    Raises:
        LabError: an n below 1, equal rewards (the first of equals would have to be agreed on), or tensors that do not fit.
    """
    require_whole_number("n", n)
    require_tensor("reference", reference, 1)
    require_tensor("rewards", rewards, 1, last=reference.shape[-1])
    if reference.dim() > 1 or len(torch.unique(rewards)) != rewards.numel():
        raise LabError("The best of n is only defined here for one row of texts with different rewards.")
    order = rewards.argsort()
    up_to = reference[order].cumsum(0)
    shares = up_to**n - torch.cat([up_to.new_zeros(1), up_to[:-1]]) ** n
    return torch.zeros_like(shares).scatter(0, order, shares)
