"""The authoring tool, on good notebooks and on deliberately broken ones; and the notebooks of this repository."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import sys

import build
import editions
import nbformat
import pytest
import spoilers
import validate

SOURCES = editions.sources()
BOTH = ("learner", "solutions")
PAIRS = [(source, edition) for source in SOURCES for edition in BOTH]
NAMES = [f"{source.stem}-{edition}" for source, edition in PAIRS]
GUESSED = [source for source in SOURCES if 'predict("' in source.read_text(encoding="utf-8")]  # labs with predictions
# Labs whose cells are longer, or texts fewer, than style asks: (median of lines, text cells per code cell). To shrink, not to grow.
DENSE = {
    "03_in_context_learning": (10, 0.78),
    "04_quantization_memory": (6, 0.8),
    "05_full_and_lora_fine_tuning": (7, 1.2),
    "06_rouge_bleu_evaluation": (8, 0.83),
    "07_forgetting_and_other_methods": (9, 1.0),
    "08_pretraining_and_scaling": (7, 0.85),
    "09_retrieval_and_programs": (10, 0.7),
    "10_preferences": (10, 0.76),
}
every_lab = pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])


@pytest.mark.parametrize("source, edition", PAIRS, ids=NAMES)
def test_a_notebook_is_in_step_with_its_source_and_without_complaint(source, edition):
    notebook = nbformat.read(editions.target(source, edition), as_version=4)
    assert list(editions.complaints(notebook, edition)) == []
    assert build.fresh(source, edition)


def test_the_hints_are_in_step_with_the_sources():
    assert build.ANSWERS.read_text(encoding="utf-8") == editions.answers_text()
    assert all(set(answer) == {"stub", "solution"} for answer in editions.answers().values())


@every_lab
def test_cells_are_short_text_is_plentiful_and_most_outputs_are_compared(source):
    notebook = nbformat.read(editions.target(source, "solutions"), as_version=4)
    style = editions.style(notebook)
    median, ratio = DENSE.get(source.stem, (6, 1.2))
    assert style["median_lines"] <= median and style["p90_lines"] <= 20
    assert ratio <= style["text_per_code"] <= 2.0
    assert editions.compared_share(notebook) >= 0.5


@pytest.mark.parametrize("source", GUESSED, ids=[source.stem for source in GUESSED])
def test_no_assert_gives_a_result_away(source):
    cells = editions.code_cells(editions.make(source, "learner"))
    assert list(spoilers.spoilers([cell.source for cell in cells])) == []


@every_lab
def test_the_learner_edition_is_the_solutions_with_stubs_for_answers(source):
    learner, solutions = (nbformat.read(editions.target(source, edition), as_version=4) for edition in BOTH)
    assert list(editions.differences(learner, solutions)) == []
    stubs = {cell.metadata["exercise"]: cell.source for cell in learner.cells if "exercise" in editions.tags(cell)}
    answers = {cell.metadata["exercise"]: cell.source for cell in solutions.cells if "solution" in editions.tags(cell)}
    assert stubs.keys() == answers.keys() and stubs
    assert [id for id in stubs if stubs[id] == answers[id]] == []


# --- broken notebooks: each breaks one rule of a good one -----------------------------------------------------------

LAB = SOURCES[0]


@pytest.fixture
def good() -> nbformat.NotebookNode:
    """The learner's notebook of a lab."""
    return nbformat.read(editions.target(LAB, "learner"), as_version=4)


@pytest.fixture
def solved() -> nbformat.NotebookNode:
    """The solutions of the same lab, executed."""
    return nbformat.read(editions.target(LAB, "solutions"), as_version=4)


def rebuilt(notebook):
    """The notebook as if it had been built with the inputs that it has now."""
    notebook.metadata["llm_labs"]["inputs"] = editions.digest(notebook)
    return notebook


def problems(notebook) -> str:
    return "; ".join(editions.complaints(notebook, notebook.metadata["llm_labs"]["edition"]))


