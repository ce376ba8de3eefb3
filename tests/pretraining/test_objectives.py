"""The objectives' library side, and T5's arithmetic against the figures that its authors published."""

from __future__ import annotations

import pytest

from labutils import load_encoder, load_model
from labutils.errors import LabError
from labutils.pretraining import library_causal, library_masked, t5_lengths


@pytest.mark.parametrize(
    ("setting", "lengths"), [((512, 0.15, 3), (568, 114)), ((64, 0.2, 2), (70, 22)), ((64, 0.2, 1), (63, 27))]
)
def test_the_published_lengths(setting: tuple, lengths: tuple) -> None:
    assert t5_lengths(*setting) == lengths


@pytest.mark.parametrize("length", [16, 100, 512, 1024])
@pytest.mark.parametrize(("density", "span"), [(0.15, 3), (0.15, 10), (0.5, 3), (0.3, 1)])
def test_the_input_is_filled_and_no_longer_text_would_fit(length: int, density: float, span: float) -> None:
    n, target = t5_lengths(length, density, span)

    def filled(n: int) -> int:
        noise = round(n * density)
        return n - noise + round(noise / span) + 1

    assert filled(n) <= length < filled(n + 2)
    assert abs(target - (round(n * density) + round(round(n * density) / span) + 1)) <= 1


@pytest.mark.parametrize("bad", [(3, 0.15, 3), (512, 0.0, 3), (512, 1.0, 3), (512, 0.15, 0.5), (512.5, 0.15, 3)])
def test_odd_settings_are_refused(bad: tuple) -> None:
    with pytest.raises(LabError):
        t5_lengths(*bad)


@pytest.mark.model
def test_the_collators_of_the_library(ready_home) -> None:
    decoder, encoder = load_model(needs="decoder")[1], load_encoder()[1]
    ids = decoder("The old ferry left the harbour.").input_ids
    assert library_causal(decoder, ids) == (ids, ids)
    many = list(range(1000, 3000))
    inputs, labels = library_masked(encoder, many)
    asked = [n for n, label in enumerate(labels) if label != -100]
    assert 0.12 < len(asked) / len(many) < 0.18 and all(labels[n] == many[n] for n in asked)
    assert all(inputs[n] == many[n] for n in range(len(many)) if n not in set(asked))
    assert library_masked(encoder, many) == (inputs, labels)
    with pytest.raises(LabError, match="mask token"):
        library_masked(decoder, ids)
    with pytest.raises(LabError, match="share"):
        library_masked(encoder, many, share=2.0)
    with pytest.raises(LabError, match="no tokens"):
        library_causal(decoder, [])
