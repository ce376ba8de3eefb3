"""Lab 06: unusual right answers, which must pass."""

import functools
import math
import statistics
from collections import Counter

import numpy

SPACE = {"functools": functools, "math": math, "statistics": statistics, "Counter": Counter, "numpy": numpy}

ACCEPTED = {
    "6.1": """
def f(candidate, reference, n):
    ours = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1)]
    theirs = [tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)]
    left, shared = list(theirs), 0
    for gram in ours:
        if gram in left:
            left.remove(gram)
            shared += 1
    return shared, len(ours), len(theirs)

def f(candidate, reference, n):
    a, b = grams(candidate, n), grams(reference, n)
    return sum(min(a[g], b[g]) for g in a), max(0, len(candidate) - n + 1), max(0, len(reference) - n + 1)

def f(candidate, reference, n):
    a, b = grams(candidate, n), grams(reference, n)
    missing = a - b
    return a.total() - missing.total(), a.total(), b.total()
""",
    "6.2": """
def f(m, c, r):
    precision, recall = m / max(c, 1), m / max(r, 1)
    return precision, recall, 2 * m / max(c + r, 1)

def f(m, c, r):
    if not m:
        return 0, 0, 0
    return m / c, m / r, statistics.harmonic_mean([m / c, m / r])

def f(m, c, r):
    try:
        p, q = numpy.float64(m / c), numpy.float64(m / r)
        return p, q, 2 / (1 / p + 1 / q) if m else 0.0
    except ZeroDivisionError:
        return 0.0, 0.0, 0.0
""",
    "6.3": """
def f(a, b):
    @functools.cache
    def longest(i, j):
        if i == len(a) or j == len(b):
            return 0
        if a[i] == b[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    return longest(0, 0)

def f(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        corner = 0
        for j, y in enumerate(b, 1):
            corner, row[j] = row[j], corner + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]

def f(a, b):
    places = {}
    for j, word in enumerate(b):
        places.setdefault(word, []).append(j)
    ends = []  # the smallest last place of an increasing sequence of each length
    for word in a:
        for j in reversed(places.get(word, [])):
            k = next((k for k, end in enumerate(ends) if end >= j), len(ends))
            ends[k : k + 1] = [j]
    return len(ends)

def f(a, b):
    table = numpy.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1, j + 1] = max(table[i, j] + (x == y), table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])
""",
    "6.4": """
def f(candidate, references, n):
    ours = grams(candidate, n)
    theirs = [grams(r, n) for r in references]
    return sum(min(count, max(t[g] for t in theirs)) for g, count in ours.items()), ours.total()

def f(candidate, references, n):
    ours = grams(candidate, n)
    most = functools.reduce(lambda a, b: a | b, (grams(r, n) for r in references))
    return (ours & most).total(), max(len(candidate) - n + 1, 0)

def f(candidate, references, n):
    left = grams(candidate, n)
    total = left.total()
    covered = Counter()
    for r in references:
        covered |= left & grams(r, n)
    return sum(covered.values()), total
""",
    "6.5": """
def f(c, r):
    return min(1.0, math.exp(1 - r / c))

def f(c, r):
    return numpy.exp(min(0, 1 - r / c))

def f(c, r):
    return 1 if r <= c else math.e ** ((c - r) / c)
""",
    "6.6": """
def f(pairs, c, r):
    if any(m == 0 for m, _ in pairs):
        return 0
    return 100 * brevity(c, r) * math.exp(sum(math.log(m / t) for m, t in pairs) / len(pairs))

def f(pairs, c, r):
    product = math.prod(m for m, _ in pairs) / math.prod(t for _, t in pairs)
    return 100 * math.exp(min(0.0, 1 - r / c)) * product ** (1 / len(pairs))

def f(pairs, c, r):
    score = 100 * brevity(c, r)
    for m, t in pairs:
        score *= (m / t) ** (1 / len(pairs))
    return numpy.float64(score)
""",
    "6.7": """
def f(a, b, draws):
    if statistics.fmean(a) > statistics.fmean(b):
        a, b = b, a
    return statistics.fmean(statistics.fmean(a[i] for i in d) > statistics.fmean(b[i] for i in d) for d in draws)

def f(a, b, draws):
    gaps = numpy.array(a) - numpy.array(b)
    sign = -1 if gaps.sum() > 0 else 1
    return float(numpy.mean([sign * gaps[list(d)].sum() > 0 for d in draws]))

def f(a, b, draws):
    overall, upsets = sum(a) - sum(b), 0
    for d in draws:
        upsets += (sum(a[i] for i in d) - sum(b[i] for i in d)) * overall < 0
    return upsets / len(draws)
""",
    "6.8": """
def f(a, b, draws):
    gaps = numpy.array(a) - numpy.array(b)
    return tuple(numpy.quantile([gaps[d].mean() for d in draws], [0.025, 0.975]))

def f(a, b, draws):
    means = [statistics.fmean(a[i] for i in d) - statistics.fmean(b[i] for i in d) for d in draws]
    return numpy.percentile(means, 2.5), numpy.percentile(means, 97.5)

def f(a, b, draws):
    means = torch.tensor([sum(a[i] - b[i] for i in d) / len(d) for d in draws], dtype=torch.float64)
    return tuple(torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist())
""",
}