def first_code(notebook, test=lambda cell: True):
    return next(cell for cell in editions.code_cells(notebook) if test(cell))


def test_the_good_notebooks_are_good(good, solved):
    assert problems(good) == problems(solved) == ""


def test_outputs_in_a_learners_notebook(good):
    editions.code_cells(good)[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="42")]
    assert "code cell 2 was executed" in problems(good)


def test_an_execution_count_in_a_learners_notebook(good):
    editions.code_cells(good)[2].execution_count = 3
    assert "code cell 3 was executed" in problems(good)


def test_solutions_without_a_run(solved):
    for cell in editions.code_cells(solved):
        cell.outputs, cell.execution_count = [], None
    assert "code cell 1 was never executed" in problems(solved)


def test_an_unexecuted_cell(solved):
    editions.code_cells(solved)[2].execution_count = None
    assert "code cell 3 was never executed" in problems(solved)


def test_cells_run_out_of_order(solved):
    cells = editions.code_cells(solved)
    cells[0].execution_count, cells[1].execution_count = 2, 1
    assert "from top to bottom" in problems(solved)


def test_a_stored_error(solved):
    first_code(solved).outputs.append(nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[]))
    assert "stored error, ValueError" in problems(solved)


def test_output_on_stderr(solved):
    first_code(solved).outputs.append(nbformat.v4.new_output("stream", name="stderr", text="warning"))
    assert "stderr" in problems(solved)


def test_a_solution_leaking_by_its_text(good):
    id, answer = "0.1", editions.answers()["0.1"]
    first_code(good).source += "\n" + answer["solution"]
    assert f"the solution of exercise {id} leaks" in problems(rebuilt(good))


def test_a_solution_leaking_by_its_cell(good):
    cell = first_code(good, lambda c: "exercise" in c.metadata)
    cell.metadata["tags"] = ["solution"]
    assert "leaks" in problems(good)


def test_an_exercise_without_a_check(good):
    cell = first_code(good, lambda c: "exercise" in c.metadata)
    cell.source = cell.source.replace('check("0.1"', 'print("0.1"')
    assert "exercise 0.1 has no check" in problems(rebuilt(good))


def test_a_check_without_an_exercise(good):
    first_code(good).source += '\ncheck("0.9", print)'
    assert "check 0.9 has no exercise" in problems(rebuilt(good))


def test_inputs_changed_after_the_build(good, solved):
    for notebook in (good, solved):
        first_code(notebook).source += "\n# changed after the run"
        assert "the inputs were changed" in problems(notebook)


def test_an_image_without_alt_text(solved):
    cell = first_code(solved, lambda c: any("image/png" in o.get("data", {}) for o in c.outputs))
    for output in cell.outputs:
        output.metadata = {}
    assert "image without alt text" in problems(solved)


def test_an_html_image_without_alt_text(solved):
    first_code(solved).outputs.append(nbformat.v4.new_output("display_data", data={"text/html": "<img src='x'>"}))
    assert "image without alt text" in problems(solved)


def test_a_widget_view_that_nobody_can_open(solved):
    first_code(solved).outputs.append(nbformat.v4.new_output("display_data", data={editions.WIDGET: {"model_id": "x"}}))
    assert "widget view" in problems(solved)
    editions.tidy(solved)
    assert "widget view" not in problems(solved)


def test_a_trailing_semicolon(good):
    first_code(good).source += ";"
    assert "semicolon" in problems(rebuilt(good))


def test_a_device_cell_that_nothing_checks(good):
    for cell in editions.code_cells(good):
        cell.source = cell.source.replace("assert ", "print ").replace("check(", "print(")
    assert "no check asserts the property" in problems(rebuilt(good))


def test_too_few_compared_cells(good):
    for cell in editions.code_cells(good):
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), editions.IGNORE]
    assert "only 0% of the code cells are compared" in problems(good)


# --- two editions that differ where they should not -----------------------------------------------------------------


