"""Slides: every question of the core path, its result after it, and a page that needs nothing."""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser

import editions
import instructor
import pytest
import running
import slides

from labutils.exercises.registry import predictions, quizzes


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.sources: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name == "src"]


@pytest.fixture(scope="module", params=editions.sources(), ids=lambda source: source.stem)
def lab(request) -> tuple[str, str, list[instructor.Section]]:
    notebook = running.read(editions.target(request.param, "solutions"))
    number = request.param.name[:2]
    core = [one for one in instructor.sections(instructor.split_at_headings(notebook.cells), number) if not one.optional]
    return number, slides.slides(notebook, number), core


def test_every_question_of_the_core_has_its_slide(lab) -> None:
    _, page, core = lab
    asked = {item.id: item for item in [*predictions(), *quizzes()]}
    for section in core:
        if section.heading != instructor.OPENING:
            assert f"<h2>{escape(section.heading)}</h2>" in page
            for id in section.ids("predict") + section.ids("quiz"):
                assert id not in asked or page.count(escape(asked[id].question)) >= 1, id


def test_a_result_comes_after_its_question(lab) -> None:
    _, page, _ = lab
    for item in predictions():
        if (place := page.find(f"Predict {item.id}: measured")) >= 0:
            assert 0 <= page.find(f"Predict {item.id}</p>") < place


def test_the_page_needs_nothing(lab) -> None:
    found = Tags(lab[1])
    assert not found.tags & {"script", "link", "iframe", "object"}
    assert all(source.startswith("data:image/png;base64,") for source in found.sources)
