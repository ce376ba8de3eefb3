"""The decoding microscope of lab 02: a text of one's own, a slider per parameter, exact probabilities of the next token beside sampled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from labutils.course.explorer import Explorer, Slider, Text, View, bar_html
from labutils.course.plots import BLUE, GREY, ORANGE, header_row
from labutils.transformer import decoding
from labutils.transformer.decoding import SamplingSettings

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 2_000
BAR_PX = 220  # of the longest bar

# In the order in which they act.
CONTROLS = (
    Text("text", "the text so far"),
    Slider("repetition", "1 repetition penalty", 1.0, 2.0, 0.05),
    Slider("frequency", "2 frequency penalty", 0.0, 2.0, 0.1),
    Slider("presence", "2 presence penalty", 0.0, 2.0, 0.1),
    Slider("temperature", "3 temperature", 0.1, 3.0, 0.1),
    Slider("top_k", "4 top-k (0 is off)", 0, 50, none_at=0),
    Slider("top_p", "5 top-p (1 is off)", 0.05, 1.0, 0.05),
    Slider("min_p", "6 min-p (0 is off)", 0.0, 1.0, 0.05),
)


@dataclass(frozen=True)
class MicroscopeSettings(SamplingSettings):
    """Inference parameters, and the text whose next token is looked at. The penalties act on all of its tokens."""

    text: str = ""


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
    """What the microscope shows for one setting.

    Attributes:
        rows: the tokens that the model holds most likely.
        others: all other tokens together; None where every token has a row.
        kept: how many tokens survive, out of `vocabulary`.
        entropy: of what survives, in bits.
        draws: how many tokens were sampled.
    """

    rows: tuple[TokenRow, ...]
    others: TokenRow | None
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
        """A table with bars, scaled to the longest: blue is the exact probability, orange the share of the draws."""
        shown = [*self.rows, *([self.others] if self.others else [])]
        scale = BAR_PX / max(max(row.exact, row.sampled) for row in shown)
        number = 'style="text-align: right; padding: 0 8px;"'
        rows = []
        for row in shown:
            faded = f' style="color: {GREY};"' if row.fate == "cut" else ""
            rows.append(
                f'<tr{faded}><th scope="row" style="text-align: left; font-family: monospace;">{escape(row.token)}</th>'
                f"<td {number}>{row.model:.1%}</td><td {number}>{row.exact:.1%}</td><td {number}>{row.sampled:.1%}</td>"
                f'<td style="text-align: left; min-width: {BAR_PX + 10}px;">{bar_html(row.exact * scale, BLUE)}'
                f'{bar_html(row.sampled * scale, ORANGE)}</td><td style="text-align: left;">{row.fate}</td></tr>'
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
        seen: (T,), the ids of the text so far; the penalties act on all of them.
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
    others = None
    if len(before) > len(top):
        rest = torch.ones(len(before), dtype=torch.bool)
        rest[top] = False
        left = int((after[rest] > 0).sum())
        sums = float(before[rest].sum()), float(after[rest].sum()), float(drawn[rest].sum()) / draws
        others = TokenRow(f"{int(rest.sum()):,} others", *sums, f"{left:,} survive" if left else "cut")
    return DecodingView(tuple(shown), others, int((after > 0).sum()), len(after), float(decoding.entropy(after)), draws)


def explore_decoding(model: Any, tokenizer: Any, start: MicroscopeSettings) -> None:
    """Show the microscope: a field for the text and a slider for each inference parameter, in the order in which they act.

    Args:
        model: a decoder.
        tokenizer: the decoder's own.
        start: the first text and settings, each parameter off by default.

    Raises:
        LabError: the first text is empty or longer than the model's context window.
    """
    names = tokenizer.batch_decode([[i] for i in range(model.config.vocab_size)])

    @lru_cache(maxsize=32)  # a slider moves far more often than the text changes
    def next_logits(text: str) -> Tensor:
        return decoding.next_logits(model, tokenizer, text).cpu()

    def compute(settings: MicroscopeSettings) -> DecodingView:
        logits = next_logits(settings.text)
        seen = tokenizer(settings.text, return_tensors="pt").input_ids[0]
        return decoding_view(logits, names, seen, settings)

    Explorer("Decoding microscope", start, CONTROLS, compute).show()
