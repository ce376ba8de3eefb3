"""What the two arms of lab 05's race wrote, into data/dialogues/written.jsonl, where lab 06 finds it.

python benchmarks/race_texts.py      after lab 05 has run here to its end at the sizes `small` or `standard`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from labutils.tuning.catch_up import kept_results

WRITTEN = Path(__file__).resolve().parent.parent / "data" / "dialogues" / "written.jsonl"


def save_columns(columns: dict[str, list[str]]) -> None:
    """Put columns of texts, in the order of the test dialogues, into the file; its other columns stay."""
    rows = [json.loads(line) for line in WRITTEN.read_text(encoding="utf-8").splitlines()]
    for column, texts in columns.items():
        for row, text in zip(rows, texts, strict=True):
            row[column] = text
    WRITTEN.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Take the texts of the last race on this machine."""
    race = kept_results("05")
    if not {"full", "lora"} <= race.keys():
        sys.exit("Lab 05 has kept no race on this machine: run it to its end first.")
    try:
        save_columns({name: race[name]["texts"] for name in ("full", "lora")})
    except ValueError:
        sys.exit("The race was scored on part of the test dialogues: run lab 05 with LABS_PROFILE=small first.")
    print(f"Written: {WRITTEN}")


if __name__ == "__main__":
    main()
