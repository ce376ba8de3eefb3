"""The picture of lab 02: what stands between a model's logits and the next token, on a menu of six desserts."""

from __future__ import annotations

from typing import Any

from labutils.course.diagrams import BOX_HEIGHT, draw_arrow, draw_box
from labutils.course.plots import BLUE, GREY, new_figure, show
from labutils.errors import LabError
from labutils.transformer import decoding

# In the order of transformers' generate(): step -> (what it does, what it is called in `SamplingSettings`).
CHAIN = {
    "logits": ("from the model", "a number per token"),
    "penalties": ("lower used tokens", "repetition_penalty"),
    "temperature": ("divide", "temperature"),
    "top-k": ("keep the k largest", "top_k"),
    "top-p": ("keep the nucleus", "top_p"),
    "softmax": ("to probabilities", "they add up to 1"),
    "draw": ("one token", "by its weight"),
}
DESSERTS = ("cake", "donut", "banana", "apple", "flan", "tart")
LOGITS = (2.6, 2.4, 1.6, 1.2, 0.6, -1.0)
SAID = (0,)  # cake was said before
SETTINGS = decoding.SamplingSettings(repetition=1.3, temperature=0.8, top_k=5, top_p=0.8)
ACTING = ("repetition", "temperature", "top_k", "top_p")  # the settings, in the order of the boxes after the first
# What is switched on after each of the first five boxes: nothing, then one setting more each time.
STEPS = [{name: getattr(SETTINGS, name) for name in ACTING[:count]} for count in range(len(ACTING) + 1)]
WIDTH, STEP = 1.36, 1.5
LOWEST = -2.0  # where the bars of logits begin


def chain_figure(here: str = "") -> Any:
    """The chain as a matplotlib figure, with six desserts as they stand after each step.

    Args:
        here: the step to mark, a name in `CHAIN`; nothing is marked by default.

    Raises:
        LabError: there is no such step.
    """
    if here and here not in CHAIN:
        raise LabError(f"The chain has no step “{here}”: choose one of {', '.join(CHAIN)}.")
    title = f"You are here: {here}" if here else "From logits to the next token"
    figure, axes = new_figure(title, width=9.6, height=3.4)
    axes.set(xlim=(-0.05, STEP * len(CHAIN)), ylim=(-1.75, 1.5))
    axes.axis("off")
    for number, (name, lines) in enumerate(CHAIN.items()):
        draw_box(axes, STEP * number, 0.0, WIDTH, name, lines, marked=name == here)
        if number:
            draw_arrow(axes, (STEP * number - (STEP - WIDTH), BOX_HEIGHT / 2), (STEP * number + 0.01, BOX_HEIGHT / 2))
    for number, values in enumerate(_stages()):
        _bars(axes, STEP * number, values)
    end = STEP * (len(CHAIN) - 1) + WIDTH / 2
    axes.text(end, -0.75, "donut", ha="center", fontsize=11, color=BLUE, fontweight="bold")
    axes.plot((end, end, WIDTH / 2), (BOX_HEIGHT, 1.25, 1.25), color=BLUE, linewidth=1)
    draw_arrow(axes, (WIDTH / 2, 1.25), (WIDTH / 2, BOX_HEIGHT))
    axes.text(end / 2 + WIDTH / 4, 1.32, "the token is appended, and the model computes new logits", ha="center", fontsize=8)
    return figure


def _stages() -> list[list[float]]:
    """The height of each dessert's bar, 0 to 1, after each of the first six boxes; a cut dessert has 0."""
    import torch

    logits = torch.tensor(LOGITS, dtype=torch.float64)
    seen = torch.tensor(SAID)
    stages = [decoding.process(logits, seen, decoding.SamplingSettings(**step)) for step in STEPS]
    heights = [((stage - LOWEST) / 6).clamp(min=0).tolist() for stage in stages]
    return [*heights, decoding.softmax(stages[-1]).tolist()]


def _bars(axes: Any, x: float, heights: list[float]) -> None:
    """Six small bars under a box; a dash stands where a dessert was cut."""
    width = WIDTH / len(heights)
    for place, (dessert, height) in enumerate(zip(DESSERTS, heights, strict=True)):
        middle = x + width * (place + 0.5)
        if height > 0:
            axes.bar(middle, height, width * 0.75, bottom=-1.25, color=BLUE)
        else:
            axes.text(middle, -1.2, "–", ha="center", fontsize=8, color=GREY)
        axes.text(middle, -1.32, dessert, ha="center", va="top", fontsize=7, rotation=90, color="black" if height > 0 else GREY)


def show_chain(here: str = "") -> None:
    """Show `chain_figure`."""
    steps = "; ".join(f"{name}: {work}" for name, (work, _) in CHAIN.items())
    marked = f" Marked: {here}." if here else ""
    show(
        chain_figure(here),
        f"From logits to the next token: {steps}. The token is appended and the model runs again. Under each step, bars of six desserts "
        f"as they stand after it: the penalty lowers cake, which was said before; the filters cut the unlikely ones.{marked}",
    )
