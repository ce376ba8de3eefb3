"""Methods of fine-tuning: what is trained, how it starts, and that the frozen rest stays frozen, on tiny random models."""

from __future__ import annotations

import copy
import math
import random

import numpy as np
import pytest
import torch
from tiny_models import BLOCKS, HIDDEN, tiny

from labutils.errors import LabError
from labutils.memory import Shape
from labutils.memory.methods import trainable_parameters
from labutils.quantization.linear4bit import Linear4bit
from labutils.tuning.examples import Example, collate, token_losses
from labutils.tuning.loop import train
from labutils.tuning.methods import METHODS, Method, named_trainable_parameters, nearest_words, prepare, trainable_count
from labutils.tuning.recipe import Recipe

KINDS = tuple(BLOCKS)
EXAMPLES = [Example([5, 6, 7], [8, 9, 1]), Example([10, 11], [12, 13, 14, 1]), Example([15], [1]), Example([16, 17], [18, 1])]


def logits(model):
    was_training = model.training
    with torch.no_grad():
        found = model.eval()(**collate(EXAMPLES, model).inputs).logits
    model.train(was_training)
    return found


def stir(model, size=0.1):
    """Move what is trained away from its start."""
    torch.manual_seed(1)
    with torch.no_grad():
        for _, parameter in named_trainable_parameters(model):
            parameter.add_(size * torch.randn_like(parameter))


# --- the start


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["full", "lora", "bitfit", "adapters"])
def test_prepare_leaves_the_outputs_as_they_are_and_training_changes_them(kind, method):
    model = tiny(kind)
    before = logits(model)
    model = prepare(model, method)
    assert model.training
    torch.testing.assert_close(logits(model), before, rtol=0, atol=1e-6)
    stir(model)
    assert (logits(model) - before).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["llama", "opt", "t5", "bart"])
def test_qlora_starts_as_the_dense_model_of_its_rounded_weights(kind):
    twin, model = tiny(kind), prepare(tiny(kind), "qlora")
    dense = logits(twin)
    packed = {name: layer for name, layer in model.get_base_model().named_modules() if isinstance(layer, Linear4bit)}
    with torch.no_grad():
        for name, layer in packed.items():
            twin.get_submodule(name.removesuffix(".base_layer")).weight.copy_(layer.dequantize())
    torch.testing.assert_close(logits(model), logits(twin), rtol=0, atol=1e-5)
    assert len(packed) >= 5 * BLOCKS[kind] and (logits(model) - dense).abs().max() > 1e-4  # four bits are not 32
    token_losses(model, collate(EXAMPLES, model)).mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for name, p in named_trainable_parameters(model) if "lora_B" in name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_soft_prompt_starts_as_the_vectors_of_words(kind):
    model = tiny(kind)
    words = model.get_input_embeddings().weight.detach().clone()
    soft = [p.detach() for _, p in named_trainable_parameters(prepare(model, Method("prompt_tuning", virtual_tokens=4)))]
    assert len(soft) == 1
    assert (soft[0][:, None] == words).all(dim=-1).any(dim=-1).all()


def test_lora_s_a_is_random_and_its_b_is_zero():
    for name, parameter in named_trainable_parameters(prepare(tiny("llama"), "lora")):
        assert ("lora_A" in name) != ("lora_B" in name)
        assert bool((parameter != 0).all()) if "lora_A" in name else not parameter.any()


@pytest.mark.parametrize("alpha", [None, 4, 32])
def test_lora_is_the_paper_s_change_of_the_weight(alpha):
    """y = W x + alpha / r B A x (Hu et al. 2021, section 4.1), on the layers themselves; alpha is twice the rank by default."""
    model = prepare(tiny("llama"), Method("lora", lora_rank=4, lora_alpha=alpha)).eval()
    stir(model)
    layer = model.get_base_model().model.layers[1].mlp.down_proj
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    x = torch.randn(3, 64)
    expected = x @ layer.base_layer.weight.T + (8 if alpha is None else alpha) / 4 * (x @ a.T @ b.T)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
    assert a.shape == (4, 64) and b.shape == (HIDDEN, 4)


