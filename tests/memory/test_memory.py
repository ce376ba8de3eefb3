"""Memory predictions against live models, real optimizers, real caches and what autograd itself keeps."""

from __future__ import annotations

import math

import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    MixtralConfig,
    T5Config,
)

from labutils import memory
from labutils.errors import LabError
from labutils.machine.footprint import tensor_bytes
from labutils.machine.limits import GIB
from labutils.memory import Shape, TrainingSetup, predict_inference, predict_training
from labutils.tuning.measured import compare_inference, compare_training

LLAMA = dict(
    hidden_size=96,
    intermediate_size=256,
    num_attention_heads=6,
    num_key_value_heads=2,
    vocab_size=1024,
    max_position_embeddings=512,
)
CONFIGS = {
    "llama": LlamaConfig(num_hidden_layers=3, tie_word_embeddings=True, **LLAMA),
    "llama untied": LlamaConfig(num_hidden_layers=3, tie_word_embeddings=False, **LLAMA),
    "gpt2": GPT2Config(n_embd=96, n_layer=3, n_head=6, vocab_size=1024, n_positions=512, bos_token_id=0, eos_token_id=0),
    "gpt2 without dropout": GPT2Config(
        n_embd=96, n_layer=3, n_head=6, vocab_size=1024, n_positions=512, bos_token_id=0, eos_token_id=0, attn_pdrop=0.0, resid_pdrop=0.0,
        embd_pdrop=0.0,
    ),
    "bert": BertConfig(hidden_size=96, num_hidden_layers=3, num_attention_heads=6, intermediate_size=384, vocab_size=1024),
    "t5": T5Config(
        d_model=96, d_kv=16, d_ff=320, num_layers=3, num_decoder_layers=2, num_heads=6, vocab_size=1024, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1,
    ),
    "t5 gated": T5Config(
        d_model=96, d_kv=16, d_ff=320, num_layers=2, num_decoder_layers=2, num_heads=6, vocab_size=1024, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=1, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    ),
}  # fmt: skip
BIG = LlamaConfig(
    hidden_size=8192,
    num_hidden_layers=80,
    intermediate_size=28672,
    num_attention_heads=64,
    num_key_value_heads=8,
    vocab_size=128256,
)


def live(name, attention="sdpa"):
    config = CONFIGS[name]
    auto = {"bert": AutoModelForMaskedLM, "t5": AutoModelForSeq2SeqLM}.get(config.model_type, AutoModelForCausalLM)
    torch.manual_seed(0)
    return auto.from_config(config, attn_implementation=attention)


def llama7b():
    return Shape.of(LlamaConfig())


# --- the shape


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_those_of_the_live_model(name):
    model, shape = live(name), Shape.of(CONFIGS[name])
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    assert shape == Shape.of(model)
    assert shape.largest == max(p.numel() for p in model.parameters())
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


# --- known figures


def test_figures_that_everyone_quotes():
    shape = llama7b()
    assert shape.parameters == 6_738_415_616
    assert memory.weights_bytes(shape, "float32") == 26_953_662_464  # the size of the published float32 files
    assert predict_inference(shape, 1, 1, dtype="float16")["weights"].gb == pytest.approx(13.48, abs=0.01)
    assert memory.kv_cache_bytes(shape, 1, 2048, "float16") == GIB  # 2 · 32 · 32 · 2048 · 128 · 2
    mixed = predict_training(shape, TrainingSetup(1, 1, dtype="mixed"))
    states = sum(mixed[name].n_bytes for name in ("weights", "gradients", "optimizer"))
    assert states == 16 * shape.parameters  # ZeRO, sec. 3.1


def test_grouped_queries_shrink_the_cache_by_the_group():
    grouped, full = (Shape.of(LlamaConfig(num_hidden_layers=2, **{**LLAMA, "num_key_value_heads": n})) for n in (2, 6))
    assert memory.kv_cache_bytes(full, 3, 50) == 3 * memory.kv_cache_bytes(grouped, 3, 50)
    assert memory.kv_cache_bytes(Shape.of(CONFIGS["bert"]), 3, 50) == 0


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("float32", 32),
        ("bfloat16", 16),
        ("int8 tensor", 8),
        ("int4 block 32", 4.5),
        ("int4 block 32 zero-point", 5.0),
        ("nf4", 4.5),
        ("nf4 double", 4.127),
    ],
)
def test_bits_of_a_weight_with_its_constants(name, bits):
    n_bytes = memory.weight_format(name).n_bytes(4096, 4096)
    assert 8 * n_bytes / 4096**2 == pytest.approx(bits, abs=1e-3)


