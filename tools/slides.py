"""`tools/slides.py NN`: the key cells of a lab as slides, from its solved notebook: each question on a slide, what came of it on the next.

One page that stands alone in build/instructor/: no script, nothing fetched. Page Down and Page Up, or Space, go from slide to slide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Annotated

import typer
from editions import FOLDERS, sources, target
from instructor import OPENING, Section, sections, split_at_headings
from nbformat import NotebookNode
from running import read

from labutils.exercises.registry import Prediction, Quiz, predictions, quizzes

STYLE = """
html { scroll-snap-type: y proximity; } body { margin: 0; color: #1b2733; font: 26px/1.45 system-ui, sans-serif; }
section { min-height: 100vh; box-sizing: border-box; padding: 6vh 8vw; scroll-snap-align: start; display: flex; flex-direction: column;
  justify-content: center; border-bottom: 1px solid #d9e0e6; }
section > * { max-width: 1250px; } h1 { font-size: 60px; margin: 0 0 .3em; } h2 { font-size: 46px; margin: 0 0 .4em; color: #0072b2; }
.kind { color: #5b6b7a; font-size: 20px; margin: 0; } .question { font-size: 38px; margin: .2em 0; } .small { font-size: 20px; }
ol { margin: .5em 0; } li { margin: .25em 0; } img { max-width: 100%; max-height: 72vh; }
pre { font-size: 18px; white-space: pre-wrap; background: #f5f7f9; padding: .6em 1em; margin: .3em 0;
  max-height: 72vh; overflow: auto; }
table { border-collapse: collapse; font-size: 19px; } td, th { padding: .2em .8em; border-bottom: 1px solid #d9e0e6; text-align: left; }
.ask { background: #f2f8fc; } @media print { section { page-break-after: always; border: 0; } }
"""


def _markdown(text: str) -> str:
    from nbconvert.filters.markdown import markdown2html

    return str(markdown2html(text))


def _slide(body: str, kind: str = "") -> str:
    return f'<section class="{kind}">{body}</section>'


def _shown(cell: NotebookNode) -> str:
    """What a cell showed, as HTML: pictures, tables, printed text."""
    parts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            parts.append(f'<img alt="{escape(alt)}" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">')
        elif "text/html" in data:
            html = "".join(data["text/html"])
            parts.append(f'<div class="small">{html}</div>' if "<img" not in html else "")
        elif "text/plain" in data or output.output_type == "stream":
            parts.append(f"<pre>{escape(''.join(data.get('text/plain', output.get('text', ''))).rstrip())}</pre>")
    return "".join(parts)


def _question(item: Prediction | Quiz) -> str:
    options = "".join(f"<li>{escape(option)}</li>" for option in item.options)
    unit = f" ({escape(item.unit)})" if isinstance(item, Prediction) and item.unit else ""
    kind = "Predict" if isinstance(item, Prediction) else "Quiz"
    return _slide(
        f'<p class="kind">{kind} {escape(item.id)}</p><p class="question">{escape(item.question)}{unit}</p>'
        + (f"<ol>{options}</ol>" if options else ""),
        "ask",
    )


def _answer(item: Quiz) -> str:
    right = f"{item.right + 1}. {item.options[item.right]}"
    return _slide(
        f'<p class="kind">Quiz {escape(item.id)}</p><p class="question">{escape(right)}</p><p>{escape(item.why[item.right])}</p>'
    )


def _measured(section: Section, number: int, id: str) -> str:
    """What the cells after a prediction showed, up to the one that sets the guess beside it; else what the next one showed."""
    code = [cell for cell in section.cells[number + 1 :] if cell.cell_type == "code"]
    last = next((place for place, cell in enumerate(code) if f'outcome("{id}"' in cell.source), 0)
    return "".join(_shown(cell) for cell in code[: last + 1])


def _of_section(section: Section) -> Iterator[str]:
    asked: dict[str, Prediction | Quiz] = {item.id: item for item in predictions()}
    asked |= {item.id: item for item in quizzes()}
    lead = section.cells[0].source.split("\n\n")
    yield _slide(f"<h2>{escape(section.heading)}</h2>{_markdown(lead[1]) if len(lead) > 1 else ''}")
    pictures = 0
    for number, cell in enumerate(section.cells):
        calls = re.findall(r'\b(?:predict|quiz)\("([^"]+)"\)', cell.source) if cell.cell_type == "code" else []
        for item in (asked[id] for id in calls if id in asked):
            yield _question(item)
            if isinstance(item, Quiz):
                yield _answer(item)
            elif measured := _measured(section, number, item.id):
                pictures += 1
                yield _slide(f'<p class="kind">Predict {escape(item.id)}: measured</p>{measured}')
    figure = next(
        (cell for cell in section.cells if any("image/png" in o.get("data", {}) for o in cell.get("outputs", []))), None
    )
    if figure is not None and not pictures:
        yield _slide(_shown(figure))


def slides(notebook: NotebookNode, lab: str) -> str:
    """The page with the slides of a solved and executed notebook; optional sections are left out."""
    found = [section for section in sections(split_at_headings(notebook.cells), lab) if not section.optional]
    title, *rest = found[0].cells[0].source.split("\n\n")
    body = [_slide(f"<h1>{escape(title.lstrip('# '))}</h1>{_markdown(rest[0]) if rest else ''}")]
    for section in found:
        if section.heading != OPENING:
            body += _of_section(section)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title.lstrip('# '))}</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def main(labs: Annotated[list[str], typer.Argument(help="Numbers of labs, such as 02.")]) -> None:
    """Write build/instructor/NN_name.html from the solved notebooks as they are stored."""
    for source in sources():
        if source.name[:2] in labs:
            path: Path = FOLDERS["instructor"] / f"{source.stem}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            page = slides(read(target(source, "solutions")), source.name[:2])
            path.write_text(page, encoding="utf-8")
            typer.echo(f"{path}: {page.count('<section')} slides")


if __name__ == "__main__":
    typer.run(main)
