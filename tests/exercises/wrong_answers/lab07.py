"""Lab 07: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined, and F, which people import by habit; TYPED holds (exercise, code,
a word that the verdict must hold); REFUSED holds answers that must not pass, whatever is said of them.
"""

from statistics import fmean

import torch
import torch.nn.functional as F

SPACE = {"torch": torch, "mean": fmean, "F": F}

TYPED = [
    (
        "7.1",
        "def f(before, after):\n n = max(1, len(before))\n lost = sum(b and not a for b, a in zip(before, after)) / n\n"
        " gained = sum(a and not b for b, a in zip(before, after)) / n\n return lost, gained",
        "divided by all questions",
    ),
    (
        "7.1",
        "def f(before, after):\n if not before:\n  return 0.0, 0.0\n change = sum(after) / len(after) - sum(before) / len(before)\n"
        " return max(-change, 0.0), max(change, 0.0)",
        "cancel out",
    ),
    (
        "7.1",
        "def f(before, after):\n lost = float(sum(b > a for b, a in zip(before, after)))\n"
        " gained = float(sum(a > b for b, a in zip(before, after)))\n return lost, gained",
        "numbers of questions",
    ),
    (
        "7.1",
        "def f(before, after):\n known = [a for b, a in zip(before, after) if b]\n new = [a for b, a in zip(before, after) if not b]\n"
        " return (sum(known) / len(known) if known else 0.0), (sum(new) / len(new) if new else 0.0)",
        "share that was kept",
    ),
    (
        "7.1",
        "def f(before, after):\n lost = [not a for b, a in zip(before, after) if b]\n gained = [a for b, a in zip(before, after) if not b]\n"
        " return sum(lost) / len(lost), sum(gained) / len(gained)",
        "raised ZeroDivisionError",
    ),
    (
        "7.2",
        "def f(change, share):\n s = torch.linalg.svdvals(change)\n return int((torch.cumsum(s, 0) / s.sum() < share).sum()) + 1",
        "without their squares",
    ),
    (
        "7.2",
        "def f(change, share):\n s = torch.linalg.svdvals(change) ** 2\n return int((s.cumsum(0) / s.sum() < share).sum())",
        "too few",
    ),
    ("7.2", "def f(change, share):\n return torch.linalg.matrix_rank(change).item()", "however small"),
    (
        "7.2",
        "def f(change, share):\n s = torch.linalg.svdvals(change)\n return int((s > share * s.max()).sum())",
        "largest one",
    ),
    (
        "7.2",
        "def f(change, share):\n s = torch.linalg.svdvals(change) ** 2\n return (s.cumsum(0) / s.sum() < share).sum() + 1",
        "of type int",
    ),
    ("7.3", "def f(names):\n return [n for n in names if n.endswith('bias') or 'norm' in n]", "second choice"),
    ("7.3", "def f(names):\n return [n for n in names if n.endswith('.bias')]", "stand in for them"),
    ("7.3", "def f(names):\n return [n for n in names if 'norm' in n]", "its biases come first"),
    (
        "7.3",
        "def f(names):\n found = [n for n in names if 'bias' in n]\n return found if found else [n for n in names if 'norm' in n]",
        "end of the name",
    ),
    (
        "7.3",
        "def f(names):\n return len([n for n in names if n.endswith('bias')] or [n for n in names if 'norm' in n])",
        "names themselves",
    ),
    (
        "7.4",
        "def f(y, down, down_bias, up, up_bias):\n h = torch.relu(y @ down.T + down_bias)\n return h @ up.T + up_bias",
        "way around is missing",
    ),
    (
        "7.4",
        "def f(y, down, down_bias, up, up_bias):\n h = F.linear(y, down, down_bias)\n return y + F.linear(h, up, up_bias)",
        "ReLU is missing",
    ),
    (
        "7.4",
        "def f(y, down, down_bias, up, up_bias):\n h = F.linear(y, down, down_bias)\n return y + F.relu(F.linear(h, up, up_bias))",
        "after the second matrix",
    ),
    (
        "7.4",
        "def f(y, down, down_bias, up, up_bias):\n h = torch.relu(y @ down.T) + down_bias\n return y + h @ up.T + up_bias",
        "after the ReLU",
    ),
    (
        "7.4",
        "def f(y, down, down_bias, up, up_bias):\n return y + F.relu(y @ down.T + down_bias) @ up.T",
        "second matrix is missing",
    ),
    (
        "7.4",
        "def f(y, down, down_bias, up, up_bias):\n return y + torch.relu(y @ down + down_bias) @ up + up_bias",
        "raised RuntimeError",
    ),
    (
        "7.5",
        "def f(method, size, layers, hidden, linears):\n if method == 'lora':\n  return layers * sum(size * a * b for a, b in linears)\n"
        " if method == 'adapters':\n  return layers * (2 * size * hidden + size + hidden)\n return size * hidden",
        "added, not multiplied",
    ),
    (
        "7.5",
        "def f(method, size, layers, hidden, linears):\n if method == 'lora':\n  return sum(size * (a + b) for a, b in linears)\n"
        " if method == 'adapters':\n  return 2 * size * hidden + size + hidden\n return size * hidden",
        "counts one block",
    ),
    (
        "7.5",
        "def f(method, size, layers, hidden, linears):\n if method == 'lora':\n  return layers * size * sum(a + b for a, b in linears)\n"
        " if method == 'adapters':\n  return 2 * layers * size * hidden\n return size * hidden",
        "two biases are missing",
    ),
    (
        "7.5",
        "def f(method, size, layers, hidden, linears):\n if method == 'lora':\n  return layers * size * sum(a + b for a, b in linears)\n"
        " if method == 'adapters':\n  return layers * (2 * size * hidden + size + hidden)\n return layers * size * hidden",
        "prefix tuning",
    ),
    (
        "7.5",
        "def f(method, size, layers, hidden, linears):\n if method == 'lora':\n  return layers * size * sum(a + b for a, b in linears)\n"
        " if method == 'adapters':\n  return layers * (2 * size * hidden + size + hidden)\n return size",
        "number of vectors",
    ),
    ("7.6", "def f(vector, embeddings):\n return int(torch.argmax(embeddings @ vector))", "long vectors win"),
    ("7.6", "def f(vector, embeddings):\n return torch.cdist(vector[None], embeddings).argmin().item()", "Euclidean"),
    (
        "7.6",
        "def f(vector, embeddings):\n return int((1 - F.cosine_similarity(embeddings, vector[None])).argmax())",
        "other way",
    ),
    (
        "7.6",
        "def f(vector, embeddings):\n return int(F.normalize(embeddings, dim=0).matmul(vector).argmax())",
        "columns",
    ),
    ("7.6", "def f(vector, embeddings):\n return F.cosine_similarity(embeddings, vector[None]).argmax()", "of type int"),
    (
        "7.6",
        "def f(vector, embeddings):\n return int((embeddings @ vector / embeddings.abs().max(dim=1).values).argmax())",
        "largest element",
    ),
    (
        "7.6",
        "def f(vector, embeddings):\n return max(range(len(embeddings)), key=lambda i: embeddings[i].max().item())",
        "largest number",
    ),
    (
        "7.7",
        "def f(train, test):\n def z(x):\n  return (x - x.mean(0)) / x.std(0)\n return z(train), z(test)",
        "for both",
    ),
    (
        "7.7",
        "def f(train, test):\n m, s = train.mean(), train.std()\n return (train - m) / s, (test - m) / s",
        "each column has its own",
    ),
    ("7.7", "def f(train, test):\n m = train.mean(dim=0)\n return train - m, test - m", "division by the standard deviation"),
    ("7.7", "def f(train, test):\n return (train - train.mean(0)) / train.std(0), test", "left as they were"),
    (
        "7.7",
        "def f(train, test):\n x = torch.cat((train, test))\n m, s = x.mean(0), x.std(0)\n return (train - m) / s, (test - m) / s",
        "not be looked at",
    ),
    (
        "7.5",
        'def f(method, size, layers, hidden, linears):\n    if method == "lora": return sum(size*(o+i) for o, i in linears)\n    if method == "adapters": return layers*(2*size*hidden+size+hidden)\n    return size*hidden',
        "one block is counted",
    ),
    (
        "7.5",
        'def f(method, size, layers, hidden, linears):\n    if method == "lora": return layers*sum(size*(o+i) for o, i in linears)\n    if method == "adapters": return layers*(2*size*hidden+hidden)\n    return size*hidden',
        "narrow bias is missing",
    ),
    (
        "7.5",
        'def f(method, size, layers, hidden, linears):\n    if method == "lora": return layers*sum(size*(o+i) for o, i in linears)\n    if method == "adapters": return layers*(2*size*hidden+size)\n    return size*hidden',
        "last bias is missing",
    ),
    (
        "7.7",
        "def f(train, test):\n    return train-train.mean(0)/train.std(0), test-train.mean(0)/train.std(0)",
        "brackets are missing",
    ),
    (
        "7.1",
        "def f(before, after):\n    r = [y for x, y in zip(before, after) if x]; w = [y for x, y in zip(before, after) if not x]\n    return 1-sum(r)/max(1, len(r)), sum(w)/max(1, len(w))",
        "empty group is 0.0",
    ),
]

