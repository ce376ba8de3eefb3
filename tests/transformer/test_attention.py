"""Attention against PyTorch's and transformers' own, on random numbers and on the real model's layers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb, repeat_kv

from labutils import load_encoder
from labutils.errors import LabError
from labutils.transformer import attention, studies
from labutils.transformer.attention import AttentionProjections, KVCache

SEEDS = range(4)
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12}
TEXT = "The old sailor looked at the sky and said that it would rain."


def rand(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def close(a, b, atol=1e-12):
    return a.shape == b.shape and a.dtype == b.dtype and torch.allclose(a, b, atol=atol, rtol=0)


# Positions


def test_sinusoidal_positions_by_the_papers_formula():
    table = attention.sinusoidal_positions(50, 6)
    for t in (0, 1, 17, 49):
        for i in range(3):
            angle = t / 10_000 ** (2 * i / 6)
            assert float(table[t, 2 * i]) == pytest.approx(math.sin(angle), abs=1e-5)
            assert float(table[t, 2 * i + 1]) == pytest.approx(math.cos(angle), abs=1e-5)


def test_the_dot_product_of_two_positions_depends_on_their_distance_only():
    table = attention.sinusoidal_positions(40, 32)
    products = table @ table.T
    assert torch.allclose(products.diagonal(), torch.tensor(16.0))  # sine squared plus cosine squared, 16 times
    for distance in (1, 5, 30):
        along = products.diagonal(distance)
        assert torch.allclose(along, along[:1], atol=1e-4) and float(along[0]) < 15.9


@pytest.mark.parametrize(("base", "start"), [(10_000.0, 0), (100_000.0, 0), (100_000.0, 7)])
def test_rotary_tables_and_rotation_are_transformers(base, start):
    config = LlamaConfig(hidden_size=128, num_attention_heads=4, rope_parameters={"rope_theta": base, "rope_type": "default"})
    places = torch.arange(start, start + 11)[None]
    q, k = rand(2, 4, 11, 32, dtype=torch.float32), rand(2, 2, 11, 32, seed=1, dtype=torch.float32)
    cos, sin = LlamaRotaryEmbedding(config)(q, places)
    ours = attention.rotary_tables(11, 32, base, start)
    assert torch.equal(ours[0], cos[0]) and torch.equal(ours[1], sin[0])
    theirs = apply_rotary_pos_emb(q, k, cos, sin)
    assert close(attention.rotate(q, *ours), theirs[0], 1e-6) and close(attention.rotate(k, *ours), theirs[1], 1e-6)


def test_rotated_products_depend_on_the_distance_and_keep_the_lengths():
    q, k = rand(16), rand(16, seed=1)
    cos, sin = attention.rotary_tables(60, 16)
    turned_q, turned_k = attention.rotate(q.expand(60, 16), cos, sin), attention.rotate(k.expand(60, 16), cos, sin)
    products = turned_q @ turned_k.T
    for distance in (-9, 0, 3, 20):
        along = products.diagonal(distance)
        assert torch.allclose(along, along[0].expand_as(along), atol=1e-4)
    assert abs(float(products[0, 3] - products[3, 0])) > 1e-3  # the direction counts as well
    assert torch.allclose(turned_q.norm(dim=-1), q.norm().expand(60), atol=1e-6)


def test_the_papers_interleaved_layout_is_a_reordering_of_ours():
    x, (cos, sin) = rand(9, 8), attention.rotary_tables(9, 8)
    as_complex = torch.view_as_complex(x.unflatten(-1, (4, 2)))  # neighbours make a pair: equation 34
    turned = torch.view_as_real(as_complex * torch.polar(torch.ones(9, 4), torch.atan2(sin, cos)[:, :4]).to(torch.complex128))
    order = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])
    assert close(attention.rotate(x[:, order], cos, sin), turned.flatten(-2)[:, order], 1e-6)


# Attention


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("masked", ["no mask", "causal", "random"])
def test_scaled_dot_product_equals_pytorch(masked, dtype):
    for seed in SEEDS:
        q, k, v = rand(2, 3, 7, 8, seed=seed).to(dtype), rand(2, 3, 9, 8, seed=9).to(dtype), rand(2, 3, 9, 5, seed=8).to(dtype)
        mask = {"no mask": None, "causal": attention.causal_mask(7, 2), "random": rand(2, 1, 7, 9, seed=seed) > 1.2}[masked]
        output, weights = attention.scaled_dot_product(q, k, v, mask)
        assert close(output, F.scaled_dot_product_attention(q, k, v, mask), TOLERANCE[dtype])
        sums = weights.sum(-1)
        allowed = torch.ones_like(sums) if mask is None else mask.expand_as(weights).any(-1).to(dtype)
        assert torch.allclose(sums, allowed, atol=1e-6)  # one, or zero where nothing may be seen
        assert mask is None or not weights.masked_select(~mask).any()


def test_random_masks_do_hold_rows_that_see_nothing():
    assert not (rand(2, 1, 7, 9, seed=0) > 1.2).any(-1).all()


def test_huge_scores_do_not_overflow():
    output, weights = attention.scaled_dot_product(rand(3, 4) * 1e5, rand(3, 4, seed=1) * 1e5, rand(3, 2, seed=2))
    assert output.isfinite().all() and torch.allclose(weights.sum(-1), torch.ones(3, dtype=torch.float64))


def test_the_mask_hides_the_future_and_nothing_else():
    assert attention.causal_mask(3, 1).int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    q, k, v = rand(5, 4), rand(5, 4, seed=1), rand(5, 4, seed=2)
    before, _ = attention.scaled_dot_product(q, k, v, attention.causal_mask(5))
    k[3], v[3] = 9.0, 9.0
    after, _ = attention.scaled_dot_product(q, k, v, attention.causal_mask(5))
    assert torch.equal(before[:3], after[:3]) and not torch.allclose(before[3:], after[3:])


def test_without_positions_attention_does_not_see_the_order():
    x, order = rand(6, 8), torch.tensor([3, 1, 5, 0, 2, 4])
    assert close(attention.scaled_dot_product(x, x, x)[0][order], attention.scaled_dot_product(x[order], x[order], x[order])[0])


def test_heads_split_and_merge():
    x = rand(2, 5, 12)
    heads = attention.split_heads(x, 3)
    assert torch.equal(heads[1, 2, 4], x[1, 4, 8:12]) and torch.equal(attention.merge_heads(heads), x)
    assert torch.equal(attention.repeat_heads(heads, 4), repeat_kv(heads, 4))


def test_multi_head_equals_pytorchs():
    theirs = nn.MultiheadAttention(24, 4, bias=False, batch_first=True).double()
    q, k, v = theirs.in_proj_weight.detach().chunk(3)
    ours = AttentionProjections(q, k, v, theirs.out_proj.weight.detach(), heads=4, kv_heads=4, base=None)
    x = rand(2, 6, 24)
    for causal in (True, False):
        hidden = ~attention.causal_mask(6) if causal else None  # PyTorch's layer marks what is hidden
        with torch.no_grad():
            output, weights = theirs(x, x, x, attn_mask=hidden, average_attn_weights=False)
        found = attention.multi_head(x, ours, causal=causal)
        assert close(found[0], output) and close(found[1], weights)


# The real model


def projections(model, layer):
    """The projections of one layer of the course's model, as `multi_head` takes them."""
    config, block = model.config, model.model.layers[layer].self_attn
    q, k, v, o = (linear.weight.detach() for linear in (block.q_proj, block.k_proj, block.v_proj, block.o_proj))
    return AttentionProjections(
        q, k, v, o, config.num_attention_heads, config.num_key_value_heads, config.rope_parameters["rope_theta"]
    )


