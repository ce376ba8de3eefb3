"""Lab 01: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
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
    (
        "1.1",
        "def f(ids, pair, new):\n out, i = [], 0\n while i < len(ids):\n  hit = i + 1 < len(ids) and ids[i] is pair[0] and ids[i + 1] is pair[1]\n  out.append(new if hit else ids[i])\n  i += 2 if hit else 1\n return out",
        "same object",
    ),
    (
        "1.2",
        "def f(ids, merges):\n for pair, new in merges.items():\n  ids = merge(ids, pair, new)\n  return ids",
        "inside the loop",
    ),
    (
        "1.2",
        "def f(ids, merges):\n for pair, new in merges.items():\n  if pair not in list(zip(ids, ids[1:])):\n   break\n  ids = merge(ids, pair, new)\n return ids",
        "does not occur",
    ),
    (
        "1.3",
        "def f(x, positions, base=10_000.0):\n h = x.shape[-1] // 2\n a = positions * base ** (-torch.arange(h) / h)\n u, v = x[..., :h], x[..., h:]\n return torch.cat([u * a.cos() - v * a.sin(), v * a.cos() + u * a.sin()], -1)",
        "positions[:, None]",
    ),
    (
        "1.3",
        "def f(x, positions, base=10_000.0):\n h = x.shape[-1] // 2\n a = positions[:, None] * base ** (-torch.arange(h) / h)\n u, v = x[..., :h], x[..., h:]\n return torch.cat([u * a.cos() - v * a.sin(), v * a.cos() - u * a.sin()], -1)",
        "wrong sign",
    ),
    (
        "1.3",
        "def f(x, positions, base=10_000.0):\n h = x.shape[-1] // 2\n a = positions[:, None] * base ** (-torch.arange(h) / h)\n u, v = x[..., :h], x[..., h:]\n u = u * a.cos() - v * a.sin()\n v = v * a.cos() + u * a.sin()\n return torch.cat([u, v], -1)",
        "new a",
    ),
    (
        "1.3",
        "def f(x, positions, base=10_000.0):\n h = x.shape[-1] // 2\n a = positions[:, None] * base ** (-torch.arange(h) / h)\n u, v = x[..., :h], x[..., h:]\n return torch.cat([v * a.cos() + u * a.sin(), u * a.cos() - v * a.sin()], -1)",
        "changed places",
    ),
    (
        "1.3",
        "def f(x, positions, base=10_000.0):\n h = x.shape[-1] // 2\n a = positions[:, None] * base ** (-torch.arange(h) / h)\n u, v = x[..., :h], x[..., h:]\n return torch.stack([u * a.cos() - v * a.sin(), v * a.cos() + u * a.sin()], -1).flatten(-2)",
        "woven",
    ),
    ("1.4", "def f(q, k, v):\n return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=1) @ v", "dimension 1"),
    (
        "1.4",
        "def f(q, k, v):\n s = q @ k.mT / q.shape[-1] ** 0.5\n hidden = torch.ones_like(s).triu(1).bool()\n return s.masked_fill(hidden, -torch.inf).softmax(-1) @ v",
        "causal mask",
    ),
    (
        "1.5",
        "def f(scores):\n T = scores.shape[-1]\n hidden = torch.ones(T, T, dtype=torch.bool).triu(0)\n return scores.masked_fill(hidden, float('-inf')).softmax(-1)",
        "diagonal",
    ),
    (
        "1.5",
        "def f(scores):\n T = scores.shape[-1]\n seen = torch.ones(T, T, dtype=torch.bool).triu(0)\n return torch.where(seen, scores, -torch.inf).softmax(-1)",
        "hides the past",
    ),
    (
        "1.5",
        "def f(scores):\n return scores.masked_fill(torch.ones_like(scores).tril().bool(), -torch.inf).softmax(-1)",
        "wrong way round",
    ),
    (
        "1.5",
        "def f(scores):\n T = scores.shape[-1]\n return (scores + torch.ones(T, T).triu(1) * float('-inf')).softmax(-1)",
        "0 times infinity",
    ),
    (
        "1.5",
        "def f(scores):\n return scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf).softmax(-2)",
        "down the columns",
    ),
    (
        "1.5",
        "def f(scores):\n return torch.where(torch.ones_like(scores).tril().bool(), scores, -torch.inf)",
        "softmax is still missing",
    ),
    ("1.6", "def f(x, heads):\n return x.reshape(*x.shape[:2], heads, -1)", "must still change places"),
    ("1.6", "def f(x, heads):\n return torch.stack(torch.chunk(x, heads, -1), 0)", "in front of the texts"),
    ("1.7", "def f(h, gain, unembedding, eps=1e-5):\n return F.normalize(h, dim=-1) * gain @ unembedding.T", "to length one"),
    (
        "1.7",
        "def f(h, gain, unembedding, eps=1e-5):\n return h / h.norm(dim=-1, keepdim=True) * gain @ unembedding.T",
        "to length one",
    ),
    (
        "1.7",
        "def f(h, gain, unembedding, eps=1e-5):\n return h / ((h.pow(2).mean(-1, keepdim=True) + eps).sqrt() * gain) @ unembedding.T",
        "divides by the gain",
    ),
    (
        "1.7",
        "def f(h, gain, unembedding, eps=1e-5):\n return h / (h.pow(2).mean(-1, keepdim=True) + eps) * gain @ unembedding.T",
        "root is missing",
    ),
    (
        "1.7",
        "def f(h, gain, unembedding, eps=1e-5):\n return h / (h.mean(-1, keepdim=True) ** 2 + eps).sqrt() * gain @ unembedding.T",
        "mean of the squares",
    ),
    (
        "1.7",
        "def f(h, gain, unembedding, eps=1e-5):\n g = h * gain\n return g / (g.pow(2).mean(-1, keepdim=True) + eps).sqrt() @ unembedding.T",
        "first the norm",
    ),
    (
        "1.7",
        "def f(h, gain, unembedding, eps=1e-5):\n return h / h.pow(2).mean(-1, keepdim=True).sqrt() * gain @ unembedding.T",
        "left out",
    ),
    (
        "1.7",
        "def f(h, gain, unembedding, eps=1e-5):\n return h / (h.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * gain @ unembedding.T",
        "whatever it is",
    ),
    ("1.7", "def f(h, gain, unembedding, eps=1e-5):\n return (h * gain) @ unembedding.T", "There is no norm"),
    (
        "1.8",
        "def f(next_logits, ids, end, max_new_tokens):\n out = []\n for _ in range(max_new_tokens):\n  out.append(int(next_logits(ids).argmax()))\n  if out[-1] == end:\n   break\n return out",
        "asks about the prompt each time",
    ),
    (
        "1.8",
        "def f(next_logits, ids, end, max_new_tokens):\n out = []\n for _ in range(max_new_tokens):\n  out.append(int(next_logits(out).argmax()))\n  if out[-1] == end:\n   break\n return out",
        "without the prompt",
    ),
    (
        "1.8",
        "def f(next_logits, ids, end, max_new_tokens):\n out, last = [], ids\n for _ in range(max_new_tokens):\n  last = [int(next_logits(last).argmax())]\n  out += last\n  if last == [end]:\n   break\n return out",
        "newest token",
    ),
    (
        "1.8",
        "def f(next_logits, ids, end, max_new_tokens):\n out = []\n while True:\n  out.append(int(next_logits(ids + out).argmax()))\n  if out[-1] == end or len(out) >= max_new_tokens:\n   return out",
        "max_new_tokens is 0",
    ),
    (
        "1.8",
        "def f(next_logits, ids, end, max_new_tokens):\n out = []\n for _ in range(max_new_tokens):\n  if len(out) > 1 and out[-2] == end:\n   break\n  out.append(int(next_logits(ids + out).argmax()))\n return out",
        "expected [6, 5, 3]",
    ),
]

REFUSED = {
    "1.1": r"""
