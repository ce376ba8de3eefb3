"""`labs start`, `labs update`, `labs setup` and `labs kernel`: a folder of one's own, the kernel, JupyterLab."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from labutils import content
from labutils.course import assets, kernel, serve
from labutils.errors import LabError
from labutils.machine import settings

NAMES = ("00_start_here.ipynb", "02_generation.ipynb")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch environment in which `llm-labs` is the kernel of another Python, and the models are ready."""
    prefix = tmp_path / "environment"
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "user"))
    monkeypatch.setattr(assets, "complaint", lambda model, deep=False: None)
    register(prefix / "share" / "jupyter", "/other/python")
    return prefix


def register(jupyter: Path, python: str | Path) -> Path:
    """Register a kernel `llm-labs` of some Python; its file."""
    folder = jupyter / "kernels" / settings.KERNEL
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": [str(python)], "display_name": "LLM Labs", "language": "python"}))
    return folder / "kernel.json"


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of two labs."""
    folder = tmp_path / "course" / "labs"
    (folder / "solutions").mkdir(parents=True)
    for name in NAMES:
        for place in (folder, folder / "solutions"):
            (place / name).write_text(json.dumps({"cells": [], "metadata": {"llm_labs": {"inputs": "0"}}}))
    monkeypatch.setattr(content, "labs_folder", lambda: folder)
    return folder


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """The calls that would have run JupyterLab."""
    calls: list[tuple] = []
    monkeypatch.setattr(serve, "serve", lambda *arguments: calls.append(arguments) or 0)
    return calls


# --- start and update -----------------------------------------------------------------------------------------------


def test_start_fills_the_folder_and_opens_the_first_lab_there(labs, environment, course, served, tmp_path: Path) -> None:
    folder = tmp_path / "my [labs] é"
    done = labs("start", folder, "--solutions", "--port", "9000")
    assert done.status == 0 and f"4 notebooks copied into {folder}." in done.out
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.ipynb")) == sorted(
        [*NAMES, *(f"solutions/{name}" for name in NAMES)]
    )
    assert [call[:4] for call in served] == [(folder, NAMES[0], 9000, True)]
    done = labs("start", folder, "--no-browser", "--lab", "2")
    assert "copied" not in done.out
    assert served[1][:4] == (folder, NAMES[1], 8888, False)


def test_start_without_opening_opens_nothing(labs, environment, course, served, tmp_path: Path) -> None:
    assert labs("start", tmp_path / "mine", "--no-open").status == 0
    assert served == [] and (tmp_path / "mine" / NAMES[0]).exists()


def test_start_says_that_there_are_newer_notebooks_and_update_brings_them(labs, environment, course, served, tmp_path) -> None:
    folder = tmp_path / "my labs"
    labs("start", folder)
    (course / NAMES[0]).write_text(json.dumps({"cells": [], "metadata": {"llm_labs": {"inputs": "1"}}}))
    (folder / NAMES[0]).write_text("mine")
    assert f'labs update "{folder}"' in labs("start", folder).out
    assert (folder / NAMES[0]).read_text() == "mine"
    done = labs("update", folder)
    (kept,) = folder.glob("*.mine-*")
    assert done.status == 0 and f"{NAMES[0]}: newer, and you had changed yours, which is kept as {kept.name}." in done.out
    assert kept.read_text() == "mine"
    assert labs("update", folder).out == "Every notebook is that of this course already.\n"


def test_an_unknown_lab_is_one_sentence_that_lists_the_labs(refused, course, served, tmp_path: Path) -> None:
    refused("start", tmp_path / "mine", "--lab", "77", words=["'77'", "00, 02"])
    assert served == [] and not (tmp_path / "mine").exists()


@pytest.mark.parametrize("port", [0, 65536, 80000])
def test_what_is_no_port_is_one_sentence(refused, course, served, port: int, tmp_path: Path) -> None:
    refused("start", tmp_path / "mine", "--port", port, words=[port, "1 to 65535"])
    assert served == []


def test_update_of_a_missing_folder_is_one_sentence(refused, course, tmp_path: Path) -> None:
    refused("update", tmp_path / "nowhere", words=[tmp_path / "nowhere", "labs start"])


# --- JupyterLab -----------------------------------------------------------------------------------------------------


@pytest.fixture
def occupied() -> int:
    """A port on which something listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def option(command: list[str], name: str) -> int:
    return next(int(word.split("=")[1]) for word in command if word.startswith(f"--ServerApp.{name}="))


