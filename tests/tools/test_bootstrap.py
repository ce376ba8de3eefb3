"""Set-up on a bare Python: it refuses what cannot work, says what failed, and does nothing twice."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from paths import ROOT

SOURCE = ROOT / "tools" / "bootstrap.py"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The script as a module, with an environment in a scratch folder that is never really made, and plenty of disk."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    environment = tmp_path / "venv"
    python = environment / "bin" / "python"
    for name, value in {"VENV": environment, "PYTHON": python, "STAMP": environment / "llm-labs.json"}.items():
        assert hasattr(module, name)
        monkeypatch.setattr(module, name, value)

    def create(folder: str, **options: object) -> None:
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(venv, "create", create)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=10**12, used=0, free=10**12))
    return module


def run_with(bootstrap, monkeypatch: pytest.MonkeyPatch, answer: Callable[[list[str]], tuple[int, str]]) -> list[list[str]]:
    """Let `answer` give status and stderr of every command; the commands that were run."""
    ran: list[list[str]] = []

    def execute(arguments: tuple, show: bool = True) -> tuple[int, str]:
        ran.append([str(word) for word in arguments])
        return answer(ran[-1])

    monkeypatch.setattr(bootstrap, "execute", execute)
    monkeypatch.setattr(subprocess, "call", lambda arguments, **options: execute(arguments)[0])
    return ran


@pytest.fixture
def commands(bootstrap, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; each of them succeeds."""
    return run_with(bootstrap, monkeypatch, lambda command: (0, ""))


@pytest.fixture
def set_up(bootstrap, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str | None]:
    """Run the script with some arguments; the sentence it stops with, or None."""

    def run(*arguments: str) -> str | None:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["bootstrap.py", *arguments])
            try:
                bootstrap.main()
            except SystemExit as left:
                return str(left.code)
        return None

    return run


def installs(commands: list[list[str]]) -> list[list[str]]:
    return [command for command in commands if "pip" in command and "install" in command]


# --- an old Python --------------------------------------------------------------------------------------------------


def test_an_old_python_can_read_the_script() -> None:
    text = SOURCE.read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    # feature_version lets a few newer things pass; these are the ones that come to hand most easily.
    tree = ast.parse(text)
    assert not any(isinstance(node, (ast.NamedExpr, ast.Match)) for node in ast.walk(tree))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    # The one module of labutils that it imports, late, needs the standard library alone: tests/machine/test_pip_tool.py.
    assert (names | modules) - {"labutils.machine.pip_tool"} <= set(sys.stdlib_module_names) and names
    assert not any("labutils" in str(getattr(node, "module", "")) for node in tree.body)
    assert not modules & {"__future__"}


@pytest.mark.parametrize("version", [(3, 6, 9), (3, 9, 18), (3, 10, 13), (3, 14, 0), (4, 0, 0)])
def test_a_python_that_the_lock_does_not_cover_is_one_sentence(set_up, commands, version, monkeypatch, says) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    stopped = set_up()
    monkeypatch.undo()
    says(stopped, "Python {}.{} is not supported".format(*version), "3.11", "3.13")
    assert commands == []


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 11, 7), (3, 12, 1), (3, 13, 9)])
def test_a_python_that_the_lock_covers_is_taken(bootstrap, version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    bootstrap.check_python()


# --- set-up ---------------------------------------------------------------------------------------------------------


def test_a_fresh_set_up_installs_the_locks_and_labutils_and_then_nothing(set_up, commands, bootstrap) -> None:
    assert set_up() is None
    words = [word for command in installs(commands) for word in command]
    assert "requirements.lock" in words and "--editable" in words and "requirements-dev.lock" not in words
    assert any(word.startswith(f"torch=={bootstrap.locked_torch()}") for word in words)
    assert commands[-1] == [str(bootstrap.PYTHON), "-m", "labutils.cli", "setup"]
    commands.clear()
    assert set_up() is None
    assert commands == [[str(bootstrap.PYTHON), "-m", "labutils.cli", "setup"]]


@pytest.mark.parametrize("key", ["requirements.lock", "pyproject.toml", "python", "root", "torch"])
def test_an_environment_that_is_out_of_step_is_installed_again(set_up, commands, bootstrap, key: str) -> None:
    assert set_up("--torch", "cpu") is None
    stamp = json.loads(bootstrap.STAMP.read_text())
    bootstrap.STAMP.write_text(json.dumps({**stamp, key: "something else"}))
    commands.clear()
    assert set_up("--torch", "cpu") is None
    assert installs(commands)
    assert json.loads(bootstrap.STAMP.read_text()) == stamp


@pytest.mark.fault("the mark of a whole environment is damaged")
@pytest.mark.parametrize("stamp", ["", "{", "[]", "null", "{}"])
def test_a_broken_stamp_is_an_environment_out_of_step(set_up, commands, bootstrap, stamp: str) -> None:
    assert set_up() is None
    bootstrap.STAMP.write_text(stamp)
    commands.clear()
    assert set_up() is None
    assert installs(commands)


def test_the_developers_tools_are_added_and_kept(set_up, commands, bootstrap) -> None:
    assert set_up() is None
    commands.clear()
    assert set_up("--dev") is None
    assert any("requirements-dev.lock" in command for command in commands)
    commands.clear()
    assert set_up() is None
    assert not installs(commands)


def test_the_flavour_of_torch_that_is_there_stays(set_up, commands, bootstrap) -> None:
    assert set_up("--torch", "cuda") is None
    assert not any("cpu" in word for command in installs(commands) for word in command)
    commands.clear()
    assert set_up() is None
    assert not installs(commands)


def test_another_flavour_of_torch_replaces_the_one_that_is_there(set_up, commands, bootstrap, monkeypatch) -> None:
    """For pip, torch 2.13.0+cpu is torch==2.13.0: asking for it again changes nothing."""
    cleared = []
    make = venv.create
    monkeypatch.setattr(venv, "create", lambda folder, **how: cleared.append(how.get("clear")) or make(folder, **how))
    assert set_up("--torch", "cpu") is None
    commands.clear()
    cleared.clear()
    assert set_up("--torch", "cuda") is None
    replaced = {word for command in commands for word in command} & {"--force-reinstall", "--ignore-installed", "-I", "uninstall"}
    assert replaced or cleared == [True]


def test_too_small_a_disk_is_one_sentence_before_anything_is_done(set_up, commands, bootstrap, monkeypatch, says) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=10**10, used=9 * 10**9, free=10**9))
    says(set_up(), "set-up: ", "3.5 GB", "1.0 GB", "disk")
    assert commands == []
    assert not bootstrap.VENV.exists()


