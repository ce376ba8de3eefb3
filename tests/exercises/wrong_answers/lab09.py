"""Lab 09: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
"""

import ast
import math
import operator

import torch

SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
SPACE = {"ast": ast, "math": math, "operator": operator, "torch": torch, "SIGNS": SIGNS}

TYPED = [
    ("9.1", "def f(n, containing):\n return 1 + (n - containing + 0.5) / (containing + 0.5)", "logarithm is missing"),
    ("9.1", "def f(n, containing):\n return math.log((n - containing + 0.5) / (containing + 0.5))", "The 1 inside"),
    ("9.1", "def f(n, containing):\n return math.log(1 + (containing + 0.5) / (n - containing + 0.5))", "upside down"),
    ("9.1", "def f(n, containing):\n return math.log10(1 + (n - containing + 0.5) / (containing + 0.5))", "natural"),
    ("9.2", "def f(c, l, m, k1=1.2, b=0.75):\n n = 1 - b + b * m / l\n return c * (k1 + 1) / (c + k1 * n)", "inverted"),
    ("9.2", "def f(c, l, m, k1=1.2, b=0.75):\n n = 1 - b + b * l / m\n return c / (c + k1 * n)", "k1 + 1"),
    ("9.2", "def f(c, l, m, k1=1.2, b=0.75):\n n = l / m\n return c * (k1 + 1) / (c + k1 * n)", "b is not used"),
    ("9.3", "def f(h, m):\n return h.mean(dim=1)", "padding"),
    ("9.3", "def f(h, m):\n return (h * m.unsqueeze(-1)).sum(1) / h.shape[1]", "counted"),
    ("9.3", "def f(h, m):\n return h[:, 0, :]", "first token"),
    ("9.4", "def f(q, v):\n return v @ q", "lengths"),
    ("9.4", "def f(q, v):\n return (v @ q) / (v.norm() * q.norm())", "each row"),
    ("9.4", "def f(q, v):\n return (v @ q) / q.norm()", "query's length"),
    ("9.5", "def f(ranking, gold, k):\n return len([p for p in ranking[:k] if p in gold]) / k", "precision"),
    ("9.5", "def f(ranking, gold, k):\n return float(any(p in gold for p in ranking[:k]))", "share of them"),
    ("9.5", "def f(ranking, gold, k):\n return len(set(ranking[:k + 1]) & set(gold)) / len(gold)", "k + 1"),
    (
        "9.6",
        "def f(ranking, gold):\n for i, p in enumerate(ranking):\n  if p in gold:\n   return 1 / (i + 2)\n return 0.0",
        "too large",
    ),
    (
        "9.6",
        "def f(ranking, gold):\n for i, p in enumerate(ranking):\n  if p in gold:\n   return 1 / i\n return 0.0",
        "from 0",
    ),
    (
        "9.6",
        "def f(ranking, gold):\n for i, p in enumerate(ranking, 1):\n  if p in gold:\n   return 1 / i",
        "None",
    ),
    (
        "9.7",
        "def f(rankings, constant=60):\n s = {}\n for r in rankings:\n  for i, p in enumerate(r):\n"
        "   s[p] = s.get(p, 0) + 1 / (constant + i)\n return s",
        "from 0",
    ),
    (
        "9.7",
        "def f(rankings, constant=60):\n s = {}\n for r in rankings:\n  for i, p in enumerate(r, 1):\n"
        "   s[p] = 1 / (constant + i)\n return s",
        "overwrites",
    ),
    ("9.8", "def f(e):\n try:\n  return float(eval(e))\n except Exception:\n  return 'refused'", "eval"),
    (
        "9.8",
        "def f(e):\n def v(n):\n  if isinstance(n, ast.Constant):\n   return float(n.value)\n  if isinstance(n, ast.BinOp):\n"
        "   return SIGNS[type(n.op)](v(n.left), v(n.right))\n  raise ValueError\n"
        " try:\n  return v(ast.parse(e, mode='eval').body)\n except Exception:\n  return 'refused'",
        "",
    ),
    ("9.1", "def f(n, containing):\n    return math.log((n - containing + 1) / (containing + 1) + 1)", "half of one"),
    ("9.1", "def f(n, containing):\n    return math.log((n + 0.5) / (containing + 0.5) + 1)", "all n passages"),
    (
        "9.1",
        "def f(n, containing):\n    return math.log((n - containing) / (containing + 0.5) + 1)",
        "(n + 0.5) / (containing + 0.5)",
    ),
    ("9.1", "def f(n, containing):\n    return math.log(n / containing) if containing else 0.0", "log(n / containing)"),
    (
        "9.2",
        "def f(count, length, mean_length, k1=1.2, b=0.75):\n"
        "    return count * (k1 + 1) / (count + k1 * 1 - b + b * length / mean_length)",
        "only the 1",
    ),
    (
        "9.2",
        "def f(count, length, mean_length, k1=1.2, b=0.75):\n"
        "    return count * (k1 + 1) / count + k1 * (1 - b + b * length / mean_length)",
        "denominator in brackets",
    ),
    (
        "9.2",
        "def f(count, length, mean_length, k1=1.2, b=0.75):\n"
        "    return count * (k1 + 1) / (count + k1 * (b + (1 - b) * length / mean_length))",
        "exchanged",
    ),
    (
        "9.3",
        "def f(hidden_states, attention_mask):\n    mask = attention_mask.unsqueeze(-1)\n"
        "    return (hidden_states * mask).sum(1) / mask.sum()",
        "whole batch",
    ),
    (
        "9.3",
        "def f(hidden_states, attention_mask):\n    return hidden_states.sum(1) / attention_mask.sum(1, keepdim=True)",
        "mask first",
    ),
    (
        "9.3",
        "def f(hidden_states, attention_mask):\n"
        "    return torch.stack([h[: int(m.sum())].mean(0) for h, m in zip(hidden_states, attention_mask)])",
        "on the left",
    ),
    ("9.4", "def f(query, vectors):\n    return vectors @ query / vectors.norm(dim=1) * query.norm()", "multiplies by b"),
    ("9.4", "def f(query, vectors):\n    return 1 - vectors @ query / (vectors.norm(dim=1) * query.norm())", "one minus"),
    ("9.4", "def f(query, vectors):\n    return (vectors @ query / (vectors.norm(dim=1) * query.norm())).abs()", "sign is lost"),
    ("9.5", "def f(ranking, gold, k):\n    return sum(p in gold for p in ranking[:k]) // len(gold)", "//"),
    ("9.6", "def f(ranking, gold):\n    return sum(1 / i for i, p in enumerate(ranking, 1) if p in gold)", "adds up"),
    (
        "9.6",
        "def f(ranking, gold):\n    for i, p in enumerate(ranking, 1):\n        if p in gold:\n"
        "            return 1 / i\n        else:\n            return 0.0",
        "behind the loop",
    ),
    (
        "9.6",
        "def f(ranking, gold):\n    g = list(gold)[0]\n    return 1 / (ranking.index(g) + 1) if g in ranking else 0.0",
        "any gold passage will do",
    ),
    (
        "9.6",
        "def f(ranking, gold):\n    for i, p in enumerate(ranking[:10], 1):\n        if p in gold: return 1 / i\n    return 0.0",
        "however long",
    ),
    (
        "9.7",
        "def f(rankings, constant=60):\n    scores = {}\n    for r in rankings:\n"
        "        for i, p in enumerate(r, 1):\n            scores[p] = scores.get(p, 0) + 1 / (60 + i)\n"
        "    return scores",
        "whatever `constant`",
    ),
    (
        "9.7",
        "def f(rankings, constant=60):\n    scores = {}\n    for r in rankings:\n"
        "        for i, p in enumerate(r, 1):\n            scores[p] = scores.get(p, 0) + 1 / constant + i\n"
        "    return scores",
        "divides first",
    ),
    (
        "9.7",
        "def f(rankings, constant=60):\n    scores = {}\n    for r in rankings:\n"
        "        for i, p in enumerate(r, 1):\n            scores.setdefault(p, 1 / (constant + i))\n"
        "    return scores",
        "got first",
    ),
    (
        "9.7",
        "def f(rankings, constant=60):\n    for r in rankings:\n        scores = {}\n"
        "        for i, p in enumerate(r, 1):\n            scores[p] = scores.get(p, 0) + 1 / (constant + i)\n"
        "    return scores",
        "before the loop",
    ),
    (
        "9.8",
        'def f(expression):\n    try: return float(eval(expression, {"__builtins__": {}}, {}))\n'
        '    except Exception: return "refused"',
        "Taking away the names",
    ),
    (
        "9.8",
        "def f(expression):\n    def value(n):\n"
        "        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value\n"
        "        if isinstance(n, ast.BinOp): return {**SIGNS, ast.FloorDiv: operator.floordiv}[type(n.op)](value(n.left), value(n.right))\n"
        "        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)\n"
        '        raise ValueError\n    try: return float(value(ast.parse(expression, mode="eval").body))\n'
        '    except Exception: return "refused"',
        "whole quotients",
    ),
    (
        "9.8",
        "def f(expression):\n    def value(n):\n"
        "        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value\n"
        "        if isinstance(n, ast.BinOp): return {**SIGNS, ast.Mod: operator.mod}[type(n.op)](value(n.left), value(n.right))\n"
        "        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)\n"
        '        raise ValueError\n    try: return float(value(ast.parse(expression, mode="eval").body))\n'
        '    except Exception: return "refused"',
        "remainders",
    ),
    (
        "9.8",
        "def f(expression):\n    def value(n):\n"
        "        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value\n"
        "        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)\n"
        "        if isinstance(n, ast.BinOp):\n            a, b = value(n.left), value(n.right)\n"
        "            if isinstance(n.op, ast.Add): return a + b\n"
        "            if isinstance(n.op, ast.Sub): return a - b\n"
        "            if isinstance(n.op, ast.Mult): return a * b\n            return a / b\n"
        '        raise ValueError\n    try: return float(value(ast.parse(expression, mode="eval").body))\n'
        '    except Exception: return "refused"',
        "every sign",
    ),
    (
        "9.8",
        "def f(expression):\n    def value(n):\n"
        "        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value\n"
        "        if isinstance(n, ast.BinOp): return SIGNS[type(n.op)](value(n.left), value(n.right))\n"
        "        if isinstance(n, ast.UnaryOp): return -value(n.operand)\n        raise ValueError\n"
        '    try: return float(value(ast.parse(expression, mode="eval").body))\n'
        '    except Exception: return "refused"',
        "every unary",
    ),
    (
        "9.8",
        "def f(expression):\n    def value(n):\n"
        "        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value\n"
        "        if isinstance(n, ast.BinOp): return SIGNS[type(n.op)](value(n.left), value(n.right))\n"
        "        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub) and isinstance(n.operand, ast.Constant): return -n.operand.value\n"
        '        raise ValueError\n    try: return float(value(ast.parse(expression, mode="eval").body))\n'
        '    except Exception: return "refused"',
        "before a bracket",
    ),
    (
        "9.8",
        "def f(expression):\n    def value(n):\n        if isinstance(n, ast.Constant): return float(n.value)\n"
        "        if isinstance(n, ast.BinOp): return SIGNS[type(n.op)](value(n.left), value(n.right))\n"
        "        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)\n"
        '        raise ValueError\n    try: return float(value(ast.parse(expression, mode="eval").body))\n'
        '    except Exception: return "refused"',
        "number of a text",
    ),
    (
        "9.8",
        "def f(expression):\n    def value(n):\n"
        "        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value\n"
        "        if isinstance(n, ast.Name): return getattr(math, n.id)\n"
        "        if isinstance(n, ast.BinOp): return SIGNS[type(n.op)](value(n.left), value(n.right))\n"
        "        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)\n"
        '        raise ValueError\n    try: return float(value(ast.parse(expression, mode="eval").body))\n'
        '    except Exception: return "refused"',
        "looked up",
    ),
    (
        "9.6",
        "def f(ranking, gold):\n    for i, p in enumerate(ranking, 1):\n        if p in gold:\n            return 1 // i\n    return 0",
        "with `/`",
    ),
]