def test_scales_are_counted_like_real_tensors():
    weight = torch.randn(48, 96)
    per_row = tensor_bytes([weight.to(torch.int8), weight.abs().amax(1)])
    assert memory.weight_format("int8").n_bytes(48, 96) == per_row
    scale = weight.reshape(-1, 32).abs().amax(1).half()
    packed = torch.zeros(weight.numel() // 2, dtype=torch.uint8)
    assert memory.weight_format("int4 block 32").n_bytes(48, 96) == tensor_bytes([packed, scale])


def test_only_the_linear_layers_inside_the_blocks_are_quantized():
    shape = Shape.of(CONFIGS["llama"])
    inside = shape.group("attention") + shape.group("feed-forward")
    assert memory.weights_bytes(shape, "int8 tensor", "bfloat16") == inside + 2 * (shape.parameters - inside) + 4 * 7 * 3


# --- trainable parameters against peft


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert", "t5"])
@pytest.mark.parametrize("rank", [4, 16])
def test_lora_trains_as_many_as_peft_says(name, rank):
    from peft import LoraConfig, get_peft_model

    shape = Shape.of(CONFIGS[name])
    some = {"llama": ["q_proj", "v_proj"], "gpt2": ["c_attn"], "bert": ["query", "attention.output.dense"], "t5": ["q", "v"]}[
        name
    ]
    for targets in ("all-linear", some):
        tuned = get_peft_model(live(name), LoraConfig(r=rank, target_modules=targets))
        assert (
            memory.trainable_parameters(shape, "lora", lora_rank=rank, lora_targets=targets)
            == tuned.get_nb_trainable_parameters()[0]
        )


# --- what autograd keeps

CASES = [(name, attention) for name in CONFIGS for attention in ("sdpa", "eager")]


def kept_by_autograd(model, ids, **inputs):
    """Bytes that the forward pass keeps for the backward pass: parameters and buffers left out, each storage once."""
    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    kept = {}

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()  # held, so that no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(input_ids=ids, labels=ids, **inputs).loss
    return sum(storage.nbytes() for storage in kept.values()), loss


@pytest.mark.parametrize(("name", "attention"), CASES)
@pytest.mark.parametrize(
    ("method", "masked"), [("full", False), ("lora", False), ("full", True), pytest.param("lora", True, marks=pytest.mark.slow)]
)
def test_saved_tensors_are_those_of_autograd(name, attention, method, masked):
    from peft import LoraConfig, get_peft_model

    model, shape = live(name, attention).train(), Shape.of(CONFIGS[name])
    if method == "lora":
        model = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear"))
    batch, length = 2, 96
    ids = torch.randint(5, 1000, (batch, length))
    inputs = {} if shape.kind == "encoder" else {"use_cache": False}
    if masked:
        inputs["attention_mask"] = torch.ones_like(ids)
        inputs["attention_mask"][0, :7] = 0
    measured, _ = kept_by_autograd(model, ids, **inputs)
    parts = memory.saved_activations(
        shape, TrainingSetup(batch, length, method=method, attention=attention, lora_rank=8, masked=masked)
    )
    predicted = sum(part.count * part.n_bytes for part in parts)
    predicted += batch * length * shape.vocabulary * 4  # the log-softmax of the loss
    assert predicted == pytest.approx(measured, rel=0.02)


def test_lora_dropout_keeps_a_copy_for_each_adapted_layer():
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(live("llama").train(), LoraConfig(r=8, target_modules="all-linear", lora_dropout=0.1))
    ids = torch.randint(5, 1000, (2, 96))
    measured, _ = kept_by_autograd(model, ids, use_cache=False)
    parts = memory.saved_activations(
        Shape.of(CONFIGS["llama"]), TrainingSetup(2, 96, method="lora", lora_rank=8, lora_dropout=0.1)
    )
    predicted = sum(part.count * part.n_bytes for part in parts) + 2 * 96 * 1024 * 4
    # The first block's three dropout masks are predicted, though no gradient passes there.
    assert predicted == pytest.approx(measured, rel=0.04)


def test_a_frozen_linear_layer_keeps_no_input():
    shape = Shape.of(CONFIGS["llama"])
    setups = (
        TrainingSetup(1, 64),
        TrainingSetup(1, 64, method="lora", lora_targets=("q_proj",)),
        TrainingSetup(1, 64, method="bitfit"),
    )
    blocks = [next(part for part in memory.saved_activations(shape, setup) if part.repeated) for setup in setups]
    assert {block.name for block in blocks} == {"decoder block"}
    inputs = [[t.module for t in block.tensors if t.tensor == "input"] for block in blocks]
    assert inputs == [["attention", "feed-forward", "feed-forward"], ["attention"], []]


# --- predicted against measured

MORE = [("bert", "lora"), ("t5", "lora"), ("llama", "full")]
RUNS = [
    ("llama untied", "full"),
    ("llama", "lora"),
    ("gpt2", "full"),
    ("gpt2", "bitfit"),
    ("gpt2", "prompt_tuning"),
    ("bert", "full"),
    ("t5", "full"),
]
RUNS += [pytest.param(*run, marks=pytest.mark.slow) for run in MORE]


@pytest.mark.parametrize(("name", "method"), RUNS)
@pytest.mark.parametrize(
    ("length", "checkpointing"), [(48, False), (160, False), (48, True), pytest.param(160, True, marks=pytest.mark.slow)]
)
def test_training_is_predicted(name, method, length, checkpointing):
    found = compare_training(live(name), 2, length, method, checkpointing=checkpointing, lora_rank=8)
    for term in ("weights", "gradients", "optimizer"):
        assert found[term].predicted == pytest.approx(found[term].measured, rel=0.02), term
    assert found["activations"].predicted == pytest.approx(found["activations"].measured, rel=0.15)
    assert found["peak"].predicted == pytest.approx(found["peak"].measured, rel=0.15)


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert", "t5"])
@pytest.mark.parametrize("method", ["full", pytest.param("lora", marks=pytest.mark.slow)])
def test_sixteen_bits_are_predicted_too(name, method):
    found = compare_training(live(name).to(torch.bfloat16), 2, 160, method, lora_rank=8)
    for term in ("weights", "gradients", "optimizer"):
        assert found[term].predicted == pytest.approx(found[term].measured, rel=0.02), term
    assert found["activations"].predicted == pytest.approx(found["activations"].measured, rel=0.05)
    assert found["peak"].predicted == pytest.approx(found["peak"].measured, rel=0.05)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("length", [48, 160])
def test_inference_is_predicted(name, length):
    found = compare_inference(live(name), 2, length, new_tokens=6)
    assert found["weights"].predicted == found["weights"].measured
    assert found["KV cache"].predicted == pytest.approx(found["KV cache"].measured, rel=0.02)
    assert found["peak"].predicted == pytest.approx(found["peak"].measured, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("length", [32, 128])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_real_model_is_predicted(default_model, length, method):
    found = compare_training(default_model[0], 1, length, method)
    for term in ("weights", "gradients", "optimizer"):
        assert found[term].predicted == pytest.approx(found[term].measured, rel=0.02), term
    assert found["peak"].predicted == pytest.approx(found["peak"].measured, rel=0.15)


def test_the_model_is_left_as_it_was():
    model = live("llama").eval()
    before = {name: (p.clone(), p.requires_grad) for name, p in model.named_parameters()}
    for method in ("full", "lora", "prompt_tuning", "bitfit"):
        compare_training(model, 1, 16, method, checkpointing=True)
    after = dict(model.named_parameters())
    assert after.keys() == before.keys() and not model.training and not model.is_activation_checkpointing
    assert all(
        torch.equal(after[n], w) and after[n].requires_grad == grad and after[n].grad is None for n, (w, grad) in before.items()
    )


@pytest.mark.parametrize("optimizer", ["adamw", "momentum", "sgd"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_optimizer_state_is_that_of_pytorch(optimizer, dtype):
    model = live("llama").to(getattr(torch, dtype))
    kinds = {"adamw": (torch.optim.AdamW, {}), "momentum": (torch.optim.SGD, {"momentum": 0.9}), "sgd": (torch.optim.SGD, {})}
    kind, options = kinds[optimizer]
    made = kind(model.parameters(), lr=0.0, **options)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    made.step()
    real = tensor_bytes(v for held in made.state.values() for v in held.values() if isinstance(v, torch.Tensor))
    predicted = predict_training(Shape.of(model), TrainingSetup(1, 8, optimizer=optimizer, dtype=dtype))["optimizer"].n_bytes
    assert predicted == pytest.approx(real, rel=0.02, abs=0)


# --- properties


@pytest.mark.parametrize("name", CONFIGS)
def test_what_must_hold_for_every_setting(name):
    shape = Shape.of(CONFIGS[name])
    for batch, length in ((1, 8), (2, 64), (8, 256)):
        full = predict_training(shape, TrainingSetup(batch, length))
        for method in ("full", "lora", "prompt_tuning", "bitfit"):
            plain = predict_training(shape, TrainingSetup(batch, length, method=method))
            again = predict_training(shape, TrainingSetup(batch, length, method=method, checkpointing=True))
            assert again["activations"].n_bytes <= plain["activations"].n_bytes
            assert plain.total <= plain.sum and again.total <= again.sum
            assert plain.total <= predict_training(shape, TrainingSetup(batch + 1, length, method=method)).total
            assert plain.total <= predict_training(shape, TrainingSetup(batch, length, method=method, accumulation=True)).total
        assert predict_training(shape, TrainingSetup(batch, length, method="lora")).total <= full.total
        assert predict_training(shape, TrainingSetup(batch, length, optimizer="adamw8bit")).total <= full.total
        assert predict_training(shape, TrainingSetup(batch, length, attention="eager")).total >= full.total
        assert predict_training(shape, TrainingSetup(batch, length, labelled=1)).total <= full.total


def test_quantized_weights_and_adapters_cost_least():
    shape = llama7b()
    totals = [
        predict_training(shape, TrainingSetup(1, 512, method="lora", dtype="bfloat16", weights=how)).total
        for how in (None, "int8", "nf4", "nf4 double")
    ]
    assert totals == sorted(totals, reverse=True) and len(set(totals)) == 4


@pytest.mark.parametrize("devices", [2, 8, 64])
def test_sharding_splits_what_its_stage_splits(devices):
    one = predict_training(llama7b(), TrainingSetup(1, 512, dtype="mixed"))
    psi = llama7b().parameters
    each = {"ddp": 16, "zero1": 4 + 12 / devices, "zero2": 2 + 14 / devices, "zero3": 16 / devices, "fsdp": 16 / devices}
    for scheme, per_parameter in each.items():
        split = memory.shard(one, devices, scheme)
        states = sum(split[name].n_bytes for name in ("weights", "gradients", "optimizer"))
        assert states == pytest.approx(per_parameter * psi, rel=1e-9), scheme  # ZeRO, fig. 1
        assert split["activations"] == one["activations"]
        assert split.total <= one.total


def test_on_one_device_every_scheme_is_the_same():
    one = predict_training(llama7b(), TrainingSetup(1, 512))
    assert {memory.shard(one, 1, scheme).total for scheme in ("ddp", "zero1", "zero2", "zero3", "fsdp")} == {one.total}


def test_the_paper_s_example_of_zero():
    """7.5 billion parameters on 64 devices: 120, 31.4, 16.6 and 1.9 GB of model states (Rajbhandari et al. 2020, fig. 1)."""
    for scheme, gb in {"ddp": 120, "zero1": 31.4, "zero2": 16.6, "zero3": 1.9}.items():
        one = predict_training(llama7b(), TrainingSetup(1, 1, dtype="mixed"))
        split = memory.shard(one, 64, scheme)
        states = sum(split[name].n_bytes for name in ("weights", "gradients", "optimizer")) / llama7b().parameters * 7.5
        assert states == pytest.approx(gb, abs=0.06), scheme


def test_largest_batch_is_the_last_that_fits():
    shape = Shape.of(CONFIGS["llama"])

    def predict(batch):
        return predict_training(shape, TrainingSetup(batch, 128))

    room = predict(5).total
    assert memory.largest_batch(predict, room) == 5
    assert memory.largest_batch(predict, room - 1) == 4
    assert memory.largest_batch(predict, 1) == 0
    assert memory.largest_batch(predict, math.inf, limit=7) == 7


def test_what_does_not_fit_names_what_would(says):
    shape = llama7b()
    full = predict_training(shape, TrainingSetup(1, 512))
    smaller = {"LoRA": predict_training(shape, TrainingSetup(1, 512, method="lora")), "a 4-bit base": predict_training(shape, TrainingSetup(1, 512, method="lora", dtype="bfloat16", weights="nf4"))}  # fmt: skip
    fit = memory.fits(full, 16 * GIB, smaller)
    assert not fit
    says(fit, "GiB of 16.00 GiB and does not fit", "a 4-bit base needs", f"{full.total / GIB:.2f}")
    says(memory.fits(full, GIB, smaller), "no smaller setting")
    assert memory.fits(full, full.total)
    says(memory.fits(full, full.total), "and fits")


def test_a_ledger_reads_well():
    ledger = predict_training(llama7b(), TrainingSetup(1, 512), framework=True)
    assert [row[0] for row in ledger.rows()] == [
        "weights",
        "gradients",
        "optimizer",
        "activations",
        "logits",
        "temporaries",
        "framework",
    ]
    assert all(row[3] and row[4] for row in ledger.rows())  # a formula and a source each
    assert ledger.total == pytest.approx(sum(row[2] for row in ledger.rows()) * GIB)
    assert "peak" in str(ledger) and f"{ledger.gib:.3f} GiB" in str(ledger)
    assert predict_inference(llama7b(), 1, 8).peak_moment == "at the activations"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: predict_training(s, TrainingSetup(0, 8)), "batch=0"),
        (lambda s: predict_training(s, TrainingSetup(1, 8.5)), "length=8.5"),
        (lambda s: predict_training(s, TrainingSetup(1, 8, method="qlora")), "full, lora"),
        (lambda s: predict_training(s, TrainingSetup(1, 8, optimizer="adam")), "adamw"),
        (lambda s: predict_training(s, TrainingSetup(1, 8, dtype="fp16")), "float16"),
        (lambda s: predict_training(s, TrainingSetup(1, 8, attention="flash")), "sdpa"),
        (lambda s: predict_training(s, TrainingSetup(1, 8, weights="nf4")), "choose lora"),
        (lambda s: predict_training(s, TrainingSetup(1, 8, method="lora", lora_targets=["query"])), "q_proj"),
        (lambda s: predict_training(s, TrainingSetup(1, 8, method="lora", lora_rank=0)), "lora_rank=0"),
        (lambda s: predict_training(s, TrainingSetup(1, 8, device="tpu"), framework=True), "cpu or cuda"),
        (lambda s: predict_training(s, TrainingSetup(1, 100_000)), "positions"),
        (lambda s: predict_inference(s, 1, 8, -1), "new_tokens=-1"),
        (lambda s: predict_inference(s, 1, 8, weights="int3"), "int4 block 32"),
        (lambda s: predict_inference(s, 1, 8, weights="int4 block 0"), "int4 block 32"),
        (lambda s: memory.shard(predict_training(s, TrainingSetup(1, 8)), 0, "ddp"), "devices=0"),
        (lambda s: memory.shard(predict_training(s, TrainingSetup(1, 8)), 2, "zero4"), "zero3"),
        (lambda s: predict_training(s, TrainingSetup(1, 8))["weight"], "weights"),
        (lambda s: Shape.of({"hidden_size": 8}), "dict"),
        (lambda s: Shape.of(MixtralConfig(num_hidden_layers=1)), "mixture of experts"),
        (lambda s: compare_training(live("bert"), 1, 8, "prompt_tuning"), "encoder"),
    ],
)
def test_bad_input_gets_one_sentence(call, words, says):
    with pytest.raises(LabError) as caught:
        call(Shape.of(CONFIGS["llama"]))
    says(caught.value, words)
