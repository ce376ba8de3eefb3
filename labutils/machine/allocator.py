"""How the C library gives memory back to the system: what decides whether a training step fits into a small session."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_M_MMAP_THRESHOLD = -3  # malloc.h
_frugal = 0  # blocks of `frugal` that are open


@contextmanager
def frugal() -> Iterator[None]:
    """Give freed blocks of a megabyte or more back to the system at once while the block runs (glibc; elsewhere nothing changes).

    By default glibc keeps freed blocks of up to 32 MiB for itself, and aligned ones, which PyTorch asks for, leave holes that the
    next tensor does not fit into: in a training step of the labs' model the resident set came to twice the bytes of its tensors.
    Now it is those bytes and little more. The price is that the kernel clears fresh pages again and again: about a fifth of the
    speed of training here.

    Source: mallopt(3), M_MMAP_THRESHOLD and "dynamic mmap threshold"; malloc_trim(3).
    """
    library: Any = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    global _frugal
    _frugal += 1
    library.malloc_trim(0)
    library.mallopt(_M_MMAP_THRESHOLD, 2**20)
    try:
        yield
    finally:
        _frugal -= 1
        if not _frugal:
            library.mallopt(_M_MMAP_THRESHOLD, 2**25)  # the largest that glibc allows, where its own rule ends up
        library.malloc_trim(0)
