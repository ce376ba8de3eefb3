"""The figures of lab 01's optional studies of a real model, each with its finding as title and as alt text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labutils.course.plots import BLUE, GREY, ORANGE, new_figure, show
from labutils.transformer.studies import gradient_norms

if TYPE_CHECKING:
    from torch import Tensor

    from labutils.transformer.seq2seq import CrossAttention

LINES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
STARTS = {"1/√(3n), PyTorch's": 1.0, "1/√n": math.sqrt(3)}  # how weights begin -> weight_scale of `gradient_norms`
DEPTH = 24


def show_head_scores(looks_back: Tensor, looks_first: Tensor, circled: Sequence[tuple[int, int]]) -> None:
    """Two heat maps of all heads: the mean weight on the token before, and on the first token, (L, H) each.

    Args:
        looks_back, looks_first: (L, H), from 0 to 1.
        circled: (layer, head), those that the text speaks of.
    """
    figure, panels = new_figure("A few heads look one token back; many later heads rest on the first token", 8.0, 3.2, columns=2)
    for panel, found, name in zip(panels, (looks_back, looks_first), ("the token before", "the first token"), strict=True):
        picture = panel.imshow(found.T, aspect="auto", cmap="viridis", vmin=0, vmax=1)
        layers, heads = zip(*circled, strict=True)
        panel.plot(layers, heads, "o", markersize=12, markerfacecolor="none", markeredgecolor=ORANGE, markeredgewidth=2)
        panel.set_title(f"mean weight on {name}", fontsize=9)
        panel.set(xlabel="block (from 0)", ylabel="head (from 0)")
    figure.colorbar(picture, ax=panels, label="mean weight")
    names = ", ".join(f"block {layer}, head {head}" for layer, head in circled)
    show(
        figure,
        f"Two heat maps of {looks_back.shape[0]} blocks by {looks_back.shape[1]} heads. Token before: dark except for a few single "
        f"heads. First token: dark in the early blocks, bright in many heads of the later ones. Circled: {names}.",
    )


def show_losses(curves: Mapping[str, Tensor]) -> None:
    """The mean loss at each position of `repeated_tokens`, a line for each way in which the model was cut.

    Args:
        curves: name -> losses (B, 2 * length - 1), from `loss_by_position`.
    """
    figure, axes = new_figure("Without the induction head the repetition is predicted much less well")
    for (name, curve), style in zip(curves.items(), LINES, strict=False):
        axes.plot(range(1, curve.shape[1] + 1), curve.mean(0), linestyle=style, label=f"silenced: {name}")
    start = (curve.shape[1] + 1) // 2
    axes.axvline(start, color=GREY, linewidth=0.8)
    axes.set(
        xlabel=f"position of the predicted token (the repetition begins at {start})", ylabel="mean loss (nats)", ylim=(0, None)
    )
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    show(
        figure,
        "Loss against position for random tokens that come twice. The first time all curves are high and alike. The second "
        "time the whole model's falls low, and the curves of the models that have lost the heads concerned stay above it.",
    )


def show_ranks(curves: Mapping[str, Tensor], answers: Mapping[str, str]) -> None:
    """The rank of the right answer after each block, first place at the top.

    Args:
        curves: prompt -> ranks (L+1), from 1.
        answers: prompt -> its answer.
    """
    figure, axes = new_figure("The answer climbs late, in the last third of the blocks")
    for (prompt, curve), style in zip(curves.items(), LINES, strict=False):
        axes.semilogy(curve, linestyle=style, label=f"{prompt} …{answers[prompt]}")
    axes.set(xlabel="after how many blocks", ylabel="rank of the answer (1 is first)")
    axes.set_yticks([1, 10, 100, 1_000, 10_000], ["1", "10", "100", "1,000", "10,000"])
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    show(
        figure,
        f"Rank of {len(curves)} answers against the number of blocks, logarithmic, first place at the top. All stay far back for two "
        "thirds of the blocks, then climb and reach first place within the last few.",
    )


def show_gradients() -> list[tuple[str, str, float]]:
    """Draw how much gradient survives 24 random blocks, with and without sum and norm, for two starts.

    Returns:
        (start, kind of block, gradient at the bottom as a share of that at the top), a row for each curve.
    """
    title = "Without a norm, what is left of the gradient depends on how the weights begin"
    figure, panels = new_figure(title, 8.5, 3.6, columns=len(STARTS))
    rows = []
    for panel, (start, scale) in zip(panels, STARTS.items(), strict=True):
        for norm, style in ((False, "-"), (True, "--")):
            for residual, colour in ((True, BLUE), (False, ORANGE)):
                norms = gradient_norms(DEPTH, residual, norm, weight_scale=scale)
                name = f"{'x + f(x)' if residual else 'f(x)'}, {'layer norm' if norm else 'no norm'}"
                panel.semilogy([value / norms[-1] for value in norms], style, color=colour, label=name)
                rows.append((start, name, norms[0] / norms[-1]))
        panel.set_title(f"standard deviation at the start {start}", fontsize=9)
        panel.set(xlabel="block (0 is the bottom)", ylabel="gradient norm, top = 1", ylim=(1e-32, 1e10))
    panels[1].legend(frameon=False, fontsize=8, loc="lower right")
    show(
        figure,
        "Gradient norm relative to the top block, logarithmic, for two starts. With PyTorch's start f(x) alone falls by about thirty "
        "orders of magnitude towards the bottom. With the larger start it falls by about seven, and x + f(x) without a norm grows by "
        "about seven. The curves with a layer norm stay within a factor of about ten in both panels.",
    )
    return rows


def show_cross_attention(cross: CrossAttention) -> None:
    """The map of one head's cross-attention: a row for each token written, a column for each token of the source."""
    figure, axes = new_figure("Each written token takes its own context from the source", height=3.6)
    picture = axes.imshow(cross.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(cross.source)), cross.source, rotation=45, ha="right")
    axes.set_yticks(range(len(cross.target)), cross.target)
    axes.set(xlabel="source token looked at", ylabel="token being written")
    figure.colorbar(picture, ax=axes, label="weight")
    show(
        figure,
        "Heat map of the weights, one row for each written digit, one column for each source word. After training the dark cells "
        "go back and forth: for each number first the word for the tens, further right, then the one for the unit.",
    )
