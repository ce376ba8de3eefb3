"""The law: planted numbers are found again, its optimum is one, and scipy's own minimiser agrees."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import huber as scipy_huber

from labutils.errors import LabError
from labutils.pretraining import Law, fit_law, forecast_interval, huber, load_runs
from labutils.pretraining.calculator import LAWS, ScalingSettings, explore_scaling, scaling_view
from labutils.pretraining.law import default_starts
from labutils.pretraining.record import record_path

PLANTED = Law(1.82, 482.0, 2085.0, 0.348, 0.366)


def runs(count: int, noise: float, seed: int = 0) -> tuple[list[float], list[float], list[float]]:
    rng = np.random.default_rng(seed)
    n = 10 ** rng.uniform(7.7, 10.2, count)
    d = n * 10 ** rng.uniform(0.5, 2.3, count)
    return n.tolist(), d.tolist(), [PLANTED.loss(*p) * math.exp(rng.normal(0, noise)) for p in zip(n, d, strict=True)]


def test_planted_numbers_are_found_without_noise() -> None:
    found = fit_law(*runs(60, 0.0))
    assert found.alpha == pytest.approx(PLANTED.alpha, abs=0.01) and found.beta == pytest.approx(PLANTED.beta, abs=0.01)
    assert pytest.approx(PLANTED.E, rel=0.01) == found.E
    assert found.loss(7e10, 1.4e12) == pytest.approx(PLANTED.loss(7e10, 1.4e12), rel=0.005)


def test_a_mean_stops_early_where_a_sum_does_not() -> None:
    data = runs(240, 0.005)
    total, mean = (fit_law(*data, reduce=how) for how in ("sum", "mean"))
    assert abs(total.alpha - PLANTED.alpha) < 0.02 and abs(total.beta - PLANTED.beta) < 0.02
    assert mean.objective > total.objective  # the same errors, summed
    assert abs(mean.beta - PLANTED.beta) > abs(total.beta - PLANTED.beta)


def test_one_bad_start_sticks() -> None:
    data = runs(240, 0.005)
    assert fit_law(*data, starts=[(0.0, 0.0, -0.5, 1.0, 0.2)]).objective > 2 * fit_law(*data).objective


def test_the_optimum_is_the_least_loss_of_its_compute() -> None:
    for law in (PLANTED, *LAWS.values()):
        for flops in (1e18, 5.88e23):
            n, d = law.optimum(flops)
            assert 6 * n * d == pytest.approx(flops)
            best = minimize_scalar(
                lambda x, law=law, c=flops: law.loss(math.exp(x), c / 6 / math.exp(x)), bounds=(5, 40), method="bounded"
            )
            assert n == pytest.approx(math.exp(best.x), rel=1e-3)


def test_the_published_figures_follow_from_the_published_numbers() -> None:
    """Besiroglu et al. 2024: the newer fit gives about 20 tokens per parameter at Chinchilla's compute, the rounded one several times as many."""
    newer, rounded = LAWS["the same runs, fitted anew"], LAWS["as published in 2022, rounded"]
    n, d = newer.optimum(5.88e23)
    assert 15 < d / n < 30
    n, d = rounded.optimum(5.88e23)
    assert d / n > 40


def test_huber_is_a_square_then_a_line_that_meet() -> None:
    assert huber(np.array([0.5, -0.5]), 1.0).tolist() == [0.125, 0.125]
    assert huber(np.array([3.0, -3.0]), 1.0).tolist() == [2.5, 2.5]
    inside, outside = huber(np.array([1 - 1e-9, 1 + 1e-9]), 1.0)
    assert inside == pytest.approx(outside, abs=1e-8)


def test_huber_is_scipys() -> None:
    errors = np.linspace(-0.01, 0.01, 41)
    assert np.allclose(huber(errors, 1e-3), scipy_huber(1e-3, errors), rtol=0, atol=1e-15)


def test_runs_off_the_law_widen_the_interval() -> None:
    (_, low, high), (_, near_low, near_high) = (
        forecast_interval(*runs(30, noise), (1e11, 1e12), noise=0.001, resamples=20) for noise in (0.03, 0.0)
    )
    assert high - low > 5 * (near_high - near_low)


