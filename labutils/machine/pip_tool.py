"""Running pip, and saying what stopped it. Set-up imports this on a bare Python, so it needs the standard library alone."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Trouble(NamedTuple):
    """What stopped pip: the cause and what to do about it, as clauses, and whether it lies with the package index."""

    cause: str
    fix: str
    of_index: bool = False


# What pip writes on stderr, and what it means. The first that is found counts.
_TROUBLES = (
    (
        r"No space left on device|\[Errno 28\]|Disk quota exceeded|\[Errno 122\]|\[WinError 112\]",
        Trouble("the disk is full", "free some space"),
    ),
    (
        r"Can not perform a '--user' install|Can not combine '--user'",
        Trouble("pip's configuration asks for its user mode, which an environment refuses", "set PIP_USER=0"),
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        Trouble(
            "the certificate of the package index is not trusted here",
            "set PIP_CERT to your organisation's certificate file",
            of_index=True,
        ),
    ),
    (r"ProxyError|407 Proxy", Trouble("the proxy does not let it through", "check HTTPS_PROXY", of_index=True)),
    (
        r"\b(?:401|403) (?:Client )?Error|\b401 Unauthorized|\b403 Forbidden",
        Trouble(
            "the package index refuses access",
            "check the address and the credentials in pip's configuration (`pip config list`)",
            of_index=True,
        ),
    ),
    (
        r"Retrying \(|NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|Temporary failure in name resolution|"
        r"Name or service not known|Network is unreachable|Connection (?:refused|reset|aborted|broken)|Max retries exceeded",
        Trouble("the package index cannot be reached", "check the network", of_index=True),
    ),
    (
        r"No matching distribution found for ([^\s;]+)|Cannot install (\S+) because these package versions",
        Trouble(
            "the package index has no {} for this Python and system",
            "check which index pip uses (`pip config list`)",
            of_index=True,
        ),
    ),
    (r"DO NOT MATCH THE HASHES", Trouble("a downloaded package is altered or cut short", "run `pip cache purge`")),
    (
        r"(?:Permission denied|Read-only file system): '([^']+)'",
        Trouble("{} cannot be written to", "use a folder of yours"),
    ),
    (r"externally-managed-environment", Trouble("this Python belongs to the system", "use a virtual environment")),
    (
        r"No module named pip\b",
        Trouble("this environment has no pip", "run `python -m ensurepip` or `uv pip install pip`"),
    ),
)


def trouble(stderr: str) -> Trouble:
    """What stopped pip, and what to do about it.

    Args:
        stderr: what pip wrote there.

    Example:
        >>> trouble("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device").cause
        'the disk is full'
    """
    for pattern, known in _TROUBLES:
        if found := re.search(pattern, stderr):
            return known._replace(cause=known.cause.format(next((group for group in found.groups() if group), "")))
    errors = [line[len("ERROR:") :] for line in stderr.splitlines() if line.startswith("ERROR:")]
    if not errors:
        return Trouble("pip gave no reason", "check pip's configuration (`pip config list`)")
    return Trouble(f"pip says: {' '.join(errors[0].split()).rstrip('.')}", "do what that asks")


class NoPip(Exception):
    """This Python has neither pip nor the `ensurepip` that brings it."""


@contextmanager
def pip_command() -> Iterator[list[str]]:
    """The words that start pip for this Python. An environment without pip, such as uv's, borrows Python's own for the while.

    Raises:
        NoPip: there is none to borrow either.
    """
    if importlib.util.find_spec("pip"):
        yield [sys.executable, "-m", "pip"]
        return
    with tempfile.TemporaryDirectory(prefix="llm-labs-pip-") as folder:
        command = [sys.executable, "-m", "ensurepip", "--root", folder]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = next(Path(folder).rglob("pip/__main__.py"), None)
        if done.returncode or found is None:
            raise NoPip
        yield [sys.executable, str(found.parent)]


def pip_environment() -> dict[str, str]:
    """The environment for pip: this one, with uv's index for a person who has set that alone."""
    variables = dict(os.environ)
    if index := variables.get("UV_DEFAULT_INDEX") or variables.get("UV_INDEX_URL"):
        variables.setdefault("PIP_INDEX_URL", index)
    return variables
