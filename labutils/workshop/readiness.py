"""The readiness of a machine as a short code: a participant sends it, the instructor's machine reads it.

A code is `LABS-` and 36 letters and digits in groups of six: 157 bits of facts, no name, and 23 bits of a checksum, in Crockford's
base 32, which has no I, L, O or U (crockford.com/base32.html). It survives a phone call, a link and a change of case.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from labutils import __version__, content
from labutils.course import assets, doctor, packages
from labutils.errors import LabError
from labutils.machine import limits, settings

PREFIX = "LABS"
FORMAT = 1
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHARACTERS = 36
CHECK_BITS = 23
DAY_ZERO = date(2026, 1, 1)
SYSTEMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}
OLD_DAYS = 14  # a code that is older says so
LEAST_MEMORY = 3.9  # GiB, as in the doctor's table


@dataclass(frozen=True)
class Facts:
    """What a code holds of a machine.

    Attributes:
        format: of the code.
        version: of labutils, as three numbers in one: major, minor, patch, 8 bits each.
        notebooks: 16 bits of the sha256 of the learner notebooks' inputs.
        python: the minor version of Python 3; 0 for anything else.
        system: a position in SYSTEMS, or 3.
        kernel: 1 if the kernel of the course is registered for this Python.
        wrong_packages: a bit for each of `packages.KEY` that is missing, hidden or of a version that does not fit.
        hidden: 1 if a file beside the notebooks hides a package.
        missing_models: a bit for each model of the manifest that is not verified.
        memory, memory_free: quarters of a GiB.
        disk: free, in quarters of a GB.
        cores: to compute with.
        gpu: 1 with CUDA.
        speed: of a float32 matrix product, in units of 4 GFLOP/s.
        labs: a bit for each lab, 00 first, whose peak memory is free now.
        day: of the check, counted from DAY_ZERO.
    """

    format: int
    version: int
    notebooks: int
    python: int
    system: int
    kernel: int
    wrong_packages: int
    hidden: int
    missing_models: int
    memory: int
    memory_free: int
    disk: int
    cores: int
    gpu: int
    speed: int
    labs: int
    day: int


# Field -> bits. A number that is too large for its bits is written as the largest that fits.
BITS = {
    "format": 4,
    "version": 24,
    "notebooks": 16,
    "python": 5,
    "system": 2,
    "kernel": 1,
    "wrong_packages": 16,
    "hidden": 1,
    "missing_models": 4,
    "memory": 11,
    "memory_free": 11,
    "disk": 12,
    "cores": 8,
    "gpu": 1,
    "speed": 11,
    "labs": 16,
    "day": 14,
}
assert sum(BITS.values()) + CHECK_BITS == 5 * CHARACTERS


def _bits(flags: Sequence[bool]) -> int:
    return sum(flag << place for place, flag in enumerate(flags))


def _version() -> int:
    numbers = [min(255, int(digits)) for digits in re.findall(r"\d+", __version__)[:3]]
    return sum(number << shift for number, shift in zip(numbers, (16, 8, 0), strict=False))


def _notebooks() -> int:
    """16 bits that tell one edition of the learner notebooks from another, whatever the line ends of their files."""
    marks = [json.loads(path.read_text(encoding="utf-8"))["metadata"]["llm_labs"]["inputs"] for path in content.notebooks()]
    return int(hashlib.sha256("\0".join(marks).encode()).hexdigest()[:4], 16)


def measure(folder: Path, today: date | None = None) -> Facts:
    """The facts of this machine. Hashes the models' files, so it takes some seconds.

    Args:
        folder: where the notebooks lie, or will lie.
        today: the day of the check; now by default.
    """
    return Facts(
        format=FORMAT,
        version=_version(),
        notebooks=_notebooks(),
        python=sys.version_info.minor if sys.version_info.major == 3 else 0,
        system=list(SYSTEMS).index(sys.platform) if sys.platform in SYSTEMS else 3,
        kernel=settings.wrong_kernel() is None,
        wrong_packages=_bits([bool(packages.look_up(name).problem) for name in packages.KEY]),
        hidden=packages.hidden_by_files(folder) is not None,
        missing_models=_bits([assets.complaint(model, deep=True) is not None for model in assets.manifest()]),
        memory=int(4 * limits.gib(limits.memory_limit())),
        memory_free=int(4 * limits.gib(limits.memory_available())),
        disk=int(4 * limits.disk_free(settings.home()) / limits.GB),
        cores=limits.cores(),
        gpu=settings.device() == "cuda",
        speed=round(doctor.gflops() / 4),
        labs=_labs(),
        day=((today or date.today()) - DAY_ZERO).days,
    )


def _labs() -> int:
    """A bit for each lab whose peak memory, as it was measured, is free now."""
    free = limits.gib(limits.memory_available())
    measured = doctor.budgets().get("labs", {})
    return sum(1 << int(name[:2]) for name, budget in measured.items() if budget["peak_rss_gib"] <= free and int(name[:2]) < 16)


def _check(number: int) -> int:
    return int.from_bytes(hashlib.sha256(number.to_bytes(32, "big")).digest(), "big") >> (256 - CHECK_BITS)


def encode(facts: Facts) -> str:
    """The code of some facts: letters, digits and hyphens, 46 characters."""
    number = 0
    for name, bits in BITS.items():
        number = number << bits | max(0, min(int(getattr(facts, name)), 2**bits - 1))
    number = number << CHECK_BITS | _check(number)
    letters = "".join(ALPHABET[number >> shift & 31] for shift in range(5 * (CHARACTERS - 1), -1, -5))
    return "-".join([PREFIX, *(letters[start : start + 6] for start in range(0, CHARACTERS, 6))])


def decode(code: str) -> Facts:
    """The facts of a code. Case, spaces, kinds of hyphens, and O, I or L for 0 or 1 do not matter.

    Raises:
        LabError: it is damaged, or of another version of the course; the sentence says which.
    """
    shown = code if len(code) <= 60 else f"{code[:57]}..."
    letters = re.sub(r"[\W_]", "", code).upper()
    letters = letters.removeprefix(PREFIX).translate(str.maketrans("OIL", "011"))
    again = "ask for it again, copied whole"
    if len(letters) != CHARACTERS:
        raise LabError(f"{shown} is damaged, with {len(letters)} of {CHARACTERS} characters after {PREFIX}: {again}.")
    if strange := sorted(set(letters) - set(ALPHABET)):
        raise LabError(f"{shown} is damaged, since no code holds {strange[0]!r}: {again}.")
    number = 0
    for letter in letters:
        number = number << 5 | ALPHABET.index(letter)
    facts, check = number >> CHECK_BITS, number & (2**CHECK_BITS - 1)
    if _check(facts) != check:
        raise LabError(f"{shown} is damaged, since a character of it is wrong: {again}.")
    values = {}
    for name, bits in reversed(BITS.items()):
        values[name], facts = facts & (2**bits - 1), facts >> bits
    if values["format"] != FORMAT:
        raise LabError(f"{shown} comes from another version of the course: install the same on both machines.")
    return Facts(**values)


def obstacles(facts: Facts, labs: Sequence[int]) -> list[str]:
    """What keeps a machine from being ready, each with its fix; empty if nothing does.

    Args:
        facts: of that machine.
        labs: the numbers of the labs that will be taught.
    """
    found = []
    if facts.version != _version():
        found.append(f"course {version_text(facts.version)} instead of {version_text(_version())}: install this one")
    elif facts.notebooks != _notebooks():
        found.append("another edition of the notebooks: install this one and run `labs update`")
    (_, oldest), (_, newest) = doctor.OLDEST, doctor.NEWEST
    if not oldest <= facts.python <= newest:
        found.append(f"Python 3.{facts.python}: use 3.{oldest} to 3.{newest}" if facts.python else "no Python 3")
    wrong = [name for place, name in enumerate(packages.KEY) if facts.wrong_packages >> place & 1]
    if wrong:
        found.append(f"packages {', '.join(wrong)}: `labs doctor` says what to do")
    if facts.hidden:
        found.append("a file beside the notebooks hides a package: `labs doctor` names it")
    if not facts.kernel:
        found.append("no kernel: `labs setup`")
    missing = [model.id for place, model in enumerate(assets.manifest()) if facts.missing_models >> place & 1]
    if missing:
        found.append(f"models {', '.join(missing)}: `labs fetch`")
    if facts.disk / 4 < doctor.DISK_NEEDED / limits.GB:
        found.append(f"{facts.disk / 4:.1f} GB of disk free: free 1 GB")
    if facts.memory / 4 < LEAST_MEMORY - 0.25:  # a quarter may have been rounded away
        found.append(f"{facts.memory / 4:.1f} GiB of memory: the labs need 4")
    short = [f"{lab:02}" for lab in labs if not facts.labs >> lab & 1]
    if short:
        found.append(
            f"{facts.memory_free / 4:.1f} GiB of memory free, too little for lab {', '.join(short)}: close other programs"
        )
    return found


def version_text(version: int) -> str:
    """The three numbers of a version, such as "0.1.0"."""
    return f"{version >> 16}.{version >> 8 & 255}.{version & 255}"


def machine_text(facts: Facts) -> str:
    """A machine in a few words."""
    system = [*SYSTEMS.values(), "another system"][facts.system]
    gpu = ", GPU" if facts.gpu else ""
    cores = f"{facts.cores} core{'s' if facts.cores != 1 else ''}"
    return f"{system}, Python 3.{facts.python}, {cores}{gpu}, {facts.memory_free / 4:.1f} of {facts.memory / 4:.1f} GiB free"


def age_text(facts: Facts, today: date | None = None) -> str:
    """The day of a check, with a word where it is long ago."""
    day = DAY_ZERO + timedelta(days=facts.day)
    ago = ((today or date.today()) - day).days
    return f"{day.isoformat()} ({ago} days ago)" if ago > OLD_DAYS else day.isoformat()
