"""`make wheel-test`: the course as a person gets it who has no checkout.

Builds the wheel, installs it with the locked packages in an empty environment in a folder with a space and an accent in its name,
runs `labs start`, the solutions of labs 00 and 02 under nbval, edits a notebook, installs a newer wheel, runs `labs update`, and finds
the edit. Nothing of the checkout is on the path of the environment, and the kernel is registered in the temporary folder alone.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Annotated

import typer
from bootstrap import ROOT, TORCH_CPU_INDEX, locked_torch
from running import scratch_home

from labutils.content import notebooks_in
from labutils.course.workspace import inputs_digest

WHEEL_SOURCES = ("labutils", "labs", "data", "setup.py", "pyproject.toml", "README.md", "requirements.lock", "MANIFEST.in")
LICENCES = ("LICENSE", "LICENSE-CONTENT", "NOTICE")
NEWER = "9.9.9"
EDIT = "# An edit that must not be lost.\n"


class WheelTestError(Exception):
    """One sentence on what the wheel does wrong."""


class Step:
    """Print a step's name, and its seconds when it ends."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.began = time.perf_counter()
        print(f"{self.name} ...", flush=True)

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            print(f"  {time.perf_counter() - self.began:.0f} s", flush=True)


def require(condition: object, sentence: str) -> None:
    """Stop with a sentence unless a condition holds."""
    if not condition:
        raise WheelTestError(sentence)


