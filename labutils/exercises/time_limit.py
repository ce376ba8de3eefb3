"""A limit on how long a learner's function may run."""

from __future__ import annotations

import _thread
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class TimeLimitExceeded(Exception):
    """The block was still running when its time was up."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after some seconds, as the Interrupt button would. Works in the main thread on every platform.

    Raises:
        TimeLimitExceeded: the block was interrupted. In another thread than the main one there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lock, done, fired = threading.Lock(), threading.Event(), False

    def watch() -> None:
        nonlocal fired
        if not done.wait(seconds):
            with lock:
                if not done.is_set():
                    fired = True
                    _thread.interrupt_main()

    threading.Thread(target=watch, daemon=True).start()
    try:
        try:
            yield
        finally:
            with lock:
                done.set()
            if fired:
                time.sleep(0.05)  # lets an interrupt that is under way arrive here, not in a later cell
    except KeyboardInterrupt:
        if not fired:
            raise
        raise TimeLimitExceeded from None