@pytest.mark.parametrize("method", ["lora", "qlora", "prompt_tuning", "adapters"])
def test_the_same_seed_gives_the_same_start_and_nothing_else_is_drawn(method):
    torch.manual_seed(1234)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()

    def start(seed):
        model = tiny("llama")
        torch.set_rng_state(states[0])
        return {name: p.detach().clone() for name, p in named_trainable_parameters(prepare(model, method, seed=seed))}

    first, again = start(3), start(3)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1] and (np.random.get_state()[1] == states[2]).all()
    torch.rand(5)
    model = tiny("llama")
    torch.rand(7)  # what was drawn before does not count
    third = {name: p.detach() for name, p in named_trainable_parameters(prepare(model, method, seed=3))}
    assert all(torch.equal(first[name], again[name]) and torch.equal(first[name], third[name]) for name in first)
    other = start(4)
    assert any(not torch.equal(first[name], other[name]) for name in first)


# --- how many, and which


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "method",
    [
        Method("full"),
        Method("bitfit"),
        Method("lora"),
        Method("lora", lora_rank=3),
        Method("prompt_tuning"),
        Method("prompt_tuning", virtual_tokens=7),
    ],
    ids=lambda m: f"{m.name} {m.lora_rank} {m.virtual_tokens}",
)
def test_the_trained_numbers_are_those_that_lab_04_counts(kind, method):
    model = tiny(kind)
    expected = trainable_parameters(
        Shape.of(model), method.memory_method, lora_rank=method.lora_rank, virtual_tokens=method.virtual_tokens
    )
    assert trainable_count(prepare(model, method)) == expected > 0


@pytest.mark.parametrize("targets", ["q_proj", ("q_proj",), ("q_proj", "down_proj"), "self_attn.v_proj"])
def test_lora_s_targets_mean_what_they_mean_to_the_plan(targets):
    model = tiny("llama")
    expected = trainable_parameters(Shape.of(model), "lora", lora_rank=16, lora_targets=targets)
    assert trainable_count(prepare(model, Method("lora", lora_targets=targets))) == expected > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bottleneck", [1, 32])
def test_an_adapter_a_block_and_its_size_by_hand(kind, bottleneck):
    model = prepare(tiny(kind), Method("adapters", bottleneck=bottleneck))
    one = HIDDEN * bottleneck + bottleneck + bottleneck * HIDDEN + HIDDEN  # down and its bias, up and its bias
    assert trainable_count(model) == BLOCKS[kind] * one
    assert all("adapter_" in name for name, _ in named_trainable_parameters(model))


@pytest.mark.parametrize("kind", KINDS)
def test_every_adapter_takes_part(kind):
    model = prepare(tiny(kind), "adapters")
    token_losses(model, collate(EXAMPLES, model)).mean().backward()
    gradients = {name: p.grad for name, p in named_trainable_parameters(model) if "adapter_up.weight" in name}
    assert len(gradients) == BLOCKS[kind] and all(g is not None and g.abs().max() > 0 for g in gradients.values())


def test_an_adapter_is_a_residual_network_after_the_feed_forward_part():
    """y + up(relu(down(y))) with y = feed-forward(x): Houlsby et al. 2019, section 2, in NumPy."""
    plain, model = tiny("llama"), prepare(tiny("llama"), "adapters").eval()
    stir(model)
    block = model.model.layers[0].mlp
    x = torch.randn(5, HIDDEN)
    y = plain.model.layers[0].mlp(x).detach().double().numpy()
    down, up = block.adapter_down, block.adapter_up
    numbers = [t.detach().double().numpy() for t in (down.weight, down.bias, up.weight, up.bias)]
    expected = y + np.maximum(y @ numbers[0].T + numbers[1], 0) @ numbers[2].T + numbers[3]
    np.testing.assert_allclose(block(x).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "opt", "bart"])
def test_bitfit_trains_exactly_the_biases(kind):
    model = prepare(tiny(kind), "bitfit")
    biases = {id(m.bias) for m in model.modules() if isinstance(getattr(m, "bias", None), torch.nn.Parameter)}
    assert biases and {id(p) for _, p in named_trainable_parameters(model)} == biases


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_bitfit_trains_the_norms_scales_where_there_are_no_biases(kind):
    model = prepare(tiny(kind), "bitfit")
    scales = {id(m.weight) for m in model.modules() if "Norm" in type(m).__name__}
    assert scales and {id(p) for _, p in named_trainable_parameters(model)} == scales


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["lora", "prompt_tuning", "adapters"])
def test_the_base_is_frozen(kind, method):
    model = tiny(kind)
    base = {id(p) for p in model.parameters()}
    model = prepare(model, method)
    assert not base & {id(p) for _, p in named_trainable_parameters(model)}
    frozen = [p for p in model.parameters() if id(p) in base]
    assert len(frozen) == len(base) and not any(p.requires_grad for p in frozen)


