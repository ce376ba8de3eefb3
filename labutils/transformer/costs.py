"""What the same kinds of text cost under several tokenizers, by language and per byte (lab 01)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labutils.course.plots import show_table
from labutils.transformer.bpe import token_costs

SEPARATOR = " / "  # between the texts of a row that holds two languages


@dataclass(frozen=True)
class CostRow:
    """The cost of one kind of text.

    Attributes:
        name: the language, or the kind ("Digits", "Code", ...).
        lines, characters, bytes: how much text was counted; bytes of UTF-8.
        per_100_bytes: tokens per 100 bytes, one number for each tokenizer. A byte-level tokenizer never needs more than 100.
        times_english: for each line that has an English translation, the tokens of one tokenizer divided by its tokens for the
            translation.
        unknown: tokens of all tokenizers that stand for "unknown": their text is lost.
    """

    name: str
    lines: int
    characters: int
    bytes: int
    per_100_bytes: tuple[float, ...]
    times_english: tuple[float, ...]
    unknown: int


def by_language(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """The rows of `load_mixed` as {language or kind: [(text, English translation or "")]}.

    A row that holds two languages, separated by a stroke, is taken apart.
    """
    texts: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        names = row["language"].split(", ") if row["language"] else [row["kind"].capitalize()]
        parts = row["text"].split(SEPARATOR) if len(names) > 1 else [row["text"]]
        translations = row["english"].split(SEPARATOR) if len(names) > 1 else [row["english"]]
        for name, text, translation in zip(names, parts, translations, strict=True):
            texts.setdefault(name, []).append((text, translation))
    return texts


def _ratio(pair: tuple[str, str], tokenizer: Any) -> float:
    text, translation = (token_costs([one], {"": tokenizer})[0].tokens for one in pair)
    return text / translation


def cost_rows(rows: Iterable[Mapping[str, Any]], tokenizers: Mapping[str, Any], compared: str) -> list[CostRow]:
    """Count the tokens of the rows of `load_mixed`, by language or kind, the cheapest per byte first.

    Args:
        rows: of `load_mixed`.
        tokenizers: name -> tokenizer, as for `token_costs`.
        compared: the name of the tokenizer that `times_english` and the order are about.
    """
    found, place = [], list(tokenizers).index(compared)
    for name, pairs in by_language(rows).items():
        texts = [text for text, _ in pairs]
        size = sum(len(text.encode()) for text in texts)
        costs = token_costs(texts, tokenizers)
        times = tuple(_ratio(pair, tokenizers[compared]) for pair in pairs if pair[1])
        per_100 = tuple(round(100 * cost.tokens / size, 1) for cost in costs)
        unknown = sum(cost.unknown for cost in costs)
        found.append(CostRow(name, len(texts), sum(map(len, texts)), size, per_100, times, unknown))
    return sorted(found, key=lambda row: row.per_100_bytes[place])


def show_costs(rows: Iterable[CostRow], names: Iterable[str]) -> None:
    """Show `cost_rows` as a table; `names` are those of the tokenizers."""
    table = []
    for row in rows:
        times = f"{sum(row.times_english) / len(row.times_english):.1f}" if row.times_english else ""
        table.append((row.name, row.lines, row.characters, row.bytes, *row.per_100_bytes, times, row.unknown))
    header = ("text", "lines", "characters", "bytes", *names, "times English", "[UNK]")
    show_table(header, table, "Tokens per 100 bytes of text")
