"""Lab 01: unusual right answers, which must pass."""

import itertools
import math

import numpy
import torch
import torch.nn.functional as F

SPACE = {"itertools": itertools, "math": math, "numpy": numpy, "torch": torch, "F": F}

ACCEPTED = {
    "1.1": """
def f(ids, pair, new):
    if len(ids) < 2:
        return list(ids)
    if (ids[0], ids[1]) == tuple(pair):
        return [new] + f(ids[2:], pair, new)
    return [ids[0]] + f(ids[1:], pair, new)

def f(ids, pair, new):
    text = "".join(map(chr, ids)).replace(chr(pair[0]) + chr(pair[1]), chr(new))
    return [ord(character) for character in text]

def f(ids, pair, new):
    out, fresh = [], False
    for i in ids:
        if out and not fresh and (out[-1], i) == pair:
            out[-1], fresh = new, True
        else:
            out.append(i)
            fresh = False
    return out

def f(ids, pair, new):
    out = []
    for i in ids:
        out.append(i)
        if out[-2:] == list(pair):
            out[-2:] = [new]
    return out
""",
    "1.2": """
def f(ids, merges):
    while len(ids) >= 2:
        pair = min(zip(ids, ids[1:]), key=lambda p: merges.get(p, float("inf")))
        if pair not in merges:
            break
        ids = merge(ids, pair, merges[pair])
    return ids

def f(ids, merges):
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    ids = list(ids)
    while True:
        found = [(ranks[p], i) for i, p in enumerate(zip(ids, ids[1:])) if p in ranks]
        if not found:
            return ids
        _, i = min(found)
        ids[i : i + 2] = [merges[ids[i], ids[i + 1]]]

def f(ids, merges):
    from functools import reduce
    return reduce(lambda so_far, item: merge(so_far, *item), merges.items(), ids)
""",
    "1.3": """
def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    speeds = 1.0 / base ** (torch.arange(0, 2 * half, 2).double() / (2 * half))
    z = torch.complex(x[..., :half].double(), x[..., half:].double())
    z = z * torch.polar(torch.ones(len(positions), half).double(), positions.double()[:, None] * speeds)
    return torch.cat([z.real, z.imag], -1).to(x)

def f(x, positions, base=10_000.0):
    half, out = x.shape[-1] // 2, torch.empty_like(x)
    for t, position in enumerate(positions.tolist()):
        for i in range(half):
            angle = position * base ** (-i / half)
            a, b = x[..., t, i], x[..., t, i + half]
            out[..., t, i] = a * math.cos(angle) - b * math.sin(angle)
            out[..., t, i + half] = b * math.cos(angle) + a * math.sin(angle)
    return out

def f(x, positions, base=10_000.0):
    half = x.shape[-1] // 2
    angles = torch.outer(positions.float(), base ** (-torch.arange(half).float() / half)).repeat(1, 2)
    turned = torch.cat([-x[..., half:], x[..., :half]], -1)
    return x * angles.cos() + turned * angles.sin()
""",
    "1.4": """
def f(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)

def f(q, k, v):
    scores = torch.einsum("...td,...sd->...ts", q / math.sqrt(q.shape[-1]), k)
    weights = (scores - scores.amax(-1, keepdim=True)).exp()
    return weights @ v / weights.sum(-1, keepdim=True)

def f(q, k, v):
    q, k, v = (x.double().numpy() for x in (q, k, v))
    scores = q @ numpy.swapaxes(k, -1, -2) / numpy.sqrt(q.shape[-1])
    weights = numpy.exp(scores - scores.max(-1, keepdims=True))
    return torch.from_numpy(weights / weights.sum(-1, keepdims=True) @ v).float()
""",
    "1.5": """
def f(scores):
    out = torch.zeros_like(scores)
    for t in range(scores.shape[-1]):
        out[..., t, : t + 1] = scores[..., t, : t + 1].softmax(-1)
    return out

def f(scores):
    T = scores.shape[-1]
    return (scores + torch.full((T, T), float("-inf")).triu(1)).softmax(-1)

def f(scores):
    t = torch.arange(scores.shape[-1])
    return torch.where(t[:, None] >= t, scores, -1e9).softmax(dim=-1)

def f(scores):
    T = scores.shape[-1]
    scores = scores.masked_fill(~torch.ones(T, T, dtype=torch.bool).tril(), torch.finfo(scores.dtype).min)
    return (scores - scores.logsumexp(-1, keepdim=True)).exp()
""",
    "1.6": """
def f(x, heads):
    return torch.stack(x.chunk(heads, dim=-1), dim=1)

def f(x, heads):
    B, T, D = x.shape
    e = D // heads
    out = torch.empty(B, heads, T, e, dtype=x.dtype)
    for h in range(heads):
        out[:, h] = x[:, :, h * e : (h + 1) * e]
    return out

def f(x, heads):
    B, T, D = x.shape
    return torch.from_numpy(x.numpy().reshape(B, T, heads, -1).transpose(0, 2, 1, 3))

def f(x, heads):
    B, T, D = x.shape
    return torch.einsum("bthe->bhte", x.view(B, T, heads, -1))
""",
    "1.7": """
def f(h, gain, unembedding, eps=1e-5):
    return F.linear(F.rms_norm(h, h.shape[-1:], gain, eps), unembedding)

def f(h, gain, unembedding, eps=1e-5):
    return torch.einsum("...d,d,vd->...v", h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + eps), gain, unembedding)

def f(h, gain, unembedding, eps=1e-5):
    rows = h.reshape(-1, h.shape[-1]).double()
    out = [unembedding.double() @ (row * gain.double()) / math.sqrt(float((row @ row) / len(row)) + eps) for row in rows]
    return torch.stack(out).reshape(*h.shape[:-1], -1).to(h)

def f(h, gain, unembedding, eps=1e-5):
    return h / (h.square().mean(-1, keepdim=True) + eps).sqrt() * gain @ unembedding.T
""",
    "1.8": """
def f(next_logits, ids, end, max_new_tokens):
    if max_new_tokens == 0:
        return []
    token = next_logits(ids).argmax().item()
    return [token] if token == end else [token] + f(next_logits, [*ids, token], end, max_new_tokens - 1)

def f(next_logits, ids, end, max_new_tokens):
    def tokens():
        so_far = list(ids)
        for _ in range(max_new_tokens):
            logits = next_logits(so_far).tolist()
            so_far.append(logits.index(max(logits)))
            yield so_far[-1]
            if so_far[-1] == end:
                return
    return list(tokens())

def f(next_logits, ids, end, max_new_tokens):
    everything = tuple(ids)
    while len(everything) < len(ids) + max_new_tokens and end not in everything[len(ids):]:
        everything += (int(torch.softmax(next_logits(everything), -1).topk(1).indices[0]),)
    return list(everything[len(ids):])
""",
}
