"""`make test-sagemaker`: deploy/sagemaker/setup.sh in a space like SageMaker Studio's, from its first start to a full disk.

The space (tools/space.py) has a home of 5 GB, 4 GiB of memory, two cores, a base Python with an older JupyterLab, and no network but a
package mirror on its loopback. What it needs from outside is downloaded once into build/studio/. Needs Linux and root.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from space import HOME, Space, make_disk, require_machine
from studio_supplies import OTHER_JUPYTERLAB, PLAY, base, course, listing, mirror, models, require
from validate import keep as keep_result

from labutils.errors import LabError

HOME_BYTES = 5 * 10**9
AT_MOST = 4 * 10**9  # environment, models, notebooks and their outputs
LABS = ("00", "02", "06")
COURSE = f"{HOME}/llm-labs"
SMOKE = {"LABS_PROFILE": "smoke", "HF_HUB_OFFLINE": "1"}
SETTINGS = 'export LABS_COURSE="/mnt/course" LABS_MODELS="/mnt/models"'
SERVER = """
import json, subprocess, sys, time, urllib.request
words = ["-m", "jupyterlab", "--no-browser", "--ServerApp.port=8890", "--ServerApp.port_retries=0", "--IdentityProvider.token=play"]
server = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
def ask(path, data=None):
    request = urllib.request.Request("http://127.0.0.1:8890" + path, data, {"Authorization": "token play"})
    return json.load(urllib.request.urlopen(request, timeout=30))
for _ in range(120):
    try:
        ask("/api/status")
        break
    except OSError:
        time.sleep(0.5)
kernels = ask("/api/kernelspecs")["kernelspecs"]
started = ask("/api/kernels", json.dumps({"name": "llm-labs"}).encode())["name"] if "llm-labs" in kernels else None
print(json.dumps([{name: kernel["spec"]["display_name"] for name, kernel in kernels.items()}, started]))
server.kill()
"""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print a step's name, and its seconds when it ends."""
    began = time.perf_counter()
    print(f"{name} ...", flush=True)
    yield
    print(f"  {time.perf_counter() - began:.0f} s", flush=True)


def must(space: Space, command: str, show: int = 0, variables: dict[str, str] | None = None) -> str:
    """Run a command in the space that must succeed; what it printed."""
    done = space.run(command, **(variables or {}))
    if done.returncode or show:
        print("\n".join(f"    {line}" for line in done.stdout.splitlines()[-(40 if done.returncode else show) :]), flush=True)
    require(done.returncode == 0, f"`{command[:80]}` ended with status {done.returncode}.")
    return done.stdout


HOME_LISTING = "find . -type f -not -path '*/__pycache__/*' -not -name llm-labs-setup.log -printf '%p %s %T@\\n' -o -type l -printf '%p %l\\n' | sort"


# --- the play ----------------------------------------------------------------------------------------------------------


def first_start(space: Space) -> None:
    """The lifecycle configuration of a new space, broken off in the middle of the installation."""
    require("llm-labs" not in must(space, "python -m jupyter kernelspec list"), "The base knows the kernel before the start.")
    began = time.perf_counter()
    said = must(
        space, f"(echo '{SETTINGS}'; cat /mnt/course/deploy/sagemaker/setup.sh) > /tmp/lifecycle.sh && bash /tmp/lifecycle.sh"
    )
    print(f"  returned after {time.perf_counter() - began:.1f} s: {said.strip()}")
    while "[3/4]" not in (log := space.run("cat llm-labs-setup.log").stdout):
        require("refuse" not in log and time.perf_counter() - began < 900, f"The first start does not get on:\n{log}")
        time.sleep(1)
    time.sleep(10)
    print(f"  broken off after {time.perf_counter() - began:.0f} s, in the midst of the packages")


def second_start(space: Space) -> None:
    """The lifecycle configuration again, and at once a start by hand, which waits for the first and finds all done."""
    must(space, f"(echo '{SETTINGS}'; cat /mnt/course/deploy/sagemaker/setup.sh) > /tmp/lifecycle.sh && bash /tmp/lifecycle.sh")
    must(space, f"while [ ! -e {COURSE}/tools ]; do sleep 0.2; done")
    said = must(space, f"{SETTINGS}; bash {COURSE}/deploy/sagemaker/setup.sh --wait", show=14)
    require(said.count("ready after") == 2 and "waits" not in said, f"The second start did not end as it should:\n{said}")
    before = must(space, HOME_LISTING)
    must(space, f"{SETTINGS}; bash {COURSE}/deploy/sagemaker/setup.sh --wait")
    changed = set(before.splitlines()) ^ set(must(space, HOME_LISTING).splitlines())
    require(not changed, f"A start that finds all in place changes {sorted(changed)[:9]}.")


