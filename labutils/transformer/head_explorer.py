"""The head explorer of lab 01: choose a layer, a head and a token, and see where that token looks, in numbers and as a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, ClassVar

from labutils.course.explorer import ChoiceSlider, Explorer, Slider, View, bar_html, legend_html
from labutils.course.plots import BLUE, ORANGE
from labutils.errors import LabError
from labutils.transformer.microscope import visible

if TYPE_CHECKING:
    from torch import Tensor

MAX_TOKENS = 40  # a wider map cannot be read
FAINT = 0.005  # a share below this is shown as a dot

LEGEND = (
    "A row is a token that looks, a column a token that is looked at. Numbers are percent, a dot is less than half a percent, "
    "an empty cell exactly zero: it may not be seen. Each row sums to 100. ▶ marks the row of the table above."
)


@dataclass(frozen=True)
class HeadSettings:
    """Which head of which layer, and the token whose row is shown, each counted from 0."""

    layer: int
    head: int
    token: int


@dataclass(frozen=True)
class HeadView(View):
    """What the explorer shows: one head of one layer.

    Attributes:
        layer, head: which, from 0.
        token: the place of the token whose row is shown, from 0.
        queries: the tokens that look: the rows of the map.
        keys: the tokens that are looked at: its columns.
        grid: the map, a row of attention weights for each query.
        entropy: how spread out the token's row is, in bits: 0 where it looks at one token, log2 n where at n alike.
    """

    summary_style: ClassVar[str] = "max-width: 32em;"

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

    @property
    def summary(self) -> str:
        """Where the token looks most."""
        there = self.strongest
        return (
            f"Layer {self.layer}, head {self.head}: token {self.token} “{self.queries[self.token]}” looks most at token {there} "
            f"“{self.keys[there]}”, with {self.row[there]:.0%} of its attention; spread {self.entropy:.2f} bits."
        )

    @property
    def body(self) -> str:
        """The token's row as a table with bars, and the head's whole map as a table of percentages."""
        mono, numbers = "text-align: left; font-family: monospace; white-space: pre;", "text-align: right; padding: 0 8px;"
        bars = "".join(
            f'<tr><td style="{numbers}">{place}</td><th scope="row" style="{mono}">{escape(key)}</th>'
            f'<td style="{numbers}">{weight:.1%}</td><td style="text-align: left; min-width: 210px;">'
            f"{bar_html(weight * 200, BLUE)}</td></tr>"
            for place, (key, weight) in enumerate(zip(self.keys, self.row, strict=True))
        )
        head = "".join(f'<th scope="col" style="{mono} text-align: center;">{escape(key)}</th>' for key in self.keys)
        rows = []
        for place, (query, row) in enumerate(zip(self.queries, self.grid, strict=True)):
            chosen = place == self.token
            cells = "".join(f'<td style="text-align: center; {_shade(weight)}">{_number(weight)}</td>' for weight in row)
            mark = f"outline: 3px solid {ORANGE}; font-weight: bold;" if chosen else ""
            rows.append(
                f'<tr style="{mark}"><th scope="row" style="{mono}">{"▶ " if chosen else ""}{escape(query)}</th>{cells}</tr>'
            )
        return (
            f'<table><caption style="text-align: left;">Where token {self.token} looks</caption><tbody>{bars}</tbody></table>'
            f'<div style="overflow-x: auto;"><table style="font-size: 85%;"><caption style="text-align: left;">'
            f"The map of layer {self.layer}, head {self.head}</caption><thead><tr><td></td>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table></div>{legend_html(LEGEND)}"
        )


def _number(weight: float) -> str:
    """A weight in percent; a dot for less than half a percent, nothing for exactly zero."""
    return "" if weight == 0 else "·" if weight < FAINT else f"{weight * 100:.0f}"


def _shade(weight: float) -> str:
    """White to blue as the weight goes from 0 to 1, with the text colour that stands out by at least 4.5 to 1 (WCAG 2.1, AA)."""
    red, green, blue = (round(255 + (int(BLUE[i : i + 2], 16) - 255) * weight) for i in (1, 3, 5))
    return f"background: rgb({red}, {green}, {blue}); color: {'#fff' if weight > 0.93 else '#000'};"


def _from_zero(count: int, what: str, place: int) -> int:
    """A place that may count from the end, counted from the start."""
    if not -count <= place < count:
        raise LabError(f"There is no {what} {place}: choose 0 to {count - 1}.")
    return place % count


def head_view(
    maps: Tensor, queries: Sequence[str], layer: int, head: int, token: int, keys: Sequence[str] | None = None
) -> HeadView:
    """One head of one layer.

    Args:
        maps: attention weights (L, H, T, S), as `studies.attention_maps` gives them.
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
    layer, head = _from_zero(maps.shape[0], "layer", layer), _from_zero(maps.shape[1], "head", head)
    token = _from_zero(len(queries), "token", token)
    grid = maps[layer, head].double().cpu()  # (T, S)
    rows = tuple(tuple(row) for row in grid.tolist())
    return HeadView(
        layer, head, token, tuple(map(visible, queries)), tuple(map(visible, keys)), rows, float(entropy(grid[token]))
    )


def explore_heads(
    maps: Tensor, queries: Sequence[str], layer: int = 0, head: int = 0, token: int = -1, keys: Sequence[str] | None = None
) -> None:
    """Show the explorer, with a slider each for layer, head and token. Arguments and errors as in `head_view`."""
    first = head_view(maps, queries, layer, head, token, keys)
    controls = (
        Slider("layer", "layer", 0, maps.shape[0] - 1),
        Slider("head", "head", 0, maps.shape[1] - 1),
        ChoiceSlider("token", "token", [(f"{place} {name}", place) for place, name in enumerate(first.queries)]),
    )
    Explorer(
        "Head explorer",
        HeadSettings(first.layer, first.head, first.token),
        controls,
        lambda settings: head_view(maps, queries, settings.layer, settings.head, settings.token, keys),
    ).show()
