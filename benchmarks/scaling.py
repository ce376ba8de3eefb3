"""The record of lab 08: small runs for the law, and the sealed run under five seeds.

    python benchmarks/scaling.py            what is missing: some minutes on two quiet cores
    python benchmarks/scaling.py --list     what has been run

Each finished run is appended to data/scaling/runs.jsonl at once, so that it can be stopped and started again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from labutils.machine.files import append_line
from labutils.pretraining import Size, load_runs, train_small
from labutils.pretraining.law import PER_TOKEN
from labutils.pretraining.record import record_path

GRID = {
    5e9: ((8, 1), (12, 1), (16, 1), (24, 1), (32, 1)),
    1e10: ((8, 1), (12, 1), (16, 1), (24, 1), (32, 1)),
    2e10: ((12, 1), (16, 1), (24, 1), (32, 1), (48, 1)),
    4e10: ((12, 1), (16, 1), (24, 1), (32, 1), (48, 1)),
    8e10: ((16, 1), (24, 1), (32, 1), (48, 1), (64, 1)),
}
SEALED = {3.2e11: ((32, 1),)}
SEEDS = range(5)


def runs() -> list[tuple[float, Size, int]]:
    """Every run of the record: (budget, size, seed)."""
    grid = [(budget, Size(*shape), 0) for budget, shapes in GRID.items() for shape in shapes]
    return grid + [(budget, Size(*shape), seed) for budget, shapes in SEALED.items() for shape in shapes for seed in SEEDS]


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description="The record of lab 08.")
    parser.add_argument("--list", action="store_true", help="say what has been run, and run nothing")
    parser.add_argument("--record", type=Path, default=record_path(), help="the file that runs are appended to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # models this small do not gain from a second thread
    done = {(row["budget"], row["dim"], row["layers"], row["seed"]) for row in load_runs(arguments.record)}
    for budget, size, seed in runs():
        there = (budget, size.dim, size.layers, seed) in done
        name = f"C = {budget:.1e}, {size.dim} wide, {size.layers} deep, seed {seed}"
        if arguments.list or there:
            print(f"{'run    ' if there else 'missing'}  {name}")
            continue
        run = train_small(size, budget / PER_TOKEN / size.parameters, seed=seed)
        row = {
            "budget": budget, "dim": size.dim, "layers": size.layers, "seed": seed, "parameters": run.parameters, "tokens": run.tokens,
            "loss": round(run.loss, 5), "seconds": round(run.seconds, 1),
        }  # fmt: skip
        append_line(arguments.record, row)
        print(f"{name}: {run.loss:.3f} bits per character, {run.seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
