"""Byte-level byte-pair encoding: trained, applied and compared with other tokenizers (lab 01).

The text is cut into words first, each word into the bytes of its UTF-8, and the most frequent pair of neighbours is merged, again
and again. Since every byte is a token, any text can be written, and comes back exactly.

Merges and ids are those of the `tokenizers` library (BPE with the ByteLevel pre-tokenizer, no prefix space, the ByteLevel alphabet
and no special tokens), ties included, wherever both cut the text into the same words: for characters that Unicode has added in
the last years, the two disagree on what is a letter. The rules:

- Ids 0 to 255 are the bytes, printable ones first (see `BYTES`). Each merge gives the next id, unless its bytes are a token already.
- Of all pairs of the highest count, the one with the smallest ids is merged: the smaller left id, then the smaller right id.
- A pair is counted at every place, overlapping ones too: "aaa" holds (a, a) twice. Within a word it is merged from left to right.

Sources: Gage 1994, "A New Algorithm for Data Compression"; Sennrich, Haddow and Birch 2016 (arXiv:1508.07909), section 3.2; on
bytes: Radford et al. 2019 (GPT-2), section 2.2.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from labutils.errors import LabError

Merge = tuple[bytes, bytes]

# Contractions, words, numbers, signs, each with the blank before it; then blanks. From GPT-2.
WORD_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
# Id -> byte: those that Latin-1 prints come first, then the others (GPT-2's order; 0x20, the blank, is 220).
BYTES = tuple(bytes([value]) for value in [*_PRINTABLE, *sorted(set(range(256)) - set(_PRINTABLE))])


def split_words(text: str) -> list[str]:
    """The pieces that merges never cross; together they are the text.

    >>> split_words("I sat down.")
    ['I', ' sat', ' down', '.']
    """
    import regex

    return regex.findall(WORD_PATTERN, text)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise LabError("The text holds half a character (a lone surrogate), which has no bytes: write that text anew.") from None


def merge_pair(ids: Sequence[int], pair: tuple[int, int], new: int) -> list[int]:
    """The ids with each occurrence of the pair replaced by the new one, from left to right.

    >>> merge_pair([1, 1, 1, 2], (1, 1), 9)
    [9, 1, 2]
    """
    result: list[int] = []
    i, first_and_second = 0, tuple(pair)  # a list is meant as well
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == first_and_second:
            result.append(new)
            i += 2
        else:
            result.append(ids[i])
            i += 1
    return result


def train_bpe(texts: str | Iterable[str], merges: int) -> list[Merge]:
    """Learn merges: each time the most frequent pair of neighbouring tokens becomes one token.

    Args:
        texts: one text or several; nothing is merged across texts or words.
        merges: how many to learn. Fewer come back where no pair is left.

    Returns:
        Pairs of byte strings, in the order in which they were merged: what `BPETokenizer` is made of.

    Raises:
        LabError: a negative number of merges, or half a character in a text.

    Example: `train_bpe("low lower lowest", 2)` is [(b"l", b"o"), (b"lo", b"w")].
    """
    if merges < 0:
        raise LabError(f"{merges} merges cannot be learned: give 0 or more.")
    texts = [texts] if isinstance(texts, str) else texts
    counts = Counter(word for text in texts for word in split_words(text))  # each different word is worked on once
    vocabulary, known = list(BYTES), {token: i for i, token in enumerate(BYTES)}
    words = [([known[bytes([value])] for value in _utf8(word)], count) for word, count in counts.items()]
    frequency: Counter[tuple[int, int]] = Counter()
    places: defaultdict[tuple[int, int], set[int]] = defaultdict(set)  # pair -> the words it (once) stood in
    for place, (ids, count) in enumerate(words):
        for pair in pairwise(ids):
            frequency[pair] += count
            places[pair].add(place)
    learned: list[Merge] = []
    while len(learned) < merges:
        best = min(frequency, key=lambda pair: (-frequency[pair], pair), default=None)
        if best is None or frequency[best] < 1:
            break
        left, right = vocabulary[best[0]], vocabulary[best[1]]
        learned.append((left, right))
        new = known.setdefault(left + right, len(vocabulary))
        vocabulary += [left + right][: new == len(vocabulary)]
        for place in places.pop(best):
            ids, count = words[place]
            after = merge_pair(ids, best, new)
            for pair in pairwise(ids):
                frequency[pair] -= count
            for pair in pairwise(after):
                frequency[pair] += count
                places[pair].add(place)
            words[place] = (after, count)
        del frequency[best]
    return learned


def library_merges(texts: Iterable[str], merges: int) -> list[Merge]:
    """What the `tokenizers` library learns from the same texts with the same rules, as `train_bpe` returns it."""
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + merges, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator(texts, trainer)
    learned = json.loads(library.to_str())["model"]["merges"]
    # The library writes each byte as a printable character; ids 0 to 255 are the bytes in the order of BYTES.
    byte = {library.id_to_token(i): value for i, value in enumerate(BYTES)}
    return [(b"".join(byte[c] for c in left), b"".join(byte[c] for c in right)) for left, right in learned]


class BPETokenizer:
    """A tokenizer made of merges.

    Attributes:
        merges: what `train_bpe` returned.
        vocabulary: id -> bytes; `len(tokenizer)` is its size.

    >>> tokenizer = BPETokenizer(train_bpe("low lower lowest", 2))
    >>> tokenizer.pieces("lowly")
    ['low', 'l', 'y']
    """

    def __init__(self, merges: Sequence[Merge]) -> None:
        """Number the tokens.

        Raises:
            LabError: a merge joins tokens that no earlier merge has made.
        """
        self.merges = list(merges)
        self.vocabulary = list(dict.fromkeys([*BYTES, *(left + right for left, right in merges)]))
        self._id = {token: i for i, token in enumerate(self.vocabulary)}
        self._rank: dict[Merge, int] = {}
        made = set(BYTES)
        for rank, (left, right) in enumerate(merges):
            if not {left, right} <= made:
                raise LabError(
                    f"Merge {rank} joins {left!r} and {right!r}, and not both exist by then: keep the order of train_bpe."
                )
            made.add(left + right)
            self._rank.setdefault((left, right), rank)
        self._word = lru_cache(maxsize=100_000)(self._encode_word)

    def __len__(self) -> int:
        """The size of the vocabulary."""
        return len(self.vocabulary)

    def _encode_word(self, word: str) -> tuple[int, ...]:
        parts = [bytes([value]) for value in _utf8(word)]
        while True:
            # The earliest merge first, as in training; of its places the leftmost.
            found = [(rank, i) for i, pair in enumerate(pairwise(parts)) if (rank := self._rank.get(pair, -1)) >= 0]
            if not found:
                return tuple(self._id[part] for part in parts)
            i = min(found)[1]
            parts[i : i + 2] = [parts[i] + parts[i + 1]]

    def encode(self, text: str) -> list[int]:
        """The ids of a text; none for the empty text.

        Raises:
            LabError: the text holds half a character (a lone surrogate).
        """
        return [i for word in split_words(text) for i in self._word(word)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids: exactly the text that was encoded. Bytes that are no UTF-8 (a character cut in two) become U+FFFD.

        Raises:
            LabError: an id that the vocabulary does not have.
        """
        ids = list(ids)
        if outside := [i for i in ids if not 0 <= i < len(self)]:
            raise LabError(f"The id {outside[0]} is not in this vocabulary of {len(self)}: it comes from another tokenizer.")
        return b"".join(self.vocabulary[i] for i in ids).decode("utf-8", errors="replace")

    def pieces(self, text: str) -> list[str]:
        """The tokens of a text as one can read them; bytes that are no character on their own as \\xe2."""
        return [self.vocabulary[i].decode("utf-8", errors="backslashreplace") for i in self.encode(text)]