@pytest.mark.parametrize("port", [1, 8888, 65000, 65500, 65530, 65535])
def test_the_ports_that_jupyterlab_may_try_exist(port: int) -> None:
    from jupyter_server.serverapp import random_ports

    retries = option(serve.command(Path("/x"), "00.ipynb", port, False), "port_retries")
    assert retries == (50 if port < 65400 else retries) and retries >= 0
    assert all(1 <= tried <= 65535 for _ in range(200) for tried in random_ports(port, retries + 1))


def test_the_command_is_rooted_in_the_folder_and_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_TOKEN", "secret")
    command = serve.command(Path("/my labs/é"), "00 é.ipynb", 8888, True)
    assert "--ServerApp.root_dir=/my labs/é" in command and "--LabApp.default_url=/lab/tree/00%20%C3%A9.ipynb" in command
    assert "--no-browser" not in command and not any("secret" in word for word in command)
    assert "--no-browser" in serve.command(Path("/x"), "00.ipynb", 8888, False)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_jupyterlab_on_a_taken_port_prints_an_address_that_answers(occupied: int, tmp_path: Path) -> None:
    folder = tmp_path / "my labs é"
    folder.mkdir()
    (folder / "00_start_here.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    code = (
        "import sys; from pathlib import Path; from labutils.course.serve import serve\n"
        "sys.exit(serve(Path(sys.argv[1]), '00_start_here.ipynb', int(sys.argv[2]), True, lambda line: print(line, flush=True)))"
    )
    variables = {**os.environ, "JUPYTER_DATA_DIR": str(tmp_path / "data"), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "JUPYTER_TOKEN"):
        variables.pop(name, None)
    command = [sys.executable, "-c", code, str(folder), str(occupied)]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as server:
        try:
            taken, address = server.stdout.readline(), server.stdout.readline()
            assert taken.startswith(f"Port {occupied} is in use")
            url = address.split()[-1]
            assert f":{occupied}/" not in url and "token=" in url
            api = url.replace("/lab/tree/", "/api/contents/")
            with urllib.request.urlopen(api, timeout=30) as answer:
                assert json.load(answer)["name"] == "00_start_here.ipynb"
            for token in ("", "?token=", "?token=0"):  # nobody else gets in
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(api.split("?")[0] + token, timeout=30)
                assert refused.value.code == 403
            port = int(url.split(":")[2].split("/")[0])
            family = [process, *process.children(recursive=True)] if (process := psutil.Process(server.pid)) else []
            listening = [c.laddr for p in family for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            assert port in {place.port for place in listening}
            assert {place.ip for place in listening} <= {"127.0.0.1", "::1"}
        finally:
            server.send_signal(signal.SIGINT)
            rest = server.communicate(timeout=60)[0]
    assert "what you saved is in" in rest


def test_a_jupyterlab_that_does_not_start_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(serve, "command", lambda *arguments: [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(LabError) as caught:
        serve.serve(tmp_path, "00.ipynb", 8888, False, print)
    says(caught.value, "did not start", "--port")


def test_the_file_of_a_server_that_has_died_is_not_taken_for_ours(tmp_path: Path) -> None:
    stale = tmp_path / "jpserver-1.json"
    stale.write_text(json.dumps({"token": "t", "url": "http://localhost:1/", "port": 1}))
    assert serve._server(str(tmp_path), "t", serve._servers(str(tmp_path))) is None
    assert serve._server(str(tmp_path), "t", {})["port"] == 1
    assert serve._server(str(tmp_path), "other", {}) is None
    stale.write_text("{")
    assert serve._server(str(tmp_path), "t", {}) is None


@pytest.mark.fault("the clock jumps while JupyterLab starts")
@pytest.mark.parametrize("jump", [-7200, 7200])
def test_a_server_is_found_whatever_the_clock_says(tmp_path: Path, jump: int) -> None:
    """The address is told; files are told apart by what they are, not by the clock."""
    (tmp_path / "jpserver-1.json").write_text(json.dumps({"token": "t", "port": 1}))
    before = serve._servers(str(tmp_path))
    ours = tmp_path / "jpserver-2.json"
    ours.write_text(json.dumps({"token": "t", "port": 2}))
    os.utime(ours, (time.time() + jump,) * 2)
    assert serve._server(str(tmp_path), "t", before)["port"] == 2
    (tmp_path / "new").write_text(json.dumps({"token": "t", "port": 3}))
    (tmp_path / "new").replace(tmp_path / "jpserver-1.json")  # a new server whose process has an old number
    ours.unlink()
    assert serve._server(str(tmp_path), "t", before)["port"] == 3


# --- setup and kernel -----------------------------------------------------------------------------------------------


def spec(jupyter: Path) -> dict:
    return json.loads((jupyter / "kernels" / "llm-labs" / "kernel.json").read_text())


def test_setup_registers_the_kernel_for_this_python_and_its_user(labs, environment: Path, tmp_path: Path) -> None:
    assert settings.wrong_kernel() is not None
    assert labs("setup").status == 0
    assert settings.wrong_kernel() is None
    for place in (environment / "share" / "jupyter", tmp_path / "user"):
        kernel_spec = spec(place)
        assert (kernel_spec["argv"][0], kernel_spec["display_name"]) == (sys.executable, "LLM Labs")
        assert kernel_spec["env"] == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000", "PYTHONNOUSERSITE": "1"}


def test_setup_again_does_nothing_and_keeps_a_persons_settings(labs, environment: Path, tmp_path: Path) -> None:
    labs("setup")
    overrides = environment / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert json.loads(overrides.read_text())["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    overrides.write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert labs("setup") == (0, "", "")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_users_kernel_of_another_environment_stays_until_it_is_asked_for(labs, environment: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "bin" / "python"
    other.parent.mkdir(parents=True)
    other.touch()
    file = register(tmp_path / "user", other)
    before = file.read_text()
    done = labs("setup")
    assert done.status == 0 and str(other) in done.out and "labs kernel --user" in done.out
    assert file.read_text() == before
    assert spec(environment / "share" / "jupyter")["argv"][0] == sys.executable
    assert labs("setup") == (0, "", "")
    assert labs("kernel", "--user").status == 0
    assert spec(tmp_path / "user")["argv"][0] == sys.executable


@pytest.mark.parametrize("text", [None, "", "{}", '{"argv": []}'])
def test_the_users_kernel_of_an_environment_that_is_gone_is_replaced(labs, environment, tmp_path: Path, text) -> None:
    file = register(tmp_path / "user", tmp_path / "gone" / "bin" / "python")
    if text is not None:
        file.write_text(text)
    assert labs("setup").status == 0
    assert spec(tmp_path / "user")["argv"][0] == sys.executable


def read_only(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Let nothing be registered below some folders (root may write anywhere, so permissions would not do)."""
    really = kernel._install

    def install(folder: Path) -> None:
        if any(place in folder.parents for place in folders):
            raise OSError(30, "Read-only file system", str(folder))
        really(folder)

    monkeypatch.setattr(kernel, "_install", install)


def test_in_a_read_only_environment_the_kernel_is_the_users(labs, environment: Path, tmp_path: Path, monkeypatch) -> None:
    read_only(monkeypatch, environment)
    assert labs("setup").status == 0
    assert spec(tmp_path / "user")["argv"][0] == sys.executable


def test_a_kernel_that_can_go_nowhere_is_one_sentence(refused, environment: Path, tmp_path: Path, monkeypatch) -> None:
    read_only(monkeypatch, environment, tmp_path / "user")
    refused("setup", words=[tmp_path / "user", "JUPYTER_DATA_DIR"])
    refused("kernel", "--user", words=[tmp_path / "user", "JUPYTER_DATA_DIR"])