def f(ids, pair, new):
    text = " ".join(map(str, ids)).replace(f"{pair[0]} {pair[1]}", str(new))
    return [int(number) for number in text.split()]

def f(ids, pair, new):
    text = ",".join(map(str, ids)) + ","
    return [int(n) for n in text.replace("%d,%d," % pair, f"{new},").split(",") if n]

def f(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == pair
        merged.append(256 if found else ids[i])
        i += 2 if found else 1
    return merged

def f(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == pair
        merged.append(9 if found else ids[i])
        i += 2 if found else 1
    return merged

def f(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        if i < len(ids) - 1 and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            merged.append(new)
            i += 1
        else:
            merged.append(ids[i])
        i += 2
    return merged

def f(ids, pair, new):
    out = list(ids)
    for i in range(len(out) - 1):
        if (out[i], out[i + 1]) == pair:
            out[i], out[i + 1] = new, None
    return [i for i in out if i]

def f(ids, pair, new):
    out = []
    for i in ids:
        if out and (out[-1], i) == pair:
            out[-1] = new
        else:
            out.append(i)
    return out[: len(ids) - 1] if len(out) > 4 else out

def f(ids, pair, new):
    merged, i = [], 0
    while i + 1 < len(ids):
        if (ids[i], ids[i + 1]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    merged.append(ids[-1])
    return merged

def f(ids, pair, new):
    return [new if i in pair else i for i in ids]

def f(ids, pair, new):
    raw = bytes(i % 256 for i in ids).replace(bytes(i % 256 for i in pair), bytes([new % 256]))
    return list(raw)

def f(ids, pair, new):
    merged, i = [], 0
    while i < len(ids):
        following = ids[i + 1] if i + 1 < len(ids) else 0
        found = (ids[i], following) == pair
        merged.append(new if found else ids[i])
        i += 2 if found else 1
    return merged
""",
    "1.2": """
def f(ids, merges):
    for pair in sorted(merges):
        ids = merge(ids, pair, merges[pair])
    return ids

def f(ids, merges):
    merged, i = list(ids), 0
    while i < len(merged) - 1:
        if (merged[i], merged[i + 1]) in merges:
            merged[i : i + 2] = [merges[merged[i], merged[i + 1]]]
            i = max(0, i - 1)
        else:
            i += 1
    return merged

def f(ids, merges):
    for pair, new in merges.items():
        out = merge(ids, pair, new)
    return out

def f(ids, merges):
    counts = Counter(zip(ids, ids[1:]))
    for pair, _ in counts.most_common():
        if pair in merges:
            ids = merge(ids, pair, merges[pair])
    return ids

def f(ids, merges):
    for new, pair in enumerate(merges, 256):
        ids = merge(ids, pair, new)
    return ids

def f(ids, merges):
    for pair, new in merges.items():
        ids = merge(ids, pair, new)
        if len(ids) == 1:
            return ids[0]
    return ids

def f(ids, merges):
    while True:
        known = [p for p in zip(ids, ids[1:]) if p in merges]
        if not known:
            return ids
        pair = max(known, key=merges.get)
        ids = merge(ids, pair, merges[pair])

def f(ids, merges):
    for pair, new in merges.items():
        if pair[0] in ids:
            i = ids.index(pair[0])
            if tuple(ids[i : i + 2]) == pair:
                ids = ids[:i] + [new] + ids[i + 2 :]
    return ids
""",
    "1.3": """
def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] * base ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)

def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = positions[:, None] * 10_000.0 ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)

def f(x, positions, base=100_000.0):
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)