def inside(model, tokenizer, layer, text=TEXT):
    """What goes into a layer's attention and what comes out, caught in the library's own run: (B, T, D) each."""
    caught = []
    hook = model.model.layers[layer].self_attn.register_forward_hook(
        lambda _, args, kwargs, output: caught.append((kwargs["hidden_states"], output[0])), with_kwargs=True
    )
    with torch.no_grad():
        model(**tokenizer(text, return_tensors="pt"))
    hook.remove()
    return caught[0]


@pytest.mark.parametrize("layer", [0, 15, 29])
def test_multi_head_is_the_real_models_layer_in_float32(default_model, layer):
    model, tokenizer = default_model
    x, output = inside(model, tokenizer, layer)
    ours, maps = attention.multi_head(x, projections(model, layer))
    assert torch.allclose(ours, output, atol=1e-4 * float(output.abs().max()), rtol=0)
    ids = tokenizer(TEXT, return_tensors="pt").input_ids[0]
    assert torch.allclose(maps[0], studies.attention_maps(model, ids)[layer], atol=1e-4)


def test_multi_head_is_the_real_models_layer_in_float64(default_model):
    model, _ = default_model
    layer = model.model.layers[7].self_attn
    x = rand(2, 12, 576)
    tables = tuple(t.double() for t in model.model.rotary_emb(x.float(), torch.arange(12)[None]))
    layer.double()
    try:
        with torch.no_grad():
            output, _ = layer(x, position_embeddings=tables, attention_mask=None)
        ours, _ = attention.multi_head(x, projections(model, 7))
        assert close(ours, output, 1e-12)
    finally:
        layer.float()  # float32 -> float64 -> float32 loses nothing


@pytest.mark.parametrize("chunk", [1, 3, 5])
def test_a_cache_changes_no_number(default_model, chunk):
    weights = projections(default_model[0], 4)
    x = rand(2, 11, 576, dtype=torch.float32) / 4
    whole, maps = attention.multi_head(x, weights)
    scale = float(whole.abs().max())
    cache = KVCache()
    for start in range(0, 11, chunk):
        part, row = attention.multi_head(x[:, start : start + chunk], weights, cache)
        assert torch.allclose(part, whole[:, start : start + chunk], atol=1e-5 * scale, rtol=0)
        assert len(cache) == min(start + chunk, 11) == row.shape[-1]
        assert torch.allclose(row, maps[:, :, start : start + chunk, : len(cache)], atol=1e-5)
    assert cache.keys.shape == cache.values.shape == (2, 3, 11, 64)


