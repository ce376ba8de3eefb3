"""The explorers' frame, by an explorer of its own: what a person does to each kind of control shows on the page."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
from explorers import Shown, shown_by

from labutils.course.explorer import (
    Action,
    Choice,
    ChoiceSlider,
    Count,
    Explorer,
    Number,
    Slider,
    Text,
    Tick,
    Ticks,
    View,
)
from labutils.errors import LabError


@dataclass(frozen=True)
class Settings:
    whole: int | None = 3
    share: float = 0.5
    animal: str = "cat"
    size: int = 1
    count: int = 7
    number: float = 257.0
    note: str = "hello"
    loud: bool = False
    chosen: tuple[int, ...] = (0, 2)
    hidden: str = "not on the page"


@dataclass(frozen=True)
class Echo(View):
    """The settings as they arrive."""

    settings: Settings
    word: str = "moved"

    @property
    def summary(self) -> str:
        return f"{self.word} <{self.settings.animal}>."

    @property
    def body(self) -> str:
        return f"<pre>{self.settings}</pre>"


CONTROLS = (
    Slider("whole", "a whole number (0 is off)", 0, 9, none_at=0),
    Slider("share", "a share", 0.0, 1.0, 0.1),
    Choice("animal", "animal", ["cat", "dog"]),
    ChoiceSlider("size", "size", [("small", 0), ("middling", 1), ("large", 2)]),
    Count("count", "count", 10),
    Number("number", "a number", (0.1, 70000.0), "or one of these"),
    Text("note", "note"),
    Tick("loud", "a label that is read to its last word"),
    Ticks("chosen", "chosen", ["first", "second", "third"]),
)


class Calls(list[Settings]):
    """Computes an Echo, and keeps the settings that it was given."""

    def __call__(self, settings: Settings) -> Echo:
        self.append(settings)
        return Echo(settings)


def explorer(compute: Any = Echo, **options: Any) -> Shown:
    return shown_by(Explorer("Echo", Settings(), CONTROLS, compute, **options).show)


@pytest.mark.parametrize(
    ("label", "value", "setting"),
    [
        ("a whole number (0 is off)", 9, "whole=9"),
        ("a whole number (0 is off)", 0, "whole=None"),
        ("a share", 0.7, "share=0.7"),
        ("animal", "dog", "animal='dog'"),
        ("size", 2, "size=2"),
        ("count", 8, "count=8"),
        ("count", 11, "count=10"),
        ("a number", -1.5, "number=-1.5"),
        ("or one of these", 70000.0, "number=70000.0"),
        ("note", "bye", "note='bye'"),
        ("a label that is read to its last word", True, "loud=True"),
        ("second", True, "chosen=(0, 1, 2)"),
        ("first", False, "chosen=(2,)"),
    ],
)
def test_a_control_changes_its_setting_and_reset_brings_it_back(label, value, setting):
    shown = explorer()
    first, before = shown.page, shown[label].value
    assert setting not in first
    shown[label].value = value
    assert setting in shown.page and "hidden='not on the page'" in shown.page
    shown["Reset"].click()
    assert shown.page == first and shown[label].value == before


def test_a_reset_computes_one_page_and_a_move_one():
    calls = Calls()
    shown = explorer(calls)
    assert calls == [Settings()]
    shown["animal"].value, shown["count"].value = "dog", 2
    assert len(calls) == 3
    shown["Reset"].click()
    assert len(calls) == 4 and calls[-1] == Settings()


def test_a_setting_of_none_stands_at_the_sliders_off_and_comes_back():
    shown = shown_by(Explorer("Echo", Settings(whole=None), CONTROLS, Echo).show)
    slider = shown["a whole number (0 is off)"]
    assert slider.value == 0 and "whole=None" in shown.page
    slider.value = 5
    shown["Reset"].click()
    assert slider.value == 0 and "whole=None" in shown.page


def test_the_list_of_examples_follows_a_typed_number():
    shown = explorer()
    assert shown["or one of these"].value is None
    shown["or one of these"].value = 0.1
    shown["a number"].value = 70000.0
    assert shown["or one of these"].value == 70000.0
    shown["a number"].value = 5.0
    assert shown["or one of these"].value is None and "number=5.0" in shown.page


def test_an_error_becomes_a_sentence_without_markup_and_goes_again():
    def compute(settings: Settings) -> Echo:
        if settings.animal == "dog":
            raise LabError("No <dogs> here: choose the cat.")
        return Echo(settings)

    shown = explorer(compute)
    first = shown.page
    shown["animal"].value = "dog"
    assert shown.page == '<p role="alert"><b>No &lt;dogs&gt; here: choose the cat.</b></p>'
    shown["animal"].value = "cat"
    assert shown.page == first


def test_an_error_of_the_first_view_is_the_cells_own():
    def compute(settings: Settings) -> Echo:
        raise LabError("Nothing to see: try again.")

    with pytest.raises(LabError, match="Nothing to see"):
        explorer(compute)


def test_another_kind_of_error_is_not_hidden():
    def compute(settings: Settings) -> Echo:
        return Echo(settings) if settings.animal == "cat" else 1 / 0

    shown = explorer(compute)
    with pytest.raises(ZeroDivisionError):
        shown["animal"].value = "dog"


def test_the_static_twin_is_the_first_page_and_its_text_the_summary():
    shown = explorer()
    assert shown.html == shown.page
    assert shown.html.startswith('<p aria-live="polite"><b>moved &lt;cat&gt;.</b></p><pre>')
    assert shown.text == "Echo. moved <cat>."


def test_the_bundle_holds_widget_page_and_text(monkeypatch):
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))
    Explorer("Echo", Settings(), CONTROLS, Echo).show()
    (bundle,) = bundles
    assert "model_id" in bundle["application/vnd.jupyter.widget-view+json"]
    assert bundle["text/html"] == Echo(Settings()).html and bundle["text/plain"] == "Echo. moved <cat>."


def test_an_action_computes_the_first_view_and_answers_to_its_button_alone():
    shown = explorer(action=Action("Work", "Takes a while", lambda settings: Echo(settings, "worked")))
    assert "worked" in shown.html and shown.page == shown.html and shown["Work"].tooltip == "Takes a while"
    shown["animal"].value = "dog"
    assert "moved" in shown.page, "what was worked out must not outlive its settings"
    shown["Work"].click()
    assert "worked &lt;dog&gt;" in shown.page


def test_controls_stand_in_their_order_and_labels_have_room():
    shown = explorer()
    labels = [widget.description for widget in shown.controls]
    assert labels == [
        *(control.label for control in CONTROLS[:6]),
        "or one of these",
        "note",
        "a label that is read to its last word",
        *("first", "second", "third"),
        "Reset",
    ]
    widest = max(len(label) for label in labels[:8])
    for widget in shown.controls[:8]:
        # Jupyter's 13 px sans-serif takes under 7 px a character on average.
        assert 7 * widest < int(widget.style.description_width.removesuffix("px")) < int(widget.layout.width.removesuffix("px"))
        assert widget.layout.max_width == "100%"
    box = shown["a label that is read to its last word"]
    assert int(box.layout.width.removesuffix("px")) > 7 * len(box.description) + 20  # the box itself


def test_a_view_must_say_what_it_shows():
    class Mute(View):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Mute()
    with pytest.raises(FrozenInstanceError):
        Echo(Settings()).word = "other"
