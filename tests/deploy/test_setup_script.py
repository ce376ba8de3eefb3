"""deploy/sagemaker/setup.sh with a made course: what it starts, in which order, what it refuses, and that it changes nothing twice.

`make test-sagemaker` plays it with the real course; here `df`, `du` and `aws` are stand-ins where a test needs them.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import bootstrap
import pytest
from paths import ROOT

SCRIPT = ROOT / "deploy" / "sagemaker" / "setup.sh"
MOST = (
    16_384  # characters of base64, https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateStudioLifecycleConfig.html
)
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the script is for Studio's images, which are Linux")

FAKE_BOOTSTRAP = """
import os, pathlib, sys, time
root = pathlib.Path(__file__).resolve().parent.parent
with open(root / "calls", "a") as calls:
    print("bootstrap", *sys.argv[1:], os.environ["PIP_CACHE_DIR"], file=calls)
while "GATE" in os.environ and not os.path.exists(os.environ["GATE"]):
    time.sleep(0.05)
if (root / "broken").exists():
    sys.exit("set-up: the network is gone.")
bin = root / ".venv" / "bin"
if not bin.exists():
    bin.mkdir(parents=True)
    stub = '#!/bin/sh\\necho labs "$@" >> ' + str(root / "calls") + '\\n'
    for name in ("labs", "python"):
        (bin / name).write_text(stub if name == "labs" else "#!/bin/sh\\n")
        (bin / name).chmod(0o755)
    (root / ".venv" / "llm-labs.json").write_text("{}")
"""


class Machine:
    """A home, a course to copy and programs to stand in for the machine's."""

    def __init__(self, folder: Path) -> None:
        self.home, self.programs, self.source = folder / "home", folder / "programs", folder / "source"
        for made in (self.home, self.programs, folder / "tmp", self.source / "tools", self.source / "labutils" / "course"):
            made.mkdir(parents=True)
        (self.source / "tools" / "bootstrap.py").write_text(FAKE_BOOTSTRAP)
        (self.source / "labutils" / "course" / "models.json").write_text('{"wheel": 1,\n "wheel": 2}')
        self.script = shutil.copy(SCRIPT, folder / "lifecycle.sh")
        path = f"{self.programs}:/usr/bin:/bin"
        self.variables = {"HOME": str(self.home), "PATH": path, "TMPDIR": str(folder / "tmp"), "LABS_PYTHON": sys.executable}
        self.variables |= {"LABS_COURSE": str(self.source)}
        self.course, self.log = self.home / "llm-labs", self.home / "llm-labs-setup.log"
        self.program("df", "printf 'x\\nx 1 1 9000000 1 /\\n'")

    def program(self, name: str, body: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (self.programs / name).chmod(0o755)

    def start(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", str(self.script), *words]
        return subprocess.run(
            command, env=self.variables | more, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )

    def calls(self) -> list[str]:
        return (self.course / "calls").read_text().splitlines() if (self.course / "calls").exists() else []

    def wait_for(self, text: str, times: int = 1) -> None:
        for _ in range(300):
            if self.log.exists() and self.log.read_text().count(text) >= times:
                return
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    found = {path: path.lstat() for path in folder.rglob("*") if path.name not in ("llm-labs-setup.log", "calls")}
    return {str(path): (stat.st_mtime_ns, stat.st_size) for path, stat in found.items()}


def test_with_its_settings_it_fits_into_a_lifecycle_configuration() -> None:
    text = SCRIPT.read_bytes()
    settings = b'#!/bin/bash\nexport LABS_COURSE="s3://' + b"a" * 1000 + b'"\n'
    assert len(base64.b64encode(settings + text)) < MOST
    assert b"\r" not in text and os.access(SCRIPT, os.X_OK)
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)


def test_it_asks_for_the_disk_that_set_up_asks_for() -> None:
    (asked,) = re.findall(r"^NEEDED_MB=(\d+)", SCRIPT.read_text(), re.MULTILINE)
    assert int(asked) == bootstrap.DISK_GB["cpu"] * 1000


def test_the_page_advises_an_instance_that_holds_each_lab() -> None:
    page = (ROOT / "deploy" / "sagemaker" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:\d\d(?:, )?)+) \| [^|]* \| ml\S+ \(2 vCPU, (\d+) GiB\)", page, re.MULTILINE)
    advised = {number: int(gib) for numbers, gib in rows for number in numbers.split(", ")}
    measured = json.loads((ROOT / "labs" / "budgets.json").read_text())["labs"]
    for name, budget in measured.items():
        assert budget["peak_rss_gib"] + 1.2 <= advised[name[:2]], name  # the image and JupyterLab need the rest


