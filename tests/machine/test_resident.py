"""Watching the resident set (labutils.machine.footprint.resident), against pages taken straight from the system."""

from __future__ import annotations

import mmap
import time
from pathlib import Path

import pytest

from labutils.machine import limits
from labutils.machine.footprint import resident

pytestmark = pytest.mark.serial  # measures this machine's memory, or waits for other processes

MIB = 2**20
LINUX = Path("/proc/self/clear_refs").exists()


def fresh_block():
    """64 MiB of pages straight from the system, written to."""
    block = mmap.mmap(-1, 64 * MIB)
    for page in range(0, 64 * MIB, mmap.PAGESIZE):
        block[page] = 1
    return block


@pytest.mark.parametrize("exact", [True, False])
def test_the_resident_set_is_seen_to_grow(exact):
    with resident(exact=exact) as found:
        block = fresh_block()
        time.sleep(0.3)
        seen = found.peak_rss
        block.close()
    assert found.rss_above_start == pytest.approx(64 * MIB, rel=0.15)
    assert found.exact_rss == (exact and LINUX)
    if not found.exact_rss:
        assert seen - found.start_rss == pytest.approx(64 * MIB, rel=0.15)  # while the block runs, too


def test_looking_leaves_the_kernel_s_own_peak_alone():
    fresh_block().close()
    before = limits.peak_rss()
    with resident(exact=False):
        pass
    assert limits.peak_rss() >= before
    with resident(exact=True):  # this one is allowed to forget it
        after = limits.peak_rss()
    assert after <= before - 32 * MIB if LINUX else after >= before


def test_an_error_inside_ends_the_watch():
    with pytest.raises(ZeroDivisionError), resident(exact=False) as found:
        1 / 0  # noqa: B018
    assert found.peak_rss >= found.start_rss > 0
    kept = found.peak_rss
    block = fresh_block()
    time.sleep(0.05)
    block.close()
    assert found.peak_rss == kept  # nobody looks any more
