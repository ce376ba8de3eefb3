"""The course's own text keeps the rules that its data cards state. Every threshold stands here, and data/README.md repeats it."""

from __future__ import annotations

import ast
import importlib.util
import json
import operator
import re
import unicodedata
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from paths import DATA
from pydantic import BaseModel, ConfigDict, StringConstraints

from labutils.evaluation import meaning
from labutils.preferences import replies

FILES = sorted(
    path for path in DATA.rglob("*.jsonl") if path.parent.name not in ("study", "scaling")
)  # a record of runs: tests/tuning/test_study.py
FOLDERS = sorted({path.parent for path in FILES})
SPLITS = ("train", "validation", "test")

NAME_SHARE = 0.03  # of the dialogues may have one and the same speaker
TOPICS, TOPIC_SHARE = 40, 0.04
TOKENS = (50, 160)  # of the default model, labels of the turns included
TURNS, SPEAKERS = (4, 12), (2, 4)
SHARED_5GRAMS = 0.05  # of the shorter dialogue's word 5-grams may stand in another dialogue
SHARED_5GRAMS_TEXT = 0.15  # the same for short texts: reviews, translations, prompts
COSINE = {"dialogues": 0.65, "reviews": 0.65, "translations": 0.55, "prose": 0.65}
COPIED_4GRAMS, COPIED_MEAN = 0.10, 0.005  # of a summary's word 4-grams may stand in its dialogue: of any one; on average
COMPRESSION, COMPRESSION_MEAN = (0.20, 0.75), (0.30, 0.45)  # words of the summary per word of the dialogue
SUMMARY_WORDS = (12, 40)
REFERENCE_RUN = 9  # words at most may follow one another in the same order in two summaries of the same dialogue
REFERENCE_5GRAMS = 0.50  # of a summary's word 5-grams may stand in another summary of the same dialogue
SCRIPTS_MEANT = {
    "corpus/mixed.jsonl",  # emoji, several scripts and typographic quotes are its purpose
    "preferences/pool.jsonl",  # as the model wrote it
}


# --- reading


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def dialogues() -> list[dict[str, Any]]:
    return [row for split in SPLITS for row in rows(f"dialogues/{split}.jsonl")]


def summaries(row: dict[str, Any]) -> list[str]:
    return [row[key] for key in ("summary", "summary1", "summary2", "summary3") if key in row]


def words(text: str) -> list[str]:
    return re.findall(r"\w+(?:['-]\w+)*", text.lower())


def grams(tokens: list[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


def turns(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [tuple(turn.split(": ", 1)) for turn in row["dialogue"].split("\n")]


def speakers(row: dict[str, Any]) -> set[str]:
    return {name for name, _ in turns(row)}


def spoken(row: dict[str, Any]) -> str:
    return " ".join(text for _, text in turns(row))


# --- schema

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"^\S[\s\S]*\S$|^\S$")]


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    id: Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z]+)*-\d+$")]


class Dialogue(Row):
    topic: Annotated[str, StringConstraints(pattern=r"^[a-z]+( [a-z]+){1,3}$")]
    dialogue: Text
    summary: Text


class TestDialogue(Row):
    __test__ = False
    topic: Annotated[str, StringConstraints(pattern=r"^[a-z]+( [a-z]+){1,3}$")]
    dialogue: Text
    summary1: Text
    summary2: Text
    summary3: Text


class Written(Row):
    best_prompt: Text
    zero_shot: Text | None = None
    full: Text | None = None
    lora: Text | None = None


class Review(Row):
    kind: Text
    label: Literal["positive", "negative", "mixed"]
    hard: bool
    why: Literal["", "negation", "irony", "changed mind", "understatement", "comparison", "mixed feelings"]
    text: Text
    split: Literal["pool", "test"]


