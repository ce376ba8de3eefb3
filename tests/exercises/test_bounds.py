"""Whatever never ends or grows without end is stopped, and the notebook goes on."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from made_exercises import TENSOR, double, python, with_random_cases, wrong

from labutils.exercises import bounds, judging
from labutils.exercises.judging import judge


def endless(x):
    while True:
        pass


def test_an_endless_loop_is_stopped_and_nothing_comes_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LIMIT_SECONDS", 0.3)
    wrong(TENSOR, endless, "still running after 0.3 s", "never ends", "x=[1, 3]")
    # An interrupt that came late would break one of these.
    for _ in range(3):
        threading.Event().wait(0.1)
    assert judge(TENSOR, double).status == "passed"


def test_an_interrupt_by_the_person_is_not_swallowed() -> None:
    def interrupted(x):
        os.kill(os.getpid(), signal.SIGINT)
        return threading.Event().wait(5)

    with pytest.raises(KeyboardInterrupt):
        judge(TENSOR, interrupted)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def work() -> None:
    for _ in range(10**5):
        pass


def swallows(x):
    while True:
        try:  # noqa: SIM105
            work()
        except:  # noqa: E722
            pass


def swallows_twice(x):
    while True:
        try:
            try:  # noqa: SIM105
                work()
            except BaseException:
                pass
        except BaseException:
            pass


def swallows_in_its_sleep(x):
    while True:
        try:  # noqa: SIM105
            time.sleep(1)
        except:  # noqa: E722
            pass


def suppresses(x):
    while True:
        with contextlib.suppress(BaseException):
            work()


def returns_when_it_is_stopped(x):
    try:
        while True:
            pass
    except BaseException:
        return 2 * x


UNENDING = {
    "loop": endless,
    "swallows": swallows,
    "swallows twice": swallows_twice,
    "swallows in its sleep": swallows_in_its_sleep,
    "suppresses": suppresses,
    "returns when it is stopped": returns_when_it_is_stopped,
    "sleep": lambda x: time.sleep(60),
    "lock": lambda x: threading.Event().wait(),
    "pattern": lambda x: re.match(r"(a+)+$", "a" * 50 + "b"),
    "power": lambda x: len(str(10 ** (10**9))),
}


@pytest.mark.parametrize("name", UNENDING)
def test_whatever_never_ends_is_stopped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LIMIT_SECONDS", 0.2)
    tracer = sys.gettrace()
    wrong(TENSOR, UNENDING[name], "still running after 0.2 s")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert sys.gettrace() is tracer


def test_a_function_that_is_slow_in_every_case_is_stopped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "TOTAL_SECONDS", 0.5)
    item = with_random_cases(lambda items: sum(items), ([1],))
    wrong(item, lambda items: time.sleep(0.1) or sum(items), "more than 0.5 s for all cases")


def test_a_cleanup_runs_when_a_function_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LIMIT_SECONDS", 0.2)

    def without_gradients(x):
        with torch.no_grad():
            while True:
                pass

    wrong(TENSOR, without_gradients, "still running")
    assert torch.is_grad_enabled()


MEMORY = """
import sys, torch
from labutils.exercises import bounds, judging
from labutils.exercises.registry import Exercise, ExerciseFunctions
from labutils.machine import limits
bounds.allowed_growth = judging.allowed_growth = lambda: 2**28
functions = ExerciseFunctions(lambda x: 2 * x, lambda: [(1.5,)])
item = Exercise(id="9.1", title="T", hints=("a", "b"), functions=lambda: functions)
def appends(x):
    items = []
    while True: items.append("x" * 1000)
def appends_and_swallows(x):
    items = []
    while True:
        try: items.append([0] * 1000)
        except: pass
def keeps(x):
    items = []
    try:
        while True: items.append("x" * 1000)
    except BaseException: return items
answers = [appends, appends_and_swallows, keeps, lambda x: torch.ones(2**15, 2**15)]
if sys.platform == "linux": answers += [lambda x: [0] * 10**10, lambda x: list(range(10**10))]
import psutil
start = psutil.Process().memory_info().rss
for answer in answers:
    print(judging.judge(item, answer))
print(max(0, psutil.Process().memory_info().rss - start) // 2**20, (limits.peak_rss() - start) // 2**20)
"""


def test_whatever_grows_without_end_is_stopped_and_given_back(tmp_path: Path) -> None:
    *verdicts, sizes = python("-c", MEMORY, folder=tmp_path).stdout.splitlines()
    assert len(verdicts) >= 4 and all("took more than 256 MiB of memory" in verdict for verdict in verdicts), verdicts
    left, peak = map(int, sizes.split())  # MiB
    assert left < 100 and peak < 900


def test_the_bound_is_half_of_what_is_free_and_at_most_a_gibibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, allowed in ((100 * 2**30, 2**30), (2**30, 2**29)):
        monkeypatch.setattr(bounds.limits, "memory_available", lambda free=free: free)
        assert bounds.allowed_growth() == allowed


@pytest.mark.parametrize("answer", [endless, swallows, suppresses])
def test_without_timers_as_on_windows_a_thread_stops_what_never_ends(answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "LIMIT_SECONDS", 0.2)
    monkeypatch.delattr(signal, "setitimer")
    monkeypatch.delattr(signal, "SIGALRM")
    wrong(TENSOR, answer, "still running after 0.2 s")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_an_answer_is_judged_without_bounds() -> None:
    verdicts: list = []
    thread = threading.Thread(target=lambda: verdicts.append(judge(TENSOR, lambda x: x + x)))
    thread.start()
    thread.join()
    assert verdicts[0].status == "passed"
