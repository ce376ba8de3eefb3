"""Tables and figures of lab 05's race and of its longer study.

An arm is what `run_arm` returns. Scores are system -> metric -> one value for each test dialogue, in points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from labutils.course.plots import BLUE, GREY, ORANGE, VERMILION, new_figure, show, show_table, whole_numbers
from labutils.evaluation.comparisons import PairedComparison, compare
from labutils.evaluation.intervals import bootstrap_interval
from labutils.machine.limits import GB, gib
from labutils.memory.ledger import Ledger
from labutils.tuning.study import Cell

Arms = Mapping[str, Mapping[str, Any]]
Scores = Mapping[str, Mapping[str, Sequence[float]]]
TERMS = ("weights", "gradients", "optimizer", "activations", "peak")
MIB = 2**20


def predicted_bytes(ledger: Ledger) -> dict[str, float]:
    """Bytes of a step by term, as `run_arm` measures them: the activations include the log-softmax that the loss keeps."""
    found = {name: ledger[name].n_bytes for name in TERMS[:3]}
    kept = ledger.moments["backward, at the loss"]["logits"] if ledger.moments else 0.0
    return {**found, "activations": ledger["activations"].n_bytes + kept, "peak": ledger.total}


def memory_by_term(ledgers: Mapping[str, Ledger], arms: Arms) -> dict[str, float]:
    """Show the tensors of a step by term, predicted and measured, as a table and a chart.

    Args:
        ledgers: arm -> the prediction of its plan.
        arms: arm -> what was measured; the same names.

    Returns:
        arm -> predicted peak / measured peak.
    """
    predicted = {name: predicted_bytes(ledger) for name, ledger in ledgers.items()}
    rows = []
    for term in TERMS:
        pairs = [(predicted[name][term] / MIB, arms[name]["bytes"][term] / MIB) for name in ledgers]
        rows.append((term, *(f"{value:,.0f}" for pair in pairs for value in pair)))
    rows.append(("whole process", *(cell for name in ledgers for cell in ("-", f"{arms[name]['peak_rss'] / MIB:,.0f}"))))
    header = ("MiB", *(f"{name}, {what}" for name in ledgers for what in ("predicted", "measured")))
    show_table(header, rows, "Tensors of one step on the longest examples, by term")

    figure, axes = new_figure("Where the memory of a step goes, both arms in one setting", height=3.6)
    width, colours = 0.8 / (2 * len(ledgers)), (BLUE, ORANGE)
    for k, name in enumerate(ledgers):
        for j, values in enumerate((predicted[name], arms[name]["bytes"])):
            places = [i + (2 * k + j - len(ledgers) + 0.5) * width for i in range(len(TERMS))]
            heights = [values[term] / MIB for term in TERMS]
            style = {"fill": False, "edgecolor": colours[k], "linestyle": "--"} if j == 0 else {"color": colours[k]}
            axes.bar(places, heights, width, label=f"{name}, {('predicted', 'measured')[j]}", **style)
    axes.set_xticks(range(len(TERMS)), TERMS)
    axes.set_ylabel("MiB")
    axes.legend(frameon=False)
    names = " and ".join(ledgers)
    show(figure, f"Tensor bytes by term for {names}: the dashed bars are predicted, the filled bars measured.")
    return {name: predicted[name]["peak"] / arms[name]["bytes"]["peak"] for name in ledgers}


def validation_curves(arms: Arms, held_out: int) -> None:
    """Show the loss on dialogues that are not trained on, by steps done."""
    figure, axes = new_figure("Validation loss, from the untrained model on", height=3)
    for (name, arm), colour in zip(arms.items(), (BLUE, ORANGE), strict=False):
        axes.plot(*zip(*arm["curve"], strict=True), "o-", color=colour, label=name)
    highest = max(loss for arm in arms.values() for _, loss in arm["curve"])
    axes.set(xlabel="steps done", ylabel="loss (nats per token)", ylim=(0, 1.1 * highest))
    whole_numbers(axes)
    axes.legend(frameon=False)
    show(figure, f"Loss on {held_out} validation dialogues by steps done, for {' and '.join(arms)}. The axis begins at 0.")


def cost_table(arms: Arms, parameters: int, caption: str) -> None:
    """Show what each arm trained and took.

    Args:
        arms: the trained ones.
        parameters: of the model.
        caption: of the table.
    """
    rows: list[Sequence[Any]] = []

    def line(name: str, values: Iterable[str]) -> None:
        rows.append((name, *values))

    line("trained numbers", (f"{arm['trained']:,}" for arm in arms.values()))
    line("as a share of the model", (f"{arm['trained'] / parameters:.1%}" for arm in arms.values()))
    line("seconds of training", (f"{arm['seconds']:.0f}" for arm in arms.values()))
    line("tokens per second", (f"{arm['history']['tokens'] / arm['seconds']:.0f}" for arm in arms.values()))
    line("validation loss at the end", (f"{arm['curve'][-1][1]:.2f}" for arm in arms.values()))
    line("peak of the process, GiB", (f"{gib(arm['peak_rss']):.2f}" for arm in arms.values()))
    line("on disk, MB", (f"{1000 * arm['disk'] / GB:.1f}" for arm in arms.values()))
    show_table(("", *arms), rows, caption)


def score_table(scores: Scores, texts: Mapping[str, Sequence[str]], caption: str) -> None:
    """Show the mean of every metric for every system, and the words of its texts where they are known."""
    metrics = list(next(iter(scores.values())))
    rows = []
    for name, each in scores.items():
        words = f"{fmean(len(text.split()) for text in texts[name]):.1f}" if name in texts else "-"
        rows.append((name, *(f"{fmean(each[metric]):.1f}" for metric in metrics), words))
    show_table(("system", *metrics, "words"), rows, caption)


def score_chart(scores: Scores, trained: Sequence[str], metrics: Sequence[str], title: str) -> None:
    """Show the systems with 95 % intervals, a panel for each metric; trained arms in another colour and another marker."""
    figure, panels = new_figure(title, width=8.5, height=0.6 + 0.3 * len(scores), columns=len(metrics))
    n = len(next(iter(scores.values()))[metrics[0]])
    for number, (axes, metric) in enumerate(zip(panels, metrics, strict=True)):
        for name in reversed(list(scores)):
            centre, low, high = bootstrap_interval(scores[name][metric])
            colour, marker = (VERMILION, "s") if name in trained else (BLUE, "o")
            axes.errorbar(centre, name, xerr=[[centre - low], [high - centre]], fmt=marker, capsize=3, color=colour)
        axes.set(xlabel=f"{metric} (points)", xlim=(0, None))
        if number:
            axes.set_yticklabels([])
    kinds = f"{', '.join(trained)} in red squares, what needs no training in blue circles"
    show(figure, f"Mean {', '.join(metrics)} over {n} dialogues with 95 % intervals; {kinds}.")


def against_free(scores: Scores, trained: Sequence[str], free: Sequence[str]) -> dict[tuple[str, str], PairedComparison]:
    """Show each trained arm against the best system that needs no training, metric by metric.

    The best one is chosen by the same scores, which favours it a little.

    Returns:
        (arm, metric) -> the paired comparison.
    """
    rows, found = [], {}
    for metric in next(iter(scores.values())):
        best = max(free, key=lambda name: fmean(scores[name][metric]))
        for name in trained:
            verdict = compare(scores[name][metric], scores[best][metric], (name, best))
            says = f"{verdict.better} is ahead" if verdict.ranked else "cannot be ranked"
            gap = f"{verdict.difference:+.1f} ({verdict.low:+.1f} to {verdict.high:+.1f})"
            rows.append((metric, f"{best}, {fmean(scores[best][metric]):.1f}", name, gap, says))
            found[name, metric] = verdict
    show_table(
        ("metric", "best without training", "arm", "difference (95 %)", "verdict"), rows, "On the same dialogues, in pairs"
    )
    return found


def study_table(cells: Mapping[Cell, Mapping[str, Any]], metric: str = "ROUGE-2") -> None:
    """Show the runs of a record by method, size and rate: the mean of each seed, and the validation loss."""
    rows = []
    groups = sorted({(cell.method, cell.examples, cell.rate) for cell in cells})
    for method, examples, rate in groups:
        some = {
            cell.seed: row for cell, row in cells.items() if (cell.method, cell.examples, cell.rate) == (method, examples, rate)
        }
        means = ", ".join(f"{fmean(row['scores'][metric]):.1f}" for row in some.values())
        loss = fmean(row["loss"] for row in some.values())
        rows.append((method, examples, f"{rate:g}", len(some), means, f"{loss:.2f}"))
    show_table(("method", "examples", "rate", "seeds", f"{metric}, by seed", "validation loss"), rows)


def study_chart(cells: Mapping[Cell, Mapping[str, Any]], line: tuple[str, float], metric: str = "ROUGE-2") -> None:
    """Show runs by the examples that they saw: a point with its bootstrap interval for each seed.

    Of the rates of a method and a size the one with the lowest mean validation loss is shown, so that the test set has no say in it.

    Args:
        cells: of a record.
        line: what needs no training, its name and its mean, as a horizontal line.
        metric: of the scores.
    """
    figure, axes = new_figure(f"{metric} by the number of training dialogues, a point for each seed", height=3.6)
    sizes = sorted({cell.examples for cell in cells})
    for method, colour, side in (("full", BLUE, -1), ("lora", ORANGE, 1)):
        for place, size in enumerate(sizes):
            by_rate: dict[float, list[Mapping[str, Any]]] = {}
            for cell, row in cells.items():
                if (cell.method, cell.examples) == (method, size):
                    by_rate.setdefault(cell.rate, []).append(row)
            if not by_rate:
                continue
            for number, row in enumerate(min(by_rate.values(), key=lambda rows: fmean(row["loss"] for row in rows))):
                centre, low, high = bootstrap_interval(row["scores"][metric])
                x = place + side * (0.08 + 0.09 * number)
                axes.errorbar(x, centre, yerr=[[centre - low], [high - centre]], fmt="o", capsize=3, color=colour)
    for method, colour in (("full", BLUE), ("lora", ORANGE)):
        if any(cell.method == method for cell in cells):
            axes.plot([], [], "o", color=colour, label=method)
    axes.axhline(line[1], color=GREY, linestyle="--", label=line[0])
    axes.set_xticks(range(len(sizes)), map(str, sizes))
    axes.set(xlabel="training dialogues", ylabel=f"{metric} (points)", ylim=(0, None), xlim=(-0.6, max(0, len(sizes) - 1) + 0.6))
    axes.legend(frameon=False, loc="lower right")
    bars = "The bars are 95 % bootstrap intervals over the test dialogues; the spread of the points of one colour is that of the seeds."
    show(figure, f"{metric} at the rate with the lowest validation loss, and {line[0]} as a dashed line. {bars}")
