"""Decoding against transformers' own processors, PyTorch, and counting by hand."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from labutils.errors import LabError
from labutils.transformer import decoding
from labutils.transformer.decoding import SamplingSettings

SEEDS = range(8)


def vector(seed: int, size: int = 200) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 4


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
def test_softmax_equals_pytorch_after_the_library_temperature(seed, temperature):
    z = vector(seed)
    theirs = torch.softmax(TemperatureLogitsWarper(temperature)(None, z[None])[0], -1)
    assert torch.allclose(decoding.softmax(z, temperature), theirs, atol=1e-12, rtol=0)


def test_softmax_survives_huge_logits_and_refuses_temperature_zero():
    assert decoding.softmax(torch.tensor([1e4, 0.0, -1e4])).tolist() == [1.0, 0.0, 0.0]
    with pytest.raises(LabError, match="above 0"):
        decoding.softmax(vector(0), 0.0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [1, 3, 50, 500])
def test_top_k_equals_the_library(seed, k):
    z = vector(seed)
    assert torch.equal(decoding.top_k_filter(z, k), TopKLogitsWarper(k)(None, z[None])[0])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("p", [0.05, 0.37, 0.9, 0.999])
def test_top_p_equals_the_library_and_keeps_at_least_p(seed, p):
    z = vector(seed)
    ours = decoding.top_p_filter(z, p)
    assert torch.equal(ours, TopPLogitsWarper(p)(None, z[None])[0])
    kept = decoding.softmax(z)[ours.isfinite()]
    assert kept.sum() >= p - 1e-12
    assert kept.sum() - kept.min() < p  # the smallest such set: without its last token it would not do


@pytest.mark.parametrize(
    "function",
    [lambda z: decoding.top_k_filter(z, 0), lambda z: decoding.top_p_filter(z, 0.0), lambda z: decoding.top_p_filter(z, 1.1)],
)
def test_a_filter_that_would_keep_nothing_is_refused(function):
    with pytest.raises(LabError):
        function(vector(0))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("penalty", [0.8, 1.0, 1.3])
def test_repetition_penalty_equals_the_library_with_repeated_ids(seed, penalty):
    z, ids = vector(seed), torch.tensor([3, 3, 7, 199, 0])
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(ids[None], z[None].clone())[0]
    assert torch.allclose(decoding.repetition_penalty(z, ids, penalty), theirs, atol=1e-12, rtol=0)


def test_frequency_grows_with_the_count_and_presence_does_not():
    z = decoding.frequency_presence_penalty(torch.zeros(3), torch.tensor([0, 1, 4]), 0.5, 2.0)
    assert z.tolist() == [0.0, -2.5, -4.0]


def test_the_penalty_processor_counts_the_completion_only():
    step = decoding.penalty_processor(1.0, 0.0, prompt_length=2)
    scores = step(torch.tensor([[0, 0, 1, 1, 2]]), torch.zeros(1, 4))
    assert scores.tolist() == [[0.0, -2.0, -1.0, 0.0]]


def test_functions_leave_their_input_alone():
    z = vector(1)
    before = z.clone()
    decoding.process(z, torch.tensor([1, 2]), SamplingSettings(0.5, 5, 0.5, 1.0, 1.0, 1.5))
    assert torch.equal(z, before)


def test_draw_follows_the_running_sum_by_counting():
    probs = torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25, 0.0], dtype=torch.float64)
    drawn = [decoding.draw(probs, n / 1000) for n in range(1000)]
    assert [drawn.count(i) for i in range(6)] == [0, 250, 0, 500, 250, 0]


def test_draw_past_a_sum_that_rounding_left_below_one_gives_the_last_possible_token():
    assert decoding.draw(torch.tensor([0.5, 0.4999, 0.0]), 0.99999) == 1


@pytest.mark.parametrize("probs", [[math.nan, 1.0], [0.5, math.nan], [0.0, 0.0], []])
def test_draw_refuses_what_are_no_probabilities(probs, says):
    with pytest.raises(LabError) as caught:
        decoding.draw(torch.tensor(probs), 0.9)
    says(caught.value, "no token to draw")


def test_chi_square_against_the_closed_form_for_two_degrees_of_freedom():
    counts, probs = torch.tensor([30, 20, 50]), torch.tensor([0.25, 0.25, 0.5])
    statistic, p = decoding.chi_square(counts, probs)
    assert statistic == pytest.approx((5**2 / 25) + (5**2 / 25) + 0)
    assert p == pytest.approx(math.exp(-statistic / 2), abs=1e-12)  # the survival function with 2 degrees of freedom


@pytest.mark.parametrize("probs", [[5.0, 5.0], [0.25, 0.25], [math.nan, 1.0]])
def test_chi_square_refuses_what_does_not_sum_to_one(probs, says):
    with pytest.raises(LabError) as caught:
        decoding.chi_square(torch.tensor([50, 50]), torch.tensor(probs))
    says(caught.value, "sum to")


def test_chi_square_refuses_expectations_below_five():
    with pytest.raises(LabError, match="at least 5"):
        decoding.chi_square(torch.tensor([1, 9]), torch.tensor([0.1, 0.9]))


def test_chi_square_p_values_are_even_under_the_true_distribution():
    generator = torch.Generator().manual_seed(0)
    probs = torch.tensor([0.5, 0.3, 0.2])
    ps = [
        decoding.chi_square(torch.multinomial(probs, 500, replacement=True, generator=generator).bincount(minlength=3), probs)[1]
        for _ in range(400)
    ]
    # 400 even draws: the share below 0.1 has a standard deviation of 0.015.
    assert abs(sum(p < 0.1 for p in ps) / 400 - 0.1) < 0.06


def test_stop_at_cuts_at_the_earliest_stop_and_ignores_empty_ones():
    assert decoding.stop_at("abcabc", ["cab", "b"]) == "a"
    assert decoding.stop_at("abc", ["", "x"]) == "abc"


def test_entropy_of_even_and_sure_choices():
    assert float(decoding.entropy(torch.full((8,), 1 / 8))) == pytest.approx(3.0)
    assert float(decoding.entropy(torch.tensor([1.0, 0.0]))) == 0.0


def test_process_applies_the_steps_in_the_librarys_order():
    z, ids = vector(3), torch.tensor([5, 9, 9])
    ours = decoding.process(z, ids, SamplingSettings(temperature=0.7, top_k=20, top_p=0.8, repetition=1.3))
    theirs = RepetitionPenaltyLogitsProcessor(1.3)(ids[None], z[None].clone())
    for step in (TemperatureLogitsWarper(0.7), TopKLogitsWarper(20), TopPLogitsWarper(0.8)):
        theirs = step(ids[None], theirs)
    assert torch.equal(ours.isfinite(), theirs[0].isfinite())
    assert torch.allclose(ours[ours.isfinite()], theirs[0][ours.isfinite()], atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 1.0])
def test_min_p_is_that_of_transformers(share):
    z = torch.randn(3, 50, generator=torch.Generator().manual_seed(4), dtype=torch.float64) * 3
    assert torch.equal(decoding.min_p_filter(z, share), MinPLogitsWarper(share)(None, z.clone()))


def test_min_p_by_hand_and_refused():
    probs = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    assert decoding.min_p_filter(probs.log(), 0.4).isfinite().tolist() == [True, True, False]
    with pytest.raises(LabError, match="min_p is 1"):
        decoding.min_p_filter(probs.log(), 1.5)


def test_min_p_acts_last_on_what_the_temperature_left():
    z = torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64)  # at temperature 2: e^0.5 = 1.65 times apart
    kept = decoding.process(z, torch.tensor([], dtype=torch.long), decoding.SamplingSettings(temperature=2.0, min_p=0.5))
    assert kept.isfinite().tolist() == [True, True, False]
