"""Rules of thumb, against the figures of their sources."""

from __future__ import annotations

import pytest
from memory_models import CONFIGS, llama7b
from transformers import GPT2Config

from labutils import memory
from labutils.errors import LabError
from labutils.memory import Shape


def test_states_by_the_rules():
    assert memory.states_at_16_bytes(llama7b()) == 16 * 6_738_415_616
    assert memory.states_at_18_bytes(llama7b()) == 18 * 6_738_415_616


def test_activations_of_a_gpt_are_34_sbh():
    """Eq. 2 without 5as/h, in 16 bits: 34 · 1,024 · 4 · 768 bytes in each of 12 layers; the doubled figure for 4 bytes."""
    shape = Shape.of(GPT2Config())
    assert memory.korthikanti_activations(shape, 4, 1024) == 12 * 34 * 1024 * 4 * 768
    assert memory.korthikanti_activations(shape, 4, 1024, 4) == 2 * 12 * 34 * 1024 * 4 * 768
    with pytest.raises(LabError):
        memory.korthikanti_activations(shape, 0, 1024)


def test_accelerate_counts_four_times_the_weights():
    pytest.importorskip("accelerate")
    shape = Shape.of(CONFIGS["llama"])
    assert memory.accelerate_estimate(shape) == 16 * shape.parameters
