"""What an explorer puts on the page, for the tests: its widget with the controls by their labels, and its static twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Shown:
    """A widget and what stands in its place on a static page."""

    widget: Any
    html: str
    text: str

    def __getitem__(self, label: str) -> Any:
        """The one control or button with this label."""
        (found,) = [widget for widget in self.controls if widget.description == label]
        return found

    @property
    def controls(self) -> list[Any]:
        """Everything with a label, in the order of the page."""
        return [widget for widget in _walk(self.widget) if getattr(widget, "description", "")]

    @property
    def page(self) -> str:
        """The HTML below the controls."""
        return self.widget.children[-1].value


def _walk(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _walk(child)


def shown_by(explore: Callable[..., None], *arguments: Any, **options: Any) -> Shown:
    """Call a function such as `explore_heads` and catch what it shows."""
    shown: list[Shown] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labutils.course.explorer.show_widget", lambda *parts: shown.append(Shown(*parts)))
        assert explore(*arguments, **options) is None, "a value that is handed back leaks into the notebook's output"
    (one,) = shown
    return one
