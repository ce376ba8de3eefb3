"""The decoding microscope of lab 02: one logit vector, a slider per parameter, exact survival probabilities beside sampled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from labutils.course.explorer import Explorer, Slider, View, bar_html
from labutils.course.plots import BLUE, GREY, ORANGE, header_row
from labutils.transformer import decoding
from labutils.transformer.decoding import SamplingSettings

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 2_000

# In the order in which they act.
CONTROLS = (
    Slider("repetition", "1 repetition penalty", 1.0, 2.0, 0.05),
    Slider("frequency", "2 frequency penalty", 0.0, 2.0, 0.1),
    Slider("presence", "2 presence penalty", 0.0, 2.0, 0.1),
    Slider("temperature", "3 temperature", 0.1, 3.0, 0.1),
    Slider("top_k", "4 top-k (0 is off)", 0, 50, none_at=0),
    Slider("top_p", "5 top-p (1 is off)", 0.05, 1.0, 0.05),
)


@dataclass(frozen=True)
class TokenRow:
    """One token under the microscope: its probability from the model, after all settings, and its share of the draws."""

    token: str
    model: float
    exact: float
    sampled: float
    fate: str


@dataclass(frozen=True)
class DecodingView(View):
    """What the microscope shows for one setting. `kept` tokens survive out of `vocabulary`; `entropy` is in bits."""

    rows: tuple[TokenRow, ...]
    kept: int
    vocabulary: int
    entropy: float
    draws: int

    @property
    def summary(self) -> str:
        """How many tokens survive, and how uncertain the draw is."""
        return (
            f"{self.kept:,} of {self.vocabulary:,} tokens survive; "
            f"{self.entropy:.2f} bits of uncertainty are left; {self.draws:,} draws."
        )

    @property
    def body(self) -> str:
        """A table with bars: blue is the exact probability, orange the share of the draws."""
        rows = []
        for row in self.rows:
            faded = f' style="color: {GREY};"' if row.fate == "cut" else ""
            rows.append(
                f'<tr{faded}><th scope="row" style="text-align: left; font-family: monospace;">{escape(row.token)}</th>'
                f'<td style="text-align: right; padding: 0 8px;">{row.model:.1%}</td><td style="text-align: right; padding: 0 8px;">{row.exact:.1%}</td>'
                f'<td style="text-align: right; padding: 0 8px;">{row.sampled:.1%}</td>'
                f'<td style="text-align: left; min-width: 230px;">{bar_html(row.exact * 220, BLUE)}{bar_html(row.sampled * 220, ORANGE)}</td>'
                f'<td style="text-align: left;">{row.fate}</td></tr>'
            )
        head = header_row(("token", "model", "exact", "sampled", "", ""), " padding: 0 8px;")
        return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def visible(token: str) -> str:
    """A token with its blanks made visible: a leading space as ␣, a line break as ↵."""
    return token.replace(" ", "␣").replace("\n", "↵") or "(empty)"


def decoding_view(
    logits: Tensor,
    names: Sequence[str],
    seen: Tensor,
    settings: SamplingSettings,
    rows: int = 12,
    draws: int = DRAWS,
    seed: int = 0,
) -> DecodingView:
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
        shown.append(TokenRow(visible(names[i]), float(before[i]), float(after[i]), float(drawn[i]) / draws, fate))
    return DecodingView(tuple(shown), int((after > 0).sum()), len(after), float(decoding.entropy(after)), draws)


def explore_decoding(logits: Tensor, names: Sequence[str], seen: Tensor, start: SamplingSettings | None = None) -> None:
    """Show the microscope: a slider for each inference parameter, in the order in which they act.

    Args:
        logits: (V,).
        names: V token texts.
        seen: (T,), the ids of what was generated so far.
        start: the first setting, each parameter off by default.
    """
    Explorer(
        "Decoding microscope",
        start or SamplingSettings(),
        CONTROLS,
        lambda settings: decoding_view(logits, names, seen, settings),
    ).show()
