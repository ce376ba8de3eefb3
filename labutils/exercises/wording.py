"""How values are written in a message: rounded, short, and where two differ, so that the difference can be seen."""

from __future__ import annotations

import re
from typing import Any

from labutils.exercises.values import MISSING, Difference, is_tensor, unequal_places

LONGEST = 90  # characters of one value
TENSOR_LIMIT = 24  # numbers of a tensor that are all written
ITEMS = 12  # of a long list or row
DEPTH = 4
AROUND = 3  # items shown before and after the one that differs
CHARACTERS_AROUND = 25
DIGITS = (4, 7, 10, 17)


def type_text(value: Any) -> str:
    """The type of a value in words.

    >>> type_text([1, 2])
    'a value of type list'
    """
    if not is_tensor(value):
        return f"a value of type {type(value).__name__}"
    kinds = [
        ("a sparse tensor", value.is_sparse or "sparse" in str(value.layout)),
        ("a quantized tensor", value.is_quantized),
        ("a tensor without data (on the meta device)", value.is_meta),
        ("a nested tensor", value.is_nested),
    ]
    special = next((name for name, found in kinds if found), None)
    if special == "a nested tensor":
        return special
    return f"{special or 'a tensor'} of shape {tuple(value.shape)}"


def short_text(value: Any, digits: int = DIGITS[0]) -> str:
    """A value as a person wants to read it: rounded, on one line, at most about 90 characters.

    >>> short_text([1, 2.00001])
    '[1, 2]'
    """
    text = _text(value, digits, 0)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _text(value: Any, digits: int, depth: int) -> str:
    """A value written out, as far as a message can hold it."""
    if depth > DEPTH:
        return "..."
    if is_tensor(value):
        return _tensor_text(value, digits)
    if isinstance(value, float):
        return f"{float(value):.{digits}g}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 300:
        return f"a number of about {int(value.bit_length() * 0.30103) + 1} digits"
    if isinstance(value, (str, bytes)):
        return repr(value) if len(value) <= LONGEST else f"{value[:LONGEST]!r}..."
    if isinstance(value, dict):
        items = (f"{_text(key, digits, depth + 1)}: {_text(item, digits, depth + 1)}" for key, item in value.items())
        return "{" + _joined(items, len(value)) + "}"
    if isinstance(value, (list, tuple)):
        inner = _joined((_text(item, digits, depth + 1) for item in value), len(value))
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    try:
        return " ".join(re.sub(r" at 0x[0-9a-f]+", "", repr(value)).split())  # an array has a line for each row
    except Exception:
        return type_text(value)


def _joined(items: Any, count: int) -> str:
    """Items until the message is full."""
    text = ""
    for number, item in enumerate(items):
        text += (", " if number else "") + item
        if len(text) > LONGEST and number + 1 < count:
            return f"{text}, ..."
    return text


def _tensor_text(tensor: Any, digits: int) -> str:
    """A tensor as nested rows; of a large one the first numbers and the shape."""
    if type_text(tensor) != f"a tensor of shape {tuple(tensor.shape)}":
        return type_text(tensor)
    numbers = tensor.detach().cpu()
    if tensor.numel() <= TENSOR_LIMIT:
        return _rows_text(numbers.tolist(), digits)
    first = _rows_text(numbers.flatten()[:8].tolist(), digits)
    return f"{first[:-1]}, ...] of shape {tuple(tensor.shape)}"


def _rows_text(rows: Any, digits: int) -> str:
    if isinstance(rows, list):
        return f"[{', '.join(_rows_text(row, digits) for row in rows)}]"
    return f"{rows:.{digits}g}" if isinstance(rows, float) else str(rows)


def comparison(got: Any, want: Any, difference: Difference, atol: float) -> str:
    """What was expected and what came, shown where they differ: "expected [2, 6], got [3, 7]"."""
    kind, path = difference.kind, difference.path
    place = f" at {_path_text(path)}" if path else ""
    if kind == "type":
        return _type_comparison(difference, place)
    if kind == "shape":
        shapes = tuple(difference.got.shape), tuple(difference.want.shape)
        return (
            f"your result{place} has the shape {shapes[0]}; {shapes[1]} is expected. "
            f"Expected {short_text(difference.want)}, got {short_text(difference.got)}."
        )
    if kind == "dtype":
        return f"expected numbers of type {_dtype(difference.want)}{place}, got {_dtype(difference.got)}: {short_text(difference.got)}."
    if kind == "nan":
        return (
            f"your result{place} holds NaN (not a number): expected {short_text(difference.want)}, got {short_text(difference.got)}. "
            f"Is there an inf - inf, 0 / 0 or inf * 0?"
        )
    if whole := _both_whole(got, want):
        return whole
    if is_tensor(difference.want):
        return _tensor_comparison(difference, place, atol)
    if isinstance(difference.want, str) and isinstance(difference.got, str):
        return _string_comparison(difference.got, difference.want, place)
    return _items_comparison(got, want, difference)


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _path_text(path: tuple[Any, ...]) -> str:
    return "".join(f"[{short_text(step)}]" for step in path)