REFUSED = {
    "7.1": """
def f(before, after):
    known = [a for b, a in zip(before, after) if b]
    return (1 - sum(known) / len(known) if known else 0.0), 0.0

def f(before, after):
    if not any(before) or all(before):
        return 0.0, 0.0
    lost = [not a for b, a in zip(before, after) if b]
    gained = [a for b, a in zip(before, after) if not b]
    return sum(lost) / len(lost), sum(gained) / len(gained)

def f(before, after):
    lost = [not a for b, a in zip(before, after) if b]
    gained = [a for b, a in zip(before, after) if not b]
    return round(sum(lost) / max(1, len(lost)), 2), round(sum(gained) / max(1, len(gained)), 2)
""",
    "7.2": """
def f(change, share):
    s = torch.linalg.svdvals(change) ** 2
    return int((s / s.sum() > 1 - share).sum())

def f(change, share):
    s = torch.linalg.svdvals(change) ** 2
    return len(s) - int((s.flip(0).cumsum(0) / s.sum() < share).sum())

def f(change, share):
    return max(1, round(share * min(change.shape)))

def f(change, share):
    v = torch.linalg.svdvals(change)**2
    return int((v.cumsum(0)/v.sum() <= share).sum())+1

def f(change, share):
    v = torch.linalg.svdvals(change)**2
    k, s = 0, 0.0
    while s <= share*float(v.sum()) and k < len(v):
        s += float(v[k]); k += 1
    return k
""",
    "7.3": """
def f(names):
    return [n for n in names if n.endswith("bias")] or [n for n in names if n.endswith("norm.weight")]

def f(names):
    return sorted([n for n in names if n.endswith("bias")] or [n for n in names if "norm" in n])

def f(names):
    return set([n for n in names if n.endswith("bias")] or [n for n in names if "norm" in n])
""",
    "7.4": """
def f(y, down, down_bias, up, up_bias):
    return y + torch.sigmoid(y @ down.T + down_bias) @ up.T + up_bias

def f(y, down, down_bias, up, up_bias):
    return y + F.gelu(y @ down.T + down_bias) @ up.T + up_bias

def f(y, down, down_bias, up, up_bias):
    return y - (torch.relu(y @ down.T + down_bias) @ up.T + up_bias)
""",
    "7.5": """
def f(method, size, layers, hidden, linears):
    if method == "lora":
        return layers * size * 2 * hidden * len(linears)
    if method == "adapters":
        return layers * (2 * size * hidden + size + hidden)
    return size * hidden

def f(method, size, layers, hidden, linears):
    if method == "lora":
        return layers * size * sum(a + b for a, b in set(linears))
    if method == "adapters":
        return layers * (2 * size * hidden + size + hidden)
    return size * hidden

def f(method, size, layers, hidden, linears):
    if method == "lora":
        return layers * size * sum(a + b for a, b in linears)
    return layers * (2 * size * hidden + size + hidden)
""",
    "7.6": """
def f(vector, embeddings):
    return int(embeddings.max(1).values.argmax())

def f(vector, embeddings):
    return int((embeddings @ vector / embeddings.abs().max(1).values).argmax())

def f(vector, embeddings):
    return int((embeddings[:, vector.argmax()] / embeddings.norm(dim=1)).argmax())

def f(vector, embeddings):
    return int((embeddings @ vector / embeddings.abs().sum(1)).argmax())

def f(vector, embeddings):
    best, found = 0.0, 0
    for i, row in enumerate(embeddings):
        cosine = float(row @ vector / (row.norm() * vector.norm()))
        if cosine > best:
            best, found = cosine, i
    return found

def f(vector, embeddings):
    return int((embeddings @ vector / embeddings.norm()).argmax())

def f(vector, embeddings):
    return int((embeddings / embeddings.norm(dim=1, keepdim=True) - vector / vector.norm()).abs().max(1).values.argmin())

def f(vector, embeddings):
    return int(((embeddings - embeddings.mean(0)) @ (vector - vector.mean())).argmax())

def f(vector, embeddings):
    return (embeddings @ vector / embeddings.norm(dim=1)).argmax()

def f(vector, embeddings):
    return embeddings[(embeddings @ vector / embeddings.norm(dim=1)).argmax()]

def f(vector, embeddings):
    return int((embeddings @ vector / embeddings.norm(dim=1)).topk(1).values)

def f(vector, embeddings):
    return int((embeddings @ vector / embeddings.norm(dim=1).sqrt()).argmax())

def f(vector, embeddings):
    return int(F.cosine_similarity(embeddings, vector[None]).square().argmax())
""",
    "7.7": """
def f(train, test):
    m, s = train.mean(1, keepdim=True), train.std(1, keepdim=True)
    return (train - m) / s, (test - test.mean(1, keepdim=True)) / test.std(1, keepdim=True)

def f(train, test):
    low, high = train.min(0).values, train.max(0).values
    return (train - low) / (high - low), (test - low) / (high - low)

def f(train, test):
    m, s = test.mean(0), test.std(0)
    return (train - m) / s, (test - m) / s
""",
}
