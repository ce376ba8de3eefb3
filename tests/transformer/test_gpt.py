"""The small GPT against transformers' Llama with the same weights, its baselines by counting, and that it learns."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from labutils.errors import LabError
from labutils.transformer import bpe, gpt
from labutils.transformer.attention import KVCache
from labutils.transformer.bpe import BPETokenizer
from labutils.transformer.gpt import GPT


def twins(vocabulary=50, dim=32, layers=2, heads=4):
    """A small GPT and a Llama of transformers that holds the same weights."""
    torch.manual_seed(0)
    ours = GPT(vocabulary, dim, layers, heads).eval()
    with torch.no_grad():
        for name, weight in ours.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 1.5)  # not all ones, so that a norm in the wrong place shows
            else:
                weight.mul_(10)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=dim,
        intermediate_size=8 * dim // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        rope_parameters={"rope_theta": 10_000.0, "rope_type": "default"},
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    theirs = LlamaForCausalLM(config).eval()
    names = {"norm1": "input_layernorm", "norm2": "post_attention_layernorm"}
    names |= {part: f"self_attn.{part}_proj" for part in "qkvo"} | {part: f"mlp.{part}_proj" for part in ("gate", "up", "down")}
    state = {
        "model.embed_tokens.weight": ours.embedding.weight,
        "lm_head.weight": ours.embedding.weight,
        "model.norm.weight": ours.norm,
    }
    for number, block in enumerate(ours.blocks):
        for name, weight in block.named_parameters():
            state[f"model.layers.{number}.{names[name.removesuffix('.weight')]}.weight"] = weight
    theirs.load_state_dict(state)
    return ours, theirs


def test_logits_are_those_of_the_librarys_llama_with_the_same_weights():
    ours, theirs = twins()
    ids = torch.randint(50, (3, 17), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(ids).logits
        assert torch.allclose(ours(ids), expected, atol=1e-4 * float(expected.abs().max()), rtol=0)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


def test_greedy_generation_with_the_cache_is_the_librarys():
    ours, theirs = twins()
    prompt = [3, 1, 4, 1, 5]
    expected = theirs.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False)[0, 5:].tolist()
    assert ours.generate(prompt, 20, temperature=0) == expected and len(set(expected)) > 1


def test_a_cache_changes_no_logit():
    model, _ = twins()
    ids = torch.randint(50, (1, 9), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole = model(ids)
        caches = [KVCache() for _ in model.blocks]
        parts = torch.cat([model(ids[:, :4], caches), model(ids[:, 4:], caches)], dim=1)
    assert torch.allclose(whole, parts, atol=1e-4 * float(whole.abs().max()))


def test_sampling_follows_the_seed():
    model, _ = twins()
    draws = {tuple(model.generate([1, 2], 12, temperature=1.5, seed=seed)) for seed in (0, 0, 1, 2)}
    assert len(draws) == 3


def test_baselines_by_counting():
    train, validation = torch.tensor([0, 1, 2, 0, 1, 0, 0, 2]), torch.tensor([0, 1, 0, 2, 2])
    unigram, bigram = gpt.ngram_baselines(train, validation, 3)
    single, pairs = Counter(train.tolist()), Counter(zip(train.tolist(), train.tolist()[1:], strict=False))
    p = {token: (single[token] + 1) / (8 + 3) for token in range(3)}
    after = list(zip(validation.tolist(), validation.tolist()[1:], strict=False))
    assert unigram == pytest.approx(-sum(math.log2(p[b]) for _, b in after) / 4)

    def by_hand(k):
        starts = Counter(train.tolist()[:-1])
        return -sum(math.log2((pairs[a, b] + k * p[b]) / (starts[a] + k)) for a, b in after) / 4

    assert bigram == pytest.approx(min(by_hand(2.0**n) for n in range(12)))


def test_a_uniform_text_costs_what_it_must():
    ids = torch.randint(8, (20_000,), generator=torch.Generator().manual_seed(0))
    unigram, bigram = gpt.ngram_baselines(ids[:10_000], ids[10_000:], 8)
    assert unigram == pytest.approx(3, abs=0.01) and bigram == pytest.approx(3, abs=0.03)


def test_validation_loss_is_the_mean_over_windows():
    model, _ = twins()
    ids = torch.randint(50, (11,), generator=torch.Generator().manual_seed(3))
    total = 0.0
    with torch.no_grad():
        for i in range(1, 11):
            start = (i - 1) // 4 * 4  # windows of 4 start at 0, 4, 8
            total -= float(model(ids[None, start:i])[0, -1].log_softmax(-1)[ids[i]])
    assert gpt.validation_loss(model, ids, 4) == pytest.approx(total / 10 / math.log(2), rel=1e-4)


# In each text a letter follows the letter three places before it: pairs of neighbours say little, the context says all.
TEXTS = ["abc" * 30, "acb" * 30, "bad" * 30, "dab" * 30, "cad" * 30, "dac" * 30, "bca" * 30, "acd" * 30, "abc" * 30, "dac" * 30]
SMALL = {"dim": 32, "layers": 2, "heads": 2, "context": 24, "batch_size": 16}


def test_training_beats_counting_pairs_where_the_context_matters():
    result = gpt.train_gpt(TEXTS, steps=160, eval_interval=80, learning_rate=1e-2, **SMALL)
    assert [point.step for point in result.curve] == [0, 80, 160]
    first, last = result.curve[0], result.curve[-1]
    assert first.validation == pytest.approx(8, abs=0.3)  # 256 bytes, all alike to random weights
    assert last.validation < 0.8 * result.bigram and result.bigram < result.unigram
    assert result.parameters == sum(weight.numel() for weight in result.model.parameters())
    assert result.sample("abc", 4, temperature=0).startswith("abc") and result.sample("ab", 5, seed=1) == result.sample(
        "ab", 5, seed=1
    )


def test_training_repeats_itself_and_leaves_the_seed_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    once = gpt.train_gpt(TEXTS, steps=3, eval_interval=1, **SMALL)
    assert torch.equal(torch.get_rng_state(), state)
    assert gpt.train_gpt(TEXTS, steps=3, eval_interval=1, **SMALL).curve == once.curve
    assert gpt.train_gpt(TEXTS, steps=3, eval_interval=1, seed=1, **SMALL).curve != once.curve


def test_bits_per_byte_count_the_bytes_whatever_the_tokenizer():
    texts = [text.replace("a", "é") for text in TEXTS]
    result = gpt.train_gpt(texts, BPETokenizer(bpe.train_bpe(texts, 20)), steps=0, **SMALL)
    validation = "\n\n".join(texts[::8])
    ids = torch.tensor(result.tokenizer.encode(validation))
    expected = gpt.validation_loss(result.model, ids, 24) * len(ids) / len(validation.encode())
    assert result.curve[-1].validation == pytest.approx(expected) and len(ids) < len(validation) < len(validation.encode())


def test_what_cannot_be_done_says_so(says):
    trained = gpt.train_gpt(TEXTS, steps=0, **SMALL)
    for call, words in (
        (lambda: GPT(10, dim=30, heads=4), ("30", "4", "8")),
        (lambda: gpt.train_gpt(["short"]), ("windows of 128",)),
        (lambda: gpt.train_gpt(["short"] * 20), ("windows of 128",)),
        (lambda: trained.sample(""), ("empty",)),
    ):
        with pytest.raises(LabError) as caught:
            call()
        says(caught.value, *words)
