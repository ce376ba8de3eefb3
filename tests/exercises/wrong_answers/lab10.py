"""Lab 10: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
"""

import math
from itertools import combinations
from statistics import fmean as mean

import torch
from torch.nn import functional

SPACE = {"math": math, "torch": torch, "functional": functional, "combinations": combinations, "mean": mean}

TYPED = [
    ("10.1", "def f(p, o):\n return -functional.logsigmoid(o - p).mean()", "wrong sign"),
    ("10.1", "def f(p, o):\n return -torch.log(torch.sigmoid(p - o)).mean()", "logsigmoid"),
    ("10.1", "def f(p, o):\n return functional.softplus(o - p).sum()", "sum"),
    ("10.1", "def f(p, o):\n return (1 - torch.sigmoid(p - o)).mean() - 1", "probability"),
    ("10.1", "def f(p, o):\n return functional.logsigmoid(p - o).mean()", "minus"),
    ("10.2", "def f(r, lp, ref, b):\n return r + b * (lp - ref).sum(-1)", "pays"),
    ("10.2", "def f(r, lp, ref, b):\n return r - b * (ref - lp).sum(-1)", "pays"),
    ("10.2", "def f(r, lp, ref, b):\n return r - b * (lp - ref).mean(-1)", "mean over the characters"),
    ("10.2", "def f(r, lp, ref, b):\n return r - b * (lp - ref).sum()", "all texts"),
    ("10.2", "def f(r, lp, ref, b):\n return r - b * lp.sum(-1)", "reference is missing"),
    ("10.3", "def f(lp, ref):\n d = ref - lp\n return d.exp() - 1 - d", "expm1"),
    ("10.3", "def f(lp, ref):\n d = lp - ref\n return torch.expm1(d) - d", "wrong way round"),
    ("10.3", "def f(lp, ref):\n return lp - ref", "k1"),
    ("10.3", "def f(lp, ref):\n return 0.5 * (lp - ref) ** 2", "k2"),
    ("10.4", "def f(r):\n return r - r.mean(-1, keepdim=True)", "itself"),
    ("10.4", "def f(r):\n return r - r.mean()", "row has its own"),
    ("10.4", "def f(r):\n n = r.shape[-1]\n return r - r.sum(-1, keepdim=True) / (n - 1)", "own reward"),
    ("10.4", "def f(r):\n n = r.shape[-1]\n return (r.sum(-1, keepdim=True) - r) / (n - 1)", "take it off"),
    ("10.5", "def f(r, n):\n return (r - r.mean(-1, keepdim=True)) / (r.std(-1, keepdim=True) + 1e-4)", "each group"),
    (
        "10.5",
        "def f(r, n):\n g = r.reshape(*r.shape[:-1], -1, n)\n return ((g - g.mean(-1, keepdim=True)) / g.std(-1, keepdim=True)).reshape(r.shape)",
        "0 / 0",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.reshape(*r.shape[:-1], -1, n)\n return (g - g.mean(-1, keepdim=True)).reshape(r.shape)",
        "standard deviation is missing",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.reshape(*r.shape[:-1], -1, n)\n return ((g - g.mean(-1, keepdim=True)) / (g.std(-1, keepdim=True, unbiased=False) + 1e-4)).reshape(r.shape)",
        "n - 1",
    ),
    ("10.6", "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.max(r * a, r.clamp(1 - c, 1 + c) * a)", "smaller"),
    ("10.6", "def f(n, o, a, c):\n return -(n - o).exp() * a", "clip is missing"),
    ("10.6", "def f(n, o, a, c):\n return -(n - o).exp().clamp(1 - c, 1 + c) * a", "minimum"),
    ("10.6", "def f(n, o, a, c):\n r = n / o\n return -torch.min(r * a, r.clamp(1 - c, 1 + c) * a)", "quotient"),
    ("10.6", "def f(n, o, a, c):\n r = (n - o).exp()\n return torch.min(r * a, r.clamp(1 - c, 1 + c) * a)", "sign"),
    ("10.7", "def f(r, v, n):\n return v[r.index(max(r))]", "whole pool"),
    ("10.7", "def f(r, v, n):\n return sum(v) / len(v)", "random choice"),
    ("10.7", "def f(r, v, n):\n return v[max(range(n), key=lambda i: r[i])]", "one draw"),
    (
        "10.7",
        "def f(r, v, n):\n o = sorted(range(len(r)), key=lambda i: r[i])\n N = len(r)\n return sum(v[i] * (((k + 1) / N) ** n - (k / N) ** n) for k, i in enumerate(o))",
        "once only",
    ),
    ("10.7", "def f(r, v, n):\n return mean(max(v[i] for i in c) for c in combinations(range(len(r)), n))", "values"),
    ("10.8", "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * (c - r)).mean()", "over the reference"),
    ("10.8", "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * ((r - rr) - (c - rc))).mean()", "wrong sign"),
    ("10.8", "def f(c, r, rc, rr, b):\n return -b * functional.logsigmoid((c - rc) - (r - rr)).mean()", "inside"),
    ("10.8", "def f(c, r, rc, rr, b):\n return -torch.sigmoid(b * ((c - rc) - (r - rr))).log().mean()", "logsigmoid"),
]

