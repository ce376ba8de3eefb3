"""JupyterLab in a real browser, from the learner's side, on copies of the notebooks and a scratch home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from server import TOKEN, Lab, address_of

from labutils.content import notebooks_in

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    from running import environment, scratch_home

    course = tmp_path_factory.mktemp("course")
    (course / "labs").mkdir()
    for notebook in notebooks_in(ROOT / "labs"):
        shutil.copy(notebook, course / "labs")
    beside = tmp_path_factory.mktemp("jupyter")
    with scratch_home() as home:
        variables = {
            **environment(home, "smoke", strict=False),
            "JUPYTER_TOKEN": TOKEN,
            "JUPYTER_CONFIG_DIR": str(beside / "config"),
            "JUPYTER_RUNTIME_DIR": str(beside / "runtime"),
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
        command += ["--ServerApp.port=0", f"--ServerApp.root_dir={course}"]
        with (beside / "server.log").open("w") as log:
            server = subprocess.Popen(command, env=variables, cwd=course, stdout=log, stderr=log)
        lab = Lab("", home, server, beside / "server.log")
        try:
            for _ in range(240):
                lab.require_alive()
                if address := address_of(server, beside / "runtime"):
                    lab.address = address
                    break
                time.sleep(0.5)
            else:
                pytest.fail(f"JupyterLab did not come up. {lab.log_end()}")
            yield lab
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, jupyterlab: Lab) -> Iterator[Page]:
    """A window; a test whose server ended under it fails with the server's log."""
    jupyterlab.require_alive()
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(240_000)
    yield page
    page.close()
    jupyterlab.require_alive()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots are kept, for a person to look at."""
    folder = Path(os.environ.get("LABS_SCREENSHOTS", ROOT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