def differing(good, solved) -> str:
    return "; ".join(editions.differences(good, solved))


def test_the_editions_agree(good, solved):
    assert differing(good, solved) == ""


def test_a_cell_that_only_one_edition_has(good, solved):
    good.cells.insert(3, nbformat.v4.new_markdown_cell("only here"))
    assert "cell 4: ('markdown', 'only here')" in differing(good, solved)


def test_a_source_that_differs(good, solved):
    first_code(solved, lambda c: "exercise" not in c.metadata).source += "\nprint(42)"
    assert "print(42)" in differing(good, solved)


def test_cells_in_another_order(good, solved):
    good.cells[1], good.cells[2] = good.cells[2], good.cells[1]
    assert "cell 2" in differing(good, solved) and "cell 3" in differing(good, solved)


def test_a_tag_that_differs(good, solved):
    cell = first_code(good, lambda c: editions.IGNORE in editions.tags(c))
    cell.metadata["tags"] = []
    assert "in the learner's notebook" in differing(good, solved)


def test_an_answer_in_another_exercises_place(good, solved):
    first_code(solved, lambda c: "solution" in editions.tags(c)).metadata["exercise"] = "9.9"
    assert "('answer', '9.9') in the solutions" in differing(good, solved)


# --- building -------------------------------------------------------------------------------------------------------


def test_learners_get_stubs_and_solutions_get_answers():
    learner, solutions = editions.make(LAB, "learner"), editions.make(LAB, "solutions")
    assert not any(editions.tags(c) & {"solution", "instructor"} for c in learner.cells)
    assert not any(editions.tags(c) & {"exercise", "instructor"} for c in solutions.cells)
    assert [c.id for c in learner.cells] == [c.id for c in editions.make(LAB, "learner").cells]
    assert len({c.id for c in learner.cells}) == len(learner.cells)


def test_the_learner_edition_is_written_without_a_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "run", lambda *_: pytest.fail("a learner's notebook was executed"))
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setitem(editions.FOLDERS, "learner", tmp_path / "labs")
    assert build.build(LAB, "learner", {}) and build.fresh(LAB, "learner")


def test_a_persons_work_is_kept_aside_before_a_build(tmp_path, good):
    path = tmp_path / "00_start_here.ipynb"
    work = copy.deepcopy(good)
    first_code(work).source = "my_answer = 42"
    nbformat.write(work, path)
    build.keep_aside(path)
    kept = list(tmp_path.glob("*.mine-*.ipynb"))
    assert len(kept) == 1 and not path.exists()
    assert "my_answer = 42" in kept[0].read_text(encoding="utf-8")


def test_an_untouched_notebook_is_not_kept_aside(tmp_path, good):
    path = tmp_path / "00_start_here.ipynb"
    nbformat.write(good, path)
    build.keep_aside(path)
    assert path.exists() and not list(tmp_path.glob("*.mine-*"))


def test_the_readme_shows_the_labs_with_their_measured_budgets():
    import report

    readme = report.README.read_text(encoding="utf-8")
    assert readme == report.with_labs(readme)
    assert all(source.stem in readme for source in SOURCES)


def test_the_report_counts_what_the_progress_file_holds_as_passed(tmp_path):
    import report

    posed = sorted(report.exercise_ids("02"))
    assert report.checks("02", tmp_path) == {"passed": 0, "total": len(posed)}
    entries = {posed[0]: True, posed[1]: False, posed[2]: True, "2.a": True, "3.1": True}
    progress = {"version": 1, "exercises": {id: {"passed": passed, "tries": 1, "hints": 0} for id, passed in entries.items()}}
    (tmp_path / "progress.json").write_text(json.dumps(progress), encoding="utf-8")
    assert report.checks("02", tmp_path) == {"passed": 2, "total": len(posed)}


