"""Lab 03: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold).
"""

import json
import re

import torch

SPACE = {"json": json, "re": re, "torch": torch}

TYPED = [
    (
        "3.1",
        "def f(instruction, shots, text):\n p = instruction + '\\n\\n'\n for r, l in shots:\n  p += f'Review: {r}\\nSentiment: {l}\\n\\n'\n"
        " return p + f'Review: {text}\\nSentiment: '",
        "blank",
    ),
    (
        "3.1",
        "def f(instruction, shots, text):\n p = instruction\n for r, l in shots:\n  p += f'\\n\\nReview: {r}\\nSentiment: {l}'\n return p",
        "missing",
    ),
    ("3.1", "def f(instruction, shots, text):\n return [instruction, *shots, text]", "list"),
    ("3.2", "def f(log_probs, label_ids):\n return log_probs[0][label_ids[0]].item()", "first token alone"),
    ("3.2", "def f(log_probs, label_ids):\n return log_probs[range(len(label_ids)), label_ids].sum()", "number"),
    ("3.2", "def f(log_probs, label_ids):\n return log_probs[range(len(label_ids)), label_ids].mean().item()", "mean"),
    ("3.2", "def f(log_probs, label_ids):\n return log_probs.exp()[range(len(label_ids)), label_ids].sum().item()", "logarithms"),
    ("3.3", "def f(log_likelihoods, content_free):\n return (log_likelihoods.exp() * content_free.exp()).softmax(-1)", "got"),
    ("3.3", "def f(log_likelihoods, content_free):\n return (log_likelihoods - content_free).exp()", "add up to one"),
    ("3.3", "def f(log_likelihoods, content_free):\n return (log_likelihoods - content_free).argmax(-1)", "shape"),
    (
        "3.3",
        "def f(log_likelihoods, content_free):\n w = (log_likelihoods - content_free).exp()\n return w / w.sum()",
        "expected",
    ),
    (
        "3.5",
        "def f(parts, max_new_tokens, window, side):\n over = sum(parts.values()) - window\n out = {}\n"
        " for n, c in (list(parts.items()) if side == 'left' else list(parts.items())[::-1]):\n  if over > 0:\n"
        "   out[n] = min(c, over)\n   over -= c\n return out",
        "completion",
    ),
    (
        "3.5",
        "def f(parts, max_new_tokens, window, side):\n over = sum(parts.values()) + max_new_tokens - window\n out = {}\n"
        " for n, c in parts.items():\n  if over > 0:\n   out[n] = min(c, over)\n   over -= c\n return out",
        "expected",
    ),
    ("3.6", "def f(lengths, fixed, max_new_tokens, window):\n return (window - fixed) // max(lengths)", "expected"),
    (
        "3.6",
        "def f(lengths, fixed, max_new_tokens, window):\n n = 0\n while n < len(lengths) and fixed + max_new_tokens + sum(lengths[:n + 1]) < window:\n"
        "  n += 1\n return n",
        "<=",
    ),
    (
        "3.6",
        "def f(lengths, fixed, max_new_tokens, window):\n n = 0\n while fixed + sum(lengths[:n + 1]) <= window and n < len(lengths):\n"
        "  n += 1\n return n",
        "completion",
    ),
    ("3.4", "def f(shots, test):\n return [i for i in range(len(shots)) if shots[i] in set(test)]", "exact copies"),
    (
        "3.4",
        "def f(shots, test):\n known = {t.lower().strip() for t in test}\n return [i for i, s in enumerate(shots) if s.lower().strip() in known]",
        "punctuation",
    ),
    ("3.4", "def f(shots, test):\n return [s for s in shots if s in test]", "expected"),
    (
        "3.7",
        "def f(text):\n m = re.search(r'\\{.*?\\}', text, re.S)\n try:\n  return json.loads(m.group())\n except Exception:\n  return {}",
        "inner",
    ),
    ("3.7", "def f(text):\n return json.loads(text[text.find('{'):text.rfind('}') + 1])", "raised"),
    (
        "3.7",
        "def f(text):\n try:\n  return json.loads(text[text.find('{'):text.rfind('}') + 1])\n except ValueError:\n  return {}",
        "last one",
    ),
    ("3.8", "def f(text):\n n = re.findall(r'-?[\\d,]+', text)\n return n[-1].replace(',', '') if n else ''", "last number"),
    ("3.8", "def f(text):\n return text.split('Answer:')[-1].split()[0]", "expected"),
    ("3.8", "def f(text):\n m = re.search(r'Answer:[^\\d-]*(-?\\d+)', text)\n return m[1] if m else ''", "comma"),
]
