"""Lab 08: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
"""

import math

import numpy as np
import torch
from torch.nn import functional

SPACE = {"math": math, "np": np, "torch": torch, "functional": functional}

TYPED = [
    ("8.1", "def f(logits, ids):\n return float(functional.cross_entropy(logits, ids))", "shift is missing"),
    ("8.1", "def f(logits, ids):\n return float(functional.cross_entropy(logits[1:], ids[:-1]))", "wrong way"),
    ("8.1", "def f(logits, ids):\n return float(functional.cross_entropy(logits[:-1], ids[1:], reduction='sum'))", "sum"),
    ("8.1", "def f(logits, ids):\n return -float(functional.cross_entropy(logits[:-1], ids[1:]))", "sign"),
    ("8.1", "def f(logits, ids):\n return float(functional.cross_entropy(logits[:-1], ids[1:])) / math.log(2)", "bits"),
    ("8.2", "def f(i, c, d, m, r):\n x = i.clone()\n x[c] = m\n y = i.clone()\n y[~c] = -100\n return x, y", "dice"),
    (
        "8.2",
        "def f(i, c, d, m, r):\n x, y = i.clone(), i.clone()\n y[c] = -100\n x[c & (d < .8)] = m\n s = c & (d >= .8) & (d < .9)\n x[s] = r[s]\n return x, y",
        "wrong way round",
    ),
    (
        "8.2",
        "def f(i, c, d, m, r):\n x = i.clone()\n x[c & (d < .8)] = m\n s = c & (d >= .8) & (d < .9)\n x[s] = r[s]\n return x, i.clone()",
        "Every token has a label",
    ),
    (
        "8.2",
        "def f(i, c, d, m, r):\n x, y = i.clone(), i.clone()\n y[~c] = -100\n x[d < .8] = m\n s = (d >= .8) & (d < .9)\n x[s] = r[s]\n return x, y",
        "not chosen",
    ),
    (
        "8.3",
        "def f(w, s):\n a, b, e = [], [], 0\n for n, (i, j) in enumerate(s, 1):\n  a += w[e:i] + [f'<{n}>']\n  b += [f'<{n}>'] + w[i:j]\n  e = j\n return a + w[e:] + ['</s>'], b + ['</s>']",
        "from <1>",
    ),
    (
        "8.3",
        "def f(w, s):\n a, b, e = [], [], 0\n for n, (i, j) in enumerate(s):\n  a += w[e:i] + [f'<{n}>']\n  b += [f'<{n}>'] + w[i:j]\n  e = j\n return a + w[e:], b",
        "end token",
    ),
    (
        "8.3",
        "def f(w, s):\n a, b, e = [], [], 0\n for n, (i, j) in enumerate(s):\n  a += w[e:i] + [f'<{n}>']\n  b += [f'<{n}>'] + w[i:j]\n  e = j\n return a + ['</s>'], b + ['</s>']",
        "behind the last span",
    ),
    ("8.4", "def f(n, t, l, d, c):\n return 6 * n * t", "left out"),
    ("8.4", "def f(n, t, l, d, c):\n return 6 * n * t + 4 * l * d * c * t", "forward pass only"),
    ("8.4", "def f(n, t, l, d, c):\n return 6 * n * t + 12 * d * c * t", "one layer"),
    ("8.4", "def f(n, t, l, d, c):\n return t * (6 * n + 12 * l * d * c ** 2)", "squared"),
    ("8.5", "def f(x, t, b):\n return x * t / b", "ln 2"),
    ("8.5", "def f(x, t, b):\n return x / math.log(2)", "per token"),
    ("8.5", "def f(x, t, b):\n return x / math.log(2) * b / t", "upside down"),
    ("8.5", "def f(x, t, b):\n return x * math.log(2) * t / b", "more"),
    ("8.6", "def f(n, y):\n return float(n[np.argmin(y)])", "lowest of the points"),
    ("8.6", "def f(n, y):\n a, b, c = np.polyfit(np.log(n), y, 2)\n return float(-b / (2 * a))", "logarithm of the size"),
    ("8.6", "def f(n, y):\n a, b, c = np.polyfit(np.log(n), y, 2)\n return float(np.exp(b / (2 * a)))", "sign"),
    ("8.6", "def f(n, y):\n a, b, c = np.polyfit(np.log(n), y, 2)\n return float(np.exp(-b / a))", "2 is missing"),
    (
        "8.7",
        "def f(p, m, d):\n e = abs(np.log(p) - np.log(m))\n return float(np.mean(np.where(e <= d, e * e / 2, d * (e - d / 2))))",
        "mean",
    ),
    (
        "8.7",
        "def f(p, m, d):\n e = abs(np.array(p) - np.array(m))\n return float(np.where(e <= d, e * e / 2, d * (e - d / 2)).sum())",
        "logarithms",
    ),
    ("8.7", "def f(p, m, d):\n e = np.log(p) - np.log(m)\n return float((e * e / 2).sum())", "line is missing"),
    (
        "8.7",
        "def f(p, m, d):\n e = np.log(p) - np.log(m)\n return float(np.where(e <= d, e * e / 2, d * (e - d / 2)).sum())",
        "size",
    ),
]