class Candidate(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    defect: Literal[
        "none", "dropped words", "wrong order", "wrong word", "too short", "repeated", "perfect paraphrase", "negation flipped"
    ]
    text: Text


class Translation(Row):
    source: Text
    references: list[Text]
    candidates: list[Candidate]


class Probe(Row):
    prompt: Text
    choices: list[Text]
    answer: Text


class Prompting(Row):
    kind: Literal["steps", "no_steps", "style", "extract", "advert", "grade", "sum", "false_premise", "made_up", "delimiter"]
    text: Text
    meta: dict[str, Any]


class Word(Row):
    task: Literal["plural", "past tense", "opposite", "capital", "kind", "upper case", "french", "sum", "backwards"]
    split: Literal["pool", "test"]
    word: Text
    answer: Text
    also: list[Text]


class Passage(Row):
    document: Text
    title: Text
    text: Text


class Question(Row):
    question: Annotated[str, StringConstraints(pattern=r"^[A-Z].*\?$")]
    answer: str
    gold: list[Text]
    wording: Literal["same", "other", ""]
    absent: str
    split: Literal["dev", "test"]


class Swapped(Row):
    passage: Text
    question: Text
    answer: Text
    text: Text


class Problem(Row):
    split: Literal["pool", "test"]
    steps: Literal[1, 2]
    text: Annotated[str, StringConstraints(pattern=r"^[A-Z].*\?$")]
    answer: Annotated[str, StringConstraints(pattern=r"^\d+(/\d+)?$")]
    program: Annotated[str, StringConstraints(pattern=r"^[\d+*/() -]+$")]


class Note(Row):
    split: Literal["train", "test"]
    note: Text
    question: Annotated[str, StringConstraints(pattern=r"^[A-Z].*\?$")]
    answers: list[Text]
    replies: list[Text]


class Pair(Row):
    note: Text
    split: Literal["train", "test"]
    first: Literal[0, 1, 2, 3]
    second: Literal[0, 1, 2, 3]
    preferred: Literal["first", "second"]


class Rating(Row):
    pair: Text


class Pool(Row):
    note: Text
    replies: list[str]


class Prose(Row):
    subject: Text
    text: Text


class Mixed(Row):
    kind: Literal["french", "english", "digits", "code", "emoji", "accents"]
    text: Text
    english: Text | None = None
    language: Text | None = None


MODELS: dict[str, type[Row]] = {
    "dialogues/train.jsonl": Dialogue,
    "dialogues/validation.jsonl": Dialogue,
    "dialogues/test.jsonl": TestDialogue,
    "dialogues/written.jsonl": Written,
    "reviews/reviews.jsonl": Review,
    "translations/translations.jsonl": Translation,
    "probes/sentiment.jsonl": Probe,
    "probes/facts.jsonl": Probe,
    "probes/patterns.jsonl": Probe,
    "prompting/prompting.jsonl": Prompting,
    "words/words.jsonl": Word,
    "town/passages.jsonl": Passage,
    "town/questions.jsonl": Question,
    "town/swapped.jsonl": Swapped,
    "problems/problems.jsonl": Problem,
    "preferences/notes.jsonl": Note,
    "preferences/pairs.jsonl": Pair,
    "preferences/rating.jsonl": Rating,
    "preferences/pool.jsonl": Pool,
    "corpus/prose.jsonl": Prose,
    "corpus/mixed.jsonl": Mixed,
}


def test_every_file_has_a_schema() -> None:
    assert {path.relative_to(DATA).as_posix() for path in FILES} == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_rows_keep_the_schema_and_ids_are_unique(name: str) -> None:
    read = [MODELS[name].model_validate(row) for row in rows(name)]
    assert [row.id for row in read] == list(dict.fromkeys(row.id for row in read))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_are_clean_utf8(path: Path) -> None:
    raw = path.read_bytes()
    text = raw.decode("utf-8")
    assert not raw.startswith(b"\xef\xbb\xbf") and b"\r" not in raw and raw.endswith(b"}\n") and b"\n\n" not in raw
    assert unicodedata.normalize("NFC", text) == text
    for line in text.splitlines():
        values = json.dumps(json.loads(line), ensure_ascii=False)
        # Cc: control, Cs: half a surrogate pair, Co: private use, Cn: unassigned. A line break inside a value is written \n.
        assert [c for c in values if unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn"}] == []
        if path.relative_to(DATA).as_posix() not in SCRIPTS_MEANT:
            assert re.findall(r"[‘’“”„«»–—…\u00a0\u200b\t]|  ", values) == [], line[:80]


# --- dialogues


def test_sizes_and_topics() -> None:
    sizes = {split: len(rows(f"dialogues/{split}.jsonl")) for split in SPLITS}
    assert sizes["train"] >= 480 and sizes["validation"] >= 60 and sizes["test"] >= 72
    topics = Counter(row["topic"] for row in dialogues())
    assert len(topics) >= TOPICS
    assert max(topics.values()) <= TOPIC_SHARE * len(dialogues())
    assert {row["topic"] for row in rows("dialogues/test.jsonl")} <= {row["topic"] for row in rows("dialogues/train.jsonl")}


def test_turns_and_speakers() -> None:
    for row in dialogues():
        assert TURNS[0] <= len(turns(row)) <= TURNS[1], row["id"]
        assert SPEAKERS[0] <= len(speakers(row)) <= SPEAKERS[1], row["id"]
        for turn in row["dialogue"].split("\n"):
            assert re.match(r"^[^\W\d_][\w'. -]{0,24}: \S", turn), (row["id"], turn)


def test_names_are_spread() -> None:
    used = Counter(name for row in dialogues() for name in speakers(row))
    assert max(used.values()) <= NAME_SHARE * len(dialogues()), used.most_common(3)


def test_dialogues_fit_the_default_model(default_model: tuple[Any, Any]) -> None:
    _, tokenizer = default_model
    lengths = {row["id"]: len(tokenizer(row["dialogue"])["input_ids"]) for row in dialogues()}
    assert {name: n for name, n in lengths.items() if not TOKENS[0] <= n <= TOKENS[1]} == {}


def test_summaries_are_short_sentences_about_the_speakers() -> None:
    for row in dialogues():
        names = {part for name in speakers(row) for part in name.split() if len(part) > 2 and part.lower() not in {"the", "old"}}
        roles = {name.lower() for name in speakers(row)}
        for summary in summaries(row):
            assert SUMMARY_WORDS[0] <= len(summary.split()) <= SUMMARY_WORDS[1], (row["id"], len(summary.split()))
            assert summary[0].isupper() and summary.endswith("."), (row["id"], summary)
            assert not re.match(r"in this (dialogue|conversation)", summary, re.IGNORECASE), row["id"]
            assert any(name in summary for name in names) or any(role in summary.lower() for role in roles), (row["id"], summary)
            assert re.findall(r"\b(I|we|you|my|our|your)\b", summary) == [], (row["id"], summary)


def test_summaries_are_not_copied() -> None:
    shares = {}
    for row in dialogues():
        said = grams(words(row["dialogue"]), 4)
        for number, summary in enumerate(summaries(row), 1):
            own = grams(words(summary), 4)
            shares[row["id"], number] = len(own & said) / len(own)
    assert max(shares.values()) <= COPIED_4GRAMS, max(shares.items(), key=operator.itemgetter(1))
    assert sum(shares.values()) / len(shares) <= COPIED_MEAN


def test_compression() -> None:
    ratios = {
        (row["id"], n): len(words(summary)) / len(words(row["dialogue"]))
        for row in dialogues()
        for n, summary in enumerate(summaries(row), 1)
    }
    assert {key: ratio for key, ratio in ratios.items() if not COMPRESSION[0] <= ratio <= COMPRESSION[1]} == {}
    assert COMPRESSION_MEAN[0] <= sum(ratios.values()) / len(ratios) <= COMPRESSION_MEAN[1]


def test_the_three_summaries_of_a_test_dialogue_differ() -> None:
    for row in rows("dialogues/test.jsonl"):
        for one, other in combinations(summaries(row), 2):
            a, b = grams(words(one), 5), grams(words(other), 5)
            assert len(a & b) <= REFERENCE_5GRAMS * min(len(a), len(b)), row["id"]
            run = REFERENCE_RUN + 1
            assert not grams(re.findall("[a-z0-9]+", one.lower()), run) & grams(re.findall("[a-z0-9]+", other.lower()), run), row[
                "id"
            ]


def test_written_summaries_stand_beside_every_test_dialogue() -> None:
    assert [row["id"] for row in rows("dialogues/written.jsonl")] == [row["id"] for row in rows("dialogues/test.jsonl")]


# --- duplicates


def most_shared(texts: dict[str, str], n: int = 5) -> tuple[float, tuple[str, str]]:
    """The largest share of one text's word n-grams that stands in another, and which two those are."""
    owners: dict[tuple[str, ...], list[str]] = defaultdict(list)
    sizes = {}
    for name, text in texts.items():
        own = grams(words(text), n)
        sizes[name] = len(own)
        for gram in own:
            owners[gram].append(name)
    shared = Counter(pair for names in owners.values() for pair in combinations(names, 2))
    return max(((count / min(sizes[a], sizes[b]), (a, b)) for (a, b), count in shared.items()), default=(0.0, ("", "")))


def test_no_two_dialogues_share_their_words() -> None:
    share, pair = most_shared({row["id"]: spoken(row) for row in dialogues()})
    assert share <= SHARED_5GRAMS, pair


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("reviews/reviews.jsonl", "text"),
        ("translations/translations.jsonl", "source"),
        ("corpus/prose.jsonl", "text"),
        ("town/passages.jsonl", "text"),
        ("problems/problems.jsonl", "text"),
        ("preferences/notes.jsonl", "note"),
    ],
)
def test_no_two_texts_share_their_words(name: str, column: str) -> None:
    share, pair = most_shared({row["id"]: row[column] for row in rows(name)})
    assert share <= SHARED_5GRAMS_TEXT, pair


