"""Lab 05: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined, and F, which people import by habit; TYPED holds (exercise, code,
a word that the verdict must hold); REFUSED holds answers that must not pass, whatever is said of them.
"""

import math
import re

import torch
import torch.nn.functional as F

SPACE = {"math": math, "re": re, "torch": torch, "F": F}

TYPED = [
    (
        "5.1",
        "def f(prompt_ids, completion_ids, end_id):\n ids = prompt_ids + completion_ids + [end_id]\n return ids, list(ids)",
        "prompt is not masked",
    ),
    (
        "5.1",
        "def f(prompt_ids, completion_ids, end_id):\n ids = prompt_ids + completion_ids + [end_id]\n"
        " return ids, [-100 if i < len(prompt_ids) or token == end_id else token for i, token in enumerate(ids)]",
        "end token is masked",
    ),
    (
        "5.1",
        "def f(prompt_ids, completion_ids, end_id):\n ids = prompt_ids + completion_ids + [end_id]\n"
        " labels = ids.copy()\n for i in range(len(prompt_ids) - 1):\n  labels[i] = -100\n return ids, labels",
        "too few is masked",
    ),
    (
        "5.1",
        "def f(prompt_ids, completion_ids, end_id):\n ids = prompt_ids + completion_ids + [end_id]\n"
        " labels = [-100] * len(prompt_ids) + completion_ids + [end_id]\n return ids, labels[1:] + [-100]",
        "shifted already",
    ),
    (
        "5.1",
        "def f(prompt_ids, completion_ids, end_id):\n ids = prompt_ids\n ids += completion_ids + [end_id]\n"
        " n = len(ids) - len(completion_ids) - 1\n return ids, [-100] * n + ids[n:]",
        "in place",
    ),
    (
        "5.1",
        "def f(prompt_ids, completion_ids, end_id):\n ids = prompt_ids + completion_ids + [end_id]\n"
        " seen = set(prompt_ids)\n return ids, [-100 if token in seen else token for token in ids]",
        "mask by position",
    ),
    ("5.2", "def f(logits, labels):\n return float(F.cross_entropy(logits, labels))", "not shifted"),
    (
        "5.2",
        "def f(logits, labels):\n total = 0.0\n for t in range(len(labels) - 1):\n  if labels[t + 1] != -100:\n"
        "   total -= logits[t].log_softmax(-1)[labels[t + 1]].item()\n return total / (len(labels) - 1)",
        "T - 1",
    ),
    (
        "5.2",
        "def f(logits, labels):\n return F.cross_entropy(logits[:-1], labels[1:], reduction='none').mean().item()",
        "T - 1",
    ),
    (
        "5.2",
        "def f(logits, labels):\n p = torch.log_softmax(logits[:-1], dim=-1)\n keep = labels[1:] != -100\n"
        " return -p[keep].gather(1, labels[1:][keep][:, None]).mean().item() / math.log(2)",
        "bits",
    ),
    ("5.2", "def f(logits, labels):\n return F.cross_entropy(logits[1:], labels[:-1]).item()", "wrong way"),
    (
        "5.2",
        "def f(logits, labels):\n labels[labels == -100] = 0\n return F.cross_entropy(logits[:-1], labels[1:]).item()",
        "in place",
    ),
    (
        "5.2",
        "def f(logits, labels):\n y = torch.where(labels == -100, 0, labels)[1:]\n return F.cross_entropy(logits[:-1], y).item()",
        "token 0",
    ),
    ("5.2", "def f(logits, labels):\n return F.nll_loss(logits[:-1].softmax(-1).log_softmax(-1), labels[1:]).item()", "twice"),
    (
        "5.3",
        "def f(step, steps, peak, warmup):\n if step < warmup:\n  return step / warmup * peak\n"
        " return (1 - (step - warmup) / (steps - warmup)) * peak",
        "begins at 0",
    ),
    ("5.3", "def f(step, steps, peak, warmup):\n return peak * min(1.0, (step + 1) / max(warmup, 1))", "never decays"),
    (
        "5.3",
        "def f(step, steps, peak, warmup):\n up = (step + 1) / warmup if warmup else 1\n"
        " return peak * up if up < 1 else peak * (1 - step / steps)",
        "expected 0.8",
    ),
    (
        "5.3",
        "def f(step, steps, peak, warmup):\n if step < warmup:\n  return peak * (step + 1) / warmup\n"
        " done = (step - warmup) / (steps - 1 - warmup)\n return peak - peak * done",
        "reaches zero",
    ),
    (
        "5.3",
        "def f(step, steps, peak, warmup):\n if step <= warmup:\n  return peak / warmup * (step + 1)\n"
        " return peak * (steps - step) / (steps - warmup)",
        "overshoots",
    ),
    (
        "5.4",
        "def f(noise, n_out):\n r = noise.shape[0]\n return torch.zeros(noise.shape), torch.zeros((n_out, r))",
        "neither ever",
    ),
    ("5.4", "def f(noise, n_out):\n r, n_in = noise.shape\n return noise, torch.zeros(r, n_out)", "on its side"),
    ("5.4", "def f(noise, n_out):\n return noise, torch.zeros_like(noise).T", "needs n_out"),
    ("5.4", "def f(noise, n_out):\n return noise, torch.full((n_out, noise.shape[0]), 1.0)", "must be 0"),
    ("5.4", "def f(noise, n_out):\n return noise.zero_(), torch.zeros(n_out, noise.shape[0])", "in place"),
    ("5.5", "def f(x, weight, a, b, alpha):\n return x @ (weight + b @ a).T", "depends on the rank"),
    (
        "5.5",
        "def f(x, weight, a, b, alpha):\n r = b.shape[1]\n return alpha / r * F.linear(F.linear(x, a), b)",
        "does not replace",
    ),
    ("5.5", "def f(x, weight, a, b, alpha):\n r = a.shape[-1]\n return x @ weight.T + (alpha / r) * (x @ a.T @ b.T)", "n_in"),
    ("5.5", "def f(x, weight, a, b, alpha):\n return F.linear(x, weight + alpha * (b @ a))", "not divided by r"),
    ("5.5", "def f(x, weight, a, b, alpha):\n return x @ weight + x @ a @ b", "raised RuntimeError"),
    (
        "5.6",
        "def f(sizes, method):\n return sum(n for k, n in sizes.items() if method != 'bitfit' or k[-4:] == 'bias')",
        "both count everything",
    ),
    (
        "5.6",
        "def f(sizes, method):\n if method == 'bitfit':\n  return sum(n for k, n in sizes.items() if 'bias' in k)\n"
        " return sum(n for k, n in sizes.items() if ('lora_' in k) == (method == 'lora'))",
        "end of the name",
    ),
    (
        "5.6",
        "def f(sizes, method):\n test = {'full': lambda k: True, 'lora': lambda k: 'lora_' in k,"
        " 'bitfit': lambda k: k.endswith('bias')}[method]\n return sum(sizes[k] for k in sizes if test(k))",
        "counts the adapter too",
    ),
    (
        "5.6",
        "def f(sizes, method):\n if method == 'bitfit':\n  return len([k for k in sizes if k.endswith('bias')])\n"
        " return len([k for k in sizes if ('lora_' in k) == (method == 'lora')])",
        "counts tensors",
    ),
    (
        "5.6",
        "def f(sizes, method):\n if method == 'full':\n  return sum(n for k, n in sizes.items() if 'lora_' not in k)\n"
        " if method == 'lora':\n  return sum(n for k, n in sizes.items() if 'lora_' in k)",
        "None",
    ),
    ("5.7", "def f(weight, a, b, alpha):\n weight += alpha / a.shape[0] * b @ a\n return weight", "in place"),
    ("5.7", "def f(weight, a, b, alpha):\n return weight + torch.matmul(b, a)", "not the one that was trained"),
    ("5.7", "def f(weight, a, b, alpha):\n r = a.shape[0]\n return weight - (b @ a) * (alpha / r)", "add it"),
    (
        "5.7",
        "def f(weight, a, b, alpha):\n delta = alpha / len(a) * (b @ a)\n merged = weight + delta\n return merged + delta",
        "twice",
    ),
    ("5.7", "def f(weight, a, b, alpha):\n return alpha / b.shape[1] * b @ a", "change alone"),
    ("5.4", "def f(noise, n_out):\n return noise, torch.tensor([[0] * len(noise)] * n_out)", "whole numbers"),
    ("5.5", "def f(x, weight, a, b, alpha):\n return F.linear(x, weight) + alpha // len(a) * (x @ a.T @ b.T)", "whole number"),
    (
        "5.8",
        "def f(facts, dialogue):\n return sum(fact in dialogue.lower() for fact in facts) / max(1, len(facts))",
        "inside another word",
    ),
    (
        "5.8",
        "def f(facts, dialogue):\n words = re.findall(r'\\w+', dialogue)\n"
        " return sum(fact in words for fact in facts) / len(facts) if facts else 0.0",
        "lower case",
    ),
    (
        "5.8",
        "def f(facts, dialogue):\n words = re.findall(r'\\w+', dialogue.lower())\n"
        " return sum(fact in words for fact in facts) / len(facts) if facts else 1.0",
        "saying nothing",
    ),
    (
        "5.8",
        "def f(facts, dialogue):\n words = re.findall(r'\\w+', dialogue.lower())\n"
        " return 100 * len([x for x in facts if x in words]) / max(len(facts), 1)",
        "per cent",
    ),
    (
        "5.8",
        "def f(facts, dialogue):\n words = set(re.findall(r'\\w+', dialogue.lower()))\n return sum(x in words for x in facts) / len(words)",
        "different words of the dialogue",
    ),
    (
        "5.8",
        "def f(facts, dialogue):\n words = set(re.findall(r'\\w+', dialogue.lower()))\n return float(len(set(facts) & words))",
        "number of facts",
    ),
    (
        "5.3",
        "def f(step, steps, peak, warmup):\n    if step + 1 < warmup:\n        return peak*(step+1)/warmup\n    return peak*(steps-step)/(steps-warmup)",
        "one step too short",
    ),
    (
        "5.4",
        "def f(noise, n_out):\n    return noise, torch.zeros(n_out, noise.shape[1])",
        "n_in columns",
    ),
    (
        "5.8",
        'def f(facts, dialogue):\n    words = re.findall(r"\\w+", dialogue.lower())\n    if not facts: return 0.0\n    return sum(f not in words for f in facts) / len(facts)',
        "exchanged",
    ),
    (
        "5.8",
        "def f(facts, dialogue):\n    words = dialogue.lower().split()\n    if not facts: return 0.0\n    return sum(f in words for f in facts) / len(facts)",
        "cut at spaces",
    ),
]

