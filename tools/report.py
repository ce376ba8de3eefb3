"""`make report`: run every solution notebook unattended; write build/report/index.html and build/report/results.json."""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Optional

import nbformat
import typer
from editions import ROOT, answers, sources, target, tidy
from nbclient.exceptions import CellExecutionError
from rich.console import Console
from running import budget_of, environment, execute, passed_exercises, read, scratch_home

from labutils import __version__
from labutils.course import doctor, plots
from labutils.machine import limits, settings

REPORT = ROOT / "build" / "report"
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- labs: written by tools/report.py --save -->\n).*?(?=<!-- /labs -->)", re.DOTALL)
console = Console()


def checks(lab: str, home: Path) -> dict[str, int]:
    """How many exercises of a lab, such as "02", the progress file of a home holds as passed, out of all that the lab poses."""
    posed = exercise_ids(lab)
    return {"passed": len(posed & passed_exercises(home)), "total": len(posed)}


def exercise_ids(lab: str) -> set[str]:
    """The ids of the exercises that a lab poses."""
    return {id for id in answers() if id.split(".")[0] == str(int(lab))}


def run_lab(source: Path) -> tuple[dict[str, Any], str]:
    """Run one lab's solution notebook; what the report says of it, and its page as HTML."""
    notebook = read(target(source, "solutions"))
    with scratch_home() as home:
        run = execute(notebook, ROOT / "labs", environment(home, settings.profile()))
        passed = checks(source.name[:2], home)
        results = json.loads((home / "results" / f"{source.name[:2]}.json").read_text(encoding="utf-8"))
    tidy(notebook)
    entry = {
        **budget_of(run),
        "cells": len(run.cell_seconds),
        "checks": passed,
        "results": results,
    }
    return entry, page(notebook)


def page(notebook: nbformat.NotebookNode) -> str:
    """A notebook as a web page that stands alone."""
    from nbconvert import HTMLExporter

    return HTMLExporter(template_name="lab", embed_images=True).from_notebook_node(notebook)[0]


def index(report: dict[str, Any]) -> str:
    """The report's front page."""
    rows = [
        (name, lab["seconds"], lab["peak_rss_gib"], lab["cells"], f"{lab['checks']['passed']} of {lab['checks']['total']}")
        for name, lab in report["labs"].items()
    ]
    measured = "".join(
        f"<h2><a href='{name}.html'>{name}</a></h2>"
        + plots.table_html(
            ("measured", "value"), [(k, v if isinstance(v, (int, float)) else str(v)) for k, v in lab["results"].items()]
        )
        for name, lab in report["labs"].items()
    )
    table = plots.table_html(("lab", "seconds", "peak memory (GiB)", "cells", "checks passed"), rows, "All labs")
    facts = ", ".join(f"{key}: {value}" for key, value in report["machine"].items())
    style = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}td,th{padding:.2em .8em;border-bottom:1px solid #ddd}table{border-collapse:collapse}"
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>LLM Labs report</title><style>{style}</style>"
        f"<h1>LLM Labs {report['release']}</h1><p>{facts}; profile: {report['profile']}.</p>{table}{measured}</html>"
    )


def labs_table() -> str:
    """The README's table of labs, from the sources' titles and the measured budgets."""
    known = doctor.budgets()
    lines = ["| lab | exercises | minutes: core path | all cells | peak memory |", "| --- | --- | --- | --- | --- |"]
    for source in sources():
        title = re.search(r"^# # (.*)$", source.read_text(encoding="utf-8"), re.MULTILINE)
        budget = known["labs"][source.stem]
        core, all_cells = (f"{budget[key] / 60:.1f}" for key in ("core_seconds", "seconds"))
        count = len(exercise_ids(source.name[:2]))
        name = title[1] if title else source.stem
        lines.append(
            f"| [{name}](labs/{source.stem}.ipynb) | {count} | {core} | {all_cells} | {budget['peak_rss_gib']:.1f} GiB |"
        )
    note = f"Minutes that the cells compute, measured on {known['cores']} cores without a GPU; your own time comes on top."
    return "\n".join([*lines, "", note, ""])


def with_labs(readme: str) -> str:
    """The README with its table of labs brought up to date."""
    return BLOCK.sub(lambda _: labs_table(), readme)


def machine_facts() -> dict[str, Any]:
    """What the measurements were taken on."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": limits.cores(),
        "memory_limit_gib": round(limits.gib(limits.memory_limit()), 1),
        "gpu": gpu,
        "gflops": round(doctor.gflops(), 1),
    }


def keep_budgets(measured: Mapping[str, Mapping[str, Any]], machine: Mapping[str, Any]) -> None:
    """Put measured seconds and peaks into labs/budgets.json and README.md; labs that were not measured keep theirs.

    The machine's speed in the file is that of the day on which all labs were measured together.
    """
    earlier = {} if len(measured) == len(sources()) else doctor.budgets()
    budgets = {name: {key: lab[key] for key in ("seconds", "core_seconds", "peak_rss_gib")} for name, lab in measured.items()}
    budgets = dict(sorted({**earlier.get("labs", {}), **budgets}.items()))
    kept = {**{key: earlier.get(key, machine[key]) for key in ("gflops", "cores")}, "labs": budgets}
    (ROOT / "labs" / "budgets.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    README.write_text(with_labs(README.read_text(encoding="utf-8")), encoding="utf-8")


def main(
    labs: Annotated[Optional[list[str]], typer.Argument(help="Numbers of labs; all by default.")] = None,
    save: Annotated[bool, typer.Option("--save", help="Also keep the measured budgets in labs/budgets.json.")] = False,
) -> None:
    """Run, measure, write."""
    REPORT.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"release": __version__, "machine": machine_facts(), "profile": settings.profile(), "labs": {}}
    for source in sources():
        if labs and source.name[:2] not in labs:
            continue
        console.print(f"{source.stem} ...")
        try:
            entry, html = run_lab(source)
        except CellExecutionError as error:
            sys.exit(f"{source.stem} failed: {error.ename}: {error.evalue}")
        report["labs"][source.stem] = entry
        (REPORT / f"{source.stem}.html").write_text(html, encoding="utf-8")
        console.print(
            f"  {entry['seconds']:.0f} s, peak {entry['peak_rss_gib']:.2f} GiB, checks {entry['checks']['passed']} of {entry['checks']['total']}"
        )
    (REPORT / "results.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (REPORT / "index.html").write_text(index(report), encoding="utf-8")
    console.print(f"Written: {REPORT / 'index.html'}")
    if save:
        keep_budgets(report["labs"], report["machine"])


if __name__ == "__main__":
    typer.run(main)
