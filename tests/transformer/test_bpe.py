"""Byte-pair encoding against the `tokenizers` library, on the course's text and on random Unicode."""

from __future__ import annotations

import json
import random
import unicodedata

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers.convert_slow_tokenizer import bytes_to_unicode

from labutils import load_encoder
from labutils.course.corpora import load_mixed, load_prose
from labutils.errors import LabError
from labutils.transformer import bpe
from labutils.transformer.bpe import BPETokenizer

PROSE, MIXED = list(load_prose()["text"]), list(load_mixed()["text"])
BYTE = {character: bytes([value]) for value, character in bytes_to_unicode().items()}
SEEDS = range(6)


def library(texts, merges):
    """A tokenizer that the library trained, and its merges as bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + merges, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    found = json.loads(tokenizer.to_str())["model"]["merges"]
    return tokenizer, [tuple(b"".join(BYTE[c] for c in part) for part in pair) for pair in found]


def test_the_librarys_merges_come_as_bytes():
    assert bpe.library_merges(MIXED, 200) == library(MIXED, 200)[1] == bpe.train_bpe(MIXED, 200)


def settled() -> list[str]:
    """Characters that have kept their category since Unicode 3.2, so that every library agrees on what is a letter."""
    old = unicodedata.ucd_3_2_0
    every = [chr(code) for code in range(0x110000)]
    return [c for c in every if (kind := old.category(c)) == unicodedata.category(c) and kind not in ("Cn", "Cs")]


SETTLED = settled()


def noise(seed, length, characters):
    """Few letters often, so that there are pairs to merge, blanks of all kinds, and the given characters."""
    dice = random.Random(seed)
    sources = ("ab", " ", "\n\t\r\x00\u00a0\u3000", "0٣", characters)
    return "".join(dice.choice(dice.choices(sources, (8, 3, 2, 2, 5))[0]) for _ in range(length))


@pytest.mark.parametrize(
    ("texts", "merges"),
    [(PROSE, 300), (MIXED, 300), (PROSE + MIXED, 600), *(([noise(seed, 2000, SETTLED)], 200) for seed in SEEDS)],
    ids=["prose", "mixed", "both", *(f"noise-{seed}" for seed in SEEDS)],
)
def test_merges_vocabulary_and_ids_are_the_librarys(texts, merges):
    ours = bpe.train_bpe(texts, merges)
    theirs, expected = library(texts, merges)
    assert ours == expected[: len(ours)] and len(ours) == merges
    tokenizer = BPETokenizer(ours)
    pieces = [b"".join(BYTE[c] for c in theirs.id_to_token(i)) for i in range(theirs.get_vocab_size())]
    assert tokenizer.vocabulary == pieces[: len(tokenizer)]
    for text in [*texts, *PROSE[:4], *MIXED, noise(99, 300, SETTLED)]:
        assert tokenizer.encode(text) == theirs.encode(text).ids


def test_runs_of_one_letter_are_counted_and_merged_as_in_the_library():
    texts = ["a" * n for n in (1, 2, 3, 5, 7, 11, 13, 30)] + ["ab" * 7, "aab" * 5, "ba" * 4]
    ours = bpe.train_bpe(texts, 60)
    expected = library(texts, 60)[1]
    assert ours == expected and len(ours) < 60  # both ran out of pairs


def test_ties_go_to_the_smaller_ids():
    # (c, d) and (a, b) occur twice each; in ids as in bytes a comes before c.
    assert bpe.train_bpe("cd ab cd,ab", 1) == [(b"a", b"b")]
    # The blank is byte 0x20, but its id is 220: printable bytes come first.
    assert bpe.train_bpe("x  y,x  y", 1)[0] != (b" ", b" ")
    assert bpe.BYTES.index(b"!") == 0 and bpe.BYTES.index(b" ") == 220 and sorted(bpe.BYTES) == [bytes([n]) for n in range(256)]


def test_ids_of_the_models_own_tokenizer_are_reached_with_its_own_merges(default_model):
    _, theirs = default_model
    found = json.loads(theirs.backend_tokenizer.to_str())["model"]["merges"]
    tokenizer = BPETokenizer([tuple(b"".join(BYTE[c] for c in part) for part in pair) for pair in found])
    for text in PROSE[:6]:
        text = "".join(c for c in text if not c.isdigit())  # the model's tokenizer cuts digits apart before it merges
        ids = theirs.encode(text, add_special_tokens=False)
        assert [tokenizer.vocabulary[i] for i in tokenizer.encode(text)] == [
            b"".join(BYTE[c] for c in piece) for piece in theirs.convert_ids_to_tokens(ids)
        ]


@pytest.mark.parametrize("seed", SEEDS)
def test_any_unicode_comes_back_exactly(seed):
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    tokenizer = BPETokenizer(bpe.train_bpe(PROSE[:8], 100))
    text = noise(seed, 1500, every)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert b"".join(tokenizer.vocabulary[i] for i in tokenizer.encode(text)) == text.encode()


def test_words_together_are_the_text():
    for text in [*PROSE, *MIXED, noise(7, 500, SETTLED), "", "  ", "\r\n\r\n x"]:
        assert "".join(bpe.split_words(text)) == text


def test_more_merges_never_need_more_tokens():
    lengths = [sum(len(BPETokenizer(bpe.train_bpe(PROSE[:8], n)).encode(text)) for text in PROSE[:8]) for n in (0, 50, 100, 200)]
    assert lengths[0] == sum(len(text.encode()) for text in PROSE[:8])
    assert lengths == sorted(lengths, reverse=True) and len(set(lengths)) == 4


def test_a_pair_may_be_a_list():
    assert bpe.merge_pair([1, 2, 1, 2], [1, 2], 9) == bpe.merge_pair([1, 2, 1, 2], (1, 2), 9) == [9, 9]


def test_edges():
    empty = BPETokenizer([])
    assert len(empty) == 256 and empty.encode("") == [] and empty.decode([]) == ""
    assert bpe.train_bpe("", 5) == [] and bpe.train_bpe("a b c", 0) == []
    tokenizer = BPETokenizer(bpe.train_bpe("low lower lowest", 2))
    assert tokenizer.merges == [(b"l", b"o"), (b"lo", b"w")] and tokenizer.pieces("lowly") == ["low", "l", "y"]
    assert tokenizer.pieces("é") == [r"\xc3", r"\xa9"]
    assert tokenizer.decode(tokenizer.encode("é")[:1]) == "\ufffd"  # half of a character


def test_what_cannot_be_done_says_so(says):
    tokenizer = BPETokenizer([(b"a", b"b")])
    for call, words in (
        (lambda: bpe.train_bpe("a", -1), ("-1", "0 or more")),
        (lambda: tokenizer.encode("\ud800"), ("surrogate",)),
        (lambda: bpe.train_bpe("\udfff", 3), ("surrogate",)),
        (lambda: tokenizer.decode([257]), ("257", "another tokenizer")),
        (lambda: tokenizer.decode([-1]), ("-1",)),
        (lambda: BPETokenizer([(b"ab", b"c")]), ("Merge 0", "order of train_bpe")),
        (lambda: bpe.token_costs([], {}), ("at least one",)),
    ):
        with pytest.raises(LabError) as caught:
            call()
        says(caught.value, *words)


def test_token_costs_count_what_each_tokenizer_counts(default_model, ready_home):
    ours, wordpiece = BPETokenizer(bpe.train_bpe(PROSE, 200)), load_encoder()[1]
    tokenizers = {"ours": ours, "model": default_model[1], "encoder": wordpiece}
    rows = {row.name: row for row in bpe.token_costs(MIXED, tokenizers, price_per_million=2.0)}
    assert rows["ours"].tokens == sum(len(ours.encode(text)) for text in MIXED)
    for name in ("model", "encoder"):
        plain = tokenizers[name](MIXED, add_special_tokens=False).input_ids
        assert rows[name].tokens == sum(map(len, plain))
        assert rows[name].unknown == sum(row.count(tokenizers[name].unk_token_id) for row in plain)
    assert {row.words for row in rows.values()} == {len(" ".join(MIXED).split())}
    assert rows["ours"].restored == rows["model"].restored == 1.0 and rows["encoder"].restored < 0.5
    assert rows["ours"].unknown == rows["model"].unknown == 0 < rows["encoder"].unknown
    for row in rows.values():
        assert row.price == pytest.approx(row.tokens * 2e-6)
        assert row.tokens_per_word == pytest.approx(row.tokens / row.words)
    assert rows["model"].tokens < rows["ours"].tokens  # 48,000 merges against 200
