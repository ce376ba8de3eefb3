"""Predicted beside measured: what the comparison does to a model, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from memory_models import live

from labutils.errors import LabError
from labutils.tuning.measured import compare_training


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


def test_an_encoder_has_no_prompt_tuning(says):
    with pytest.raises(LabError) as caught:
        compare_training(live("bert"), 1, 8, "prompt_tuning")
    says(caught.value, "encoder")