def test_what_a_broken_off_environment_takes_counts_as_free(set_up, commands, bootstrap, monkeypatch) -> None:
    (bootstrap.VENV / "lib").mkdir(parents=True)
    with open(bootstrap.VENV / "lib" / "big", "wb") as file:
        file.truncate(2 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=5 * 10**9, used=2 * 10**9, free=2 * 10**9))
    assert set_up() is None and installs(commands)


def test_the_models_can_come_from_a_folder(set_up, commands, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set_up("--from", "stick") is None
    assert commands[-1][-3:] == ["setup", "--from", str(tmp_path / "stick")]


FULL = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
UNREACHABLE = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(refused)': /torch/\n"
ABSENT = "ERROR: No matching distribution found for torch==2.13.0+cpu\n"


@pytest.mark.fault("the disk fills up, or the network goes, while packages are installed")
@pytest.mark.parametrize(("stderr", "words"), [(FULL, ["disk is full", "free"]), (UNREACHABLE, ["reached", "network"])])
def test_a_failing_pip_is_one_sentence_and_the_next_run_tries_again(set_up, bootstrap, stderr, words, monkeypatch, says) -> None:
    run_with(bootstrap, monkeypatch, lambda command: (int("requirements.lock" in command), stderr))
    says(set_up(), "set-up: ", "could not be installed", "again", *words)
    assert not bootstrap.STAMP.exists()
    ran = run_with(bootstrap, monkeypatch, lambda command: (0, ""))
    assert set_up() is None
    assert installs(ran) and bootstrap.STAMP.exists()


def test_a_pip_that_fails_on_the_last_step_leaves_no_stamp(set_up, bootstrap, monkeypatch, says) -> None:
    run_with(bootstrap, monkeypatch, lambda command: (int("--editable" in command), ""))
    says(set_up(), "could not be installed")
    assert not bootstrap.STAMP.exists()


def test_a_failing_fetch_is_one_sentence(set_up, bootstrap, monkeypatch, says) -> None:
    run_with(bootstrap, monkeypatch, lambda command: (int("labutils.cli" in command), ""))
    says(set_up(), "set-up: ", "models", "again")


def test_a_user_mode_in_pips_configuration_does_not_reach_the_environment(bootstrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_USER", "1")
    status, stderr = bootstrap.execute((sys.executable, "-c", "import os, sys; sys.exit(os.environ['PIP_USER'])"), show=False)
    assert (status, stderr.strip()) == (1, "0")


@pytest.mark.parametrize("show", [True, False])
def test_what_a_command_writes_on_stderr_is_returned_and_shown_on_request(bootstrap, show: bool, capsys) -> None:
    code = "import sys; print('one', file=sys.stderr); print('two', file=sys.stderr); sys.exit(3)"
    assert bootstrap.execute((sys.executable, "-c", code), show=show) == (3, "one\ntwo\n")
    assert capsys.readouterr().err == ("one\ntwo\n" if show else "")


def test_a_read_only_checkout_is_one_sentence_with_two_ways_out(set_up, commands, bootstrap, monkeypatch, says) -> None:
    monkeypatch.setattr(bootstrap.os, "access", lambda path, mode: False)
    says(set_up(), "set-up: ", bootstrap.ROOT, "cannot be written", "copy", "labs start")
    assert commands == []


def test_a_python_without_venv_is_one_sentence(set_up, commands, bootstrap, monkeypatch, says) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise subprocess.CalledProcessError(1, ["ensurepip"])

    monkeypatch.setattr(venv, "create", fail)
    says(set_up(), "set-up: ", "python3-venv")
    assert commands == []


def test_an_interrupt_is_one_sentence(set_up, bootstrap, monkeypatch: pytest.MonkeyPatch, says) -> None:
    def interrupt(command: list[str]) -> tuple[int, str]:
        raise KeyboardInterrupt

    run_with(bootstrap, monkeypatch, interrupt)
    says(set_up(), "set-up: stopped", "again")
    assert not bootstrap.STAMP.exists()


@pytest.mark.fault("`make lab` is interrupted, or killed, at any of its steps")
@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_set_up_broken_off_at_any_step_is_completed_by_the_next(set_up, bootstrap, end, monkeypatch) -> None:
    """The same command does what is left, marks the environment as whole, and then finds nothing to do."""
    fresh = run_with(bootstrap, monkeypatch, lambda command: (0, ""))
    assert set_up("--torch", "cpu") is None
    for step in range(len(fresh)):
        shutil.rmtree(bootstrap.VENV)
        ran = run_with(bootstrap, monkeypatch, broken_off(step, end))
        said = set_up("--torch", "cpu")
        assert len(ran) == step + 1 and (end is SystemExit or "again" in said)
        assert bootstrap.STAMP.exists() == (step == len(fresh) - 1)  # the packages were there, and the models missing
        again = run_with(bootstrap, monkeypatch, lambda command: (0, ""))
        assert set_up("--torch", "cpu") is None
        assert again == (fresh[-1:] if step == len(fresh) - 1 else fresh) and bootstrap.STAMP.exists()


def broken_off(step: int, end: type[BaseException]) -> Callable[[list[str]], tuple[int, str]]:
    """Commands that succeed until a step, where everything ends."""
    left = iter(range(step))

    def answer(command: list[str]) -> tuple[int, str]:
        if next(left, None) is None:
            raise end(137)
        return 0, ""

    return answer


def test_the_cpu_wheel_comes_from_where_pip_looks_or_from_pytorchs_index(bootstrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for found in (True, False):
        ran = run_with(
            bootstrap,
            monkeypatch,
            lambda command, found=found: (0, "") if found or bootstrap.TORCH_CPU_INDEX in command else (1, ABSENT),
        )
        bootstrap.install_torch("cpu")
        assert all(f"torch=={bootstrap.locked_torch()}+cpu" in command for command in ran)
        assert [bootstrap.TORCH_CPU_INDEX in command for command in ran] == ([False] if found else [False, True])


@pytest.mark.parametrize("stderr", [UNREACHABLE + ABSENT, ABSENT])
def test_without_pytorchs_index_one_sentence_names_it_and_both_ways_out(
    set_up, bootstrap, stderr, monkeypatch, says, capfd
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    run_with(bootstrap, monkeypatch, lambda command: (int(any("torch==" in word for word in command)), stderr))
    says(set_up("--torch", "cpu"), bootstrap.TORCH_CPU_INDEX, "PIP_EXTRA_INDEX_URL", "pip.conf", "TORCH=cuda", "3.8 GB", "9 GB")
    assert capfd.readouterr().err == ""  # none of pip's retries


def test_a_full_disk_is_not_put_down_to_pytorchs_index(set_up, bootstrap, monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    ran = run_with(bootstrap, monkeypatch, lambda command: (int(any("torch==" in word for word in command)), FULL))
    stopped = set_up("--torch", "cpu")
    says(stopped, "disk is full", "again")
    assert bootstrap.TORCH_CPU_INDEX not in stopped and len(installs(ran)) == 1


# --- the lock -------------------------------------------------------------------------------------------------------


def locked(name: str) -> list[str]:
    return [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_line_of_a_lock_is_a_pin_without_cuda(name: str) -> None:
    lines = locked(name)
    assert len(lines) > 10
    assert [line for line in lines if not re.match(r"^[A-Za-z0-9._-]+==[0-9][^ *]*( ; .+)?$", line)] == []
    assert [line for line in lines if re.search("^(nvidia|cuda|triton|cupy|pytorch-triton)", line)] == []


def test_the_lock_has_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {canonicalize_name(Requirement(line).name) for line in locked("requirements.lock")}
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    direct = {canonicalize_name(Requirement(line).name) for line in wanted}
    assert len(direct) > 20
    assert direct - names == set()
