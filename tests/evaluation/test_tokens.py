"""Tokens and n-grams against rouge_score's tokenizer and by counting; then tokens in any script."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from rouge_score.tokenizers import DefaultTokenizer
from scored_texts import random_pairs

from labutils.errors import LabError
from labutils.evaluation.tokens import ngrams, tokenize, tokenize_anywhere


@pytest.mark.parametrize("stem", [False, True])
def test_tokens_equal_rouge_score(stem):
    theirs = DefaultTokenizer(stem)
    for text, _ in random_pairs(2_000, seed=8):
        assert tokenize(text, stem) == theirs.tokenize(text), text


def test_ngrams_are_counted():
    assert ngrams(["a", "b", "a", "b"], 2) == Counter({("a", "b"): 2, ("b", "a"): 1})
    assert ngrams(["a"], 2) == Counter()
    with pytest.raises(LabError, match="at least 1"):
        ngrams(["a"], 0)


def test_tokens_anywhere_equal_the_default_on_ascii():
    rng = random.Random(17)
    for _ in range(1_000):
        text = "".join(chr(rng.randrange(128)) for _ in range(rng.randint(0, 60)))
        assert tokenize_anywhere(text) == tokenize(text), text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Café, naïve!", ["café", "naïve"]),
        ("cafe\u0301", ["café"]),
        ("Привет, мир", ["привет", "мир"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("你好 world", ["你", "好", "world"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("ok👍🏽🇹🇭👨‍👩‍👧!", ["ok", "👍🏽", "🇹🇭", "👨‍👩‍👧"]),
        ("… — “ ”", []),
    ],
)
def test_tokens_anywhere(text, tokens):
    assert tokenize_anywhere(text) == tokens
