"""Lab 02: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold).
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
]
