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
    (
        "10.1",
        "def f(p, o):\n return -functional.logsigmoid((p - o).mean())",
        "averaged first",
    ),
    (
        "10.1",
        "def f(p, o):\n return -(functional.logsigmoid(p) - functional.logsigmoid(o)).mean()",
        "each reward",
    ),
    (
        "10.1",
        "def f(p, o):\n return -torch.log2(torch.sigmoid((p - o).double())).mean()",
        "bits",
    ),
    (
        "10.1",
        "def f(p, o):\n return -torch.log(torch.sigmoid(p - o) + 1e-8).mean()",
        "small number",
    ),
    (
        "10.1",
        "def f(p, o):\n return torch.log1p(torch.exp(o - p)).mean()",
        "exponential",
    ),
    (
        "10.1",
        "def f(p, o):\n return torch.tensor(-functional.logsigmoid(p - o).mean().item())",
        "nothing is left to differentiate",
    ),
    ("10.2", "def f(r, lp, ref, b):\n return r + b * (lp - ref).sum(-1)", "pays"),
    ("10.2", "def f(r, lp, ref, b):\n return r - b * (ref - lp).sum(-1)", "pays"),
    ("10.2", "def f(r, lp, ref, b):\n return r - b * (lp - ref).mean(-1)", "mean over the characters"),
    ("10.2", "def f(r, lp, ref, b):\n return r - b * (lp - ref).sum()", "all texts"),
    ("10.2", "def f(r, lp, ref, b):\n return r - b * lp.sum(-1)", "reference is missing"),
    (
        "10.2",
        "def f(r, lp, ref, b):\n return r - b * (lp - ref).sum(-1).mean()",
        "averaged over the texts",
    ),
    (
        "10.2",
        "def f(r, lp, ref, b):\n return r - b * torch.relu((lp - ref).sum(-1))",
        "keeps its reward",
    ),
    (
        "10.2",
        "def f(r, lp, ref, b):\n return r - b * (lp.exp() - ref.exp()).sum(-1)",
        "of the probabilities",
    ),
    (
        "10.2",
        "def f(r, lp, ref, b):\n return r - b * functional.kl_div(ref, lp, log_target=True, reduction='none').sum(-1)",
        "weighted",
    ),
    (
        "10.2",
        "def f(r, lp, ref, b):\n return b * (r - (lp - ref).sum(-1))",
        "gap alone",
    ),
    (
        "10.2",
        "def f(r, lp, ref, b):\n return r[:, None] - b * (lp - ref)",
        "per character",
    ),
    ("10.3", "def f(lp, ref):\n d = ref - lp\n return d.exp() - 1 - d", "expm1"),
    ("10.3", "def f(lp, ref):\n d = lp - ref\n return torch.expm1(d) - d", "wrong way round"),
    ("10.3", "def f(lp, ref):\n return lp - ref", "k1"),
    ("10.3", "def f(lp, ref):\n return 0.5 * (lp - ref) ** 2", "k2"),
    (
        "10.3",
        "def f(lp, ref):\n d = ref - lp\n return torch.expm1(d) - 1 - d",
        "twice",
    ),
    (
        "10.3",
        "def f(lp, ref):\n d = ref - lp\n return lp.exp() * (torch.expm1(d) - d)",
        "weighted",
    ),
    (
        "10.3",
        "def f(lp, ref):\n r = ref.exp() / lp.exp()\n return (r - 1) - torch.log(r)",
        "-120",
    ),
    (
        "10.3",
        "def f(lp, ref):\n r = (ref - lp).exp()\n return (r - 1) - torch.log(r)",
        "take the gap",
    ),
    (
        "10.3",
        "def f(lp, ref):\n d = ref - lp\n return (torch.expm1(d) - d).sum(-1)",
        "sum",
    ),
    (
        "10.3",
        "def f(lp, ref):\n d = ref - lp.detach()\n return torch.expm1(d) - d",
        "nothing is left to differentiate",
    ),
    ("10.4", "def f(r):\n return r - r.mean(-1, keepdim=True)", "itself"),
    ("10.4", "def f(r):\n return r - r.mean()", "row has its own"),
    ("10.4", "def f(r):\n n = r.shape[-1]\n return r - r.sum(-1, keepdim=True) / (n - 1)", "own reward"),
    ("10.4", "def f(r):\n n = r.shape[-1]\n return (r.sum(-1, keepdim=True) - r) / (n - 1)", "take it off"),
    (
        "10.4",
        "def f(r):\n return r - (r.sum(-1, keepdim=True) - r)",
        "divide it by their number",
    ),
    (
        "10.4",
        "def f(r):\n return r - (r.sum() - r) / (r.numel() - 1)",
        "same row",
    ),
    (
        "10.4",
        "def f(r):\n n = r.shape[0]\n return r - (r.sum(-1, keepdim=True) - r) / (n - 1)",
        "counts the rows",
    ),
    (
        "10.4",
        "def f(r):\n n = r.shape[-1]\n a = r - (r.sum(-1, keepdim=True) - r) / (n - 1)\n return a / (a.std(-1, keepdim=True) + 1e-4)",
        "spread",
    ),
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
    (
        "10.5",
        "def f(r, n):\n g = r.unflatten(-1, (-1, n))\n return ((g - r.mean()) / (g.std(-1, keepdim=True) + 1e-4)).flatten(-2)",
        "mean here is that of all",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.unflatten(-1, (-1, n))\n a = g - g.mean(-1, keepdim=True)\n s = g.std(-1, keepdim=True)\n return a.flatten(-2) / (r.std(-1, keepdim=True) + 1e-4)",
        "deviation here is that of all",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.unflatten(-1, (-1, n))\n a = g - g.mean(-1, keepdim=True)\n s = g.std(-1, keepdim=True)\n return (a / (s + 1e-8)).flatten(-2)",
        "1e-4",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.unflatten(-1, (-1, n))\n a = g - g.mean(-1, keepdim=True)\n s = g.std(-1, keepdim=True)\n return (a / s.clamp(min=1e-4)).flatten(-2)",
        "added",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.unflatten(-1, (-1, n))\n a = g - g.mean(-1, keepdim=True)\n s = g.std(-1, keepdim=True)\n return (a / (s**2 + 1e-4).sqrt()).flatten(-2)",
        "variance",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.unflatten(-1, (-1, n))\n a = g - g.mean(-1, keepdim=True)\n s = g.std(-1, keepdim=True)\n return (-a / (s + 1e-4)).flatten(-2)",
        "sign",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.unflatten(-1, (-1, n))\n a = g - g.mean(-1, keepdim=True)\n s = g.std(-1, keepdim=True)\n return (a / (s + 1e-4)).flatten()",
        "all dimensions",
    ),
    (
        "10.5",
        "def f(r, n):\n g = r.unflatten(-1, (-1, n))\n a = g - g.mean(-1, keepdim=True)\n s = g.std(-1, keepdim=True)\n return (a / (s + 1e-4)).flatten(0, 1)",
        "first two",
    ),
    ("10.6", "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.max(r * a, r.clamp(1 - c, 1 + c) * a)", "smaller"),
    ("10.6", "def f(n, o, a, c):\n return -(n - o).exp() * a", "clip is missing"),
    ("10.6", "def f(n, o, a, c):\n return -(n - o).exp().clamp(1 - c, 1 + c) * a", "minimum"),
    ("10.6", "def f(n, o, a, c):\n r = n / o\n return -torch.min(r * a, r.clamp(1 - c, 1 + c) * a)", "quotient"),
    ("10.6", "def f(n, o, a, c):\n r = (n - o).exp()\n return torch.min(r * a, r.clamp(1 - c, 1 + c) * a)", "sign"),
    (
        "10.6",
        "def f(n, o, a, c):\n r = n.exp() / o.exp()\n return -torch.min(r * a, r.clamp(1 - c, 1 + c) * a)",
        "-120",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.min(r * a, r.clamp(0.8, 1.2) * a)",
        "argument",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.min(r * a, (n - o).clamp(-c, c).exp() * a)",
        "ratio itself",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.min(r, r.clamp(1 - c, 1 + c)) * a",
        "multiply first",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.min(r * a, r.clamp(1 - c, 1 + c))",
        "advantage",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return torch.where((r > 1 - c) & (r < 1 + c), -r * a, 0 * a)",
        "gradient",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.min(r * a, r.clamp(1 - c, 1 + c) * a).mean()",
        "mean",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.min(r * a, r.clamp(1 - c, 1 + c) * a).sum(-1)",
        "sum",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return torch.min(-r * a, -r.clamp(1 - c, 1 + c) * a)",
        "minus before it",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).detach().exp()\n return -torch.min(r * a, r.clamp(1 - c, 1 + c) * a)",
        "differentiate by `new`",
    ),
    (
        "10.6",
        "def f(n, o, a, c):\n r = (n - o).exp()\n return -torch.min(r * a, r.detach().clamp(1 - c, 1 + c) * a)",
        "derivative",
    ),
    ("10.7", "def f(r, v, n):\n return v[r.index(max(r))]", "whole pool"),
    ("10.7", "def f(r, v, n):\n return sum(v) / len(v)", "random choice"),
    ("10.7", "def f(r, v, n):\n return v[max(range(n), key=lambda i: r[i])]", "one draw"),
    (
        "10.7",
        "def f(r, v, n):\n o = sorted(range(len(r)), key=lambda i: r[i])\n N = len(r)\n return sum(v[i] * (((k + 1) / N) ** n - (k / N) ** n) for k, i in enumerate(o))",
        "once only",
    ),
    ("10.7", "def f(r, v, n):\n return mean(max(v[i] for i in c) for c in combinations(range(len(r)), n))", "values"),
    (
        "10.7",
        "def f(r, v, n):\n o = sorted(range(len(r)), key=lambda i: r[i])\n N = len(r)\n return sum(v[i] * math.comb(k, n - 1) for k, i in enumerate(o, 1)) / math.comb(N, n)",
        "off by one",
    ),
    (
        "10.7",
        "def f(r, v, n):\n o = sorted(range(len(r)), key=lambda i: r[i])\n N = len(r)\n return sum(v[i] * math.comb(k, n - 1) for k, i in enumerate(o))",
        "divide",
    ),
    (
        "10.7",
        "def f(r, v, n):\n o = sorted(range(len(r)), key=lambda i: r[i])\n N = len(r)\n return sum(v[k] * math.comb(k, n - 1) for k, i in enumerate(o)) / math.comb(N, n)",
        "order[k]",
    ),
    (
        "10.7",
        "def f(r, v, n):\n p = sorted(set(zip(r, v)))\n return sum(x * math.comb(k, n - 1) for k, (_, x) in enumerate(p)) / math.comb(len(p), n)",
        "still two",
    ),
    (
        "10.7",
        "def f(r, v, n):\n s = sorted(r)\n return sum(v[r.index(x)] * math.comb(k, n - 1) for k, x in enumerate(s)) / math.comb(len(r), n)",
        "rewards.index",
    ),
    (
        "10.7",
        "def f(r, v, n):\n o = sorted(range(len(r)), key=lambda i: r[i])\n N = len(r)\n return mean(v[i] for i in o[-n:])",
        "one text is chosen",
    ),
    ("10.8", "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * (c - r)).mean()", "over the reference"),
    ("10.8", "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * ((r - rr) - (c - rc))).mean()", "wrong sign"),
    ("10.8", "def f(c, r, rc, rr, b):\n return -b * functional.logsigmoid((c - rc) - (r - rr)).mean()", "inside"),
    ("10.8", "def f(c, r, rc, rr, b):\n return -torch.sigmoid(b * ((c - rc) - (r - rr))).log().mean()", "logsigmoid"),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * ((c - rc) - (r - rr)).mean())",
        "averaged first",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * (c - rc) - (r - rr)).mean()",
        "chosen reply's gap alone here",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * (c - r) - (rc - rr)).mean()",
        "policy's half",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(((c - rc) - (r - rr)) / b).mean()",
        "divides",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(0.1 * ((c - rc) - (r - rr))).mean()",
        "not always 0.1",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * (c - rc - r - rr)).mean()",
        "brackets",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * ((c - rr) - (r - rc))).mean()",
        "comes out added",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return torch.log(1 + torch.exp(-b * ((c - rc) - (r - rr)))).mean()",
        "exponential",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * ((c - rc) - (r - rr).detach())).mean()",
        "differentiate by `rejected`",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n with torch.no_grad():\n  return -functional.logsigmoid(b * ((c - rc) - (r - rr))).mean()",
        "differentiate by `chosen`",
    ),
    (
        "10.8",
        "def f(c, r, rc, rr, b):\n return -functional.logsigmoid(b * ((c - rc.detach()) - (r - rr.detach()))).mean()",
        "differentiate by `ref_chosen`",
    ),
]

