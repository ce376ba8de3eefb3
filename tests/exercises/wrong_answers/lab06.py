"""Lab 06: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold).
"""

import math
from collections import Counter

from labutils.evaluation import tokens

SPACE = {"math": math, "Counter": Counter, "grams": tokens.ngrams}

TYPED = [
    (
        "6.1",
        "def f(candidate, reference, n):\n a, b = grams(candidate, n), grams(reference, n)\n"
        " return sum(a[g] for g in a if g in b), sum(a.values()), sum(b.values())",
        "Clipping",
    ),
    (
        "6.1",
        "def f(candidate, reference, n):\n a, b = grams(candidate, n), grams(reference, n)\n"
        " return sum(min(a[g], b[g]) for g in a), sum(b.values()), sum(a.values())",
        "exchanged",
    ),
    (
        "6.1",
        "def f(candidate, reference, n):\n return len(set(candidate) & set(reference)), len(candidate), len(reference)",
        "expected (2, 7, 6)",
    ),
    (
        "6.2",
        "def f(m, c, r):\n p, q = (m / r if r else 0.0), (m / c if c else 0.0)\n return p, q, (2 * p * q / (p + q) if m else 0.0)",
        "recall divides by the reference's",
    ),
    ("6.2", "def f(m, c, r):\n p, q = m / max(c, 1), m / max(r, 1)\n return p, q, (p + q) / 2", "harmonic"),
    ("6.2", "def f(m, c, r):\n p, q = m / c, m / r\n return p, q, 2 * p * q / (p + q)", "ZeroDivisionError"),
    (
        "6.3",
        "def f(a, b):\n best = 0\n for i in range(len(a)):\n  for j in range(len(b)):\n   k = 0\n"
        "   while i + k < len(a) and j + k < len(b) and a[i + k] == b[j + k]:\n    k += 1\n   best = max(best, k)\n return best",
        "substring",
    ),
    ("6.3", "def f(a, b):\n return sum((Counter(a) & Counter(b)).values())", "order"),
    (
        "6.4",
        "def f(candidate, references, n):\n most = Counter()\n for r in references:\n  most += grams(r, n)\n"
        " return sum((grams(candidate, n) & most).values()), max(0, len(candidate) - n + 1)",
        "sum over the references",
    ),
    (
        "6.4",
        "def f(candidate, references, n):\n g = grams(candidate, n)\n return sum((g & grams(references[0], n)).values()), sum(g.values())",
        "first reference",
    ),
    ("6.5", "def f(c, r):\n return 1.0 if c < r else math.exp(1 - c / r)", "inverted"),
    ("6.5", "def f(c, r):\n return min(1, math.exp(1 - c / r))", "expected"),
    ("6.5", "def f(c, r):\n return c / r if c < r else 1.0", "plain ratio"),
    ("6.6", "def f(pairs, c, r):\n return 100 * brevity(c, r) * sum(m / t for m, t in pairs) / 4", "plain average"),
    ("6.6", "def f(pairs, c, r):\n return 100 * math.prod(m / t for m, t in pairs) ** 0.25", "penalty is missing"),
    (
        "6.6",
        "def f(pairs, c, r):\n return 100 * brevity(c, r) * math.exp(sum(math.log(m / t) for m, t in pairs) / 4)",
        "ValueError",
    ),
    (
        "6.7",
        "def f(a, b, draws):\n return sum(sum(a[i] for i in d) < sum(b[i] for i in d) for d in draws) / len(draws)",
        "not always the worse one",
    ),
    (
        "6.7",
        "def f(a, b, draws):\n if sum(a) > sum(b):\n  a, b = b, a\n return sum(sum(a[i] - b[i] for i in d) >= 0 for d in draws) / len(draws)",
        "tie",
    ),
]
