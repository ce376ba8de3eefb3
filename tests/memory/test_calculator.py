"""The memory calculator: its figures against the ledger, its tables as HTML, its widget through its own controls."""

from __future__ import annotations

from dataclasses import asdict, replace
from html.parser import HTMLParser

import pytest
from explorers import shown_by

from labutils.machine.limits import GIB
from labutils.memory import calculator
from labutils.memory.calculator import Scenario, explore_memory, memory_view

BIG = Scenario(model="70B", task="train all weights", dtype="mixed", batch=1)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_first_preset_is_the_course_model(default_model):
    assert calculator.shape_of(Scenario().model).parameters == sum(p.numel() for p in default_model[0].parameters())


@pytest.mark.parametrize(("model", "billions"), [("1.7B", 1.71), ("8B", 8.03), ("70B", 70.55)])
def test_presets_are_as_large_as_they_say(model, billions):
    assert calculator.shape_of(model).parameters / 1e9 == pytest.approx(billions, abs=0.01)


@pytest.mark.parametrize("model", calculator.PRESETS)
@pytest.mark.parametrize("task", calculator.TASKS)
def test_a_view_agrees_with_itself(model, task):
    view = memory_view(Scenario(model=model, task=task), here=3 * GIB)
    assert [place.available for place in view.places] == [n * GIB for n in (3, 4, 16, 24, 80)]
    assert view.ledger == calculator.scenario_ledger(view.scenario)
    for place, device in zip(view.places, ["cpu", "cpu", "cuda", "cuda", "cuda"], strict=True):
        there = replace(view.scenario, device=device)
        assert place.need == calculator.scenario_ledger(there).total
        share = place.need / place.available
        assert place.verdict == ("fits" if share <= 0.9 else "tight" if share <= 1 else "no")
        assert (place.largest >= view.scenario.batch) == (place.verdict == "fits")
        if 0 < place.largest < calculator.MOST_SEQUENCES:
            assert calculator.scenario_ledger(replace(there, batch=place.largest)).total <= 0.9 * place.available
            assert calculator.scenario_ledger(replace(there, batch=place.largest + 1)).total > 0.9 * place.available
    assert f"{view.ledger.gib:.2f} GiB" in view.summary


def test_every_choice_changes_what_it_should():
    one = memory_view(BIG, here=GIB).ledger.total
    assert memory_view(replace(BIG, devices=8), here=GIB).ledger.total == one
    totals = [
        memory_view(replace(BIG, devices=8, scheme=scheme), here=GIB).ledger.total for scheme in ("zero1", "zero2", "zero3")
    ]
    assert one > totals[0] > totals[1] > totals[2]
    lora = [
        memory_view(replace(BIG, task="LoRA", dtype="bfloat16", weights=how), here=GIB).ledger.total for how in calculator.WEIGHTS
    ]
    assert lora == sorted(lora, reverse=True)


def test_the_page_says_what_the_view_says():
    for settings in (Scenario(), BIG, Scenario(task="generate"), Scenario(checkpointing=True, devices=4, scheme="zero2")):
        view = memory_view(settings, here=2 * GIB)
        page = Tags(view.html)
        text = " ".join(page.words)
        assert page.open == [] and view.summary in text and 'aria-live="polite"' in view.html
        assert all(term.name in text and term.formula in text for term in view.ledger.terms)
        assert text.count("✓") == sum(place.verdict == "fits" for place in view.places)


def test_a_card_is_counted_by_the_rules_for_cuda():
    """AdamW's scratch is as large as all gradients there: 2 bytes per parameter more than weights, gradients and state (16)."""
    scenario = replace(BIG, model="8B", length=64)
    parameters = calculator.shape_of("8B").parameters
    on = {device: calculator.scenario_ledger(replace(scenario, device=device)).total for device in ("cpu", "cuda")}
    assert on["cuda"] == pytest.approx(18 * parameters + 550e6)
    assert on["cuda"] > on["cpu"]


def test_nothing_fits_is_said():
    assert "none of the machines" in memory_view(BIG, here=GIB).summary


def test_the_widget_follows_its_controls_and_resets():
    start = Scenario()
    shown = shown_by(explore_memory, start, here=4 * GIB)
    first = shown.page
    shown["model"].value = "8B"
    shown["task"].value = "generate"
    shown["numbers"].value = "bfloat16"
    asked = replace(start, model="8B", task="generate", dtype="bfloat16")
    assert shown.page == memory_view(asked, here=4 * GIB).html != first
    shown["Reset"].click()
    assert shown.page == first and shown["model"].value == start.model


def test_there_is_a_control_for_every_field_of_the_scenario():
    assert [control.name for control in calculator.CONTROLS] == list(asdict(Scenario()))


def test_the_static_page_holds_the_tables():
    shown = shown_by(explore_memory, here=4 * GIB)
    assert shown.html == shown.page and "<table>" in shown.html
    assert shown.text.startswith("Memory calculator. 0.135 billion parameters, LoRA")
