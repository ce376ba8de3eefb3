"""The frame of the labs' explorers: controls described as data, a view computed from their settings, and the page that shows it.

An explorer says what is its own: a frozen dataclass of settings, one control per setting that a person may change, a function from
settings to a `View`. The frame builds the widgets, follows them, brings the start back, puts a `LabError` on the page as its one
sentence, and shows the first view in the widget's place where a page has no kernel.

    @dataclass(frozen=True)
    class Square(View):
        side: int

        @property
        def summary(self) -> str:
            return f"A square of side {self.side} has the area {self.side**2}."

        @property
        def body(self) -> str:
            return table_html(["side", "area"], [(self.side, self.side**2)])

    @dataclass(frozen=True)
    class SquareSettings:
        side: int = 3

    Explorer("Squares", SquareSettings(), [Slider("side", "side", 1, 9)], lambda settings: Square(settings.side)).show()

The controls stand above the page, so that nothing is cut off in a narrow window; Tab moves from one to the next, arrow keys and
the space bar change them. A `summary` is read aloud by a screen reader whenever it changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from labutils.course.plots import GREY, show_widget
from labutils.errors import LabError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    S = TypeVar("S", bound=DataclassInstance)
else:
    S = TypeVar("S")

CHARACTER_PX = 8  # what a character of a label takes, on the wide side
MARGIN_PX = 14


class View(ABC):
    """What an explorer computed from its settings, and how it looks."""

    summary_style: ClassVar[str] = ""  # CSS for the summary, where a wide body would keep it from wrapping

    @property
    @abstractmethod
    def summary(self) -> str:
        """The view in one sentence, as plain text: announced when it changes, and the alt text of a static page."""

    @property
    @abstractmethod
    def body(self) -> str:
        """What stands below the summary, as HTML whose texts are escaped."""

    @property
    def html(self) -> str:
        """The whole view as HTML."""
        style = f' style="{self.summary_style}"' if self.summary_style else ""
        return f'<p aria-live="polite"{style}><b>{escape(self.summary)}</b></p>{self.body}'


@dataclass(frozen=True)
class Part:
    """A control on the page: its widget, the widgets that a person changes, and how its value is read and set."""

    widget: Any
    changed: tuple[Any, ...]
    read: Callable[[], Any]
    write: Callable[[Any], None]


@dataclass(frozen=True)
class Control(ABC):
    """A control as data.

    Attributes:
        name: the field of the settings that it sets.
        label: what stands beside it; the frame keeps room for all of it.
    """

    name: str
    label: str
    room: ClassVar[int] = 260  # pixels beside the label

    @abstractmethod
    def build(self, value: Any, label_px: int) -> Part:
        """The control on the page, at a value, with `label_px` pixels for its label."""

    def _labelled(self, kind: Any, value: Any, label_px: int, **options: Any) -> Any:
        """A widget of a kind of ipywidgets, its label beside it."""
        layout = {"width": f"{label_px + self.room}px", "max_width": "100%"}
        style = {"description_width": f"{label_px}px"}
        return kind(value=value, description=self.label, layout=layout, style=style, **options)


def _part(widget: Any) -> Part:
    """The part whose value is that of its one widget."""
    return Part(widget, (widget,), lambda: widget.value, lambda value: setattr(widget, "value", value))


@dataclass(frozen=True)
class Slider(Control):
    """A number between two, both included: whole where `step` is. Where the slider stands at `none_at` the setting is None."""

    low: float
    high: float
    step: float = 1
    none_at: float | None = None

    def build(self, value: Any, label_px: int) -> Part:
        """The slider."""
        import ipywidgets

        kind = ipywidgets.IntSlider if isinstance(self.step, int) else ipywidgets.FloatSlider
        first = self.none_at if value is None else value
        slider = self._labelled(kind, first, label_px, min=self.low, max=self.high, step=self.step)

        def write(value: Any) -> None:
            slider.value = self.none_at if value is None else value

        return Part(slider, (slider,), lambda: None if slider.value == self.none_at else slider.value, write)


@dataclass(frozen=True)
class Choice(Control):
    """One of several options, each a value or a (text, value) pair, in a list that drops down."""

    options: Sequence[Any]

    def build(self, value: Any, label_px: int) -> Part:
        """The list."""
        import ipywidgets

        return _part(self._labelled(ipywidgets.Dropdown, value, label_px, options=self.options))


@dataclass(frozen=True)
class ChoiceSlider(Choice):
    """One of several options on a slider, for options that have an order."""

    room: ClassVar[int] = 360  # for the option's text too

    def build(self, value: Any, label_px: int) -> Part:
        """The slider."""
        import ipywidgets

        return _part(self._labelled(ipywidgets.SelectionSlider, value, label_px, options=self.options))


@dataclass(frozen=True)
class Count(Control):
    """A whole number from 1 to `high` that is typed; one out of range is moved to the nearest in it."""

    high: int

    def build(self, value: Any, label_px: int) -> Part:
        """The field."""
        import ipywidgets

        return _part(self._labelled(ipywidgets.BoundedIntText, value, label_px, min=1, max=self.high))


@dataclass(frozen=True)
class Number(Control):
    """Any number, typed or picked from a list of examples, which has a label of its own."""

    examples: Sequence[float]
    examples_label: str

    def build(self, value: Any, label_px: int) -> Part:
        """The field and the list; the list says "your own" where the number is not in it."""
        import ipywidgets

        field = self._labelled(ipywidgets.FloatText, value, label_px)
        options = [("your own", None), *((f"{example:.9g}", example) for example in self.examples)]
        listed = Choice(self.name, self.examples_label, options).build(None, label_px).widget

        def pick(change: Any) -> None:
            if change["new"] is not None:
                field.value = change["new"]

        def follow(change: Any) -> None:
            listed.value = change["new"] if change["new"] in self.examples else None

        listed.observe(pick, names="value")
        field.observe(follow, names="value")
        follow({"new": value})
        return Part(ipywidgets.VBox([field, listed]), (field,), lambda: field.value, lambda value: setattr(field, "value", value))


@dataclass(frozen=True)
class Text(Control):
    """A text of a few lines."""

    room: ClassVar[int] = 540

    def build(self, value: Any, label_px: int) -> Part:
        """The field."""
        import ipywidgets

        return _part(self._labelled(ipywidgets.Textarea, value, label_px, rows=3))


@dataclass(frozen=True)
class Tick(Control):
    """Yes or no: a box to tick, its label behind it."""

    def build(self, value: Any, label_px: int) -> Part:
        """The box."""
        import ipywidgets

        layout = {"width": f"{CHARACTER_PX * len(self.label) + 2 * MARGIN_PX}px", "max_width": "100%"}
        return _part(ipywidgets.Checkbox(value=value, description=self.label, indent=False, layout=layout))


@dataclass(frozen=True)
class Ticks(Control):
    """Any of several options: a box to tick for each of these texts. The setting is a tuple of the chosen places, from 0."""

    options: Sequence[str]

    def build(self, value: Any, label_px: int) -> Part:
        """The boxes, one below the other."""
        import ipywidgets

        boxes = tuple(Tick(self.name, text).build(place in value, label_px).widget for place, text in enumerate(self.options))

        def write(value: Any) -> None:
            for place, box in enumerate(boxes):
                box.value = place in value

        return Part(
            ipywidgets.VBox(boxes, layout={"width": "100%"}),
            boxes,
            lambda: tuple(place for place, box in enumerate(boxes) if box.value),
            write,
        )


@dataclass(frozen=True)
class Action(Generic[S]):
    """A button for a view that takes too long to follow every move: what it says, its tooltip, and the function that computes it."""

    label: str
    tooltip: str
    compute: Callable[[S], View]


@dataclass(frozen=True)
class Explorer(Generic[S]):
    """Controls, and a page that follows them.

    Attributes:
        name: what the alt text begins with, such as "Head explorer".
        start: the first settings, a frozen dataclass; Reset brings them back.
        controls: in the order in which they stand; settings without one stay as they are in `start`.
        compute: from settings to a view. A `LabError` becomes a sentence on the page.
        action: what a button computes in place of `compute`. The first view is computed by it, if there is one.
    """

    name: str
    start: S
    controls: Sequence[Control]
    compute: Callable[[S], View]
    action: Action[S] | None = None

    def show(self) -> None:
        """Show the explorer; on a static page the first view stands in its place.

        Raises:
            LabError: the first view cannot be computed.
        """
        first = (self.action.compute if self.action else self.compute)(self.start)
        show_widget(self._widget(first), first.html, f"{self.name}. {first.summary}")

    def _widget(self, first: View) -> Any:
        """Controls, buttons and the page, which holds the first view."""
        import ipywidgets

        beside = [control.label for control in self.controls if not isinstance(control, Tick | Ticks)]
        label_px = CHARACTER_PX * max(map(len, beside), default=0) + MARGIN_PX
        parts = {control.name: control.build(getattr(self.start, control.name), label_px) for control in self.controls}
        page = ipywidgets.HTML(first.html)
        following = True

        def settings() -> S:
            return replace(self.start, **{name: part.read() for name, part in parts.items()})

        def draw(compute: Callable[[S], View]) -> None:
            page.value = page_html(compute, settings())

        def follow(_: Any) -> None:
            if following:
                draw(self.compute)

        def reset(_: Any) -> None:
            nonlocal following
            following = False  # one new page at the end, not one per control
            for name, part in parts.items():
                part.write(getattr(self.start, name))
            following = True
            draw(self.compute)

        for part in parts.values():
            for widget in part.changed:
                widget.observe(follow, names="value")
        buttons = []
        if self.action:
            act = self.action.compute
            buttons.append(ipywidgets.Button(description=self.action.label, tooltip=self.action.tooltip))
            buttons[0].on_click(lambda _: draw(act))
        buttons.append(ipywidgets.Button(description="Reset", tooltip="Back to the first settings"))
        buttons[-1].on_click(reset)
        wrapping = {"flex_flow": "row wrap"}
        return ipywidgets.VBox(
            [
                ipywidgets.Box([part.widget for part in parts.values()], layout=wrapping),
                ipywidgets.Box(buttons, layout=wrapping),
                page,
            ]
        )


def page_html(compute: Callable[[S], View], settings: S) -> str:
    """The page for some settings: the view, or the sentence of the error that stands in its way."""
    try:
        return compute(settings).html
    except LabError as error:
        return f'<p role="alert"><b>{escape(str(error))}</b></p>'


def bar_html(width: float, colour: str, height: int = 8) -> str:
    """A bar of so many pixels; what is not zero is seen."""
    return f'<div style="background: {colour}; height: {height}px; width: {max(width, 1 if width else 0):.0f}px;"></div>'


def legend_html(inner: str) -> str:
    """A line of small print below a view; `inner` is HTML."""
    return f'<p style="font-size: 90%; border-top: 1px solid {GREY}; padding-top: 4px; max-width: 56em;">{inner}</p>'
