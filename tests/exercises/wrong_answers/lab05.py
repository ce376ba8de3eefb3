"""Lab 05: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined, and F, which people import by habit; TYPED holds (exercise, code,
a word that the verdict must hold).
"""

import torch
import torch.nn.functional as F

SPACE = {"torch": torch, "F": F}

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
        "def f(logits, labels):\n p = torch.softmax(logits[:-1], dim=-1)\n keep = labels[1:] != -100\n"
        " return -p[keep].gather(1, labels[1:][keep][:, None]).log2().mean().item()",
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
    ("5.8", "def f(vector, embeddings):\n return int(torch.argmax(embeddings @ vector))", "long vectors win"),
    ("5.8", "def f(vector, embeddings):\n return torch.cdist(vector[None], embeddings).argmin().item()", "Euclidean"),
    (
        "5.8",
        "def f(vector, embeddings):\n return int((1 - F.cosine_similarity(embeddings, vector[None])).argmax())",
        "other way",
    ),
    (
        "5.8",
        "def f(vector, embeddings):\n return int(F.normalize(embeddings, dim=0).matmul(vector).argmax())",
        "columns",
    ),
    ("5.8", "def f(vector, embeddings):\n return F.cosine_similarity(embeddings, vector[None]).argmax()", "of type int"),
]