REFUSED = {
    "10.1": """
def f(preferred, other):
    return -functional.logsigmoid((preferred - other).clamp(-50, 50)).mean()

def f(preferred, other):
    return -torch.log_softmax(preferred - other, -1).mean()

def f(preferred, other):
    return -torch.log_softmax(torch.stack([preferred, other]), dim=0).mean()

def f(preferred, other):
    return -torch.log(torch.sigmoid(preferred - other) + 1e-8).mean()

def f(preferred, other):
    return functional.softplus(-preferred + other).max()

def f(preferred, other):
    return torch.tensor(0.0)
""",
    "10.2": """
def f(rewards, log_probs, reference, beta):
    written = log_probs != 0
    return rewards - beta * ((log_probs - reference) * written).sum(-1)

def f(rewards, log_probs, reference, beta):
    return rewards - beta * (log_probs - reference)[:, :-1].sum(-1)

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
    return torch.where(gap.abs() < 0.1, gap**2 / 2, torch.exp(gap) - 1 - gap)

def f(log_probs, reference):
    gap = (reference - log_probs).clamp(-5, 5)
    return torch.expm1(gap) - gap

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
    n = rewards.shape[-1]
    return torch.stack([rewards[..., i] - (rewards.sum(-1) - rewards[..., i]) / (n - 1) for i in range(n)])

def f(rewards):
    n = rewards.shape[-1]
    return (rewards - rewards.mean(-1, keepdim=True)) * (n - 1) / n

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
    normed = (groups - groups.mean(-1, keepdim=True)) / (groups.std(-1, keepdim=True) + 1e-4)
    return normed.view(len(groups), -1) if rewards.dim() > 1 else normed.view(-1)

def f(rewards, size):
    groups = rewards.unflatten(-1, (-1, 4))
    return ((groups - groups.mean(-1, keepdim=True)) / (groups.std(-1, keepdim=True) + 1e-4)).flatten(-2)

def f(rewards, size):
    groups = rewards.unflatten(-1, (size, -1))
    return ((groups - groups.mean(-1, keepdim=True)) / (groups.std(-1, keepdim=True) + 1e-4)).flatten(-2)

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
    return -torch.minimum(ratio * advantages, ratio.clamp(1 / (1 + clip), 1 + clip) * advantages)

def f(new, old, advantages, clip):
    ratio = (new - old).sum(-1, keepdim=True).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)

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
    starts = range(0, len(rewards) - n + 1, n)
    return mean(values[max(range(s, s + n), key=lambda i: rewards[i])] for s in starts)

def f(rewards, values, n):
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])
    return sum(values[k] * math.comb(i, n - 1) for k, i in enumerate(order)) / math.comb(len(values), n)

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
