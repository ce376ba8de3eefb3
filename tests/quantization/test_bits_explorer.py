"""The bits explorer: every format on its page, its widget through its own controls."""

from __future__ import annotations

import math

import pytest
from explorers import shown_by

from labutils.quantization.bits_explorer import EXAMPLES, bits_view, explore_bits


@pytest.mark.parametrize("x", [*EXAMPLES, -0.0, math.inf, math.nan])
def test_the_view_names_every_format(x):
    view = bits_view(x)
    assert all(name in view.body and name in view.summary for name in ("fp32", "fp16", "bf16", "int8"))


def test_the_sentence_and_the_bits_by_hand():
    view = bits_view(257.0, largest=512.0)
    assert view.summary == "The number 257 is kept as 257 in fp32, 257 in fp16, 256 in bf16, 258.015748 in int8."
    assert (
        all(f">{field}</span>" in view.html for field in ("10000111", "0000000", "01000000")) and "scale 512 / 127" in view.html
    )


def test_the_page_follows_the_field_the_list_and_the_slider():
    shown = shown_by(explore_bits, 0.1)
    shown["or one of these"].value = 70000.0
    assert shown["a number"].value == 70000.0 and "inf in fp16" in shown.page
    shown["int8 covers ±2 to the"].value = 17
    assert "scale 131072 / 127" in shown.page
    shown["a number"].value = 3.0
    assert shown.page == bits_view(3.0, 2.0**17).html
    shown["Reset"].click()
    assert shown.page == shown.html


def test_the_static_twin_is_the_first_page():
    shown = shown_by(explore_bits, 0.1, 512.0)
    assert shown.html == shown.page == bits_view(0.1, 512.0).html
    assert shown.text.startswith("Bits explorer. The number 0.1 is kept as 0.1")
