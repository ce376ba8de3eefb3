"""Formats of weights against real tensors, and how a ledger reads."""

from __future__ import annotations

import pytest
import torch
from memory_models import CONFIGS, live, llama7b

from labutils import memory
from labutils.errors import LabError
from labutils.machine.footprint import tensor_bytes
from labutils.machine.limits import GIB
from labutils.memory import Shape, TrainingSetup, predict_inference, predict_training


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
    model = live("llama")
    matrices = [
        module.weight for path, module in model.named_modules() if isinstance(module, torch.nn.Linear) and path != "lm_head"
    ]
    stored = [matrix.to(torch.int8) for matrix in matrices] + [matrix.abs().max().float() for matrix in matrices]
    quantized = {id(matrix) for matrix in matrices}
    stored += [p.to(torch.bfloat16) for p in model.parameters() if id(p) not in quantized]
    assert len(matrices) == 3 * 7
    assert memory.weights_bytes(Shape.of(CONFIGS["llama"]), "int8 tensor", "bfloat16") == tensor_bytes(stored)


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


def test_a_term_that_is_not_there_gets_one_sentence(says):
    with pytest.raises(LabError) as caught:
        predict_training(Shape.of(CONFIGS["llama"]), TrainingSetup(1, 8))["weight"]
    says(caught.value, "weights")
