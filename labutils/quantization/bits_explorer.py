"""The bits explorer of lab 04: type a number, and see its bits in fp32, fp16, bf16 and int8, and what each format keeps of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from labutils.course.explorer import Explorer, Number, Slider, View
from labutils.course.plots import BLUE, ORANGE, VERMILION, header_row
from labutils.quantization.number_formats import StoredNumber, store_in_each_format
from labutils.validation import require_positive

# What each format does with a number that one thinks is harmless.
EXAMPLES = (0.1, 1 + 2**-9, 257.0, 65504.0, 70000.0, 1e-8)
CONTROLS = (Number("number", "a number", EXAMPLES, "or one of these"), Slider("int8_power", "int8 covers ±2 to the", -4, 17))

_FIELDS = {"sign": VERMILION, "exponent": ORANGE, "mantissa": BLUE}


@dataclass(frozen=True)
class BitsSettings:
    """The number, and the power of two up to which the int8 scale covers."""

    number: float = 0.1
    int8_power: int = 2


@dataclass(frozen=True)
class BitsView(View):
    """What the explorer shows: a number, and what each format makes of it. `largest` is what the int8 scale was chosen for."""

    number: float
    largest: float
    stored: tuple[StoredNumber, ...]

    @property
    def summary(self) -> str:
        """What each format keeps of the number."""
        kept = ", ".join(f"{each.value:.9g} in {each.format}" for each in self.stored)
        return f"The number {self.number:.9g} is kept as {kept}."

    @property
    def body(self) -> str:
        """A row for each format: sign, exponent and mantissa told apart by colour and by a gap."""
        rows = []
        for each in self.stored:
            colours = _FIELDS.values() if len(each.fields) == 3 else (BLUE,)
            bits = " ".join(_underlined(field, colour) for field, colour in zip(each.fields, colours, strict=True))
            note = f"scale {self.largest:g} / 127" if each.format == "int8" else f"{sum(map(len, each.fields))} bits"
            rows.append(
                f'<tr><th scope="row" style="text-align: left;">{each.format}</th>'
                f'<td style="text-align: left; font-family: monospace;">{bits}</td>'
                f'<td style="text-align: right;">{each.value:.9g}</td><td style="text-align: right;">{each.error:.3g}</td>'
                f'<td style="text-align: left;">{escape(note)}</td></tr>'
            )
        legend = ", ".join(_underlined(name, colour) for name, colour in _FIELDS.items())
        head = header_row(("format", "bits", "value kept", "off by", ""))
        return f"<p>Bits: {legend}</p><table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _underlined(text: str, colour: str) -> str:
    return f'<span style="border-bottom: 3px solid {colour};">{text}</span>'


def bits_view(x: float, largest: float = 4.0) -> BitsView:
    """A number in fp32, fp16, bf16 and int8.

    Args:
        x: the number.
        largest: the largest magnitude among the numbers that share the int8 scale.

    Raises:
        LabError: `largest` is not a finite number above 0.
    """
    return BitsView(x, largest, store_in_each_format(x, largest))


def explore_bits(x: float = 0.1, largest: float = 4.0) -> None:
    """Show the bits of a number that can be typed, or picked from a list, beside a slider for the range that int8 has to cover.

    Args:
        x: the number at first.
        largest: the range of int8 at first, from 2**-4 to 2**17; the slider stands at the nearest power of two.

    Raises:
        LabError: `largest` is not a finite number above 0.
    """
    require_positive("largest", largest)
    Explorer(
        "Bits explorer",
        BitsSettings(x, round(math.log2(largest))),
        CONTROLS,
        lambda settings: bits_view(settings.number, 2.0**settings.int8_power),
    ).show()
