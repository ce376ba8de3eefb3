"""`make proof`: one table of what the course promises, and what was measured. Writes build/report/proof.html and proof.json.

Seconds and memory of the labs are those of labs/budgets.json, which a run of all labs on a quiet machine wrote; everything else is measured
now: start-up, disk, the checks of every exercise against their wrong and right answers, the public functions under odd input, what the
tests show after each fault, the walls of the sandbox, the names taken from the libraries. What the longer targets and the benchmarks of
speed and growth found is read from build/, and where they have not run in this checkout, from benchmarks/proof.json, with its day and
commit; `python tools/proof.py --keep` writes what lies in build/ into that record first. Exits with 1 if a promise is not kept.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import api_gate
import longer_runs
import sandbox
from editions import ROOT, sources, target
from rich.console import Console
from rich.table import Table
from running import read

from labutils.course import assets, doctor, plots
from labutils.exercises.registry import exercises

REPORT = ROOT / "build" / "report"
PEAK_GIB, DISK_GB = 3.2, 4.0
MINUTES = {"05": 9, **{f"{n:02}": 4 for n in (0, 1, 2, 3, 4, 6)}}  # of a lab, all cells; 6 of a later one
FIRST_SEVEN = 20  # minutes of labs 00 to 06 together
SECONDS = {"import labutils": 0.3, "from labutils import load_model; load_model()": 3.0}
SLACK = 0.3  # of a measured exponent
BESIDE = 0.9  # of the speed of the plain library call: the same, and room for noise
SHARES = {"of the memory's bandwidth": 0.6, "of the matrix peak": 0.65}
FED = "tests/test_public_doors.py"
JUDGED = "tests/exercises/test_exercises.py"


@dataclass(frozen=True)
class Promise:
    """One line of the table; `kept` is None where nothing was measured."""

    what: str
    promised: str
    measured: str
    kept: bool | None


def at_most(what: str, limit: float, value: float, unit: str, digits: int = 1) -> Promise:
    """A promise with an upper bound."""
    return Promise(what, f"at most {limit:g} {unit}", f"{value:.{digits}f} {unit}", value <= limit)


def labs() -> Iterator[Promise]:
    """Minutes and peak memory of each lab, and of the first seven together."""
    measured = doctor.budgets()["labs"]
    for source in sources():
        lab, budget = source.name[:2], measured.get(source.stem)
        if budget is None:
            yield Promise(f"lab {lab}", "measured", "not yet", None)
            continue
        core = at_most(f"lab {lab}: all cells", MINUTES.get(lab, 6), budget["seconds"] / 60, "min")
        yield replace(core, measured=f"{core.measured}, of it the core path {budget['core_seconds'] / 60:.1f}")
        yield at_most(f"lab {lab}: peak of its kernel", PEAK_GIB, budget["peak_rss_gib"], "GiB", 2)
    first = [measured[s.stem]["seconds"] for s in sources() if s.name[:2] <= "06" and s.stem in measured]
    yield at_most("labs 00 to 06 one after another", FIRST_SEVEN, sum(first) / 60, "min")


def start_up(repeats: int = 5) -> Iterator[Promise]:
    """Import and second load in fresh processes: the fastest of several, since other work only adds."""
    for code, limit in SECONDS.items():
        timed = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
        runs = [subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True) for _ in range(repeats)]
        yield at_most(code, limit, min(float(run.stdout.split()[-1]) for run in runs), "s", 2)


def size_of(folder: Path) -> int:
    """Bytes of all files under a folder, hard links once."""
    seen: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            status = (Path(place) / name).lstat()
            seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def disk() -> Iterator[Promise]:
    """Environment, models and notebooks; and no CUDA package in an environment for a CPU."""
    import torch

    parts = {"environment": Path(sys.prefix), "models": assets.models_folder(), "labs": ROOT / "labs"}
    sizes = {name: size_of(folder) / 1e9 for name, folder in parts.items()}
    split = ", ".join(f"{name} {value:.2f}" for name, value in sizes.items())
    total = sum(sizes.values())
    yield Promise("disk: environment, models, labs", f"at most {DISK_GB:g} GB", f"{total:.2f} GB ({split})", total <= DISK_GB)
    heavy = [path.name for path in Path(sys.prefix).glob("lib/python*/site-packages/nvidia*")]
    if torch.version.cuda is None:
        yield Promise("packages of nvidia in a CPU install", "none", str(len(heavy)), not heavy)


def cases(*tests: str) -> list[ElementTree.Element]:
    """Run tests; pytest's record of each."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", f"--junitxml={file}", *tests]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        return list(ElementTree.parse(file).iter("testcase"))


