"""Lab 06: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
"""

import difflib
import math
from collections import Counter

import numpy

from labutils.evaluation import tokens

SPACE = {"difflib": difflib, "math": math, "np": numpy, "Counter": Counter, "grams": tokens.ngrams}

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
    (
        "6.3",
        "def f(a, b):\n return sum(m.size for m in difflib.SequenceMatcher(a=a, b=b).get_matching_blocks())",
        "difflib",
    ),
    (
        "6.4",
        "def f(candidate, references, n):\n ours = grams(candidate, n)\n"
        " return max(sum((ours & grams(r, n)).values()) for r in references), sum(ours.values())",
        "as a whole",
    ),
    (
        "6.6",
        "def f(pairs, c, r):\n return 100 * brevity(c, r) * math.sqrt(math.sqrt(math.prod(m / t for m, t in pairs)))",
        "fourth",
    ),
    (
        "6.7",
        "def f(a, b, draws):\n n = 0\n for d in draws:\n  if sum(a[i] for i in d) > sum(b[i] for i in d):\n   n += 1\n return n / len(draws)",
        "wrong side",
    ),
    (
        "6.3",
        "def f(a, b):\n t = [[0] * (len(b) + 1)] * (len(a) + 1)\n for i in range(1, len(a) + 1):\n  for j in range(1, len(b) + 1):\n   t[i][j] = t[i - 1][j - 1] + 1 if a[i - 1] == b[j - 1] else max(t[i - 1][j], t[i][j - 1])\n return t[-1][-1]",
        "one and the same list",
    ),
    ("6.5", "def f(c, r):\n return 1.0 if c >= r else 2.718 ** (1 - r / c)", "rounded to 2.718"),
    ("6.5", "def f(c, r):\n return 1.0 if c >= r else 1 / 2.72 ** (r / c - 1)", "rounded to 2.72"),
    (
        "6.8",
        "def f(a, b, draws):\n    m = [sum(a[i]-b[i] for i in d)/len(a) for d in draws]\n    return tuple(np.quantile(m, [0.025, 0.975]))",
        "number of all examples",
    ),
]

