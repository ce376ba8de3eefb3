"""JupyterLab in a real browser, from the learner's side, on copies of the notebooks and a scratch home."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
TOKEN = "browser-test"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium() -> str:
    """The browser of this machine; without one the test fails, it is not skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.fail("no Chromium on this machine: install the package chromium")


@dataclass
class Lab:
    """A running JupyterLab: its address and the scratch home behind it."""

    address: str
    home: Path


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory) -> Iterator[Lab]:
    from running import environment, scratch_home

    course = tmp_path_factory.mktemp("course")
    (course / "labs").mkdir()
    for notebook in sorted((ROOT / "labs").glob("[0-9][0-9]_*.ipynb")):
        if ".mine-" not in notebook.name:
            shutil.copy(notebook, course / "labs")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with scratch_home() as home:
        variables = {
            **environment(home, "smoke", strict=False),
            "JUPYTER_TOKEN": TOKEN,
            "JUPYTER_CONFIG_DIR": str(course / "config"),
        }
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            f"--ServerApp.port={port}",
            f"--ServerApp.root_dir={course}",
        ]
        log = (course / "server.log").open("w")
        server = subprocess.Popen(command, env=variables, cwd=course, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(240):
                if server.poll() is not None:
                    break
                try:
                    urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=2)
                    break
                except OSError:
                    time.sleep(0.5)
            else:
                pytest.fail("JupyterLab did not come up: " + (course / "server.log").read_text()[-800:])
            yield Lab(address, home)
        finally:
            server.terminate()
            server.wait(30)
            log.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(240_000)
    yield page
    page.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots are kept, for a person to look at."""
    folder = Path(os.environ.get("LABS_SCREENSHOTS", ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
