"""Lab 05: unusual right answers, which must pass."""

import itertools
import math
import re

import numpy
import torch
import torch.nn.functional as F

SPACE = {"itertools": itertools, "math": math, "numpy": numpy, "re": re, "torch": torch, "F": F}

ACCEPTED = {
    "5.1": """
def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    return ids, [-100 if i < len(prompt_ids) else token for i, token in enumerate(ids)]

def f(prompt_ids, completion_ids, end_id):
    ids, labels = [], []
    for token in prompt_ids:
        ids.append(token)
        labels.append(-100)
    for token in itertools.chain(completion_ids, [end_id]):
        ids.append(token)
        labels.append(token)
    return ids, labels

def f(prompt_ids, completion_ids, end_id):
    labels = torch.tensor(prompt_ids + completion_ids + [end_id])
    ids = labels.tolist()
    labels[: len(prompt_ids)] = -100
    return ids, labels.tolist()

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    tail = ids[-(len(completion_ids) + 1):]
    return ids, [-100] * (len(ids) - len(tail)) + tail
""",
    "5.2": """
def f(logits, labels):
    return F.cross_entropy(logits[:-1], labels[1:]).item()

def f(logits, labels):
    return F.nll_loss(F.log_softmax(logits.double(), dim=-1)[:-1], labels[1:])

def f(logits, labels):
    losses = []
    for row, label in zip(logits[:-1].tolist(), labels[1:].tolist()):
        if label >= 0:
            top = max(row)
            losses.append(top + math.log(sum(math.exp(z - top) for z in row)) - row[label])
    return sum(losses) / len(losses)

def f(logits, labels):
    keep = labels[1:] != -100
    rows, targets = logits[:-1][keep], labels[1:][keep]
    return (torch.logsumexp(rows, 1) - rows[torch.arange(len(rows)), targets]).mean().item()

def f(logits, labels):
    keep = (labels[1:] >= 0).nonzero()[:, 0]
    return -torch.distributions.Categorical(logits=logits[keep]).log_prob(labels[keep + 1]).mean().item()

def f(logits, labels):
    mask = (labels[1:] != -100).to(logits.dtype)
    log_probs = logits[:-1].log_softmax(-1).gather(1, labels[1:].clamp(min=0)[:, None])[:, 0]
    return float(-(log_probs * mask).sum() / mask.sum())
""",
    "5.3": """
def f(step, steps, peak, warmup):
    return peak * min((step + 1) / max(warmup, 1), (steps - step) / (steps - warmup))

def f(step, steps, peak, warmup):
    points = ([-1, warmup - 1] if warmup else []) + [warmup, steps]
    rates = ([0, peak] if warmup else []) + [peak, 0]
    return numpy.interp(step, points, rates)

def f(step, steps, peak, warmup):
    if step >= warmup:
        return peak - peak / (steps - warmup) * (step - warmup)
    return peak - peak / warmup * (warmup - 1 - step)
""",
    "5.4": """
def f(noise, n_out):
    return noise.clone(), noise.new_zeros(n_out, len(noise))

def f(noise, n_out):
    return noise.double(), torch.zeros((n_out, noise.size(0)), dtype=torch.float64)

def f(noise, n_out):
    return torch.nn.Parameter(noise), torch.nn.Parameter(torch.zeros(n_out, noise.shape[0]))

def f(noise, n_out):
    return noise, 0.0 * noise[:, :1].T.repeat(n_out, 1)

def f(noise, n_out):
    b = torch.full((n_out, noise.shape[0]), 0.0)
    return noise + 0, b
""",
    "5.5": """
def f(x, weight, a, b, alpha):
    return x @ (weight + alpha / len(a) * (b @ a)).T

def f(x, weight, a, b, alpha):
    return F.linear(x, weight) + F.linear(F.linear(x, a), b) * (alpha / b.shape[1])

def f(x, weight, a, b, alpha):
    change = torch.einsum("...i,ri,or->...o", x, a, b)
    return torch.einsum("...i,oi->...o", x, weight) + change * alpha / a.size(0)

def f(x, weight, a, b, alpha):
    y = x.double() @ weight.double().t()
    for row, column in zip(a.double(), b.double().t()):
        y = y + alpha / a.shape[0] * (x.double() @ row)[..., None] * column
    return y

def f(x, weight, a, b, alpha):
    change = torch.einsum("...i,ri,or->...o", x, a, b)
    return torch.einsum("...i,oi->...o", x, weight) + alpha / a.size(0) * change
""",
    "5.6": """
def f(sizes, method):
    total = 0
    for name, count in sizes.items():
        if "lora_" in name:
            total += count * (method == "lora")
        elif method == "full" or (method == "bitfit" and name.split(".")[-1] == "bias"):
            total += count
    return total

def f(sizes, method):
    chosen = {
        "full": lambda name: name.count("lora_") == 0,
        "lora": lambda name: name.find("lora_") >= 0,
        "bitfit": lambda name: name[-4:] == "bias" and "lora_" not in name,
    }[method]
    return sum(map(sizes.get, filter(chosen, sizes)))

def f(sizes, method):
    adapter = sum(sizes[name] for name in sizes if "lora_" in name)
    if method != "bitfit":
        return adapter if method == "lora" else sum(sizes.values()) - adapter
    return int(numpy.sum([n for k, n in sizes.items() if k.endswith(".bias") and "lora_" not in k]))
""",
    "5.7": """
def f(weight, a, b, alpha):
    return torch.addmm(weight, b, a, alpha=alpha / a.shape[0])

def f(weight, a, b, alpha):
    merged = weight.clone()
    merged += b @ a * alpha / b.shape[1]
    return merged

def f(weight, a, b, alpha):
    return weight.double() + sum(alpha / len(a) * torch.outer(b[:, i], a[i]).double() for i in range(len(a)))

def f(weight, a, b, alpha):
    return torch.tensor(weight.numpy() + alpha / len(a) * b.numpy().dot(a.numpy()))
""",
    "5.8": """
def f(facts, dialogue):
    words = set(re.findall(r"\\w+", dialogue.lower()))
    return len([x for x in facts if x in words]) / max(len(facts), 1)

def f(facts, dialogue):
    if len(facts) == 0:
        return 0
    return sum(bool(re.search(rf"\\b{re.escape(x)}\\b", dialogue, re.IGNORECASE)) for x in facts) / len(facts)

def f(facts, dialogue):
    said = [word.casefold() for word in re.split(r"\\W+", dialogue)]
    found = 0
    for fact in facts:
        found += fact in said
    return found / len(facts) if facts else 0.0
""",
}