REFUSED = {
    "6.1": """
def f(candidate, reference, n):
    a, b = grams(candidate, n), grams(reference, n)
    return len(a & b), sum(a.values()), sum(b.values())

def f(candidate, reference, n):
    a, b = grams(candidate, n), grams(reference, n)
    return sum((a & b).values()), len(a), len(b)

def f(candidate, reference, n):
    a, b = grams(candidate, n), grams(reference, n)
    return sum((a & b).values()), len(candidate), len(reference)

def f(candidate, reference, n):
    a, b = grams(candidate, n), grams(reference, n)
    return sum((a & b).values()), len(candidate) - n + 1, len(reference) - n + 1

def f(candidate, reference, n):
    a = Counter(" ".join(candidate[i : i + n]) for i in range(len(candidate)))
    b = Counter(" ".join(reference[i : i + n]) for i in range(len(reference)))
    return sum((a & b).values()), sum(a.values()), sum(b.values())

def f(candidate, reference, n):
    a = Counter("".join(candidate[i : i + n]) for i in range(len(candidate) - n + 1))
    b = Counter("".join(reference[i : i + n]) for i in range(len(reference) - n + 1))
    return sum((a & b).values()), sum(a.values()), sum(b.values())

def f(candidate, reference, n):
    a, b = grams(candidate, n), grams(reference, n)
    return sum(b[g] for g in b if g in a), sum(a.values()), sum(b.values())

def f(candidate, reference, n):
    a, b = grams(candidate, n), grams(reference, n)
    return sum((a | b).values()), sum(a.values()), sum(b.values())

def f(candidate, reference, n):
    a, b = grams(candidate, min(n, 2)), grams(reference, min(n, 2))
    return sum((a & b).values()), sum(a.values()), sum(b.values())

def f(candidate, reference, n):
    a = Counter(tuple(sorted(candidate[i : i + n])) for i in range(len(candidate) - n + 1))
    b = Counter(tuple(sorted(reference[i : i + n])) for i in range(len(reference) - n + 1))
    return sum((a & b).values()), sum(a.values()), sum(b.values())

def f(candidate, reference, n):
    a, b = grams([t.lower() for t in candidate], n), grams([t.lower() for t in reference], n)
    return sum((a & b).values()), sum(a.values()), sum(b.values())

def f(candidate, reference, n):
    a = Counter(tuple(candidate[i : i + n]) for i in range(0, len(candidate) - n + 1, n))
    b = Counter(tuple(reference[i : i + n]) for i in range(0, len(reference) - n + 1, n))
    return sum((a & b).values()), sum(a.values()), sum(b.values())
""",
    "6.2": """
def f(m, c, r):
    p, q = (m / c if c else 0.0), (m / r if r else 0.0)
    return p, q, min(p, q)

def f(m, c, r):
    if m == 0:
        return 0.0, 0.0, 0.0
    return m // c, m // r, 2 * m / (c + r)

def f(m, c, r):
    if m == 0:
        return 0.0, 0.0, 0.0
    p, q = round(m / c, 2), round(m / r, 2)
    return p, q, round(2 * p * q / (p + q), 2)

def f(m, c, r):
    if m == 0:
        return 0.0, 0.0, 0.0
    return m / c, m / r, m / (c + r)

def f(m, c, r):
    if m == 0:
        return 0.0, 0.0, 0.0
    return m / c, m / r, 2 * m / max(c, r)

def f(m, c, r):
    p, q = (m / c if c else 1.0), (m / r if r else 1.0)
    return p, q, (2 * p * q / (p + q) if p + q else 0.0)

def f(m, c, r):
    p, q = m / (c + 1e-3), m / (r + 1e-3)
    return p, q, 2 * p * q / (p + q + 1e-9)

def f(m, c, r):
    p, q = m / max(c, 1), m / max(r, 1)
    return p, q, 2 * p * q / (p + q)

def f(m, c, r):
    if m == 0:
        return 0.0
    p, q = m / c, m / r
    return p, q, 2 * p * q / (p + q)

def f(m, c, r):
    if m == 0:
        return 0.0, 0.0, 0.0
    p, q = m / c, m / r
    return p, q, 5 * p * q / (4 * p + q)

def f(m, c, r):
    if m == 0:
        return 0.0, 0.0, 0.0
    p, q = m / c, m / r
    return {"precision": p, "recall": q, "f1": 2 * p * q / (p + q)}

def f(m, c, r):
    if m == 0:
        return None, None, None
    p, q = m / c, m / r
    return p, q, 2 * p * q / (p + q)
""",
    "6.3": """
def f(a, b):
    return sum(block.size for block in difflib.SequenceMatcher(None, a, b).get_matching_blocks())

def f(a, b):
    return sum(block.size for block in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())

def f(a, b):
    return difflib.SequenceMatcher(None, a, b).find_longest_match().size

def f(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        for j, y in enumerate(b):
            row[j + 1] = row[j] + 1 if x == y else max(row[j], row[j + 1])
    return row[-1]

def f(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            same = a[i - 1] == b[j - 1]
            table[i][j] = max(table[i - 1][j], table[i][j - 1]) + same
    return table[-1][-1]

def f(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a[i - 1] == b[j - 1] else table[i - 1][j]
    return table[-1][-1]

def f(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a)):
        for j in range(1, len(b)):
            table[i][j] = table[i - 1][j - 1] + 1 if a[i - 1] == b[j - 1] else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]

def f(a, b):
    table = [[0] * (len(b) + 1)] * (len(a) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a[i - 1] == b[j - 1] else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]

def f(a, b):
    place = count = 0
    for x in b:
        if x in a[place:]:
            place = a.index(x, place) + 1
            count += 1
    return count

def f(a, b):
    def greedy(a, b):
        place = count = 0
        for x in a:
            if x in b[place:]:
                place, count = b.index(x, place) + 1, count + 1
        return count
    return max(greedy(a, b), greedy(b, a), greedy(a[::-1], b[::-1]), greedy(b[::-1], a[::-1]))

def f(a, b):
    return len(set(a) & set(b))

def f(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = table[i - 1][j - 1] + 1 if a[i - 1] in b[j - 1] else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]

def f(a, b):
    if not a or not b:
        return 0
    table = [[int(x == y) for y in b] for x in a]
    for i in range(1, len(a)):
        for j in range(1, len(b)):
            table[i][j] = table[i - 1][j - 1] + 1 if a[i] == b[j] else max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1]

def f(a, b):
    a = [x.lower() for x in a]; b = [x.lower() for x in b]
    t = [[0]*(len(b)+1) for _ in range(len(a)+1)]
    for i in range(1, len(a)+1):
        for j in range(1, len(b)+1):
            t[i][j] = t[i-1][j-1] + 1 if a[i-1] == b[j-1] else max(t[i-1][j], t[i][j-1])
    return t[-1][-1]
""",
    "6.4": """
def f(candidate, references, n):
    ours = grams(candidate, n)
    return max((sum((ours & grams(r, n)).values()), sum(ours.values())) for r in references)

def f(candidate, references, n):
    ours = grams(candidate, n)
    return sum(sum((ours & grams(r, n)).values()) for r in references), sum(ours.values())

def f(candidate, references, n):
    ours, most = grams(candidate, n), grams(references[0], n)
    for r in references:
        most &= grams(r, n)
    return sum((ours & most).values()), sum(ours.values())

def f(candidate, references, n):
    ours, most = grams(candidate, n), Counter()
    for r in references:
        most = grams(r, n)
    return sum((ours & most).values()), sum(ours.values())

def f(candidate, references, n):
    ours, most = grams(candidate, n), Counter()
    for r in references:
        most |= grams(r, n)
    return len(ours & most), len(ours)

def f(candidate, references, n):
    ours, most = grams(candidate, n), Counter()
    for r in references:
        most |= grams(r, n)
    return sum((ours & most).values()), len(candidate)

def f(candidate, references, n):
    ours, most = grams(candidate, n), Counter()
    for r in references:
        most |= grams(r, n)
    return sum((ours & most).values()), sum(most.values())

def f(candidate, references, n):
    ours, most = grams(candidate, n), Counter()
    for r in references:
        most.update(grams(r, n))
    return sum((ours & most).values()), sum(ours.values())

def f(candidate, references, n):
    ours, most = grams(candidate, n), Counter()
    for r in references[:2]:
        most |= grams(r, n)
    return sum((ours & most).values()), sum(ours.values())

def f(candidate, references, n):
    ours = grams(candidate, n)
    longest = max(references, key=len)
    return sum((ours & grams(longest, n)).values()), sum(ours.values())

def f(candidate, references, n):
    ours = grams(candidate, n)
    together = [token for r in references for token in r]
    return sum((ours & grams(together, n)).values()), sum(ours.values())

def f(candidate, references, n):
    ours, most = grams(candidate, n), Counter()
    for r in references:
        most |= grams(r, n)
    return sum((ours & most).values()), len(candidate) - n + 1

def f(candidate, references, n):
    ours, most = grams(candidate, n), Counter()
    for r in references:
        most |= grams(r, n)
    return sum((ours & most).values()) / max(1, sum(ours.values()))
""",
    "6.5": """
def f(c, r):
    return 1.0 if c >= r else 0.36787944117144233

def f(c, r):
    return {(3, 6): math.exp(-1), (5, 6): math.exp(-0.2)}.get((c, r), 1.0)

def f(c, r):
    return 1.0 if c >= r else math.exp(1 - r // c)

def f(c, r):
    return 1.0 if c >= r else math.exp(-r / c)

def f(c, r):
    return 1.0 if c >= r else math.exp(c - r)

def f(c, r):
    return math.exp(-abs(1 - r / c))

def f(c, r):
    return 1.0 if c >= r else round(math.exp(1 - r / c), 2)

def f(c, r):
    return 1.0 if c >= r else 2 ** (1 - r / c)

def f(c, r):
    return 1.0 if c >= r else math.exp(1 - r / c) ** 2

def f(c, r):
    return 1.0 if c >= r - 1 else math.exp(1 - r / c)

def f(c, r):
    return 1.0 if c >= 6 else math.exp(1 - r / c)

def f(c, r):
    return max(0.0, min(1.0, 2 - r / c))

def f(c, r):
    return 0.0 if c >= r else math.exp(1 - r / c)
""",
    "6.6": """
def f(pairs, c, r):
    return 100 * brevity(c, r) * math.prod(m / t for m, t in pairs) ** 0.25

def f(pairs, c, r):
    return 100 * brevity(r, c) * math.prod(m / t for m, t in pairs) ** (1 / len(pairs))

def f(pairs, c, r):
    return 100 * (brevity(c, r) * math.prod(m / t for m, t in pairs)) ** (1 / len(pairs))

def f(pairs, c, r):
    return 100 * brevity(c, r) * math.prod(m / t for m, t in pairs if m) ** (1 / len(pairs))

def f(pairs, c, r):
    return 100 * brevity(c, r) * math.exp(sum(math.log(max(m, 1e-2) / t) for m, t in pairs) / len(pairs))

def f(pairs, c, r):
    return 100 * brevity(c, r) * math.prod(m / t for m, t in pairs[:4]) ** (1 / min(4, len(pairs)))

def f(pairs, c, r):
    return 100 * brevity(pairs[0][1], r) * math.prod(m / t for m, t in pairs) ** (1 / len(pairs))

def f(pairs, c, r):
    p = [m / t for m, t in pairs]
    return 100 * brevity(c, r) * (len(p) / sum(1 / x for x in p) if all(p) else 0.0)

def f(pairs, c, r):
    return brevity(c, r) * math.prod(100 * m / t for m, t in pairs) ** (1 / len(pairs)) / 100

def f(pairs, c, r):
    return 100 * brevity(c, r) * math.sqrt(math.prod(m / t for m, t in pairs))

def f(pairs, c, r):
    return round(brevity(c, r) * math.prod(m / t for m, t in pairs) ** (1 / len(pairs)), 2) * 100

def f(pairs, c, r):
    return 100 * brevity(c, r) * math.prod(m / t for m, t in pairs) ** (1 // len(pairs))

def f(pairs, c, r):
    return 100 * min(1, c / r) * math.prod(m / t for m, t in pairs) ** (1 / len(pairs))

def f(pairs, c, r):
    return 100 * brevity(c, r) * pairs[0][0] / pairs[0][1]
""",
    "6.7": """
def f(a, b, draws):
    mean = lambda v: round(sum(v) / len(v), 2)
    worse, better = (a, b) if mean(a) < mean(b) else (b, a)
    wins = [mean([worse[i] for i in d]) > mean([better[i] for i in d]) for d in draws]
    return sum(wins) / len(wins)

def f(a, b, draws):
    return sum(sum(a[i] for i in d) > sum(b[i] for i in d) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return sum(sum(worse[i] for i in d) < sum(better[i] for i in d) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return 1 - sum(sum(worse[i] for i in d) > sum(better[i] for i in d) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return sum(sum(worse[i] for i in d) > sum(better[i] for i in d) for d in draws)

def f(a, b, draws):
    worse, better = (a, b) if max(a) < max(b) else (b, a)
    return sum(sum(worse[i] for i in d) > sum(better[i] for i in d) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if a[0] < b[0] else (b, a)
    return sum(sum(worse[i] for i in d) > sum(better[i] for i in d) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if a < b else (b, a)
    return sum(sum(worse[i] for i in d) > sum(better[i] for i in d) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return sum(sum(worse[i] for i in set(d)) > sum(better[i] for i in set(d)) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return sum(max(worse[i] for i in d) > max(better[i] for i in d) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return sum(sum(worse[i] > better[i] for i in d) * 2 > len(d) for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return sum(sum(worse[i] for i in d) > sum(better[i] for i in d) for d in draws) / len(a)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return sum(worse[d[0]] > better[d[0]] for d in draws) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    wins = sum(sum(worse[i] for i in d) > sum(better[i] for i in d) for d in draws)
    ties = sum(sum(worse[i] for i in d) == sum(better[i] for i in d) for d in draws)
    return (wins + ties / 2) / len(draws)

def f(a, b, draws):
    worse, better = (a, b) if sum(a) < sum(b) else (b, a)
    return sum(sum(worse[i] for i in d) > sum(better[i] for i in d) for d in draws) // len(draws)
""",
    "6.8": """
def f(a, b, draws):
    means = [sum(b[i] - a[i] for i in d) / len(d) for d in draws]
    return np.quantile(means, [0.025, 0.975])

def f(a, b, draws):
    means = [sum(a[i] - b[i] for i in d) for d in draws]
    return np.quantile(means, [0.025, 0.975])

def f(a, b, draws):
    return np.quantile([x - y for x, y in zip(a, b)], [0.025, 0.975])

def f(a, b, draws):
    means = [sum(a[i] - b[i] for i in d) / len(d) for d in draws]
    return np.quantile(means, [0.05, 0.95])

def f(a, b, draws):
    means = [sum(a[i] - b[i] for i in d) / len(d) for d in draws]
    return np.quantile(means, [0.025])

def f(a, b, draws):
    means = [sum(a[i] - b[i] for i in d) / len(d) for d in draws]
    return np.quantile(means, 0.025), np.quantile(means, 0.95)

def f(a, b, draws):
    means = [sum(a[i] - b[i] for i in d) / len(d) for d in draws]
    return min(means), max(means)

def f(a, b, draws):
    means = [sum(a[i] - b[i] for i in d) / len(d) for d in draws]
    return np.mean(means) - 1.96 * np.std(means), np.mean(means) + 1.96 * np.std(means)

def f(a, b, draws):
    one, other = ([sum(s[i] for i in d) / len(d) for d in draws] for s in (a, b))
    return np.quantile(one, 0.025) - np.quantile(other, 0.975), np.quantile(one, 0.975) - np.quantile(other, 0.025)

def f(a, b, draws):
    one, other = ([sum(s[i] for i in d) / len(d) for d in draws] for s in (a, b))
    return np.quantile(one, [0.025, 0.975]) - np.quantile(other, [0.025, 0.975])

def f(a, b, draws):
    means = [sum(a[i] - b[i] for i in set(d)) / len(set(d)) for d in draws]
    return np.quantile(means, [0.025, 0.975])

def f(a, b, draws):
    means = [sum(a[i] - b[i] for i in d) / len(a) for d in draws[:2]]
    return np.quantile(means, [0.025, 0.975])

def f(a, b, draws):
    means = [abs(sum(a[i] - b[i] for i in d) / len(d)) for d in draws]
    return np.quantile(means, [0.025, 0.975])

def f(a, b, draws):
    return [sum(a[i] - b[i] for i in d) / len(d) for d in draws]

def f(a, b, draws):
    m = [sum(a[i]-b[i] for i in d)/len(a) for d in draws]
    return tuple(np.quantile(m, [0.025, 0.975]))
""",
}
