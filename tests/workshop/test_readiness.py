"""A machine's code: short, exact, and damage to it is seen."""

from __future__ import annotations

import dataclasses
import io
import random
import re
import sys
from datetime import date
from pathlib import Path

import pytest

from labutils.course import assets, packages
from labutils.errors import LabError
from labutils.workshop import readiness, roster
from labutils.workshop.readiness import ALPHABET, BITS, CHARACTERS, Facts, decode, encode, obstacles

TODAY = date(2026, 11, 28)
LABS = [0, 1, 2]


@pytest.fixture(scope="module")
def fit() -> Facts:
    """A machine that has everything, with the course of this one."""
    return Facts(
        format=readiness.FORMAT,
        version=readiness._version(),
        notebooks=readiness._notebooks(),
        python=12,
        system=0,
        kernel=1,
        wrong_packages=0,
        hidden=0,
        missing_models=0,
        memory=16,
        memory_free=14,
        disk=40,
        cores=2,
        gpu=0,
        speed=60,
        labs=0b1111111,
        day=(TODAY - readiness.DAY_ZERO).days,
    )


def test_a_code_is_short_and_safe_in_a_link(fit: Facts) -> None:
    code = encode(fit)
    assert len(code) == 46 and re.fullmatch(r"LABS(-[0-9A-HJKMNP-TV-Z]{6}){6}", code)


def test_a_code_gives_back_what_went_in(fit: Facts) -> None:
    rng = random.Random(0)
    for _ in range(300):
        facts = Facts(**{name: rng.randrange(2**bits) for name, bits in BITS.items()} | {"format": readiness.FORMAT})
        assert decode(encode(facts)) == facts


def test_numbers_beyond_their_bits_become_the_largest(fit: Facts) -> None:
    large = decode(encode(dataclasses.replace(fit, memory=10**9, disk=10**9, day=-3)))
    assert (large.memory, large.disk, large.day) == (2**11 - 1, 2**12 - 1, 0)


@pytest.mark.parametrize(
    "change", [str.lower, lambda c: c.replace("-", " "), lambda c: c.replace("-", "\u2013"), lambda c: f" {c}\n"]
)
def test_how_a_code_was_passed_on_does_not_matter(fit: Facts, change) -> None:
    assert decode(change(encode(fit))) == fit


def test_letters_that_look_alike_are_read_alike(fit: Facts) -> None:
    letters = encode(fit)[5:].replace("0", "O").replace("1", "l")
    assert decode(f"LABS-{letters}") == fit


def test_every_single_wrong_character_and_every_exchange_of_two_neighbours_is_seen(fit: Facts, says) -> None:
    code = encode(fit)
    for place in range(5, len(code)):
        if code[place] == "-":
            continue
        for letter in set(ALPHABET) - {code[place]}:
            with pytest.raises(LabError, match="damaged"):
                decode(code[:place] + letter + code[place + 1 :])
    for place in range(5, len(code) - 1):
        swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        if swapped.replace("-", "") != code.replace("-", ""):
            with pytest.raises(LabError, match="damaged"):
                decode(swapped)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda c: c[:-1], f"35 of {CHARACTERS}"),
        (lambda c: c + "0", f"37 of {CHARACTERS}"),
        (lambda c: c[:-1] + "U", "'U'"),
        (lambda c: c[:-1] + "é", "'É'"),
        (lambda c: "", "0 of"),
        (lambda c: "9" * 10_000, "10000 of"),
    ],
)
def test_a_damaged_code_is_one_sentence(fit: Facts, damage, words: str, says) -> None:
    with pytest.raises(LabError) as caught:
        decode(damage(encode(fit)))
    says(caught.value, "is damaged", words)
    assert len(str(caught.value)) < 200


def test_a_code_of_another_format_is_named(fit: Facts, says) -> None:
    with pytest.raises(LabError) as caught:
        decode(encode(dataclasses.replace(fit, format=2)))
    says(caught.value, "another version of the course")


