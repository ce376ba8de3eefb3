"""A heavy cell asks before it runs, and what killed a kernel is said at the next start."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from labutils.course.loading import load_model
from labutils.errors import NotEnoughMemory
from labutils.machine import limits, memory_guard
from labutils.machine.memory_guard import guard, largest_that_fits, reports

pytestmark = pytest.mark.serial  # measures this machine's memory, or waits for other processes

CELL = "2.6 Sixty-four at once"
WAIT = "time.sleep(0.5)"

posix = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 GiB, 2 of them free."""
    monkeypatch.setattr(limits, "memory_limit", lambda: 4 * 2**30)
    monkeypatch.setattr(limits, "memory_available", lambda: 2 * 2**30)


def left_over(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def in_a_guard(body: str, need: float = 0.0, smaller: dict[str, float] | None = None) -> subprocess.Popen:
    """A Python that runs `body` inside a guarded block."""
    code = f"import os, signal, time\nfrom labutils.machine.memory_guard import guard\nwith guard({CELL!r}, {need}, {smaller}):\n    {body}\n"
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def killed_inside(body: str = "pass", **options) -> None:
    with in_a_guard(f"{body}; os.kill(os.getpid(), signal.SIGKILL)", **options) as child:
        child.communicate()
    assert child.returncode == -signal.SIGKILL


def test_what_does_not_fit_is_refused_before_it_runs(memory, home: Path, says) -> None:
    ran = []
    smaller = {"batch=48": 2.5, "batch=16": 1.2, "batch=32": 1.8, "batch=8": 0.5}
    with pytest.raises(NotEnoughMemory) as caught, guard(CELL, 3.3, smaller):
        ran.append(True)
    assert ran == []
    says(caught.value, CELL, "needs about 3.3 GiB", "2.0 of 4.0 GiB are free", "batch=32 needs about 1.8 GiB")
    assert not any(setting in str(caught.value) for setting in ("batch=48", "batch=16", "batch=8"))
    assert left_over(home) == []


@pytest.mark.parametrize("smaller", [None, {}, {"batch=32": 2.5}])
def test_where_no_setting_fits_the_advice_is_to_shut_down_kernels(memory, smaller, says) -> None:
    with pytest.raises(NotEnoughMemory) as caught, guard(CELL, 3.0, smaller):
        pass
    says(caught.value, CELL, "No smaller setting fits", "shut down other kernels")


def test_what_just_fits_runs(memory) -> None:
    ran = []
    with guard(CELL, 2.0):
        ran.append(True)
    assert ran == [True]


@pytest.mark.parametrize(
    ("free", "expected"), [(0.4, None), (0.5, "a"), (1.0, "a"), (1.1, "c"), (9.0, "b")], ids=lambda value: str(value)
)
def test_the_largest_setting_that_fits(free: float, expected: str | None) -> None:
    assert largest_that_fits({"a": 0.5, "b": 2.0, "c": 1.1}, free) == expected


def test_the_trace_is_there_from_the_first_line_of_the_block_and_gone_after_it(home: Path) -> None:
    for _ in range(20):
        with guard(CELL, 0.0):
            assert [path for path in left_over(home) if CELL in path.read_text(encoding="utf-8")]
        assert left_over(home) == []


def test_an_exception_passes_and_leaves_nothing(home: Path) -> None:
    with pytest.raises(ZeroDivisionError), guard(CELL, 0.0):
        print(1 / 0)
    assert left_over(home) == []
    assert reports() == []


def test_guards_inside_each_other_leave_nothing(home: Path) -> None:
    with guard(CELL, 0.0), guard(CELL, 0.0):
        assert len(left_over(home)) == 2
    assert left_over(home) == []


def test_the_trace_is_written_when_memory_grows_and_not_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []
    monkeypatch.setattr(memory_guard, "SAMPLE_SECONDS", 0.01)
    monkeypatch.setattr(memory_guard, "write_atomically", lambda path, text, durable: writes.append(json.loads(text)["rss_gib"]))
    with guard(CELL, 0.0):
        time.sleep(0.3)
        idle = len(writes)
        block = bytearray(os.urandom(1)) * 200_000_000
        time.sleep(0.3)
        grown = len(writes)
        time.sleep(0.3)
        still = len(writes)
    assert len(block) == 200_000_000
    assert idle == 1 and idle < grown <= idle + 7 and still == grown  # 200 MB are at most six steps of 32 MiB
    assert writes[-1] - writes[0] == pytest.approx(0.186, abs=0.04)


def test_a_home_that_cannot_be_written_costs_the_trace_and_not_the_cell(home: Path, capsys, says) -> None:
    home.write_text("a file where the folder should be")
    ran = []
    with guard(CELL, 0.0):
        ran.append(True)
    assert ran == [True]
    says(capsys.readouterr().out, "will not say so", home, "LABS_HOME")


@pytest.mark.fault("the disk takes nothing where a guarded cell begins")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing_costs_the_trace_and_not_the_cell(number, home: Path, monkeypatch, capsys, says) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with guard(CELL, 0.0):
        ran = True
    assert ran and left_over(home) == []
    says(capsys.readouterr().out, "will not say so", os.strerror(number))


def test_a_model_loads_though_its_trace_cannot_be_written(ready_home: Path, capsys, says) -> None:
    (ready_home / "running").write_text("a file where the folder should be")
    model, _ = load_model()
    assert model.config.hidden_size == 576
    says(capsys.readouterr().out, "Should the kernel die", "will not say so", ready_home / "running")


def test_a_disk_that_fills_up_inside_the_block_is_not_mentioned(home: Path, monkeypatch, capsys) -> None:
    """The trace of the block's first line stays, and what comes later is lost without a word."""
    tried = []

    def refuse(*arguments: object) -> None:
        tried.append(arguments)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(memory_guard, "SAMPLE_SECONDS", 0.01)
    with guard(CELL, 0.0):
        monkeypatch.setattr(os, "replace", refuse)
        block = bytearray(os.urandom(1)) * 200_000_000
        time.sleep(0.3)
        (trace,) = left_over(home)
        assert json.loads(trace.read_text())["cell"] == CELL
    assert len(block) == 200_000_000 and 1 <= len(tried) <= 7  # not at every look: 200 MB are at most six steps of 32 MiB
    assert left_over(home) == [] and capsys.readouterr().out == ""


def test_without_a_home_there_is_nothing_to_report(home: Path) -> None:
    assert not home.exists()
    assert reports() == []


@pytest.mark.fault("the kernel is killed in a guarded cell")
@posix
def test_a_killed_kernel_is_reported_once_in_one_sentence(says) -> None:
    killed_inside(WAIT, need=0.3)
    (report,) = reports()
    says(report, CELL, "died", "0.3 were expected")
    assert report.count(CELL) == 1
    assert reports() == []


@posix
def test_a_kernel_killed_in_the_first_instant_is_reported() -> None:
    for _ in range(3):
        killed_inside()
        assert len(reports()) == 1


@posix
def test_the_report_says_what_the_cell_had_taken() -> None:
    killed_inside("block = b'x' * 500_000_000; time.sleep(1)")
    (report,) = reports()
    more = float(re.search(r"\((\d\.\d) GiB more than at the cell's start", report)[1])
    assert more in (0.4, 0.5)  # 500 MB are 0.47 GiB, and the last step of 32 MiB may be missing


@posix
def test_the_report_recommends_only_a_setting_below_the_one_that_died(memory) -> None:
    killed_inside(WAIT, need=0.3, smaller={"batch=8": 0.25, "batch=4": 0.1, "batch=16": 0.5})
    (report,) = reports()
    assert "batch=8" in report and "batch=4" not in report and "batch=16" not in report


@posix
def test_every_killed_kernel_has_its_own_report() -> None:
    for _ in range(2):
        killed_inside(WAIT)
    assert len(reports()) == 2
    assert reports() == []


@pytest.mark.fault("two labs at once, one in a guarded cell")
def test_a_living_kernel_is_not_reported_until_it_dies() -> None:
    with in_a_guard("time.sleep(0.5); print('in', flush=True); input()") as child:
        assert child.stdout.readline() == "in\n"
        assert reports() == []
        child.kill()
        child.communicate()
    assert len(reports()) == 1


@pytest.mark.fault("the clock jumps while a guarded cell runs")
@pytest.mark.parametrize("jump", [3600.0, -3600.0, 40.0 * 365 * 86400])
def test_a_clock_that_jumps_makes_no_living_kernel_dead_and_no_dead_one_living(jump: float, monkeypatch) -> None:
    """A lab that starts meanwhile says nothing of the kernel that lives, and names it once when it has died."""
    born, boot = psutil.Process.create_time, psutil.boot_time
    with in_a_guard("print('in', flush=True); input()") as child:
        assert child.stdout.readline() == "in\n"
        # After the jump Linux tells another time of its own start, and of every process's.
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: born(self) + jump)
        monkeypatch.setattr(psutil, "boot_time", lambda: boot() + jump)
        assert reports() == []
        child.kill()
        child.communicate()
    assert len(reports()) == 1 and reports() == []


@pytest.mark.fault("the kernel is killed in a guarded cell, and its number is given to another process")
@posix
def test_a_new_process_with_the_old_number_does_not_hide_a_death(home: Path) -> None:
    killed_inside(WAIT)
    (trace,) = left_over(home)
    trace.write_text(json.dumps({**json.loads(trace.read_text()), "pid": os.getpid()}))
    assert len(reports()) == 1


DAMAGED = (b"", b"{", b"\xff\xfe\x00", b"[]", b"{}", b"7", b'{"cell": "x", "pid": 1}')


@pytest.mark.fault("the trace of a killed kernel is damaged")
@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_trace_is_ignored(home: Path, content: bytes) -> None:
    (home / "running").mkdir(parents=True)
    (home / "running" / "0-0-0.json").write_bytes(content)
    assert reports() == []
    assert reports() == []


@posix
def test_a_damaged_trace_hides_no_other(home: Path) -> None:
    killed_inside(WAIT)
    (trace,) = left_over(home)
    for number, content in enumerate(DAMAGED):
        (trace.parent / f"0-0-{number}.json").write_bytes(content)
    (report,) = reports()
    assert CELL in report