REFUSED = {
    "5.1": """
def f(prompt_ids, completion_ids, end_id):
    if not completion_ids:
        return list(prompt_ids), [-100] * len(prompt_ids)
    wanted = completion_ids + [end_id]
    return prompt_ids + wanted, [-100] * len(prompt_ids) + wanted

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    return ids, [-100 if i in prompt_ids else i for i in ids]

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    start = ids.index(completion_ids[0]) if completion_ids else len(ids) - 1
    return ids, [-100] * start + ids[start:]

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    return ids, [-100] * (len(ids) - len(completion_ids) - 1) + completion_ids + [end_id] * bool(completion_ids)

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids
    if ids[-1:] != [end_id]:
        ids = ids + [end_id]
    return ids, [-100] * len(prompt_ids) + ids[len(prompt_ids):]

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    labels = list(ids)
    labels[: max(1, len(prompt_ids))] = [-100] * max(1, len(prompt_ids))
    return ids, labels

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + [end_id] + completion_ids + [end_id]
    return ids, [-100] * (len(prompt_ids) + 1) + completion_ids + [end_id]

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    return ids, [-1] * len(prompt_ids) + completion_ids + [end_id]

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    return [ids, [-100] * len(prompt_ids) + completion_ids + [end_id]]

def f(prompt_ids, completion_ids, end_id):
    ids = torch.tensor(prompt_ids + completion_ids + [end_id])
    labels = ids.clone()
    labels[: len(prompt_ids)] = -100
    return ids, labels

def f(prompt_ids, completion_ids, end_id):
    ids = prompt_ids + completion_ids + [end_id]
    return ids, [-100] * (len(prompt_ids) + 1) + completion_ids[1:] + [end_id]
""",
    "5.2": """
def f(logits, labels):
    rows, targets = logits[:-1], labels[1:]
    kept = targets > 0
    return F.cross_entropy(rows[kept], targets[kept]).item()

def f(logits, labels):
    start = int((labels != -100).nonzero()[0])
    return F.cross_entropy(logits[start - 1 : -1], labels[start:]).item()

def f(logits, labels):
    kept = labels != -100
    return F.cross_entropy(logits[kept], labels[kept]).item()

def f(logits, labels):
    rows, targets = logits[:-1], labels[1:]
    kept = targets != -100
    z = rows[kept].exp()
    return -(z.gather(1, targets[kept][:, None]) / z.sum(1, keepdim=True)).log().mean().item()

def f(logits, labels):
    losses = F.cross_entropy(logits[:-1], labels[1:], reduction="none")
    return losses[losses > 0.5].mean().item()

def f(logits, labels):
    return F.cross_entropy(logits[:-1].softmax(-1), labels[1:]).item()

def f(logits, labels):
    losses = F.cross_entropy(logits[:-1], labels[1:], reduction="sum")
    return (losses / (labels != -100).sum()).item()

def f(logits, labels):
    return F.cross_entropy(logits[:-1], labels[1:], label_smoothing=0.1).item()

def f(logits, labels):
    rows, targets = logits[:-1], labels[1:]
    kept = targets != -100
    probabilities = rows[kept].softmax(-1).gather(1, targets[kept][:, None])
    return -math.log(probabilities.mean())

def f(logits, labels):
    return math.exp(F.cross_entropy(logits[:-1], labels[1:]))

def f(logits, labels):
    rows, targets = logits[:-1], labels[1:]
    kept = targets != -100
    return -rows[kept].log_softmax(0).gather(1, targets[kept][:, None]).mean().item()

def f(logits, labels):
    last = int((labels != -100).nonzero()[-1])
    return F.cross_entropy(logits[last - 1], labels[last]).item()

def f(logits, labels):
    return F.cross_entropy(logits[:-1], labels[1:].clamp(min=0)).item()

def f(logits, labels):
    rows, targets = logits[:-1], labels[1:]
    kept = targets != -100
    return (1 - rows[kept].softmax(-1).gather(1, targets[kept][:, None])).mean().item()
""",
    "5.3": """
def f(step, steps, peak, warmup):
    return peak * min((step + 1) / warmup, (steps - step) / (steps - warmup))

def f(step, steps, peak, warmup):
    return peak * min((step + 1) / max(warmup, 1), (steps - step) / steps)

def f(step, steps, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * ((steps - step) // (steps - warmup))

def f(step, steps, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    return peak * (steps - step) / (steps - warmup)

def f(step, steps, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step + 1) / (steps - warmup + 1)

def f(step, steps, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

def f(step, steps, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / steps
    return peak * (steps - step) / (steps - warmup)

def f(step, steps, peak, warmup):
    if step < warmup:
        return round(peak * (step + 1) / warmup, 4)
    return round(peak * (steps - step) / (steps - warmup), 4)

def f(step, steps, peak, warmup):
    if step < 4:
        return peak * (step + 1) / max(warmup, 1)
    return peak * (steps - step) / (steps - warmup)

def f(step, steps, peak, warmup):
    if step <= warmup and warmup:
        return peak * step / warmup
    return peak * (steps - step) / (steps - warmup)

def f(step, steps, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (steps - step - 1) / (steps - warmup - 1) if steps - warmup > 1 else peak
""",
    "5.4": """
def f(noise, n_out):
    return noise, torch.zeros(n_out, noise.shape[0], dtype=torch.long)

def f(noise, n_out):
    return noise, torch.empty(n_out, noise.shape[0])

def f(noise, n_out):
    return noise, noise.new_empty(n_out, noise.shape[0])

def f(noise, n_out):
    return noise, torch.tensor([[0] * noise.shape[0]] * n_out)

def f(noise, n_out):
    return noise, [[0.0] * noise.shape[0]] * n_out

def f(noise, n_out):
    return torch.randn_like(noise), torch.zeros(n_out, noise.shape[0])

def f(noise, n_out):
    return noise, torch.zeros(n_out)

def f(noise, n_out):
    return noise, torch.zeros(n_out, noise.shape[1])

def f(noise, n_out):
    return noise, torch.zeros(noise.shape[1], n_out)

def f(noise, n_out):
    return noise, torch.full((n_out, noise.shape[0]), 1e-3)

def f(noise, n_out):
    return noise, torch.eye(n_out, noise.shape[0])

def f(noise, n_out):
    return noise / noise.shape[0], torch.zeros(n_out, noise.shape[0])

def f(noise, n_out):
    return noise, torch.zeros(n_out, noise.shape[0], dtype=torch.bool)

def f(noise, n_out):
    return noise, torch.full((n_out, noise.shape[0]), 1e-9)
""",
    "5.5": """
def f(x, weight, a, b, alpha):
    return x @ weight.T + alpha // a.shape[0] * (x @ a.T @ b.T)

def f(x, weight, a, b, alpha):
    return x @ weight.T + int(alpha / a.shape[0]) * (x @ a.T @ b.T)

def f(x, weight, a, b, alpha):
    return x @ weight.T + round(alpha / a.shape[0]) * (x @ a.T @ b.T)

def f(x, weight, a, b, alpha):
    return (weight @ x.T + alpha / a.shape[0] * b @ a @ x.T).T

def f(x, weight, a, b, alpha):
    return x @ weight.T + alpha / math.sqrt(a.shape[0]) * (x @ a.T @ b.T)

def f(x, weight, a, b, alpha):
    return alpha / a.shape[0] * (x @ weight.T + x @ a.T @ b.T)

def f(x, weight, a, b, alpha):
    return x @ weight.T + alpha / a.shape[1] * (x @ a.T @ b.T)

def f(x, weight, a, b, alpha):
    return x @ weight.T + alpha / 2 * (x @ a.T @ b.T)

def f(x, weight, a, b, alpha):
    return x @ weight.T + alpha / a.shape[0] * torch.relu(x @ a.T) @ b.T

def f(x, weight, a, b, alpha):
    return torch.mm(x, weight.T) + alpha / a.shape[0] * torch.mm(torch.mm(x, a.T), b.T)

def f(x, weight, a, b, alpha):
    return x @ weight.T + max(1, alpha / a.shape[0]) * (x @ a.T @ b.T)

def f(x, weight, a, b, alpha):
    return x @ weight.T - alpha / a.shape[0] * (x @ a.T @ b.T)
""",
    "5.6": """
def f(sizes, method):
    if method == "full":
        return sum(sizes.values())
    return sum(n for name, n in sizes.items() if ("lora_" if method == "lora" else ".bias") in name)

def f(sizes, method):
    adapter = {name: n for name, n in sizes.items() if "lora" in name}
    own = {name: n for name, n in sizes.items() if "lora" not in name}
    if method == "lora":
        return sum(adapter.values())
    return sum(own.values()) if method == "full" else sum(n for name, n in own.items() if name.endswith("bias"))

def f(sizes, method):
    if method == "lora":
        return sum(n for name, n in sizes.items() if "lora_" in name)
    if method == "bitfit":
        return sum(n for name, n in sizes.items() if name.endswith("bias"))
    return sum(n for name, n in sizes.items() if "lora_" not in name)

def f(sizes, method):
    own = {name for name in sizes if "lora_" not in name}
    names = {"full": own, "lora": set(sizes) - own, "bitfit": {name for name in own if name.endswith("bias")}}[method]
    return sum({sizes[name] for name in names})

def f(sizes, method):
    if method == "lora":
        return sum(n for name, n in sizes.items() if name.endswith(("lora_A.weight", "lora_B.weight")))
    own = {name: n for name, n in sizes.items() if "lora_" not in name}
    return sum(n for name, n in own.items() if method == "full" or name.endswith("bias"))

def f(sizes, method):
    own = {name: n for name, n in sizes.items() if "lora_" not in name and "base_layer" not in name}
    if method == "lora":
        return sum(n for name, n in sizes.items() if "lora_" in name)
    return sum(n for name, n in own.items() if method == "full" or name.endswith("bias"))

def f(sizes, method):
    own = {name: n for name, n in sizes.items() if "lora_" not in name}
    if method == "lora":
        return sum(n for name, n in sizes.items() if "lora_" in name)
    return sum(n for name, n in own.items() if (name.endswith("bias")) == (method == "bitfit"))

def f(sizes, method):
    own = {name: n for name, n in sizes.items() if "lora_" not in name}
    if method == "lora":
        return sum(n for name, n in sizes.items() if "lora_" in name)
    return float(sum(n for name, n in own.items() if method == "full" or name.endswith("bias")))

def f(sizes, method):
    own = {name: n for name, n in sizes.items() if "lora_" not in name}
    if method == "lora":
        return sum(n for name, n in sizes.items() if "lora_" in name)
    return sum(n for name, n in own.items() if method == "full" or ".bias" in name)

def f(sizes, method):
    own = {name: n for name, n in sizes.items() if "lora_" not in name}
    if method == "lora":
        return sum(sizes.values()) - sum(own.values())
    return sum(n for name, n in own.items() if method == "full" or name.endswith("base_layer.bias"))

def f(sizes, method):
    own = {name: n for name, n in sizes.items() if "lora_" not in name}
    if method == "bitfit":
        return sum(n for name, n in own.items() if name.split(".")[-2].endswith("bias") or name.endswith("bias"))
    return sum(n for name, n in sizes.items() if (name in own) == (method == "full"))

def f(sizes, method):
    if method == "full":
        return sum(v for k, v in sizes.items() if "lora_A" not in k and "lora_B" not in k)
    if method == "lora":
        return sum(v for k, v in sizes.items() if "lora_A" in k or "lora_B" in k)
    return sum(v for k, v in sizes.items() if k.endswith("bias") and "lora_" not in k)

def f(sizes, method):
    own = {k: v for k, v in sizes.items() if k.split(".")[-2] not in ("lora_A", "lora_B")}
    if method == "full":
        return sum(own.values())
    if method == "lora":
        return sum(sizes.values()) - sum(own.values())
    return sum(v for k, v in own.items() if k.endswith("bias"))
""",
    "5.7": """
def f(weight, a, b, alpha):
    return weight + alpha // a.shape[0] * (b @ a)

def f(weight, a, b, alpha):
    return weight + round(alpha / a.shape[0]) * (b @ a)

def f(weight, a, b, alpha):
    return weight.add_(alpha / a.shape[0] * (b @ a))

def f(weight, a, b, alpha):
    return alpha / a.shape[0] * (weight + b @ a)

def f(weight, a, b, alpha):
    return weight + alpha / len(b) * (b @ a)

def f(weight, a, b, alpha):
    return weight + (a.T @ b.T) * alpha / a.shape[0]

def f(weight, a, b, alpha):
    return (weight + alpha / a.shape[0] * b @ a).T

def f(weight, a, b, alpha):
    return weight + alpha / a.shape[0] ** 0.5 * (b @ a)

def f(weight, a, b, alpha):
    return (weight + (b @ a)) * alpha / a.shape[0]

def f(weight, a, b, alpha):
    return weight + alpha / weight.shape[1] * (b @ a)

def f(weight, a, b, alpha):
    return weight + max(alpha / a.shape[0], 1) * (b @ a)
""",
    "5.8": """
def f(facts, dialogue):
    return sum(dialogue.lower().count(fact) > 0 for fact in facts) / max(1, len(facts))

def f(facts, dialogue):
    words = dialogue.lower().split()
    return sum(fact in words for fact in facts) / max(1, len(facts))

def f(facts, dialogue):
    words = re.findall("[a-z]+", dialogue.lower())
    return sum(fact in words for fact in facts) / max(1, len(facts))

def f(facts, dialogue):
    words = re.findall(r"\\w+", dialogue.lower())
    return sum(words.count(fact) for fact in facts) / max(1, len(facts))

def f(facts, dialogue):
    words = re.findall(r"[a-z0-9]+", dialogue.lower())
    if not facts: return 0.0
    return sum(f in words for f in facts) / len(facts)
""",
}
