"""The instructor's edition: the solutions with minutes, questions and errors, and shorter ways that fit their time."""

from __future__ import annotations

import functools

import editions
import instructor
import nbformat
import pytest

from labutils.exercises.registry import exercises

SOURCES = editions.sources()
LABS = {source.name[:2]: source for source in SOURCES}


@functools.cache
def edition(lab: str, name: str) -> list[nbformat.NotebookNode]:
    return editions.make(LABS[lab], name).cells


def cells(lab: str) -> list[nbformat.NotebookNode]:
    return edition(lab, "instructor")


@functools.cache
def added(lab: str) -> list[str]:
    return [cell.source for cell in cells(lab) if editions.tags(cell) == {"instructor"} and "For the instructor" in cell.source]


@pytest.fixture(scope="module", params=sorted(LABS))
def lab(request) -> str:
    return request.param


def sections_of(lab: str) -> list[instructor.Section]:
    plain = [cell for cell in cells(lab) if cell.source not in added(lab)]
    return instructor.sections(instructor.split_at_headings(plain), lab)


def test_it_is_the_solutions_with_boxes(lab: str) -> None:
    solutions = [cell.source for cell in edition(lab, "solutions")]
    ours = [cell.source for cell in cells(lab) if "instructor" not in editions.tags(cell)]
    assert "\n\n".join(ours) == "\n\n".join(solutions)
    assert not any("exercise" in editions.tags(cell) for cell in cells(lab))
    assert len({cell.id for cell in cells(lab)}) == len(cells(lab))


def test_every_section_has_its_box(lab: str) -> None:
    found = cells(lab)
    headings = [number for number, cell in enumerate(found) if cell.cell_type == "markdown" and cell.source.startswith("## ")]
    assert headings
    for number in headings:
        assert found[number - 1].source.startswith("> **For the instructor.** About "), found[number].source[:50]
    assert found[1].source.startswith("**For the instructor.** The core path takes")


def test_every_question_and_every_exercise_of_the_core_is_in_a_box(lab: str) -> None:
    boxes = "\n".join(added(lab))
    for section in sections_of(lab):
        if section.heading == instructor.OPENING:
            continue
        for id in section.ids("predict"):
            assert f"Prediction {id}: " in boxes
        for id in section.ids("quiz"):
            assert f"Quiz {id}: " in boxes
        for id in section.ids("check"):
            assert f"exercise {id}, " in boxes


def test_the_errors_are_those_of_the_checks() -> None:
    (item,) = [item for item in exercises() if item.id == "0.1"]
    (box,) = [text for text in added("00") if "exercise 0.1" in text]
    for message in list(item.mistakes.values())[: instructor.MOST_ERRORS]:
        assert f"> - {instructor.as_markdown(message)}" in box
    assert f"{len(item.mistakes) - instructor.MOST_ERRORS} more" in box


@pytest.mark.parametrize("minutes", instructor.CUTS)
def test_a_cut_fits_its_minutes_and_names_sections_that_exist(lab: str, minutes: int) -> None:
    found = sections_of(lab)
    chosen = instructor.cut(found, lab, minutes)
    assert chosen and found[0].minutes + sum(section.minutes for section in chosen) <= minutes
    order = [found.index(section) for section in chosen]
    assert order == sorted(order)


def test_a_cut_of_a_section_that_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sections_of("01")
    monkeypatch.setattr(instructor, "table", lambda: {**TABLE, "labs": {"00": {"cuts": {"30": ["9. Nothing"]}}}})
    with pytest.raises(ValueError, match=r"lab 00 has no section '9. Nothing'"):
        instructor.cut(found, "00", 30)


TABLE = instructor.table()


def test_what_a_message_says_is_not_taken_for_markdown() -> None:
    assert instructor.as_markdown("2**30 of a_b, $5, `x ** y`") == r"2\*\*30 of a\_b, \$5, `x ** y`"


def test_timed_minutes_replace_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "About 5 minutes (estimated)" in text_of("1. The map", 5.2)
    monkeypatch.setattr(instructor, "table", lambda: {**TABLE, "labs": {"00": {"sections": {"1. The map": 9}}}})
    (section,) = [one for one in instructor.sections(made_cells("1. The map"), "00") if one.heading == "1. The map"]
    assert (section.minutes, section.measured) == (9, True)
    assert "About 9 minutes." in instructor.box(section)


def text_of(heading: str, minutes: float) -> str:
    return instructor.box(instructor.Section(heading, made_cells(heading), minutes))


def made_cells(heading: str) -> list[nbformat.NotebookNode]:
    return [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_markdown_cell(f"## {heading}\n\nText.")]


def test_a_heading_inside_a_text_begins_a_section_and_one_in_code_does_not() -> None:
    text = nbformat.v4.new_markdown_cell("# A\n\nend\n\n## B\n\nx\n\n### C", metadata={"tags": ["optional"]})
    fenced = nbformat.v4.new_markdown_cell("```\n\n## no heading\n```")
    pieces = instructor.split_at_headings([text, fenced])
    assert [piece.source for piece in pieces] == ["# A\n\nend", "## B\n\nx\n\n### C", fenced.source]
    assert pieces[1].metadata == {"tags": ["optional"]}


def test_a_lab_without_a_table_gets_its_first_sections() -> None:
    found = [instructor.Section(instructor.OPENING, minutes=2)]
    found += [instructor.Section(name, made_cells(name), minutes) for name, minutes in (("a", 10.0), ("b", 30.0), ("c", 15.0))]
    assert [section.heading for section in instructor.cut(found, "99", 30)] == ["a", "c"]
