"""Lab 07: unusual right answers, which must pass."""

import numpy
import torch
import torch.nn.functional as F

SPACE = {"numpy": numpy, "torch": torch, "F": F}

ACCEPTED = {
    "7.1": """
def f(before, after):
    b, a = numpy.array(before, dtype=bool), numpy.array(after, dtype=bool)
    return float((b & ~a).sum() / max(1, b.sum())), float((~b & a).sum() / max(1, (~b).sum()))

def f(before, after):
    counts = {}
    for pair in zip(before, after):
        counts[pair] = counts.get(pair, 0) + 1
    def share(group, changed):
        total = counts.get((group, True), 0) + counts.get((group, False), 0)
        return counts.get((group, changed), 0) / total if total else 0.0
    return share(True, False), share(False, True)

def f(before, after):
    known, unknown = sum(before), len(before) - sum(before)
    lost = sum(b and not a for b, a in zip(before, after))
    gained = sum(after) - sum(before) + lost
    return lost / (known or 1), gained / (unknown or 1)
""",
    "7.2": """
def f(change, share):
    s = numpy.linalg.svd(change.numpy(), compute_uv=False) ** 2
    return int(numpy.searchsorted(numpy.cumsum(s) / s.sum(), share)) + 1

def f(change, share):
    left, total = torch.linalg.svdvals(change.double()).tolist(), float((change.double() ** 2).sum())
    reached, count = 0.0, 0
    for value in left:
        reached, count = reached + value * value, count + 1
        if reached >= share * total:
            return count
    return count

def f(change, share):
    values = torch.linalg.eigvalsh(change.double() @ change.double().T).flip(0).clamp(min=0)
    return next(k for k in range(1, len(values) + 1) if values[:k].sum() >= share * values.sum())
""",
    "7.3": """
def f(names):
    chosen = list(filter(lambda name: name.endswith("bias"), names))
    return chosen if chosen else list(filter(lambda name: "norm" in name, names))

def f(names):
    found = {"bias": [], "norm": []}
    for name in names:
        if name.split(".")[-1].endswith("bias"):
            found["bias"].append(name)
        elif "norm" in name:
            found["norm"].append(name)
    return found["bias"] or found["norm"]
""",
    "7.4": """
def f(y, down, down_bias, up, up_bias):
    return y + F.linear(F.relu(F.linear(y, down, down_bias)), up, up_bias)

def f(y, down, down_bias, up, up_bias):
    narrow = (torch.einsum("...d,md->...m", y, down) + down_bias).clamp(min=0)
    return torch.einsum("...m,dm->...d", narrow, up) + up_bias + y

def f(y, down, down_bias, up, up_bias):
    narrow = y.matmul(down.t()) + down_bias
    return y + torch.where(narrow > 0, narrow, torch.zeros_like(narrow)).matmul(up.t()) + up_bias
""",
    "7.5": """
def f(method, size, layers, hidden, linears):
    per_block = {
        "lora": sum(size * n_in + size * n_out for n_out, n_in in linears),
        "adapters": size * hidden + size + hidden * size + hidden,
    }
    return layers * per_block[method] if method in per_block else size * hidden

def f(method, size, layers, hidden, linears):
    match method:
        case "lora":
            return int(numpy.sum(linears)) * size * layers
        case "adapters":
            return ((hidden + 1) * size + (size + 1) * hidden) * layers
        case _:
            return hidden * size
""",
    "7.6": """
def f(vector, embeddings):
    return F.cosine_similarity(embeddings, vector[None]).argmax().item()

def f(vector, embeddings):
    return int((embeddings / embeddings.norm(dim=1, keepdim=True) - vector).norm(dim=1).argmin())

def f(vector, embeddings):
    return max(range(len(embeddings)), key=lambda i: float(embeddings[i] @ vector / embeddings[i].norm()))

def f(vector, embeddings):
    e, v = embeddings.numpy(), vector.numpy()
    return int(numpy.argmax(e @ v / numpy.sqrt((e**2).sum(1))))

def f(vector, embeddings):
    return int((F.normalize(embeddings) @ F.normalize(vector, dim=0)).sort(descending=True).indices[0])

def f(vector, embeddings):
    angles = (F.normalize(embeddings.double()) @ F.normalize(vector.double(), dim=0)).clamp(-1, 1).acos()
    return angles.argmin().item()
""",
    "7.7": """
def f(train, test):
    m, s = train.mean(dim=0, keepdim=True), train.var(dim=0, keepdim=True).sqrt()
    return tuple((x - m) / s for x in (train, test))

def f(train, test):
    a, b = train.double().numpy(), test.double().numpy()
    m, s = a.mean(0), a.std(0, ddof=1)
    return torch.tensor((a - m) / s), torch.tensor((b - m) / s)

def f(train, test):
    centred = train - train.mean(0)
    s = (centred.square().sum(0) / (len(train) - 1)).sqrt()
    return centred / s, (test - train.mean(0)) / s
""",
}
