"""Lab 10: unusual right answers, which must pass."""

import math
from itertools import combinations
from statistics import fmean as mean

import torch
from torch.nn import functional

SPACE = {"math": math, "torch": torch, "functional": functional, "combinations": combinations, "mean": mean}

ACCEPTED = {
    "10.1": """
def f(preferred, other):
    return sum(-functional.logsigmoid(a - b) for a, b in zip(preferred, other)) / len(preferred)

def f(preferred, other):
    return -torch.log_softmax(torch.stack([preferred, other]), dim=0)[0].mean()

def f(preferred, other):
    return functional.softplus(other - preferred).mean()

def f(preferred, other):
    gap = preferred - other
    return functional.binary_cross_entropy_with_logits(gap, torch.ones_like(gap))

def f(preferred, other):
    return torch.logaddexp(torch.zeros_like(other), other - preferred).mean()
""",
    "10.2": """
def f(rewards, log_probs, reference, beta):
    return torch.stack([r - beta * (a.sum() - b.sum()) for r, a, b in zip(rewards, log_probs, reference)])

def f(rewards, log_probs, reference, beta):
    return rewards + beta * torch.einsum("bt->b", reference - log_probs)

def f(rewards, log_probs, reference, beta):
    return rewards - beta * log_probs.sum(dim=1) + beta * reference.sum(dim=1)

def f(rewards, log_probs, reference, beta):
    return rewards - beta * (log_probs.sum(dim=-1) - reference.sum(dim=-1))

def f(rewards, log_probs, reference, beta):
    return rewards + beta * (reference - log_probs).sum(-1)
""",
    "10.3": """
def f(log_probs, reference):
    gap = reference.double() - log_probs.double()
    return gap.exp() - 1 - gap

def f(log_probs, reference):
    return (reference - log_probs).expm1() + (log_probs - reference)

def f(log_probs, reference):
    gap = (reference - log_probs).double()
    return (torch.special.expm1(gap) - gap).to(log_probs.dtype)
""",
    "10.4": """
def f(rewards):
    n = rewards.shape[-1]
    return torch.stack([rewards[..., i] - torch.cat([rewards[..., :i], rewards[..., i + 1 :]], -1).mean(-1) for i in range(n)], -1)

def f(rewards):
    n = rewards.shape[-1]
    return (rewards - rewards.mean(-1, keepdim=True)) * n / (n - 1)

def f(rewards):
    n = rewards.shape[-1]
    others = (1 - torch.eye(n, dtype=rewards.dtype)) / (n - 1)
    return rewards - rewards @ others
""",
    "10.5": """
def f(rewards, size):
    groups = rewards.reshape(-1, size)
    return ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).view(rewards.shape)

def f(rewards, size):
    groups = rewards.reshape(*rewards.shape[:-1], -1, size)
    std, mu = torch.std_mean(groups, dim=-1, keepdim=True)
    return ((groups - mu) / (1e-4 + std)).reshape(rewards.shape)

def f(rewards, size):
    parts = rewards.split(size, dim=-1)
    return torch.cat([(p - p.mean(-1, keepdim=True)) / (p.std(-1, keepdim=True) + 1e-4) for p in parts], dim=-1)
""",
    "10.6": """
def f(new, old, advantages, clip):
    ratio = (new - old.detach()).exp()
    gain = advantages.detach()
    return -torch.stack([ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain]).amin(0)

def f(new, old, advantages, clip):
    ratio = torch.exp(new - old)
    bound = torch.where(advantages > 0, ratio.clamp(max=1 + clip), ratio.clamp(min=1 - clip))
    return -bound * advantages

def f(new, old, advantages, clip):
    ratio = (new - old).exp()
    return torch.maximum(-ratio * advantages, -ratio.clip(1 - clip, 1 + clip) * advantages)
""",
    "10.7": """
def f(rewards, values, n):
    order = sorted(range(len(rewards)), key=lambda i: (rewards[i], -i))
    return sum(values[i] * math.comb(k, n - 1) for k, i in enumerate(order)) / math.comb(len(values), n)

def f(rewards, values, n):
    order = sorted(range(len(rewards)), key=lambda i: rewards[i], reverse=True)
    left, total = 1.0, 0.0
    for k, i in enumerate(order[: len(order) - n + 1]):
        share = n / (len(order) - k)
        total, left = total + left * share * values[i], left * (1 - share)
    return total

def f(rewards, values, n):
    draws = combinations(range(len(rewards)), n)
    return mean(values[max(draw, key=lambda i: rewards[i])] for draw in draws)

def f(rewards, values, n):
    pairs = sorted(zip(rewards, values))
    return sum(v * math.comb(k, n - 1) for k, (_, v) in enumerate(pairs)) / math.comb(len(pairs), n)
""",
    "10.8": """
def f(chosen, rejected, ref_chosen, ref_rejected, beta):
    return preference_loss(beta * (chosen - ref_chosen), beta * (rejected - ref_rejected))

def f(chosen, rejected, ref_chosen, ref_rejected, beta):
    rewards = beta * torch.stack([chosen - ref_chosen, rejected - ref_rejected])
    return -rewards.log_softmax(0)[0].mean()

def f(chosen, rejected, ref_chosen, ref_rejected, beta):
    gained, lost = beta * (chosen - ref_chosen), beta * (rejected - ref_rejected)
    return functional.softplus(lost - gained).mean()

def f(chosen, rejected, ref_chosen, ref_rejected, beta):
    log_ratio = (chosen - rejected) - (ref_chosen - ref_rejected)
    return -functional.logsigmoid(beta * log_ratio).sum() / len(chosen)
""",
}