def passed(case: ElementTree.Element) -> bool:
    """Whether a test did not fail."""
    return case.find("failure") is None and case.find("error") is None


def ran(*tests: str) -> dict[str, list[tuple[str, bool]]]:
    """Run tests; {test function: [(its parameters, passed), ...]}."""
    found: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for case in cases(*tests):
        name, _, parameters = case.attrib["name"].partition("[")
        found[name].append((parameters.rstrip("]"), passed(case)))
    return found


def faults(records: Iterable[ElementTree.Element]) -> tuple[Promise, list[tuple[str, ...]]]:
    """What is shown of every fault, from the records of the tests that are marked with one: the promise, and a row per fault and test.

    A row has the fault, what the test shows (the first line of its docstring, or its name), the test, and how many of its runs passed.
    """
    found: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for case in records:
        noted = {note.attrib["name"]: note.attrib["value"] for note in case.iter("property")}
        name = case.attrib["name"].partition("[")[0]
        shows = noted["shows"] or f"{name.removeprefix('test_').replace('_', ' ').capitalize()}."
        where = case.attrib["classname"].split(".")[-1]
        result = "skipped" if case.find("skipped") is not None else "passed" if passed(case) else "failed"
        found[noted["fault"], shows, f"{where}::{name}"][result] += 1
    rows: list[tuple[str, ...]] = [(*key, f"{results['passed']} of {results.total()}") for key, results in sorted(found.items())]
    everything: Counter[str] = sum(found.values(), Counter())
    kinds, skipped = len({fault for fault, _, _ in found}), everything["skipped"]
    measured = f"{everything['passed']} of {everything.total()} tests of {kinds} faults" + f", {skipped} not here" * bool(skipped)
    kept = bool(found) and not everything["failed"] if not skipped or everything["failed"] else None
    return Promise("after a fault: nothing lost, one sentence, a re-run that works", "all", measured, kept), rows


KINDS = {  # what the tests of the exercises show, by test
    "test_each_mistake_is_named_by_its_own_message": "named mistakes",
    "test_typed_wrong_answers_get_a_telling_message": "wrong, told why",
    "test_a_plausible_wrong_answer_is_refused": "wrong, refused",
    "test_an_unusual_right_answer_is_accepted": "right, accepted",
    "test_the_solution_in_the_notebook_passes": "solution",
    "test_the_stub_in_the_notebook_is_open": "stub",
}


def checks() -> tuple[list[Promise], list[tuple[str, ...]]]:
    """Every exercise against its wrong and right answers: the promises, and a row per exercise."""
    found = ran(JUDGED)
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    for test, kind in KINDS.items():
        for parameters, passed in found[test]:
            id = re.match(r"\d+\.\d+", parameters)
            if id:
                tally[id[0]][kind] += passed
                tally[id[0]][f"{kind} in all"] += 1
    rows = []
    for exercise in exercises():
        have = tally[exercise.id]
        named = len(exercise.mistakes) if have["named mistakes"] else 0
        counts = [f"{have[kind]} of {have[f'{kind} in all']}" for kind in list(KINDS.values())[1:]]
        rows.append((exercise.id, f"{named} of {len(exercise.mistakes)}", *counts))
    lines = []
    for kind in KINDS.values():
        good, all_of = (sum(have[name] for have in tally.values()) for name in (kind, f"{kind} in all"))
        what = f"exercises whose {kind} are told apart" if kind == "named mistakes" else f"answers of exercises: {kind}"
        lines.append(Promise(what, "all", f"{good} of {all_of}", good == all_of > 0))
    return lines, rows


