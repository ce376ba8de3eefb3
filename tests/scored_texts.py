"""Texts to score: random ones that reach the odd corners of tokenizers, and the course's own translations and summaries."""

from __future__ import annotations

import json
import random

from paths import DATA

TOLERANCE = 1e-9  # between a score and the reference program's
# What a random text is made of. The first list has few words, so that n-grams match, and inflected ones, so that stems do.
PLAIN = [
    "the",
    "the",
    "the",
    "cat",
    "cats",
    "sat",
    "sitting",
    "on",
    "a",
    "mat",
    "generally",
    "generalization",
    "universities",
    "university",
    "running",
    "runs",
    "3",
    "12",
]
ODD = [
    *("The", "CAT", "don't", "well-known", "3,000.50", "1.5", "U.S.", "e.g.", "co2", "x_1", "99%", "a/b", "(b)", "[c]", "10-20"),
    *("café", "cafe\u0301", "naïve", "Ångström", "İstanbul", "straße", "ﬁne", "Ⅷ", "½", "٣", "привет", "γειά"),
    *("สวัสดี", "ครับ", "你好", "世界", "こんにちは", "안녕", "नमस्ते", "🙂", "👍🏽", "👨‍👩‍👧", "🇹🇭", "1️⃣"),
    *(
        ".",
        ",",
        "!",
        "...",
        "?!",
        "-",
        "—",
        "“",
        "”",
        "''",
        '"',
        "&quot;",
        "&amp;",
        "&lt;b&gt;",
        "&",
        "<skipped>",
        "$",
        "#",
        "~",
        "\\n",
    ),
]
SPACES = [*[" "] * 12, "  ", "\t", "\n", "\n\n", "\r\n", "-\n", "\u00a0", "\u3000", "\u2028", "\x0b", ""]
EDGES = [
    "",
    " ",
    "\n",
    "\n\n",
    "cat",
    "Cat ",
    "cat\n",
    "the the the the",
    "...",
    "?!\n--",
    "café",
    "สวัสดี",
    "🙂 🙂",
    "\u200d",
    "\x00",
    "a\n\nb\n",
]


def random_text(rng: random.Random) -> str:
    """Up to 24 pieces: plain words, odd ones or both, with blanks of all kinds; now and then an edge case."""
    kind = rng.random()
    if kind < 0.04:
        return rng.choice(EDGES)
    pool = PLAIN if kind < 0.45 else PLAIN + ODD if kind < 0.9 else ODD
    if kind < 0.1:
        pool = pool[:1] + pool[-1:]  # little but repetition
    return "".join(rng.choice(pool) + rng.choice(SPACES) for _ in range(rng.randint(1, 24)))


def changed(text: str, rng: random.Random) -> str:
    """The text with a few pieces left out, repeated or exchanged: pairs that share long n-grams."""
    pieces = text.split(" ")
    for _ in range(rng.randint(0, 4)):
        i, j = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        pieces[i] = rng.choice([pieces[j], "", rng.choice(PLAIN), pieces[i] + "\n"])
    return " ".join(pieces)


def random_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """(candidate, reference): half of them alike; then all pairs of edge cases."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(count):
        text = random_text(rng)
        pairs.append((text, changed(text, rng) if rng.random() < 0.5 else random_text(rng)))
    return pairs + [(a, b) for a in EDGES for b in EDGES]


def course_rows(name: str) -> list[dict]:
    """The rows of one of the course's JSON Lines files, such as "dialogues/test.jsonl"."""
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
