"""tools/api_gate.py finds what a library no longer has, and nothing else."""

from __future__ import annotations

from pathlib import Path

import api_gate
import pytest

FINE = """
import torch, numpy as np
from torch import nn
from transformers import LlamaConfig
x = torch.nn.functional.softmax(torch.zeros(3), dim=-1)
layer = nn.Linear(3, 4, bias=False)
LlamaConfig(a_keyword_of_no_release=1)
torch.backends.cudnn.enabled = False
print(np.asarray([1], dtype=np.float64).sum(), layer.weight.no_such_thing_is_our_affair)
"""


def gate(folder: Path, source: str) -> dict[str, list[str]]:
    path = folder / "source.py"
    path.write_text(source, encoding="utf-8")
    return api_gate.moved([path])


def test_what_is_there_passes(tmp_path: Path) -> None:
    assert gate(tmp_path, FINE) == {}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from torch import arange_of_old", "torch.arange_of_old"),
        ("import torch\ntorch.no_such(3)", "torch.no_such"),
        ("from torch import nn\nnn.Linear(3, 4, biased=True)", "torch.nn.Linear(biased=...)"),
        ("import numpy as np\nnp.float", "numpy.float"),
        ("from transformers.no_such_module import f", "transformers.no_such_module.f"),
    ],
)
def test_what_moved_is_named_with_its_place(tmp_path: Path, line: str, name: str) -> None:
    found = gate(tmp_path, line)
    assert list(found) == [name]
    assert found[name][0].endswith(f"source.py:{line.count(chr(10)) + 1}")


@pytest.mark.slow
def test_the_course_uses_what_its_libraries_have() -> None:
    assert api_gate.main() == 0
