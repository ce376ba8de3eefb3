"""The commands of `labs` for a person who teaches a room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Give `labs` the commands of this module."""
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
