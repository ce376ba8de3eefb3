"""Figures, tables and widgets as the labs show them: a title that states the finding, alt text, a safe palette."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from labutils.validation import require_positive, require_whole_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any colour vision: jfly.uni-koeln.de/color
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442"
GREY = "#7f7f7f"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY)

DPI = 100
_own_settings_gone = False


def _forget_own_settings() -> None:
    """Take back, once in a kernel, what a person's own matplotlibrc sets for every figure: the labs' figures are read with their text."""
    global _own_settings_gone
    if not _own_settings_gone:
        import matplotlib

        matplotlib.rcdefaults()
        _own_settings_gone = True


def new_figure(title: str, width: float = 7.5, height: float = 3.4, columns: int = 1) -> tuple[Figure, Any]:
    """An empty figure in the labs' style and its axes (one, or an array of `columns`).

    Args:
        title: the finding, in a sentence.
        width, height: inches.
        columns: panels side by side.

    Raises:
        LabError: a size that is not a finite number above 0.
    """
    require_positive("width", width)
    require_positive("height", height)
    require_whole_number("columns", columns)
    from cycler import cycler
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    _forget_own_settings()
    with rc_context(
        {"axes.prop_cycle": cycler(color=PALETTE), "axes.spines.top": False, "axes.spines.right": False, "font.size": 10}
    ):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, columns)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    return figure, axes


def whole_numbers(*axes: Any) -> None:
    """Put ticks at whole numbers only along x: steps and counts have no halves."""
    for each in axes:
        each.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def show(figure: Figure, alt: str) -> None:
    """Show a figure with its alt text, which also stands below it as the caption.

    Args:
        figure: a matplotlib figure.
        alt: what the figure shows, for someone who cannot see it. Keep machine-dependent numbers out of it.
    """
    from IPython.display import display

    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI, facecolor="white")
    display(
        {"image/png": png.getvalue(), "text/plain": f"[Figure: {alt}]"},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )
    caption = f'<p style="font-size: 90%; color: var(--jp-ui-font-color2, #555); max-width: 46em;">{html.escape(alt)}</p>'
    display({"text/html": caption, "text/plain": alt}, raw=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    """A cell's text: four significant digits for a float (the last ones differ between machines), 1,234 for an integer."""
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if _is_number(value) else str(value)


def header_row(names: Sequence[str], style: str = "") -> str:
    """The head of an HTML table, its names to the left; `style` is more CSS for each."""
    cells = "".join(f'<th scope="col" style="text-align: left;{style}">{html.escape(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def table_html(header: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """A table as HTML. Numbers stand to the right; a float keeps four significant digits."""

    def cell(value: Any) -> str:
        side = "right" if _is_number(value) else "left"
        return f'<td style="text-align: {side};">{html.escape(_text(value))}</td>'

    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    title = f'<caption style="text-align: left; font-weight: bold;">{html.escape(caption)}</caption>' if caption else ""
    return f"<table>{title}{header_row(header)}<tbody>{body}</tbody></table>"


def show_table(header: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> None:
    """Show a table, with a plain-text twin for pages without HTML."""
    from IPython.display import display

    rows = [tuple(row) for row in rows]
    plain = "\n".join([caption, " | ".join(header), *(" | ".join(map(_text, row)) for row in rows)])
    display({"text/html": table_html(header, rows, caption), "text/plain": plain.strip()}, raw=True)


def show_widget(widget: Any, static_html: str, static_text: str) -> None:
    """Show a widget where the page is live; on a printed or static page the HTML stands in its place."""
    from IPython.display import display

    bundle = dict(widget._repr_mimebundle_())
    display({**bundle, "text/html": static_html, "text/plain": static_text}, raw=True)