def run(*words: object, variables: dict[str, str], cwd: Path, show: bool = False) -> str:
    """Run a command that must succeed; what it printed."""
    command = [str(word) for word in words]
    done = subprocess.run(command, cwd=cwd, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if show or done.returncode:
        print(done.stdout[-6000:], flush=True)
    require(done.returncode == 0, f"`{' '.join(command[:6])} ...` ended with status {done.returncode}.")
    return done.stdout


def sources(folder: Path) -> Path:
    """A copy of what a wheel is built from."""
    folder.mkdir()
    ignore = shutil.ignore_patterns("__pycache__", "source", ".ipynb_checkpoints")
    for name in WHEEL_SOURCES + LICENCES:
        item = ROOT / name
        if item.is_dir():
            shutil.copytree(item, folder / name, ignore=ignore)
        else:
            shutil.copy(item, folder / name)
    return folder


def make_newer(folder: Path) -> None:
    """Turn a copy of the sources into a later release, in which every notebook has one more cell."""
    version = folder / "labutils" / "__init__.py"
    lines = version.read_text(encoding="utf-8").splitlines()
    lines = [f'__version__ = "{NEWER}"' if line.startswith("__version__") else line for line in lines]
    version.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for path in [*(folder / "labs").glob("*.ipynb"), *(folder / "labs" / "solutions").glob("*.ipynb")]:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"].append({"cell_type": "markdown", "id": "newer", "metadata": {}, "source": ["A newer ending."]})
        notebook["metadata"]["llm_labs"]["inputs"] = inputs_digest(notebook)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def build_wheel(folder: Path, to: Path, variables: dict[str, str]) -> Path:
    """Build the wheel of a copy of the sources."""
    run(sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "--wheel-dir", to, folder, variables=variables, cwd=to.parent)
    (wheel,) = to.glob("*.whl")
    return wheel


def install(python: Path, wheel: Path, variables: dict[str, str], cwd: Path) -> None:
    """Install the locked packages and the wheel, as the README says for plain pip."""
    pip = (python, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-input")
    torch = f"torch=={locked_torch()}" + ("+cpu" if sys.platform == "linux" else "")
    try:
        run(*pip, "--no-deps", torch, variables=variables, cwd=cwd)
    except WheelTestError:
        run(*pip, "--no-deps", torch, "--index-url", TORCH_CPU_INDEX, variables=variables, cwd=cwd)
    # The lock was resolved for this very set, so that pip need not look at dependencies; whether they fit is what `pip check` says.
    run(*pip, "--no-deps", "-r", ROOT / "requirements.lock", variables=variables, cwd=cwd)
    run(*pip, "--no-deps", wheel, variables=variables, cwd=cwd)
    run(python, "-m", "pip", "check", variables=variables, cwd=cwd)


def cells(path: Path) -> list[dict]:
    """The cells of a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def edit(path: Path) -> None:
    """Change a code cell, as a learner does."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["source"] = [EDIT, *cell["source"]]
    path.write_text(json.dumps(notebook), encoding="utf-8")


def has_edit(path: Path) -> bool:
    """Is a learner's change in this notebook?"""
    return any(EDIT in "".join(cell["source"]) for cell in cells(path))


def check_update(labs: Path, folder: Path, variables: dict[str, str], cwd: Path) -> None:
    """Run `labs update` where one notebook was edited and one deleted, and look at every notebook."""
    edited, deleted = folder / "02_generation_configuration.ipynb", folder / "03_in_context_learning.ipynb"
    printed = run(labs, "update", folder, variables=variables, cwd=cwd, show=True)
    names = {path.name for path in notebooks_in(ROOT / "labs")}
    for place in (folder, folder / "solutions"):
        found = {path.name for path in notebooks_in(place)}
        require(found == names, f"After the update {place} holds {sorted(found)}.")
        for name in names:
            require(cells(place / name)[-1]["source"] == ["A newer ending."], f"{place / name} was not brought up to date.")
    kept = list(folder.rglob("*.mine-*.ipynb"))
    require([path.name[:2] for path in kept] == ["02"], f"The update kept {[path.name for path in kept]}, not lab 02 alone.")
    require(has_edit(kept[0]) and not has_edit(edited), f"The edit is not in {kept[0]}.")
    require(kept[0].name in printed and deleted.exists(), "The update does not say what it kept.")
    again = run(labs, "update", folder, variables=variables, cwd=cwd)
    require(list(folder.rglob("*.mine-*.ipynb")) == kept and "already" in again, "A second update is not at rest.")


def course(temporary: Path, home: Path, nbval: bool) -> None:
    """The whole story, below one temporary folder."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("LABS_", "PYTHON", "JUPYTER", "VIRTUAL_ENV"))
    }
    variables = {**own, "LABS_HOME": str(home), "LABS_PROFILE": "smoke", "LABS_STRICT": "1", "HF_HUB_OFFLINE": "1"}
    variables |= {"JUPYTER_DATA_DIR": str(temporary / "jupyter"), "JUPYTER_CONFIG_DIR": str(temporary / "jupyter-config")}
    empty, folder = temporary / "empty", temporary / "my labs é"
    empty.mkdir()
    with Step("Building the wheel"):
        wheel = build_wheel(sources(temporary / "sources"), temporary / "wheel", variables)
        make_newer(sources(temporary / "newer sources"))
        newer = build_wheel(temporary / "newer sources", temporary / "newer wheel", variables)
        print(f"  {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB")
    with Step("Installing it in an empty environment"):
        venv.create(temporary / "environment", with_pip=True)
        bin = temporary / "environment" / ("Scripts" if os.name == "nt" else "bin")
        python, labs = bin / "python", bin / "labs"
        install(python, wheel, variables, empty)
    with Step("labs start"):
        print(run(labs, "start", folder, "--solutions", "--no-open", variables=variables, cwd=empty), end="")
        require((temporary / "jupyter" / "kernels" / "llm-labs" / "kernel.json").exists(), "The kernel is not the user's.")
        edit(folder / "02_generation_configuration.ipynb")
        (folder / "03_in_context_learning.ipynb").unlink()
        run(labs, "start", folder, "--no-open", variables=variables, cwd=empty)
        require(has_edit(folder / "02_generation_configuration.ipynb"), "`labs start` wrote over a notebook.")
        (folder / "03_in_context_learning.ipynb").unlink()
    with Step("labs doctor"):
        printed = run(labs, "doctor", folder, variables=variables, cwd=empty)
        require("torch" in printed and "tested with" not in printed, f"The doctor does not find the locked versions:\n{printed}")
        lock = run(python, "-c", "from labutils import content; print(content.lock())", variables=variables, cwd=empty).strip()
        require(Path(lock).read_bytes() == (ROOT / "requirements.lock").read_bytes(), "The wheel does not hold the lock.")
    if nbval:
        with Step("Labs 00 and 02 under nbval"):
            notebooks = sorted(path for number in ("00", "02") for path in (folder / "solutions").glob(f"{number}_*.ipynb"))
            command = [python, "-m", "pytest", "-q", "--nbval", "--nbval-cell-timeout=600", "-p", "no:cacheprovider"]
            run(
                *command,
                "--rootdir",
                folder,
                *notebooks,
                variables=variables,
                cwd=folder,
                show=True,
            )
    with Step("A newer wheel and labs update"):
        run(python, "-m", "pip", "-q", "install", "--no-deps", newer, variables=variables, cwd=empty)
        require(
            run(labs, "version", variables=variables, cwd=empty).strip() == NEWER, "The newer wheel is not the one installed."
        )
        check_update(labs, folder, variables, empty)


def main(
    nbval: Annotated[bool, typer.Option(help="Run labs 00 and 02.")] = True,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the temporary folder.")] = False,
) -> None:
    """Build, install, start, run, update; fail with one sentence at the first thing that is wrong."""
    began = time.perf_counter()
    temporary = Path(tempfile.mkdtemp(prefix="llm labs é "))
    try:
        with scratch_home() as home:
            course(temporary, home, nbval)
    except WheelTestError as error:
        sys.exit(f"wheel-test: {error}")
    finally:
        if keep:
            print(f"Left in {temporary}.")
        else:
            shutil.rmtree(temporary, ignore_errors=True)
    print(f"The wheel installs, starts, runs and updates; {(time.perf_counter() - began) / 60:.1f} minutes.")


if __name__ == "__main__":
    typer.run(main)
