"""The commands of `labs` for a person who teaches a room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def add_to(app: typer.Typer) -> None:
    """Give `labs` the commands of this module."""
    app.command()(ready)
    app.command("serve-room")(serve_room)
    app.command()(cohort)


def cohort(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The files that participants handed in.")],
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("cohort.html"),
    names: Annotated[bool, typer.Option("--names", help="Name each column after its file. Ask the participants first.")] = False,
) -> None:
    """Make one page of a room's progress files, each written with `labs progress --export FILE`. It names nobody."""
    from labutils.errors import LabError
    from labutils.machine.files import write_atomically
    from labutils.workshop.cohort import read_folder
    from labutils.workshop.cohort_page import page

    if out.is_dir():
        raise LabError(f"{out} is a folder: give the name of a file, such as {out / 'cohort.html'}.")
    room = read_folder(folder)
    for line in (*room.skipped, *room.notes):
        typer.echo(line)
    if not room.people:
        raise LabError(f"{folder} holds no progress file: each participant writes one with `labs progress --export FILE`.")
    write_atomically(out.absolute(), page(room, names))
    typer.echo(f"Progress files: {len(room.people)} read, {len(room.skipped)} left out. Open {out} in a browser.")


def code(folder: Path) -> None:
    """Print the code of this machine, and nothing else: what `labs doctor --code` does."""
    from labutils.workshop.readiness import encode, measure

    typer.echo(encode(measure(folder.absolute())))


def ready(
    codes: Annotated[
        Optional[list[str]], typer.Argument(metavar="CODE...", help="Codes, or files of codes; - or nothing: pasted lines.")
    ] = None,
    labs: Annotated[str, typer.Option("--labs", help="The labs that you will teach, such as 00,02; all by default.")] = "",
) -> None:
    """Say who is ready, from the codes that participants got with `labs doctor --code`. A name may stand beside a code."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from labutils.errors import LabError
    from labutils.workshop.readiness import age_text, machine_text
    from labutils.workshop.roster import gather, read, taught

    chosen = taught(labs)
    lines = read(gather(codes or []), chosen)
    if not lines:
        raise LabError("There is no code to read: paste the participants' lines, or give a file of them.")
    view = Table("Who", "Ready", "Machine", "Checked", "Why not", title_justify="left")
    for line in sorted(lines, key=lambda line: line.ready):
        mark = "[green]yes[/green]" if line.ready else "[red]no[/red]" if line.facts else "[red]damaged[/red]"
        facts = (machine_text(line.facts), age_text(line.facts)) if line.facts else ("", "")
        view.add_row(Text(line.who), mark, *facts, Text("\n".join(line.why)))
    Console().print(view)
    damaged = sum(line.facts is None for line in lines)
    number = sum(line.ready for line in lines)
    typer.echo(
        f"{number} of {len(lines)} ready for lab{'s' * (len(chosen) != 1)} {', '.join(f'{lab:02}' for lab in chosen)}"
        + (f"; {damaged} damaged." if damaged else ".")
    )
    raise typer.Exit(0 if number == len(lines) else 1)


def serve_room(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The wheels to serve, as `labs fetch --to FOLDER` leaves them.")
    ],
    address: Annotated[str, typer.Option("--address", help="The address of this machine in the room's network.")] = "",
    port: Annotated[int, typer.Option("--port", help="The port.")] = 8000,
) -> None:
    """Serve wheels, models and notebooks to a room, read-only, by plain HTTP on one address. Ctrl+C ends it."""
    from labutils.course.serve import check_port
    from labutils.errors import LabError
    from labutils.workshop.room import Room, addresses, collect, lacking

    check_port(port)
    if not address:
        there = " or ".join(f"--address {one}" for one in addresses()) or "--address with this machine's own"
        raise LabError(f"Choose the address on which the room reaches this machine: {there}.")
    files = collect(folder.expanduser().absolute())
    for line in lacking(files):
        typer.echo(line)
    try:
        room = Room(address, port, files)
    except OSError as error:
        raise LabError(
            f"{address}:{port} cannot be served ({error.strerror or error}): choose another with --address or --port."
        ) from error
    with room:
        total = sum(file.bytes for file in files.values())
        typer.echo(
            f"{len(files)} files, {total / 1e6:,.0f} MB, at {room.url}. Each participant runs: labs setup --from {room.url}"
        )
        typer.echo("Whoever is in this network can read them. Stop with Ctrl+C.")
        try:
            room.serve_forever()
        except KeyboardInterrupt:
            typer.echo("Stopped.")
