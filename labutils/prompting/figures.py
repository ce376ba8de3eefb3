"""Results of many prompts with shots (lab 03): means over draws, and the figures that show them with their intervals.

`results` holds, by (number of shots, draw), whether each test row was answered rightly: {(4, 0): [True, False, ...], ...}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from labutils.course.plots import GREY, PALETTE, new_figure, show
from labutils.evaluation.accuracy import wilson_interval
from labutils.evaluation.intervals import Interval, bootstrap_interval

Results = Mapping[tuple[int, int], Sequence[bool]]


def by_row(results: Results, count: int) -> list[float]:
    """The share of draws with `count` shots that answer each row rightly.

    >>> by_row({(2, 0): [True, False], (2, 1): [True, True]}, 2)
    [1.0, 0.5]
    """
    runs = [right for (shots, _), right in results.items() if shots == count]
    return [fmean(row) for row in zip(*runs, strict=True)]


def curve(results: Results) -> dict[int, Interval]:
    """The mean accuracy by number of shots; its interval comes from resampling the rows, not the draws."""
    return {count: bootstrap_interval(by_row(results, count)) for count in sorted({shots for shots, _ in results})}


def interval_text(values: Sequence[float]) -> str:
    """The mean of values and its 95 % interval, resampled, as a cell of a table.

    >>> interval_text([1.0, 1.0])
    '1.00 (1.00 to 1.00)'
    """
    return "{:.2f} ({:.2f} to {:.2f})".format(*bootstrap_interval(values))


def curves_figure(
    title: str,
    curves: Mapping[str, Mapping[int, Interval]],
    ylabel: str,
    floor: float | None = None,
    xlabel: str = "shots in the prompt",
) -> None:
    """Show one curve against the number of examples for each name, with intervals; `floor` draws a line, such as that of a guess."""
    figure, axes = new_figure(title, height=3.8)
    counts = sorted({count for spans in curves.values() for count in spans})
    for place, (name, spans) in enumerate(curves.items()):
        shift = 0.05 * (place - (len(curves) - 1) / 2)
        places = [counts.index(count) + shift for count in spans]
        ends = [[span.mean - span.low for span in spans.values()], [span.high - span.mean for span in spans.values()]]
        style = {"color": PALETTE[place % len(PALETTE)], "marker": "os^Dvp"[place % 6], "capsize": 2}
        axes.errorbar(places, [span.mean for span in spans.values()], ends, label=name, **style)
    if floor is not None:
        axes.axhline(floor, color=GREY, linewidth=0.8)
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, 1.05))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    line = "" if floor is None else f" The grey line at {floor:g} is a guess."
    show(figure, f"{ylabel} against {xlabel}, with 95 % intervals, for: {', '.join(curves)}.{line}")


def arms_figure(title: str, arms: Mapping[str, Mapping[str, Sequence[bool]]]) -> None:
    """Show the share right of each arm of each trial, with Wilson intervals; {trial: {arm: right for each input}}."""
    figure, axes = new_figure(title, height=1 + 0.32 * sum(map(len, arms.values())))
    names: list[str] = []
    for place, (trial, found) in enumerate(arms.items()):
        for arm, right in found.items():
            span = wilson_interval(sum(right), len(right))
            colour = PALETTE[place % len(PALETTE)]
            axes.plot([span.low, span.high], [len(names)] * 2, color=colour)
            axes.plot(span.mean, len(names), "o", color=colour)
            names.append(f"{trial}: {arm}")
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="share right (0 to 1)", ylabel="trial and arm", xlim=(-0.02, 1.02))
    axes.invert_yaxis()
    show(figure, f"The share of right answers with 95 % intervals, for: {', '.join(names)}.")
