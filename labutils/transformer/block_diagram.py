"""The picture of lab 01: a transformer from text to logits, with the shape of every tensor and the part that is being built marked."""

from __future__ import annotations

from typing import Any

from labutils.course.diagrams import BOX_HEIGHT, draw_arrow, draw_box
from labutils.course.plots import BLUE, GREY, new_figure, show
from labutils.errors import LabError

WIDTH = 0.98  # of a box

# The whole model, from left to right: name -> what is done there and the shape of what comes out. T is the number of tokens.
MODEL = {
    "tokens": ("text to ids", "(T)"),
    "embedding": ("rows of a table", "(T, 576)"),
    "norm": ("RMS norm", "(T, 576)"),
    "attention": ("rows exchange", "(T, 576)"),
    "second norm": ("RMS norm", "(T, 576)"),
    "feed-forward": ("each row alone", "(T, 576)"),
    "logits": ("norm, table", "(T, 49152)"),
    "next token": ("argmax", "one id"),
}
# What happens inside attention.
ATTENTION = {
    "queries, keys, values": ("W_Q, W_K, W_V", "(T, 576), 2 × (T, 192)"),
    "heads": ("cut into 64s", "(9, T, 64), 2 × (3, T, 64)"),
    "rotation": ("queries and keys", "same shapes"),
    "scores": ("q · k / √64", "(9, T, T)"),
    "mask": ("then softmax", "(9, T, T)"),
    "average": ("of values; W_O", "(T, 576)"),
}


def block_figure(here: str = "") -> Any:
    """The picture as a matplotlib figure: above the whole model, below what happens inside attention.

    Args:
        here: the part to mark, a name in `MODEL` or `ATTENTION`; nothing is marked by default.

    Raises:
        LabError: there is no such part.
    """
    parts = [*MODEL, *ATTENTION]
    if here and here not in parts:
        raise LabError(f"The picture has no part “{here}”: choose one of {', '.join(parts)}.")
    title = f"You are here: {here}" if here else "From text to the next token"
    figure, axes = new_figure(title, width=9.6, height=4.0)
    axes.set(xlim=(-0.05, 9.05), ylim=(-0.12, 3.7))
    axes.axis("off")
    places = [0, 1.1, 2.45, 3.55, 4.75, 5.85, 7.0, 8.05]
    for place, (name, (work, shape)) in zip(places, MODEL.items(), strict=True):
        draw_box(axes, place, 1.95, WIDTH, name, (work, shape), marked=name == here)
    _block_frame(axes, places)
    width = 1.42
    for number, (name, (work, shape)) in enumerate(ATTENTION.items()):
        draw_box(axes, 1.51 * number, 0.0, width, name, (work, shape), marked=name == here)
        if number:
            draw_arrow(axes, (1.51 * number - 0.1, BOX_HEIGHT / 2), (1.51 * number + 0.01, BOX_HEIGHT / 2))
    axes.text(4.5, 1.2, "inside attention", fontsize=9, color=BLUE, ha="center")
    for end in (0.0, 8.97):  # the lower row is a close look at one box of the upper one
        corner = places[3] if end == 0 else places[3] + WIDTH
        axes.plot((corner, end), (1.95, 0.9), color=BLUE, linewidth=0.6, linestyle=":")
    return figure


def show_block(here: str = "") -> None:
    """Show `block_figure`."""
    whole = "; ".join(f"{name}: {work}, {shape}" for name, (work, shape) in MODEL.items())
    inside = "; ".join(f"{name}: {work}, {shape}" for name, (work, shape) in ATTENTION.items())
    marked = f" Marked: {here}." if here else ""
    alt = (
        f"From text to the next token: {whole}. The parts from norm to feed-forward are one block of 30; a line runs past each "
        f"norm and its part, and what the part computes is added to it. Inside attention: {inside}.{marked}"
    )
    show(block_figure(here), alt)


def _block_frame(axes: Any, places: list[float]) -> None:
    """The frame of one block, the residual stream above it with its two sums, and the arrows from part to part."""
    from matplotlib.patches import Rectangle

    stream = 3.15
    left, right = places[2] - 0.14, places[5] + WIDTH + 0.1
    axes.add_patch(Rectangle((left, 1.82), right - left, 1.8, fill=False, edgecolor=GREY, linestyle="--", linewidth=0.8))
    axes.text(left + 0.07, 3.58, "one block, 30 times", fontsize=8, va="top", color=GREY)
    middle = 1.95 + BOX_HEIGHT / 2
    draw_arrow(axes, (places[0] + WIDTH, middle), (places[1], middle))
    draw_arrow(axes, (places[6] + WIDTH, middle), (places[7], middle))
    # The stream leaves the embedding, passes over the block, and comes down to the logits.
    start, end = places[1] + WIDTH / 2, places[6] + WIDTH / 2
    axes.plot((start, start, end), (1.95 + BOX_HEIGHT, stream, stream), color=BLUE, linewidth=2)
    draw_arrow(axes, (end, stream), (end, 1.95 + BOX_HEIGHT))
    axes.text(start - 0.08, stream, "residual stream\n(T, 576)", fontsize=8, color=BLUE, ha="right", va="center")
    for norm, part in ((2, 3), (4, 5)):
        into, out = places[norm] + WIDTH / 2, places[part] + WIDTH / 2
        draw_arrow(axes, (into, stream), (into, 1.95 + BOX_HEIGHT))
        draw_arrow(axes, (places[norm] + WIDTH, middle), (places[part], middle))
        draw_arrow(axes, (out, 1.95 + BOX_HEIGHT), (out, stream - 0.1))
        axes.text(
            out,
            stream,
            "+",
            ha="center",
            va="center",
            fontsize=10,
            color=BLUE,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": BLUE},
        )
