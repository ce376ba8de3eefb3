"""Lab 01: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold).
"""

import math
from collections import Counter

import torch
import torch.nn.functional as F

SPACE = {"math": math, "torch": torch, "F": F, "Counter": Counter}

TYPED = [
    (
        "1.1",
        "def f(ids, pair, new):\n out = []\n for a, b in zip(ids, ids[1:]):\n  out.append(new if (a, b) == pair else a)\n return out",
        "expected [9, 3, 9]",
    ),
    (
        "1.1",
        "def f(ids, pair, new):\n i = 0\n while i < len(ids):\n  if tuple(ids[i:i + 2]) == pair:\n   ids[i:i + 2] = [new]\n  i += 1\n return ids",
        "in place",
    ),
    (
        "1.1",
        "def f(ids, pair, new):\n for i in range(len(ids)):\n  if ids[i] == pair[0] and ids[i + 1] == pair[1]:\n"
        "   return ids[:i] + [new] + ids[i + 2:]\n return ids",
        "first occurrence",
    ),
    (
        "1.2",
        "def f(ids, merges):\n while True:\n  found = [p for p in zip(ids, ids[1:]) if p in merges]\n  if not found:\n   return ids\n"
        "  ids = merge(ids, found[0], merges[found[0]])",
        "furthest left",
    ),
    (
        "1.2",
        "def f(ids, merges):\n for pair in sorted(merges, key=merges.get, reverse=True):\n  ids = merge(ids, pair, merges[pair])\n return ids",
        "out of order",
    ),
    (
        "1.3",
        "def f(x, positions, base=10_000.0):\n d = x.shape[-1]\n w = base ** (-torch.arange(0, d, 2) / d)\n a = positions[:, None] * w\n"
        " y = torch.empty_like(x)\n y[..., ::2] = x[..., ::2] * a.cos() - x[..., 1::2] * a.sin()\n"
        " y[..., 1::2] = x[..., 1::2] * a.cos() + x[..., ::2] * a.sin()\n return y",
        "interleaved",
    ),
    (
        "1.3",
        "def f(x, positions, base=10_000.0):\n h = x.shape[-1] // 2\n a = positions[:, None] * base ** (-torch.arange(h) / h)\n"
        " u, v = x[..., :h], x[..., h:]\n return torch.cat([u * a.cos() + v * a.sin(), v * a.cos() - u * a.sin()], -1)",
        "other way",
    ),
    ("1.4", "def f(q, k, v):\n return torch.softmax(q @ k.mT, dim=-1) @ v", "no scaling"),
    (
        "1.4",
        "def f(q, k, v):\n s = torch.einsum('...td,...sd->...ts', q, k) / math.sqrt(q.shape[-1])\n return F.softmax(s, dim=-2) @ v",
        "wrong axis",
    ),
    ("1.4", "def f(q, k, v):\n return (q @ k / math.sqrt(q.shape[-1])).softmax(-1) @ v", "raised"),
    (
        "1.5",
        "def f(scores):\n T = scores.shape[-1]\n return scores.softmax(-1).masked_fill(torch.ones(T, T).triu(1).bool(), 0)",
        "after the softmax",
    ),
    (
        "1.5",
        "def f(scores):\n m = torch.ones_like(scores).triu().bool()\n return scores.masked_fill(m, -torch.inf).softmax(-1)",
        "NaN",
    ),
    (
        "1.5",
        "def f(scores):\n m = torch.ones_like(scores).tril(-1).bool()\n return scores.masked_fill(m, -torch.inf).softmax(-1)",
        "future in",
    ),
    ("1.6", "def f(x, heads):\n B, T, D = x.shape\n return x.view(B, heads, T, D // heads)", "without transposing"),
    ("1.6", "def f(x, heads):\n B, T, D = x.shape\n return x.view(B, T, heads, D // heads)", "shape"),
    (
        "1.7",
        "def f(h, gain, unembedding, eps=1e-5):\n n = (h - h.mean()) / torch.sqrt(h.var(unbiased=False) + eps)\n return unembedding @ (n * gain)",
        "layer norm",
    ),
    ("1.7", "def f(h, gain, unembedding, eps=1e-5):\n return F.normalize(h, dim=-1) * gain @ unembedding.T", "expected"),
    (
        "1.8",
        "def f(next_logits, ids, end, max_new_tokens):\n for _ in range(max_new_tokens):\n  ids.append(int(next_logits(ids).argmax()))\n"
        "  if ids[-1] == end:\n   break\n return ids",
        "in place",
    ),
    (
        "1.8",
        "def f(next_logits, ids, end, max_new_tokens):\n out = []\n for _ in range(max_new_tokens):\n  best = int(next_logits(ids + out).argmax())\n"
        "  if best == end:\n   break\n  out.append(best)\n return out",
        "end token is missing",
    ),
    (
        "1.8",
        "def f(next_logits, ids, end, max_new_tokens):\n out = []\n for _ in range(max_new_tokens):\n"
        "  out.append(next_logits(ids + out).argmax())\n  if out[-1] == end:\n   break\n return out",
        "expected",
    ),
]
