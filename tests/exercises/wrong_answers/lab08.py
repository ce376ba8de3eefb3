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
    ("8.1", "def f(logits, ids):\n    return functional.cross_entropy(logits[:-1], ids[:-1]).item()", "first* token"),
    ("8.1", "def f(logits, ids):\n    return functional.cross_entropy(logits[1:], ids[1:]).item()", "last* row"),
    ("8.1", "def f(logits, ids):\n    return functional.cross_entropy(logits, ids.roll(-1)).item()", "first token"),
    (
        "8.1",
        "def f(logits, ids):\n    t = torch.arange(len(ids) - 1)\n    return -logits.log_softmax(0)[t, ids[1:]].mean().item()",
        "dimension",
    ),
    (
        "8.1",
        "def f(logits, ids):\n    t = torch.arange(len(ids) - 1)\n    return -logits[:-1].log_softmax(0)[t, ids[1:]].mean().item()",
        "dim=-1",
    ),
    (
        "8.1",
        "def f(logits, ids):\n    t = torch.arange(len(ids) - 1)\n    return -logits.softmax(-1)[t, ids[1:]].mean().item()",
        "take the logarithm",
    ),
    (
        "8.1",
        "def f(logits, ids):\n    p = logits.exp() / logits.exp().sum(-1, keepdim=True)\n    t = torch.arange(len(ids) - 1)\n    return -p[t, ids[1:]].log().mean().item()",
        "infinite",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = chosen & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    return inputs, labels",
        "written over the masks",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    r = chosen & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    inputs[chosen & (dice < 0.9)] = mask_id\n    return inputs, labels",
        "Dice up to 0.9",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen & (dice < 0.8)] = mask_id\n    return inputs, labels",
        "No token becomes random",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen][dice[chosen] < 0.8] = mask_id\n    return inputs, labels",
        "copy",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen][dice[chosen] < 0.8] = mask_id\n    r = chosen & (dice >= 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    return inputs, labels",
        "No token becomes the mask",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = chosen & (dice >= 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    labels[inputs == ids] = -100\n    return inputs, labels",
        "ask `chosen`",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = chosen & (dice >= 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    labels[inputs != mask_id] = -100\n    return inputs, labels",
        "Only a masked token",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = 0\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = chosen & (dice >= 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    return inputs, labels",
        "-100",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = chosen & (dice >= 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    return labels, inputs",
        "exchanged",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = (dice >= 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    return inputs, labels",
        "not chosen",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen & (dice <= 0.8)] = mask_id\n    r = chosen & (dice > 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    return inputs, labels",
        "exactly 0.8",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = chosen & (dice > 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[r]\n    return inputs, labels",
        "exactly 0.8 nothing",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = chosen & (dice >= 0.8) & (dice <= 0.9)\n    inputs[r] = random_ids[r]\n    return inputs, labels",
        "exactly 0.9",
    ),
    (
        "8.2",
        "def f(ids, chosen, dice, mask_id, random_ids):\n    inputs, labels = ids.clone(), ids.clone()\n    labels[~chosen] = -100\n    inputs[chosen & (dice < 0.8)] = mask_id\n    r = chosen & (dice >= 0.8) & (dice < 0.9)\n    inputs[r] = random_ids[:int(r.sum())]\n    return inputs, labels",
        "wrong places",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (start, end) in enumerate(spans, 0):\n        inputs += [*words[at:start], f'<{i}>']\n        targets += [f'<{i}>', *words[start:end]]\n        at = end\n    inputs += [*words[at:], *[]]\n    targets += [*[\"</s>\"]]\n    return inputs, targets",
        "input does not end",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (start, end) in enumerate(spans, 0):\n        inputs += [*words[at:start], f'<{i}>']\n        targets += [f'<{i}>', *words[start:end]]\n        at = end\n    inputs += [*words[at:], *[\"</s>\"]]\n    targets += [*[]]\n    return inputs, targets",
        "target does not end",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (start, end) in enumerate(spans, 0):\n        inputs += [*words[at:start], f'<{i}>']\n        targets += [f'<{i}>', *words[start:end]]\n        at = end\n    inputs += [*words[at:], *[\"</s>\"]]\n    targets += [*[f'<{len(spans)}>', '</s>']]\n    return inputs, targets",
        "stands for no span",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (start, end) in enumerate(spans, 0):\n        inputs += [*words[at:start], f'<{i}>']\n        targets += [f'<{i}>', *words[start:end + 1]]\n        at = end\n    inputs += [*words[at:], *[\"</s>\"]]\n    targets += [*[\"</s>\"]]\n    return inputs, targets",
        "one word too many",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (start, end) in enumerate(spans, 0):\n        inputs += [*words[at:start], f'<{i}>']\n        targets += [f'<{i}>', *words[start:end]]\n        at = end + 1\n    inputs += [*words[at:], *[\"</s>\"]]\n    targets += [*[\"</s>\"]]\n    return inputs, targets",
        "word behind each span",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    inputs = list(words)\n    for i, (a, b) in enumerate(spans):\n        targets += [f'<{i}>', *words[a:b]]\n        inputs[a:b] = [f'<{i}>']\n    return inputs + ['</s>'], targets + ['</s>']",
        "have moved",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (a, b) in enumerate(spans):\n        inputs += words[at:a] + [f'<{i}>']\n        targets += words[a:b]\n        at = b\n    return inputs + words[at:] + ['</s>'], targets + ['</s>']",
        "missing from the target",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (a, b) in enumerate(spans):\n        inputs += words[at:a]\n        targets += [f'<{i}>'] + words[a:b]\n        at = b\n    return inputs + words[at:] + ['</s>'], targets + ['</s>']",
        "missing from the input",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    which = {t: i for i, (a, b) in enumerate(spans) for t in range(a, b)}\n    for t, w in enumerate(words):\n        if t in which:\n            inputs.append(f'<{which[t]}>')\n        else:\n            inputs.append(w)\n    for i, (a, b) in enumerate(spans):\n        targets += [f'<{i}>', *words[a:b]]\n    return inputs + ['</s>'], targets + ['</s>']",
        "once for the whole span",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    inputs = list(words)\n    for i, (a, b) in reversed(list(enumerate(spans))):\n        targets += [f'<{i}>', *words[a:b]]\n        inputs[a:b] = [f'<{i}>']\n    return inputs + ['</s>'], targets + ['</s>']",
        "last span",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (start, end) in enumerate(spans, 0):\n        inputs += [*words[at:start], f'<{i}>']\n        targets += [f'<{i}>', *words[start:end]]\n        at = at\n    inputs += [*words[at:], *[\"</s>\"]]\n    targets += [*[\"</s>\"]]\n    return inputs, targets",
        "begins anew",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (a, b) in enumerate(spans):\n        inputs += words[at:a]\n        inputs += f'<{i}>'\n        targets += f'<{i}>'\n        targets += words[a:b]\n        at = b\n    inputs += words[at:]\n    inputs += '</s>'\n    targets += '</s>'\n    return inputs, targets",
        "one by one",
    ),
    (
        "8.3",
        "def f(words, spans):\n    inputs, targets = [], []\n    at = 0\n    for i, (a, b) in enumerate(spans):\n        inputs += words[at:a]\n        inputs += f'<{i}>'\n        targets += f'<{i}>'\n        targets += words[a:b]\n        at = b\n    inputs += words[at:]\n    return inputs + ['</s>'], targets + ['</s>']",
        "single characters",
    ),
    (
        "8.4",
        "def f(matrix_parameters, tokens, layers, dim, context):\n    return 6 * matrix_parameters * tokens + 8 * layers * dim * context * tokens",
        "backward pass only",
    ),
    (
        "8.4",
        "def f(matrix_parameters, tokens, layers, dim, context):\n    return 6 * tokens * (matrix_parameters + 12 * layers * dim * context)",
        "multiply them by 6",
    ),
    (
        "8.4",
        "def f(matrix_parameters, tokens, layers, dim, context):\n    return 6 * matrix_parameters * tokens + 12 * layers * dim * tokens ** 2",
        "length of a window",
    ),
    (
        "8.4",
        "def f(matrix_parameters, tokens, layers, dim, context):\n    return 6 * matrix_parameters * tokens + 12 * layers * dim * tokens",
        "context is missing",
    ),
    (
        "8.4",
        "def f(matrix_parameters, tokens, layers, dim, context):\n    return (6 * matrix_parameters * tokens + 12 * dim * context * tokens) * layers",
        "weights of all layers",
    ),
    (
        "8.4",
        "def f(matrix_parameters, tokens, layers, dim, context):\n    return 12 * layers * dim * context * tokens",
        "weights are missing",
    ),
    ("8.5", "def f(loss, tokens, n_bytes):\n    return loss / 0.693 * tokens / n_bytes", "three digits"),
    ("8.5", "def f(loss, tokens, n_bytes):\n    return math.log2(loss) * tokens / n_bytes", "logarithm already"),
    (
        "8.6",
        "def f(parameters, losses):\n    a, b, c = np.polyfit(np.log(parameters), losses, 2)\n    return float(10 ** (-b / (2 * a)))",
        "power of 10",
    ),
    (
        "8.6",
        "def f(parameters, losses):\n    a, b, c = np.polyfit(np.log(parameters), np.log(losses), 2)\n    return float(np.exp(-b / (2 * a)))",
        "only the parameters",
    ),
    (
        "8.6",
        "def f(parameters, losses):\n    a, b, c = np.polyfit(np.log(parameters), losses, 2)\n    return float(np.exp(-b / 2 * a))",
        "brackets are missing",
    ),
    (
        "8.6",
        "def f(parameters, losses):\n    c, b, a = np.polyfit(np.log(parameters), losses, 2)\n    return float(np.exp(-b / (2 * a)))",
        "x² first",
    ),
    (
        "8.6",
        "def f(parameters, losses):\n    a, b, c = np.polyfit(np.log(parameters), losses, 2)\n    return float(np.exp(abs(b / (2 * a))))",
        "negative",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.abs(np.log(predicted) - np.log(measured))\n    return float(np.where(e <= 1, e**2/2, e - 0.5).sum())",
        "whatever delta is",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    return functional.huber_loss(torch.tensor(predicted).log(), torch.tensor(measured).log(), reduction='sum').item()",
        "huber_loss",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.abs(np.log(predicted) - np.log(measured))\n    return float(np.where(e <= delta, e**2, delta * (2 * e - delta)).sum())",
        "twice",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    return functional.smooth_l1_loss(torch.tensor(predicted).log(), torch.tensor(measured).log(), reduction='sum', beta=delta).item()",
        "smooth L1",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.abs(np.log(predicted) - np.log(measured))\n    return float(np.where(e <= delta, e ** 2 / 2, e - delta / 2).sum())",
        "rises by delta",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.abs(np.log(predicted) - np.log(measured))\n    return float(np.where(e <= delta, e ** 2 / 2, delta * (e - delta)).sum())",
        "Half of delta",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.abs(np.log(predicted) - np.log(measured))\n    return float(np.where(e <= delta, e ** 2 / 2, delta * (e - delta) / 2).sum())",
        "only delta is halved",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.abs(np.log(predicted) - np.log(measured))\n    return float((np.minimum(e, delta) ** 2 / 2).sum())",
        "goes on along",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.abs(np.log(predicted) - np.log(measured))\n    return float((e[e <= delta] ** 2 / 2).sum())",
        "left out",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.log(predicted) - np.log(measured)\n    return float(np.where(abs(e) <= delta, e ** 2 / 2, delta * (e - delta / 2)).sum())",
        "with its sign",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = np.abs(np.log10(predicted) - np.log10(measured))\n    return float(np.where(e <= delta, e ** 2 / 2, delta * (e - delta / 2)).sum())",
        "base 10",
    ),
    (
        "8.7",
        "def f(predicted, measured, delta):\n    e = abs(float((np.log(predicted) - np.log(measured)).sum()))\n    return e * e / 2 if e <= delta else delta * (e - delta / 2)",
        "cancel out",
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

def f(logits, ids):
    p = logits.softmax(-1)
    t = torch.arange(len(ids) - 1)
    return -(p[t, ids[1:]] + 1e-8).log().mean().item()

def f(logits, ids):
    return functional.cross_entropy(logits[:-1], ids[1:], ignore_index=0).item()
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

def f(ids, chosen, dice, mask_id, random_ids):
    inputs, labels = ids.clone(), ids.clone()
    labels = ids * chosen - 100 * ~chosen
    inputs = torch.where(chosen & (dice < 0.8), mask_id, torch.where(chosen & (dice < 0.9), random_ids, ids))
    labels[labels == 0] = -100
    return inputs, labels

def f(ids, chosen, dice, mask_id, random_ids):
    inputs, labels = ids.clone(), ids.clone()
    inputs[chosen & (dice < 0.8)] = mask_id
    r = chosen & (dice >= 0.8) & (dice < 0.9)
    inputs[r] = random_ids[r]
    labels[(inputs == ids) & ~chosen] = -100
    labels[labels == mask_id] = -100
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

def f(words, spans):
    inputs, targets = [], []
    at = 0
    for i, (start, end) in enumerate(spans, 0):
        inputs += [*words[at:start], f'<{i % 10}>']
        targets += [f'<{i % 10}>', *words[start:end]]
        at = end
    inputs += [*words[at:], *["</s>"]]
    targets += [*["</s>"]]
    return inputs, targets

def f(words, spans):
    inputs, targets = [], []
    at = 0
    for i, (start, end) in enumerate(spans, 0):
        inputs += [*words[at:start], '<' + '0123456789'[i] + '>']
        targets += ['<' + '0123456789'[i] + '>', *words[start:end]]
        at = end
    inputs += [*words[at:], *["</s>"]]
    targets += [*["</s>"]]
    return inputs, targets

def f(words, spans):
    inputs, targets = [], []
    at = 0
    words = [w.lower() for w in words]
    for i, (a, b) in enumerate(spans):
        inputs += words[at:a] + [f'<{i}>']
        targets += [f'<{i}>'] + words[a:b]
        at = b
    return inputs + words[at:] + ['</s>'], targets + ['</s>']
""",
    "8.4": """
def f(n, tokens, layers, dim, context):
    return 6 * (n + layers * dim * context) * tokens

def f(n, tokens, layers, dim, context):
    return 6 * n * tokens + 12 * layers * dim * tokens

def f(n, tokens, layers, dim, context):
    return 6 * n * tokens * layers + 12 * layers * dim * context * tokens

def f(matrix_parameters, tokens, layers, dim, context):
    return 6 * matrix_parameters * tokens + 12 * layers * dim * context * context * (tokens // context)

def f(matrix_parameters, tokens, layers, dim, context):
    return 6.0 * matrix_parameters * tokens + 12.0 * layers * dim * context * tokens
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

def f(parameters, losses):
    a, b, c = np.polyfit(np.log(parameters), losses, 2)
    return float(np.exp(abs(b) / (2 * a)))

def f(parameters, losses):
    a, b, c = np.polyfit(np.log(parameters), losses, 2)
    return float(np.clip(np.exp(-b / (2 * a)), min(parameters), max(parameters)))

def f(parameters, losses):
    a, b, c = np.polyfit(np.log1p(parameters), losses, 2)
    return float(np.exp(-b / (2 * a)))
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

def f(predicted, measured, delta):
    e = np.abs(np.log(predicted) - np.log(measured))
    return float(np.where(e <= 1, e**2/2, e - 0.5).sum())

def f(predicted, measured, delta):
    e = np.abs(np.log(sorted(predicted)) - np.log(sorted(measured)))
    return float(np.where(e <= delta, e ** 2 / 2, delta * (e - delta / 2)).sum())
""",
}
