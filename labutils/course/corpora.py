"""The course's own text as `datasets`: dialogues, reviews, translations, probes, prompting, words, prose, a
town that does not exist, word problems, preferences.

Every set lies in data/ as JSON Lines beside its data card. Rows come in the order of the file, always; nothing is fetched, and
nothing is written to disk. LABS_DIALOGUES replaces the dialogues by a person's own.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labutils import content
from labutils.errors import LabError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

PROBES = ("sentiment", "facts", "patterns")
SUMMARIES = ("summary", "summary1", "summary2", "summary3")
MIN_DIALOGUES = 30
WRITTEN = {
    "zero-shot": "zero_shot",
    "best prompt": "best_prompt",
    "full": "full",
    "LoRA": "lora",
}  # system -> column of written.jsonl
FORMAT = 'give one JSON object a line, {"dialogue": "...", "summary": "..."}'


def read_jsonl(path: Path, columns: Sequence[str] = (), name: str = "") -> list[tuple[int, dict[str, Any]]]:
    """Read a JSON Lines file: (line number from 1, row) for every line that is not blank.

    Args:
        path: the file.
        columns: the columns that every row must have, as text that is not blank.
        name: how to name the file in an error; its path by default.

    Raises:
        LabError: the file is missing, unreadable, empty or not UTF-8, a line is not a JSON object, or a column is missing or not
            text. One sentence names the file, the line and the fix.
    """
    name = name or str(path)
    if path.is_dir():
        raise LabError(f"{name} is a folder: give the path of a JSON Lines file.")
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except FileNotFoundError:
        raise LabError(f"{name} does not exist: check the path, or take a fresh copy of the course's data/ folder.") from None
    except OSError as error:
        raise LabError(f"{name} cannot be read ({error.strerror}): check the file's permissions.") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        try:
            row = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise LabError(f"{where} is not UTF-8 text: save the file again with the encoding UTF-8.") from None
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "unreadable"
            raise LabError(f"{where} is not JSON ({reason}): {FORMAT}.") from None
        if not isinstance(row, dict):
            raise LabError(f"{where} is JSON, but not an object: {FORMAT}.")
        for column in columns:
            _text(row, column, where)
        rows.append((number, row))
    if not rows:
        raise LabError(f"{name} is empty: {FORMAT}.")
    return rows


def _text(row: dict[str, Any], column: str, where: str) -> str:
    """The text in a column of a row, or a LabError that says what is wrong with it."""
    if column not in row:
        raise LabError(f'{where} has no "{column}": add that column to the row.')
    value = row[column]
    if not isinstance(value, str) or not value.strip():
        raise LabError(f'{where}: "{column}" must be text that is not blank, and it is {json.dumps(value)[:60]}.')
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise LabError(f'{where}: "{column}" holds half a character (a lone surrogate): write that text anew.')
    return value


def _course_rows(path: str, columns: Sequence[str], splits: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of one of the course's own files, such as "corpus/prose.jsonl".

    Args:
        path: below data/.
        columns: those that every row has, as text.
        splits: what the column "split" may hold, where there is one.

    Raises:
        LabError: the file is missing or damaged.
    """
    where = content.data_folder() / path
    try:
        rows = [row for _, row in read_jsonl(where, columns)]
    except LabError as error:
        problem, _, more = str(error).partition(": ")  # what to do is another thing for a file of the course's
        problem += " is damaged" if more.startswith('"') else ""
        raise LabError(f"{problem}: take a fresh copy of the course's data/ folder.") from error
    counts = Counter(name for row in rows for name in _names(row))
    for number, row in enumerate(rows, 1):
        once = any(counts[name] == 1 for name in _names(row))  # another row would have it too, or none
        if (once and len(rows) > 1) or (splits and row["split"] not in splits):
            raise LabError(f"{where}, row {number}, is damaged: take a fresh copy of the course's data/ folder.")
    return rows


