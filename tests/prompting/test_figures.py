"""Means over draws, and figures that hold what they are given."""

from __future__ import annotations

import pytest

from labutils.evaluation.intervals import Interval
from labutils.prompting import figures

RESULTS = {(0, 0): [True, False, False, False], (2, 0): [True, True, False, False], (2, 1): [True, True, True, True]}


def test_means_over_draws():
    assert figures.by_row(RESULTS, 0) == [1.0, 0.0, 0.0, 0.0]
    assert figures.by_row(RESULTS, 2) == [1.0, 1.0, 0.5, 0.5]
    curve = figures.curve(RESULTS)
    assert list(curve) == [0, 2] and curve[2].mean == 0.75
    assert all(span.low <= span.mean <= span.high for span in curve.values())


def test_a_cell_holds_the_mean_and_its_interval():
    assert figures.interval_text([1.0, 1.0, 1.0]) == "1.00 (1.00 to 1.00)"
    low, high = figures.interval_text([0.0, 1.0] * 20).removeprefix("0.50 (").removesuffix(")").split(" to ")
    assert 0.3 < float(low) < 0.5 < float(high) < 0.7


@pytest.fixture
def shown(monkeypatch):
    shown: list = []
    monkeypatch.setattr(figures, "show", lambda figure, alt: shown.append((figure, alt)))
    return shown


def test_the_curves_figure_draws_each_curve_with_its_intervals_and_the_floor(shown):
    figures.curves_figure("A title", {"words": figures.curve(RESULTS), "reviews": {2: Interval(0.6, 0.5, 0.7)}}, "accuracy", 0.5)
    figure, alt = shown[0]
    axes = figure.axes[0]
    assert "words, reviews" in alt and axes.get_ylabel() == "accuracy"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2"]
    assert [label.get_text() for label in axes.get_legend().get_texts()] == ["words", "reviews"]
    means = [list(container.lines[0].get_ydata()) for container in axes.containers]
    assert means == [[0.25, 0.75], [0.6]]
    assert any(list(line.get_ydata()) == [0.5, 0.5] for line in axes.lines)


def test_the_arms_figure_names_every_arm(shown):
    figures.arms_figure("A title", {"first": {"before": [True, False], "after": [True, True]}, "second": {"only": [False] * 3}})
    figure, alt = shown[0]
    names = ["first: before", "first: after", "second: only"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    assert ", ".join(names) in alt
    dots = [float(line.get_xdata()[0]) for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert dots == [0.5, 1.0, 0.0]
