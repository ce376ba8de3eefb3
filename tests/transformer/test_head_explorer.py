"""The head explorer: its numbers are those of the maps, its page is sound HTML, its widget answers through its own parts."""

from __future__ import annotations

import math
from html.parser import HTMLParser

import pytest
import torch
from explorers import shown_by

from labutils.errors import LabError
from labutils.transformer.head_explorer import _shade, explore_heads, head_view

NAMES = ["The", " cat", " <b>", "\n"]


def maps(layers=3, heads=2, queries=4, keys=4, causal=True):
    scores = torch.randn(layers, heads, queries, keys, generator=torch.Generator().manual_seed(0))
    if causal:
        scores = scores.masked_fill(torch.ones(queries, keys).triu(1).bool(), float("-inf"))
    return scores.softmax(-1)


class Page(HTMLParser):
    """The tables of a page, as rows of texts, and all its tags; complains where tags do not close in order."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.tags, self.open = [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


def test_a_view_holds_the_numbers_of_its_head():
    given = maps()
    for layer in range(3):
        for head in range(2):
            view = head_view(given, NAMES, layer, head, 2)
            assert torch.allclose(torch.tensor(view.grid), given[layer, head])
            assert view.row == view.grid[2] and sum(view.row) == pytest.approx(1, abs=1e-6)
            assert view.strongest == int(given[layer, head, 2].argmax())
            assert view.entropy == pytest.approx(-sum(w * math.log2(w) for w in view.row if w), abs=1e-6)


def test_negative_places_count_from_the_end():
    view = head_view(maps(), NAMES, -1, -2, -1)
    assert (view.layer, view.head, view.token) == (2, 0, 3)


def test_the_sentence_by_hand():
    given = torch.zeros(1, 1, 2, 2)
    given[0, 0] = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    text = head_view(given, ["a", " b"], 0, 0, 1).summary
    assert text == "Layer 0, head 0: token 1 “␣b” looks most at token 1 “␣b”, with 75% of its attention; spread 0.81 bits."


def test_the_page_shows_row_and_map_as_text():
    given = torch.zeros(1, 1, 3, 3)
    given[0, 0] = torch.tensor([[1.0, 0.0, 0.0], [0.004, 0.996, 0.0], [0.5, 0.3, 0.2]])
    row, grid = Page(head_view(given, ["a", "b", "c"], 0, 0, 1).html).tables
    assert [cells[:3] for cells in row] == [["0", "a", "0.4%"], ["1", "b", "99.6%"], ["2", "c", "0.0%"]]
    assert grid[0] == ["", "a", "b", "c"]
    assert grid[1:] == [["a", "100", "", ""], ["▶ b", "·", "100", ""], ["c", "50", "30", "20"]]


def test_markup_in_a_token_does_not_reach_the_page():
    names = ["<script>alert(1)</script>", "&", "<i>", "x"]
    page = head_view(maps(), names, 0, 0, 0).html
    parsed = Page(page)
    assert not {"script", "i"} & set(parsed.tags) and "&lt;script&gt;" in page
    assert [cells[1] for cells in parsed.tables[0]] == names


def test_text_stands_out_from_its_shade():
    def luminance(red, green, blue):  # WCAG 2.1, relative luminance
        parts = [c / 255 / 12.92 if c / 255 <= 0.03928 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for step in range(101):
        style = _shade(step / 100)
        shade = luminance(*map(int, style.split("(")[1].split(")")[0].split(",")))
        text = 1.0 if "#fff" in style else 0.0
        assert (max(shade, text) + 0.05) / (min(shade, text) + 0.05) >= 4.5, style


def test_cross_attention_has_other_tokens_in_its_columns():
    view = head_view(maps(1, 1, 2, 3, causal=False), ["2", "4"], 0, 0, 1, keys=["four", "and", "twenty"])
    grid = Page(view.html).tables[1]
    assert grid[0][1:] == ["four", "and", "twenty"] and [row[0] for row in grid[1:]] == ["2", "▶ 4"]


def test_moving_and_resetting_change_the_page():
    shown = shown_by(explore_heads, maps(), NAMES, 1, 1, 2)
    layer, head, token = shown["layer"], shown["head"], shown["token"]
    start = shown.page
    assert "Layer 1, head 1: token 2" in start
    layer.value, head.value, token.value = 2, 0, 3
    assert shown.page == head_view(maps(), NAMES, 2, 0, 3).html != start
    shown["Reset"].click()
    assert shown.page == start and (layer.value, head.value, token.value) == (1, 1, 2)
    assert [label for label, _ in token.options] == ["0 The", "1 ␣cat", "2 ␣<b>", "3 ↵"]


def test_a_single_token_and_a_single_head_are_no_error():
    assert "with 100% of its attention" in shown_by(explore_heads, torch.ones(1, 1, 1, 1), ["a"]).page


def test_the_static_twin_holds_the_same_view():
    shown = shown_by(explore_heads, maps(), NAMES, 2, 1, -3)
    assert shown.html == shown.page == head_view(maps(), NAMES, 2, 1, 1).html
    assert shown.text.startswith("Head explorer. Layer 2, head 1: token 1")


def test_other_keys_stay_while_a_control_moves():
    shown = shown_by(explore_heads, maps(1, 2, 2, 3, causal=False), ["2", "4"], keys=["four", "and", "twenty"])
    shown["head"].value = 1
    assert Page(shown.page).tables[1][0][1:] == ["four", "and", "twenty"]


def test_what_cannot_be_shown_says_so(says):
    for call, words in (
        (lambda: head_view(maps(), NAMES, 3, 0, 0), ("layer 3", "0 to 2")),
        (lambda: head_view(maps(), NAMES, 0, -3, 0), ("head -3", "0 to 1")),
        (lambda: head_view(maps(), NAMES, 0, 0, 4), ("token 4", "0 to 3")),
        (lambda: head_view(maps(), NAMES[:3], 0, 0, 0), ("(3, 2, 4, 4)", "(layers, heads, 3, 3)")),
        (lambda: head_view(maps()[0], NAMES, 0, 0, 0), ("(2, 4, 4)",)),
        (lambda: head_view(maps(1, 1, 41, 41), ["x"] * 41, 0, 0, 0), ("41", "40")),
    ):
        with pytest.raises(LabError) as caught:
            call()
        says(caught.value, *words)
