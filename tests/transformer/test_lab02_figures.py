"""The figures of lab 02: their bars and bands by hand."""

from __future__ import annotations

import pytest
import torch

from labutils.transformer import decoding
from labutils.transformer.chain_picture import DESSERTS, SETTINGS, STEPS, _stages
from labutils.transformer.sampling_figures import draws_figure, facts_and_variety_figure, menu_figure, nucleus_figure


def heights(axes):
    return [patch.get_height() for patch in axes.patches]


def test_draws_stand_beside_their_expectation_and_two_standard_deviations():
    axes = draws_figure(["a", "b"], torch.tensor([30, 20, 50]), torch.tensor([0.36, 0.2, 0.44])).axes[0]
    assert axes.lines[0].get_ydata().tolist() == [30, 20]
    (bars,) = [container for container in axes.containers if hasattr(container, "has_yerr")]
    assert bars[0].get_ydata() == pytest.approx([36, 20])
    ends = bars[2][0].get_segments()[0][:, 1]  # 36 ± 2 * sqrt(100 * .36 * .64)
    assert ends == pytest.approx([36 - 9.6, 36 + 9.6])


def test_a_panel_per_temperature():
    exact, shares = torch.tensor([0.5, 0.5]), torch.tensor([0.4, 0.6])
    axes = menu_figure(["a", "b"], {0.5: (exact, shares), 2.0: (exact, shares)}, draws=100).axes
    assert [panel.get_title() for panel in axes] == ["temperature 0.5", "temperature 2"]
    assert heights(axes[0]) == [0.5, 0.5]


def test_the_dot_stands_where_the_nucleus_ends():
    axes = nucleus_figure({"x": (torch.tensor([0.1, 0.6, 0.3]), 2)}, 0.7).axes[0]
    curve, dot, _ = axes.lines
    assert curve.get_ydata() == pytest.approx([0.6, 0.9, 1.0])
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == pytest.approx((2, 0.9))


def test_right_answers_in_percent_and_greedy_as_a_line():
    facts = [(0.75, 0.5, 1.0), (0.25, 0.0, 0.5)]
    left, right = facts_and_variety_figure([0.5, 1.0], {"plain": (facts, [2.0, 5.0])}, greedy=0.75).axes
    assert left.lines[0].get_ydata() == pytest.approx([75, 25]) and left.lines[1].get_ydata()[0] == 75
    assert right.lines[0].get_ydata() == pytest.approx([2, 5])


def test_the_chain_shows_each_step_once_and_ends_in_the_nucleus():
    stages = _stages()
    assert [sum(a > 0 for a in stage) for stage in stages] == [6, 6, 6, SETTINGS.top_k, 3, 3]
    assert sum(stages[-1]) == pytest.approx(1) and max(stages[-1]) == stages[-1][DESSERTS.index("donut")]
    assert stages[0][1:] == pytest.approx(stages[1][1:]) and stages[0][0] > stages[1][0]  # cake alone was said
    assert decoding.SamplingSettings(**STEPS[-1]) == SETTINGS