def f(x, positions, base):
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)

def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(half) / half)
    a, b = x[:, :half], x[:, half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)

def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() - a * angles.sin()], -1).to(x)

def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)

def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(1, half + 1) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)

def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = positions[:, None] * base ** (-torch.arange(half) / max(1, half - 1))
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)

def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = torch.deg2rad(positions[:, None] * base ** (-torch.arange(half) / half))
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1).to(x)
""",
    "1.4": """
def f(q, k, v):
    return (q @ k.T / math.sqrt(q.shape[-1])).softmax(-1) @ v

def f(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-2])).softmax(-1) @ v

def f(q, k, v):
    return (q @ k.mT / math.sqrt(v.shape[-1])).softmax(-1) @ v

def f(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[1])).softmax(-1) @ v

def f(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(1) @ v

def f(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(0) @ v

def f(q, k, v):
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).exp()
    return weights / weights.sum(-1, keepdim=True) @ v

def f(q, k, v):
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).exp()
    return weights / weights.sum() @ v

def f(q, k, v):
    return torch.bmm((torch.bmm(q, k.mT) / math.sqrt(q.shape[-1])).softmax(-1), v)

def f(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)

def f(q, k, v):
    return (q @ k.mT / 8).softmax(-1) @ v

def f(q, k, v):
    return (q @ k.mT * math.sqrt(q.shape[-1])).softmax(-1) @ v