REFUSED = {
    "8.1": """
def f(logits, ids):
    return float(functional.cross_entropy(logits[:-1], ids[:-1]))

def f(logits, ids):
    return 0.0

def f(logits, ids):
    return float(-(logits.softmax(-1)[:-1].gather(1, ids[1:, None])).mean())

def f(logits, ids):
    p = logits[:-1].softmax(0)
    return float(-p[torch.arange(len(ids) - 1), ids[1:]].log().mean())
""",
    "8.2": """
def f(ids, chosen, dice, mask_id, random_ids):
    ids[chosen & (dice < 0.8)] = mask_id
    swapped = chosen & (dice >= 0.8) & (dice < 0.9)
    labels = ids.clone()
    labels[~chosen] = -100
    ids[swapped] = random_ids[swapped]
    return ids, labels

def f(ids, chosen, dice, mask_id, random_ids):
    inputs, labels = ids.clone(), ids.clone()
    labels[~chosen] = 0
    inputs[chosen & (dice < 0.8)] = mask_id
    swapped = chosen & (dice >= 0.8) & (dice < 0.9)
    inputs[swapped] = random_ids[swapped]
    return inputs, labels

def f(ids, chosen, dice, mask_id, random_ids):
    inputs, labels = ids.clone(), ids.clone()
    labels[~chosen] = -100
    inputs[chosen & (dice < 0.8)] = 99
    swapped = chosen & (dice >= 0.8) & (dice < 0.9)
    inputs[swapped] = random_ids[swapped]
    return inputs, labels

def f(ids, chosen, dice, mask_id, random_ids):
    inputs, labels = ids.clone(), ids.clone()
    labels[~chosen] = -100
    inputs[chosen & (dice < 0.8)] = mask_id
    swapped = chosen & (dice >= 0.8) & (dice < 0.9)
    inputs[swapped] = random_ids[: swapped.sum()]
    return inputs, labels
""",
    "8.3": """
def f(words, spans):
    inputs, targets = list(words), []
    for n, (a, b) in enumerate(spans):
        inputs[a:b] = [f"<{n}>"]
        targets += [f"<{n}>", *words[a:b]]
    return inputs + ["</s>"], targets + ["</s>"]

def f(words, spans):
    cut = {i for a, b in spans for i in range(a, b)}
    return [w for i, w in enumerate(words) if i not in cut] + ["</s>"], [w for i, w in enumerate(words) if i in cut] + ["</s>"]

def f(words, spans):
    inputs, targets, done = [], [], 0
    for n, (a, b) in enumerate(spans):
        inputs += [*words[done:a], f"<{n}>"]
        targets += [f"<{n}>", *words[a:b]]
        done = b
    return [*inputs, *words[done:], "</s>"], [*targets, f"<{len(spans)}>", "</s>"]

def f(words, spans):
    return " ".join(words), ""
""",
    "8.4": """
def f(n, tokens, layers, dim, context):
    return 6 * (n + layers * dim * context) * tokens

def f(n, tokens, layers, dim, context):
    return 6 * n * tokens + 12 * layers * dim * tokens

def f(n, tokens, layers, dim, context):
    return 6 * n * tokens * layers + 12 * layers * dim * context * tokens
""",
    "8.5": """
def f(loss, tokens, n_bytes):
    return loss * tokens / n_bytes / math.log(10)

def f(loss, tokens, n_bytes):
    return math.log2(loss) * tokens / n_bytes

def f(loss, tokens, n_bytes):
    return round(loss * tokens / n_bytes / math.log(2), 2)
""",
    "8.6": """
def f(parameters, losses):
    a, b, c = np.polyfit(np.log(parameters), np.log(losses), 2)
    return float(np.exp(-b / (2 * a)))

def f(parameters, losses):
    return float(np.exp(np.average(np.log(parameters), weights=1 / np.array(losses))))

def f(parameters, losses):
    x = np.log(parameters)
    grid = np.linspace(x.min(), x.max(), 1000)
    return float(np.exp(grid[np.argmin(np.polyval(np.polyfit(x, losses, 2), grid))]))
""",
    "8.7": """
def f(predicted, measured, delta):
    e = np.log10(predicted) - np.log10(measured)
    e = np.abs(e)
    return float(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)).sum())

def f(predicted, measured, delta):
    e = np.abs(np.log(predicted) - np.log(measured))
    return float(np.minimum(e**2 / 2, delta * (e - delta / 2)).sum())

def f(predicted, measured, delta):
    e = np.abs(np.log(np.array(predicted) - np.array(measured) + 1))
    return float(np.where(e <= delta, e**2 / 2, delta * (e - delta / 2)).sum())
""",
}
