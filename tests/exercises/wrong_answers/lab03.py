"""Lab 03: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
"""

import json
import re

import torch

SPACE = {"json": json, "re": re, "torch": torch}

TYPED = [
    (
        "3.1",
        "def f(instruction, shots, text):\n p = instruction + '\\n\\n'\n for r, l in shots:\n"
        "  p += f'Review: {r}\\nSentiment: {l}\\n\\n'\n"
        " return p + f'Review: {text}\\nSentiment: '",
        "ends in a space",
    ),
    (
        "3.1",
        "def f(instruction, shots, text):\n p = instruction\n for r, l in shots:\n"
        "  p += f'\\n\\nReview: {r}\\nSentiment: {l}'\n return p",
        "missing",
    ),
    ("3.1", "def f(instruction, shots, text):\n return [instruction, *shots, text]", "list"),
    ("3.2", "def f(log_probs, label_ids):\n return log_probs[0][label_ids[0]].item()", "first token alone"),
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
        "def f(lengths, fixed, max_new_tokens, window):\n n = 0\n"
        " while n < len(lengths) and fixed + max_new_tokens + sum(lengths[:n + 1]) < window:\n"
        "  n += 1\n return n",
        "<=",
    ),
    (
        "3.6",
        "def f(lengths, fixed, max_new_tokens, window):\n n = 0\n"
        " while fixed + sum(lengths[:n + 1]) <= window and n < len(lengths):\n"
        "  n += 1\n return n",
        "completion",
    ),
    ("3.4", "def f(shots, test):\n return [i for i in range(len(shots)) if shots[i] in set(test)]", "exact copies"),
    (
        "3.4",
        "def f(shots, test):\n known = {t.lower().strip() for t in test}\n"
        " return [i for i, s in enumerate(shots) if s.lower().strip() in known]",
        "punctuation",
    ),
    ("3.4", "def f(shots, test):\n return [s for s in shots if s in test]", "expected"),
    (
        "3.7",
        "def f(text):\n m = re.search(r'\\{.*?\\}', text, re.S)\n try:\n  return json.loads(m.group())\n"
        " except Exception:\n  return {}",
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
    ("3.8", "def f(text):\n m = re.search(r'Answer:\\D*?(-?\\d+)', text)\n return m[1] if m else ''", "comma"),
    (
        "3.1",
        "def f(instruction, shots, text):\n    blocks = [instruction]\n    for r, l in shots:\n"
        '        blocks.append(f"Review: {r.strip()}\\nSentiment: {l}")\n'
        '    blocks.append(f"Review: {text.strip()}\\nSentiment:")\n    return "\\n\\n".join(blocks)',
        "cut off",
    ),
    (
        "3.1",
        'def f(instruction, shots, text):\n    s = instruction + "\\n\\n"\n    for r, l in shots:\n'
        '        s += f"Review: {r}\\nSentiment: {l}\\n\\n"\n    s += f"Review: {text}\\nSentiment:\\n"\n    return s',
        "line break",
    ),
    ("3.2", "def f(log_probs, label_ids):\n    return log_probs[:, label_ids].sum().item()", "T times T"),
    ("3.2", "def f(log_probs, label_ids):\n    return sum(float(log_probs[-1, i]) for i in label_ids)", "last row"),
    (
        "3.3",
        "def f(log_likelihoods, content_free):\n    return torch.log_softmax(log_likelihoods - content_free, dim=-1)",
        "logarithms of",
    ),
    (
        "3.4",
        'def f(shots, test_texts):\n    w = lambda x: set(re.findall(r"\\w+", x.lower()))\n'
        "    tests = [w(t) for t in test_texts]\n    return [i for i, s in enumerate(shots) if w(s) in tests]",
        "set of words",
    ),
    (
        "3.4",
        'def f(shots, test_texts):\n    w = lambda x: re.findall(r"\\w+", x.lower())\n'
        "    tests = [w(t) for t in test_texts]\n    return [i for i, s in enumerate(shots, 1) if w(s) in tests]",
        "from 0",
    ),
    (
        "3.4",
        'def f(shots, test_texts):\n    w = lambda x: "".join(re.findall(r"\\w+", x.lower()))\n'
        "    tests = [w(t) for t in test_texts]\n    return [i for i, s in enumerate(shots) if w(s) in tests]",
        "Without spaces",
    ),
    (
        "3.4",
        'def f(shots, test_texts):\n    w = lambda x: " ".join(re.findall(r"\\w+", x.lower()))\n'
        "    tests = [w(t) for t in test_texts]\n"
        "    return [i for i, s in enumerate(shots) if any(w(s) in t for t in tests)]",
        "inside a longer",
    ),
    (
        "3.4",
        'def f(shots, test_texts):\n    w = lambda x: re.findall(r"[a-z0-9]+", x.lower())\n'
        "    tests = [w(t) for t in test_texts]\n    return [i for i, s in enumerate(shots) if w(s) in tests]",
        "[a-z]",
    ),
    (
        "3.5",
        "def f(parts, max_new_tokens, window, side):\n    over = sum(parts.values()) + max_new_tokens - window\n"
        '    out = {}\n    names = list(parts) if side == "left" else list(parts)[::-1]\n    for n in names:\n'
        "        c = min(parts[n], over)\n        if c:\n            out[n] = c\n        over -= c\n    return out",
        "negative number",
    ),
    (
        "3.5",
        "def f(parts, max_new_tokens, window, side):\n"
        "    over = max(0, sum(parts.values()) + max_new_tokens - window)\n    if not over: return {}\n"
        '    n = list(parts)[0 if side == "left" else -1]\n    return {n: over}',
        "goes on to the next",
    ),
    (
        "3.6",
        "def f(lengths, fixed, max_new_tokens, window):\n    n, used = 0, fixed + max_new_tokens\n"
        "    for l in reversed(lengths):\n        if used + l > window: break\n        used += l; n += 1\n"
        "    return n",
        "last shot",
    ),
    (
        "3.6",
        "def f(lengths, fixed, max_new_tokens, window):\n    n, used = 0, fixed + max_new_tokens\n"
        "    for l in lengths:\n        if used + l > window: break\n        used += l; n += 1\n    return max(n, 1)",
        "answer is 0",
    ),
    ("3.7", "def f(text):\n    try: return json.loads(text)\n    except ValueError: return {}", "whole text is JSON"),
    (
        "3.7",
        'def f(text):\n    for m in re.findall(r"\\{[^{}]*\\}", text, re.S):\n        try: return json.loads(m)\n'
        "        except ValueError: pass\n    return {}",
        "innermost",
    ),
    (
        "3.7",
        "def f(text):\n    d = json.JSONDecoder()\n    out = {}\n    for i, c in enumerate(text):\n"
        '        if c == "{":\n            try: out = d.raw_decode(text, i)[0]\n            except ValueError: pass\n'
        "    return out",
        "return at once",
    ),
    (
        "3.8",
        'def f(text):\n    if "Answer:" not in text: return ""\n'
        '    t = text.split("Answer:", 1)[1].replace(", ", "").replace(",", "")\n    m = re.search(r"-?\\d+", t)\n'
        '    return m[0] if m else ""',
        "every comma",
    ),
    (
        "3.8",
        'def f(text):\n    if "Answer:" not in text: return ""\n    t = text.split("Answer:", 1)[1]\n'
        '    m = re.search(r"\\d[\\d,]*", t)\n    if not m: return ""\n'
        '    return ("-" if "-" in t[:m.start()] else "") + m[0].replace(",", "")',
        "any dash",
    ),
    (
        "3.8",
        'def f(text):\n    m = re.search(r"-?\\d[\\d,]*", text.split("Answer:")[-1])\n'
        '    return m[0].replace(",", "") if m and "Answer:" in text else ""',
        "behind the last",
    ),
    (
        "3.8",
        'def f(text):\n    m = re.search(r"-?\\d[\\d,]*", text.split("Answer:", 1)[-1])\n'
        '    return m[0].replace(",", "") if m else ""',
        "whole text",
    ),
    (
        "3.8",
        'def f(text):\n    if "Answer:" not in text: return ""\n'
        '    line = text.split("Answer:", 1)[1].split("\\n")[0]\n    n = re.findall(r"-?\\d[\\d,]*", line)\n'
        '    return n[0].replace(",", "") if n else ""',
        "rest of the line",
    ),
    (
        "3.8",
        'def f(text):\n    m = re.search(r"Answer:.*?(-?\\d[\\d,]*)", text)\n    return m[1].replace(",", "") if m else ""',
        "re.DOTALL",
    ),
    (
        "3.8",
        "def f(text):\n m = re.search(r'Answer:[^\\d-]*(-?\\d[\\d,]*)', text)\n return m[1].replace(',', '') if m else ''",
        "gives up where a dash",
    ),
]