def f(q, k, v):
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)

def f(q, k, v):
    return F.normalize(q @ k.mT / math.sqrt(q.shape[-1]), p=1, dim=-1) @ v
""",
    "1.5": """
def f(scores):
    T = scores.shape[-1]
    return scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -100).softmax(-1)

def f(scores):
    lower = scores.tril()
    return lower.masked_fill(lower == 0, float("-inf")).softmax(-1)

def f(scores):
    weights = scores.exp().tril()
    return weights / weights.sum(-1, keepdim=True)

def f(scores):
    weights = scores.softmax(-1).tril()
    return weights / weights.sum()

def f(scores):
    T = scores.shape[-1]
    return scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), float("-inf")).softmax(-2)

def f(scores):
    T = scores.shape[0]
    return scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), float("-inf")).softmax(-1)

def f(scores):
    T = scores.shape[-1]
    return scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), float("-inf"))

def f(scores):
    T = scores.shape[-1]
    return (scores * torch.ones(T, T).tril()).softmax(-1)

def f(scores):
    T = scores.shape[-1]
    return (scores / math.sqrt(T)).masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), float("-inf")).softmax(-1)

def f(scores):
    T = scores.shape[-1]
    return scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), float("-inf")).softmax(1)

def f(scores):
    out = torch.zeros_like(scores)
    for t in range(scores.shape[-1]):
        out[..., t, :t] = scores[..., t, :t].softmax(-1)
    return out

def f(scores):
    T = scores.shape[-1]
    return (scores - 10.0 * torch.ones(T, T).triu(1)).softmax(-1)

def f(scores):
    T = scores.shape[-1]
    return scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), scores.min() - 20).softmax(-1)
""",
    "1.6": """
def f(x, heads):
    B, T, D = x.shape
    return x.reshape(B, T, D // heads, heads).permute(0, 3, 1, 2)

def f(x, heads):
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads)

def f(x, heads):
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads).transpose(2, 3)