@dataclass(frozen=True)
class TokenCost:
    """What texts cost under a tokenizer.

    Attributes:
        name: of the tokenizer.
        tokens: of all texts, without special tokens.
        words: of all texts, cut at blanks.
        unknown: how many of the tokens stand for "unknown": their text is lost.
        restored: the share of texts that decoding brings back exactly.
        price: of the tokens, in the unit of `price_per_million`.
    """

    name: str
    tokens: int
    words: int
    unknown: int
    restored: float
    price: float

    @property
    def tokens_per_word(self) -> float:
        """Also called fertility."""
        return self.tokens / max(1, self.words)


def token_costs(texts: Sequence[str], tokenizers: Mapping[str, Any], price_per_million: float = 1.0) -> list[TokenCost]:
    """Count the tokens of the same texts under several tokenizers.

    Args:
        texts: what to count; at least one.
        tokenizers: name -> a tokenizer of transformers, or a `BPETokenizer`.
        price_per_million: of a million tokens, in any currency.

    Raises:
        LabError: there is no text, or something that is no tokenizer.
    """
    if not texts:
        raise LabError("There is no text to count tokens of: give at least one.")
    for name, tokenizer in tokenizers.items():
        if not isinstance(tokenizer, BPETokenizer) and not hasattr(tokenizer, "unk_token_id"):
            raise LabError(f"{name!r} is no tokenizer: give a BPETokenizer, or one that AutoTokenizer loaded.")
    words = sum(len(text.split()) for text in texts)
    costs = []
    for name, tokenizer in tokenizers.items():
        own = isinstance(tokenizer, BPETokenizer)
        rows = [tokenizer.encode(text) if own else tokenizer.encode(text, add_special_tokens=False) for text in texts]
        lost = None if own else tokenizer.unk_token_id
        tokens = sum(map(len, rows))
        restored = sum(tokenizer.decode(row) == text for row, text in zip(rows, texts, strict=True)) / len(texts)
        unknown = sum(row.count(lost) for row in rows)
        costs.append(TokenCost(name, tokens, words, unknown, restored, tokens * price_per_million / 1e6))
    return costs
