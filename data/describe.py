"""Writes the numbers into the data cards and the distributions into data/README.md, between their markers.

    python data/describe.py

A test asserts that the pages are in step with the data, so run this after any change to a file under data/.
"""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent
BEGIN, END = "<!-- numbers: written by data/describe.py -->", "<!-- end of numbers -->"
SPLITS = ("train", "validation", "test")
TEXT = (
    "dialogue",
    "summary",
    "summary1",
    "summary2",
    "summary3",
    "text",
    "source",
    "references",
    "prompt",
    "choices",
    "word",
    "zero_shot",
    "best_prompt",
    "lora",
    "question",
    "note",
    "replies",
)
USED = {
    "dialogues": "03, 05, 06",
    "reviews": "03",
    "translations": "06",
    "probes": "05",
    "prompting": "03",
    "words": "03",
    "town": "09",
    "problems": "09",
    "preferences": "10",
    "corpus": "01",
}

Rows = list[dict[str, Any]]


def read(path: Path) -> Rows:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def words(text: str) -> list[str]:
    """Words in lower case; "well-known" and "don't" are one each."""
    return re.findall(r"\w+(?:['-]\w+)*", text.lower())


def grams(text: str, n: int) -> set[tuple[str, ...]]:
    """The different word n-grams of a text."""
    found = words(text)
    return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)}


def texts(row: dict[str, Any]) -> list[str]:
    """The texts of a row that a person reads, candidates included."""
    found: list[str] = []
    for key in TEXT:
        value = row.get(key, [])
        found += [value] if isinstance(value, str) else value
    return found + [candidate["text"] for candidate in row.get("candidates", [])]