REFUSED = {
    "10.1": """
def f(preferred, other):
    return -torch.log(torch.sigmoid(preferred - other) + 1e-8).mean()

def f(preferred, other):
    return functional.softplus(-preferred + other).max()

def f(preferred, other):
    return torch.tensor(0.0)
""",
    "10.2": """
def f(rewards, log_probs, reference, beta):
    return rewards - beta * (log_probs.exp() - reference.exp()).sum(-1)

def f(rewards, log_probs, reference, beta):
    return rewards - beta * (log_probs.exp() * (log_probs - reference)).sum(-1)

def f(rewards, log_probs, reference, beta):
    return (rewards - beta * (log_probs - reference).sum(-1)).mean()
""",
    "10.3": """
def f(log_probs, reference):
    gap = reference - log_probs
    return torch.expm1(gap.abs()) - gap.abs()

def f(log_probs, reference):
    return (log_probs - reference).abs()

def f(log_probs, reference):
    gap = reference - log_probs
    return gap**2 / 2 + gap**3 / 6
""",
    "10.4": """
def f(rewards):
    return (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, keepdim=True)

def f(rewards):
    return rewards - rewards.median(-1, keepdim=True).values

def f(rewards):
    return rewards - rewards[..., :1]
""",
    "10.5": """
def f(rewards, size):
    groups = rewards.unflatten(-1, (-1, size))
    return ((groups - groups.mean(-1, keepdim=True)) / groups.std(-1, keepdim=True).clamp(min=1e-4)).flatten(-2) * 0.5

def f(rewards, size):
    groups = rewards.unflatten(-1, (-1, size))
    return torch.nan_to_num((groups - groups.mean(-1, keepdim=True)) / groups.std(-1, keepdim=True)).flatten(-2).round()

def f(rewards, size):
    return torch.zeros_like(rewards)
""",
    "10.6": """
def f(new, old, advantages, clip):
    ratio = (new - old).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()

def f(new, old, advantages, clip):
    ratio = (new - old).clamp(-clip, clip).exp()
    return -torch.minimum((new - old).exp() * advantages, ratio * advantages)

def f(new, old, advantages, clip):
    ratio = (new - old).exp()
    return -torch.where(advantages > 0, ratio.clamp(max=1 + clip), ratio.clamp(max=1 - clip)) * advantages
""",
    "10.7": """
def f(rewards, values, n):
    return max(values[:n])

def f(rewards, values, n):
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])
    return sum(values[i] * math.comb(below + 1, n) for below, i in enumerate(order)) / math.comb(len(rewards), n)

def f(rewards, values, n):
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])
    return mean(values[i] for i in order[-(len(rewards) // n) :])
""",
    "10.8": """
def f(chosen, rejected, ref_chosen, ref_rejected, beta):
    margin = (chosen - ref_chosen) - (rejected - ref_rejected)
    return (beta * margin - 1).square().mean()

def f(chosen, rejected, ref_chosen, ref_rejected, beta):
    margin = (chosen.exp() - ref_chosen.exp()) - (rejected.exp() - ref_rejected.exp())
    return -functional.logsigmoid(beta * margin).mean()

def f(chosen, rejected, ref_chosen, ref_rejected, beta):
    margin = (chosen - ref_chosen) - (rejected - ref_rejected)
    return -functional.logsigmoid(beta * margin.mean())
""",
}