REFUSED = {
    "9.1": """
def f(n, containing):
    return math.log(n / max(containing, 1))

def f(n, containing):
    return math.log(1 + n / (containing + 0.5))

def f(n, containing):
    return math.log(1 + (n - containing + 0.5) / (containing + 0.5)) if containing else 0.0
""",
    "9.2": """
def f(c, l, m, k1=1.2, b=0.75):
    return c

def f(c, l, m, k1=1.2, b=0.75):
    return c * 2.2 / (c + 1.2 * (0.25 + 0.75 * l / m))
""",
    "9.3": """
def f(h, m):
    return h.sum(1) / m.sum(1, keepdim=True)

def f(h, m):
    return (h * m.unsqueeze(-1)).sum(1) / m.sum()
""",
    "9.4": """
def f(q, v):
    return (v @ q).softmax(0)

def f(q, v):
    return 1 - (v @ q) / (v.norm(dim=-1) * q.norm())
""",
    "9.5": """
def f(ranking, gold, k):
    return len(set(ranking[:k]) & set(gold)) / max(k, len(gold))

def f(ranking, gold, k):
    return 1.0
""",
    "9.6": """
def f(ranking, gold):
    return 1 / (ranking.index(gold[0]) + 1) if gold[0] in ranking else 0.0

def f(ranking, gold):
    return 1.0 if ranking[0] in gold else 0.0

def f(ranking, gold):
    for i, p in enumerate(ranking[:20], 1):
        if p in gold: return 1 / i
    return 0.0
""",
    "9.7": """
def f(rankings, constant=60):
    return {p: 1 / (60 + i) for i, p in enumerate(rankings[0], 1)}

def f(rankings, constant=60):
    s = {}
    for r in rankings:
        for i, p in enumerate(r, 1):
            s[p] = s.get(p, 0) + 1 / (60 + i)
    return s

def f(rankings, constant=0):
    s = {}
    for r in rankings:
        for i, p in enumerate(r, 1):
            s[p] = s.get(p, 0) + 1 / (constant + i)
    return s
""",
    "9.8": """
def f(e):
    return float(eval(e)) if set(e) <= set("0123456789.+-*/() ") else "refused"

def f(e):
    return "refused"

def f(e):
    try:
        return float(ast.literal_eval(e))
    except Exception:
        return "refused"

def f(expression):
    def value(n):
        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value
        if isinstance(n, ast.BinOp): return {**SIGNS, ast.BitXor: operator.xor}[type(n.op)](value(n.left), value(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)
        raise ValueError
    try: return float(value(ast.parse(expression, mode="eval").body))
    except Exception: return "refused"

def f(expression):
    def value(n):
        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value
        if isinstance(n, ast.BinOp): return {**SIGNS, ast.LShift: operator.lshift, ast.MatMult: operator.mul}[type(n.op)](value(n.left), value(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)
        raise ValueError
    try: return float(value(ast.parse(expression, mode="eval").body))
    except Exception: return "refused"

def f(expression):
    def value(n):
        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value
        if isinstance(n, ast.BinOp): return SIGNS[type(n.op)](value(n.left), value(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)
        raise ValueError
    try: return round(float(value(ast.parse(expression, mode="eval").body)), 2)
    except Exception: return "refused"

def f(expression):
    def value(n):
        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value
        if isinstance(n, ast.BinOp): return SIGNS[type(n.op)](value(n.left), value(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)
        raise ValueError
    try: return float(value(ast.parse(expression).body[-1].value))
    except Exception: return "refused"

def f(expression):
    def value(n):
        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value
        if isinstance(n, (ast.Tuple, ast.List)): return value(n.elts[0])
        if isinstance(n, ast.BinOp): return SIGNS[type(n.op)](value(n.left), value(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)
        raise ValueError
    try: return float(value(ast.parse(expression, mode="eval").body))
    except Exception: return "refused"

def f(expression):
    def value(n):
        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value
        if isinstance(n, ast.BoolOp): return value(n.values[-1])
        if isinstance(n, ast.BinOp): return SIGNS[type(n.op)](value(n.left), value(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)
        raise ValueError
    try: return float(value(ast.parse(expression, mode="eval").body))
    except Exception: return "refused"

def f(expression):
    def value(n):
        if isinstance(n, ast.Constant) and type(n.value) in (int, float): return n.value
        if isinstance(n, ast.BinOp): return {**SIGNS, ast.Div: lambda a, b: a / b if b else 0.0}[type(n.op)](value(n.left), value(n.right))
        if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub): return -value(n.operand)
        raise ValueError
    try: return float(value(ast.parse(expression, mode="eval").body))
    except Exception: return "refused"
""",
}
