"""What Shape reads from a configuration, against live models and published figures."""

from __future__ import annotations

import pytest
import torch
from memory_models import CONFIGS, live, llama7b
from torch.overrides import TorchFunctionMode
from transformers import BartConfig, BertConfig, GPT2Config, LlamaConfig, MixtralConfig

from labutils.errors import LabError
from labutils.memory import Shape

BIG = LlamaConfig(
    hidden_size=8192,
    num_hidden_layers=80,
    intermediate_size=28672,
    num_attention_heads=64,
    num_key_value_heads=8,
    vocab_size=128256,
)


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_those_of_the_live_model(name):
    model, shape = live(name), Shape.of(CONFIGS[name])
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    assert shape == Shape.of(model)
    assert shape.largest == 1024 * 96  # the embeddings
    linear = [m for path, m in model.named_modules() if isinstance(m, torch.nn.Linear) or type(m).__name__ == "Conv1D"]
    assert sum(x.parameters for x in shape.linears) == sum(m.weight.numel() for m in linear)


def test_the_groups_are_what_their_names_say():
    model, shape = live("llama untied"), Shape.of(CONFIGS["llama untied"])
    for group, part in {
        "embeddings": "embed_tokens",
        "attention": "self_attn",
        "feed-forward": "mlp",
        "norms": "norm",
        "output head": "lm_head",
    }.items():
        assert shape.group(group) == sum(p.numel() for name, p in model.named_parameters() if part in name), group
    assert shape.group("biases") == 0 and not shape.tied and shape.gated and shape.norm == "rms"


def test_kinds_and_switches():
    kinds = {name: Shape.of(config).kind for name, config in CONFIGS.items()}
    assert kinds["gpt2"] == kinds["llama"] == "decoder" and kinds["bert"] == "encoder" and kinds["t5"] == "encoder-decoder"
    t5 = Shape.of(CONFIGS["t5"])
    assert (t5.encoder_layers, t5.layers, t5.gated, t5.position_bias, t5.head_dim) == (3, 2, False, True, 16)
    assert Shape.of(CONFIGS["t5 gated"]).gated and Shape.of(CONFIGS["gpt2"]).norm == "layer"


def test_seventy_billion_parameters_are_counted_without_being_made():
    made = []

    class Devices(TorchFunctionMode):
        """Notes the device of every large tensor that a call returns."""

        def __torch_function__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.numel() > 1_000_000:
                made.append(result.device.type)
            return result

    with Devices():
        shape = Shape.of(BIG)
    assert shape.parameters == 70_553_706_496  # Llama 3 70B, as its authors give it: 70.6 billion
    assert made and set(made) == {"meta"}


def test_the_real_model(default_model):
    shape = Shape.of(default_model[0])
    assert shape.parameters == 134_515_008 and (shape.layers, shape.heads, shape.kv_heads) == (30, 9, 3)


SQUARE = dict(hidden_size=96, intermediate_size=96, num_hidden_layers=2, num_attention_heads=6, vocab_size=512)


@pytest.mark.parametrize(
    ("config", "roles"),
    [
        (LlamaConfig(**SQUARE), {"gate_proj": "ff in", "up_proj": "ff in", "down_proj": "ff out", "o_proj": "attention out"}),
        (GPT2Config(n_embd=96, n_inner=96, n_layer=2, n_head=6), {"mlp.c_fc": "ff in", "mlp.c_proj": "ff out", "c_attn": "qkv"}),
        (
            BertConfig(**SQUARE),
            {
                "intermediate.dense": "ff in",
                "layer.output.dense": "ff out",
                "attention.output.dense": "attention out",
                "transform.dense": "other",
                "decoder": "head",
            },
        ),
    ],
    ids=lambda value: value.model_type if hasattr(value, "model_type") else "",
)
def test_roles_where_the_sizes_leave_them_open(config, roles):
    """All matrices are square here, so that only their place and their own name tell them apart."""
    shape = Shape.of(config)
    found = {end: {x.role for x in shape.linears if x.name.endswith(end)} for end in roles}
    assert found == {end: {role} for end, role in roles.items()}


def test_a_square_gated_feed_forward_layer_is_gated():
    assert Shape.of(LlamaConfig(**SQUARE)).gated and not Shape.of(GPT2Config(n_embd=96, n_inner=96, n_layer=2, n_head=6)).gated


@pytest.mark.parametrize(
    "config",
    [
        CONFIGS["t5"],
        BartConfig(
            d_model=96, encoder_layers=3, decoder_layers=2, encoder_attention_heads=6, decoder_attention_heads=6, encoder_ffn_dim=320,
            decoder_ffn_dim=320, vocab_size=1024,
        ),
    ],
    ids=["t5", "bart"],
)  # fmt: skip
def test_an_encoder_decoder_s_layers_know_their_stack_and_cross_attention(config):
    """Three encoder blocks of 4 + 2 matrices, two decoder blocks of 4 + 4 + 2."""
    linears = Shape.of(config).linears
    count = {
        (stack, crossing): sum(x.count for x in linears if (x.stack, x.crossing) == (stack, crossing) and x.role != "head")
        for stack in ("encoder", "decoder", "")
        for crossing in (False, True)
    }
    assert count == {
        ("encoder", False): 18,
        ("decoder", False): 12,
        ("decoder", True): 8,
        ("encoder", True): 0,
        ("", False): 0,
        ("", True): 0,
    }


def test_the_published_size_of_a_model():
    assert llama7b().parameters == 6_738_415_616


@pytest.mark.parametrize(
    ("given", "words"),
    [({"hidden_size": 8}, "dict"), (MixtralConfig(num_hidden_layers=1), "mixture of experts")],
)
def test_what_is_no_dense_transformer_gets_one_sentence(given, words, says):
    with pytest.raises(LabError) as caught:
        Shape.of(given)
    says(caught.value, words)