def cells() -> Promise:
    """Every output of a solution notebook is compared, or asserted by the cell itself."""
    compared = asserted = silent = 0
    for source in sources():
        for cell in read(target(source, "solutions")).cells:
            if cell.cell_type == "code":
                device = "device" in cell.metadata.get("tags", [])
                compared += not device
                asserted += device and "assert" in cell.source
                silent += device and "assert" not in cell.source
    return Promise(
        "code cells that nbval compares, or that assert", "all", f"{compared} + {asserted}, {silent} neither", not silent
    )


def doors() -> Promise:
    """Public functions under odd input."""
    outcomes = [passed for runs in ran(FED).values() for _, passed in runs]
    return Promise(
        "public functions under odd input",
        "a value or the documented error",
        f"{sum(outcomes)} of {len(outcomes)}",
        all(outcomes),
    )


def walls() -> Promise:
    """Whether this machine can take the network away and limit memory."""
    code = "import os, sandbox; group = sandbox.limit_memory(4 << 30); print(bool(sandbox.network_prefix()), bool(group))"
    code += "; group and sandbox.remove(group)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(sandbox.__file__).parent, capture_output=True, text=True
    ).stdout.split()
    return Promise("walls of the sandbox: network, memory", "both", ", ".join(said), said == ["True", "True"])