def table(head: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; numbers get thousands separators."""

    def cells(line: Iterable[Any]) -> str:
        return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in line) + " |"

    head = list(head)
    return "\n".join([cells(head), cells(["---"] * len(head)), *map(cells, lines)])


def bars(counts: dict[Any, int], width: int = 40) -> str:
    """A histogram in characters, one line for each value."""
    most = max(counts.values())
    label = max(len(str(value)) for value in counts)
    lines = [f"{value!s:>{label}}  {'#' * round(width * count / most):<{width}} {count}" for value, count in counts.items()]
    return "```text\n" + "\n".join(line.rstrip() for line in lines) + "\n```"


def in_steps(values: list[int], step: int) -> dict[str, int]:
    """Counts of values in ranges such as "60-69", none left out between the smallest and the largest."""
    counts = Counter(value // step for value in values)
    return {f"{i * step}-{i * step + step - 1}": counts[i] for i in range(min(counts), max(counts) + 1)}


def spread(values: Iterable[float], digits: int = 0) -> str:
    """Smallest, quartiles and largest of some values."""
    values = sorted(values)
    five = [values[0], *statistics.quantiles(values, n=4, method="inclusive"), values[-1]]
    return " / ".join(f"{value:.{digits}f}" for value in five)


def summaries(row: dict[str, Any]) -> list[str]:
    """The one summary of a training dialogue, or the three of a test dialogue."""
    return [row[key] for key in TEXT[1:5] if key in row]


def largest_share(rows: Rows, n: int = 5) -> dict[str, float]:
    """Within and across splits: the largest share of a dialogue's spoken word n-grams that stand in another one."""
    owners: dict[tuple[str, ...], list[str]] = defaultdict(list)
    sizes: dict[str, int] = {}
    for row in rows:
        own = grams(re.sub(r"^[^:\n]+: ", "", row["dialogue"], flags=re.MULTILINE), n)
        sizes[row["id"]] = len(own)
        for gram in own:
            owners[gram].append(row["id"])
    shared = Counter(pair for ids in owners.values() for pair in combinations(ids, 2))
    largest = {"within a split": 0.0, "across splits": 0.0}
    for (a, b), count in shared.items():
        where = "within a split" if a.split("-")[0] == b.split("-")[0] else "across splits"
        largest[where] = max(largest[where], count / min(sizes[a], sizes[b]))
    return largest


def sizes(folder: Path, tokens: Callable[[str], int]) -> list[list[Any]]:
    """[file, rows, bytes, tokens of the default model] for every file of a folder."""
    return [
        [f"`{path.name}`", len(rows), path.stat().st_size, sum(tokens(text) for row in rows for text in texts(row))]
        for path, rows in ((path, read(path)) for path in sorted(folder.glob("*.jsonl")))
    ]


def of_dialogues(tokens: Callable[[str], int]) -> str:
    """The distributions of the dialogues, in Markdown."""
    splits = {split: read(DATA / f"dialogues/{split}.jsonl") for split in SPLITS}
    rows = [row for split in SPLITS for row in splits[split]]
    length = {row["id"]: tokens(row["dialogue"]) for row in rows}
    people = {row["id"]: {turn.split(": ", 1)[0] for turn in row["dialogue"].split("\n")} for row in rows}
    ratios = [len(words(s)) / len(words(row["dialogue"])) for row in rows for s in summaries(row)]
    copied = [len(grams(s, 4) & grams(row["dialogue"], 4)) / len(grams(s, 4)) for row in rows for s in summaries(row)]
    names = Counter(name for found in people.values() for name in found)
    share = largest_share(rows)
    lines = []
    for split in SPLITS:
        some = splits[split]
        lines.append(
            [
                split,
                len(some),
                spread(length[row["id"]] for row in some),
                spread(row["dialogue"].count("\n") + 1 for row in some),
                spread(tokens(s) for row in some for s in summaries(row)),
                spread(len(s.split()) for row in some for s in summaries(row)),
            ]
        )
    head = ("split", "dialogues", "tokens of a dialogue", "turns", "tokens of a summary", "words of a summary")
    topics = {
        topic: [sum(row["topic"] == topic for row in splits[s]) for s in SPLITS] for topic in sorted({r["topic"] for r in rows})
    }
    turns, speakers = Counter(row["dialogue"].count("\n") + 1 for row in rows), Counter(map(len, people.values()))
    parts = [
        "Smallest / first quartile / median / third quartile / largest:",
        table(head, lines),
        "Tokens of a dialogue, labels of the turns included, all splits:",
        bars(in_steps(list(length.values()), 10)),
        "Turns, and speakers, in a dialogue:",
        bars(dict(sorted(turns.items()))),
        bars(dict(sorted(speakers.items()))),
        f"Compression, words of a summary per word of its dialogue: {spread(ratios, 2)}; mean {statistics.mean(ratios):.2f}.",
        f"Word 4-grams of a summary that stand in its dialogue: {100 * statistics.mean(copied):.2f} % on average, "
        f"{100 * max(copied):.1f} % at most; {sum(share > 0 for share in copied)} of {len(copied)} summaries have any.",
        f"Speakers: {len(names):,} different names; the commonest, {names.most_common(1)[0][0]}, speaks in "
        f"{100 * names.most_common(1)[0][1] / len(rows):.1f} % of the dialogues.",
        "The largest share of a dialogue's spoken word 5-grams found in another: "
        + ", ".join(f"{100 * value:.1f} % {where}" for where, value in share.items())
        + ".",
        f"Dialogues on each of the {len(topics)} topics (train + validation + test):",
        ", ".join(f"{topic} {a}+{b}+{c}" for topic, (a, b, c) in topics.items()) + ".",
    ]
    return "\n\n".join(parts)


def of_others(tokens: Callable[[str], int]) -> str:
    """What can be counted in the other sets, in Markdown."""
    reviews = read(DATA / "reviews/reviews.jsonl")
    cells = Counter((row["split"], row["label"], row["hard"]) for row in reviews)
    labels = ("positive", "negative", "mixed")
    lines = [
        [split, *(f"{cells[split, label, False]} + {cells[split, label, True]}" for label in labels)]
        for split in ("pool", "test")
    ]
    why = Counter(row["why"] for row in reviews if row["hard"])
    french = read(DATA / "translations/translations.jsonl")
    references = Counter(len(row["references"]) for row in french)
    prompting = Counter(row["kind"] for row in read(DATA / "prompting/prompting.jsonl"))
    mixed = Counter(row["kind"] for row in read(DATA / "corpus/mixed.jsonl"))
    parts = [
        f"Reviews, plain + hard, of {len({row['kind'] for row in reviews})} kinds of things "
        f"(tokens {spread(tokens(row['text']) for row in reviews)}):",
        table(("split", *labels), lines),
        "What makes the hard ones hard: " + ", ".join(f"{name} {count}" for name, count in why.most_common()) + ".",
        f"Translations: {len(french)} sentences of {spread(len(words(row['source'])) for row in french)} words, "
        + ", ".join(f"{count} with {n} references" for n, count in sorted(references.items()))
        + f", {len(french[0]['candidates'])} candidates each.",
        "Prompting: " + ", ".join(f"{name} {count}" for name, count in prompting.items()) + ".",
        "Mixed text: " + ", ".join(f"{name} {count}" for name, count in mixed.items()) + ".",
    ]
    return "\n\n".join(parts)


def between(path: Path, numbers: str) -> str:
    """The text of a page with new numbers between its markers."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n\n{numbers}\n\n{END}{rest.split(END)[1]}"


def pages(tokenizer: Any) -> dict[Path, str]:
    """Every page that holds numbers: path -> its text as it should be now."""

    def tokens(text: str) -> int:
        return len(tokenizer(text)["input_ids"])

    folders = [DATA / name for name in USED]
    rows = {folder: sizes(folder, tokens) for folder in folders}
    head = ("file", "rows", "bytes", "tokens")
    found = {folder / "README.md": between(folder / "README.md", table(head, rows[folder])) for folder in folders}
    everything = [[f"[{f.name}]({f.name}/README.md)", *line, USED[f.name]] for f in folders for line in rows[f]]
    parts = [
        table(("set", *head, "labs"), everything),
        "## Dialogues",
        of_dialogues(tokens),
        "## The other sets",
        of_others(tokens),
    ]
    return {DATA / "README.md": between(DATA / "README.md", "\n\n".join(parts)), **found}


def main() -> None:
    """Rewrite the pages that are out of step."""
    from transformers import AutoTokenizer

    from labutils.course import assets

    tokenizer = AutoTokenizer.from_pretrained(assets.require(assets.model_for("decoder")), local_files_only=True)
    for path, text in pages(tokenizer).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"Written: {path.relative_to(DATA.parent)}")


if __name__ == "__main__":
    main()