def test_a_start_builds_everything_on_the_home_and_the_next_changes_nothing(machine: Machine) -> None:
    done = machine.start("--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ready after" in done.stdout and "work/00_start_here.ipynb" in done.stdout
    first, *labs = machine.calls()
    assert first.startswith("bootstrap ") and str(machine.home) not in first.split()[-1]  # what pip keeps lies outside the home
    assert labs == [f"labs start {machine.course}/work --no-open"]
    before = files(machine.home)
    assert machine.start("--wait").returncode == 0
    assert files(machine.home) == before
    assert not list((machine.home.parent / "tmp").iterdir())


def test_without_a_terminal_it_returns_at_once_and_a_second_start_waits_for_the_first(machine: Machine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    done = machine.start(GATE=str(gate))  # it returns although the work cannot end
    assert done.returncode == 0 and str(machine.log) in done.stdout
    machine.wait_for("start")
    assert machine.start().returncode == 0
    time.sleep(0.5)
    assert machine.log.read_text().count("start\n") == 1
    gate.touch()
    machine.wait_for("ready after", 2)
    order = [line.split()[0] for line in machine.calls()]
    assert order == ["bootstrap", "labs", "bootstrap", "labs"]  # never two at once


def test_a_start_that_fails_says_why_and_the_next_completes_it(machine: Machine) -> None:
    (machine.source / "broken").touch()
    done = machine.start("--wait")
    assert done.returncode == 1 and "set-up: the network is gone." in done.stdout and "not finished" in done.stdout
    assert machine.start().returncode == 0  # in the background nothing keeps a space from starting
    machine.wait_for("not finished", 2)
    (machine.course / "broken").unlink()
    assert machine.start("--wait").returncode == 0


def test_a_short_disk_is_one_sentence_and_nothing_is_written(machine: Machine) -> None:
    machine.program("df", "printf 'x\\nx 1 1 2000000 1 /\\n'")
    done = machine.start("--wait")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        f"setup: the disk of {machine.home} has 2048 MB free and the course needs 3500 MB: free some, or give the space a larger "
        "volume, and start it again."
    )
    assert set(machine.home.iterdir()) == {machine.log}
    assert machine.start().returncode == 0


def test_what_a_broken_off_start_left_counts_as_free(machine: Machine) -> None:
    shutil.copytree(machine.source, machine.course)
    (machine.course / ".venv").mkdir()
    machine.program("df", "printf 'x\\nx 1 1 2000000 1 /\\n'")
    machine.program("du", "echo 1900 here")
    assert machine.start("--wait").returncode == 0


def test_the_course_and_the_models_come_from_a_bucket_once(machine: Machine) -> None:
    where = machine.home.parent
    course = f'case "$5" in s3://mine/course/) cp -R {machine.source}/. "$6" ;; esac'
    machine.program("aws", f'echo "$@" >> {where}/copied\n{course}')
    settings = {"LABS_COURSE": "s3://mine/course", "LABS_MODELS": "s3://mine/models/"}
    done = machine.start("--wait", **settings)
    assert done.returncode == 0, done.stdout
    copied = (where / "copied").read_text().splitlines()
    assert [line.split()[4] for line in copied] == ["s3://mine/course/", "s3://mine/models/"]
    assert f"--from {copied[1].split()[5]}" in machine.calls()[0]
    for name in ("a", "b"):
        (machine.home / ".cache" / "llm-labs" / "models" / name).mkdir(parents=True)
        (machine.home / ".cache" / "llm-labs" / "models" / name / "ready.json").touch()
    assert machine.start("--wait", **settings).returncode == 0
    assert (where / "copied").read_text().splitlines() == copied and "--from" not in machine.calls()[2]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"LABS_COURSE": ""}, "name in LABS_COURSE where it comes from"),
        ({"LABS_COURSE": "s3://mine/course"}, "the command aws is missing"),
        ({"LABS_COURSE": "/no/such/place"}, "could not be cloned"),
    ],
)
def test_a_course_that_cannot_be_had_is_one_sentence(machine: Machine, settings: dict[str, str], words: str) -> None:
    done = machine.start("--wait", **settings)
    assert done.returncode == 1 and words in done.stdout.splitlines()[-1] and not machine.course.exists()


def test_in_a_checkout_it_sets_that_checkout_up(machine: Machine) -> None:
    place = machine.home / "mine"
    shutil.copytree(machine.source, place)
    (place / "deploy" / "sagemaker").mkdir(parents=True)
    machine.script = shutil.copy(SCRIPT, place / "deploy" / "sagemaker" / "setup.sh")
    assert machine.start("--wait", LABS_COURSE="").returncode == 0
    assert (place / ".venv").exists() and not machine.course.exists()


def test_settings_may_stand_above_the_script(machine: Machine) -> None:
    text = Path(machine.script).read_text()
    Path(machine.script).write_text(f'#!/bin/bash\nLABS_COURSE="{machine.source}"\nexport LABS_MODELS=/stick\n{text}')
    del machine.variables["LABS_COURSE"]
    assert machine.start("--wait").returncode == 0
    assert "bootstrap --from /stick " in machine.calls()[0]


def test_windows_line_ends_are_one_sentence(machine: Machine) -> None:
    script = Path(machine.script)
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))
    done = machine.start("--wait")
    assert done.returncode == 1 and "Windows line ends" in done.stderr and "sed -i" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not list(machine.home.iterdir())
