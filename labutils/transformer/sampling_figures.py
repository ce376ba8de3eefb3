"""The figures of lab 02, from numbers that its cells compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from labutils.course.plots import BLUE, GREY, ORANGE, new_figure, show

if TYPE_CHECKING:
    from torch import Tensor


def draws_figure(words: Sequence[str], counts: Tensor, probs: Tensor) -> Any:
    """Dots of how often words were drawn, beside their expectation and two standard deviations of a binomial count.

    Args:
        words: what to show, the first len(words) places of both tensors.
        counts: (V,), of all draws.
        probs: (V,).
    """
    n = int(counts.sum())
    places, expected = range(len(words)), n * probs[: len(words)]
    band = 2 * (expected * (1 - probs[: len(words)])).sqrt()
    figure, axes = new_figure(f"{n:,} draws follow the weights", height=3.0)
    axes.plot(places, counts[: len(words)].tolist(), "o", color=BLUE, label="drawn")
    axes.errorbar(
        places, expected.tolist(), band.tolist(), fmt="_", color=ORANGE, capsize=6, label="expected, ± 2 standard deviations"
    )
    axes.set(ylabel=f"count in {n:,} draws", yscale="log", xticks=list(places), xticklabels=words)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False)
    return figure


def show_draws(words: Sequence[str], counts: Tensor, probs: Tensor) -> None:
    """Show `draws_figure`."""
    show(
        draws_figure(words, counts, probs),
        f"Dots of how often {len(words)} words were drawn, on a logarithmic axis, each beside an orange band of two standard "
        "deviations around its expectation.",
    )


def menu_figure(words: Sequence[str], panels: Mapping[float, tuple[Tensor, Tensor]], draws: int) -> Any:
    """A panel per temperature: exact probabilities as bars, shares of the draws as dots with two standard deviations.

    Args:
        words: the names of the groups.
        panels: temperature -> (exact probabilities, shares), one number per group.
        draws: how many draws each share comes from.
    """
    figure, axes = new_figure("A low temperature favours the leader, a high one evens them out", 9.0, 2.8, len(panels))
    places = range(len(words))
    for panel, (temperature, (exact, shares)) in zip(axes, panels.items(), strict=True):
        panel.bar(places, exact.tolist(), color=BLUE, label="exact")
        deviations = (exact * (1 - exact) / draws).sqrt()
        panel.errorbar(places, shares.tolist(), (2 * deviations).tolist(), fmt=".", color=ORANGE, capsize=3, label="drawn")
        panel.set_title(f"temperature {temperature:g}", fontsize=9)
        panel.set(ylim=(0, 1.02), xticks=list(places))
        panel.set_xticklabels(words, rotation=90, fontsize=8)
    axes[0].set_ylabel("probability")
    axes[-1].legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def show_menu(words: Sequence[str], panels: Mapping[float, tuple[Tensor, Tensor]], draws: int) -> None:
    """Show `menu_figure`."""
    temperatures = ", ".join(f"{temperature:g}" for temperature in panels)
    show(
        menu_figure(words, panels, draws),
        f"A panel for each of the temperatures {temperatures}. Blue bars are exact probabilities, orange dots shares of {draws:,} "
        "draws with two standard deviations.",
    )


def nucleus_figure(curves: Mapping[str, tuple[Tensor, int]], p: float) -> Any:
    """The probability of the most likely tokens added up, and where it reaches p.

    Args:
        curves: prompt -> (probabilities (V,), size of the nucleus).
        p: the mass that the nucleus has to reach.
    """
    figure, axes = new_figure("The nucleus grows and shrinks with the prompt")
    for (text, (probs, size)), style, colour in zip(curves.items(), ("-", "--", ":"), (BLUE, ORANGE, GREY), strict=False):
        mass = probs.sort(descending=True).values.cumsum(dim=0)  # (V,)
        axes.plot(range(1, len(mass) + 1), mass.tolist(), style, color=colour, label=f"{text}: {size:,} tokens")
        axes.plot(size, float(mass[size - 1]), "o", color=colour)
    axes.axhline(p, color=GREY, linewidth=0.8)
    axes.set(xscale="log", xlabel="tokens, from the most likely on", ylabel="probability added up")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False, loc="lower right")
    return figure


def show_nucleus(curves: Mapping[str, tuple[Tensor, int]], p: float) -> None:
    """Show `nucleus_figure`."""
    show(
        nucleus_figure(curves, p),
        f"The probability of the most likely tokens added up, on a logarithmic axis of their number, for {len(curves)} prompts. A dot "
        f"marks where each curve reaches {p:g}.",
    )


def facts_and_variety_figure(
    temperatures: Sequence[float],
    results: Mapping[str, tuple[Sequence[tuple[float, float, float]], Sequence[float]]],
    greedy: float,
) -> Any:
    """Right answers and variety against temperature.

    Args:
        temperatures: along x.
        results: setting -> (per temperature the share of right answers with the ends of its 95 % interval, 0 to 1; per temperature
            the number of different tokens).
        greedy: the share of right answers of greedy decoding, 0 to 1.
    """
    figure, (left, right) = new_figure("Facts want a low temperature, variety a higher one", 9.0, 3.2, 2)
    for (name, (facts, words)), style in zip(results.items(), ("o-", "s--", "^:"), strict=False):
        means, lows, highs = ([100 * value for value in column] for column in zip(*facts, strict=True))
        left.plot(temperatures, means, style, label=name)
        left.fill_between(temperatures, lows, highs, alpha=0.15)
        right.plot(temperatures, words, style, label=name)
    left.axhline(100 * greedy, color=GREY, linewidth=0.8)
    left.annotate(
        "greedy", (temperatures[-1], 100 * greedy), (0, 3), textcoords="offset points", ha="right", color=GREY, fontsize=8
    )
    left.set(xlabel="temperature", ylabel="right answers (%)", ylim=(0, 100))
    right.set(xlabel="temperature", ylabel="different tokens in 32 draws")
    right.legend(frameon=False)
    return figure


def show_facts_and_variety(
    temperatures: Sequence[float],
    results: Mapping[str, tuple[Sequence[tuple[float, float, float]], Sequence[float]]],
    greedy: float,
) -> None:
    """Show `facts_and_variety_figure`."""
    show(
        facts_and_variety_figure(temperatures, results, greedy),
        f"Left: the share of right answers against temperature for {', '.join(results)}; bands are 95 % intervals, a grey line marks "
        "greedy decoding. Right: the number of different tokens in 32 draws.",
    )
