"""The machine that a lab runs on: its limits, the settings of a run, memory watched and guarded, files written safely."""

from __future__ import annotations

from labutils.lazy import lazy_names

_NAMES = {
    "allocator": ["frugal"],
    "files": ["write_atomically"],
    "footprint": ["Footprint", "measure", "tensor_bytes"],
    "limits": ["GB", "GIB", "cores", "disk_free", "gib", "memory_available", "memory_limit", "peak_rss"],
    "memory_guard": ["guard", "largest_that_fits"],
    "settings": ["device", "home", "profile", "seed_everything", "strict"],
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
