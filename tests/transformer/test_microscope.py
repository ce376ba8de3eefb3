"""The microscope: its numbers by hand and against transformers, its widget through its own sliders."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace

import pytest
import torch
from explorers import shown_by
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from labutils.transformer.decoding import SamplingSettings
from labutils.transformer.microscope import BAR_PX, MicroscopeSettings, decoding_view, explore_decoding

LOGITS = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0], dtype=torch.float64)
NAMES = [" a", "b", "c\n", "d", ""]
SEEN = torch.tensor([1, 1])


def test_exact_numbers_by_hand():
    # Frequency 0.5 for two "b" and presence 0.25 take 1.25 off its logit of 2; temperature 0.5 doubles; top-k leaves three:
    # 6, 1.5 and 2, whose weights are e^4, e^-0.5 and 1, over a sum of 56.2047.
    view = decoding_view(LOGITS, NAMES, SEEN, SamplingSettings(temperature=0.5, top_k=3, frequency=0.5, presence=0.25), rows=5)
    assert [row.exact for row in view.rows] == pytest.approx([0.971416, 0.010791, 0.017792, 0, 0], abs=1e-6)
    assert [row.model for row in view.rows] == pytest.approx([0.636409, 0.234122, 0.086129, 0.031685, 0.011656], abs=1e-6)
    assert [row.fate for row in view.rows] == ["", "penalised", "", "cut", "cut"]
    assert (view.kept, view.vocabulary) == (3, 5) and view.entropy == pytest.approx(0.214572, abs=1e-6)


@pytest.mark.parametrize(("temperature", "k", "p", "penalty"), [(0.7, 3, 0.95, 1.2), (1.8, 4, 0.6, 1.0), (1.0, 5, 0.99, 1.9)])
def test_exact_numbers_are_those_of_transformers(temperature, k, p, penalty):
    chain = LogitsProcessorList(
        [
            RepetitionPenaltyLogitsProcessor(penalty),
            TemperatureLogitsWarper(temperature),
            TopKLogitsWarper(k),
            TopPLogitsWarper(p),
        ]
    )
    want = chain(SEEN[None], LOGITS[None].clone())[0].softmax(-1)
    view = decoding_view(LOGITS, NAMES, SEEN, SamplingSettings(temperature, k, p, repetition=penalty), rows=5)
    assert [row.exact for row in view.rows] == pytest.approx(want.tolist(), abs=1e-12)
    assert view.kept == int((want > 0).sum())


def test_sampled_shares_lie_near_the_exact_ones():
    view = decoding_view(LOGITS, NAMES, SEEN, SamplingSettings(), draws=20_000)
    for row in view.rows:
        deviation = (row.exact * (1 - row.exact) / 20_000) ** 0.5
        assert abs(row.sampled - row.exact) < 5 * deviation + 1e-9


def test_cut_tokens_are_marked_and_have_no_probability():
    view = decoding_view(LOGITS, NAMES, SEEN, SamplingSettings(top_k=2))
    assert [row.fate for row in view.rows] == ["", "", "cut", "cut", "cut"]
    assert all(row.exact == 0 and row.sampled == 0 for row in view.rows if row.fate == "cut")


def test_blanks_are_made_visible():
    assert [row.token for row in decoding_view(LOGITS, NAMES, SEEN, SamplingSettings()).rows] == ["␣a", "b", "c↵", "d", "(empty)"]


class Tokenizer:
    """Each character is a token: its place in the alphabet of five letters."""

    def __call__(self, text, return_tensors):
        return SimpleNamespace(input_ids=Ids([["abcde".index(letter) for letter in text]]))

    def batch_decode(self, rows):
        return [NAMES[i] for (i,) in rows]


class Ids(torch.Tensor):
    def __new__(cls, rows):
        return torch.tensor(rows, dtype=torch.long).as_subclass(cls)


class Model:
    """A decoder whose logits are those of the tests, counted up by the number of tokens in the text."""

    config = SimpleNamespace(vocab_size=5, max_position_embeddings=8, is_encoder_decoder=False)
    device = torch.device("cpu")

    def __init__(self):
        self.calls = 0

    def __call__(self, ids):
        self.calls += 1
        return SimpleNamespace(logits=LOGITS.roll(ids.shape[1] - 1).expand(1, ids.shape[1], 5))


def explored(model=None, **settings):
    return shown_by(explore_decoding, model or Model(), Tokenizer(), MicroscopeSettings(**{"text": "b", **settings}))


def test_bars_are_scaled_to_the_longest_and_the_others_have_a_row():
    flat = torch.zeros(50, dtype=torch.float64)
    flat[0] = 0.7
    view = decoding_view(flat, [str(n) for n in range(50)], SEEN, SamplingSettings(top_k=1), rows=3)
    assert (view.others.token, view.others.exact, view.others.fate) == ("47 others", 0, "cut")
    view = decoding_view(flat, [str(n) for n in range(50)], SEEN, SamplingSettings(), rows=3)
    assert view.others.model == pytest.approx(47 / (49 + math.exp(0.7))) and view.others.fate == "47 survive"
    assert sum(row.exact for row in (*view.rows, view.others)) == pytest.approx(1)
    assert sum(row.sampled for row in (*view.rows, view.others)) == pytest.approx(1)
    widths = [float(width) for width in re.findall(r"height: 8px; width: (\d+)px", view.body)]
    assert max(widths) == pytest.approx(BAR_PX, abs=1)
    assert decoding_view(LOGITS, NAMES, SEEN, SamplingSettings()).others is None


def test_min_p_cuts_what_is_far_below_the_leader():
    # The probabilities are .636, .234, .086, .032, .012; a fifth of the leader's is .127.
    view = decoding_view(LOGITS, NAMES, SEEN, SamplingSettings(min_p=0.2))
    assert [row.fate for row in view.rows] == ["", "", "cut", "cut", "cut"]


def test_moving_a_slider_changes_the_table_and_reset_brings_it_back():
    shown = explored(top_p=0.9)
    first = shown.page
    shown["4 top-k (0 is off)"].value = 1
    assert shown.page != first and "1 of 5 tokens survive" in shown.page
    shown["Reset"].click()
    assert shown.page == first == shown.html


def test_every_parameter_has_a_slider_in_the_order_in_which_it_acts():
    shown = explored()
    text, *sliders, reset = [widget.description for widget in shown.controls]
    assert text == "the text so far" and [label[0] for label in sliders] == list("1223456") and reset == "Reset"
    for label in sliders:
        before = shown.page
        shown[label].value = 2 if "top-k" in label else 0.5 if "-p" in label else 1.7
        assert shown.page != before, label
        shown["Reset"].click()


def test_another_text_has_other_logits_and_sliders_do_not_run_the_model_again():
    model = Model()
    shown = explored(model)
    first = shown.page
    shown["3 temperature"].value = 0.5
    assert model.calls == 1
    shown["3 temperature"].value = 1.0
    shown["the text so far"].value = "ab"
    assert model.calls == 2 and shown.page != first
    shown["the text so far"].value = ""
    assert "The prompt is empty" in shown.page


def test_the_table_escapes_token_texts():
    html = decoding_view(LOGITS, ["<b>", "b", "c", "d", "e"], SEEN, SamplingSettings()).html
    assert "&lt;b&gt;" in html and '<th scope="row" style="text-align: left; font-family: monospace;"><b>' not in html


def test_the_static_twin_has_the_first_setting():
    shown = explored(top_k=2)
    assert "2 of 5 tokens survive" in shown.html
    assert shown.text.startswith("Decoding microscope. 2 of 5 tokens survive;")
