"""Boxes and arrows for the labs' pictures of how something works."""

from __future__ import annotations

from typing import Any

from labutils.course.plots import BLUE, GREY, ORANGE

BOX_HEIGHT = 0.8


def draw_box(axes: Any, x: float, y: float, width: float, name: str, lines: tuple[str, str], *, marked: bool = False) -> None:
    """A box with its name and two smaller lines, the second in blue; a marked one has a thick orange frame.

    Args:
        axes: of a picture whose units are those of `width` and `BOX_HEIGHT`.
        x, y: the lower left corner.
        width: of the box.
        name: the heading; the box carries it as its label too.
        lines: what is done there, and the shape or formula of what comes out.
        marked: for "you are here".
    """
    from matplotlib.patches import FancyBboxPatch

    box = FancyBboxPatch(
        (x, y),
        width,
        BOX_HEIGHT,
        boxstyle="round,pad=0,rounding_size=0.08",
        facecolor="#FFF3D6" if marked else "white",
        edgecolor=ORANGE if marked else GREY,
        linewidth=3 if marked else 1,
        label=name,
    )
    axes.add_patch(box)
    middle = x + width / 2
    axes.text(middle, y + 0.6, name, ha="center", va="center", fontsize=8, fontweight="bold")
    for height, text, colour in ((0.37, lines[0], "black"), (0.15, lines[1], BLUE)):
        axes.text(middle, y + height, text, ha="center", va="center", fontsize=7, color=colour)


def draw_arrow(axes: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A grey arrow from one point to another."""
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 0})