def test_qlora_s_base_is_frozen_and_packed():
    plain, model = tiny("llama"), prepare(tiny("llama"), "qlora")
    assert all("lora_" in name for name, _ in named_trainable_parameters(model))
    assert trainable_count(model) == trainable_parameters(Shape.of(plain), "lora")
    layer = model.get_base_model().model.layers[0].mlp.up_proj
    assert layer.base_layer.qweight.dtype == torch.uint8 and not list(layer.base_layer.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_changes_base_weights_says_whether_the_model_itself_changes(method):
    model = tiny("llama")
    base = list(model.parameters())  # kept, so that no new parameter gets an old one's id
    ids = {id(p) for p in base}
    assert any(id(p) in ids for _, p in named_trainable_parameters(prepare(model, method))) == Method(method).changes_base_weights


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_merged_weights_give_what_the_trained_adapters_gave(kind):
    model = prepare(tiny(kind), "lora")
    before = logits(model)
    train(model, EXAMPLES, Recipe(1e-2, batch=2, epochs=3))
    apart = logits(model)
    assert (apart - before).abs().max() > 1e-3
    torch.testing.assert_close(logits(model.merge_and_unload()), apart, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_in_bfloat16_can_be_trained_too(method):
    model = prepare(tiny("llama").to(torch.bfloat16), method)
    assert all(math.isfinite(loss) for loss in train(model, EXAMPLES, Recipe(1e-3, batch=2)).losses)


# --- the nearest words


class Names:
    """A tokenizer whose tokens are called by their ids."""

    def decode(self, ids):
        return f"<{ids[0]}>"


@pytest.mark.parametrize("count", [1, 3, 50])
def test_nearest_words_are_those_of_numpy_s_brute_force(count):
    rng = np.random.default_rng(0)
    vectors, embeddings = rng.normal(size=(7, 16)), rng.normal(size=(50, 16)) * rng.uniform(0.1, 10, size=(50, 1))
    found = nearest_words(torch.tensor(vectors), torch.tensor(embeddings), Names(), count)
    for vector, words in zip(vectors, found, strict=True):
        cosines = [float(vector @ e / np.sqrt((vector @ vector) * (e @ e))) for e in embeddings]
        best = sorted(range(50), key=lambda i: -cosines[i])[:count]
        assert [word for word, _ in words] == [f"<{i}>" for i in best]
        np.testing.assert_allclose([cosine for _, cosine in words], [cosines[i] for i in best], atol=1e-5)


def test_a_vector_s_length_does_not_matter_and_a_word_is_its_own_nearest():
    torch.manual_seed(0)
    embeddings = torch.randn(30, 8, requires_grad=True)
    one, other = (nearest_words(embeddings[:5] * scale, embeddings, Names(), 4) for scale in (1e-3, 1e3))
    assert [[w for w, _ in row] for row in one] == [[w for w, _ in row] for row in other]
    assert [row[0][0] for row in one] == [f"<{i}>" for i in range(5)]
    assert [row[0][1] for row in one] == pytest.approx([1.0] * 5, abs=1e-5)


# --- what is refused


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(name="lorra"), ["'lorra'", *METHODS]),
        (dict(name=""), METHODS),
        (dict(name="lora", lora_rank=0), ["rank"]),
        (dict(name="prompt_tuning", virtual_tokens=-1), ["virtual tokens"]),
        (dict(name="adapters", bottleneck=0), ["bottleneck"]),
    ],
)
def test_methods_that_do_not_exist_are_refused(settings, words, says):
    with pytest.raises(LabError) as refused:
        Method(**settings)
    says(refused.value, *words)


def test_an_unknown_name_leaves_the_model_alone(says):
    model = tiny("llama")
    twin = copy.deepcopy(model.state_dict())
    with pytest.raises(LabError) as refused:
        prepare(model, "dora")
    says(refused.value, "'dora'", "lora")
    assert all(torch.equal(p, twin[name]) for name, p in model.state_dict().items()) and not model.training


@pytest.mark.parametrize("targets", [("no_such_layer",), "no_such_layer"])
def test_lora_on_layers_that_the_model_lacks_is_refused(targets, says):
    with pytest.raises(LabError) as refused:
        prepare(tiny("llama"), Method("lora", lora_targets=targets))
    says(refused.value, "no_such_layer", "q_proj")


def test_adapters_need_a_feed_forward_part(says):
    class Bare(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = torch.nn.Linear(4, 4)

    model = Bare()
    with pytest.raises(LabError) as refused:
        prepare(model, "adapters")
    says(refused.value, "feed-forward", "lora")
    assert model.attention.weight.requires_grad
