"""Sequence to sequence: the task is what it says, the models see what they may, and attention is what makes the difference."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from labutils.errors import LabError
from labutils.transformer import seq2seq
from labutils.transformer.seq2seq import END, KINDS, START, ExactMatches, TranslationPair
from labutils.transformer.translators import PAD, MultiHeadAttention, Translator

WORD = {word: value for value, word in enumerate(seq2seq.UNITS, 1)}
WORD |= {word: value for value, word in enumerate(seq2seq.TEENS, 10)}
WORD |= {word: 10 * value for value, word in enumerate(seq2seq.TENS, 2)}


def read(words):
    """The numbers that words say, and for each digit the place of the word it comes from: written apart from `number_words`."""
    numbers, places, i = [], [], 0
    while i < len(words):
        if words[i + 1 : i + 2] == ("and",):
            numbers.append(WORD[words[i]] + WORD[words[i + 2]])
            places += [i + 2, i]
            i += 3
        else:
            numbers.append(WORD[words[i]])
            places += [i, i]
            i += 1
    return numbers, places


def aligned(model, pairs):
    """The share of digits for which a model looks most at the word that they come from."""
    found = []
    for pair in pairs:
        weights = seq2seq.cross_attention(model, pair.source).weights
        found += [int(row.argmax()) == place for row, place in zip(weights, read(pair.source)[1], strict=False)]
    return sum(found) / len(found)


# The task


def test_every_number_can_be_read_back():
    for number in range(10, 100):
        assert read(seq2seq.number_words(number))[0] == [number]
    assert len({seq2seq.number_words(number) for number in range(10, 100)}) == 90
    assert seq2seq.number_words(24) == ("four", "and", "twenty")
    assert seq2seq.translation_pair([24, 14]) == TranslationPair(("four", "and", "twenty", "fourteen"), ("2", "4", "1", "4"), 2)


def test_train_and_test_share_no_source_and_cover_every_length():
    train, test = seq2seq.translation_datasets(longest=4, train_each=300, test_each=40)
    assert not {pair.source for pair in train} & {pair.source for pair in test}
    assert len({pair.source for pair in train + test}) == len(train + test)
    assert Counter(pair.length for pair in test) == {1: 18, 2: 40, 3: 40, 4: 40}
    assert Counter(pair.length for pair in train) == {1: 72, 2: 300, 3: 300, 4: 300}
    for pair in train + test:
        numbers, _ = read(pair.source)
        assert "".join(map(str, numbers)) == "".join(pair.target) and len(numbers) == pair.length
    assert (
        seq2seq.translation_datasets(longest=2)
        == seq2seq.translation_datasets(longest=2)
        != seq2seq.translation_datasets(longest=2, seed=1)
    )


# The models


@pytest.mark.parametrize("heads", [1, 4])
def test_attention_with_queries_from_elsewhere_equals_pytorch(heads):
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(16, heads), nn.MultiheadAttention(16, heads, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in (ours.q, ours.k, ours.v)]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in (ours.q, ours.k, ours.v)]))
        theirs.out_proj.weight.copy_(ours.o.weight)
        theirs.out_proj.bias.copy_(ours.o.bias)
        x, memory, real = torch.randn(2, 5, 16), torch.randn(2, 7, 16), torch.arange(7) < torch.tensor([[4], [7]])
        expected = theirs(x, memory, memory, key_padding_mask=~real, average_attn_weights=False)
        found = ours(x, memory, real[:, None, None])
    assert torch.allclose(found[0], expected[0], atol=1e-6) and torch.allclose(found[1], expected[1], atol=1e-6)


def test_the_models_are_of_about_the_same_size():
    sizes = {kind: seq2seq.trainable_parameters(seq2seq.build_translator(kind)) for kind in KINDS}
    assert max(sizes.values()) < 1.05 * min(sizes.values()), sizes
    assert sizes["gru+attention"] > sizes["gru"]


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind):
    model = seq2seq.build_translator(kind, dim=32)
    pairs = [seq2seq.translation_pair(numbers) for numbers in ([24], [13, 14, 15], [99, 21, 57, 88])]
    source = seq2seq.source_ids([pair.source for pair in pairs])
    target = torch.tensor([[START, 5, 6, 7]]).repeat(3, 1)
    with torch.no_grad():
        together, weights = model.decode(model.encode(source), target)
        for i, pair in enumerate(pairs):
            alone, _ = model.decode(model.encode(seq2seq.source_ids([pair.source])), target[:1])
            assert torch.allclose(together[i], alone[0], atol=1e-5)
    assert weights is None or not weights.masked_select((source == PAD)[:, None].expand_as(weights)).any()
    assert seq2seq.translate(model, [pair.source for pair in pairs])[0] == seq2seq.translate(model, [pairs[0].source])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_token_does_not_see_later_ones(kind):
    model, source = seq2seq.build_translator(kind, dim=32), seq2seq.source_ids([seq2seq.number_words(24)])
    with torch.no_grad():
        one = model.decode(model.encode(source), torch.tensor([[START, 5, 6, 7]]))[0]
        other = model.decode(model.encode(source), torch.tensor([[START, 5, 9, 3]]))[0]
    assert torch.allclose(one[:, :2], other[:, :2], atol=1e-6) and not torch.allclose(one[:, 2:], other[:, 2:], atol=1e-3)


def test_without_attention_all_there_is_of_the_source_is_one_vector():
    model = seq2seq.build_translator("gru", dim=32)
    states, last, real = model.encode(seq2seq.source_ids([seq2seq.number_words(24) * 4]))
    with torch.no_grad():
        target = torch.tensor([[START, 5, 6]])
        blank = model.decode((torch.zeros_like(states), last, real), target)[0]
        assert torch.equal(model.decode((states, last, real), target)[0], blank)
    assert last.shape == (1, 1, 56)


def test_the_transformer_reads_the_order_of_the_words():
    model = seq2seq.build_translator("transformer", dim=32)
    target = torch.tensor([[START]])
    with torch.no_grad():
        there, back = (
            model.decode(model.encode(seq2seq.source_ids([s])), target)[0] for s in (("ten", "forty"), ("forty", "ten"))
        )
    assert not torch.allclose(there, back, atol=1e-4)


@pytest.mark.parametrize("kind", ["transformer", "gru+attention"])
def test_cross_attention_has_a_row_that_sums_to_one_for_each_written_token(kind):
    model, pair = seq2seq.build_translator(kind, dim=32), seq2seq.translation_pair([24, 14, 60])
    cross = seq2seq.cross_attention(model, pair.source)
    assert cross.weights.shape == (len(cross.target), len(cross.source))
    assert torch.allclose(cross.weights.sum(-1), torch.ones(len(cross.target)), atol=1e-5)
    assert cross.source == (*pair.source, "<end>")
    assert cross.target[:-1] == seq2seq.translate(model, [pair.source])[0]


# Training


class Fixed(Translator):
    """Writes what it is told to, whatever it reads."""

    def __init__(self, tokens):
        super().__init__()
        self.ids, self.weight = [seq2seq.TARGET_VOCABULARY.index(token) for token in tokens], nn.Parameter(torch.zeros(1))

    def encode(self, source):
        return source

    def decode(self, memory, target):
        wanted = torch.tensor([[*self.ids, END, *[PAD] * 40]])[:, : target.shape[1]]
        return nn.functional.one_hot(wanted, len(seq2seq.TARGET_VOCABULARY)).float().expand(len(memory), -1, -1), None


def test_exact_match_counts_by_length():
    pairs = [seq2seq.translation_pair(numbers) for numbers in ([24], [42], [24, 24], [24], [24, 42])]
    assert seq2seq.exact_match(Fixed("24"), pairs) == {1: ExactMatches(2, 3), 2: ExactMatches(0, 2)}
    assert seq2seq.exact_match(Fixed("2442"), pairs) == {1: ExactMatches(0, 3), 2: ExactMatches(1, 2)}
    assert seq2seq.translate(Fixed(""), [seq2seq.number_words(24)]) == [()]


def test_training_repeats_itself_and_leaves_the_seed_alone():
    pairs, _ = seq2seq.translation_datasets(longest=2, train_each=50, test_each=5)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    runs = [
        seq2seq.train_translator(seq2seq.build_translator("gru", dim=16, seed=seed), pairs, steps=3, batch_size=8)
        for seed in (0, 0, 1)
    ]
    assert runs[0] == runs[1] != runs[2] and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", KINDS)
def test_each_model_learns_single_numbers(kind):
    pairs, _ = seq2seq.translation_datasets(longest=1)
    model = seq2seq.build_translator(kind, dim=32)
    losses = seq2seq.train_translator(model, pairs, steps=150, batch_size=32, learning_rate=1e-2)
    assert len(losses) == 150 and losses[-1] < 0.1 * losses[0] and not model.training
    assert seq2seq.exact_match(model, pairs)[1].right >= 0.9 * len(pairs)


@pytest.mark.slow
def test_attention_removes_the_bottleneck_of_the_fixed_vector():
    train, test = seq2seq.translation_datasets()
    share, models = {}, {}
    for kind in KINDS:
        models[kind] = seq2seq.build_translator(kind)
        seq2seq.train_translator(models[kind], train, steps=500)
        share[kind] = {length: score.right / score.total for length, score in seq2seq.exact_match(models[kind], test).items()}
    assert min(share[kind][1] for kind in KINDS) > 0.8  # one number is short enough for all
    assert share["gru"][6] < 0.2 and share["gru"][6] < share["gru"][3] < share["gru"][1]
    assert share["gru+attention"][6] > 0.8 and share["transformer"][6] > 0.6
    assert aligned(models["transformer"], test[::9]) > 0.75


def test_what_cannot_be_done_says_so(says):
    for call, words in (
        (lambda: seq2seq.number_words(7), ("7", "10 to 99")),
        (lambda: seq2seq.build_translator("lstm"), ("lstm", "gru+attention")),
        (lambda: seq2seq.translate(seq2seq.build_translator("gru", dim=16), [("hundred",)]), ("hundred", "four, and, twenty")),
        (lambda: seq2seq.cross_attention(seq2seq.build_translator("gru", dim=16), seq2seq.number_words(24)), ("fixed vector",)),
    ):
        with pytest.raises(LabError) as caught:
            call()
        says(caught.value, *words)