def test_keys_and_values_are_different_projections(default_model):
    weights = projections(default_model[0], 0)
    assert weights.k.shape == weights.v.shape and not torch.allclose(weights.k, weights.v, atol=0.1)


def test_attention_maps_of_a_decoder_and_an_encoder(default_model, ready_home):
    for (model, tokenizer), shape, causal in ((default_model, (30, 9), True), (load_encoder(), (6, 12), False)):
        before = model.config._attn_implementation
        ids = tokenizer(TEXT, return_tensors="pt").input_ids[0]
        maps = studies.attention_maps(model, ids)
        assert maps.shape == (*shape, len(ids), len(ids))
        assert torch.allclose(maps.sum(-1), torch.ones(maps.shape[:-1]), atol=1e-5)
        assert (float(maps.triu(1).abs().max()) == 0.0) is causal
        assert model.config._attn_implementation == before == "sdpa"


def test_eager_attention_is_switched_back_after_an_error(default_model):
    model, _ = default_model
    with pytest.raises(ZeroDivisionError), studies.eager_attention(model):
        assert model.config._attn_implementation == "eager"
        raise ZeroDivisionError
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("seed", SEEDS)
def test_norms_equal_pytorch(seed):
    x, weight, bias = rand(3, 5, 16, seed=seed) * 7 + 2, rand(16, seed=1), rand(16, seed=2)
    assert close(attention.layer_norm(x, weight, bias, 1e-5), F.layer_norm(x, (16,), weight, bias, 1e-5))
    assert close(attention.rms_norm(x, weight, 1e-5), F.rms_norm(x, (16,), weight, 1e-5))


def test_rms_norm_is_the_real_models(default_model):
    norm = default_model[0].model.norm
    x = rand(4, 576, dtype=torch.float32)
    assert close(attention.rms_norm(x, norm.weight.detach(), norm.variance_epsilon), norm(x).detach(), 1e-5)


# Studies on random numbers


def test_the_variance_of_a_dot_product_is_d_and_one_when_scaled():
    for row in studies.scale_study((4, 64, 1024)):
        # 16,000 products: the relative error of a variance is about sqrt(2 / 16,000), products of one query being independent.
        assert row.variance == pytest.approx(row.dim, rel=0.08) and row.scaled_variance == pytest.approx(1, rel=0.08)


def test_without_the_scale_the_softmax_saturates_as_d_grows():
    rows = studies.scale_study((16, 64, 256, 1024, 4096), queries=150)
    assert [row.largest for row in rows] == sorted(row.largest for row in rows) and rows[-1].largest > 0.95
    assert [row.gradient for row in rows] == sorted((row.gradient for row in rows), reverse=True)
    assert max(row.scaled_largest for row in rows) < 0.2 and rows[-1].scaled_gradient > 5 * rows[-1].gradient


def test_the_softmax_gradient_is_autograds():
    row = studies.scale_study((8,), keys=5, queries=1, seed=3)[0]
    generator = torch.Generator().manual_seed(3)
    q = torch.randn(1, 1, 8, generator=generator, dtype=torch.float64)
    k = torch.randn(1, 5, 8, generator=generator, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda s: s.softmax(-1), (k[0] @ q[0, 0]))
    assert row.gradient == pytest.approx(float(jacobian.norm()), abs=1e-12)


def test_the_gradient_reaches_the_first_block_through_residual_connections():
    with_them, without = studies.gradient_norms(24, residual=True), studies.gradient_norms(24, residual=False)
    assert len(with_them) == len(without) == 24
    assert 0.3 < with_them[0] / with_them[-1] < 10 and without[0] / without[-1] < 1e-15
    normed, bare = studies.gradient_norms(24, True, norm=True), studies.gradient_norms(24, False, norm=True)
    assert without[0] < bare[0] < normed[0] / 10  # norms alone rescue a part


def test_gradient_norms_are_autograds_and_leave_the_seed_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = studies.gradient_norms(1, True)
    assert torch.equal(torch.get_rng_state(), state) and studies.gradient_norms(1, True) == one


# What cannot be done


def test_what_cannot_be_done_says_so(ready_home, says):
    encoder = load_encoder()[0]
    for call, words in (
        (lambda: attention.sinusoidal_positions(3, 5), ("5", "even")),
        (lambda: attention.rotary_tables(3, 7), ("7", "even")),
        (lambda: attention.split_heads(torch.zeros(1, 2, 10), 3), ("10", "3")),
        (lambda: studies.attention_maps(encoder, torch.arange(0)), ("0 tokens",)),
        (lambda: studies.attention_maps(encoder, torch.arange(600)), ("600", "512")),
    ):
        with pytest.raises(LabError) as caught:
            call()
        says(caught.value, *words)
