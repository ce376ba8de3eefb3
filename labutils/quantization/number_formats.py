"""Numbers in 32, 16 and 8 bits, bit by bit: what a format keeps of a number, and a view for lab 04 in which to try it.

A floating-point number is (-1)**sign * 2**(exponent - bias) * (1 + mantissa / 2**mantissa_bits). int8 has no exponent of its own: it
is a whole number from -127 to 127 times a scale that many numbers share.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any

from labutils.course.plots import BLUE, ORANGE, VERMILION, show_widget

# What each format does with a number that one thinks is harmless.
EXAMPLES = (0.1, 1 + 2**-9, 257.0, 65504.0, 70000.0, 1e-8)


@dataclass(frozen=True)
class Format:
    """A floating-point format: one sign bit, then exponent, then mantissa.

    Example: fp16 has 5 exponent bits and 10 mantissa bits; its largest number is 65,504.
    """

    name: str
    exponent_bits: int
    mantissa_bits: int

    @property
    def bits(self) -> int:
        """All bits of a number."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self) -> int:
        """What is taken off the stored exponent: 127 with 8 bits."""
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return (2 - 2.0**-self.mantissa_bits) * 2.0**self.bias

    @property
    def smallest_normal(self) -> float:
        """The smallest number with the full precision; below it digits are lost one by one."""
        return 2.0 ** (1 - self.bias)

    @property
    def gap_at_one(self) -> float:
        """The distance from 1 to the next larger number ("machine epsilon")."""
        return 2.0**-self.mantissa_bits


FP32, FP16, BF16 = Format("fp32", 8, 23), Format("fp16", 5, 10), Format("bf16", 8, 7)
FORMATS = (FP32, FP16, BF16)


@dataclass(frozen=True)
class Pattern:
    """A number in a format: the three fields as whole numbers."""

    format: Format
    sign: int
    exponent: int
    mantissa: int

    @property
    def fields(self) -> tuple[str, str, str]:
        """The fields as bits, such as ("0", "10000", "1001000000")."""
        f = self.format
        return f"{self.sign}", f"{self.exponent:0{f.exponent_bits}b}", f"{self.mantissa:0{f.mantissa_bits}b}"

    @property
    def value(self) -> float:
        """The number that the bits stand for."""
        f = self.format
        sign = -1.0 if self.sign else 1.0
        if self.exponent == 2**f.exponent_bits - 1:
            return math.nan if self.mantissa else sign * math.inf
        if self.exponent == 0:  # subnormal: no hidden 1, and the exponent of the smallest normal number
            return sign * math.ldexp(self.mantissa, 1 - f.bias - f.mantissa_bits)
        return sign * math.ldexp(2**f.mantissa_bits + self.mantissa, self.exponent - f.bias - f.mantissa_bits)


def encode(x: float, f: Format) -> Pattern:
    """The nearest number of a format, halves to even; beyond the range it is infinity.

    Source: IEEE 754-2019, sections 3.4 and 4.3.1; bf16 is the upper half of an fp32 number.

    Example: `encode(257.0, BF16).value == 256.0`.
    """
    sign = int(math.copysign(1, x) < 0)
    infinite = Pattern(f, sign, 2**f.exponent_bits - 1, 0)
    if math.isnan(x):
        return Pattern(f, 0, infinite.exponent, 2 ** (f.mantissa_bits - 1))
    if math.isinf(x):
        return infinite
    exponent = max(math.frexp(x)[1] - 1, 1 - f.bias)
    whole = round(math.ldexp(abs(x), f.mantissa_bits - exponent))  # in units of the last place
    if whole == 2 ** (f.mantissa_bits + 1):  # rounded up to the next power of two
        whole, exponent = whole // 2, exponent + 1
    if exponent > f.bias:
        return infinite
    hidden = 2**f.mantissa_bits
    return Pattern(f, sign, 0, whole) if whole < hidden else Pattern(f, sign, exponent + f.bias, whole - hidden)


def encode_int8(x: float, largest: float) -> tuple[int, float]:
    """(code, value) of a number in int8 whose scale was chosen for numbers up to `largest`: absmax quantization."""
    code = 0 if math.isnan(x) else round(max(-127.0, min(127.0, x / (largest / 127))))
    return code, code * largest / 127


