"""A progress bar for a person: loss, speed and peak memory; nothing where nobody looks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm

from labutils.machine import limits
from labutils.machine.settings import strict


@contextmanager
def progress_bar(steps: int, done: int = 0, show: bool = True) -> Iterator[Callable[[Any], None]]:
    """A bar of `steps` steps, `done` of them behind us; call what it yields with the history after each step.

    Unattended runs (LABS_STRICT=1) and LABS_PROGRESS=0 get none, so that a stored notebook holds no remains of it. The bar goes when it is
    done; what was measured stays in the history.
    """
    hidden = not show or strict() or os.environ.get("LABS_PROGRESS") == "0"
    with tqdm(total=steps, initial=done, unit="step", leave=False, dynamic_ncols=True, disable=hidden) as bar:

        def update(history: Any) -> None:
            peak = history.peak_allocated or history.peak_rss
            bar.set_postfix_str(
                f"loss {history.losses[-1]:.3g}, {history.tokens_per_second:.0f} tokens/s, peak {limits.gib(peak):.2f} GiB",
                refresh=False,
            )
            bar.update()

        yield update
