"""Bounds on what a learner's function may take while it is judged: time and memory."""

from __future__ import annotations

import _thread
import gc
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from labutils.machine import limits

TICK_SECONDS = 0.02  # how often the clock and the resident set are looked at
PATIENT_TICKS = 5  # exceptions that the function may catch, and clean up after, before every line of it raises one
HARD_SHARE = 1.5  # of the allowed growth: not much more than this can be allocated at all, even in one step (Linux)
THREAD_BYTES = 2**24  # for the stack of each thread that a library may start; one that cannot have it ends the process
SPARE_BYTES = 2**28  # for what a library sets up when it is first used


class LimitExceeded(Exception):
    """The function was stopped."""


class TimeLimitExceeded(LimitExceeded):
    """The function was still running when its time was up."""


class MemoryLimitExceeded(LimitExceeded):
    """The function took more memory than it may."""


def allowed_growth() -> int:
    """Bytes that judging an answer may take: 1 GiB, or half of what is free where that is less."""
    return min(limits.GIB, limits.memory_available() // 2)


class Stop(BaseException):
    """What is raised in a function to stop it. One that a bare `except` swallows has the next line raise another."""

    def __init__(self, bounded: Bounded) -> None:
        self.bounded = bounded

    def __del__(self) -> None:
        if self.bounded.insists:
            self.bounded.raise_at_next_line(sys._getframe())


class Bounded:
    """Runs functions in the main thread, and stops the one that takes too long or too much.

    A timer (POSIX) or a thread (Windows) looks 50 times a second. What is exceeded raises an exception inside the function, wherever
    it is: in a loop, in `sleep`, in a lock, in a regular expression. A function that catches it is asked again, and in the end at
    every line. What cannot be stopped is compiled code that never looks at signals, such as one huge matrix product; on Windows also
    a regular expression. In another thread than the main one there are no bounds.

    Attributes:
        growth: bytes that the resident set may grow by.
        interrupted: the person pressed Interrupt.
    """

    def __init__(self, growth: int) -> None:
        """Allow so many bytes of the resident set in all runs together, on top of what the process holds now."""
        self._process = psutil.Process()
        self._largest_rss = self._process.memory_info().rss + growth
        self.growth = growth
        self._exceeded: type[LimitExceeded] | None = None
        self._inside = False
        self._ticks = 0
        self._end = 0.0
        self.interrupted = False

    @property
    def insists(self) -> bool:
        """Whether the function has swallowed so many exceptions that every line must raise one."""
        return self._inside and self._ticks > PATIENT_TICKS

    def run(self, function: Callable[[], Any], seconds: float) -> Any:
        """Call a function and hand back what it returns. What it raises is raised here too.

        Raises:
            TimeLimitExceeded, MemoryLimitExceeded: it was stopped, whatever it returned or raised then.
        """
        if threading.current_thread() is not threading.main_thread():
            return function()
        self._end, self._exceeded, self._ticks, self.interrupted = time.monotonic() + seconds, None, 0, False
        result = None
        try:
            with self._handlers(), _ticking(self._look), _hard_limit(self.growth):
                result = self._call(function)
        except BaseException as error:
            if _is_out_of_memory(error) and self._exceeded is None:
                self._exceeded = MemoryLimitExceeded
            if self._exceeded is None:
                raise
        if self._exceeded:
            result = None
            gc.collect()  # gives back what the function held
            raise self._exceeded
        return result

    def must_leave(self, error: BaseException) -> bool:
        """Whether an exception, met while a function runs, is not the function's own: a person's interrupt, or a bound that was met."""
        return isinstance(error, Stop) or self.interrupted or _is_out_of_memory(error)

    def _call(self, function: Callable[[], Any]) -> Any:
        tracer = sys.gettrace()
        try:
            self._inside = True
            return function()
        finally:
            self._inside = False
            if self._ticks:
                sys.settrace(tracer)

    def _look(self) -> bool:
        """Look at the clock and at the resident set, and say whether the function must be stopped."""
        if self._exceeded is None and self._inside:
            if time.monotonic() > self._end:
                self._exceeded = TimeLimitExceeded
            elif self._process.memory_info().rss > self._largest_rss:
                self._exceeded = MemoryLimitExceeded
        return self._exceeded is not None

    @contextmanager
    def _handlers(self) -> Iterator[None]:
        def on_tick(number: int, frame: FrameType | None) -> None:
            if self._look():
                self._stop(frame)

        def on_interrupt(number: int, frame: FrameType | None) -> None:
            if self._exceeded:  # on Windows a tick arrives as an interrupt
                self._stop(frame)
            else:
                self.interrupted = True
                raise KeyboardInterrupt

        handlers = {signal.SIGINT: on_interrupt}
        if hasattr(signal, "SIGALRM"):
            handlers[signal.SIGALRM] = on_tick
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _stop(self, frame: FrameType | None) -> None:
        if not self._inside:
            return
        self._ticks += 1
        if self.insists:
            self.raise_at_next_line(frame)
        raise Stop(self)

    def raise_at_next_line(self, frame: FrameType | None) -> None:
        """Have the next line raise that runs in this frame or in one that waits for it, up to the frames of this module."""
        while frame is not None and frame.f_code is not Bounded._call.__code__:
            frame.f_trace = self._trace
            frame = frame.f_back
        sys.settrace(self._trace)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not self._inside or frame.f_globals is globals():
            return None
        if event == "line":
            raise Stop(self)  # which also ends the tracing
        return self._trace


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether Python or PyTorch was refused memory."""
    return type(error) is MemoryError or (type(error) is RuntimeError and "can't allocate memory" in str(error))


@contextmanager
def _ticking(look: Callable[[], bool]) -> Iterator[None]:
    """Interrupt the main thread every tick with SIGALRM; where that is missing, once there is something to stop, with SIGINT."""
    if hasattr(signal, "setitimer"):
        before = signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *before)
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(TICK_SECONDS):
            if look():
                _thread.interrupt_main()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@contextmanager
def _hard_limit(growth: int) -> Iterator[None]:
    """Let an allocation fail that would take the process far beyond the bound in one step. On Linux without CUDA only.

    Source: RLIMIT_DATA in getrlimit(2), VmData in proc_pid_status(5).
    """
    status = Path("/proc/self/status")
    torch = sys.modules.get("torch")
    if not sys.platform.startswith("linux") or (torch and torch.cuda.is_available()):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with suppress(OSError, ValueError):
        found = re.search(r"VmData:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        if found:
            threads = (os.cpu_count() or 1) * THREAD_BYTES
            limit = int(found[1]) * 1024 + int(HARD_SHARE * growth) + threads + SPARE_BYTES
            if before[0] == resource.RLIM_INFINITY or limit < before[0]:
                resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
