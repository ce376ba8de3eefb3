"""Figures look as the labs' text says, whatever a person has set for their own."""

from __future__ import annotations

import matplotlib
import pytest
from matplotlib.colors import to_hex

from labutils.course import plots

OWN = {
    "axes.facecolor": "black", "text.color": "white", "axes.grid": True, "lines.linewidth": 9.0, "lines.linestyle": ":",
    "text.usetex": True, "savefig.transparent": True, "legend.fontsize": 30.0, "xtick.labelsize": 40.0,
}  # fmt: skip


def test_a_person_s_own_settings_do_not_reach_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    with matplotlib.rc_context(OWN):
        monkeypatch.setattr(plots, "_own_settings_gone", False)
        figure, axes = plots.new_figure("A finding")
        (line,) = axes.plot([0, 1], [0, 1], label="a")
        legend = axes.legend()
        assert to_hex(axes.get_facecolor()) == "#ffffff" and line.get_linewidth() == 1.5 and line.get_linestyle() == "-"
        assert not axes.title.get_usetex() and not any(grid.get_visible() for grid in axes.get_xgridlines())
        assert legend.get_texts()[0].get_fontsize() < 15 and axes.get_xticklabels()[0].get_fontsize() < 15
        assert to_hex(figure.texts[0].get_color() if figure.texts else figure._suptitle.get_color()) == "#000000"


def test_what_a_notebook_sets_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "_own_settings_gone", False)
    plots.new_figure("The first")
    with matplotlib.rc_context({"lines.linewidth": 5.0}):
        _, axes = plots.new_figure("Another")
        assert axes.plot([0, 1])[0].get_linewidth() == 5.0
