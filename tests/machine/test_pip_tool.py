"""What stopped pip is named by its cause, from what pip really writes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from paths import ROOT

from labutils.machine.pip_tool import pip_environment, trouble

REFUSED = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by "
    "'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection: "
    "[Errno -2] Name or service not known')': /simple/torch/\n"
)
NOTHING = (
    "ERROR: Could not find a version that satisfies the requirement torch==9.9 (from versions: 2.12.0, 2.13.0)\n"
    "ERROR: No matching distribution found for torch==9.9\n"
)


@pytest.mark.parametrize(
    ("stderr", "cause", "fix", "of_index"),
    [
        (REFUSED + NOTHING, "cannot be reached", "network", True),
        (NOTHING, "no torch==9.9", "pip config list", True),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
            "disk is full",
            "free",
            False,
        ),
        ("ERROR: [Errno 122] Disk quota exceeded: '/home/a'\n", "disk is full", "free", False),
        (
            "ERROR: Can not perform a '--user' install. User site-packages are not visible in this virtualenv.\n",
            "user mode",
            "PIP_USER=0",
            False,
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: "
            "CERTIFICATE_VERIFY_FAILED] certificate verify failed: self signed certificate'))': /simple/\n" + NOTHING,
            "certificate",
            "PIP_CERT",
            True,
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/usr/lib/python3'\n",
            "/usr/lib/python3 cannot be written to",
            "folder of yours",
            False,
        ),
        ("ERROR: 403 Client Error: Forbidden for url: https://pypi.example/simple\n", "refuses access", "credentials", True),
        ("/env/bin/python: No module named pip\n", "no pip", "ensurepip", False),
        ("ERROR: Something new.\nERROR: And more\n", "pip says: Something new", "", False),
        ("", "no reason", "", False),
    ],
)
def test_the_cause_is_named(stderr: str, cause: str, fix: str, of_index: bool) -> None:
    found = trouble(stderr)
    assert cause in found.cause and fix in found.fix and found.of_index is of_index
    assert not found.cause.endswith(".") and "\n" not in found.cause


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (["install", "--user", "labutils-tests-no-such"], "user mode"),
        (["install", "--no-index", "labutils-tests-no-such"], "no labutils-tests-no-such"),
        (["install", "--index-url", "http://127.0.0.1:9/", "--retries", "1", "labutils-tests-no-such"], "cannot be reached"),
    ],
)
def test_the_cause_is_named_from_this_pips_own_words(options: list[str], cause: str) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | {
        "PIP_CONFIG_FILE": os.devnull
    }
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *options], env=variables, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert cause in trouble(done.stderr).cause


def test_set_up_can_import_it_without_any_package() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import labutils.machine.pip_tool; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in done.stdout.split()} - set(sys.stdlib_module_names) <= {"labutils", "__main__"}


def test_uvs_index_serves_pip_unless_pip_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mirror.example/simple")
    assert pip_environment()["PIP_INDEX_URL"] == "https://mirror.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://own.example/simple")
    assert pip_environment()["PIP_INDEX_URL"] == "https://own.example/simple"
