"""What a learner's function prints and displays while it is judged: kept back, and of much only the beginning."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

CHARACTERS = 2000
DISPLAYS = 3


@dataclass
class Captured:
    """The beginning of what was printed, how many characters more there were, and the first displays (their mime bundles)."""

    text: str = ""
    left_out: int = 0
    displays: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.text or self.displays)

    def show(self, title: str) -> None:
        """Print it under a title."""
        print(title)
        if self.text:
            print(printable(self.text.rstrip("\n")))
        if self.left_out:
            print(f"... ({self.left_out} characters more)")
        if self.displays:
            from IPython.display import display

            for bundle in self.displays:
                display(bundle, raw=True)


def printable(text: str) -> str:
    """A text that every page can show: halves of characters (lone surrogates) are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class _Stream(io.TextIOBase):
    """A stream that keeps the beginning."""

    encoding = "utf-8"

    def __init__(self, captured: Captured) -> None:
        self.captured = captured

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = CHARACTERS - len(self.captured.text)
        self.captured.text += text[:room]
        self.captured.left_out += len(text[room:])
        return len(text)


class _Publisher:
    """Takes the place of IPython's display publisher."""

    is_publishing = False

    def __init__(self, captured: Captured) -> None:
        self.captured = captured

    def publish(self, data: dict[str, Any], *arguments: Any, **more: Any) -> None:
        if len(self.captured.displays) < DISPLAYS:
            self.captured.displays.append(dict(data))

    def clear_output(self, wait: bool = False) -> None:
        self.captured.text, self.captured.left_out, self.captured.displays = "", 0, []


@contextmanager
def captured_output() -> Iterator[Captured]:
    """Keep back what the block prints to `sys.stdout` and `sys.stderr` and what it displays."""
    captured = Captured()
    stream = _Stream(captured)
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    publisher = getattr(shell, "display_pub", None)
    if publisher is not None:
        shell.display_pub = _Publisher(captured)
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            yield captured
    finally:
        if publisher is not None:
            shell.display_pub = publisher
