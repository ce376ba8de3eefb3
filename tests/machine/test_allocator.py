"""Freed memory goes back to the system at once (labutils.machine.allocator.frugal), against the kernel's books."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from labutils.machine import allocator

pytestmark = pytest.mark.serial  # measures this machine's memory, or waits for other processes

GLIBC = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "malloc_trim")
THRIFT = """
import psutil, torch
from labutils.machine import frugal

kept = []

def stayed():  # MiB that stay after 100 freed blocks of 3 MiB between kept ones of 100 KiB, without the kept ones
    start, freed = psutil.Process().memory_info().rss, []
    for _ in range(100):
        freed.append(torch.ones(3 * 2**18))
        kept.append(torch.ones(100 * 2**8))
    peak = psutil.Process().memory_info().rss
    assert peak - start > 250 * 2**20  # they were there
    freed.clear()
    return round((psutil.Process().memory_info().rss - start) / 2**20 - 100 * 100 / 2**10)

def failing():
    try:
        with frugal():
            1 / 0
    except ZeroDivisionError:
        return
    raise SystemExit("the error was lost")

with frugal():
    print("first", stayed())
    print("second", stayed())
with frugal():
    print("again", stayed())
failing()
with frugal():
    print("after an error", stayed())
with frugal():
    with frugal():
        print("inner", stayed())
    print("outer", stayed())
    failing()
    print("outer after an error", stayed())
"""


def test_freed_blocks_go_back_at_once_also_nested_and_after_an_error():
    """In a fresh process, whose heap has no holes yet that could hide blocks which were kept."""
    run = subprocess.run([sys.executable, "-c", THRIFT], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = {name: int(number) for name, _, number in (line.rpartition(" ") for line in run.stdout.splitlines())}
    assert len(found) == 7
    if GLIBC:
        assert {name: stayed for name, stayed in found.items() if stayed > 60} == {}  # MiB of 300


def test_where_the_allocator_is_another_the_block_merely_runs(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("no library is to be looked for"))
    ran = []
    with allocator.frugal():
        ran.append(1)
    with pytest.raises(ZeroDivisionError), allocator.frugal():
        1 / 0  # noqa: B018
    assert ran == [1]
