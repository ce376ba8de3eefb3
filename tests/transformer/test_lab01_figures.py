"""The pictures of lab 01: what stands in them, and that nothing overlaps."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from labutils.course.plots import ORANGE
from labutils.errors import LabError
from labutils.transformer import attention, studies, study_figures
from labutils.transformer.block_diagram import ATTENTION, MODEL, block_figure, show_block
from labutils.transformer.chain_picture import CHAIN, chain_figure
from labutils.transformer.rotation_picture import KEY, QUERY, rotation_figure, show_rotation

PICTURES = {block_figure: [*MODEL, *ATTENTION], chain_figure: [*CHAIN]}


def boxes(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]


@pytest.mark.parametrize(("draw", "here"), [(draw, here) for draw, parts in PICTURES.items() for here in ("", *parts)])
def test_one_part_is_marked(draw, here):
    marked = [box.get_label() for box in boxes(draw(here)) if to_hex(box.get_edgecolor()) == to_hex(ORANGE)]
    assert marked == [here] * bool(here)


def test_an_unknown_part():
    with pytest.raises(LabError, match="no part “softmax”: choose one of tokens, embedding"):
        block_figure("softmax")
    with pytest.raises(LabError, match="no step “top-q”: choose one of logits, penalties"):
        chain_figure("top-q")


@pytest.mark.parametrize(("draw", "here"), [(block_figure, "rotation"), (chain_figure, "top-p")])
def test_boxes_and_their_texts_do_not_overlap(draw, here):
    figure = draw(here)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    frames = [box.get_window_extent(renderer) for box in boxes(figure)]
    assert len(frames) == len(PICTURES[draw])
    assert not any(a.overlaps(b) for a, b in itertools.combinations(frames, 2))
    page = figure.get_window_extent(renderer)
    for text in figure.axes[0].texts:
        extent = text.get_window_extent(renderer)
        if not text.get_text():
            continue  # an arrow
        assert page.x0 <= extent.x0 and extent.x1 <= page.x1, text.get_text()
        inside = [frame for frame in frames if frame.overlaps(extent)]
        assert all(frame.x0 <= extent.x0 and extent.x1 <= frame.x1 for frame in inside), text.get_text()


def turn(x, positions, base=10_000.0):
    angle = positions.double()[:, None]  # one pair: one radian per position
    a, b = x[:, :1], x[:, 1:]
    return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=1)


def test_the_rotation_picture_shows_the_dot_products_of_complex_numbers():
    places = [(2, 0), (12, 10), (12, 11)]
    titles = [panel.get_title() for panel in rotation_figure(turn, places).axes]
    query, key = complex(*QUERY), complex(*KEY)
    for (m, n), title in zip(places, titles, strict=True):
        product = (query * complex(math.cos(m), math.sin(m)) * (key * complex(math.cos(n), math.sin(n))).conjugate()).real
        assert title == f"query at {m}, key at {n}\nq · k = {product:.3f}"
    assert titles[0].split("=")[1] == titles[1].split("=")[1] != titles[2].split("=")[1]


def test_every_picture_has_an_alt_text(capsys):
    show_block("mask")
    show_rotation(turn, [(1, 0), (2, 1)])
    study_figures.show_head_scores(torch.rand(4, 3), torch.rand(4, 3), circled=[(2, 1)])
    study_figures.show_losses({"none": torch.rand(2, 9), "1.0": torch.rand(2, 9)})
    study_figures.show_ranks({"a": torch.tensor([5, 2, 1])}, {"a": " b"})
    shown = capsys.readouterr().out
    assert shown.count("[Figure: ") == 5 and "Marked: mask." in shown and "block 2, head 1" in shown


def test_gradients_fall_as_the_alt_text_says(capsys):
    shares = {(start, name): share for start, name, share in study_figures.show_gradients()}
    default, larger = study_figures.STARTS
    assert 1e-31 < shares[default, "f(x), no norm"] < 1e-29 and 1e-8 < shares[larger, "f(x), no norm"] < 1e-6
    assert 1e6 < shares[larger, "x + f(x), no norm"] < 1e8
    assert all(0.05 < share < 20 for (_, name), share in shares.items() if name.endswith("layer norm"))
    assert "[Figure: " in capsys.readouterr().out


def test_a_scale_of_one_changes_nothing_and_more_weight_passes_more_gradient():
    plain = studies.gradient_norms(4, residual=False)
    assert studies.gradient_norms(4, residual=False, weight_scale=1.0) == plain
    assert studies.gradient_norms(4, residual=False, weight_scale=3**0.5)[0] > plain[0]


def test_sines_and_cosines_three_apart_have_one_dot_product():
    waves = attention.sinusoidal_positions(64, 32)
    assert torch.allclose((waves @ waves.T).diagonal(-3), waves[3] @ waves[0], atol=1e-4)
