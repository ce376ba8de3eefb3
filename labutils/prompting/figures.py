"""Results of many prompts with shots (lab 03): means over draws, and the figures that show them with their intervals.

`results` holds, by (number of shots, draw), whether each test row was answered rightly: {(4, 0): [True, False, ...], ...}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from labutils.course.plots import BLUE, GREY, ORANGE, VERMILION, new_figure, show
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


def spread(results: Results) -> float:
    """The largest difference between two draws with the same number of shots."""
    counts = {shots for shots, _ in results}
    means = [[fmean(right) for (shots, _), right in results.items() if shots == count] for count in counts]
    return max(max(row) - min(row) for row in means)


def shots_figure(title: str, arms: Mapping[str, Results]) -> None:
    """Show accuracy against shots for two arms, such as raw and calibrated: means with intervals, and each draw as a dot."""
    figure, axes = new_figure(title)
    for shift, colour, (name, results) in zip((-0.12, 0.12), (ORANGE, BLUE), arms.items(), strict=True):
        spans = curve(results)
        ends = [[s.mean - s.low for s in spans.values()], [s.high - s.mean for s in spans.values()]]
        places = [count + shift for count in spans]
        axes.errorbar(places, [s.mean for s in spans.values()], ends, fmt="o-", color=colour, capsize=3, label=name)
        for (count, _), right in results.items():
            axes.plot(count + shift, fmean(right), ".", color=colour, alpha=0.5)
    axes.axhline(0.5, color=GREY, linewidth=0.8)
    axes.set(xlabel="shots in the prompt", ylabel="accuracy (0 to 1)", ylim=(0, 1.05))
    axes.legend(frameon=False, loc="lower right")
    first, second = arms
    show(
        figure,
        f"Accuracy against the number of shots: {first} in orange, {second} in blue, means with 95 % intervals. Small dots are "
        "single draws of shots; the grey line at one half is chance.",
    )


def spans_figure(title: str, spans: Mapping[str, Interval], floor: str, ylabel: str, alt: str) -> None:
    """Show one mean with its interval for each name, the one called `floor` in vermilion with a line across."""
    figure, axes = new_figure(title, height=3.6)
    for place, (name, span) in enumerate(spans.items()):
        ends = [[span.mean - span.low], [span.high - span.mean]]
        axes.errorbar(place, span.mean, ends, fmt="o", color=VERMILION if name == floor else BLUE, capsize=3)
    axes.axhline(spans[floor].mean, color=VERMILION, linewidth=0.8)
    axes.set_xticks(range(len(spans)), [name.replace(", ", "\n") for name in spans], fontsize=8)
    axes.set(xlabel="prompt", ylabel=ylabel, ylim=(0, None))
    show(figure, alt)


def before_after_figure(title: str, pairs: Mapping[str, tuple[Sequence[bool], Sequence[bool]]]) -> None:
    """Show the share right before and after for each name, with Wilson intervals."""
    figure, axes = new_figure(title, height=3.6)
    for place, arms in enumerate(pairs.values()):
        for shift, colour, name, right in zip((-0.12, 0.12), (GREY, BLUE), ("before", "after"), arms, strict=True):
            span = wilson_interval(sum(right), len(right))
            axes.plot([span.low, span.high], [place + shift] * 2, color=colour)
            axes.plot(span.mean, place + shift, "o", color=colour, label=None if place else name)
    axes.set_yticks(range(len(pairs)), list(pairs))
    axes.set(xlabel="share right (0 to 1)", ylabel="principle", xlim=(-0.02, 1.02))
    axes.invert_yaxis()
    axes.legend(frameon=False)
    show(
        figure,
        f"The share of right answers before, in grey, and after, in blue, with 95 % intervals, for: {', '.join(pairs)}.",
    )
