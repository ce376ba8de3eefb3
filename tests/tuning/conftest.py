"""Fixtures of the tests of tuning."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_models import tiny

from labutils.course import assets


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with the course's tokenizer, saved as LABS_MODEL takes it."""
    folder = tmp_path_factory.mktemp("small")
    tiny(vocabulary=49152, hidden=16, tied=True).save_pretrained(folder)
    for file in assets.model_for("decoder").folder.iterdir():
        if file.name.startswith(("tokenizer", "special_tokens", "chat_template", "vocab", "merges")):
            shutil.copy(file, folder)
    assert (folder / "tokenizer.json").exists(), "there is no model to take the tokenizer from: run `make setup` first"
    return folder
