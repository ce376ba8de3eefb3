"""`make test-below`: right answers stand in their notebooks under the name that the cell checks."""

from __future__ import annotations

import ast

import below
import editions
import pytest
from IPython.core.inputtransformer2 import TransformerManager


@pytest.mark.parametrize("source", editions.sources(), ids=[source.stem for source in editions.sources()])
def test_every_answer_takes_its_turn_under_the_checked_name(source):
    known = below.answers(source.name[:2])
    tried = []
    for turn in range(max(map(len, known.values()))):
        notebook, ids = below.with_answers(source, turn)
        tried += ids
        for cell in editions.code_cells(notebook):
            if cell.metadata.get("exercise") in ids and "solution" in editions.tags(cell):
                tree = ast.parse(TransformerManager().transform_cell(cell.source))
                defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
                checked = [line for line in cell.source.splitlines() if " = check(" in line]
                assert len(checked) == 1 and checked[0].split(" = ")[0] in defined
    assert sorted(tried) == sorted(id for id, codes in known.items() for _ in codes)
    assert len(tried) >= len(known) >= 1


def test_a_call_of_itself_is_renamed_too():
    solution = 'def total(x):\n    return sum(x)\n\n\ntotal = check("1.1", total)'
    cell = below.typed(solution, "def f(x):\n    return x[0] + f(x[1:]) if x else len(f'{x}')", "01")
    assert "x[0] + total(x[1:])" in cell and "f'{x}'" in cell and cell.endswith('total = check("1.1", total)')
