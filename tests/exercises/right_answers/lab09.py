"""Lab 09: unusual right answers, which must pass."""

import ast
import math
import operator
from collections import defaultdict
from fractions import Fraction

import torch

SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
SPACE = {
    "ast": ast,
    "math": math,
    "operator": operator,
    "defaultdict": defaultdict,
    "Fraction": Fraction,
    "torch": torch,
    "SIGNS": SIGNS,
}

ACCEPTED = {
    "9.1": """
def f(n, containing):
    return math.log((n + 1) / (containing + 0.5))

def f(n, containing):
    return math.log1p((n - containing + 0.5) / (containing + 0.5))

def f(n, containing):
    return float(torch.tensor(1 + (n - containing + 0.5) / (containing + 0.5), dtype=torch.float64).log())
""",
    "9.2": """
def f(count, length, mean_length, k1=1.2, b=0.75):
    if count == 0:
        return 0.0
    return (k1 + 1) / (1 + k1 * (1 + b * (length / mean_length - 1)) / count)
""",
    "9.3": """
def f(hidden_states, attention_mask):
    rows = [states[mask.bool()].mean(dim=0) for states, mask in zip(hidden_states, attention_mask)]
    return torch.stack(rows)

def f(hidden_states, attention_mask):
    weights = attention_mask / attention_mask.sum(dim=1, keepdim=True)
    return torch.einsum("bth,bt->bh", hidden_states, weights.to(hidden_states.dtype))
""",
    "9.4": """
def f(query, vectors):
    return torch.cosine_similarity(query[None], vectors, dim=-1)

def f(query, vectors):
    return torch.nn.functional.normalize(vectors, dim=-1) @ torch.nn.functional.normalize(query, dim=0)

def f(query, vectors):
    return torch.stack([(v * query).sum() / ((v * v).sum() * (query * query).sum()).sqrt() for v in vectors])
""",
    "9.5": """
def f(ranking, gold, k):
    return sum(passage in ranking[:k] for passage in gold) / len(gold)

def f(ranking, gold, k):
    found = 0
    for place, passage in enumerate(ranking):
        if place < k and passage in gold:
            found += 1
    return found / len(gold)
""",
    "9.6": """
def f(ranking, gold):
    return next((1 / (i + 1) for i, passage in enumerate(ranking) if passage in gold), 0)

def f(ranking, gold):
    return max([1 / (ranking.index(passage) + 1) for passage in gold if passage in ranking], default=0.0)
""",
    "9.7": """
def f(rankings, constant=60):
    scores = defaultdict(float)
    for ranking in rankings:
        for i in range(len(ranking)):
            scores[ranking[i]] += 1 / (constant + 1 + i)
    return scores

def f(rankings, constant=60):
    everything = {passage for ranking in rankings for passage in ranking}
    return {p: sum(1 / (constant + r.index(p) + 1) for r in rankings if p in r) for p in everything}
""",
    "9.8": """
def f(expression):
    def walk(node):
        match node:
            case ast.Constant(value=v) if type(v) in (int, float):
                return float(v)
            case ast.BinOp(left=a, op=op, right=b):
                return SIGNS[type(op)](walk(a), walk(b))
            case ast.UnaryOp(op=ast.USub(), operand=a):
                return -walk(a)
        raise ValueError
    try:
        return walk(ast.parse(expression, mode="eval").body)
    except Exception:
        return "refused"
""",
}
