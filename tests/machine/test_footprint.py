"""The measuring: tensors of known sizes, PyTorch's own profiler, and the resident set."""

from __future__ import annotations

import mmap
import time

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from labutils.machine import footprint
from labutils.machine.footprint import measure, tensor_bytes

MIB = 2**20

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(torch.cuda.is_available(), reason="on CUDA the caching allocator keeps the books, in blocks of 512 bytes"),
]


def mib(n):
    return torch.zeros(n * MIB // 4)


def test_the_peak_is_the_most_held_at_once():
    with measure() as found:
        a = mib(3)
        b = mib(2)
        del a
        c = mib(1)
        found.mark("three left")
        del b
    assert (found.peak_allocated, found.end_allocated) == (5 * MIB, MIB)
    assert found.marks == [("three left", 3 * MIB)]
    assert c.numel() and found.total_allocated == 5 * MIB


def test_views_and_changes_in_place_cost_nothing():
    x = mib(1)
    with measure([x]) as found:
        y = x.view(-1, 2).t()[0]
        x.add_(1).mul_(2)
        z = y.reshape(-1)[:5]
    assert found.peak_allocated == 0 and z.numel() == 5
    assert found.start_allocated == MIB


def test_freeing_what_was_there_lowers_the_sum():
    x = mib(4)
    with measure([x]) as found:
        del x
        y = mib(3)
    assert found.end_allocated == -MIB and found.peak_allocated == 0 and y.numel()


def test_an_unnamed_older_tensor_is_not_taken_for_a_new_one():
    x = mib(4)
    with measure() as found:
        y = x[:10] * 2
    assert found.peak_allocated == 40 and y.numel() == 10


def test_tensor_bytes_count_each_storage_once():
    x = torch.zeros(10)
    assert tensor_bytes([x, x[:5], x.t()]) == 40
    assert tensor_bytes([]) == 0


def test_what_autograd_keeps_is_seen_and_freed():
    layer = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.GELU(), torch.nn.Linear(256, 64))
    x = torch.randn(128, 64)
    with measure([*layer.parameters(), x]) as found:
        loss = layer(x).square().mean()
        found.mark("forward")
        loss.backward()
        found.mark("backward")
        del loss
    marks = dict(found.marks)
    kept = 4 * (2 * 128 * 256 + 128 * 64) + 4  # GELU's input and output, square's input, the loss
    assert marks["forward"] == kept
    assert found.end_allocated == tensor_bytes(p.grad for p in layer.parameters())
    assert found.peak_allocated > marks["forward"]


def test_the_peak_is_that_of_pytorch_s_profiler():
    torch.manual_seed(0)
    layers = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU()) for _ in range(6)])
    optimizer = torch.optim.AdamW(layers.parameters())
    x = torch.randn(512, 256)

    def step():
        layers(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    state = [v for held in optimizer.state.values() for v in held.values()]
    with measure([*layers.parameters(), *state, x]) as found:
        step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    changes = [
        (event.start_ns(), event.nbytes()) for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"
    ]
    now = peak = 0
    for _, n_bytes in sorted(changes, key=lambda change: change[0]):
        now += n_bytes
        peak = max(peak, now)
    assert found.peak_allocated == pytest.approx(peak, rel=0.02)


def fresh_block():
    """64 MiB of pages straight from the system, written to: an allocator may hand out pages that are resident already."""
    block = mmap.mmap(-1, 64 * MIB)
    for page in range(0, 64 * MIB, mmap.PAGESIZE):
        block[page] = 1
    return block


def test_the_resident_set_grows_by_what_is_written():
    with measure() as found:
        fresh_block().close()  # not a tensor: only the resident set sees it
    assert found.rss_above_start == pytest.approx(64 * MIB, rel=0.1) and found.peak_allocated == 0
    with measure() as later:  # the earlier peak is forgotten
        pass
    assert later.rss_above_start < 8 * MIB


def test_where_the_kernel_keeps_no_peak_a_thread_looks(monkeypatch):
    monkeypatch.setattr(footprint, "_reset_peak_rss", lambda: False)
    with measure() as found:
        block = fresh_block()
        time.sleep(0.2)
        block.close()
    assert not found.exact_rss and found.rss_above_start == pytest.approx(64 * MIB, rel=0.1)


def test_an_error_inside_still_closes_the_books():
    with pytest.raises(ZeroDivisionError), measure() as found:
        x = mib(1)
        1 / 0  # noqa: B018
    assert found.peak_allocated == MIB and x.numel()
    assert torch.zeros(3).numel() == 3  # no dispatch mode is left behind
