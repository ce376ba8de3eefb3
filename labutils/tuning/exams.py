"""Tables and the charts of lab 07: several models on the same tests, before and after they were trained.

Results are {model: {test: MultipleChoiceScores}}; the first model is the one before training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import fmean

from labutils.course.plots import PALETTE, new_figure, show, show_table
from labutils.evaluation.accuracy import wilson_interval
from labutils.evaluation.comparisons import PairedComparison, compare
from labutils.tuning.probes import MultipleChoiceScores

Results = Mapping[str, Mapping[str, MultipleChoiceScores]]


def share_text(correct: Sequence[bool]) -> str:
    """Right answers in per cent with their Wilson interval.

    >>> share_text([True] * 8 + [False] * 2)
    '80 % (49 to 94)'
    """
    share, low, high = (100 * x for x in wilson_interval(sum(correct), len(correct)))
    return f"{share:.0f} % ({low:.0f} to {high:.0f})"


def exam_table(caption: str, results: Results) -> None:
    """Show the share of right answers with its interval, one row per test and one column per model."""
    tests = next(iter(results.values()))
    rows = [
        (test, len(tests[test].correct), *(share_text(scores[test].correct) for scores in results.values())) for test in tests
    ]
    show_table(("test", "n", *results), rows, caption)


def pooled(scores: Mapping[str, MultipleChoiceScores], tests: Sequence[str]) -> list[float]:
    """The log-likelihoods of the right answers over several tests, in nats, question by question."""
    return list(chain.from_iterable(scores[test].log_likelihoods for test in tests))


def compare_on(
    tests: Sequence[str],
    a: Mapping[str, MultipleChoiceScores],
    b: Mapping[str, MultipleChoiceScores],
    names: tuple[str, str] = ("A", "B"),
) -> PairedComparison:
    """Compare two models on several tests together, by the log-likelihoods of the right answers, in nats per answer."""
    return compare(pooled(a, tests), pooled(b, tests), names)


def change_table(caption: str, results: Results, tests: Sequence[str]) -> dict[str, PairedComparison]:
    """Show by how much the log-likelihood of the right answers changed, test by test and over all of them.

    Args:
        caption: of the table.
        results: the model before training first.
        tests: which of them.

    Returns:
        For each other model, its comparison with the first over all these tests, in nats per answer.
    """
    (first, before), *others = results.items()
    verdicts, rows = {}, []
    for name, scores in others:
        changes = [compare(scores[t].log_likelihoods, before[t].log_likelihoods, (name, first)) for t in tests]
        verdicts[name] = compare(pooled(scores, tests), pooled(before, tests), (name, first))
        rows.append((name, *(f"{c.difference:+.2f} ({c.low:+.2f} to {c.high:+.2f})" for c in (*changes, verdicts[name]))))
    show_table(("change in nats per answer", *tests, "all"), rows, caption)
    return verdicts


def exam_chart(title: str, results: Results, chance: Mapping[str, float]) -> None:
    """Show the share of right answers of each model on each test, with Wilson intervals, and what guessing gives.

    Args:
        title: the finding, or what is shown where it comes before the finding.
        results: the models.
        chance: the share of right answers by guessing, for the tests with choices.
    """
    tests = list(next(iter(results.values())))
    figure, axes = new_figure(title, height=0.8 + 0.75 * len(tests))
    shift = 0.8 / len(results)
    for k, (name, scores) in enumerate(results.items()):
        for place, test in enumerate(tests):
            correct = scores[test].correct
            share, low, high = (100 * x for x in wilson_interval(sum(correct), len(correct)))
            y = place + (k - (len(results) - 1) / 2) * shift
            axes.plot([low, high], [y, y], color=PALETTE[k % len(PALETTE)], linewidth=1.5)
            axes.plot(
                share, y, "osD^vP"[k % 6], color=PALETTE[k % len(PALETTE)], markersize=5, label=name if place == 0 else None
            )
    for place, test in enumerate(tests):
        if test in chance:
            axes.plot([100 * chance[test]] * 2, [place - 0.45, place + 0.45], ":", color="black", linewidth=1)
    axes.set_yticks(range(len(tests)), [f"{test} (n = {len(results[next(iter(results))][test].correct)})" for test in tests])
    axes.invert_yaxis()
    axes.set(xlabel="right answers (%), 95 % interval; dotted: by guessing", xlim=(0, 101))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    show(
        figure,
        f"Right answers in per cent with 95 % intervals on the tests {', '.join(tests)}, from top to bottom; within each test one mark for "
        f"each model: {', '.join(results)}. Dotted lines mark what guessing gives. The tables beside the figure hold the same numbers.",
    )


def trade_chart(
    title: str,
    before: Mapping[str, MultipleChoiceScores],
    paths: Mapping[str, Mapping[int, Mapping[str, MultipleChoiceScores]]],
    task: str,
    others: Sequence[str],
    first_colour: int = 0,
) -> None:
    """Show what training runs learned and what they kept, look by look, and give the same numbers in a table.

    Args:
        title: of the figure.
        before: the answers of the model before the training, where all paths start.
        paths: for each run its answers after a number of steps.
        task: the test of what is learned.
        others: the tests of what is kept.
        first_colour: the place in the palette of the first path's colour and marker, so that a run keeps those of another chart.
    """

    def place(scores: Mapping[str, MultipleChoiceScores]) -> tuple[float, float]:
        return fmean(pooled(scores, [task])), fmean(pooled(scores, others))

    def line(name: str, steps: int, scores: Mapping[str, MultipleChoiceScores]) -> tuple[str | int | float, ...]:
        return name, steps, *place(scores), round(100 * fmean(scores[task].correct))

    figure, axes = new_figure(title, height=3.4)
    start, rows = place(before), [line("before", 0, before)]
    for k, (name, path) in enumerate(paths.items(), first_colour):
        points = {n: place(scores) for n, scores in path.items()}
        colour = PALETTE[k % len(PALETTE)]
        axes.plot(*zip(start, *points.values(), strict=True), marker="osD^vP"[k % 6], color=colour, markersize=5, label=name)
        for n, point in points.items():
            axes.annotate(str(n), point, textcoords="offset points", xytext=(5, 4), fontsize=9)
        rows += [line(name, n, scores) for n, scores in path.items()]
    axes.plot(*start, "*", color="black", markersize=9, label="before")
    axes.set(xlabel=f"{task}, nats per answer", ylabel="the other tests, nats per answer")
    axes.legend(frameon=False, loc="lower left", fontsize=9)
    show(
        figure,
        f"Nats per answer on {', '.join(others)} together, against nats per answer on {task}, from the model before the training along the "
        f"steps of {' and '.join(paths)}. Each point carries its number of steps. The table below has the same numbers.",
    )
    header = ("run", "steps", f"{task}, nats per answer", "the other tests, nats per answer", f"{task}, right, %")
    show_table(header, rows)
