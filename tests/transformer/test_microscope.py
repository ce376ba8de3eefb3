"""The microscope: its numbers against the decoding functions, its widget through its own sliders."""

from __future__ import annotations

import pytest
import torch

from labutils.transformer import decoding, microscope
from labutils.transformer.decoding import Settings

LOGITS = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0], dtype=torch.float64)
NAMES = [" a", "b", "c\n", "d", ""]
SEEN = torch.tensor([1, 1])


def test_exact_numbers_are_those_of_the_chain():
    setting = Settings(temperature=0.7, top_k=3, top_p=0.95, frequency=0.4, presence=0.2, repetition=1.2)
    view = microscope.look(LOGITS, NAMES, SEEN, setting, rows=5)
    want = decoding.softmax(decoding.process(LOGITS, SEEN, setting))
    assert [row.exact for row in view.rows] == pytest.approx(want.tolist(), abs=1e-12)
    assert view.kept == int((want > 0).sum())


def test_sampled_shares_lie_near_the_exact_ones():
    view = microscope.look(LOGITS, NAMES, SEEN, Settings(), draws=20_000)
    for row in view.rows:
        deviation = (row.exact * (1 - row.exact) / 20_000) ** 0.5
        assert abs(row.sampled - row.exact) < 5 * deviation + 1e-9


def test_cut_tokens_are_marked_and_have_no_probability():
    view = microscope.look(LOGITS, NAMES, SEEN, Settings(top_k=2))
    assert [row.fate for row in view.rows] == ["", "", "cut", "cut", "cut"]
    assert all(row.exact == 0 and row.sampled == 0 for row in view.rows if row.fate == "cut")


def test_blanks_are_made_visible():
    assert [row.token for row in microscope.look(LOGITS, NAMES, SEEN, Settings()).rows] == ["␣a", "b", "c↵", "d", "(empty)"]


def test_moving_a_slider_changes_the_table_and_reset_brings_it_back():
    box = microscope.microscope_widget(LOGITS, NAMES, SEEN, Settings(top_p=0.9))
    sliders, button, table = {s.description: s for s in box.children[0].children}, box.children[1], box.children[2]
    start = table.value
    sliders["4 top-k (0 is off)"].value = 1
    assert table.value != start and "1 of 5 tokens survive" in table.value
    button.click()
    assert table.value == start


def test_labels_have_room_and_follow_the_real_order():
    box = microscope.microscope_widget(LOGITS, NAMES, SEEN, Settings())
    numbers = [int(slider.description[0]) for slider in box.children[0].children]
    assert numbers == sorted(numbers)


def test_the_table_escapes_token_texts():
    html = microscope.view_html(microscope.look(LOGITS, ["<b>", "b", "c", "d", "e"], SEEN, Settings()))
    assert "&lt;b&gt;" in html and '<th scope="row" style="text-align: left; font-family: monospace;"><b>' not in html
