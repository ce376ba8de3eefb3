"""The map of the course: the project lifecycle, with each lab pinned where it belongs."""

from __future__ import annotations

from labutils.course.plots import BLUE, GREY, ORANGE, new_figure, show
from labutils.validation import require_choice

# The lifecycle: stage, what is done there.
STAGES = (
    ("Scope", ("one narrow task", "costs less than", "a broad one")),
    ("Select", ("take an existing", "model before you", "pretrain one")),
    ("Adapt and align", ("1 prompt", "2 fine-tune", "3 human feedback", "evaluate, iterate")),
    ("Integrate", ("optimise for", "inference; add", "retrieval, tools")),
)
# Where each lab is pinned: its number and the stages it serves.
PINS = {
    "00": (0, 1),
    "01": (1,),
    "02": (2,),
    "03": (2,),
    "04": (1, 3),
    "05": (2,),
    "06": (2,),
    "07": (2,),
    "08": (1,),
    "09": (3,),
    "10": (2,),
}


def show_map(lab: str) -> None:
    """Show the lifecycle with the labs pinned on it, the given one in orange.

    Raises:
        LabError: there is no such lab.
    """
    require_choice("lab", lab, tuple(PINS))
    figure, axes = new_figure("The life of an LLM project, and where this lab stands on it", width=8.2, height=2.0)
    axes.set(xlim=(0, 4), ylim=(0, 1.05))
    axes.axis("off")
    for number, (stage, lines) in enumerate(STAGES):
        here = number in PINS[lab]
        box = {
            "boxstyle": "round,pad=0.4",
            "facecolor": "white",
            "edgecolor": ORANGE if here else GREY,
            "linewidth": 3 if here else 1,
        }
        axes.text(number + 0.45, 0.52, "\n".join(lines), ha="center", va="center", fontsize=9, bbox=box)
        axes.text(number + 0.45, 1.04, stage, ha="center", va="top", fontsize=10, fontweight="bold")
        pins = [name for name, places in PINS.items() if number in places]
        axes.text(number + 0.45, 0.02, "lab " + ", ".join(pins) if pins else "", ha="center", fontsize=9, color=BLUE)
        if number:
            axes.annotate(
                "", xy=(number + 0.02, 0.52), xytext=(number - 0.12, 0.52), arrowprops={"arrowstyle": "->", "color": GREY}
            )
    stages = " and ".join(STAGES[n][0] for n in PINS[lab])
    show(
        figure,
        "Four stages from left to right: scope, select, adapt and align (prompt, then fine-tune, then human feedback, "
        f"evaluating and iterating), integrate. Lab {lab} stands at: {stages}.",
    )
