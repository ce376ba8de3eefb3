"""Memory as it was: what PyTorch allocated and what the process held while a block of code ran. Labs 04 and 05 measure with it.

`labutils.memory` predicts the same figures. On a CPU the tensors are counted through PyTorch's dispatcher: every operation's new
storages are added when they appear and taken off when they are freed. Scratch memory inside one kernel is not seen there; the
resident set sees it, together with what the allocator has not given back. On CUDA the caching allocator keeps the books itself.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from labutils.machine import limits

SAMPLE_SECONDS = 0.005


@dataclass
class Footprint:
    """What `measure` found. All in bytes; filled in when the block ends.

    Attributes:
        start_rss, peak_rss: resident set of the process at the start, and its largest while the block ran.
        peak_allocated: the most that PyTorch's tensors took at once above the start (freed older tensors count as negative).
        end_allocated: what was left of that at the end.
        peak_reserved: on CUDA, the most that the caching allocator took from the device; 0 on a CPU.
        start_allocated: bytes of the tensors named to `measure` (CPU), or all that CUDA had allocated at the start.
        exact_rss: the kernel kept the peak of the resident set (Linux); otherwise it was sampled.
        marks: (name, bytes above the start) for each call of `mark`.
        curve: bytes above the start after each operation of PyTorch, on a CPU; empty on CUDA.
        places: for each mark, how long the curve was then.
    """

    start_rss: int = 0
    peak_rss: int = 0
    start_allocated: int = 0
    peak_allocated: int = 0
    end_allocated: int = 0
    peak_reserved: int = 0
    exact_rss: bool = False
    marks: list[tuple[str, int]] = field(default_factory=list)
    curve: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    _now: Callable[[], int] = field(default=lambda: 0, repr=False)

    @property
    def rss_above_start(self) -> int:
        """How much the resident set grew at most."""
        return max(0, self.peak_rss - self.start_rss)

    @property
    def total_allocated(self) -> int:
        """The peak with what was there at the start."""
        return self.start_allocated + self.peak_allocated

    def mark(self, name: str) -> None:
        """Note how much is allocated now."""
        self.marks.append((name, self._now()))
        self.places.append(len(self.curve))


def _reset_peak_rss() -> bool:
    """Let the kernel count the peak of the resident set afresh: "5" in clear_refs (proc_pid_clear_refs(5)). Linux only."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


@contextmanager
def resident(exact: bool = True) -> Iterator[Footprint]:
    """Watch the resident set alone: the Footprint's `start_rss` and `peak_rss`, of which the latter grows while the block runs.

    Args:
        exact: let the kernel keep the peak, where it can be reset (Linux). That forgets the process's earlier peak, by which
            others may judge it; without it, and elsewhere, a thread looks every 5 ms.
    """
    found = Footprint()
    with _resident(found, exact):
        yield found


@contextmanager
def _resident(found: Footprint, exact: bool = True) -> Iterator[None]:
    process = psutil.Process()
    found.exact_rss = exact and _reset_peak_rss()
    found.start_rss = found.peak_rss = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            found.peak_rss = max(found.peak_rss, process.memory_info().rss)

    watcher = None if found.exact_rss else threading.Thread(target=watch, daemon=True)
    if watcher:
        watcher.start()
    try:
        yield
    finally:
        done.set()
        if watcher:
            watcher.join()
        seen = limits.peak_rss() if found.exact_rss else process.memory_info().rss
        found.peak_rss = max(found.peak_rss, seen)


def storages(tensors: Iterable[Any]) -> dict[int, int]:
    """Address -> bytes of the storages behind some tensors; views and tied weights share theirs."""
    found = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
    return found


def tensor_bytes(tensors: Iterable[Any]) -> int:
    """Bytes of memory behind some tensors, each storage once.

    >>> weight = torch.zeros(10)
    >>> tensor_bytes([weight, weight[:5]])
    40
    """
    return sum(storages(tensors).values())


class _Books:
    """Running sum of live storages and its peak."""

    def __init__(self, known: Iterable[Any]) -> None:
        self.live: dict[int, Any] = {}
        self.now = self.peak = 0
        self.lock = threading.RLock()  # the garbage collector may free a storage in the middle of `add`
        for tensor in known:
            self.add(tensor, old=True)

    def add(self, tensor: Any, old: bool = False) -> None:
        storage = tensor.untyped_storage()
        key = id(storage)
        n_bytes = storage.nbytes()
        with self.lock:
            if key in self.live or not n_bytes:
                return
            self.live[key] = weakref.ref(storage, lambda _: self._free(key, n_bytes))
            if not old:
                self.now += n_bytes
                self.peak = max(self.peak, self.now)

    def _free(self, key: int, n_bytes: int) -> None:
        with self.lock:
            if self.live.pop(key, None) is not None:
                self.now -= n_bytes


def _dispatch_mode(books: _Books, curve: list[int]) -> Any:
    """A mode that books the storages of every operation's outputs and of inputs it has not seen yet, and notes the sum in a curve."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            for leaf in tree_leaves((args, kwargs)):
                if isinstance(leaf, torch.Tensor):
                    books.add(leaf, old=True)
            result = func(*args, **kwargs)
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor):
                    books.add(leaf)
            curve.append(books.now)
            return result

    return Mode()


@contextmanager
def measure(tensors: Iterable[Any] = ()) -> Iterator[Footprint]:
    """Measure the memory of a block of code.

    Args:
        tensors: tensors that exist already, such as a model's parameters and the optimizer's state: their bytes become
            `start_allocated`, and freeing one inside the block lowers the running sum.

    Yields:
        a Footprint, filled in when the block ends. Call its `mark(name)` inside to note moments.

    Example:
        >>> with measure() as found:
        ...     x = torch.zeros(1000, 1000)
        >>> found.peak_allocated
        4000000
    """
    import torch

    known = list(tensors)
    found = Footprint(start_allocated=tensor_bytes(known))
    cuda = torch.cuda.is_available()
    gc.collect()
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = found.start_allocated = torch.cuda.memory_allocated()
        found._now = lambda: torch.cuda.memory_allocated() - before
        with _resident(found):
            try:
                yield found
            finally:
                torch.cuda.synchronize()
                found.peak_allocated = torch.cuda.max_memory_allocated() - before
                found.end_allocated = torch.cuda.memory_allocated() - before
                found.peak_reserved = torch.cuda.max_memory_reserved()
        return
    books = _Books(known)
    del known, tensors  # or freeing one of them inside the block would not free it
    found._now = lambda: books.now
    with _resident(found):
        try:
            with _dispatch_mode(books, found.curve):
                yield found
        finally:
            found.peak_allocated, found.end_allocated = books.peak, books.now
