"""Small models: their sizes, what they see, what they learn, and what a step costs."""

from __future__ import annotations

import math

import pytest
import torch

from labutils.errors import LabError
from labutils.pretraining import Size, character_text, counted_flops, pooled_states, train_small
from labutils.pretraining.small_models import CONTEXT, distance_bias, held_out_loss, masked_windows


def test_the_text_is_split_and_comes_back() -> None:
    text = character_text()
    assert text.validation.shape[1] == CONTEXT + 1 and len(text.train) > 250_000
    assert len(set(text.alphabet)) == len(text.alphabet) and text.alphabet[-1] == "_"
    assert text.decode(text.encode("A cat, 3 dogs.")) == "A cat, 3 dogs."
    assert not (text.train == len(text.alphabet) - 1).any()  # the mask is no character of the text
    assert text.encode("\U0001f600") == [0]


def test_no_held_out_window_is_in_the_training_text() -> None:
    text = character_text()
    kept = text.decode(text.train.tolist())
    assert not any(text.decode(window.tolist()) in kept for window in text.validation)


@pytest.mark.slow
def test_a_run_that_is_broken_off_is_worse_than_one_that_was_planned() -> None:
    planned, broken = train_small(Size(16, 1), 500_000), train_small(Size(16, 1), 2_000_000, stop_after=0.25)
    assert abs(planned.tokens - broken.tokens) <= 512 and planned.loss < broken.loss


@pytest.mark.parametrize("size", [Size(8, 1), Size(16, 2), Size(48, 1)])
def test_parameters_are_those_of_the_model(size: Size) -> None:
    model = size.build()
    assert size.parameters == sum(weight.numel() for weight in model.parameters())
    assert size.in_blocks == sum(weight.numel() for weight in model.blocks.parameters())


def test_flops_are_the_formula_for_every_size() -> None:
    ids = torch.randint(60, (3, 20))
    for size in (Size(16, 1), Size(32, 3)):
        matrices = 12 * size.layers * size.dim**2 + len(character_text().alphabet) * size.dim
        expected = 6 * matrices * ids.numel() + 12 * size.layers * size.dim * 20 * ids.numel()
        assert counted_flops(size.build(), ids) == expected
        assert counted_flops(size.build(), ids, backward=False) == expected // 3


def test_a_causal_model_does_not_see_ahead_and_a_masked_one_does() -> None:
    ids = torch.randint(60, (1, 30))
    changed = ids.clone()
    changed[0, 20] = (ids[0, 20] + 1) % 60
    for causal in (True, False):
        model = Size(16, 2).build(causal=causal)
        with torch.no_grad():
            same = torch.allclose(model(ids)[0, :20], model(changed)[0, :20], atol=1e-6)
        assert same == causal


def test_the_bias_is_the_distance() -> None:
    bias = distance_bias(causal=True)
    assert bias.shape == (2, CONTEXT, CONTEXT)
    assert bias[0, 5, 3] == -2 and bias[0, 5, 6] == -math.inf and bias[1, 9, 9] == 0
    assert distance_bias(causal=False)[0, 5, 6] == -1


def test_training_is_repeatable_learns_and_spares_the_global_generator() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = (train_small(Size(16, 1), 40_000, seed=1) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert first.loss == second.loss and first.tokens == 39_936
    untrained = held_out_loss(Size(16, 1).build(1))
    assert first.loss < untrained - 1
    assert first.flops == 6 * first.parameters * first.tokens


def test_masked_windows_ask_for_what_they_hide() -> None:
    windows = torch.randint(60, (50, 64), generator=torch.Generator().manual_seed(0))
    inputs, labels = masked_windows(windows, 80, torch.Generator().manual_seed(0))
    hidden = inputs == 80
    assert torch.equal(hidden, labels != -100) and 0.12 < hidden.float().mean() < 0.18
    assert torch.equal(inputs[~hidden], windows[~hidden]) and torch.equal(labels[hidden], windows[hidden])


def test_a_masked_model_learns_too_and_its_states_are_pooled() -> None:
    run = train_small(Size(16, 1), 60_000, objective="masked")
    assert run.loss < held_out_loss(Size(16, 1).build(0, causal=False), "masked") - 0.5
    states = pooled_states(run.model, torch.randint(60, (5, 64)))
    assert states.shape == (5, 16) and not states.requires_grad


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: Size(10, 1), "multiple of 4"),
        (lambda: Size(0, 1), "dim"),
        (lambda: train_small(Size(8, 1), 100), "less than one step"),
        (lambda: train_small(Size(8, 1), 1000, objective="span"), "causal or masked"),
        (lambda: train_small(Size(8, 1), math.nan), "tokens"),
        (lambda: train_small(Size(8, 1), 1000, stop_after=0.0), "stop_after"),
    ],
)
def test_what_cannot_be_trained_is_refused(call, word: str) -> None:
    with pytest.raises(LabError, match=word):
        call()
