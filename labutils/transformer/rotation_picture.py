"""The picture of rotary positions in lab 01: a query and a key as arrows, turned by the learner's own function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from labutils.course.plots import BLUE, GREY, ORANGE, new_figure, show

QUERY, KEY = (1.0, 0.2), (0.8, 0.7)  # two numbers each: one pair, so that one can draw them


def rotation_figure(rotate: Callable[..., Any], places: Sequence[tuple[int, int]]) -> Any:
    """A panel for each (position of the query, position of the key): both arrows after turning, and their dot product.

    Args:
        rotate: turns x (T, 2) by positions (T,); the first (and only) pair turns by one radian per position.
        places: the positions of query and key, a panel each; two or more.
    """
    import torch

    figure, panels = new_figure("Both arrows turn; at the same distance the angle between them stays", 9.0, 2.9, len(places))
    arrows = torch.tensor([QUERY, KEY])  # (2, 2)
    for panel, (m, n) in zip(panels, places, strict=True):
        query, key = rotate(arrows, torch.tensor([m, n]))  # (2,) each
        for before, after, colour, name in ((QUERY, query, BLUE, "query"), (KEY, key, ORANGE, "key")):
            panel.plot((0, before[0]), (0, before[1]), color=colour, linestyle=":", linewidth=1)
            panel.annotate(
                "", xy=after.tolist(), xytext=(0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2}
            )
            panel.annotate(name, xy=(after * 1.22).tolist(), color=colour, fontsize=8, ha="center", va="center")
        panel.set_title(f"query at {m}, key at {n}\nq · k = {float(query @ key):.3f}", fontsize=9)
        panel.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal", xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
        panel.axhline(0, color=GREY, linewidth=0.4)
        panel.axvline(0, color=GREY, linewidth=0.4)
    return figure


def show_rotation(rotate: Callable[..., Any], places: Sequence[tuple[int, int]]) -> None:
    """Show `rotation_figure`."""
    where = "; ".join(f"query at {m}, key at {n}" for m, n in places)
    show(
        rotation_figure(rotate, places),
        f"A query and a key as arrows, dotted before and solid after turning, in {len(places)} panels: {where}. "
        "Where the distance is the same, the angle between the arrows and their dot product are the same.",
    )