REFUSED = {
    "3.1": r"""
def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment: {label}" for r, label in dict(shots).items())]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment: {label}" for r, label in sorted(shots))]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment: {label}" for r, label in reversed(shots))]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment: {label}" for r, label in shots)]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"]) + "\n"

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment:{label}" for r, label in shots)]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    blocks = [*(f"Review: {r}\nSentiment: {label}" for r, label in shots)]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {label}\nSentiment: {r}" for r, label in shots)]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    shown = "\n\n".join(f"Review: {r}\nSentiment: {label}" for r, label in shots)
    return f"{instruction}\n\n{shown}\n\nReview: {text}\nSentiment:"

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment: {label}" for r, label in shots[:2])]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment: {label}" for r, label in shots)]
    return ("\n\n".join([*blocks, "Review: {text}\nSentiment:"])).format(text=text)

def f(instruction, shots, text):
    p = instruction + "\n\n" + "Review: %s\nSentiment: %s\n\n" * len(shots)
    return p % tuple(x for shot in shots for x in shot) + f"Review: {text}\nSentiment:"

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment: {label}" for r, label in shots if r != text)]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    blocks = [instruction, *(f"Review: {r}\nSentiment: {label.capitalize()}" for r, label in shots)]
    return "\n\n".join([*blocks, f"Review: {text}\nSentiment:"])

def f(instruction, shots, text):
    blocks = [instruction]
    for r, l in shots:
        blocks.append(f"Review: {r}\nSentiment: {l.lower()}")
    blocks.append(f"Review: {text}\nSentiment:")
    return "\n\n".join(blocks)

def f(instruction, shots, text):
    out = instruction + "\n\n" + "".join(f"Review: {r}\nSentiment: {l}\n\n" for r, l in shots) + f"Review: {text}\nSentiment:"
    while "\n\n\n" in out:
        out = out.replace("\n\n\n", "\n\n")
    return out

def f(instruction, shots, text):
    parts = [instruction.strip()]
    parts += [f"Review: {r}\nSentiment: {s}" for r, s in shots]
    parts.append(f"Review: {text}\nSentiment:")
    return "\n\n".join(parts)

def f(instruction, shots, text):
    p = instruction + "\n\n"
    for r, s in shots:
        p += f"Review: {r}\nSentiment: {s}\n\n"
    p += f"Review: {text}\nSentiment: "
    return p.strip()

def f(instruction, shots, text):
    parts = [instruction] + [f"Review: {r}\nSentiment: {s.strip()}" for r, s in shots] + [f"Review: {text}\nSentiment:"]
    return "\n\n".join(parts)
""",
    "3.2": """
def f(log_probs, label_ids):
    return float(log_probs[range(len(label_ids)), label_ids].exp().prod().log())

def f(log_probs, label_ids):
    return float(log_probs[:, label_ids].sum())

def f(log_probs, label_ids):
    return float(log_probs[:, label_ids[0]].sum())

def f(log_probs, label_ids):
    return float(log_probs[-1, label_ids[-1]])

def f(log_probs, label_ids):
    return float(log_probs[range(len(label_ids)), sorted(label_ids)].sum())

def f(log_probs, label_ids):
    return float(sum(row[i] for row, i in zip(log_probs[1:], label_ids[1:])))

def f(log_probs, label_ids):
    return float(sum(row[i] for row, i in zip(log_probs.flip(0), label_ids)))

def f(log_probs, label_ids):
    return float(log_probs.max(dim=-1).values.sum())

def f(log_probs, label_ids):
    return float(log_probs[range(len(label_ids)), label_ids].prod())

def f(log_probs, label_ids):
    return float(sum(log_probs[t, i] for t, i in enumerate(set(label_ids))))

def f(log_probs, label_ids):
    return float(sum(log_probs[label_ids.index(i), i] for i in label_ids))

def f(log_probs, label_ids):
    return float(log_probs.log_softmax(0)[range(len(label_ids)), label_ids].sum())

def f(log_probs, label_ids):
    return round(float(log_probs[range(len(label_ids)), label_ids].sum()))
""",
    "3.3": """
def f(log_likelihoods, content_free):
    return (log_likelihoods - content_free).exp().softmax(-1)

def f(log_likelihoods, content_free):
    return (log_likelihoods - content_free.mean()).softmax(-1)

def f(log_likelihoods, content_free):
    return (log_likelihoods - log_likelihoods.mean(-1, keepdim=True)).softmax(-1)

def f(log_likelihoods, content_free):
    return (log_likelihoods - content_free).softmax(0)

def f(log_likelihoods, content_free):
    w = (log_likelihoods - content_free).exp()
    return w / w.sum(-1)

def f(log_likelihoods, content_free):
    w = (log_likelihoods - content_free[:, None]).exp()
    return w / w.sum(-1, keepdim=True)

def f(log_likelihoods, content_free):
    w = log_likelihoods / content_free
    return w / w.sum(-1, keepdim=True)

def f(log_likelihoods, content_free):
    w = (content_free - log_likelihoods).exp()
    return w / w.sum(-1, keepdim=True)

def f(log_likelihoods, content_free):
    w = log_likelihoods.exp() - content_free.exp()
    return w / w.sum(-1, keepdim=True)

def f(log_likelihoods, content_free):
    return (log_likelihoods - content_free).log_softmax(-1)

def f(log_likelihoods, content_free):
    w = (log_likelihoods - content_free).exp()
    return w / w.max(-1, keepdim=True).values

def f(log_likelihoods, content_free):
    return log_likelihoods.softmax(-1) / content_free.softmax(-1)

def f(log_likelihoods, content_free):
    return (log_likelihoods - content_free.exp()).softmax(-1)

def f(log_likelihoods, content_free):
    return (log_likelihoods - content_free / 2).softmax(-1)
""",
    "3.4": r"""
def f(shots, test_texts):
    known = [re.sub(r"[^a-z]", "", t.lower()) for t in test_texts]
    return [n for n, s in enumerate(shots) if re.sub(r"[^a-z]", "", s.lower()) in known]

def f(shots, test_texts):
    known = [re.sub(r"[^a-z0-9]", "", t.lower()) for t in test_texts]
    return [n for n, s in enumerate(shots) if re.sub(r"[^a-z0-9]", "", s.lower()) in known]

def f(shots, test_texts):
    known = [re.findall(r"[a-z]+", t.lower()) for t in test_texts]
    return [n for n, s in enumerate(shots) if re.findall(r"[a-z]+", s.lower()) in known]

def f(shots, test_texts):
    known = [set(re.findall(r"\w+", t.lower())) for t in test_texts]
    return [n for n, s in enumerate(shots) if set(re.findall(r"\w+", s.lower())) in known]

def f(shots, test_texts):
    known = [re.findall(r"\w+", t.lower()) for t in test_texts]
    return [shots.index(s) for s in shots if re.findall(r"\w+", s.lower()) in known]

def f(shots, test_texts):
    known = [re.findall(r"\w+", t) for t in test_texts]
    return [n for n, s in enumerate(shots) if re.findall(r"\w+", s) in known]

def f(shots, test_texts):
    known = [re.findall(r"\w+", t.lower()) for t in test_texts]
    return [n + 1 for n, s in enumerate(shots) if re.findall(r"\w+", s.lower()) in known]

def f(shots, test_texts):
    return [n for n, (s, t) in enumerate(zip(shots, test_texts)) if re.findall(r"\w+", s.lower()) == re.findall(r"\w+", t.lower())]

def f(shots, test_texts):
    everything = " ".join(re.findall(r"\w+", " ".join(test_texts).lower()))
    return [n for n, s in enumerate(shots) if " ".join(re.findall(r"\w+", s.lower())) in everything]

def f(shots, test_texts):
    known = [t.lower().rstrip(".!? ").split() for t in test_texts]
    return [n for n, s in enumerate(shots) if s.lower().rstrip(".!? ").split() in known]

def f(shots, test_texts):
    found = []
    for n, s in enumerate(shots):
        for t in test_texts:
            if re.findall(r"\w+", s.lower()) == re.findall(r"\w+", t.lower()):
                found.append(n)
    return found

def f(shots, test_texts):
    known = [re.findall(r"\w+", t.lower()) for t in test_texts]
    return [bool(re.findall(r"\w+", s.lower()) in known) for s in shots]

def f(shots, test_texts):
    known = [re.findall(r"\w+", t.lower())[:3] for t in test_texts]
    return [n for n, s in enumerate(shots) if re.findall(r"\w+", s.lower())[:3] in known]

def f(shots, test_texts):
    known = [re.findall(r"\w+", t.lower()) for t in test_texts]
    return sorted({n for n, s in enumerate(shots) if re.findall(r"\w+", s.lower()) in known}, reverse=True)

def f(shots, test_texts):
    w = lambda x: re.findall(r"[a-z0-9]+", x.lower())
    tests = [w(t) for t in test_texts]
    return [i for i, s in enumerate(shots) if w(s) in tests]

def f(shots, test_texts):
    n = lambda x: " ".join(re.findall(r"\w+", x.lower()))[:40]
    t = {n(x) for x in test_texts}
    return [i for i, s in enumerate(shots) if n(s) in t]
""",
    "3.5": """
def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        gone[name] = min(tokens, over)
        over -= gone[name]
        if over <= 0:
            break
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        if over >= 0:
            gone[name] = min(tokens, over)
            over -= tokens
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    gone = {}
    for name in sorted(parts, reverse=side == "right"):
        if over > 0:
            gone[name] = min(parts[name], over)
            over -= parts[name]
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        if over > 0:
            gone[name] = min(tokens, over)
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        if over > 0:
            gone[name] = over
            over -= tokens
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) - max_new_tokens - window
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        if over > 0:
            gone[name] = min(tokens, over)
            over -= tokens
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window + 1
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        if over > 0:
            gone[name] = min(tokens, over)
            over -= tokens
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    gone, names = {}, list(parts)
    while over > 0:
        name = names.pop(0 if side == "left" else -1)
        gone[name] = min(parts[name], over)
        over -= parts[name]
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    name = next(iter(parts)) if side == "left" else list(parts)[-1]
    return {name: min(parts[name], over)} if over > 0 else {}

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    gone = {}
    for name, tokens in parts.items() if side == "left" else reversed(list(parts.items())):
        if name == "instruction" or over <= 0:
            continue
        gone[name] = min(tokens, over)
        over -= tokens
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    by_length = {tokens: name for name, tokens in parts.items()}
    gone = {}
    for tokens in by_length if side == "left" else reversed(by_length):
        if over > 0:
            gone[by_length[tokens]] = min(tokens, over)
            over -= tokens
    return gone

def f(parts, max_new_tokens, window, side):
    over = sum(parts.values()) + max_new_tokens - window
    total = sum(parts.values())
    return {name: round(tokens / total * over) for name, tokens in parts.items()} if over > 0 else {}
""",
    "3.6": """
def f(lengths, fixed, max_new_tokens, window):
    n = 0
    while fixed + max_new_tokens + sum(lengths[: n + 1]) <= window:
        n += 1
        if n == len(lengths):
            break
    return n

def f(lengths, fixed, max_new_tokens, window):
    used, n = fixed + max_new_tokens, 0
    while used + lengths[n] <= window:
        used, n = used + lengths[n], n + 1
    return n

def f(lengths, fixed, max_new_tokens, window):
    used = fixed + max_new_tokens
    for n, length in enumerate(lengths):
        used += length
        if used > window:
            return n
    return n + 1

def f(lengths, fixed, max_new_tokens, window):
    used = fixed + max_new_tokens
    for n, length in enumerate(lengths):
        used += length
        if used > window:
            return n
    return 0

def f(lengths, fixed, max_new_tokens, window):
    used = fixed + max_new_tokens
    for n, length in enumerate(lengths):
        used += length
        if used > window:
            return n - 1
    return len(lengths)

def f(lengths, fixed, max_new_tokens, window):
    used, n = fixed + max_new_tokens, 0
    for length in sorted(lengths):
        used += length
        n += used <= window
    return n

def f(lengths, fixed, max_new_tokens, window):
    used, n = fixed + max_new_tokens, 0
    for length in reversed(lengths):
        used += length
        n += used <= window
    return n

def f(lengths, fixed, max_new_tokens, window):
    return sum(length <= window - fixed - max_new_tokens for length in lengths)

def f(lengths, fixed, max_new_tokens, window):
    used, n = 0, 0
    for length in lengths:
        used += length + fixed + max_new_tokens
        n += used <= window
    return n

def f(lengths, fixed, max_new_tokens, window):
    used, n = fixed - max_new_tokens, 0
    for length in lengths:
        used += length
        n += used <= window
    return n

def f(lengths, fixed, max_new_tokens, window):
    if fixed + max_new_tokens > window:
        return -1
    used, n = fixed + max_new_tokens, 0
    for length in lengths:
        used += length
        n += used <= window
    return n

def f(lengths, fixed, max_new_tokens, window):
    if not lengths:
        return 0
    room = window - fixed - max_new_tokens
    return max(0, min(len(lengths), int(room // (sum(lengths) / len(lengths)))))

def f(lengths, fixed, max_new_tokens, window):
    return next((n for n in range(len(lengths), 0, -1) if fixed + max_new_tokens + sum(lengths[:n]) < window), 0)
""",
    "3.7": r"""
def f(text):
    for m in re.finditer(r"\{(?:[^{}]|\{[^{}]*\})*\}", text):
        try:
            return json.loads(m[0])
        except ValueError:
            pass
    return {}

def f(text):
    for m in re.finditer("{", text):
        try:
            found = json.JSONDecoder().raw_decode(text, m.start())[0]
        except ValueError:
            continue
        if found:
            return found
    return {}

def f(text):
    for m in re.finditer("{", text):
        depth = 0
        for i in range(m.start(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[i], 0)
            if depth == 0:
                try:
                    return json.loads(text[m.start() : i + 1])
                except ValueError:
                    break
    return {}

def f(text):
    start, depth = text.find("{"), 0
    for i in range(max(start, 0), len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0 and start >= 0:
            try:
                return json.loads(text[start : i + 1])
            except ValueError:
                return {}
    return {}

def f(text):
    found = {}
    for m in re.finditer("{", text):
        try:
            found = json.JSONDecoder().raw_decode(text, m.start())[0]
        except ValueError:
            continue
    return found

def f(text):
    for m in re.finditer("{", text):
        for end in range(len(text), m.start(), -1):
            try:
                return json.loads(text[m.start() : end].replace("'", '"'))
            except ValueError:
                continue
    return {}

def f(text):
    for line in text.splitlines():
        for m in re.finditer("{", line):
            try:
                return json.JSONDecoder().raw_decode(line, m.start())[0]
            except ValueError:
                continue
    return {}

def f(text):
    for start in range(len(text)):
        try:
            return json.JSONDecoder().raw_decode(text, start)[0]
        except ValueError:
            continue
    return {}

def f(text):
    import ast
    for m in re.finditer(r"\{.*?\}", text, re.S):
        try:
            return ast.literal_eval(m[0])
        except (ValueError, SyntaxError):
            continue
    return {}

def f(text):
    for m in re.finditer("{", text):
        try:
            return json.JSONDecoder().raw_decode(text, m.start())
        except ValueError:
            continue
    return {}

def f(text):
    for m in re.finditer("{", text):
        try:
            return json.JSONDecoder().raw_decode(text, m.start())[0]
        except ValueError:
            return {}
    return {}

def f(text):
    pieces = re.findall(r"\{[^{}]*\}", text)
    for piece in pieces:
        try:
            return json.loads(piece)
        except ValueError:
            continue
    return {}

def f(text):
    m = re.search(r"```json(.*?)```", text, re.S)
    try:
        return json.loads(m[1] if m else text)
    except ValueError:
        return {}

def f(text):
    text = " ".join(text.split())
    for m in re.finditer("{", text):
        try:
            return json.JSONDecoder().raw_decode(text, m.start())[0]
        except ValueError:
            continue
    return {}
""",
    "3.8": r"""
def f(text):
    m = re.search(r"Answer:\s*(-?\d[\d,]*)", text)
    return m[1].replace(",", "") if m else ""

def f(text):
    m = re.search(r"Answer:\D*?(-?\d[\d,]*)", text)
    return m[1] if m else ""

def f(text):
    m = re.search(r"Answer:[^\d\n]*?(-?\d[\d,]*)", text)
    return m[1].replace(",", "") if m else ""

def f(text):
    m = re.search(r"Answer:\D*(-?\d[\d,]*)", text)
    return m[1].replace(",", "") if m else ""

def f(text):
    m = re.search(r"answer:\D*?(-?\d[\d,]*)", text, re.I)
    return m[1].replace(",", "") if m else ""

def f(text):
    m = re.findall(r"-?\d[\d,]*", text.split("Answer:")[-1])
    return m[0].replace(",", "") if m else ""

def f(text):
    m = re.findall(r"-?\d[\d,]*", text.partition("Answer:")[2])
    return m[-1].replace(",", "") if m else ""

def f(text):
    m = re.search(r"Answer:\D*?(-?\d[\d,]*)", text)
    return int(m[1].replace(",", "")) if m else ""

def f(text):
    m = re.search(r"Answer:\D*?(-?\d[\d,]*)", text)
    return m[1].replace(",", "") if m else None

def f(text):
    m = re.search(r"Answer\D*?(-?\d[\d,]*)", text)
    return m[1].replace(",", "") if m else ""

def f(text):
    m = re.search(r"Answer:\D*?(-?\d)", text)
    return m[1] if m else ""

def f(text):
    line = next((l for l in text.splitlines() if l.startswith("Answer:")), "")
    m = re.search(r"-?\d[\d,]*", line)
    return m[0].replace(",", "") if m else ""

def f(text):
    m = re.search(r"Answer:\D*?(-?\d[\d,]*)", text)
    return m[1].replace(",", "") or "" if m and m[1] != "0" else ""

def f(text):
    digits = "".join(c for c in text.partition("Answer:")[2].split("\n")[0] if c.isdigit() or c == "-")
    return digits

def f(text):
    m = re.search(r"Answer:[\s\S]*?(-?[\d,]+)", text)
    return m[1].replace(",", "") if m else ""

def f(text):
    m = re.search(r"Answer:\D*?(-?\d{1,3}(?:,\d{3})*)", text)
    return m[1].replace(",", "") if m else ""

def f(text):
    m = re.search(r"Answer:[^\d-]*(-?\d+)", text)
    return m[1] if m else ""

def f(text):
    m = re.search(r"Answer:[^\d]*?([+-]?\d[\d,]*)", text)
    return m[1].replace(",", "") if m else ""
""",
}
