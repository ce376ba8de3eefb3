"""The longer study's names and record, what is free, and the facts that can be looked up."""

from __future__ import annotations

import json

import pytest
from rouge_score.rouge_scorer import RougeScorer

from labutils.course.corpora import load_dialogues
from labutils.errors import LabError
from labutils.evaluation.facts import fact_scores, names_and_numbers, plain_words
from labutils.tuning import race_reports
from labutils.tuning.floors import constant_string, free_summaries
from labutils.tuning.study import Cell, all_cells, choose_examples, load_study, parse_cell, rate_text, trained_cells
from labutils.tuning.summaries import rouge_scores


@pytest.fixture
def shown(monkeypatch):
    texts: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: texts.append(data["text/plain"]))
    return texts


def line(cell: str, value: float = 1.0, n: int = 4) -> dict:
    return {"cell": cell, "scores": {"ROUGE-2": [value + i for i in range(n)]}, "loss": 2.0 - value / 100}


def test_every_cell_has_a_name_that_gives_it_back():
    cells = all_cells()
    assert len(cells) == len(set(cells)) == 2 * 3 * 3 * 3
    assert [parse_cell(str(cell)) for cell in cells] == cells
    assert parse_cell("lora  80 0.001 seed 2") == Cell("lora", 80, 1e-3, 2) and rate_text(2.5e-5) == "2.5e-5"


@pytest.mark.parametrize(
    "name", ["", "lora 80 1e-3", "qlora 80 1e-3 seed 0", "lora 0 1e-3 seed 0", "lora 80 0 seed 0", "few-shot 2"]
)
def test_another_name_is_refused(name, says):
    with pytest.raises(LabError) as refused:
        parse_cell(name)
    says(refused.value, "lora 80 1e-3 seed 0")


def test_a_partial_record_is_read_and_a_cut_line_left_out(tmp_path, says):
    record = tmp_path / "study.jsonl"
    assert load_study(record) == {}
    rows = [line("lora 80 1e-3 seed 0"), line("few-shot 2"), line("lora 80 1e-3 seed 0", 5.0)]
    text = "\n".join(map(json.dumps, rows)) + "\n"
    record.write_text(text + '{"cell": "full 8')
    found = load_study(record)
    assert list(found) == ["lora 80 1e-3 seed 0", "few-shot 2"] and found["lora 80 1e-3 seed 0"]["scores"]["ROUGE-2"][0] == 5.0
    assert list(trained_cells(found)) == [Cell("lora", 80, 1e-3, 0)]
    record.write_text('{"cell": "full 8\n' + text)
    with pytest.raises(LabError) as damaged:
        load_study(record)
    says(damaged.value, "line 1", "damaged")


@pytest.mark.fault("one flipped bit in the record of a study")
def test_one_flipped_bit_in_a_record_is_named_by_its_line_or_harmless(tmp_path, shown, says):
    """Whatever is read can be shown as a table; the rest is a sentence with the line, and the last line counts as cut off."""
    names = ["lora 80 1e-3 seed 0", "few-shot 2", "full 80 1e-4 seed 0"]
    record = tmp_path / "study.jsonl"
    whole, refusals = "".join(json.dumps(line(name)) + "\n" for name in names).encode(), 0
    for place in range(0, 8 * len(whole), 5):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        record.write_bytes(flipped)
        try:
            found = trained_cells(load_study(record))
        except LabError as error:
            says(error, "study.jsonl, line ", "damaged")
            refusals += 1
            continue
        assert found
        race_reports.study_table(found)
    assert refusals > len(whole) // 2


def test_the_shipped_record_has_a_score_for_every_test_dialogue():
    test = load_dialogues(own=False)["test"]
    for name, row in load_study().items():
        assert set(row["scores"]) == {"ROUGE-1", "ROUGE-2", "ROUGE-L", "facts"}, name
        assert {len(values) for values in row["scores"].values()} == {len(test)}, name
        assert all(0 <= value <= 100 for values in row["scores"].values() for value in values), name


def test_the_seed_draws_the_examples():
    assert choose_examples(range(10), 3, 0) == choose_examples(range(10), 3, 0) != choose_examples(range(10), 3, 1)
    assert sorted(choose_examples(range(10), 99, 0)) == list(range(10))


@pytest.mark.parametrize(
    "names", [[], ["lora 80 1e-3 seed 0"], ["lora 80 1e-3 seed 0", "lora 80 2e-3 seed 0", "full 500 1e-4 seed 1"]]
)
def test_the_study_is_shown_whatever_has_been_run(names, shown):
    cells = {parse_cell(name): line(name) for name in names}
    race_reports.study_table(cells)
    race_reports.study_chart(cells, ("copying", 8.0))
    assert any("copying" in text for text in shown)


def test_the_table_against_what_is_free_names_the_best_of_it(shown):
    scores = {"a": {"R": [1.0, 2.0, 3.0]}, "b": {"R": [5.0, 6.0, 7.0]}, "lora": {"R": [8.0, 9.1, 10.0]}}
    found = race_reports.against_free(scores, ["lora"], ["a", "b"])
    assert found["lora", "R"].better == "lora" and "b, 6.0" in shown[0] and "lora is ahead" in shown[0]


# --- free summaries and facts


def test_the_constant_string_is_a_greedy_optimum():
    summaries = ["the cat sat on the mat", "the dog sat", "a dog on the mat"]
    found = constant_string(summaries)

    def mean_f1(text):
        scorer = RougeScorer(["rouge1"])
        return sum(scorer.score(reference, text)["rouge1"].fmeasure for reference in summaries)

    for word in ["the", "cat", "sat", "on", "mat", "dog", "a"]:
        assert mean_f1(f"{found} {word}") <= mean_f1(found) + 1e-9
    assert constant_string([]) == ""


def test_free_summaries_are_turns_of_the_dialogue():
    rows = load_dialogues(own=False)["test"].to_list()[:5]
    found = free_summaries(rows, ["the cat"])
    assert all(len(texts) == len(rows) for texts in found.values()) and len(set(found["constant string"])) == 1
    turns = rows[0]["dialogue"].split("\n")
    assert found["first two turns"][0] == " ".join(turns[:2]) and found["whole dialogue"][0] == " ".join(turns)
    assert len(rouge_scores(found["longest three turns"], rows)["ROUGE-2"]) == 5


def test_facts_are_names_and_numbers_once_each():
    plain = plain_words(["Ann: the plumber comes at 5. However, however"])
    assert "plumber" in plain and "ann" not in plain and "5" not in plain
    assert names_and_numbers("The plumber asks Ann for 85. However, Ann pays 8.50.", plain) == ["ann", "85", "8", "50"]


def test_copying_invents_no_fact_and_another_dialogue_s_summary_does():
    rows = load_dialogues(own=False)["test"].to_list()
    dialogues = [row["dialogue"] for row in rows]
    plain = plain_words(dialogues)
    assert min(fact_scores(dialogues, dialogues, plain)) == 100
    own, other = ([row["references"][0] for row in part] for part in (rows, rows[1:] + rows[:1]))
    means = [sum(fact_scores(texts, dialogues, plain)) / len(rows) for texts in (own, other)]
    assert means[0] > 80 > 40 > means[1]