def kernel(space: Space) -> None:
    """What the base's own JupyterLab shows, and that it starts the kernel."""
    version = must(space, "python -m jupyterlab --version").strip()
    kernels, started = json.loads(must(space, f"python -c '{SERVER}'").splitlines()[-1])
    print(f"  JupyterLab {version} of the base shows {kernels}")
    require(
        version == OTHER_JUPYTERLAB and kernels.get("llm-labs") == "LLM Labs", "The base's JupyterLab does not show the kernel."
    )
    require(
        started == "llm-labs" and len(kernels) == 2, "The base's JupyterLab shows more kernels than its own and the course's."
    )


def labs(space: Space) -> None:
    """Lab 00 as a learner has it, run by the base's Jupyter; the solutions of three labs with their outputs compared."""
    convert = "python -m jupyter nbconvert --execute --to notebook --inplace"
    must(space, f"{convert} llm-labs/work/00_start_here.ipynb", variables=SMOKE)
    must(space, "grep -q 'shut down the kernel' llm-labs/work/00_start_here.ipynb")
    solved = " ".join(f"{COURSE}/labs/solutions/{number}_*.ipynb" for number in LABS)
    pytest = f"{COURSE}/.venv/bin/python -m pytest -q -p no:cacheprovider --nbval --nbval-cell-timeout=600 --rootdir /tmp"
    must(space, f"cd /tmp && {pytest} {solved}", show=3, variables={**SMOKE, "LABS_STRICT": "1"})


def every_lab(space: Space) -> dict[str, int]:
    """Both editions of every lab, one at a time: how many ran, and how many to their end within the limit of memory."""
    ran = passed = 0
    for folder, mode in (("labs/solutions", "--nbval"), ("labs", "--nbval-lax")):
        for path in must(space, f"ls {COURSE}/{folder}/*.ipynb").split():
            words = (
                f"-q -p no:cacheprovider -p nbval_memory {mode} --nbval-cell-timeout=1200 -o addopts= --rootdir {COURSE} {path}"
            )
            variables = {**SMOKE, "PYTHONPATH": f"{COURSE}/tools", "LABS_STRICT": "1"}
            done = space.run(f"cd /tmp && {COURSE}/.venv/bin/python -m pytest {words}", **variables)
            ran, passed = ran + 1, passed + (done.returncode == 0)
            lines = done.stdout.strip().splitlines()
            told = [line for line in lines if "GiB" in line][-1:] if done.returncode == 0 else lines[-30:]
            print(
                f"  {'passed' if done.returncode == 0 else 'FAILED'} {folder}/{path.split('/')[-1]}",
                *told,
                sep="\n    ",
                flush=True,
            )
    return {"notebooks": ran, "passed": passed}


def training_job(space: Space) -> None:
    """The training job of lab 05 at a tiny size, in folders like a host's, with the models in a channel."""
    host = '{"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}'
    must(
        space,
        f"mkdir -p /tmp/ml/input/config /tmp/ml/input/data && echo '{host}' > /tmp/ml/input/config/resourceconfig.json && "
        f"ln -s {COURSE} /tmp/ml/input/data/course && ln -s /mnt/models /tmp/ml/input/data/models && "
        f"bash {COURSE}/deploy/sagemaker/train.sh --method lora --batch 4 --examples 8",
        show=2,
        variables={"ML_ROOT": "/tmp/ml", "INSTALL": "no", "PYTHON": f"{COURSE}/.venv/bin/python"},
    )
    must(space, "ls -l /tmp/ml/model/history.json && rm -r /tmp/ml /tmp/llm-labs")


def sizes(space: Space) -> int:
    """What lies on the home, in MiB; the bytes of all."""
    places = {
        "environment": "llm-labs/.venv",
        "models": ".cache/llm-labs/models",
        "course": "llm-labs --exclude .venv --exclude work",
        "your notebooks": "llm-labs/work",
        "the whole home": ".",
    }
    measured = {name: int(must(space, f"du -sm {place} 2>/dev/null || true").split()[0]) for name, place in places.items()}
    print("  " + ", ".join(f"{name} {mb} MiB" for name, mb in measured.items()))
    print("  " + must(space, "df -m --output=used,avail,size . | tail -1").strip() + " (MiB used, free, in all)")
    return measured["the whole home"] * 2**20


