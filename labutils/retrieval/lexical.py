"""BM25: passages ranked by the words that they share with a question, rare words counting more (lab 09).

The search engine built into SQLite (FTS5) is the reference: it is part of Python, needs no further package and ranks by the same formula.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence

from labutils.errors import LabError
from labutils.evaluation.tokens import tokenize
from labutils.retrieval.ranking import ranked
from labutils.validation import require_whole_number

K1, B = 1.2, 0.75  # SQLite's and Lucene's


def _require_counts(n: int, containing: int) -> None:
    require_whole_number("n", n, 0)
    require_whole_number("containing", containing, 0)
    if containing > n:
        raise LabError(f"{containing} passages cannot hold the word where there are {n}.")


def idf_lucene(n: int, containing: int) -> float:
    """How much a word says: ln(1 + (n - containing + 0.5) / (containing + 0.5)) for `containing` of n passages; never below 0.

    Source: Robertson and Zaragoza 2009, "The probabilistic relevance framework", section 3, with Lucene's 1 inside the logarithm.

    Raises:
        LabError: more passages with the word than there are, or a negative number.
    """
    _require_counts(n, containing)
    return math.log(1 + (n - containing + 0.5) / (containing + 0.5))


def idf_floored(n: int, containing: int) -> float:
    """The same without the 1, as SQLite has it: below 0 for a word of more than half of the passages, and then set to 1e-6.

    Raises:
        LabError: more passages with the word than there are, or a negative number.
    """
    _require_counts(n, containing)
    value = math.log((n - containing + 0.5) / (containing + 0.5))
    return value if value > 0 else 1e-6


class BM25:
    """An index of passages by their words.

    Args:
        texts: (N,) the passages.
        k1: how soon more of the same word stops counting; 0 means that once is enough.
        b: how much a long passage is discounted, 0 (not at all) to 1.
        idf: from (number of passages, passages with the word) to the word's weight.

    Raises:
        LabError: there are no texts.

    Source: Robertson and Zaragoza 2009, section 3. score = sum over the question's words of idf * f * (k1 + 1) /
    (f + k1 * (1 - b + b * length / mean length)), f being how often the word stands in the passage.

    Example: `BM25(["a red boat", "a blue cart"]).rank("boats and red carts")` is [0, 1]: only "red" is found.
    """

    def __init__(self, texts: Sequence[str], k1: float = K1, b: float = B, idf: Callable[[int, int], float] = idf_lucene) -> None:
        if isinstance(texts, str) or not texts:
            raise LabError("There are no passages to index: give a list of texts.")
        self.k1, self.b = k1, b
        self.counts = [Counter(tokenize(text)) for text in texts]
        self.lengths = [sum(counts.values()) for counts in self.counts]
        self.mean_length = sum(self.lengths) / len(self.lengths) or 1.0
        containing = Counter(word for counts in self.counts for word in counts)
        self.idf = {word: idf(len(texts), number) for word, number in containing.items()}

    def scores(self, question: str) -> list[float]:
        """One score per passage, (N,); a word of the question counts once, however often it is asked."""
        found = []
        for counts, length in zip(self.counts, self.lengths, strict=True):
            norm = self.k1 * (1 - self.b + self.b * length / self.mean_length)
            words = [word for word in dict.fromkeys(tokenize(question)) if word in counts]
            found.append(sum(self.idf[word] * counts[word] * (self.k1 + 1) / (counts[word] + norm) for word in words))
        return found

    def rank(self, question: str, k: int | None = None) -> list[int]:
        """The passages by their places in `texts`, best first; the first k of them."""
        return ranked(self.scores(question))[:k]


def sqlite_bm25(texts: Sequence[str], question: str) -> list[float]:
    """The scores (N,) that SQLite's search engine gives: `BM25(texts, idf=idf_floored)` with another program.

    Raises:
        LabError: this Python's SQLite was built without FTS5.

    Source: sqlite.org/fts5.html, "The bm25() function"; it returns the score times -1.
    """
    clean = [text.encode("utf-8", "replace").decode() for text in texts]  # half of a surrogate pair is no text to SQLite
    words = dict.fromkeys(tokenize(question))
    if not words:
        return [0.0] * len(texts)
    with sqlite3.connect(":memory:") as database:
        try:
            database.execute("create virtual table passages using fts5(body, tokenize = 'unicode61')")
        except sqlite3.OperationalError:
            raise LabError("This Python's SQLite has no FTS5: compare on another machine, or leave the comparison out.") from None
        database.executemany("insert into passages(rowid, body) values (?, ?)", enumerate(clean))
        query = " OR ".join(f'"{word}"' for word in words)
        rows = database.execute("select rowid, -bm25(passages) from passages where passages match ?", (query,)).fetchall()
    database.close()
    found = dict(rows)
    return [found.get(i, 0.0) for i in range(len(texts))]