def f(x, heads):
    B, T, D = x.shape
    return x.transpose(1, 2).reshape(B, heads, D // heads, T).transpose(2, 3).flip(1)

def f(x, heads):
    B, T, D = x.shape
    return x[:1].reshape(1, T, heads, D // heads).transpose(1, 2)

def f(x, heads):
    B, T, D = x.shape
    return torch.stack(x.chunk(heads, dim=-1))

def f(x, heads):
    B, T, D = x.shape
    return x.reshape(B, T, 4, D // 4).transpose(1, 2)

def f(x, heads):
    B, T, D = x.shape
    return x.reshape(heads, B, T, D // heads).transpose(0, 1)

def f(x, heads):
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads).transpose(0, 2)

def f(x, heads):
    B, T, D = x.shape
    return torch.stack([x[..., h::heads] for h in range(heads)], dim=1)

def f(x, heads):
    B, T, D = x.shape
    return torch.stack([x[..., h : h + D // heads] for h in range(heads)], dim=1)
""",
    "1.7": """
def f(h, gain, unembedding, eps=1e-5):
    return h / (h.square().mean() + eps).sqrt() * gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return unembedding @ (h / (h.square().mean() + eps).sqrt() * gain)

def f(h, gain, unembedding, eps=1e-5):
    return h / ((h**2).mean(-1, keepdim=True).sqrt() + eps) * gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return h / (h.square().mean(-1, keepdim=True) + 1e-5).sqrt() * gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-6):
    return h / (h.square().mean(-1, keepdim=True) + eps).sqrt() * gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return h / (h.square().mean(-1, keepdim=True)).sqrt() * gain @ unembedding.T

def f(h, gain, unembedding, eps):
    return h / (h.square().mean(-1, keepdim=True) + eps).sqrt() * gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return h / (h.square().mean(0, keepdim=True) + eps).sqrt() * gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return h / (h.mean(-1, keepdim=True).square() + eps).sqrt() * gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return h / (h.square().mean(-1, keepdim=True) + eps) * gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return F.layer_norm(h, h.shape[-1:], gain, None, eps) @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return h / (h.square().mean(-1, keepdim=True) + eps).sqrt() * (1 + gain) @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return h / (h.square().mean(-1, keepdim=True) + eps).sqrt() / gain @ unembedding.T

def f(h, gain, unembedding, eps=1e-5):
    return (h / (h.square().mean(-1, keepdim=True) + eps).sqrt() * gain @ unembedding.T).log_softmax(-1)

def f(h, gain, unembedding, eps=1e-5):
    return h * gain / ((h * gain).square().mean(-1, keepdim=True) + eps).sqrt() @ unembedding.T
""",
    "1.8": """
def f(next_logits, ids, end, max_new_tokens):
    added = []
    for _ in range(max_new_tokens):
        added.append(int(next_logits(ids + added).argmax()))
    return added[: added.index(end) + 1] if end in added else added

def f(next_logits, ids, end, max_new_tokens):
    ids, start = list(ids), len(ids)
    while end not in ids and len(ids) - start < max_new_tokens:
        ids.append(int(next_logits(ids).argmax()))
    return ids[start:]

def f(next_logits, ids, end, max_new_tokens):
    added = []
    while True:
        added.append(int(next_logits(ids + added).argmax()))
        if added[-1] == end or len(added) >= max_new_tokens:
            return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    while len(added) < max_new_tokens:
        logits = next_logits(ids + added)
        best = 0
        for i in range(len(logits)):
            if logits[i] > max(0, logits[best]):
                best = i
        added.append(best)
        if best == end:
            break
    return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    while len(added) < max_new_tokens:
        added.append(int(next_logits(added + ids).argmax()))
        if added[-1] == end:
            break
    return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    while len(added) < max_new_tokens:
        added.append(int(next_logits((ids + added)[-4:]).argmax()))
        if added[-1] == end:
            break
    return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    while len(added) < max_new_tokens:
        added.append(int(next_logits(torch.tensor(ids + added)).argmax()))
        if added[-1] == end:
            break
    return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    while len(added) < max_new_tokens:
        added.append(int(next_logits(ids + added).softmax(-1).multinomial(1)))
        if added[-1] == end:
            break
    return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    while len(added) < max_new_tokens:
        added.append(int(next_logits(ids).argmax()))
        if added[-1] == end:
            break
    return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    while len(added) < max_new_tokens:
        token = int(next_logits(ids + added).argmax())
        if token in added:
            break
        added.append(token)
        if token == end:
            break
    return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    for _ in range(max_new_tokens):
        added.append(int(next_logits(ids + added).argmax()))
        if added[-1] == 0:
            break
    return added

def f(next_logits, ids, end, max_new_tokens):
    added = []
    for _ in range(max_new_tokens - 1):
        added.append(int(next_logits(ids + added).argmax()))
        if added[-1] == end:
            return added
    return [*added, end][:max_new_tokens]
""",
}
