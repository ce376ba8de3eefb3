"""The decoding microscope of lab 02: one logit vector, sliders, exact survival probabilities beside sampled ones."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labutils.course.plots import BLUE, GREY, ORANGE, show_widget
from labutils.transformer import decoding
from labutils.transformer.decoding import Settings

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 2_000


@dataclass(frozen=True)
class Row:
    """One token under the microscope: its probability from the model, after all settings, and its share of the draws."""

    token: str
    model: float
    exact: float
    sampled: float
    fate: str


@dataclass(frozen=True)
class View:
    """What the microscope shows for one setting. `kept` tokens survive out of `vocabulary`; `entropy` is in bits."""

    rows: tuple[Row, ...]
    kept: int
    vocabulary: int
    entropy: float
    draws: int


def visible(token: str) -> str:
    """A token with its blanks made visible: a leading space as ␣, a line break as ↵."""
    return token.replace(" ", "␣").replace("\n", "↵") or "(empty)"


def look(
    logits: Tensor, names: Sequence[str], seen: Tensor, settings: Settings, rows: int = 12, draws: int = DRAWS, seed: int = 0
) -> View:
    """Put one logit vector under the microscope.

    Args:
        logits: (V,).
        names: V token texts.
        seen: (T,), the ids of what was generated so far; the penalties act on them.
        settings: the inference parameters.
        rows: how many tokens to show, those the model holds most likely.
        draws: how many tokens to sample.
        seed: of the draws.
    """
    import torch

    before = decoding.softmax(logits.double())
    after_logits = decoding.process(logits.double(), seen, settings)
    after = decoding.softmax(after_logits)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.multinomial(after.cpu(), draws, replacement=True, generator=generator).bincount(minlength=len(after))
    top = before.topk(min(rows, len(before))).indices.tolist()
    penalised = set(seen.tolist()) if settings.repetition != 1 or settings.frequency or settings.presence else set()
    shown = []
    for i in top:
        fate = "cut" if not torch.isfinite(after_logits[i]) else "penalised" if i in penalised else ""
        shown.append(Row(visible(names[i]), float(before[i]), float(after[i]), float(drawn[i]) / draws, fate))
    return View(tuple(shown), int((after > 0).sum()), len(after), float(decoding.entropy(after)), draws)


def summary(view: View) -> str:
    """One sentence on a view, which a screen reader announces when a slider moves."""
    return (
        f"{view.kept:,} of {view.vocabulary:,} tokens survive; "
        f"{view.entropy:.2f} bits of uncertainty are left; {view.draws:,} draws."
    )


def view_html(view: View) -> str:
    """A view as an HTML table with bars: blue is the exact probability, orange the share of the draws."""

    def bar(share: float, colour: str) -> str:
        return f'<div style="background: {colour}; height: 8px; width: {max(share * 220, 1 if share else 0):.0f}px;"></div>'

    body = []
    for row in view.rows:
        faded = f' style="color: {GREY};"' if row.fate == "cut" else ""
        body.append(
            f'<tr{faded}><th scope="row" style="text-align: left; font-family: monospace;">{html.escape(row.token)}</th>'
            f'<td style="text-align: right; padding: 0 8px;">{row.model:.1%}</td><td style="text-align: right; padding: 0 8px;">{row.exact:.1%}</td>'
            f'<td style="text-align: right; padding: 0 8px;">{row.sampled:.1%}</td>'
            f'<td style="text-align: left; min-width: 230px;">{bar(row.exact, BLUE)}{bar(row.sampled, ORANGE)}</td>'
            f'<td style="text-align: left;">{row.fate}</td></tr>'
        )
    head = "".join(
        f'<th scope="col" style="text-align: left; padding: 0 8px;">{name}</th>'
        for name in ("token", "model", "exact", "sampled", "", "")
    )
    return f'<p aria-live="polite"><b>{summary(view)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def microscope(logits: Tensor, names: Sequence[str], seen: Tensor, start: Settings | None = None) -> Any:
    """Show the microscope: a slider for each inference parameter, in the order in which they act.

    Args:
        logits: (V,).
        names: V token texts.
        seen: (T,), the ids of what was generated so far.
        start: the first setting.

    Returns nothing; on a static page the start setting's table stands in its place.
    """
    widget = microscope_widget(logits, names, seen, start or Settings())
    view = look(logits, names, seen, start or Settings())
    show_widget(widget, view_html(view), f"Decoding microscope. {summary(view)}")


def microscope_widget(logits: Tensor, names: Sequence[str], seen: Tensor, start: Settings) -> Any:
    """The widget behind `microscope`. Each slider answers to the arrow keys; Reset brings the start back."""
    import ipywidgets as widgets

    def slider(label: str, value: float, low: float, high: float, step: float) -> Any:
        kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
        layout, style = widgets.Layout(width="430px"), {"description_width": "170px"}
        return kind(
            value=value, min=low, max=high, step=step, description=label, layout=layout, style=style, continuous_update=True
        )

    sliders = {
        "repetition": slider("1 repetition penalty", start.repetition, 1.0, 2.0, 0.05),
        "frequency": slider("2 frequency penalty", start.frequency, 0.0, 2.0, 0.1),
        "presence": slider("2 presence penalty", start.presence, 0.0, 2.0, 0.1),
        "temperature": slider("3 temperature", start.temperature, 0.1, 3.0, 0.1),
        "top_k": slider("4 top-k (0 is off)", start.top_k or 0, 0, 50, 1),
        "top_p": slider("5 top-p (1 is off)", start.top_p, 0.05, 1.0, 0.05),
    }
    table = widgets.HTML()

    def settings() -> Settings:
        values = {name: box.value for name, box in sliders.items()}
        return Settings(**{**values, "top_k": values["top_k"] or None})

    def redraw(_: Any = None) -> None:
        table.value = view_html(look(logits, names, seen, settings()))

    def reset(_: Any) -> None:
        for name, box in sliders.items():
            box.value = getattr(start, name) or (0 if name == "top_k" else getattr(Settings(), name))

    button = widgets.Button(description="Reset", tooltip="Back to the first setting")
    button.on_click(reset)
    for box in sliders.values():
        box.observe(redraw, names="value")
    redraw()
    # Controls above, table below: nothing is cut off in a narrow window.
    return widgets.VBox([widgets.Box(list(sliders.values()), layout=widgets.Layout(flex_flow="row wrap")), button, table])
