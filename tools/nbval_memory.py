"""A pytest plugin beside nbval: each notebook's time and peak memory, and a failure above the memory budget."""

from __future__ import annotations

import time
from typing import Any

import pytest

from labutils.machine import limits

BUDGET_GIB = 3.2


class Memory:
    """Watches each notebook from its first cell to its last."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.began: dict[str, float] = {}
        self.lines: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Any:
        """Note the start; after the last cell, read the kernel's peak and hold it against the budget."""
        self.began.setdefault(str(item.path), time.perf_counter())
        result = yield
        kernel = getattr(item.parent, "kernel", None)
        pid = getattr(kernel and kernel.km.provisioner, "pid", None)
        if pid:
            item.parent.peak_gib = limits.gib(limits.peak_rss(pid))
            if item.parent.peak_gib > BUDGET_GIB:
                pytest.fail(
                    f"the kernel's resident memory reached {item.parent.peak_gib:.2f} GiB; the budget is {BUDGET_GIB} GiB",
                    pytrace=False,
                )
        return result

    def pytest_runtest_teardown(self, item: Any, nextitem: Any) -> None:
        """After a notebook's last cell, keep its line for the summary."""
        if nextitem is None or nextitem.parent is not item.parent:
            seconds = time.perf_counter() - self.began[str(item.path)]
            peak = getattr(item.parent, "peak_gib", float("nan"))
            self.lines.append(f"{item.path.parent.name}/{item.path.stem}: {seconds:.0f} s, peak {peak:.2f} GiB")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print what was measured."""
        for line in self.lines:
            terminalreporter.write_line(line)


def pytest_configure(config: Any) -> None:
    """Register the plugin."""
    config.pluginmanager.register(Memory(), "llm-labs-memory")
