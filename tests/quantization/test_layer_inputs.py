"""Inputs of linear layers: what is seen and what is rounded."""

from __future__ import annotations

import pytest
import torch
from memory_models import live

from labutils.quantization import layer_inputs_of, linear_layers, rounded_inputs


def test_the_layers_are_all_but_the_head():
    model = live("llama untied")
    names = linear_layers(model)
    assert len(names) == 3 * 7 and not any("lm_head" in name for name in names)


def test_inputs_are_those_that_the_layers_get():
    model, ids = live("llama").eval(), torch.arange(10, 22)[None]
    inputs = layer_inputs_of(model, ids, "down_proj")
    assert len(inputs) == 3 and all(x.shape == (12, 256) for x in inputs.values())
    mlp = model.model.layers[0].mlp
    x = layer_inputs_of(model, ids, "layers.0.mlp.gate_proj")["model.layers.0.mlp.gate_proj"]
    assert torch.allclose(inputs["model.layers.0.mlp.down_proj"], mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x), atol=1e-6)


@torch.no_grad()
def test_rounding_ends_with_its_block():
    model, ids = live("llama").eval(), torch.arange(10, 22)[None]
    before = model(ids).logits
    with rounded_inputs(model, lambda x: x):
        assert torch.equal(model(ids).logits, before)
    with pytest.raises(ZeroDivisionError), rounded_inputs(model, lambda x: x * 0):
        assert not torch.allclose(model(ids).logits, before, atol=1e-3)
        raise ZeroDivisionError
    assert torch.equal(model(ids).logits, before)
