"""Architectures whose layers are not alike: as transformers itself builds them, or refused in one sentence, and never wrong."""

from __future__ import annotations

import copy

import pytest
import torch
from memory_models import CONFIGS, live, llama7b
from transformers import (
    AutoModelForCausalLM,
    DeepseekV2Config,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    JambaConfig,
    Mamba2Config,
    MistralConfig,
    OpenAIGPTConfig,
    Phi3Config,
    Qwen3Config,
)
from transformers.models.auto import modeling_auto

from labutils import memory
from labutils.errors import LabError
from labutils.memory import Shape, TrainingSetup, predict_inference, predict_training
from labutils.memory.cache_layers import CacheLayers
from labutils.memory.unlike import BATCH, cache_of, kept_on_meta
from labutils.tuning.measured import compare_training

SMALL = dict(hidden_size=96, intermediate_size=256, num_hidden_layers=4, num_attention_heads=6, vocab_size=1024, pad_token_id=0)


def cache_bytes(config, length, batch=3, dtype=torch.float32):
    """Bytes of the cache that transformers makes for a prompt, on the meta device, counted tensor by tensor."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config).eval().to(dtype)
        out = model(input_ids=torch.ones(batch, length, dtype=torch.long), use_cache=True)
    total = 0
    for layer in (out.get("past_key_values") or out["cache_params"]).layers:
        for held in vars(layer).values():
            tensors = held if isinstance(held, (list, tuple)) else held.values() if isinstance(held, dict) else [held]
            total += sum(t.nbytes for t in tensors if isinstance(t, torch.Tensor) and t.device.type == "meta" and t.ndim)
    return total


@pytest.mark.parametrize(
    "config",
    [
        FalconConfig(hidden_size=96, num_hidden_layers=3, num_attention_heads=6, vocab_size=1024),
        FalconConfig(
            hidden_size=96, num_hidden_layers=3, num_attention_heads=6, num_kv_heads=2, new_decoder_architecture=True, vocab_size=1024
        ),
        Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=16, sliding_window=32),
        Gemma3TextConfig(**SMALL, num_key_value_heads=2, head_dim=16, sliding_window=32),
        MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=32),
        MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=None),
        Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=16),
        Phi3Config(**SMALL, num_key_value_heads=2, sliding_window=32),
    ],
    ids=lambda config: config.model_type,
)  # fmt: skip
@pytest.mark.parametrize("length", [7, 31, 32, 33, 100])
def test_the_cache_is_the_one_that_transformers_builds(config, length):
    assert memory.kv_cache_bytes(Shape.of(config), 3, length) == cache_bytes(config, length)


def test_a_shared_head_is_counted_once():
    """Falcon 7B: 71 query heads share one key-value head of 64 numbers in each of 32 layers."""
    shape = Shape.of(FalconConfig())
    assert memory.kv_cache_bytes(shape, 1, 1000, "bfloat16") == 2 * 32 * 64 * 1000 * 2
    assert cache_of(shape) == (CacheLayers(32, 128, kv_heads=1, head_dim=64),)


def test_a_state_does_not_grow():
    shape = Shape.of(Mamba2Config(num_hidden_layers=2))
    assert (
        memory.kv_cache_bytes(shape, 3, 10)
        == memory.kv_cache_bytes(shape, 3, 10_000)
        == cache_bytes(Mamba2Config(num_hidden_layers=2), 10)
    )


def test_a_window_bounds_its_layers_alone():
    near, far = cache_of(Shape.of(Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=16, sliding_window=32)))
    assert (near.count, near.window, far.count, far.window) == (2, 31, 2, 0)
    formula = predict_inference(Shape.of(Gemma2Config(num_hidden_layers=2)), 1, 8)["KV cache"].formula
    assert "at most 4,095 tokens" in formula


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: Shape.of(JambaConfig(num_hidden_layers=8)), "mixture of experts"),
        (lambda: Shape.of(DeepseekV2Config(num_hidden_layers=2)), "mixture of experts"),
        (
            lambda: predict_training(Shape.of(Mamba2Config(num_hidden_layers=2)), TrainingSetup(1, 8, attention="eager")),
            "formulas know|real numbers",
        ),
        (lambda: memory.kv_cache_bytes(Shape.of(OpenAIGPTConfig(n_layer=2)), 1, 8), "no cache made of layers"),
        (
            lambda: predict_training(
                Shape.of(Gemma2Config(**SMALL, num_key_value_heads=2, head_dim=16)), TrainingSetup(1, 64, attention="eager")
            ),
            "not the ones that the formulas know",
        ),
        (lambda: predict_training(Shape.of(MistralConfig(num_hidden_layers=1)), TrainingSetup(1, 5000)), "look back over 4,096"),
    ],
)
def test_what_is_not_known_is_refused_in_one_sentence(ask, words, says):
    with pytest.raises(LabError) as caught:
        ask()
    assert any(word in str(caught.value) for word in words.split("|")), str(caught.value)
    says(caught.value)


@pytest.mark.parametrize("name", [name for name, config in CONFIGS.items() if config.model_type != "t5"])
def test_what_autograd_keeps_without_memory_is_what_it_keeps_with(name):
    """The count on the meta device against the count of a live model, whose loss keeps its log-softmax on top."""
    model = live(name, "eager").train()
    kept = {}
    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    ids = torch.ones(BATCH, 64, dtype=torch.long)
    options = {} if name == "bert" else {"use_cache": False, "attention_mask": ids}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model(input_ids=ids, **options)
    assert kept_on_meta(copy.deepcopy(model).to("meta"), 64, name != "bert") == pytest.approx(
        sum(s.nbytes() for s in kept.values()), rel=0.02
    )
    del out


def test_a_model_that_passes_the_check_is_predicted(says):
    """Phi-3 was not looked at when the formulas were written: its projections are fused, its window is longer than the text."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(Phi3Config(**SMALL, num_key_value_heads=2))
    found = compare_training(model, 2, 96)
    for term in ("weights", "gradients", "optimizer"):
        assert found[term].predicted == pytest.approx(found[term].measured, rel=0.02), term
    assert found["activations"].predicted == pytest.approx(found["activations"].measured, rel=0.15)
    assert found["peak"].predicted == pytest.approx(found["peak"].measured, rel=0.15)


