"""What the forward pass keeps, against what autograd itself keeps."""

from __future__ import annotations

import pytest
import torch
from memory_models import CONFIGS, live

from labutils import memory
from labutils.memory import Shape, TrainingSetup

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
