"""One measured step term by term, against sizes known beforehand."""

from __future__ import annotations

import pytest
from memory_models import live

from labutils.memory import Shape, TrainingSetup, predict_training
from labutils.tuning import measure_step, seconds_of_a_pass


def test_every_term_of_a_step_is_measured():
    model = live("llama untied").train()
    shape, length = Shape.of(model), 96
    found, sizes = measure_step(model, length, batch=2)
    assert sizes["weights"] == sizes["gradients"] == 4 * shape.parameters
    assert sizes["optimizer"] == pytest.approx(8 * shape.parameters, rel=0.01)  # and a step counter per tensor
    assert sizes["logits"] == pytest.approx(2 * 2 * length * shape.vocabulary * 4, rel=0.01)
    ledger = predict_training(shape, TrainingSetup(2, length))
    for term, n_bytes in sizes.items():
        assert ledger[term].n_bytes == pytest.approx(n_bytes, rel=0.02), term
    assert [name for name, _ in found.marks] == ["logits", "loss", "backward"]
    assert found.places == sorted(found.places) and found.places[0] > 0 and found.places[-1] < len(found.curve)
    assert max(found.curve) == found.peak_allocated


def test_a_pass_takes_time():
    assert seconds_of_a_pass(live("llama").train(), 16, passes=1) > 0
