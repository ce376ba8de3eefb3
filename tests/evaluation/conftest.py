"""The course's texts, read once for all tests of scores."""

from __future__ import annotations

import pytest
from scored_texts import course_rows


@pytest.fixture(scope="package")
def translations() -> list[tuple[str, list[str]]]:
    """(candidate, references) for every candidate of every sentence."""
    return [
        (candidate["text"], row["references"])
        for row in course_rows("translations/translations.jsonl")
        for candidate in row["candidates"]
    ]


@pytest.fixture(scope="package")
def summaries() -> list[list[str]]:
    """The three summaries of each test dialogue."""
    return [[row[f"summary{i}"] for i in (1, 2, 3)] for row in course_rows("dialogues/test.jsonl")]