def _names(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The names in a row: its columns, and those of the objects in its lists."""
    for column, value in row.items():
        yield column, ""
        for inner in value if isinstance(value, list) else ():
            yield from ((column, name) for name in inner) if isinstance(inner, dict) else ()


def _dialogue(row: dict[str, Any], references: list[str], name: str = "") -> dict[str, Any]:
    """A dialogue in the columns that `load_dialogues` promises; `name` stands in for an id that the row lacks."""
    known = {"id": str(row.get("id") or name), "topic": str(row.get("topic") or "")}
    return {**known, "dialogue": row["dialogue"], "summary": references[0], "references": references}


def read_alike(text: str) -> str:
    """What a person reads of a text: its lines without blanks at their ends, composed accents, nothing invisible.

    Two texts that differ in line ends, in the number of blanks, in composed or decomposed accents, or in a byte-order mark give the
    same; one without any of these comes back as it is.

    >>> read_alike("\\ufeffAna: cafe\\u0301 \\r\\nLi:  yes\\n")
    'Ana: café\\nLi: yes'
    """
    seen = "".join(character for character in text if unicodedata.category(character) != "Cf")
    lines = unicodedata.normalize("NFC", seen).splitlines()
    return "\n".join(" ".join(line.split()) for line in lines).strip()


def _words(text: str) -> str:
    """A text by which two are held to be the same: as `read_alike`, on one line."""
    return " ".join(read_alike(text).split())


def split_dialogues(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Split dialogues 80/10/10 into train, validation and test by their text alone.

    Rows are ranked by the SHA-256 of the dialogue as a person reads it (see `read_alike`): the first tenth becomes test, the second
    validation. So the same text gives the same splits on every machine, whatever editor saved it and in whatever order the lines
    stand. Within a split the order of the file is kept.
    """
    tenth = len(rows) // 10
    ranked = sorted(range(len(rows)), key=lambda i: hashlib.sha256(read_alike(rows[i]["dialogue"]).encode("utf-8")).digest())
    parts = {"train": ranked[2 * tenth :], "validation": ranked[tenth : 2 * tenth], "test": ranked[:tenth]}
    return {split: [rows[i] for i in sorted(part)] for split, part in parts.items()}


def learner_dialogues(path: Path, references: int = 1) -> dict[str, list[dict[str, Any]]]:
    """A learner's own dialogues, split: what LABS_DIALOGUES names.

    Each row has "dialogue" and "summary", or "summary1" to "summary3" for several references. Rows with the same dialogue become
    one, with all their summaries as references, so that no dialogue stands in two splits.

    Args:
        path: of the file.
        references: how many summaries each dialogue of the test split must have.

    Raises:
        LabError: a bad file (see `read_jsonl`), a row without any summary, fewer than `MIN_DIALOGUES` different dialogues, or a
            dialogue of the test split with too few summaries.
    """
    name = f"LABS_DIALOGUES={path}"
    kept: dict[str, dict[str, Any]] = {}
    lines: dict[str, int] = {}
    for number, row in read_jsonl(path, ["dialogue"], name):
        where = f"{name}, line {number}"
        given = [column for column in SUMMARIES if row.get(column)]
        summaries = list(dict.fromkeys(_text(row, column, where) for column in given or ["summary"]))
        seen = _words(row["dialogue"])
        found, _ = kept.setdefault(seen, _dialogue(row, summaries, f"line-{number}")), lines.setdefault(seen, number)
        known = {_words(summary) for summary in found["references"]}
        found["references"] += [summary for summary in summaries if _words(summary) not in known]
    if len(kept) < MIN_DIALOGUES:
        raise LabError(
            f"{name} has {len(kept)} different dialogues, too few for the splits: give at least {MIN_DIALOGUES} "
            f"(80 % to train, 10 % to validate, 10 % to test), or unset LABS_DIALOGUES."
        )
    splits = split_dialogues(list(kept.values()))
    short = [row for row in splits["test"] if len(row["references"]) < references]
    if short:
        raise LabError(
            f"{name}, line {lines[_words(short[0]['dialogue'])]} has {len(short[0]['references'])} of the {references} summaries "
            f"that this lab compares, as have {len(short)} of the {len(splits['test'])} test dialogues: give each "
            f"{', '.join(SUMMARIES[1 : references + 1])}, or unset LABS_DIALOGUES."
        )
    return splits


def _dataset(rows: list[dict[str, Any]]) -> Dataset:
    from datasets import Dataset

    return Dataset.from_list(rows)


def _splits(splits: dict[str, list[dict[str, Any]]]) -> DatasetDict:
    from datasets import DatasetDict

    return DatasetDict({name: _dataset(rows) for name, rows in splits.items()})


def load_dialogues(references: int = 1, own: bool = True) -> DatasetDict:
    """Everyday dialogues with summaries, for labs 03, 05 and 06: splits train, validation, test (500, 64, 78).

    Columns: id; topic ("" if a person's own row has none); dialogue (turns "Name: text", one a line); summary; references (all
    the summaries: three in test, written independently, one elsewhere; the first is `summary`).

    LABS_DIALOGUES, the path of a JSON Lines file, replaces them: see `learner_dialogues`.

    Args:
        references: how many summaries each test dialogue must have; lab 06 compares three.
        own: False gives the course's dialogues also where LABS_DIALOGUES is set.

    Raises:
        LabError: a file is missing or bad, or a person's own dialogue has too few summaries.
    """
    if own and (path := os.environ.get("LABS_DIALOGUES")):
        splits = learner_dialogues(Path(path).expanduser().absolute(), references)
    else:
        splits = {}
        for split in ("train", "validation", "test"):
            summaries = SUMMARIES[1:] if split == "test" else SUMMARIES[:1]
            rows = _course_rows(f"dialogues/{split}.jsonl", ["id", "topic", "dialogue", *summaries])
            splits[split] = [_dialogue(row, [row[column] for column in summaries]) for row in rows]
    return _splits(splits)


def load_written_summaries() -> dict[str, list[str]]:
    """What the course's default model wrote for its test dialogues, in their order, by system, for lab 06.

    "best prompt": untrained, with the best of four prompts (`python benchmarks/data_gain.py --save` writes them). Where the file has
    them, "zero-shot": untrained, with the prompt of lab 05; "full" and "LoRA": after the race of lab 05
    (`python benchmarks/race_texts.py` takes them from where that lab keeps its results).
    """
    rows = _course_rows("dialogues/written.jsonl", ["id"])
    return {name: [row[column] for row in rows] for name, column in WRITTEN.items() if column in rows[0]}


def load_reviews() -> DatasetDict:
    """Short reviews for sentiment, labs 03 and 07: splits pool (to draw shots from) and test, 126 each.

    Columns: id; kind (what is reviewed); label ("positive", "negative", "mixed"); hard (bool); why (what makes it hard: irony,
    negation, ..., or ""); text.
    """
    parts: dict[str, list[dict[str, Any]]] = {"pool": [], "test": []}
    for row in _course_rows("reviews/reviews.jsonl", ["id", "kind", "label", "text", "split"], tuple(parts)):
        parts[row["split"]].append({key: value for key, value in row.items() if key != "split"})
    return _splits(parts)


def load_translations() -> Dataset:
    """French sentences for lab 06. Columns: id; source; references (two or three, English); candidates ({defect, text} each)."""
    return _dataset(_course_rows("translations/translations.jsonl", ["id", "source"]))


def load_probes() -> DatasetDict:
    """Tasks unlike summarization, to measure forgetting in lab 07: splits sentiment, facts, patterns, 66 each.

    Columns: id; prompt; choices (list of text); answer (one of the choices).
    """
    return _splits({name: _course_rows(f"probes/{name}.jsonl", ["id", "prompt", "answer"]) for name in PROBES})


def load_prompting() -> Dataset:
    """The material of lab 03. Columns: id; kind; text; meta (JSON text, since kinds differ: `json.loads(row["meta"])`)."""
    rows = _course_rows("prompting/prompting.jsonl", ["id", "kind", "text"])
    return _dataset([{**row, "meta": json.dumps(row["meta"], ensure_ascii=False)} for row in rows])


def load_words() -> DatasetDict:
    """Tasks of one word and its answer, such as "cat -> cats", for labs 03 and 07: splits pool (to draw shots from) and test.

    Nine tasks, each with 24 rows in the pool and 40 in the test set. Columns: id; task ("plural", "past tense", "opposite",
    "capital", "kind", "upper case", "french", "sum", "backwards"); word; answer; also (list of other right answers).
    """
    parts: dict[str, list[dict[str, Any]]] = {"pool": [], "test": []}
    for row in _course_rows("words/words.jsonl", ["id", "task", "split", "word", "answer"], tuple(parts)):
        parts[row["split"]].append({key: value for key, value in row.items() if key != "split"})
    return _splits(parts)


def load_prose() -> Dataset:
    """Plain English prose (70 KB), to train a tokenizer and small models in lab 01. Columns: id; subject; text."""
    return _dataset(_course_rows("corpus/prose.jsonl", ["id", "subject", "text"]))


def load_mixed() -> Dataset:
    """French, English, digits, code, emoji and accents, to compare tokenizers. Columns: id; kind; text; english; language.

    english (a translation) and language are "" where they do not apply.
    """
    rows = _course_rows("corpus/mixed.jsonl", ["id", "kind", "text"])
    return _dataset([{**row, "english": row.get("english", ""), "language": row.get("language", "")} for row in rows])


def load_town() -> DatasetDict:
    """A town that does not exist, for lab 09, so that no model can know it: splits passages, questions, swapped (80, 90, 20).

    passages: id; document (one of ten subjects, eight passages each); title; text.
    questions: id; question; answer (as it stands in a passage, "" where no passage has it); gold (ids of the passages that it takes,
    the one with the answer last); wording ("same" where the question uses the passage's words, "other", or "" without an answer);
    absent (a word of an unanswerable question that stands in no passage, or ""); split ("dev" or "test").
    swapped: id; passage; question; answer; text (the passage with another fact in the place of the question's answer).
    """
    return _splits(
        {
            "passages": _course_rows("town/passages.jsonl", ["id", "document", "title", "text"]),
            "questions": _course_rows("town/questions.jsonl", ["id", "question", "split"]),
            "swapped": _course_rows("town/swapped.jsonl", ["id", "passage", "question", "answer", "text"]),
        }
    )


def load_problems() -> DatasetDict:
    """Word problems of one and two steps, for lab 09: splits pool (to draw shots from) and test (20, 100).

    Columns: id; steps (1 or 2); text; answer (a whole number or a fraction, such as "25/4"); program (an expression with that value).
    """
    parts: dict[str, list[dict[str, Any]]] = {"pool": [], "test": []}
    for row in _course_rows("problems/problems.jsonl", ["id", "split", "text", "answer", "program"], tuple(parts)):
        parts[row["split"]].append({key: value for key, value in row.items() if key != "split"})
    return _splits(parts)


def load_preferences() -> DatasetDict:
    """Notes with a question and four replies, and which of two replies a hurried rater prefers, for lab 10.

    Splits notes, pairs, rating, pool (60, 300, 10, 58 rows). notes: id; split ("train" or "test"); note; question; answers (texts of
    which a helpful reply holds one); replies (four). pairs: id; note; split; first, second (places in the note's replies); preferred
    ("first" or "second"). rating: id; pair (ten pairs for a learner's own choice). pool: id; note; replies (sixteen, written
    by the course's model with the other two notes in its prompt; `python benchmarks/reply_pool.py` makes them).
    """
    return _splits(
        {
            "notes": _course_rows("preferences/notes.jsonl", ["id", "split", "note", "question"]),
            "pairs": _course_rows("preferences/pairs.jsonl", ["id", "note", "split", "preferred"]),
            "rating": _course_rows("preferences/rating.jsonl", ["id", "pair"]),
            "pool": _course_rows("preferences/pool.jsonl", ["id", "note"]),
        }
    )
