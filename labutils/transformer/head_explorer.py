"""The head explorer of lab 01: choose a layer, a head and a token, and see where that token looks, in numbers and as a map."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labutils.course.plots import BLUE, GREY, ORANGE, show_widget
from labutils.errors import LabError
from labutils.transformer.microscope import visible

if TYPE_CHECKING:
    from torch import Tensor

MAX_TOKENS = 40  # a wider map cannot be read
FAINT = 0.005  # a share below this is shown as a dot


@dataclass(frozen=True)
class View:
    """What the explorer shows: one head of one layer.

    Attributes:
        layer, head: which, from 0.
        token: the place of the token whose row is shown, from 0.
        queries: the tokens that look: the rows of the map.
        keys: the tokens that are looked at: its columns.
        grid: the map, a row of attention weights for each query.
        entropy: how spread out the token's row is, in bits: 0 where it looks at one token, log2 n where at n alike.
    """

    layer: int
    head: int
    token: int
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    grid: tuple[tuple[float, ...], ...]
    entropy: float

    @property
    def row(self) -> tuple[float, ...]:
        """The attention weights of the token."""
        return self.grid[self.token]

    @property
    def strongest(self) -> int:
        """The place of the key that the token looks at most; the first of equals."""
        return max(range(len(self.row)), key=lambda i: self.row[i])


def _at(count: int, what: str, place: int) -> int:
    if not -count <= place < count:
        raise LabError(f"There is no {what} {place}: choose 0 to {count - 1}.")
    return place % count


def look(maps: Tensor, queries: Sequence[str], layer: int, head: int, token: int, keys: Sequence[str] | None = None) -> View:
    """One head of one layer.

    Args:
        maps: attention weights (L, H, T, S), as `attention_studies.attention_maps` gives them.
        queries: T token texts.
        layer, head, token: which; negative ones count from the end.
        keys: S token texts, where they differ from the queries (cross-attention).

    Raises:
        LabError: texts and maps do not fit together, the map is too large to read, or there is no such layer, head or token.
    """
    from labutils.transformer.decoding import entropy

    keys = queries if keys is None else keys
    if maps.dim() != 4 or tuple(maps.shape[2:]) != (len(queries), len(keys)):
        want = f"(layers, heads, {len(queries)}, {len(keys)})"
        raise LabError(f"The maps have the shape {tuple(maps.shape)}, and the tokens ask for {want}: give the maps of this text.")
    if max(len(queries), len(keys)) > MAX_TOKENS:
        raise LabError(
            f"The text has {max(len(queries), len(keys))} tokens, and a map of more than {MAX_TOKENS} is unreadable: shorten it."
        )
    layer, head = _at(maps.shape[0], "layer", layer), _at(maps.shape[1], "head", head)
    token = _at(len(queries), "token", token)
    grid = maps[layer, head].double().cpu()  # (T, S)
    rows = tuple(tuple(row) for row in grid.tolist())
    shown = tuple(map(visible, queries)), tuple(map(visible, keys))
    return View(layer, head, token, *shown, rows, float(entropy(grid[token])))


def summary(view: View) -> str:
    """One sentence on a view, which a screen reader announces when a slider moves."""
    there = view.strongest
    return (
        f"Layer {view.layer}, head {view.head}: token {view.token} “{view.queries[view.token]}” looks most at token {there} "
        f"“{view.keys[there]}”, with {view.row[there]:.0%} of its attention; spread {view.entropy:.2f} bits."
    )


def _number(weight: float) -> str:
    """A weight in percent; a dot for less than half a percent, nothing for exactly zero."""
    return "" if weight == 0 else "·" if weight < FAINT else f"{weight * 100:.0f}"


def _shade(weight: float) -> str:
    """White to blue as the weight goes from 0 to 1, with the text colour that stands out by at least 4.5 to 1 (WCAG 2.1, AA)."""
    red, green, blue = (round(255 + (int(BLUE[i : i + 2], 16) - 255) * weight) for i in (1, 3, 5))
    return f"background: rgb({red}, {green}, {blue}); color: {'#fff' if weight > 0.93 else '#000'};"


def view_html(view: View) -> str:
    """A view as HTML: the token's row as a table with bars, and the head's whole map as a table of percentages."""
    mono, numbers = "text-align: left; font-family: monospace; white-space: pre;", "text-align: right; padding: 0 8px;"
    bars = "".join(
        f'<tr><td style="{numbers}">{place}</td><th scope="row" style="{mono}">{html.escape(key)}</th>'
        f'<td style="{numbers}">{weight:.1%}</td><td style="text-align: left; min-width: 210px;">'
        f'<div style="background: {BLUE}; height: 8px; width: {max(weight * 200, 1 if weight else 0):.0f}px;"></div></td></tr>'
        for place, (key, weight) in enumerate(zip(view.keys, view.row, strict=True))
    )
    head = "".join(f'<th scope="col" style="{mono} text-align: center;">{html.escape(key)}</th>' for key in view.keys)
    body = []
    for place, (query, row) in enumerate(zip(view.queries, view.grid, strict=True)):
        chosen = place == view.token
        cells = "".join(f'<td style="text-align: center; {_shade(weight)}">{_number(weight)}</td>' for weight in row)
        mark = f"outline: 3px solid {ORANGE}; font-weight: bold;" if chosen else ""
        body.append(
            f'<tr style="{mark}"><th scope="row" style="{mono}">{"▶ " if chosen else ""}{html.escape(query)}</th>{cells}</tr>'
        )
    legend = (
        "A row is a token that looks, a column a token that is looked at. Numbers are percent, a dot is less than half a percent, "
        "an empty cell exactly zero: it may not be seen. Each row sums to 100. ▶ marks the row of the table above."
    )
    return (
        f'<p aria-live="polite" style="max-width: 32em;"><b>{html.escape(summary(view))}</b></p>'
        f'<table><caption style="text-align: left;">Where token {view.token} looks</caption><tbody>{bars}</tbody></table>'
        f'<div style="overflow-x: auto;"><table style="font-size: 85%;"><caption style="text-align: left;">'
        f"The map of layer {view.layer}, head {view.head}</caption><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>"
        f'<p style="font-size: 90%; border-top: 1px solid {GREY}; padding-top: 4px; max-width: 56em;">{legend}</p>'
    )


def head_explorer(
    maps: Tensor, queries: Sequence[str], layer: int = 0, head: int = 0, token: int = -1, keys: Sequence[str] | None = None
) -> None:
    """Show the explorer, with a slider each for layer, head and token. Arguments as in `look`.

    On a static page the first view stands in its place.
    """
    view = look(maps, queries, layer, head, token, keys)
    show_widget(head_explorer_widget(maps, queries, layer, head, token, keys), view_html(view), f"Head explorer. {summary(view)}")


def head_explorer_widget(
    maps: Tensor, queries: Sequence[str], layer: int = 0, head: int = 0, token: int = -1, keys: Sequence[str] | None = None
) -> Any:
    """The widget behind `head_explorer`. Tab moves between its parts, the arrow keys move a slider, Reset brings the start back."""
    import ipywidgets as widgets

    start = look(maps, queries, layer, head, token, keys)
    layout, style = widgets.Layout(width="430px"), {"description_width": "70px"}
    sliders = {
        "layer": widgets.IntSlider(start.layer, 0, maps.shape[0] - 1, description="layer", layout=layout, style=style),
        "head": widgets.IntSlider(start.head, 0, maps.shape[1] - 1, description="head", layout=layout, style=style),
        "token": widgets.SelectionSlider(
            options=[(f"{place} {name}", place) for place, name in enumerate(start.queries)],
            value=start.token,
            description="token",
            layout=layout,
            style=style,
        ),
    }
    page = widgets.HTML()

    def redraw(_: Any = None) -> None:
        page.value = view_html(look(maps, queries, **{name: slider.value for name, slider in sliders.items()}, keys=keys))

    def reset(_: Any) -> None:
        for name, slider in sliders.items():
            slider.value = getattr(start, name)

    button = widgets.Button(description="Reset", tooltip="Back to the first view")
    button.on_click(reset)
    for slider in sliders.values():
        slider.observe(redraw, names="value")
    redraw()
    return widgets.VBox([widgets.Box(list(sliders.values()), layout=widgets.Layout(flex_flow="row wrap")), button, page])
