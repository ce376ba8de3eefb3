"""Means over draws, and figures that hold what they are given."""

from __future__ import annotations

import pytest

from labutils.evaluation.intervals import Interval
from labutils.prompting import figures

RESULTS = {(0, 0): [True, False, False, False], (2, 0): [True, True, False, False], (2, 1): [True, True, True, True]}


def test_means_over_draws():
    assert figures.by_row(RESULTS, 0) == [1.0, 0.0, 0.0, 0.0]
    assert figures.by_row(RESULTS, 2) == [1.0, 1.0, 0.5, 0.5]
    assert figures.spread(RESULTS) == 0.5
    curve = figures.curve(RESULTS)
    assert list(curve) == [0, 2] and curve[2].mean == 0.75
    assert all(span.low <= span.mean <= span.high for span in curve.values())


@pytest.fixture
def shown(monkeypatch):
    shown: list = []
    monkeypatch.setattr(figures, "show", lambda figure, alt: shown.append((figure, alt)))
    return shown


def test_the_shots_figure_shows_means_draws_and_chance(shown):
    figures.shots_figure("A title", {"raw": RESULTS, "calibrated": RESULTS})
    figure, alt = shown[0]
    axes = figure.axes[0]
    assert "raw" in alt and "calibrated" in alt and axes.get_ylabel()
    dots = [line for line in axes.lines if line.get_marker() == "." and len(line.get_xdata()) == 1]
    assert sorted(float(line.get_ydata()[0]) for line in dots) == [0.25, 0.25, 0.5, 0.5, 1.0, 1.0]


def test_the_spans_figure_draws_the_floor_across(shown):
    spans = {"floor": Interval(0.2, 0.1, 0.3), "4, draw 1": Interval(0.3, 0.25, 0.4)}
    figures.spans_figure("A title", spans, "floor", "score", "What it shows.")
    axes = shown[0][0].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["floor", "4\ndraw 1"]
    assert any(list(line.get_ydata()) == [0.2, 0.2] for line in axes.lines)


def test_the_before_after_figure_names_every_principle(shown):
    figures.before_after_figure("A title", {"first": ([True, False], [True, True]), "second": ([False] * 3, [True] * 3)})
    figure, alt = shown[0]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["first", "second"]
    assert "first, second" in alt
    dots = [float(line.get_xdata()[0]) for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert dots == [0.5, 1.0, 0.0, 1.0]