@pytest.mark.parametrize("name", ["sentiment", "facts", "patterns"])
def test_no_two_probes_are_the_same(name: str) -> None:
    prompts = [" ".join(row["prompt"].lower().split()) for row in rows(f"probes/{name}.jsonl")]
    assert sorted(set(prompts)) == sorted(prompts)


def test_prompting_texts_do_not_share_their_words_with_dialogues() -> None:
    texts = {row["id"]: row["text"] for row in rows("prompting/prompting.jsonl") if row["kind"] != "style"}
    assert most_shared(texts)[0] <= SHARED_5GRAMS_TEXT
    said = set().union(*(grams(words(spoken(row)), 8) for row in dialogues()))
    assert [name for name, text in texts.items() if grams(words(text), 8) & said] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", COSINE)
def test_no_two_texts_mean_the_same(name: str, ready_home: Path) -> None:
    texts = {
        "dialogues": lambda: {row["id"]: row["dialogue"] for row in dialogues()},
        "reviews": lambda: {row["id"]: row["text"] for row in rows("reviews/reviews.jsonl")},
        "translations": lambda: {row["id"]: row["references"][0] for row in rows("translations/translations.jsonl")},
        "prose": lambda: {row["id"]: row["text"] for row in rows("corpus/prose.jsonl")},
    }[name]()
    vectors = meaning.embed(list(texts.values()))
    cosines = (vectors @ vectors.T).fill_diagonal_(-1)
    names = list(texts)
    closest = int(cosines.argmax())
    assert float(cosines.max()) <= COSINE[name], (names[closest // len(names)], names[closest % len(names)])


# --- reviews


def test_reviews_are_balanced() -> None:
    reviews = rows("reviews/reviews.jsonl")
    assert len(reviews) >= 240
    kinds = Counter(row["kind"] for row in reviews)
    assert len(kinds) >= 12 and max(kinds.values()) <= 2 * min(kinds.values())
    cells = Counter((row["split"], row["label"], row["hard"]) for row in reviews)
    for hard in (False, True):
        assert len({cells[split, label, hard] for split in ("pool", "test") for label in ("positive", "negative", "mixed")}) == 1
    assert abs(sum(row["hard"] for row in reviews) / len(reviews) - 1 / 3) < 0.02
    assert all(bool(row["why"]) == row["hard"] for row in reviews)
    for split in ("pool", "test"):
        assert {row["kind"] for row in reviews if row["split"] == split} == kinds.keys()
        assert len({row["why"] for row in reviews if row["split"] == split and row["hard"]}) >= 4


def test_review_labels_do_not_follow_from_length() -> None:
    means = {}
    for label in ("positive", "negative", "mixed"):
        lengths = [len(row["text"].split()) for row in rows("reviews/reviews.jsonl") if row["label"] == label]
        means[label] = sum(lengths) / len(lengths)
    assert max(means.values()) <= 1.25 * min(means.values()), means


# --- translations


def in_order(few: list[str], many: list[str]) -> bool:
    rest = iter(many)
    return all(word in rest for word in few)


def repeats(tokens: list[str]) -> bool:
    """A run of words that is said twice, one directly after the other."""
    return any(tokens[i : i + n] == tokens[i + n : i + 2 * n] for n in range(1, 8) for i in range(len(tokens) - 2 * n + 1))


def test_translations_have_references_and_every_defect() -> None:
    translations = rows("translations/translations.jsonl")
    assert len(translations) >= 72
    for row in translations:
        assert 2 <= len(row["references"]) <= 3 and len(set(row["references"])) == len(row["references"])
        defects = [candidate["defect"] for candidate in row["candidates"]]
        assert sorted(defects) == sorted(Candidate.model_fields["defect"].annotation.__args__)
        texts = [candidate["text"] for candidate in row["candidates"]]
        assert len(set(texts)) == len(texts) and not set(texts) & set(row["references"])


@pytest.mark.parametrize("row", rows("translations/translations.jsonl"), ids=lambda row: row["id"])
def test_candidates_have_their_defect(row: dict[str, Any]) -> None:
    found = {candidate["defect"]: words(candidate["text"]) for candidate in row["candidates"]}
    references = [words(text) for text in row["references"]]
    good = found["none"]
    assert any(len(set(good) & set(reference)) >= 0.5 * len(set(good)) for reference in references)
    assert not repeats(good)
    assert found["wrong order"] != good and sorted(found["wrong order"]) == sorted(good)
    dropped = found["dropped words"]
    assert in_order(dropped, good) and 0.3 * len(good) <= len(dropped) <= 0.9 * len(good)
    short = found["too short"]
    assert short == good[: len(short)] and len(short) < 0.7 * min(map(len, references))
    assert repeats(found["repeated"])
    assert set(found["repeated"]) == set(good)
    assert 1 <= min(sum((Counter(found["wrong word"]) - Counter(text)).values()) for text in [good, *references]) <= 3
    paraphrase = grams(found["perfect paraphrase"], 2)
    assert max(len(paraphrase & grams(text, 2)) for text in [good, *references]) <= 1
    assert found["negation flipped"] != good and len(set(found["negation flipped"]) ^ set(good)) <= 8


# --- probes


@pytest.mark.parametrize("name", ["sentiment", "facts", "patterns"])
def test_probes_can_be_scored_exactly(name: str) -> None:
    probes = rows(f"probes/{name}.jsonl")
    assert len(probes) >= 60
    for row in probes:
        assert row["answer"] in row["choices"] and len(set(row["choices"])) == len(row["choices"]), row["id"]
    choices = {len(row["choices"]) for row in probes}
    assert len(choices) == 1
    places = Counter(row["choices"].index(row["answer"]) for row in probes)
    assert max(places.values()) - min(places.values()) <= 1 and len(places) == choices.pop()
    if name == "sentiment":
        labels = Counter(row["answer"] for row in probes)
        assert labels["positive"] == labels["negative"]


# --- prompting


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [row for row in rows("prompting/prompting.jsonl") if row["kind"] == kind]


def value(text: str) -> float:
    """A sum of whole numbers and decimals with + - * / and brackets."""
    signs = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}

    def of(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return signs[type(node.op)](of(node.left), of(node.right))
        assert isinstance(node, ast.Constant), text
        return node.value

    return of(ast.parse(text, mode="eval").body)


def test_every_kind_of_prompt_is_there() -> None:
    kinds = Counter(row["kind"] for row in rows("prompting/prompting.jsonl"))
    assert kinds == {
        "steps": 8,
        "no_steps": 8,
        "style": 6,
        "extract": 12,
        "advert": 25,
        "grade": 8,
        "sum": 24,
        "false_premise": 8,
        "made_up": 12,
        "delimiter": 10,
    }


@pytest.mark.parametrize("row", of_kind("sum"), ids=lambda row: row["id"])
def test_sums_add_up(row: dict[str, Any]) -> None:
    for step in row["meta"]["steps"]:
        left, right = step.split(" = ")
        assert value(left) == pytest.approx(float(right)), step
    assert float(row["meta"]["steps"][-1].split(" = ")[1]) == row["meta"]["answer"]
    assert row["meta"]["answer"] == int(row["meta"]["answer"])


def linear(text: str) -> tuple[float, float]:
    """The coefficient and the constant of "230x + 25000", "265h - 405" or "890"."""
    found = re.fullmatch(r"(?:([\d.]+)[a-z])?(?: ?([+-]) ?)?([\d.]+)?", text)
    assert found, text
    sign = -1 if found[2] == "-" else 1
    return float(found[1] or 0), sign * float(found[3] or 0)


# The two unknowns of each problem, worked out here once more: total = slope * x + constant.
RIGHT = {
    "grade-01": (40 + 180 + 10, 25000),
    "grade-02": (0, (2 * (60 + 35) - 5) * 4 + 150),
    "grade-03": (18 + 2, 240 + 300),
    "grade-04": (0, 90 + 1000 * 0.35 + 600 * 0.25),
    "grade-05": (1.1 * 32 + 6 + 22, 900),
    "grade-06": (0, 760 + 44 * 12 + 48 * 9),
    "grade-07": (140 + 110 + 15, 95 - 500),
    "grade-08": (0, 5 * 210 + 6 * 75),
}


@pytest.mark.parametrize("row", of_kind("grade"), ids=lambda row: row["id"])
def test_graded_solutions(row: dict[str, Any]) -> None:
    meta = row["meta"]
    assert linear(meta["right_answer"].split(";")[0]) == pytest.approx(RIGHT[row["id"]])
    assert meta["correct"] == (meta["right_answer"] == meta["student_answer"]) == (meta["slip"] == "none")
    assert meta["student_answer"].split(";")[0] in row["text"]
    if ";" in meta["right_answer"]:
        slope, constant = RIGHT[row["id"]]
        assert f"{slope * 80 + constant:g}" in meta["right_answer"]


def test_half_of_the_graded_solutions_are_wrong() -> None:
    assert Counter(row["meta"]["correct"] for row in of_kind("grade")) == {True: 4, False: 4}


@pytest.mark.parametrize("row", of_kind("extract"), ids=lambda row: row["id"])
def test_extracted_answers_keep_their_schema(row: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(row["meta"]["schema"])
    jsonschema.validate(row["meta"]["answer"], row["meta"]["schema"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({}, row["meta"]["schema"])


def test_adverts_say_what_their_answers_say() -> None:
    adverts = of_kind("advert")
    for row in adverts:
        answer = row["meta"]["answer"]
        assert answer.keys() == {"thing", "colour", "price", "delivered"}, row["id"]
        assert answer["thing"] in row["text"] and answer["colour"] in row["text"].lower(), row["id"]
        assert re.findall(r"\d+", row["text"]) == [str(answer["price"])], row["id"]
    assert Counter(row["meta"]["answer"]["delivered"] for row in adverts) == {True: 12, False: 13}


# --- words


def of_task(task: str) -> list[dict[str, Any]]:
    return [row for row in rows("words/words.jsonl") if row["task"] == task]


def test_every_task_has_its_pool_and_its_test_set_and_no_word_twice() -> None:
    counts = Counter((row["task"], row["split"]) for row in rows("words/words.jsonl"))
    assert len(counts) == 18 and {count for (_, split), count in counts.items() if split == "pool"} == {24}
    assert {count for (_, split), count in counts.items() if split == "test"} == {40}
    assert len({(row["task"], row["word"].lower()) for row in rows("words/words.jsonl")}) == sum(counts.values())


def test_an_answer_is_not_among_the_other_answers() -> None:
    for row in rows("words/words.jsonl"):
        answers = [row["answer"], *row["also"]]
        assert len(set(answers)) == len(answers) and all(answer == answer.strip() for answer in answers), row["id"]
        assert row["word"] not in answers or row["task"] == "french", row["id"]


def test_answers_that_can_be_computed() -> None:
    assert all(row["answer"] == row["word"].upper() for row in of_task("upper case"))
    assert all(row["answer"] == row["word"][::-1] for row in of_task("backwards"))
    assert all(int(row["answer"]) == value(row["word"]) for row in of_task("sum"))
    regular = [row for row in of_task("plural") if row["answer"].startswith(row["word"][:-1]) and row["answer"].endswith("s")]
    assert len(regular) >= 50
    assert Counter(row["answer"] for row in of_task("kind") if row["split"] == "test") == dict.fromkeys(
        ("fish", "bird", "tree", "flower"), 10
    )
    assert len({row["answer"] for row in of_task("capital")}) == 64


def test_steps_and_delimiters() -> None:
    assert all(row["meta"]["has_steps"] and 5 <= len(row["meta"]["steps"]) <= 7 for row in of_kind("steps"))
    assert all(row["meta"] == {"has_steps": False} for row in of_kind("no_steps"))
    for row in of_kind("delimiter"):
        assert row["text"].count(row["meta"]["injection"]) == 1, row["id"]
        assert all(word in row["text"].replace(row["meta"]["injection"], "").lower() for word in row["meta"]["topic_words"])
    assert Counter(row["meta"]["role"] for row in of_kind("style")) == {"example": 2, "question": 4}
    assert all({"question", "premise", "truth"} == row["meta"].keys() for row in of_kind("false_premise"))
    assert all({"thing", "honest_answer"} == row["meta"].keys() for row in of_kind("made_up"))


# --- town


def contains(text: str, phrase: str) -> bool:
    """Whether a phrase stands in a text, as whole words."""
    return tuple(words(phrase)) in grams(words(text), len(words(phrase)))


def passages() -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in rows("town/passages.jsonl")}


def test_the_town_has_its_passages_and_questions() -> None:
    assert len(passages()) == 80
    assert set(Counter(row["document"] for row in passages().values()).values()) == {8}
    assert len({row["title"] for row in passages().values()}) == 80
    assert all(25 <= len(words(row["text"])) <= 60 for row in passages().values())
    questions = rows("town/questions.jsonl")
    assert Counter(len(row["gold"]) for row in questions) == {1: 40, 2: 20, 0: 30}
    assert Counter(row["split"] for row in questions) == {"test": 60, "dev": 30}
    wordings = Counter(row["wording"] for row in questions)
    assert wordings[""] == 30 and abs(wordings["same"] - wordings["other"]) <= 10
    assert len({row["answer"] for row in questions if len(row["gold"]) == 1}) == 40


def test_a_document_is_longer_than_the_encoder_reads(ready_home: Path) -> None:
    from labutils.course import load_encoder

    _, tokenizer = load_encoder()
    documents: dict[str, str] = defaultdict(str)
    for row in passages().values():
        documents[row["document"]] += row["text"] + " "
    assert all(len(tokenizer(text)["input_ids"]) > meaning.ENCODER_TOKENS for text in documents.values())
    assert all(len(tokenizer(row["text"])["input_ids"]) < meaning.ENCODER_TOKENS for row in passages().values())


@pytest.mark.parametrize("row", rows("town/questions.jsonl"), ids=lambda row: row["id"])
def test_an_answer_stands_in_its_gold_passage_and_nowhere_else(row: dict[str, Any]) -> None:
    everything = {name: f"{passage['title']}. {passage['text']}" for name, passage in passages().items()}
    assert bool(row["answer"]) == bool(row["gold"]) == (not row["absent"]) == bool(row["wording"])
    if row["answer"]:
        assert [name for name, text in everything.items() if contains(text, row["answer"])] == [row["gold"][-1]]
        assert not contains(row["question"], row["answer"])
    else:
        assert contains(row["question"], row["absent"])
        assert [name for name, text in everything.items() if contains(text, row["absent"])] == []


def test_a_swapped_passage_differs_in_its_answer_only() -> None:
    swapped, questions = rows("town/swapped.jsonl"), {row["id"]: row for row in rows("town/questions.jsonl")}
    assert len(swapped) == 20 and len({row["passage"] for row in swapped}) == 20
    for row in swapped:
        question, passage = questions[row["question"]], passages()[row["passage"]]
        assert question["gold"] == [row["passage"]]
        assert passage["text"].count(question["answer"]) == 1
        assert row["text"] == passage["text"].replace(question["answer"], row["answer"])
        assert not any(contains(other["text"], row["answer"]) for other in passages().values()), row["id"]


# --- problems


def test_problems_are_of_one_and_two_steps() -> None:
    problems = rows("problems/problems.jsonl")
    assert Counter((row["split"], row["steps"]) for row in problems) == {
        ("pool", 1): 10,
        ("pool", 2): 10,
        ("test", 1): 50,
        ("test", 2): 50,
    }
    for row in problems:
        operators = sum(isinstance(node, ast.BinOp) for node in ast.walk(ast.parse(row["program"])))
        assert operators >= row["steps"], row["id"]


@pytest.mark.parametrize("row", rows("problems/problems.jsonl"), ids=lambda row: row["id"])
def test_a_program_gives_the_answer(row: dict[str, Any]) -> None:
    program = re.sub(r"\d+", lambda found: f"Fraction({found[0]})", row["program"])
    answer = Fraction(row["answer"])
    assert eval(program, {"Fraction": Fraction}) == answer and str(answer) == row["answer"]
    assert not re.search(rf"(?<![\d/]){re.escape(row['answer'])}(?![\d/])", row["text"]), "the text gives its answer away"


# --- corpus


def test_prose_is_long_and_varied() -> None:
    prose = rows("corpus/prose.jsonl")
    assert sum(len(row["text"].encode()) for row in prose) >= 60 * 1024
    assert len({row["subject"] for row in prose}) == len(prose) >= 50


def test_mixed_text_has_every_kind() -> None:
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows("corpus/mixed.jsonl"):
        kinds[row["kind"]].append(row)
    assert min(map(len, kinds.values())) >= 10
    assert all("english" in row for row in kinds["french"] + kinds["accents"])
    assert all(re.search(r"\d", row["text"]) for row in kinds["digits"])
    assert all(any(unicodedata.category(c) in {"So", "Sk"} for c in row["text"]) for row in kinds["emoji"])
    assert all(any(ord(c) > 127 for c in row["text"]) for row in kinds["accents"])
    assert all(row["text"].isascii() for row in kinds["english"] + kinds["code"])


# --- cards and the page


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_folder_has_a_data_card(folder: Path) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    for part in ("## How it was made", "## Good for", "## Not good for", "## Columns", "## Sizes", "CC BY 4.0", "synthetic"):
        assert part in card, part
    for path in folder.glob("*.jsonl"):
        assert f"`{path.name}`" in card


@pytest.fixture(scope="module")
def describe():
    spec = importlib.util.spec_from_file_location("describe", DATA / "describe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_in_step_with_the_data(describe, default_model: tuple[Any, Any]) -> None:
    _, tokenizer = default_model
    for path, text in describe.pages(tokenizer).items():
        assert path.read_text(encoding="utf-8") == text, "run `.venv/bin/python data/describe.py`"


# --- preferences


def test_notes_have_four_different_replies_of_which_some_answer() -> None:
    notes = rows("preferences/notes.jsonl")
    assert Counter(row["split"] for row in notes) == {"train": 40, "test": 20}
    for row in notes:
        assert len(set(row["replies"])) == 4, row["id"]
        worths = [replies.reply_worth(text, row).total for text in row["replies"]]
        assert max(worths) == 3 and min(worths) <= 2, row["id"]


def test_replies_share_no_template() -> None:
    texts = {f"{row['id']}/{k}": text for row in rows("preferences/notes.jsonl") for k, text in enumerate(row["replies"])}
    long = {name: text for name, text in texts.items() if len(words(text)) > 12}
    for (one, a), (other, b) in combinations(long.items(), 2):
        if one.split("/")[0] != other.split("/")[0]:
            assert len(grams(words(a), 5) & grams(words(b), 5)) <= 0.15 * min(len(words(a)), len(words(b))), (one, other)


def test_pairs_are_the_raters_and_carry_the_planted_flaw() -> None:
    notes, pairs = {row["id"]: row for row in rows("preferences/notes.jsonl")}, rows("preferences/pairs.jsonl")
    assert len(pairs) == 300 and set(Counter(pair["note"] for pair in pairs).values()) == {5}
    assert all(pair["split"] == notes[pair["note"]]["split"] and pair["first"] != pair["second"] for pair in pairs)
    assert len({(pair["note"], *sorted((pair["first"], pair["second"]))) for pair in pairs}) == 300
    assert replies.drawn_choices(pairs, notes, 0) == [pair["preferred"] == "first" for pair in pairs]
    longer, better = [], []
    for pair in pairs:
        row = notes[pair["note"]]
        one, other = (row["replies"][pair[side]] for side in ("first", "second"))
        gap = replies.reply_worth(one, row).total - replies.reply_worth(other, row).total
        longer.append((len(one) > len(other)) == (pair["preferred"] == "first"))
        better += [(gap > 0) == (pair["preferred"] == "first")] if gap else []
    assert sum(longer) / len(longer) - sum(better) / len(better) > 0.05


def test_ten_pairs_to_rate_have_a_better_reply_and_half_of_them_a_longer_worse_one() -> None:
    notes = {row["id"]: row for row in rows("preferences/notes.jsonl")}
    pairs = {row["id"]: row for row in rows("preferences/pairs.jsonl")}
    ten = [pairs[row["pair"]] for row in rows("preferences/rating.jsonl")]
    assert len(ten) == 10 and {pair["split"] for pair in ten} == {"train"}
    conflicts = 0
    for pair in ten:
        row = notes[pair["note"]]
        one, other = (row["replies"][pair[side]] for side in ("first", "second"))
        gap = replies.reply_worth(one, row).total - replies.reply_worth(other, row).total
        assert gap
        conflicts += (gap > 0) != (len(one) > len(other))
    assert conflicts == 5


def test_the_pool_has_sixteen_replies_to_every_note_but_those_in_its_prompt() -> None:
    notes = [row["id"] for row in rows("preferences/notes.jsonl")]
    pool = rows("preferences/pool.jsonl")
    assert [row["note"] for row in pool] == [note for note in notes if note not in ("note-10", "note-12")]
    assert {len(row["replies"]) for row in pool} == {16}
