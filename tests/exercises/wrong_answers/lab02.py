"""Lab 02: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
"""

import torch

SPACE = {"torch": torch}

TYPED = [
    ("2.1", "def f(logits, temperature=1.0):\n e = (logits * temperature).exp()\n return e / e.sum()", "multiplied"),
    ("2.1", "def f(logits, temperature=1.0):\n e = (logits / temperature).exp()\n return e / e.sum()", "NaN"),
    ("2.1", "def f(logits, temperature=1.0):\n return (logits / temperature).softmax(0).tolist()", "tensor"),
    ("2.2", "def f(probs, u):\n return probs.argmax().item()", "greedy"),
    ("2.2", "def f(probs, u):\n return torch.searchsorted(probs.cumsum(0), u)", "int"),
    (
        "2.3",
        "def f(logits, k):\n out = torch.zeros_like(logits)\n i = logits.topk(k).indices\n out[i] = logits[i]\n return out",
        "minus infinity",
    ),
    ("2.3", "def f(logits, k):\n return logits.topk(k).values", "shape"),
    ("2.3", "def f(logits, k):\n logits[logits < logits.topk(k).values[-1]] = -torch.inf\n return logits", "in place"),
    (
        "2.4",
        "def f(logits, p):\n o = logits.argsort(descending=True)\n m = logits.softmax(0)[o].cumsum(0)\n out = logits.clone()\n"
        " out[o[m > p]] = -torch.inf\n return out",
        "crosses p",
    ),
    (
        "2.5",
        "def f(logits, counts, frequency, presence):\n return logits + frequency * counts + presence * counts.clamp(max=1)",
        "sign",
    ),
    ("2.6", "def f(logits, ids, penalty):\n out = logits.clone()\n out[ids] /= penalty\n return out", "negative"),
    ("2.7", "def f(text, stops):\n return text.split(stops[0])[0]", "earliest"),
    (
        "2.8",
        "def f(logits, ids, u, temperature, k, p, penalty):\n"
        " z = top_p_filter(top_k_filter(repetition_penalty(logits, ids, penalty), k), p) / temperature\n return draw(softmax(z), u)",
        "temperature comes after",
    ),
    (
        "2.1",
        "def f(logits, temperature=1.0):\n p = torch.softmax(logits, 0) / temperature\n return p / p.sum()",
        "takes it out again",
    ),
    (
        "2.1",
        "def f(logits, temperature=1.0):\n e = (logits - logits.max()).exp() / temperature\n return e / e.sum()",
        "takes it out again",
    ),
    ("2.1", "def f(logits, temperature=1.0):\n return torch.softmax(logits, 0)", "no effect"),
    ("2.1", "def f(logits, temperature=1.0):\n e = (logits / temperature).exp()\n return e / e.sum()", "overflows"),
    (
        "2.1",
        "def f(logits, temperature=1.0):\n e = (logits / temperature - logits.max()).exp()\n return e / e.sum()",
        "before the division",
    ),
    (
        "2.1",
        "def f(logits, temperature=1.0):\n z = logits / temperature\n e = (z - z.min()).exp()\n return e / e.sum()",
        "no exponent is above 0",
    ),
    ("2.1", "def f(logits, temperature=1.0):\n z = logits / temperature\n return torch.log_softmax(z, 0)", "logarithms"),
    ("2.1", "def f(logits, temperature=1.0):\n return (logits / temperature).softmax(0).numpy()", "torch.tensor"),
    ("2.2", "def f(probs, u):\n return int(torch.searchsorted(probs.cumsum(0), u))", "right=True"),
    ("2.2", "def f(probs, u):\n ends = probs.cumsum(0) / probs.sum()\n return int((ends <= u).sum())", "share of the whole sum"),
    (
        "2.2",
        "def f(probs, u):\n for i, end in enumerate(probs.cumsum(0)):\n  if end > u:\n   return i\n return int(probs.argmax())",
        "takes the most probable",
    ),
    ("2.3", "def f(logits, k):\n return logits.masked_fill(logits <= logits.topk(k).values[-1], -torch.inf)", "not `<=`"),
    ("2.3", "def f(logits, k):\n z = logits.sort(descending=True).values\n z[k:] = -torch.inf\n return z", "sorted"),
    ("2.3", "def f(logits, k):\n return torch.where(logits.argsort(descending=True) < k, logits, -torch.inf)", "argsort"),
    (
        "2.3",
        "def f(logits, k):\n return logits.masked_fill(logits < logits.topk(k).values[-1], -torch.inf).softmax(0)",
        "probabilities",
    ),
    (
        "2.3",
        "def f(logits, k):\n out = logits.clone()\n out[logits.topk(k).indices] = -torch.inf\n return out",
        "removes the k largest",
    ),
    ("2.3", "def f(logits, k):\n return logits.masked_fill(logits < logits.topk(k).values[-1], -1e9)", "-1e9"),
    (
        "2.4",
        "def f(logits, p):\n o = logits.argsort(descending=True)\n m = softmax(logits)[o].cumsum(0)\n out = logits.clone()\n out[o[m >= p]] = -torch.inf\n return out",
        "own mass",
    ),
    (
        "2.4",
        "def f(logits, p):\n o = logits.argsort(descending=True)\n gone = softmax(logits)[o].cumsum(0) >= p\n gone[0] = False\n out = logits.clone()\n out[o[gone]] = -torch.inf\n return out",
        "first token whatever",
    ),
    (
        "2.4",
        "def f(logits, p):\n o = logits.argsort(descending=True)\n s = logits[o]\n out = logits.clone()\n out[o[s.cumsum(0) - s >= p]] = -torch.inf\n return out",
        "adds up logits",
    ),
    (
        "2.4",
        "def f(logits, p):\n s = logits.sort(descending=True).values\n probs = softmax(s)\n n = int((probs.cumsum(0) - probs < p).sum())\n return logits.masked_fill(logits < s[n - 1], -torch.inf)",
        "only as many of them",
    ),
    (
        "2.4",
        "def f(logits, p):\n o = logits.argsort(descending=True)\n n = int((softmax(logits)[o].cumsum(0) >= p).int().argmax()) + 1\n out = logits.clone()\n out[o[n:]] = -torch.inf\n return out",
        "hair below p = 1",
    ),
    (
        "2.4",
        "def f(logits, p):\n o = logits.argsort(descending=True)\n q = softmax(logits)[o]\n out = logits.clone()\n out[o[q.cumsum(0) - q >= p]] = 0\n return out",
        "respectable",
    ),
    ("2.5", "def f(logits, counts, frequency, presence):\n return logits - frequency * counts", "presence penalty is missing"),
    (
        "2.5",
        "def f(logits, counts, frequency, presence):\n return logits - presence * (counts > 0)",
        "frequency penalty is missing",
    ),
    (
        "2.6",
        "def f(logits, ids, penalty):\n seen, out = logits[ids], logits.clone()\n out[ids][seen > 0] = seen[seen > 0] / penalty\n out[ids][seen < 0] = seen[seen < 0] * penalty\n return out",
        "is a copy",
    ),
    (
        "2.7",
        "def f(text, stops):\n places = [p for p in (text.find(s) for s in stops) if p > 0]\n return text[:min(places)] if places else text",
        "`>= 0`",
    ),
    (
        "2.7",
        "def f(text, stops):\n places = [text.find(s) for s in stops]\n return text if -1 in places or not places else text[:min(places)]",
        "cuts nowhere",
    ),
    (
        "2.7",
        "def f(text, stops):\n places = [p for p in (text.find(s) for s in stops) if p >= 0]\n return text[:min(places)] if places else ''",
        "leave it whole",
    ),
    (
        "2.8",
        "def f(logits, ids, u, temperature, k, p, penalty):\n z = repetition_penalty(logits, ids, penalty) / temperature\n return draw(softmax(torch.minimum(top_k_filter(z, k), top_p_filter(z, p))), u)",
        "start from the same logits",
    ),
    (
        "2.8",
        "def f(logits, ids, u, temperature, k, p, penalty):\n z = repetition_penalty(logits, ids, penalty) / temperature\n gone = top_p_filter(top_k_filter(z, k), p) == -torch.inf\n return draw(softmax(z).masked_fill(gone, 0), u)",
        "before the filters",
    ),
    (
        "2.8",
        "def f(logits, ids, u, temperature, k, p, penalty):\n z = repetition_penalty(logits, ids, penalty) / temperature\n return draw(softmax(top_p_filter(softmax(top_k_filter(z, k)), p)), u)",
        "softmax of them once more",
    ),
    (
        "2.8",
        "def f(logits, ids, u, temperature, k, p, penalty):\n z = repetition_penalty(logits, ids, penalty) * temperature\n return draw(softmax(top_p_filter(top_k_filter(z, k), p)), u)",
        "divide by it",
    ),
]

