"""Tokens and n-grams: what ROUGE and BLEU count (lab 06)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from labutils.validation import require_whole_number

Tokenizer = Callable[[str], "list[str]"]


# Scripts written without spaces between words: there a token is one character with its marks.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"


@lru_cache(maxsize=1)
def _porter() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def tokenize(text: str, stem: bool = False) -> list[str]:
    """The tokens that ROUGE counts: runs of the letters a-z and digits, in lower case; everything else separates.

    With `stem`, words of four or more characters are cut to their stem by nltk's Porter stemmer ("meetings" -> "meet").
    A letter outside a-z separates too: "café" gives "caf", and a Thai text gives nothing (see `tokenize_anywhere`).

    Source: rouge_score's default tokenizer; Porter 1980, "An algorithm for suffix stripping".

    >>> tokenize("The cat's 2 meetings.", stem=True)
    ['the', 'cat', 's', '2', 'meet']
    """
    tokens = re.findall("[a-z0-9]+", text.lower())
    if not stem:
        return tokens
    stemmed = [_porter().stem(token) if len(token) > 3 else token for token in tokens]
    return [token for token in stemmed if token]


@lru_cache(maxsize=1)
def _anywhere() -> Any:
    import regex

    word = rf"[[\p{{L}}\p{{N}}]--[{UNSPACED}]][[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]--[{UNSPACED}]]*"
    character = rf"(?=[[\p{{L}}\p{{N}}]&&[{UNSPACED}]])\X"
    emoji = r"(?=[\p{So}\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}])\X"
    return regex.compile(f"(?V1){word}|{character}|{emoji}")


def tokenize_anywhere(text: str) -> list[str]:
    """Tokens in any script: words where a script has spaces, characters where it has none, and each emoji.

    On plain ASCII text it gives what `tokenize` gives. Elsewhere it keeps what `tokenize` throws away: accented letters, words
    of other alphabets, the characters (with their vowel signs) of Thai or Chinese, an emoji with its skin tone or flag.
    Case is folded and composed and decomposed accents are made one. Pass it to `rouge_n`, `rouge_l` and `rouge_lsum` as
    `tokenizer`. A score on characters is not comparable with a score on words: say which tokens were counted.

    Source: Unicode Standard Annex 29, grapheme clusters (the `\\X` of the regex package).

    >>> tokenize_anywhere("Café สวัสดี 👍🏽")
    ['café', 'ส', 'วั', 'ส', 'ดี', '👍🏽']
    """
    return _anywhere().findall(unicodedata.normalize("NFC", text.casefold()))


def ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each n-gram (n neighbouring tokens) occurs; empty where there are fewer than n tokens.

    Raises:
        LabError: n is no whole number of at least 1.

    >>> ngrams(["a", "b", "a", "b"], 2)
    Counter({('a', 'b'): 2, ('b', 'a'): 1})
    """
    require_whole_number("n", n)
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


@lru_cache(maxsize=1)
def _tokenizer_13a() -> Any:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()


def tokenize_13a(text: str) -> list[str]:
    """The tokens that BLEU counts, by sacreBLEU's own 13a tokenizer: case is kept, punctuation marks are tokens.

    >>> tokenize_13a("The cat's 2 meetings.")
    ['The', "cat's", '2', 'meetings', '.']
    """
    return _tokenizer_13a()(text.rstrip()).split()