def test_a_machine_that_has_everything_is_ready(fit: Facts) -> None:
    assert obstacles(fit, LABS) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 1}, ["0.0.1"]),
        ({"notebooks": 1}, ["labs update"]),
        ({"python": 10}, ["3.10", "3.11"]),
        ({"python": 0}, ["no Python 3"]),
        ({"kernel": 0}, ["labs setup"]),
        ({"wrong_packages": 0b11}, [packages.KEY[0], packages.KEY[1]]),
        ({"hidden": 1}, ["labs doctor"]),
        ({"missing_models": 0b10}, [assets.manifest()[1].id, "labs fetch"]),
        ({"disk": 3}, ["0.8 GB"]),
        ({"memory": 8}, ["2.0 GiB"]),
        ({"labs": 0b101, "memory_free": 4}, ["lab 01", "1.0 GiB"]),
    ],
    ids=str,
)
def test_what_is_missing_is_said_with_its_fix(fit: Facts, change: dict[str, int], words: list[str]) -> None:
    (why,) = [reason for reason in obstacles(dataclasses.replace(fit, **change), LABS) if words[0] in reason]
    assert all(word in why for word in words)


def test_the_bits_hold_what_the_course_has() -> None:
    assert len(packages.KEY) <= BITS["wrong_packages"] and len(assets.manifest()) <= BITS["missing_models"]
    assert [field.name for field in dataclasses.fields(Facts)] == list(BITS)


def test_an_old_check_says_so(fit: Facts) -> None:
    assert readiness.age_text(fit, TODAY) == "2026-11-28"
    assert readiness.age_text(fit, date(2026, 12, 28)) == "2026-11-28 (30 days ago)"


# --- the roster -----------------------------------------------------------------------------------------------------


def test_lines_as_people_paste_them(fit: Facts) -> None:
    code = encode(fit)
    lines = [
        code,
        f"Ada: {code}",
        f"{code.lower()} - Bob",
        f"Cyd\t{code},",
        f"Dee {code[:-2]}",
        "nothing here",
        f"E\u202ee {code}",
    ]
    found = roster.read(lines, LABS)
    assert [line.who for line in found] == ["1", "Ada", "Bob", "Cyd", "Dee", "6", "E e"]
    assert [line.ready for line in found] == [True, True, True, True, False, False, True]
    assert "damaged" in found[4].why[0] and "nothing here holds no code" in found[5].why[0]


def test_a_room_is_told_who_is_ready_and_why_not(labs, fit: Facts, tmp_path: Path, says) -> None:
    file = tmp_path / "codes.txt"
    poor = encode(dataclasses.replace(fit, missing_models=1, labs=0b1))
    file.write_text(f"# the room\nAda: {encode(fit)}\n\nBob: {poor}\nCyd: {poor[:-1]}0\n", encoding="utf-8")
    done = labs("ready", file, "--labs", "00,02")
    assert done.status == 1 and done.err == ""
    rows = {name: row for row in done.out.splitlines() for name in ("Ada", "Bob", "Cyd") if name in row}
    assert "yes" in rows["Ada"] and " no " in rows["Bob"] and "damaged" in rows["Cyd"]
    assert "labs fetch" in done.out and "lab 02" in done.out
    assert "1 of 3 ready for labs 00, 02; 1 damaged." in done.out


def test_a_room_that_is_ready_is_status_0(labs, fit: Facts) -> None:
    assert labs("ready", encode(fit), encode(fit), "--labs", "00").status == 0


def test_pasted_lines_are_read(labs, fit: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"Ada {encode(fit)}\n"))
    assert "1 of 1 ready" in labs("ready", "--labs", "00").out


def test_markup_in_a_name_is_shown_as_it_is(labs, fit: Facts) -> None:
    assert "[red]x[/red]" in labs("ready", f"[red]x[/red] {encode(fit)}", "--labs", "00").out


def test_no_code_no_such_lab_and_a_large_file_are_one_sentence(refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    refused("ready", words=["no code"])
    refused("ready", "x", "--labs", "77", words=["77", "00"])
    (tmp_path / "large").write_bytes(b"x" * 1_000_001)
    refused("ready", tmp_path / "large", words=["1 MB"])


# --- this machine ---------------------------------------------------------------------------------------------------


def test_this_machine_prints_its_code_alone(labs, ready_home: Path, tmp_path: Path) -> None:
    (tmp_path / "evaluate.py").touch()
    done = labs("doctor", tmp_path, "--code")
    assert (done.status, done.err) == (0, "")
    facts = decode(done.out.strip())
    assert (facts.python, facts.missing_models, facts.hidden) == (sys.version_info.minor, 0, 1)
    assert facts.version == readiness._version() and facts.labs & 1 and facts.speed > 0


def test_a_machine_without_models_says_so(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness.doctor, "gflops", lambda: 100.0)
    facts = readiness.measure(tmp_path, TODAY)
    assert facts.missing_models == 2 ** len(assets.manifest()) - 1 and facts.speed == 25
    assert decode(encode(facts)).day == (TODAY - readiness.DAY_ZERO).days