REFUSED = {
    "2.1": """
def f(logits, temperature):
    weights = (logits / temperature - (logits / temperature).max()).exp()
    return weights / weights.sum()

def f(logits, temperature=1.0):
    scaled = logits / temperature
    weights = (scaled - scaled.mean()).exp()
    return weights / weights.sum()

def f(logits, temperature=1.0):
    scaled = logits / temperature
    weights = (scaled - scaled[0]).exp()
    return weights / weights.sum()

def f(logits, temperature=1.0):
    scaled = logits / temperature
    weights = (scaled - scaled.min()).exp()
    return weights / weights.sum()

def f(logits, temperature=1.0):
    scaled = logits / temperature
    weights = (scaled - scaled.norm()).exp()
    return weights / weights.sum()

def f(logits, temperature=1.0):
    scaled = (logits / temperature).clamp(max=80)
    weights = scaled.exp()
    return weights / weights.sum()

def f(logits, temperature=1.0):
    scaled = (logits - logits.max()) / temperature
    return scaled.exp() / (scaled.exp().sum() + 1e-3)

def f(logits, temperature=2.0):
    return torch.softmax(logits / temperature, 0)

def f(logits, temperature=1.0):
    return torch.softmax(logits, 0) ** (1 / temperature)

def f(logits, temperature=1.0):
    return torch.log_softmax(logits / temperature, 0)

def f(logits, temperature=1.0):
    weights = 2 ** (logits / temperature - (logits / temperature).max())
    return weights / weights.sum()

def f(logits, temperature=1.0):
    scaled = logits / temperature - logits.max()
    weights = scaled.exp()
    return weights / weights.sum()

def f(logits, temperature=1.0):
    scaled = ((logits - logits.max()) / temperature).clamp(min=-20)
    return scaled.exp() / scaled.exp().sum()
""",
    "2.2": """
def f(probs, u):
    ends = probs.cumsum(0)
    return min(int((ends <= u * ends[-1]).sum()), int(probs.nonzero()[-1]))

def f(probs, u):
    return int((probs.cumsum(0) > u).nonzero()[0])

def f(probs, u):
    return int((probs.cumsum(0) <= u).sum())

def f(probs, u):
    return int((probs.cumsum(0) > u).int().argmax())

def f(probs, u):
    return int((probs.cumsum(0) < u).sum())

def f(probs, u):
    return min(int((probs.cumsum(0) <= u).sum()), len(probs) - 1)

def f(probs, u):
    total = 0.0
    for i, p in enumerate(probs.tolist()):
        total += p
        if total > u:
            return i
    return 0

def f(probs, u):
    total = 0.0
    for i, p in enumerate(probs.tolist()):
        total += p
        if total >= u:
            return i
    return len(probs) - 1

def f(probs, u):
    order = probs.argsort(descending=True)
    passed = int((probs[order].cumsum(0) <= u).sum())
    return int(order[min(passed, len(order) - 1)])

def f(probs, u):
    return int(torch.multinomial(probs, 1))

def f(probs, u):
    return int((probs - u).abs().argmin())

def f(probs, u):
    return int((probs.cumsum(0) - u).abs().argmin())

def f(probs, u):
    return min(int(torch.searchsorted(probs.cumsum(0), u)), int(probs.nonzero()[-1]))
""",
    "2.3": """
def f(logits, k):
    return torch.where(logits.abs() >= logits.abs().topk(k).values[-1], logits, float("-inf"))

def f(logits, k):
    return logits.masked_fill(logits <= logits.topk(k).values[-1], float("-inf"))

def f(logits, k):
    return logits.masked_fill(logits < logits.topk(k).values[0], float("-inf"))

def f(logits, k):
    return logits.masked_fill(logits < logits.unique()[-min(k, len(logits.unique()))], float("-inf"))

def f(logits, k):
    return logits.masked_fill(logits < logits.topk(k).values[-1], -1e9)

def f(logits, k):
    out = logits.new_full(logits.shape, float("-inf"))
    out[: len(logits.topk(k).values)] = logits.topk(k).values
    return out

def f(logits, k):
    return logits.softmax(0).masked_fill(logits < logits.topk(k).values[-1], 0.0)

def f(logits, k):
    return logits.masked_fill(logits < logits.topk(3).values[-1], float("-inf"))

def f(logits, k):
    return logits.masked_fill(logits < logits.sort().values[k - 1], float("-inf"))

def f(logits, k):
    mask = torch.zeros_like(logits)
    mask[logits.topk(k).indices] = 1
    return logits * mask

def f(logits, k):
    return logits.masked_fill(logits < logits.topk(k, largest=False).values[-1], float("-inf"))

def f(logits, k):
    out = logits.clone()
    out[logits.argsort()[:k]] = float("-inf")
    return out
""",
    "2.4": """
def f(logits, p):
    order = logits.argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    filtered = logits.clone()
    filtered[order[probs.cumsum(0) - probs > p]] = float("-inf")
    return filtered

def f(logits, p):
    order = logits.argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    return logits.masked_fill(probs.cumsum(0) - probs >= p, float("-inf"))

def f(logits, p):
    order = logits.argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    return logits[order].masked_fill(probs.cumsum(0) - probs >= p, float("-inf"))

def f(logits, p):
    order = logits.argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    return logits.masked_fill((probs.cumsum(0) - probs >= p)[order], float("-inf"))

def f(logits, p):
    probs = softmax(logits, 1.0)
    return logits.masked_fill(probs.cumsum(0) - probs >= p, float("-inf"))

def f(logits, p):
    order = logits.argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    filtered = logits.clone()
    filtered[order[probs.cumsum(0) > p]] = float("-inf")
    filtered[order[0]] = logits[order[0]]
    return filtered

def f(logits, p):
    order = logits.argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    filtered = logits.clone()
    filtered[order[probs.cumsum(0) - probs >= p]] = 0.0
    return filtered

def f(logits, p):
    return logits.masked_fill(softmax(logits, 1.0) < 1 - p, float("-inf"))

def f(logits, p):
    return logits.masked_fill(softmax(logits, 1.0) < p * softmax(logits, 1.0).max(), float("-inf"))

def f(logits, p):
    return top_k_filter(logits, max(1, int(p * len(logits))))

def f(logits, p):
    order = logits.argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    kept = int((probs.cumsum(0) < p).sum())
    filtered = logits.clone()
    filtered[order[kept:]] = float("-inf")
    return filtered

def f(logits, p):
    order = logits.abs().argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    filtered = logits.clone()
    filtered[order[probs.cumsum(0) - probs >= p]] = float("-inf")
    return filtered

def f(logits, p):
    order = logits.argsort(descending=True)
    probs = softmax(logits, 1.0)[order]
    filtered = logits.clone()
    filtered[order[probs.cumsum(0) - probs >= p]] = -100.0
    return filtered

def f(logits, p):
    for k in range(1, len(logits) + 1):
        kept = top_k_filter(logits, k)
        if k == len(logits) or softmax(logits)[kept.isfinite()].sum() >= p:
            return kept

def f(logits, p):
    order = logits.argsort(descending=True)
    kept = int((softmax(logits)[order].cumsum(0) >= p).nonzero()[0]) + 1
    filtered = logits.clone()
    filtered[order[kept:]] = float("-inf")
    return filtered
""",
    "2.5": """
def f(logits, counts, frequency, presence):
    return logits - frequency * counts - presence

def f(logits, counts, frequency, presence):
    return logits - frequency * counts - presence * (counts == 1)

def f(logits, counts, frequency, presence):
    return logits - frequency * counts - presence * (counts > 1)

def f(logits, counts, frequency, presence):
    return logits - frequency * (counts - 1).clamp(min=0) - presence * (counts > 0)

def f(logits, counts, frequency, presence):
    return (logits - frequency * counts - presence * (counts > 0)).clamp(min=0)

def f(logits, counts, frequency, presence):
    return logits * (1 - frequency * counts) - presence * (counts > 0)

def f(logits, counts, frequency, presence):
    return logits - frequency * counts / max(1, int(counts.sum())) - presence * (counts > 0)

def f(logits, counts, frequency, presence):
    return logits - (frequency + presence) * counts.bool()

def f(logits, counts, frequency, presence):
    return logits - (frequency * counts if frequency else presence * (counts > 0))

def f(logits, counts, frequency, presence):
    return logits - torch.where(logits > 0, frequency * counts + presence * (counts > 0), 0.0)

def f(logits, counts, frequency, presence):
    return logits - frequency * counts**2 - presence * (counts > 0)

def f(logits, counts, frequency, presence):
    return logits - frequency * counts.clamp(max=3) - presence * (counts > 0)

def f(logits, counts, frequency, presence):
    return (logits - frequency * counts - presence * (counts > 0)).round(decimals=1)

def f(logits, counts, frequency, presence):
    return logits - torch.maximum(frequency * counts, presence * (counts > 0))
""",
    "2.6": """
def f(logits, ids, penalty):
    out = logits.clone()
    for i in ids:
        out[i] = out[i] * penalty if out[i] < 0 else out[i] / penalty
    return out

def f(logits, ids, penalty):
    out = logits.clone()
    out[ids] = torch.where(out[ids] > 0, out[ids] * penalty, out[ids] / penalty)
    return out

def f(logits, ids, penalty):
    out = logits.clone()
    out[ids] = out[ids] - penalty
    return out

def f(logits, ids, penalty):
    out = logits.clone()
    out[ids] = out[ids] - (penalty - 1) * out[ids].abs()
    return out

def f(logits, ids, penalty):
    out = logits.clone()
    out[ids] = torch.where(out[ids] < 0, out[ids], out[ids] / penalty)
    return out

def f(logits, ids, penalty):
    seen = logits[ids]
    return torch.where(seen < 0, seen * penalty, seen / penalty)

def f(logits, ids, penalty):
    out = logits.clone()
    out[ids] = torch.where(logits.mean() < 0, out[ids] * penalty, out[ids] / penalty)
    return out

def f(logits, ids, penalty):
    out = logits.clone()
    last = ids[-1:]
    out[last] = torch.where(out[last] < 0, out[last] * penalty, out[last] / penalty)
    return out

def f(logits, ids, penalty):
    out = logits.clone()
    counts = ids.bincount(minlength=len(logits))
    return torch.where(out < 0, out * penalty**counts, out / penalty**counts)

def f(logits, ids, penalty):
    counts = ids.bincount(minlength=len(logits))
    repeated = counts > 1
    return torch.where(repeated, torch.where(logits < 0, logits * penalty, logits / penalty), logits)

def f(logits, ids, penalty):
    return torch.where(logits < 0, logits * penalty, logits / penalty)

def f(logits, ids, penalty):
    out = logits.clone()
    out[ids] = float("-inf")
    return out

def f(logits, ids, penalty):
    out = logits.clone()
    out[ids] = torch.where(out[ids] < 0, out[ids] * 2, out[ids] / 2)
    return out

def f(logits, ids, penalty):
    others = torch.ones(len(logits), dtype=torch.bool)
    others[ids] = False
    return torch.where(others, torch.where(logits < 0, logits / penalty, logits * penalty), logits)
""",
    "2.7": r"""
def f(text, stops):
    for stop in stops:
        text = text.split(stop)[0]
    return text

def f(text, stops):
    import re
    return re.split("|".join(stops), text)[0]

def f(text, stops):
    import re
    return re.split("|".join(map(re.escape, stops)), text)[0]

def f(text, stops):
    return min((text.split(stop)[0] for stop in stops), key=len)

def f(text, stops):
    places = [text.lower().find(stop.lower()) for stop in stops]
    return text[: min((p for p in places if p >= 0), default=len(text))]

def f(text, stops):
    places = [text.find(stop) for stop in stops]
    return text[: min((p for p in places if p > 0), default=len(text))]

def f(text, stops):
    places = [text.find(stop) for stop in stops]
    return text[: min((p for p in places if p >= 0), default=len(text))].rstrip()

def f(text, stops):
    places = [text.find(stop) for stop in stops]
    return text[: max(places)] if max(places) >= 0 else text

def f(text, stops):
    places = [text.index(stop) for stop in stops]
    return text[: min(places, default=len(text))]

def f(text, stops):
    places = [text.find(stop) for stop in stops]
    return text[: min((p for p in places if p >= 0), default=None)] if places else ""

def f(text, stops):
    places = [text.find(stop) for stop in stops]
    return text[: min((p for p in places if p >= 0), default=-1)]

def f(text, stops):
    out = ""
    for character in text:
        out += character
        for stop in stops:
            if out.endswith(stop):
                return out[: -len(stop)]
    return out

def f(text, stops):
    lines = []
    for line in text.split("\n"):
        if any(stop in line for stop in stops):
            break
        lines.append(line)
    return "\n".join(lines)

def f(text, stops):
    for stop in sorted(stops, key=len, reverse=True):
        if stop in text:
            text = text[: text.find(stop)]
    return text

def f(text, stops):
    for n in range(1, len(text) + 1):
        if any(stop in text[:n] for stop in stops):
            return text[: n - max(len(stop) for stop in stops if stop in text[:n])]
    return text
""",
    "2.8": """
def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) / temperature
    return draw(softmax(top_p_filter(top_k_filter(z, k), p), temperature), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) / temperature
    return draw(softmax(top_p_filter(z, p), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) / temperature
    return draw(softmax(top_k_filter(z, k), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty)
    return draw(softmax(top_p_filter(top_k_filter(z, k), p), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) / temperature
    return draw(softmax(top_k_filter(top_p_filter(z, p), k), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(top_k_filter(logits / temperature, k), ids, penalty)
    return draw(softmax(top_p_filter(z, p), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) * temperature
    return draw(softmax(top_p_filter(top_k_filter(z, k), p), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) / temperature
    return int(top_p_filter(top_k_filter(z, k), p).argmax())

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids.unique(), 1 / penalty) / temperature
    return draw(softmax(top_p_filter(top_k_filter(z, k), p), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids[-1:], penalty) / temperature
    return draw(softmax(top_p_filter(top_k_filter(z, k), p), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = softmax(repetition_penalty(logits, ids, penalty), temperature)
    return draw(softmax(top_p_filter(top_k_filter(z, k), p), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) / temperature
    return draw(softmax(top_p_filter(top_k_filter(z, k), p), 1.0), 1 - u)

def f(logits, ids, u, temperature, k, p, penalty):
    logits = repetition_penalty(logits, ids, penalty) / temperature
    top_p_filter(top_k_filter(logits, k), p)
    return draw(softmax(logits, 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) / temperature
    kept = top_p_filter(top_k_filter(z, k), p).isfinite()
    return draw(softmax(logits.masked_fill(~kept, float("-inf")), 1.0), u)

def f(logits, ids, u, temperature, k, p, penalty):
    z = repetition_penalty(logits, ids, penalty) / temperature
    kept = top_k_filter(z, k).isfinite() & top_p_filter(z, p).isfinite()
    return draw(softmax(z.masked_fill(~kept, float("-inf")), 1.0), u)
""",
}
