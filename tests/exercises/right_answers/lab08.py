"""Lab 08: unusual right answers, which must pass."""

import math

import numpy as np
import torch
from torch.nn import functional

SPACE = {"math": math, "np": np, "torch": torch, "functional": functional}

ACCEPTED = {
    "8.1": """
def f(logits, ids):
    return functional.cross_entropy(logits[:-1], ids[1:]).item()

def f(logits, ids):
    total = 0.0
    for row, following in zip(logits, ids[1:]):
        total += float(torch.logsumexp(row, 0) - row[following])
    return total / (len(ids) - 1)

def f(logits, ids):
    return float(functional.nll_loss(logits.log_softmax(dim=1)[:-1], ids[1:]))

def f(logits, ids):
    p = logits.softmax(-1)
    t = torch.arange(len(ids) - 1)
    return -p[t, ids[1:]].log().mean().item()

def f(logits, ids):
    x = logits[:-1] - logits[:-1].max(-1, keepdim=True).values
    p = x.exp() / x.exp().sum(-1, keepdim=True)
    return -(p[torch.arange(len(p)), ids[1:]]).log().mean()

def f(logits, ids):
    x = logits.float()
    return float(sum(torch.logsumexp(x[t], 0) - x[t, ids[t + 1]] for t in range(len(ids) - 1)) / (len(ids) - 1))
""",
    "8.2": """
def f(ids, chosen, dice, mask_id, random_ids):
    labels = torch.where(chosen, ids, torch.full_like(ids, -100))
    new = torch.where(dice < 0.8, torch.full_like(ids, mask_id), torch.where(dice < 0.9, random_ids, ids))
    return torch.where(chosen, new, ids), labels

def f(ids, chosen, dice, mask_id, random_ids):
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for t in range(len(ids)):
        if chosen[t]:
            labels[t] = ids[t]
            if dice[t] < 0.8:
                inputs[t] = mask_id
            elif dice[t] < 0.9:
                inputs[t] = random_ids[t]
    return inputs, labels

def f(ids, chosen, dice, mask_id, random_ids):
    inputs, labels = ids.clone(), ids.clone()
    a = (chosen & (dice < 0.8)).long()
    r = (chosen & (dice >= 0.8) & (dice < 0.9)).long()
    return ids * (1 - a - r) + a * mask_id + r * random_ids, ids * chosen.long() - 100 * (~chosen).long()

def f(ids, chosen, dice, mask_id, random_ids):
    inputs, labels = ids.clone(), ids.clone()
    r = chosen & (dice < 0.9)
    return ids.masked_scatter(r, random_ids[r]).masked_fill(chosen & (dice < 0.8), mask_id), ids.masked_fill(~chosen, -100)
""",
    "8.3": """
def f(words, spans):
    inputs, targets = list(words), []
    for n, (a, b) in reversed(list(enumerate(spans))):
        inputs[a:b] = [f"<{n}>"]
        targets = [f"<{n}>", *words[a:b], *targets]
    inputs.append("</s>")
    targets.append("</s>")
    return inputs, targets

def f(words, spans):
    starts = {a: (n, b) for n, (a, b) in enumerate(spans)}
    inputs, targets, i = [], [], 0
    while i < len(words):
        if i in starts:
            n, b = starts[i]
            inputs.append(f"<{n}>")
            targets.extend([f"<{n}>"] + words[i:b])
            i = b
        else:
            inputs.append(words[i])
            i += 1
    return inputs + ["</s>"], targets + ["</s>"]

def f(words, spans):
    inputs, targets = [], []
    which = [None] * len(words)
    for n, (a, b) in enumerate(spans):
        for t in range(a, b):
            which[t] = n
    last = None
    for t, w in enumerate(words):
        n = which[t]
        if n is None:
            inputs.append(w)
        else:
            if n != last:
                inputs.append(f'<{n}>')
                targets.append(f'<{n}>')
            targets.append(w)
        last = n
    return inputs + ['</s>'], targets + ['</s>']

def f(words, spans):
    inputs, targets = [], []
    cut = [0] + [x for p in spans for x in p] + [len(words)]
    pieces = [words[a:b] for a, b in zip(cut, cut[1:])]
    for n, piece in enumerate(pieces):
        inputs += piece if n % 2 == 0 else [f'<{n // 2}>']
        targets += [f'<{n // 2}>'] + piece if n % 2 else []
    return inputs + ['</s>'], targets + ['</s>']
""",
    "8.4": """
def f(n, tokens, layers, dim, context):
    return 3 * tokens * (2 * n + 4 * layers * dim * context)

def f(n, tokens, layers, dim, context):
    forward = 2 * n * tokens + layers * (2 * tokens * context * dim + 2 * tokens * context * dim)
    return forward + 2 * forward

def f(matrix_parameters, tokens, layers, dim, context):
    return np.int64(6 * tokens * (matrix_parameters + 2 * layers * dim * context))
""",
    "8.5": """
def f(loss, tokens, n_bytes):
    return tokens / n_bytes * (loss * math.log2(math.e))

def f(loss, tokens, n_bytes):
    return float(np.log2(np.exp(loss)) * tokens / n_bytes)

def f(loss, tokens, n_bytes):
    return loss * 1.4426950408889634 * tokens / n_bytes

def f(loss, tokens, n_bytes):
    return -math.log2(math.exp(-loss)) * tokens / n_bytes
""",
    "8.6": """
def f(parameters, losses):
    p = np.polynomial.Polynomial.fit(np.log(parameters), losses, 2).convert()
    c, b, a = p.coef
    return float(np.exp(-b / 2 / a))

def f(parameters, losses):
    a, b, _ = np.polyfit(np.log10(parameters), losses, 2)
    return float(10 ** (-b / 2 / a))

def f(parameters, losses):
    x = np.log(parameters)
    A = np.stack([x**2, x, np.ones_like(x)], axis=1)
    (a, b, _), *_ = np.linalg.lstsq(A, losses, rcond=None)
    return float(math.exp(-b / (2 * a)))

def f(parameters, losses):
    n0 = parameters[0]
    a, b, c = np.polyfit(np.log(np.array(parameters) / n0), losses, 2)
    return n0 * math.exp(-b / (2 * a))

def f(parameters, losses):
    V = np.vander(np.log(parameters), 3)
    a, b, c = np.linalg.pinv(V) @ np.array(losses)
    return float(np.exp(-b / a / 2))

def f(parameters, losses):
    a, b, c = np.polyfit(np.log(parameters), losses, 2)
    return float(np.exp(-b / (2 * a))) if a > 0 else float(parameters[int(np.argmin(losses))])
""",
    "8.7": """
def f(predicted, measured, delta):
    total = 0.0
    for p, m in zip(predicted, measured):
        e = abs(math.log(p / m))
        total += e * e / 2 if e <= delta else delta * (e - delta / 2)
    return total

def f(predicted, measured, delta):
    e = torch.tensor(np.log(predicted) - np.log(measured))
    return float(functional.huber_loss(e, torch.zeros_like(e), delta=delta, reduction="sum"))

def f(predicted, measured, delta):
    e = np.abs(np.log(predicted) - np.log(measured))
    inside = np.minimum(e, delta)
    return float((inside**2 / 2 + delta * (e - inside)).sum())

def f(predicted, measured, delta):
    return functional.huber_loss(torch.tensor(predicted).log(), torch.tensor(measured).log(), reduction='sum', delta=delta).item()

def f(predicted, measured, delta):
    p, m = (torch.tensor(x, dtype=torch.float64).log() for x in (predicted, measured))
    return delta * functional.smooth_l1_loss(p, m, reduction='sum', beta=delta).item()
""",
}
