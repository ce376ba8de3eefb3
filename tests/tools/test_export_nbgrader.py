"""A lab for nbgrader: the answers can be cleared, the tests are locked, and nothing else differs from the solutions."""

from __future__ import annotations

import ast
import re

import editions
import export_nbgrader
import nbformat
import pytest
from typer.testing import CliRunner

from labutils.errors import UnknownExercise
from labutils.exercises import check, score
from labutils.exercises.progress_file import load_progress
from labutils.exercises.registry import exercise_functions

SOURCES = editions.sources()


@pytest.fixture(scope="module", params=SOURCES, ids=[source.stem for source in SOURCES])
def lab(request) -> nbformat.NotebookNode:
    return export_nbgrader.assignment(request.param)


def with_role(notebook: nbformat.NotebookNode, role: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get(role)]


def cleared(source: str) -> str:
    """What nbgrader leaves of an answer."""
    return re.sub(r"( *)### BEGIN SOLUTION.*?### END SOLUTION", r"\1raise NotImplementedError", source, flags=re.DOTALL)


def test_every_exercise_has_an_answer_to_clear_and_a_locked_test(lab) -> None:
    answers, tests = with_role(lab, "solution"), with_role(lab, "grade")
    assert len(answers) == len(tests) >= 1
    names = [cell.metadata["nbgrader"]["grade_id"] for cell in [*answers, *tests]]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[\w-]+", name) for name in names)
    assert all(cell.metadata["nbgrader"]["locked"] and cell.metadata["nbgrader"]["points"] == 1 for cell in tests)
    for answer, test in zip(answers, tests, strict=True):
        assert lab.cells.index(test) == lab.cells.index(answer) + 1
    assert not any(editions.CHECK.search(cell.source) for cell in lab.cells if cell.cell_type == "code")
    nbformat.validate(lab)


def test_a_cleared_answer_is_a_stub_of_the_same_function(lab) -> None:
    for answer in with_role(lab, "solution"):
        whole, stub = ast.parse(answer.source), ast.parse(cleared(answer.source))
        assert [type(node) for node in whole.body] == [type(node) for node in stub.body]
        (ours,) = [node for node in whole.body if isinstance(node, ast.FunctionDef)][-1:]
        (theirs,) = [node for node in stub.body if isinstance(node, ast.FunctionDef)][-1:]
        assert ast.dump(ours.args) == ast.dump(theirs.args) and ast.get_docstring(ours) == ast.get_docstring(theirs)
        assert isinstance(theirs.body[-1], ast.Raise)


def test_stub_and_solution_that_do_not_begin_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="same `def`"):
        export_nbgrader.answer_source("def f(x):\n    return ...", "def g(x):\n    return x")


def test_the_remarks_of_a_stub_stay() -> None:
    stub = 'def f(x):\n    """Doc."""\n    # think\n    return ...\n\n\nf = check("1.1", f)'
    solution = 'def f(x):\n    """Doc."""\n    y = x\n    return y\n\n\nf = check("1.1", f)'
    expected = 'def f(x):\n    """Doc."""\n    # think\n    ### BEGIN SOLUTION\n    y = x\n    return y\n    ### END SOLUTION'
    assert export_nbgrader.answer_source(stub, solution) == expected


def test_a_course_folder_is_written_and_a_persons_configuration_stays(tmp_path) -> None:
    import typer

    app = typer.Typer()
    app.command()(export_nbgrader.main)
    done = CliRunner().invoke(app, ["2", str(tmp_path)])
    assert done.exit_code == 0 and "8 points" in done.output
    assert (tmp_path / "source" / "lab02" / "02_generation_configuration.ipynb").exists()
    config = tmp_path / "nbgrader_config.py"
    assert f"timeout = {export_nbgrader.timeout(['02'])}" in config.read_text()
    config.write_text("# mine\n")
    done = CliRunner().invoke(app, ["00", str(tmp_path)])
    assert config.read_text() == "# mine\n" and "is yours and stays" in done.output
    assert CliRunner().invoke(app, ["77", str(tmp_path)]).exit_code != 0


def test_a_limit_follows_the_labs_budget() -> None:
    assert export_nbgrader.timeout(["00"]) >= export_nbgrader.LEAST_TIMEOUT
    assert export_nbgrader.timeout(["00", "05"]) == export_nbgrader.timeout(["05"]) > export_nbgrader.timeout(["00"])
    assert export_nbgrader.timeout(["99"]) == export_nbgrader.LEAST_TIMEOUT


# --- what a grader's cell calls -------------------------------------------------------------------------------------


def right(parameters, bytes_per_parameter):
    return parameters * bytes_per_parameter / 1e9


def wrong(parameters, bytes_per_parameter):
    return 1.0


def stub(parameters, bytes_per_parameter):
    raise NotImplementedError


def test_a_right_answer_earns_its_point_and_is_handed_on() -> None:
    assert score("0.1", right) == (right, True)


@pytest.mark.parametrize("answer", [wrong, stub, None, 5], ids=["wrong", "stub", "None", "5"])
@pytest.mark.parametrize("strict", ["0", "1"])
def test_any_other_earns_none_and_the_reference_is_handed_on(answer, strict: str, monkeypatch) -> None:
    monkeypatch.setenv("LABS_STRICT", strict)
    assert score("0.1", answer) == (exercise_functions("0.1").reference, False)


def test_the_courses_own_function_earns_nothing() -> None:
    reference = exercise_functions("0.1").reference
    handed = check("0.1", wrong)
    assert score("0.1", reference)[1] is False and score("0.1", handed)[1] is False


def test_a_score_is_noted_as_a_check_is(home) -> None:
    score("0.1", wrong)
    assert load_progress().get("0.1").tries == 1
    with pytest.raises(UnknownExercise):
        score("9.9", wrong)
