"""Starting programs for the tests of several processes: torchrun, a free port, and the launch program in this process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest
from paths import ROOT

from labutils.tuning import launch

PATHS = (ROOT, ROOT / "tests", ROOT / "tests" / "tuning")


def environment(**extra):
    return {
        **os.environ, "OMP_NUM_THREADS": "1", "LABS_PROGRESS": "0", "PYTHONPATH": os.pathsep.join(map(str, PATHS)), "PYTHONWARNINGS": "ignore", **extra,
    }  # fmt: skip


def torchrun(*command, **extra):
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*start, *map(str, command)], env=environment(**extra), cwd=ROOT, capture_output=True, text=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def options(out, method="lora", batch=7, **more):
    """The arguments of the launch program for ten examples."""
    extra = [text for name, value in more.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return ["--method", method, "--out", str(out), "--batch", str(batch), "--examples", "10", *extra]


def saved_history(out):
    return json.loads((out / "history.json").read_text())


def run_launch(monkeypatch, *arguments):
    """What `python -m labutils.tuning.launch` comes to: its exit status or, in words, what it said."""
    monkeypatch.setattr(sys, "argv", ["launch", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        launch.main()
    return left.value.code