@pytest.mark.parametrize("dtype", ["float32", torch.float32])
def test_a_torch_dtype_is_as_good_as_its_name(dtype):
    shape = llama7b()
    assert predict_inference(shape, 1, 8, dtype=dtype).total == predict_inference(shape, 1, 8).total
    assert predict_training(shape, TrainingSetup(1, 8, dtype=dtype)).total == predict_training(shape, TrainingSetup(1, 8)).total


@pytest.mark.parametrize(("dtype", "words"), [(torch.int8, "int8"), ("fp32", "float32"), (None, "None")])
def test_another_dtype_is_refused_in_one_sentence(dtype, words, says):
    with pytest.raises(LabError) as caught:
        predict_inference(llama7b(), 1, 8, dtype=dtype)
    says(caught.value, words)


def test_negative_sizes_are_refused(says):
    for sizes in ((-1, 8), (1, -8)):
        with pytest.raises(LabError) as caught:
            memory.kv_cache_bytes(llama7b(), *sizes)
        says(caught.value, "=-")


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES))
def test_every_causal_configuration_is_right_or_refused(kind):
    """Each model type of transformers with its default sizes: the cache of 40 and 70 tokens, or a sentence."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.for_model(kind)
    except Exception as error:
        pytest.skip(f"transformers does not make this configuration by itself: {type(error).__name__}")
    if hasattr(config, "is_decoder"):
        config.is_decoder, config.is_encoder_decoder = True, False
    try:
        shape = Shape.of(config)
        predicted = {length: memory.kv_cache_bytes(shape, 3, length, "bfloat16") for length in (40, 70)}
    except LabError:
        return
    if shape.kind == "encoder":  # read as one because transformers has it for masked texts as well, and it can't be set to decode
        assert type(config) in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
        return
    for length, n_bytes in predicted.items():
        assert n_bytes == cache_bytes(config, length, dtype=torch.bfloat16), length
