"""Lab 02: unusual right answers, which must pass."""

import bisect
import itertools
import math
import re

import numpy
import torch

SPACE = {"bisect": bisect, "itertools": itertools, "math": math, "re": re, "numpy": numpy, "torch": torch}

ACCEPTED = {
    "2.1": """
def f(logits, temperature=1.0):
    return torch.softmax(logits / temperature, dim=-1)

def f(logits, temperature=1.0):
    scaled = logits / temperature
    return torch.exp(scaled - torch.logsumexp(scaled, 0))

def f(logits, temperature=1.0):
    z = logits.double().numpy() / temperature
    weights = numpy.exp(z - z.max())
    return torch.from_numpy(weights / weights.sum()).to(logits)

def f(logits, temperature=1.0):
    top = max(logits.tolist())
    weights = [math.exp((z - top) / temperature) for z in logits.tolist()]
    return torch.tensor([w / sum(weights) for w in weights], dtype=logits.dtype)
""",
    "2.2": """
def f(probs, u):
    ends = list(itertools.accumulate(probs.tolist()))
    return min(bisect.bisect_right(ends, u), max(i for i, p in enumerate(probs.tolist()) if p > 0))

def f(probs, u):
    last = 0
    for token, p in enumerate(probs.tolist()):
        if p == 0:
            continue
        last = token
        if u < p:
            break
        u -= p
    return last

def f(probs, u):
    place = int(torch.searchsorted(probs.cumsum(0), torch.tensor(u, dtype=probs.dtype), right=True))
    while place >= len(probs) or probs[place] == 0:
        place -= 1
    return place

def f(probs, u):
    ends = probs.double().cumsum(0).numpy()
    inside = numpy.flatnonzero(ends > u)
    return int(inside[0]) if len(inside) else int(numpy.flatnonzero(probs.numpy())[-1])
""",
    "2.3": """
def f(logits, k):
    out = torch.full_like(logits, -torch.inf)
    best = logits.topk(k)
    return out.scatter(0, best.indices, best.values)

def f(logits, k):
    limit = sorted(logits.tolist())[-k]
    return torch.tensor([z if z >= limit else -math.inf for z in logits.tolist()], dtype=logits.dtype)

def f(logits, k):
    out = logits.clone()
    out[logits.argsort(descending=True)[k:]] = float("-inf")
    return out

def f(logits, k):
    bigger = (logits[None] > logits[:, None]).sum(1)
    return torch.where(bigger < k, logits, float("-inf"))
""",
    "2.4": """
def f(logits, p):
    ascending = logits.argsort()
    mass = logits.softmax(0)[ascending].cumsum(0)
    gone = mass <= 1 - p
    gone[-1] = False
    out = logits.clone()
    out[ascending[gone]] = float("-inf")
    return out

def f(logits, p):
    probs, kept, mass = logits.softmax(0).tolist(), [], 0.0
    for token in sorted(range(len(probs)), key=probs.__getitem__, reverse=True):
        if mass >= p:
            break
        kept.append(token)
        mass += probs[token]
    return torch.tensor([z if t in kept else -math.inf for t, z in enumerate(logits.tolist())], dtype=logits.dtype)

def f(logits, p):
    order = logits.argsort(descending=True)
    mass = softmax(logits)[order].cumsum(0)
    shifted = torch.cat([torch.zeros(1, dtype=mass.dtype), mass[:-1]])
    return torch.where((shifted < p)[order.argsort()], logits, float("-inf"))

def f(logits, p):
    order = logits.argsort().flip(0)
    probs = softmax(logits)[order]
    filtered = logits.clone()
    filtered[order[probs.cumsum(0) - probs >= p]] = float("-inf")
    return filtered

def f(logits, p):
    for k in range(1, len(logits) + 1):
        kept = logits.topk(k).indices
        if k == len(logits) or softmax(logits)[kept].sum() >= p:
            return torch.full_like(logits, float("-inf")).index_copy(0, kept, logits[kept])
""",
    "2.5": """
def f(logits, counts, frequency, presence):
    out = logits.clone()
    for token, count in enumerate(counts.tolist()):
        if count:
            out[token] -= frequency * count + presence
    return out

def f(logits, counts, frequency, presence):
    return logits.sub(counts, alpha=frequency).sub(counts.sign(), alpha=presence)

def f(logits, counts, frequency, presence):
    taken = numpy.where(counts.numpy() > 0, presence + frequency * counts.numpy(), 0.0)
    return (logits.double() - torch.from_numpy(taken)).to(logits.dtype)
""",
    "2.6": """
def f(logits, ids, penalty):
    out = logits.clone()
    for token in set(ids.tolist()):
        out[token] *= penalty if out[token] < 0 else 1 / penalty
    return out

def f(logits, ids, penalty):
    seen = torch.isin(torch.arange(len(logits)), ids)
    return torch.where(seen, torch.minimum(logits * penalty, logits / penalty), logits)

def f(logits, ids, penalty):
    score = logits.gather(0, ids)
    return logits.scatter(0, ids, torch.where(score < 0, score * penalty, score / penalty))

def f(logits, ids, penalty):
    seen = (ids.bincount(minlength=len(logits)) > 0).to(logits)
    return logits.clamp(min=0) / penalty**seen + logits.clamp(max=0) * penalty**seen
""",
    "2.7": """
def f(text, stops):
    for place in range(len(text)):
        if any(text.startswith(stop, place) for stop in stops):
            return text[:place]
    return text

def f(text, stops):
    found = re.search("|".join(map(re.escape, stops)), text) if stops else None
    return text[: found.start()] if found else text

def f(text, stops):
    return min([text, *(text.partition(stop)[0] for stop in stops)], key=len)

def f(text, stops):
    if not text or any(text.startswith(stop) for stop in stops):
        return ""
    return text[0] + f(text[1:], stops)
""",
    "2.8": """
def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits / temperature, ids, penalty)
    return draw(softmax(top_p_filter(top_k_filter(z, k), p)), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = top_k_filter(repetition_penalty(logits, ids, penalty), k)
    return draw(torch.softmax(top_p_filter(z / temperature, p), -1), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = logits.tolist()
    for token in set(ids.tolist()):
        z[token] = z[token] * penalty if z[token] < 0 else z[token] / penalty
    ranked = sorted(range(len(z)), key=z.__getitem__, reverse=True)[:k]
    weights = {t: math.exp((z[t] - z[ranked[0]]) / temperature) for t in ranked}
    total, mass, kept = sum(weights.values()), 0.0, []
    for token in ranked:
        if mass < p:
            kept.append(token)
            mass += weights[token] / total
    rest = u * sum(weights[t] for t in kept)
    for token in sorted(kept):
        rest -= weights[token]
        if rest < 0:
            return token
    return max(kept)
""",
}