@dataclass(frozen=True)
class Kept:
    """What one format makes of a number: its bits by field, the value that is left, and how far off it is."""

    format: str
    fields: tuple[str, ...]
    value: float
    error: float


def look_at(x: float, largest: float = 4.0) -> tuple[Kept, ...]:
    """A number in fp32, fp16, bf16 and int8.

    Args:
        x: the number.
        largest: the largest magnitude among the numbers that share the int8 scale.
    """
    kept = []
    for f in FORMATS:
        pattern = encode(x, f)
        kept.append(Kept(f.name, pattern.fields, pattern.value, abs(pattern.value - x) if math.isfinite(x) else math.nan))
    code, value = encode_int8(x, largest)
    kept.append(Kept("int8", (f"{code & 0xFF:08b}",), value, abs(value - x) if math.isfinite(x) else math.nan))
    return tuple(kept)


_COLOURS = (VERMILION, ORANGE, BLUE)


def bits_html(x: float, largest: float = 4.0) -> str:
    """A number in every format as an HTML table: sign, exponent and mantissa told apart by colour and by a gap."""
    rows = []
    for kept in look_at(x, largest):
        colours = _COLOURS if len(kept.fields) == 3 else (BLUE,)
        bits = " ".join(
            f'<span style="border-bottom: 3px solid {colour};">{field}</span>'
            for field, colour in zip(kept.fields, colours, strict=True)
        )
        note = f"scale {largest:g} / 127" if kept.format == "int8" else f"{sum(map(len, kept.fields))} bits"
        rows.append(
            f'<tr><th scope="row" style="text-align: left;">{kept.format}</th>'
            f'<td style="text-align: left; font-family: monospace;">{bits}</td>'
            f'<td style="text-align: right;">{kept.value:.9g}</td><td style="text-align: right;">{kept.error:.3g}</td>'
            f'<td style="text-align: left;">{html.escape(note)}</td></tr>'
        )
    head = "".join(
        f'<th scope="col" style="text-align: left;">{name}</th>' for name in ("format", "bits", "value kept", "off by", "")
    )
    legend = ", ".join(
        f'<span style="border-bottom: 3px solid {colour};">{name}</span>'
        for name, colour in zip(("sign", "exponent", "mantissa"), _COLOURS, strict=True)
    )
    return (
        f'<p aria-live="polite">The number <b>{x:.9g}</b>: {legend}</p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def bits_text(x: float, largest: float = 4.0) -> str:
    """The same as plain text."""
    lines = [f"{kept.format} {' '.join(kept.fields)} = {kept.value:.9g}, off by {kept.error:.3g}" for kept in look_at(x, largest)]
    return f"The number {x:.9g}:\n" + "\n".join(lines)


def bits_explorer(x: float = 0.1, largest: float = 4.0) -> None:
    """Show the bits of a number that can be typed, or picked from a list, beside a slider for the range that int8 has to cover."""
    show_widget(bits_widget(x, largest), bits_html(x, largest), bits_text(x, largest))


def bits_widget(x: float, largest: float) -> Any:
    """The widget behind `bits_explorer`: a field, a list of examples, a slider; the table follows each."""
    import ipywidgets as widgets

    layout, style = widgets.Layout(width="430px"), {"description_width": "170px"}
    number = widgets.FloatText(value=x, description="a number", layout=layout, style=style)
    choices = [("your own", None), *((f"{example:.9g}", example) for example in EXAMPLES)]
    examples = widgets.Dropdown(options=choices, description="or one of these", layout=layout, style=style)
    power = widgets.IntSlider(
        value=round(math.log2(largest)), min=-4, max=17, description="int8 covers ±2 to the", layout=layout, style=style
    )
    table = widgets.HTML()

    def redraw(_: Any = None) -> None:
        table.value = bits_html(number.value, 2.0**power.value)

    def pick(change: Any) -> None:
        if change["new"] is not None:
            number.value = change["new"]

    examples.observe(pick, names="value")
    number.observe(redraw, names="value")
    power.observe(redraw, names="value")
    redraw()
    return widgets.VBox([number, examples, power, table])
