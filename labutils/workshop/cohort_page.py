"""A room's progress as one page that stands alone: no script, nothing fetched, every text escaped."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from labutils.exercises.predictions import fate, guess_text
from labutils.exercises.progress_entries import ExerciseProgress, PredictionProgress
from labutils.exercises.registry import Exercise, Prediction, Quiz, exercises, predictions, quizzes
from labutils.exercises.verdicts import KINDS
from labutils.workshop.cohort import Person, Room

MOST_MESSAGES = 3  # shown of an exercise's wrong answers
HINT_MARKS = ("", "·", "··", "···")

STYLE = """
:root { --ink: #1b2733; --soft: #5b6b7a; --line: #d9e0e6; --paper: #fff; --wash: #f5f7f9; --blue: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1330px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 28px; margin: 0 0 2px; } h2 { font-size: 20px; margin: 40px 0 4px; } p { margin: 4px 0 12px; max-width: 75ch; }
.soft { color: var(--soft); } .small { font-size: 13px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 8px; }
.tile { background: var(--wash); border: 1px solid var(--line); border-radius: 10px; padding: 10px 16px; min-width: 150px; }
.tile b { display: block; font-size: 26px; line-height: 1.2; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 2px; }
th { text-align: left; font-weight: 600; } thead th { color: var(--soft); font-size: 12px; vertical-align: bottom; }
tr.lab th { padding-top: 12px; font-size: 13px; color: var(--soft); }
.what { white-space: nowrap; max-width: 300px; overflow: hidden; text-overflow: ellipsis; font-weight: 400; padding-right: 10px; }
td.n, th.n { text-align: right; padding: 0 8px; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.c { width: 24px; min-width: 24px; height: 24px; text-align: center; font-size: 12px; border-radius: 4px; line-height: 1; }
td.c i { display: block; font-style: normal; font-size: 11px; line-height: 4px; height: 5px; }
th.person { padding: 0; } th.person span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 108px;
  overflow: hidden; white-space: nowrap; font-weight: 400; }
.none { background: #eef1f4; } .first { background: #0072b2; color: #fff; } .few { background: #56a6d6; color: #06263a; }
.many { background: #b5d9ef; color: #06263a; } .stuck { background: #d55e00; color: #fff; } .look { background: #f5c9a8; color: #4a2100; }
.key { display: flex; flex-wrap: wrap; gap: 6px 18px; font-size: 13px; margin: 8px 0 12px; }
.key span::before { content: ""; display: inline-block; width: 14px; height: 14px; border-radius: 3px; margin-right: 6px;
  vertical-align: -2px; background: var(--of); }
.bar { display: inline-block; height: 10px; background: var(--blue); border-radius: 2px; vertical-align: 0; }
.track { display: inline-block; width: 120px; background: #e6ebef; border-radius: 2px; line-height: 10px; height: 10px;
  text-align: left; margin-right: 6px; }
summary { cursor: pointer; color: var(--blue); margin: 10px 0; }
table.list { border-spacing: 0; width: 100%; } table.list td, table.list th { border-bottom: 1px solid var(--line); padding: 6px 10px;
  vertical-align: top; } table.list td:first-child, table.list th:first-child { padding-left: 0; }
@media print { main { max-width: none; } .scroll { overflow: visible; } body { font-size: 11px; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


def page(room: Room, names: bool = False) -> str:
    """The page of a room.

    Args:
        room: what `read_folder` read.
        names: write each person's name above their column, and which files were left out. Without, the page names nobody:
            the columns stand in order of progress.

    Returns:
        HTML, about 100 kB for thirty people.
    """
    parts = [
        "<h1>How the room fared</h1>",
        f'<p class="soft">LLM Labs. From {_count(len(room.people), "progress file")} that participants handed in.</p>',
        _tiles(room.people),
        _heat_map(room.people, names),
        _wrong_answers(room.people),
        _quizzes(room.people),
        _predictions(room.people),
        _about(room, names),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>How the room fared</title>'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _tile(value: str, label: str) -> str:
    return f'<div class="tile"><b>{escape(value)}</b><span class="soft">{escape(label)}</span></div>'


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "none"


def _entries(people: Sequence[Person], id: str) -> list[ExerciseProgress]:
    """What those who tried an exercise or took a hint in it have noted."""
    return [entry for person in people if (entry := person.progress.exercises.get(id)) and (entry.tries or entry.hints)]


def _tiles(people: Sequence[Person]) -> str:
    posed = {item.id for item in exercises()}
    passed = [sum(e.passed for id, e in person.progress.exercises.items() if id in posed) for person in people]
    graded = [g.close for person in people for g in person.progress.predictions.values() if g.close is not None]
    return (
        '<div class="tiles">'
        + _tile(str(len(people)), "participants")
        + _tile(f"{statistics.median(passed):g} of {len(posed)}" if people else "none", "exercises passed, median")
        + _tile(f"{sum(passed):,}", "exercises passed by all together")
        + _tile(_share(sum(graded), len(graded)), f"of {len(graded):,} graded predictions right or close")
        + "</div>"
    )


def _shade(entry: ExerciseProgress | None) -> tuple[str, str]:
    """The class of a cell and what it means in words."""
    if entry is None or not (entry.tries or entry.hints):
        return "none", "not tried"
    hints = f", {_count(entry.hints, 'hint')}" if entry.hints else ""
    tries = ("1 try" if entry.tries == 1 else f"{entry.tries} tries") + hints
    if not entry.passed:
        return ("stuck" if entry.tries else "look"), f"open after {tries}"
    return ("first" if entry.tries <= 1 else "few" if entry.tries <= 3 else "many"), f"passed, {tries}"


def _cell(entry: ExerciseProgress | None) -> str:
    shade, words = _shade(entry)
    if entry is None or shade == "none":
        return f'<td class="c none" title="{words}"></td>'
    number = str(entry.tries) if entry.tries < 100 else "99+"
    return f'<td class="c {shade}" title="{words}">{number}<i>{HINT_MARKS[entry.hints]}</i></td>'


def _heat_map(people: Sequence[Person], names: bool) -> str:
    tried = {id for person in people for id, entry in person.progress.exercises.items() if entry.tries or entry.hints}
    heads = "".join(
        f'<th class="person" scope="col"><span>{escape(person.name if names else str(number))}</span></th>'
        for number, person in enumerate(people, 1)
    )
    rows, lab, untouched = [], "", []
    for item in exercises():
        if item.id not in tried:
            untouched.append(item.id)
            continue
        if item.id.split(".")[0] != lab:
            lab = item.id.split(".")[0]
            rows.append(f'<tr class="lab"><th colspan="{len(people) + 5}" scope="rowgroup">Lab {int(lab):02}</th></tr>')
        rows.append(_row(item, people))
    left = f'<p class="soft small">Nobody tried {escape(", ".join(untouched))}.</p>' if untouched else ""
    key = "".join(
        f'<span style="--of:{colour}">{text}</span>'
        for colour, text in (
            ("#0072b2", "passed at the first try"),
            ("#56a6d6", "passed in 2 or 3 tries"),
            ("#b5d9ef", "passed in 4 or more"),
            ("#d55e00", "tried, still open"),
            ("#f5c9a8", "a hint taken, not tried"),
            ("#eef1f4", "not tried"),
        )
    )
    order = "" if names else " Columns stand in order of progress and name nobody."
    return (
        "<h2>Exercises</h2><p>A column is a person, a row an exercise. The number is how often they ran the check, "
        f"and each dot is a hint; the third hint is the solution.{order}</p>"
        f'<div class="key">{key}</div><div class="scroll"><table><thead><tr><th colspan="2">Exercise</th><th class="n">passed</th>'
        f'<th class="n">tries</th><th class="n">hints</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
        f'<p class="soft small">Passed: of those who tried it or took a hint. Tries: median. Hints: mean.</p>{left}'
    )


def _row(item: Exercise, people: Sequence[Person]) -> str:
    entries = _entries(people, item.id)
    cells = "".join(_cell(person.progress.exercises.get(item.id)) for person in people)
    tries = f"{statistics.median(entry.tries for entry in entries):g}"
    hints = f"{statistics.mean(entry.hints for entry in entries):.1f}"
    return (
        f'<tr><th scope="row">{escape(item.id)}</th><td class="what" title="{escape(item.title)}">{escape(item.title)}</td>'
        f'<td class="n">{sum(entry.passed for entry in entries)} of {len(entries)}</td><td class="n">{tries}</td>'
        f'<td class="n">{hints}</td>{cells}</tr>'
    )


def _bar(part: int, whole: int) -> str:
    return f'<span class="track"><span class="bar" style="width:{120 * part / max(1, whole):.0f}px"></span></span>'


def _table(heads: Iterable[str], rows: Sequence[str], otherwise: str) -> str:
    if not rows:
        return f'<p class="soft">{escape(otherwise)}</p>'
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    return f'<div class="scroll"><table class="list"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _wrong_answers(people: Sequence[Person]) -> str:
    rows: list[tuple[int, str]] = []
    for item in exercises():
        entries = _entries(people, item.id)
        who = Counter(kind for entry in entries for kind in entry.wrong)
        times = Counter[str]()
        for entry in entries:
            times.update(entry.wrong)
        for kind, number in sorted(who.items(), key=lambda pair: (-pair[1], -times[pair[0]], pair[0]))[:MOST_MESSAGES]:
            message = item.mistakes.get(kind) or KINDS[kind]
            rows.append(
                (
                    number,
                    f"<tr><th scope='row'>{escape(item.id)}</th><td>{escape(message)}</td>"
                    f'<td class="n">{_bar(number, len(people))} {number}</td><td class="n">{times[kind]}</td></tr>',
                )
            )
    rows.sort(key=lambda pair: -pair[0])
    heads = ("Exercise", "What the check said", "People", "Times")
    several, single = [row for number, row in rows if number > 1], [row for number, row in rows if number == 1]
    table = _table(heads, several, "No wrong answer is noted from more than one person.")
    if single:
        table += f"<details><summary>{len(single)} more, each from one person</summary>{_table(heads, single, '')}</details>"
    silent = sum(any(e.tries > e.passed and not e.wrong for e in person.progress.exercises.values()) for person in people)
    if silent:
        table += (
            f'<p class="soft small">{_count(silent, "file")} with wrong answers whose kind is not noted, as in earlier editions '
            "of the course.</p>"
        )
    return (
        "<h2>The commonest wrong answers</h2><p>What the checks said, for each exercise the most frequent. The files hold the "
        f"name of a known mistake, never the learner's code.</p>{table}"
    )


def _quizzes(people: Sequence[Person]) -> str:
    rows = []
    for item in quizzes():
        entries = _entries(people, item.id)
        if not entries:
            continue
        first = sum(entry.passed and entry.tries == 1 for entry in entries)
        chosen = Counter(kind for entry in entries for kind in entry.wrong)
        wrong = "<br>".join(f"{number} chose: {escape(_option(item, kind))}" for kind, number in chosen.most_common(2))
        rows.append(
            f'<tr><th scope="row">{escape(item.id)}</th><td>{escape(item.question)}</td>'
            f'<td class="n">{_bar(first, len(entries))} {first} of {len(entries)}</td><td class="small">{wrong}</td></tr>'
        )
    heads = ("Quiz", "Question", "Right at the first try", "Wrong options")
    return "<h2>Quizzes</h2>" + _table(heads, rows, "No quiz was answered.")


def _option(item: Quiz, kind: str) -> str:
    return item.options[int(kind.removeprefix("option_")) - 1]


def _predictions(people: Sequence[Person]) -> str:
    rows = []
    for item in predictions():
        found = [entry for person in people if (entry := person.progress.predictions.get(item.id)) and fate(item, entry)[0]]
        if not found:
            continue
        graded = [entry.close for entry in found if entry.close is not None]
        fared = f"{_bar(sum(graded), len(graded))} {sum(graded)} of {len(graded)}" if graded else "not graded"
        unit = f" ({item.unit})" if item.unit else ""
        rows.append(
            f'<tr><th scope="row">{escape(item.id)}</th><td>{escape(item.question + unit)}</td>'
            f'<td class="small">{_guesses(item, found)}</td><td class="n">{fared}</td></tr>'
        )
    heads = ("Prediction", "Question", "What the room said", "Right or close")
    return (
        "<h2>Predictions</h2><p>Guesses made before the measurement. A low share marks a place where the result teaches.</p>"
        + _table(heads, rows, "No prediction was made.")
    )


def _guesses(item: Prediction, found: Sequence[PredictionProgress]) -> str:
    """The guesses of a room in one line. Those in free words are counted and not shown: they may name somebody."""
    if item.kind == "words":
        return f"{len(found)} in words, not shown"
    if item.kind == "number":
        numbers = sorted(entry.guess for entry in found if isinstance(entry.guess, float))
        low, middle, high = numbers[0], statistics.median(numbers), numbers[-1]
        return escape(
            f"{len(numbers)} guesses: median {guess_text(item, middle)}, {guess_text(item, low)} to {guess_text(item, high)}"
        )
    counts = Counter(guess_text(item, entry.guess) for entry in found)
    return "<br>".join(f"{number} × {escape(text)}" for text, number in counts.most_common(4))


def _about(room: Room, names: bool) -> str:
    lines = [f"{_count(len(room.skipped), 'file')} left out because damaged or no progress file."] if room.skipped else []
    if names:
        lines += room.skipped
    if room.strange:
        lines.append(f"{room.strange:,} {'entry' if room.strange == 1 else 'entries'} not of this course left out.")
    lines.append("A progress file holds what its owner's machine wrote; nothing in it is proof of who did the work.")
    return "<h2>About this page</h2>" + "".join(f'<p class="small soft">{escape(line)}</p>' for line in lines)