def names() -> Promise:
    """What the course takes from its libraries is there."""
    gone = api_gate.moved(path for folder in api_gate.FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return Promise("names and keywords of the libraries that are missing", "none", ", ".join(gone) or "none", not gone)


def lines_left(name: str, what: str, promised: str, target: str, say: Callable[[Any], Iterable[Promise]]) -> Iterator[Promise]:
    """What `say` makes of a longer target's result, with the day and commit of a run that was not made here; one line where it has not run."""
    found = longer_runs.found(name)
    if not found:
        yield Promise(what, promised, f"{target} has not run", None)
        return
    facts, when = found
    for line in say(facts):
        yield replace(line, measured=line.measured + when)


def left(name: str, what: str, promised: str, target: str, say: Callable[[Any], tuple[str, bool | None]]) -> Iterator[Promise]:
    """The line of a longer target, from what it left: what it measured, and whether the promise is kept."""
    return lines_left(name, what, promised, target, lambda facts: [Promise(what, promised, *say(facts))])


def speeds(facts: dict[str, Any]) -> Iterator[Promise]:
    """Rates beside the plain library call and beside the machine's limits, and where the rest of the time goes."""
    for line in facts["lines"]:
        ratio = line["ours"] / line["theirs"]
        said = f"{line['ours']:.4g} {line['unit']}, {ratio:.2f} times {line['plain']}"
        yield Promise(f"speed: {line['what']}", f"at least {BESIDE:g} times the library", said, ratio >= BESIDE)
        if line["share"] is not None:
            least = SHARES[line["limit"]]
            said = f"{line['share']:.0%} ({line['rest']})"
            yield Promise(f"speed: {line['what']}", f"at least {least:.0%} {line['limit']}", said, line["share"] >= least)


def growth(lines: Iterable[dict[str, Any]]) -> Iterator[Promise]:
    """The measured exponent of each cost, beside the one that its algorithm needs."""
    for line in lines:
        limit, exponent = line["needed"] + SLACK, line["exponent"]
        promised = f"exponent {line['needed']:g}, at most {limit:g}"
        yield Promise(f"growth: {line['what']}", promised, f"{exponent:.2f}", exponent <= limit)


def longer() -> Iterator[Promise]:
    """What the longer targets left: every right answer in its notebook, many runs of each, the walls, CUDA, how costs grow."""
    yield from left(
        "below", "right answers that run in the cells below them", "all", "`make test-below`",
        lambda f: (f"{f['answers']} answers, {f['failed rounds']} rounds failed", not f["failed rounds"]),
    )  # fmt: skip
    yield from left(
        "repeats", "notebooks, again and again", "20 runs, all pass", "`make test-repeat`",
        lambda f: (f"{f['passed']} of {f['runs']}, {f['notebooks']} notebooks", f["passed"] == f["runs"] if f["of each"] >= 20 else None),
    )  # fmt: skip
    yield from left(
        "limits", "both editions of every lab: no network, 4 GiB, a 5 GB disk, two cores, not root", "all pass", "`make test-limits`",
        lambda f: (
            f"{f['passed']} of {f['notebooks']}, {f['killed']} processes killed, {f['disk GB']} GB on the disk",
            f["passed"] == f["notebooks"] and not f["killed"],
        ),
    )  # fmt: skip
    yield from left(
        "gpu", "labs on CUDA", "all pass", "unproven: `make test-gpu`",
        lambda f: (f"{f['passed']} of {f['runs']} on {f['gpu']}", f["passed"] == f["runs"]),
    )  # fmt: skip
    yield from lines_left("speed", "speed", "beside the library and the machine's limits", "`python benchmarks/speed.py`", speeds)
    yield from lines_left("growth", "how costs grow", "as the algorithm needs", "`python benchmarks/growth.py`", growth)


def page(promises: Iterable[Promise], rows: Iterable[tuple[str, ...]], shown: Iterable[tuple[str, ...]] = ()) -> str:
    """The tables as a web page that stands alone."""
    marks = {True: "kept", False: "NOT kept", None: "not measured"}
    table = plots.table_html(
        ("what", "promised", "measured", ""), [(p.what, p.promised, p.measured, marks[p.kept]) for p in promises]
    )
    judged = plots.table_html(("exercise", *KINDS.values()), rows, "Every exercise: what its check was given, and judged rightly")
    after = plots.table_html(
        ("fault", "what is shown", "test", "passed"), shown, "Every fault: what the tests show after it, in their own words"
    )
    style = "body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}td,th{padding:.2em .8em;border-bottom:1px solid #ddd}table{border-collapse:collapse}"
    title = html.escape("LLM Labs: promised and measured")
    return f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{style}</style><h1>{title}</h1>{table}{judged}{after}</html>"


def main() -> int:
    """Measure, print, write; 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description="What the course promises, and what was measured.")
    parser.add_argument("--keep", action="store_true", help="first keep what the longer targets left in benchmarks/proof.json")
    if parser.parse_args().keep:
        print("Kept:", ", ".join(longer_runs.keep()) or "nothing, for none has run here")
    judged, rows = checks()
    after, shown = faults(cases("-m", "fault"))
    promises = [*labs(), *start_up(), *disk(), cells(), *judged, doors(), after, names(), walls(), *longer()]
    table = Table("what", "promised", "measured", "")
    for p in promises:
        table.add_row(
            p.what, p.promised, p.measured, {True: "kept", False: "[red]NOT kept[/]", None: "[yellow]not measured[/]"}[p.kept]
        )
    Console().print(table)
    REPORT.mkdir(parents=True, exist_ok=True)
    (REPORT / "proof.json").write_text(json.dumps([asdict(p) for p in promises], indent=1) + "\n", encoding="utf-8")
    (REPORT / "proof.html").write_text(page(promises, rows, shown), encoding="utf-8")
    return 1 if any(p.kept is False for p in promises) else 0


if __name__ == "__main__":
    sys.exit(main())
