"""Tables and figures of lab 05: the race of the arms, what was forgotten, and the methods side by side.

An arm is what the lab's `race` returns: "history" (the fields of `History`), "trained" (numbers), "loss" (on validation), "disk"
(bytes), "scores" (metric -> points a dialogue), "probes" (task -> the fields of `MultipleChoiceScores`); the arm before training has the last two only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from labutils.course.plots import BLUE, ORANGE, new_figure, show, show_table, whole_numbers
from labutils.evaluation.comparisons import PairedComparison, compare
from labutils.evaluation.intervals import bootstrap_interval
from labutils.machine.limits import GB, gib

Arms = Mapping[str, Mapping[str, Any]]


def loss_curves(title: str, arms: Arms) -> None:
    """Show the training losses of two arms, step by step."""
    figure, axes = new_figure(title, height=3)
    for (name, arm), colour in zip(arms.items(), (BLUE, ORANGE), strict=True):
        losses = arm["history"]["losses"]
        axes.plot(range(1, len(losses) + 1), losses, "o-", markersize=3, color=colour, label=name)
    axes.set(xlabel="step", ylabel="loss (nats a token)")
    whole_numbers(axes)
    axes.legend(frameon=False)
    first, second = arms
    show(figure, f"Training loss by step for {first} in blue and {second} in orange. Both go up and down with the examples.")


def race_table(caption: str, before: str, arms: Arms, parameters: int) -> None:
    """Show one table of a race: scores with 95 % intervals, and what each arm took.

    Args:
        caption: of the table.
        before: the name of the arm without training.
        arms: that arm first, then the trained ones.
        parameters: of the model.
    """
    trained = [arm for name, arm in arms.items() if name != before]
    rows: list[Sequence[Any]] = []
    for metric in arms[before]["scores"]:
        spans = [bootstrap_interval(arm["scores"][metric]) for arm in arms.values()]
        rows.append((metric, *(f"{s.mean:.1f} ({s.low:.1f} to {s.high:.1f})" for s in spans)))

    def line(name: str, values: Iterable[Any]) -> None:
        rows.append((name, "", *map(str, values)))

    history = [arm["history"] for arm in trained]
    line("validation loss, nats a token", (round(arm["loss"], 2) for arm in trained))
    line("trained share of the parameters", (f"{arm['trained'] / parameters:.1%}" for arm in trained))
    line("seconds of training", (round(h["seconds"]) for h in history))
    line("tokens a second", (round(h["tokens"] / h["seconds"]) for h in history))
    line("peak of the process, GiB", (round(gib(h["peak_rss"]), 2) for h in history))
    line("on disk, MB", (round(1000 * arm["disk"] / GB, 1) for arm in trained))
    show_table(("", *arms), rows, caption)


def probe_table(before: str, arms: Arms) -> dict[tuple[str, str], PairedComparison]:
    """Show right answers and log-likelihoods by probe and arm; (probe, arm) -> the verdict on its log-likelihoods against `before`."""
    rows, verdicts = [], {}
    for task, base in arms[before]["probes"].items():
        for name, arm in arms.items():
            right, nats = arm["probes"][task]["correct"], arm["probes"][task]["log_likelihoods"]
            change = "-"
            if name != before:
                verdict = compare(nats, base["log_likelihoods"], (name, before))
                change = f"{verdict.difference:+.2f} ({verdict.low:+.2f} to {verdict.high:+.2f})"
                verdicts[task, name] = verdict
            rows.append((task, name, f"{fmean(right):.0%}", f"{fmean(nats):.2f}", change))
    show_table(("probe", "arm", "right", "log-likelihood", "change"), rows, f"{len(right)} questions a probe, nats an answer")
    return verdicts


def methods_table(
    caption: str, right: Mapping[str, Sequence[float]], trained: Mapping[str, int], last: Mapping[str, float], parameters: int
) -> None:
    """Show accuracy with its interval, the trained share and the last loss for each method; one that trains nothing has "-".

    Args:
        caption: of the table.
        right: name -> 1.0 or 0.0 for each judged example.
        trained: name -> numbers trained.
        last: name -> the loss of the last step, nats a token.
        parameters: of the model.
    """
    rows = []
    for name, values in right.items():
        span = bootstrap_interval(values)
        share = f"{trained[name] / parameters:.3%}" if name in trained else "-"
        loss = f"{last[name]:.2f}" if name in last else "-"
        rows.append((name, share, loss, f"{span.mean:.0%} ({span.low:.0%} to {span.high:.0%})"))
    show_table(("method", "trained", "last loss", "right"), rows, caption)