# --- notebooks side by side -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cores", "available", "peaks", "expected"),
    [
        (2, 24.0, [1.0, 3.1], 2),
        (2, 24.0, [1.0], 1),  # no more than there are notebooks
        (8, 16.0, [1.0, 3.2, 1.0, 1.0, 1.0], 4),  # four times 3.2 and what stands beside each fit into 16
        (2, 4.0, [3.1, 3.1], 1),
        (4, 0.5, [3.1, 3.1], 1),  # one runs in any case
    ],
)
def test_as_many_notebooks_at_a_time_as_cores_and_memory_allow(cores, available, peaks, expected):
    assert validate.at_a_time(cores, available, peaks) == expected


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds no process to cores")
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_worker_has_cores_and_none_lies_idle(workers, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 4, 6})
    shares = validate.shares(workers)
    assert len(shares) == workers and all(shares)
    assert sorted(core for share in shares for core in share) == [0, 2, 4, 6]


def test_the_longest_notebook_comes_first_and_a_persons_copy_not_at_all(tmp_path):
    for name in ("00_start_here", "05_full_and_lora_fine_tuning", "03_in_context_learning", "05_full.mine-20260101-000000"):
        (tmp_path / f"{name}.ipynb").touch()
    assert [path.name[:2] for path in validate.notebooks([tmp_path])] == ["05", "03", "00"]


def test_the_tools_import_without_running_anything():
    for name in ("report", "validate", "running", "sandbox", "lock"):
        if name == "sandbox" and sys.platform == "win32":
            continue
        assert importlib.util.find_spec(name) is not None


def test_the_instructors_edition_takes_the_outputs_of_the_solutions(tmp_path, monkeypatch):
    monkeypatch.setitem(editions.FOLDERS, "instructor", tmp_path)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "run", lambda *_: pytest.fail("it was executed again"))
    monkeypatch.setattr(build.console, "print", lambda *_, **__: None)
    assert build.build(LAB, "instructor", {})
    made, solved = (build.read(editions.target(LAB, name)) for name in ("instructor", "solutions"))
    assert [c.outputs for c in editions.code_cells(made)] == [c.outputs for c in editions.code_cells(solved)]
    assert len(made.cells) > len(solved.cells)


def test_outputs_are_not_carried_where_a_cell_differs(tmp_path):
    other = editions.make(LAB, "instructor")
    editions.code_cells(other)[1]["id"] = "another"
    assert not build.carried(other, editions.target(LAB, "solutions"))
    assert not build.carried(editions.make(LAB, "solutions"), tmp_path / "never_built.ipynb")
    assert not any(cell.outputs for cell in editions.code_cells(other))


@pytest.mark.parametrize("change, force, runs", [("text", False, 0), ("text", True, 1), ("code", False, 1)])
def test_a_solution_is_executed_again_where_its_code_changed_and_its_outputs_stay_where_only_text_did(
    tmp_path, monkeypatch, change, force, runs
):
    source, ran = tmp_path / LAB.name, []
    before = LAB.read_text(encoding="utf-8")
    after = before.replace("# %% [markdown]\n", "# %% [markdown]\n# One more sentence.\n#\n", 2)
    if change == "code":
        after = before + "\n# %%\nprint(6 * 7)\n"
    source.write_text(after, encoding="utf-8")
    executed = build.read(editions.target(LAB, "solutions"))
    monkeypatch.setitem(editions.FOLDERS, "solutions", tmp_path)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "run", lambda *_: ran.append(1) or {"seconds": 1.0, "peak_rss_gib": 1.0})
    monkeypatch.setattr(build.console, "print", lambda *_, **__: None)
    nbformat.write(executed, tmp_path / f"{LAB.stem}.ipynb")
    build.build(source, "solutions", {}, force)
    made = build.read(editions.target(source, "solutions"))
    assert len(ran) == runs and made.cells != executed.cells
    if not runs:
        assert build.fresh(source, "solutions")
        assert [c.outputs for c in editions.code_cells(made)] == [c.outputs for c in editions.code_cells(executed)]