def restart(space: Space, before: str) -> None:
    """A restarted space: what was there is there, and the lifecycle configuration has nothing to do."""
    require(must(space, HOME_LISTING) == before, "The restart lost or changed files of the home.")
    began = time.perf_counter()
    must(space, f"{SETTINGS}; bash {COURSE}/deploy/sagemaker/setup.sh --wait")
    print(f"  a start with all in place takes {time.perf_counter() - began:.0f} s")
    require(must(space, HOME_LISTING) == before, "A start after the restart changes the home.")
    require("LLM Labs" in must(space, "python -m jupyter kernelspec list --json"), "The kernel did not survive the restart.")
    must(space, f"{COURSE}/.venv/bin/labs doctor {COURSE}/work > /tmp/doctor || (cat /tmp/doctor; false)")


def full_disk(space: Space) -> None:
    """A home that fills up when everything is in place, then one that never had the room."""
    must(space, "rm llm-labs/work/02_*.ipynb && dd if=/dev/zero of=ballast bs=1M status=none || true")
    done = space.run(f"{SETTINGS}; bash {COURSE}/deploy/sagemaker/setup.sh --wait")
    print("    " + "\n    ".join(done.stdout.splitlines()[-3:]))
    require(
        done.returncode == 1 and "MB free and the course needs 100 MB" in done.stdout, "A full home does not give the sentence."
    )
    must(space, "rm ballast && rm -rf llm-labs .cache .local && fallocate -l 1500M ballast && sync")
    before = must(space, HOME_LISTING)
    script = f"(echo '{SETTINGS}'; cat /mnt/course/deploy/sagemaker/setup.sh) > /tmp/lifecycle.sh"
    done = space.run(f"{script} && bash /tmp/lifecycle.sh --wait")
    print("    " + "\n    ".join(done.stdout.splitlines()[-1:]))
    require(done.returncode == 1 and "MB free and the course needs 3500 MB" in done.stdout, "A short disk is not refused.")
    must(space, "bash /tmp/lifecycle.sh && sleep 3")  # without a terminal: status 0, so that the space starts
    require(must(space, HOME_LISTING) == before, "A refused start writes to the home.")


def main(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the disk of the home in build/studio/.")] = False,
    all_labs: Annotated[
        bool, typer.Option("--all-labs", help="Run both editions of every lab in the space: half an hour.")
    ] = False,
) -> None:
    """Play a space from its first start to a full disk; fail with one sentence at the first thing that is wrong."""
    began, killed = time.perf_counter(), 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as for Ctrl-C: a space that runs is stopped
    try:
        require_machine()
        PLAY.mkdir(parents=True, exist_ok=True)
        with step("Downloading what is not here yet"):
            shown = {"mirror": mirror(PLAY / "mirror"), "base": base(PLAY / "base"), "models": models(PLAY / "models")}
            folders = {**shown, "course": course(PLAY / "course"), "tmp": PLAY / "tmp"}
        base_before, image = listing(folders["base"]), PLAY / "home.img"
        make_disk(image, HOME_BYTES)
        with step("A first start, broken off"), Space(image, folders) as space:
            first_start(space)
        killed += space.killed
        with Space(image, folders) as space:
            with step("A second start completes it"):
                second_start(space)
            sizes(space)
            with step("The kernel in the base's JupyterLab"):
                kernel(space)
            with step(f"Labs {', '.join(LABS)}"):
                labs(space)
            with step("The training job of lab 05"):
                training_job(space)
            if all_labs:
                with step("Both editions of every lab"):
                    counts = every_lab(space)
            used = sizes(space)
            before = must(space, HOME_LISTING)
        killed += space.killed
        require(used <= AT_MOST, f"The home holds {used / 1e9:.2f} GB; {AT_MOST / 1e9:.0f} GB are the budget.")
        with Space(image, folders) as space:
            with step("A restart of the space"):
                restart(space, before)
            with step("A full disk"):
                full_disk(space)
        killed += space.killed
        require(listing(folders["base"]) == base_before, "The base environment was changed.")
        require(not killed, f"{killed} processes were killed for want of memory.")
    except LabError as error:
        sys.exit(f"test-sagemaker: {error}")
    finally:
        if not keep:
            (PLAY / "home.img").unlink(missing_ok=True)
    if all_labs:
        keep_result("limits", {**counts, "killed": killed, "disk GB": round(used / 1e9, 2)})
        if counts["passed"] < counts["notebooks"]:
            sys.exit(
                f"test-limits: {counts['notebooks'] - counts['passed']} of {counts['notebooks']} notebooks failed in the space."
            )
    print(f"The space starts, runs and restarts within {used / 1e9:.2f} GB; {(time.perf_counter() - began) / 60:.1f} minutes.")


if __name__ == "__main__":
    typer.run(main)