def test_an_outlier_hardly_moves_the_fit() -> None:
    n, d, loss = runs(60, 0.001)
    loss[7] *= 3
    assert fit_law(n, d, loss).alpha == pytest.approx(PLANTED.alpha, abs=0.03)


def test_a_forecast_lies_in_its_interval_and_more_noise_widens_it() -> None:
    data, target = runs(30, 0.004), (2e10, 4e11)
    middle, low, high = forecast_interval(*data, target, noise=0.004, resamples=20)
    assert low < middle < high and low < PLANTED.loss(*target) < high
    _, lower, higher = forecast_interval(*data, target, noise=0.02, resamples=20)
    assert higher - lower > high - low


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: fit_law([1e6] * 5, [1e8] * 5, [3.0] * 5), "at least 6"),
        (lambda: fit_law([1e6] * 6, [1e8] * 7, [3.0] * 6), "one loss per run"),
        (lambda: fit_law([1e6] * 6, [1e8] * 6, [3.0, 0.0, 3.0, 3.0, 3.0, 3.0]), "above 0"),
        (lambda: fit_law(*runs(10, 0.0), reduce="median"), "sum or mean"),
        (lambda: Law(1.0, -1.0, 1.0, 0.3, 0.3).optimum(1e20), "do not help"),
        (lambda: PLANTED.loss(0, 1e9), "parameters"),
        (lambda: scaling_view(-1, 1e9), "parameters"),
        (lambda: explore_scaling(ScalingSettings("2 B")), "slider"),
        (lambda: huber(np.ones(2), 0.0), "delta"),
        (lambda: forecast_interval(*runs(10, 0.0), (1e9, 1e10), noise=0.01, level=2.0), "level"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, word: str) -> None:
    with pytest.raises(LabError, match=word):
        call()


def test_a_few_starts_are_spread_over_the_grid() -> None:
    assert len(default_starts()) == 162 and len(default_starts(6)) == 6
    assert len({start[:2] for start in default_starts(6)}) >= 3


def test_the_calculator_shows_both_laws_and_the_compute() -> None:
    view = scaling_view(70e9, 1.4e12)
    assert view.flops == pytest.approx(5.88e23)
    assert all(name in view.body for name in LAWS) and "1,120.0 GB" in view.body
    assert "years" in view.body and "20 per parameter" in view.summary


def test_the_record_is_whole_and_its_sealed_run_has_five_seeds() -> None:
    rows = load_runs()
    assert all(
        row["loss"] > 0 and row["parameters"] * row["tokens"] * 6 == pytest.approx(row["budget"], rel=0.02) for row in rows
    )
    sealed = [row["seed"] for row in rows if row["budget"] > 8e10]
    assert sorted(sealed) == [0, 1, 2, 3, 4] and len(rows) == 30


def test_a_damaged_line_of_a_record_is_named(tmp_path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_text('{"budget": 1\n{"budget": 1}\n', encoding="utf-8")
    with pytest.raises(LabError, match="line 1"):
        load_runs(file)
    file.write_text('{"budget": 1', encoding="utf-8")
    assert load_runs(file) == [] and load_runs(tmp_path / "none.jsonl") == []


@pytest.mark.fault("one flipped bit in the record of lab 08's runs")
def test_one_flipped_bit_in_the_record_is_named_by_its_line_or_harmless(tmp_path, says) -> None:
    """Every run that is read has its numbers; the rest is a sentence with the line."""
    file = tmp_path / "runs.jsonl"
    whole, refusals = b"".join(record_path().read_bytes().splitlines(keepends=True)[:3]), 0
    for place in range(0, 8 * len(whole), 3):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            assert all(isinstance(row[key], int | float) for row in load_runs(file) for key in ("parameters", "tokens", "loss"))
        except LabError as error:
            says(error, "runs.jsonl, line ", "damaged")
            refusals += 1
    assert refusals > len(whole) // 2