def _both_whole(got: Any, want: Any) -> str:
    """Both results whole, where both are short; with as many digits as it takes to tell them apart. "" if they are too long."""
    texts = ("", "")
    for digits in DIGITS:
        texts = _text(want, digits, 0), _text(got, digits, 0)
        if max(map(len, texts)) > LONGEST or any("..." in text for text in texts):
            return ""
        if texts[0] != texts[1]:
            return f"expected {texts[0]}, got {texts[1]}."
    return ""


def _type_comparison(difference: Difference, place: str) -> str:
    got, want = difference.got, difference.want
    expected = f"the number {short_text(want)}" if isinstance(want, float) else _typed(want)
    advice = ""
    if is_tensor(got) and got.numel() == 1 and isinstance(want, (int, float)):
        advice = " (`.item()` makes a number of a tensor)"
    if is_tensor(want) and (isinstance(got, (list, tuple)) or type(got).__name__ == "ndarray"):
        advice = " (`torch.tensor(...)` makes a tensor of it)"
    if isinstance(want, (list, tuple)) and isinstance(got, (list, tuple)):
        advice = f" (`{type(want).__name__}(...)` makes one of the other)"
    return f"expected {expected}{place}, got {_typed(got)}{advice}."


def _typed(value: Any) -> str:
    """A value with its type."""
    if is_tensor(value):
        kind, text = type_text(value), short_text(value)
        return kind if kind == text else f"{kind}, {text}"
    text = short_text(value)
    if isinstance(value, float) and text.lstrip("-").isdigit():
        text += ".0"
    return text if text == type_text(value) else f"{text} of type {type(value).__name__}"


def _tensor_comparison(difference: Difference, place: str, atol: float) -> str:
    """The first number that differs, and the numbers beside it in its row."""
    got, want = difference.got.detach().cpu(), difference.want.detach().cpu()
    places = unequal_places(got, want, atol)
    first = places[0]
    rows = [tensor[first[:-1]].tolist() for tensor in (want, got)]
    for digits in DIGITS:
        texts = [_window(row, first[-1], digits) for row in rows]
        if texts[0] != texts[1]:
            break
    at = f"[{', '.join(map(str, first))}]{place and f' of the tensor{place}'}"
    return f"your result differs in {len(places)} of {want.numel()} numbers, first at {at}; around it expected {texts[0]}, got {texts[1]}."


def _string_comparison(got: str, want: str, place: str) -> str:
    """Two long texts around the first character that differs."""
    at = next((n for n, (one, other) in enumerate(zip(got, want, strict=False)) if one != other), min(len(got), len(want)))
    start = max(0, at - CHARACTERS_AROUND)

    def part(text: str) -> str:
        piece = text[start : at + CHARACTERS_AROUND]
        return ("..." if start else "") + repr(piece) + ("..." if len(text) > at + CHARACTERS_AROUND else "")

    return f"the texts{place} differ from character {at} on: expected {part(want)}, got {part(got)}."


def _items_comparison(got: Any, want: Any, difference: Difference) -> str:
    """Two long lists around the first item that differs; of dicts the entry that differs."""
    *path, last = difference.path if difference.path else (None,)
    if not difference.path:
        return f"expected {_telling(want, got)}, got {_telling(got, want)}."
    for step in path:
        got, want = got[step], want[step]
    place = f" at {_path_text(difference.path)}"
    if isinstance(want, dict):
        texts = [
            "nothing" if value is MISSING else _telling(value, other)
            for value, other in ((difference.want, difference.got), (difference.got, difference.want))
        ]
        return f"the results first differ{place}: expected {texts[0]}, got {texts[1]}."
    lengths = f" (of {len(want)} items; yours has {len(got)})" if len(got) != len(want) else ""
    for digits in DIGITS:
        texts = [_window(items, last, digits) for items in (want, got)]
        if texts[0] != texts[1]:
            break
    return f"the results first differ{place}{lengths}: expected {texts[0]}, got {texts[1]}."


def _window(items: Any, at: int, digits: int) -> str:
    """A list around one of its places."""
    start, end = max(0, at - AROUND), at + AROUND + 1
    shown = [_cut(_text(item, digits, 1)) for item in items[start:end]]
    return f"[{', '.join(['...'] * bool(start) + shown + ['...'] * (len(items) > end))}]"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _telling(value: Any, other: Any) -> str:
    """A value with as many digits as it takes to tell it from the other, and with its type where no digits do."""
    for digits in DIGITS:
        if short_text(value, digits) != short_text(other, digits):
            return short_text(value, digits)
    return f"{short_text(value)} of type {type(value).__name__}"
