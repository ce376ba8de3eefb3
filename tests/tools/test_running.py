"""tools/running.py: what is measured of a notebook's run."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import running


def test_the_seconds_of_optional_cells_do_not_count_to_the_core_path(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import time"),
            nbformat.v4.new_code_cell("time.sleep(1.5)", metadata={"tags": ["optional"]}),
            nbformat.v4.new_markdown_cell("text"),
            nbformat.v4.new_code_cell("time.sleep(0.5)"),
        ]
    )
    run = running.execute(notebook, tmp_path, dict(os.environ))
    assert len(run.cell_seconds) == 3
    assert run.cell_seconds[2] <= run.core_seconds <= run.seconds - run.cell_seconds[1] + 1e-6
    kept = running.budget_of(run)
    assert kept["seconds"] >= 2 and kept["core_seconds"] <= kept["seconds"] - 1.5 + 0.11 and kept["peak_rss_gib"] > 0
