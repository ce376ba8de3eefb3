"""The longer study of lab 05: which runs it consists of, how each is named, and what has been run so far.

`benchmarks/study.py` runs cells and appends each to the record, data/study/study.jsonl. A reader takes the record as it is, partial or not.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from labutils import content
from labutils.errors import LabError
from labutils.machine.files import lines_of

Row = TypeVar("Row")
SIZES = (80, 240, 500)
SEEDS = (0, 1, 2)
RATES: Mapping[str, tuple[float, ...]] = {"full": (5e-5, 1e-4, 2e-4), "lora": (5e-4, 1e-3, 2e-3)}
BATCH = 4


@dataclass(frozen=True, order=True)
class Cell:
    """One training run: one pass over `examples` training dialogues in steps of 4, scored on all test dialogues."""

    method: str
    examples: int
    rate: float
    seed: int

    def __str__(self) -> str:
        """Its name, such as "lora 80 1e-3 seed 0"."""
        return f"{self.method} {self.examples} {rate_text(self.rate)} seed {self.seed}"


def rate_text(rate: float) -> str:
    """A learning rate as people write it.

    >>> rate_text(0.0005), rate_text(1e-4)
    ('5e-4', '1e-4')
    """
    digits, exponent = f"{rate:e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def all_cells() -> list[Cell]:
    """The 54 cells of the study, those that take least time first."""
    cells = [Cell(method, n, rate, seed) for method in RATES for n, rate, seed in product(SIZES, RATES[method], SEEDS)]
    return sorted(cells, key=lambda cell: (cell.examples, cell.seed, cell.method == "full", cell.rate))


def parse_cell(name: str) -> Cell:
    """The cell of a name such as "lora 80 1e-3 seed 0"; any size, rate and seed will do.

    Raises:
        LabError: the name has another form.
    """
    found = re.fullmatch(r"(full|lora) (\d+) (\d[\d.]*(?:e-?\d+)?) seed (\d+)", " ".join(name.split()))
    if not found or int(found[2]) < 1 or float(found[3]) <= 0:
        raise LabError(f"{name!r} names no cell of the study: write it like “lora 80 1e-3 seed 0”.")
    return Cell(found[1], int(found[2]), float(found[3]), int(found[4]))


def choose_examples(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """`count` of the training rows, drawn by the seed; all of them, in another order for each seed, where there are no more."""
    return random.Random(seed).sample(list(rows), min(count, len(rows)))


def record_path() -> Path:
    """The record that is shipped with the course."""
    return content.data_folder() / "study" / "study.jsonl"


def load_study(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """What has been run: name of a cell -> its line of the record. A cell that was run twice has its later line.

    A line has "cell"; "scores" (metric -> points for each test dialogue, in their order; "facts" is a share in per cent);
    "loss" (on validation, nats per token); "device". The line of a prompt without training has the scores alone. A missing
    record is an empty one, and a last line that was cut off is left out.

    Raises:
        LabError: another line is damaged.
    """
    where, found = path or record_path(), {}
    metrics: set[str] = set()
    for number, line in enumerate(lines := lines_of(where), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"))
            metrics = metrics or set(row["scores"])
            found[row["cell"]] = _whole(row, metrics)
        except (ValueError, KeyError, TypeError, AttributeError):
            if number < len(lines):
                raise LabError(f"{where.name}, line {number}, is damaged: delete that line, and run its cell again.") from None
    return found


def _whole(row: dict[str, Any], metrics: set[str]) -> dict[str, Any]:
    """The row, if it holds what a table shows of it.

    Raises:
        KeyError: it lacks something, or has other metrics than the rows before it.
        TypeError: a score is no number.
    """
    if set(row["scores"]) != metrics:
        raise KeyError("scores")
    math.fsum(value for values in row["scores"].values() for value in values)
    if not row["cell"].startswith("few-shot"):
        math.fsum([row["loss"]])
    return row


def trained_cells(study: Mapping[str, Any]) -> dict[Cell, Any]:
    """Those lines of a record that are training runs, by cell, in order; what else it holds is left out."""
    found = {}
    for name, row in study.items():
        try:
            found[parse_cell(name)] = row
        except LabError:
            continue
    return {cell: found[cell] for cell in sorted(found)}
