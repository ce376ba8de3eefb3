"""Memory of a training step, against real steps, PyTorch's optimizers and peft."""

from __future__ import annotations

import pytest
import torch
from memory_models import CONFIGS, live, llama7b

from labutils import memory
from labutils.errors import LabError
from labutils.machine.footprint import tensor_bytes
from labutils.memory import Shape, TrainingSetup, predict_training
from labutils.tuning.measured import compare_training

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


@pytest.mark.slow
@pytest.mark.parametrize("length", [32, 128])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_real_model_is_predicted(default_model, length, method):
    found = compare_training(default_model[0], 1, length, method)
    for term in ("weights", "gradients", "optimizer"):
        assert found[term].predicted == pytest.approx(found[term].measured, rel=0.02), term
    assert found["peak"].predicted == pytest.approx(found["peak"].measured, rel=0.15)


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 0}, "batch=0"),
        ({"length": 8.5}, "length=8.5"),
        ({"labelled": -1}, "labelled=-1"),
        ({"method": "qlora"}, "full, lora"),
        ({"optimizer": "adam"}, "adamw"),
        ({"dtype": "fp16"}, "float16"),
        ({"attention": "flash"}, "sdpa"),
        ({"device": "tpu"}, "cpu or cuda"),
        ({"weights": "nf4"}, "choose lora"),
        ({"method": "lora", "weights": "int3"}, "int4 block 32"),
        ({"method": "lora", "lora_rank": 0}, "lora_rank=0"),
        ({"method": "lora", "lora_dropout": 1.5}, "lora_dropout=1.5"),
    ],
)
def test_a_setup_refuses_bad_input_in_one_sentence(options, words, says):
    with pytest.raises(LabError) as caught:
        TrainingSetup(**{"batch": 1, "length": 8, **options})
    says(caught.value, words)


@pytest.mark.parametrize(
    ("setup", "words"),
    [(TrainingSetup(1, 8, method="lora", lora_targets=["query"]), "q_proj"), (TrainingSetup(1, 100_000), "positions")],
)
def test_what_the_model_does_not_have_gets_one_sentence(setup, words, says):
    with pytest.raises(LabError) as caught:
        predict_training(Shape.of(CONFIGS["llama"]), setup)
    says(caught.value, words)
