"""Lab 03: unusual right answers, which must pass."""

import itertools
import json
import math
import re

import numpy
import torch

SPACE = {"itertools": itertools, "json": json, "math": math, "re": re, "numpy": numpy, "torch": torch}

ACCEPTED = {
    "3.1": r"""
def f(instruction, shots, text):
    prompt = instruction + "\n\n"
    for review, label in shots:
        prompt += "Review: " + review + "\nSentiment: " + label + "\n\n"
    return prompt + "Review: " + text + "\nSentiment:"

def f(instruction, shots, text):
    def tail(rest):
        return f"Review: {rest[0][0]}\nSentiment: {rest[0][1]}\n\n" + tail(rest[1:]) if rest else f"Review: {text}\nSentiment:"
    return f"{instruction}\n\n{tail(shots)}"

def f(instruction, shots, text):
    lines = [instruction, ""]
    for review, label in [*shots, (text, None)]:
        lines += [f"Review: {review}", "Sentiment:" + (f" {label}" if label else ""), ""]
    return "\n".join(lines[:-1])
""",
    "3.2": """
def f(log_probs, label_ids):
    return log_probs[torch.arange(len(label_ids)), torch.tensor(label_ids)].sum().item()

def f(log_probs, label_ids):
    return math.fsum(row[i] for row, i in zip(log_probs.tolist(), label_ids))

def f(log_probs, label_ids):
    return -float(torch.nn.functional.nll_loss(log_probs.double(), torch.tensor(label_ids), reduction="sum"))

def f(log_probs, label_ids):
    return float(log_probs.gather(1, torch.tensor(label_ids)[:, None]).double().sum())
""",
    "3.3": """
def f(log_likelihoods, content_free):
    return (log_likelihoods - content_free).softmax(-1)

def f(log_likelihoods, content_free):
    quotients = log_likelihoods.exp() / content_free.exp()
    return quotients / quotients.sum(-1, keepdim=True)

def f(log_likelihoods, content_free):
    rows = []
    for row in (log_likelihoods - content_free).tolist():
        weights = [math.exp(x - max(row)) for x in row]
        rows.append([w / sum(weights) for w in weights])
    return torch.tensor(rows, dtype=log_likelihoods.dtype)

def f(log_likelihoods, content_free):
    difference = log_likelihoods.log_softmax(-1) - content_free.log_softmax(-1)
    return (difference - difference.logsumexp(-1, keepdim=True)).exp().double()
""",
    "3.4": r"""
def f(shots, test_texts):
    def words(text):
        return tuple("".join(c if c.isalnum() else " " for c in text.casefold()).split())
    known = {words(text) for text in test_texts}
    return [n for n, shot in enumerate(shots) if words(shot) in known]

def f(shots, test_texts):
    def plain(text):
        return " ".join(re.split(r"\W+", text.lower())).strip()
    return [n for n in range(len(shots)) if any(plain(shots[n]) == plain(text) for text in test_texts)]

def f(shots, test_texts):
    tidy = lambda text: re.sub(r"\W+", "_", text.upper()).strip("_")
    return list(numpy.flatnonzero([tidy(s) in [tidy(t) for t in test_texts] for s in shots]).tolist())
""",
    "3.5": """
def f(parts, max_new_tokens, window, side):
    tokens = [name for name, count in parts.items() for _ in range(count)]
    over = max(0, len(tokens) + max_new_tokens - window)
    cut = tokens[:over] if side == "left" else tokens[max(0, len(tokens) - over) :]
    return {name: cut.count(name) for name in parts if name in cut}

def f(parts, max_new_tokens, window, side):
    if sum(parts.values()) + max_new_tokens <= window or not parts:
        return {}
    *rest, edge = list(parts.items())[:: -1 if side == "left" else 1]
    over = sum(parts.values()) + max_new_tokens - window
    gone = {edge[0]: min(edge[1], over)}
    if over > edge[1]:
        rest = rest[:: -1 if side == "left" else 1]
        gone |= f(dict(rest), max_new_tokens, window, side)
    return gone

def f(parts, max_new_tokens, window, side):
    room, left = window - max_new_tokens, {}
    for name, tokens in reversed(parts.items()) if side == "left" else parts.items():
        left[name] = max(0, min(tokens, room))
        room -= left[name]
    return {name: tokens - left[name] for name, tokens in parts.items() if tokens > left[name]}
""",
    "3.6": """
def f(lengths, fixed, max_new_tokens, window):
    return sum(end <= window - fixed - max_new_tokens for end in itertools.accumulate(lengths))

def f(lengths, fixed, max_new_tokens, window):
    if not lengths or fixed + max_new_tokens + lengths[0] > window:
        return 0
    return 1 + f(lengths[1:], fixed + lengths[0], max_new_tokens, window)

def f(lengths, fixed, max_new_tokens, window):
    ends = numpy.cumsum([fixed + max_new_tokens, *lengths])
    return max(0, int(numpy.searchsorted(ends, window, side="right")) - 1)

def f(lengths, fixed, max_new_tokens, window):
    n = len(lengths)
    while n and fixed + max_new_tokens + sum(lengths[:n]) > window:
        n -= 1
    return n
""",
    "3.7": """
def f(text):
    for start, character in enumerate(text):
        if character == "{":
            for end in range(start + 1, len(text) + 1):
                if text[end - 1] == "}":
                    try:
                        return json.loads(text[start:end])
                    except ValueError:
                        pass
    return {}

def f(text):
    start = text.find("{")
    if start < 0:
        return {}
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0]
    except json.JSONDecodeError:
        return f(text[start + 1 :])
""",
    "3.8": r"""
def f(text):
    head, delimiter, tail = text.partition("Answer:")
    found = re.search(r"-?\d[\d,]*", tail)
    return found.group().replace(",", "") if found else ""

def f(text):
    _, *rest = text.split("Answer:", 1)
    tail, out = rest[0] if rest else "", ""
    for before, c in zip(" " + tail, tail):
        if c.isdigit():
            out = out or ("-" if before == "-" else "")
            out += c
        elif out and c != ",":
            break
    return out
""",
}
