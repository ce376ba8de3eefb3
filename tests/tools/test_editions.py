"""The authoring tool, on good notebooks and on deliberately broken ones; and the notebooks of this repository."""

from __future__ import annotations

import copy
import importlib.util
import sys

import build
import editions
import nbformat
import pytest

SOURCES = editions.sources()
BOTH = ("learner", "solutions")
PAIRS = [(source, edition) for source in SOURCES for edition in BOTH]
NAMES = [f"{source.stem}-{edition}" for source, edition in PAIRS]


@pytest.mark.parametrize("source, edition", PAIRS, ids=NAMES)
def test_a_notebook_is_in_step_with_its_source_and_without_complaint(source, edition):
    notebook = nbformat.read(editions.target(source, edition), as_version=4)
    assert list(editions.complaints(notebook, edition)) == []
    assert build.fresh(source, edition)


def test_the_hints_are_in_step_with_the_sources():
    assert build.ANSWERS.read_text(encoding="utf-8") == editions.answers_text()
    assert all(set(answer) == {"stub", "solution"} for answer in editions.answers().values())


@pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])
def test_cells_are_short_text_is_plentiful_and_most_outputs_are_compared(source):
    notebook = nbformat.read(editions.target(source, "solutions"), as_version=4)
    style = editions.style(notebook)
    assert style["median_lines"] <= 6 and style["p90_lines"] <= 20
    assert 1.2 <= style["text_per_code"] <= 2.0
    assert editions.compared_share(notebook) >= 0.5


@pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])
def test_an_untouched_learner_notebook_ran_to_its_end_with_every_exercise_open(source):
    notebook = nbformat.read(editions.target(source, "learner"), as_version=4)
    shown = [o.data.get("text/plain", "") for c in editions.code_cells(notebook) for o in c.outputs if "data" in o]
    posed = [c.metadata["exercise"] for c in editions.code_cells(notebook) if "exercise" in c.metadata]
    open_ones = [text for text in shown if "not answered yet" in text]
    assert len(open_ones) == len(posed) > 0


# --- broken notebooks: each breaks one rule of a good one -----------------------------------------------------------

LAB = SOURCES[0]


@pytest.fixture
def good() -> nbformat.NotebookNode:
    return nbformat.read(editions.target(LAB, "learner"), as_version=4)


def seal(notebook):
    notebook.metadata["llm_labs"]["inputs"] = editions.digest(notebook)
    return notebook


def problems(notebook) -> str:
    return "; ".join(editions.complaints(notebook, "learner"))


def first_code(notebook, test=lambda cell: True):
    return next(cell for cell in editions.code_cells(notebook) if test(cell))


def test_the_good_notebook_is_good(good):
    assert problems(good) == ""


def test_an_unexecuted_cell(good):
    editions.code_cells(good)[2].execution_count = None
    assert "code cell 3 was never executed" in problems(good)


def test_cells_run_out_of_order(good):
    cells = editions.code_cells(good)
    cells[0].execution_count, cells[1].execution_count = 2, 1
    assert "from top to bottom" in problems(good)


def test_a_stored_error(good):
    first_code(good).outputs.append(nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[]))
    assert "stored error, ValueError" in problems(good)


def test_output_on_stderr(good):
    first_code(good).outputs.append(nbformat.v4.new_output("stream", name="stderr", text="warning"))
    assert "stderr" in problems(good)


def test_a_solution_leaking_by_its_text(good):
    id, answer = "0.1", editions.answers()["0.1"]
    first_code(good).source += "\n" + answer["solution"]
    assert f"the solution of exercise {id} leaks" in problems(seal(good))


def test_a_solution_leaking_by_its_cell(good):
    cell = first_code(good, lambda c: "exercise" in c.metadata)
    cell.metadata["tags"] = ["solution"]
    assert "leaks" in problems(good)


def test_an_exercise_without_a_check(good):
    cell = first_code(good, lambda c: "exercise" in c.metadata)
    cell.source = cell.source.replace('check("0.1"', 'print("0.1"')
    assert "exercise 0.1 has no check" in problems(seal(good))


def test_a_check_without_an_exercise(good):
    first_code(good).source += '\ncheck("0.9", print)'
    assert "check 0.9 has no exercise" in problems(seal(good))


def test_stale_output(good):
    first_code(good).source += "\n# changed after the run"
    assert "stale" in problems(good)


def test_an_image_without_alt_text(good):
    cell = first_code(good, lambda c: any("image/png" in o.get("data", {}) for o in c.outputs))
    for output in cell.outputs:
        output.metadata = {}
    assert "image without alt text" in problems(good)


def test_an_html_image_without_alt_text(good):
    first_code(good).outputs.append(nbformat.v4.new_output("display_data", data={"text/html": "<img src='x'>"}))
    assert "image without alt text" in problems(good)


def test_a_widget_view_that_nobody_can_open(good):
    first_code(good).outputs.append(nbformat.v4.new_output("display_data", data={editions.WIDGET: {"model_id": "x"}}))
    assert "widget view" in problems(good)
    editions.tidy(good)
    assert "widget view" not in problems(good)


def test_a_trailing_semicolon(good):
    first_code(good).source += ";"
    assert "semicolon" in problems(seal(good))


def test_a_device_cell_that_nothing_checks(good):
    for cell in editions.code_cells(good):
        cell.source = cell.source.replace("assert ", "print ").replace("check(", "print(")
    assert "no check asserts the property" in problems(seal(good))


def test_too_few_compared_cells(good):
    for cell in editions.code_cells(good):
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), editions.IGNORE]
    assert "only 0% of the code cells are compared" in problems(good)


# --- building -------------------------------------------------------------------------------------------------------


def test_learners_get_stubs_and_solutions_get_answers():
    learner, solutions = editions.make(LAB, "learner"), editions.make(LAB, "solutions")
    assert not any(editions.tags(c) & {"solution", "instructor"} for c in learner.cells)
    assert not any(editions.tags(c) & {"exercise", "instructor"} for c in solutions.cells)
    assert [c.id for c in learner.cells] == [c.id for c in editions.make(LAB, "learner").cells]
    assert len({c.id for c in learner.cells}) == len(learner.cells)


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


def test_the_tools_import_without_running_anything():
    for name in ("report", "validate", "running", "sandbox", "lock"):
        if name == "sandbox" and sys.platform == "win32":
            continue
        assert importlib.util.find_spec(name) is not None
