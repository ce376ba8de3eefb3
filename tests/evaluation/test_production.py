"""The course's metrics for `evaluate`: no network, nothing written outside LABS_HOME, equal to the functions written for reading."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import evaluate
import pytest
from paths import ROOT
from rouge_score.scoring import BootstrapAggregator

from labutils.errors import LabError
from labutils.evaluation import bleu_score, production, rouge, tokens
from labutils.evaluation.references import best_and_average

PREDICTIONS = ["the cat sat on the mat", "a b c d e"]
REFERENCES = [["the cat is on the mat", "a cat sat on a mat"], ["a b c d f"]]
FIRST = [texts[0] for texts in REFERENCES]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a metric asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_rouge_equals_the_course_s_own(summaries):
    metric = production.load_metric("rouge")
    predictions, references = [row[0] for row in summaries], [row[1] for row in summaries]
    for stem in (False, True):
        theirs = metric.compute(predictions=predictions, references=references, use_stemmer=stem)
        assert list(theirs) == ["rouge1", "rouge2", "rougeL", "rougeLsum"]
        ours = [rouge.rouge_n(a, b, 2, stem).f1 for a, b in zip(predictions, references, strict=True)]
        assert theirs["rouge2"] == pytest.approx(sum(ours) / len(ours), abs=1e-9)
        each = metric.compute(
            predictions=predictions, references=references, use_stemmer=stem, use_aggregator=False, rouge_types=["rouge2"]
        )
        assert each == {"rouge2": pytest.approx(ours, abs=1e-9)}


def test_rouge_takes_the_best_of_several_references():
    result = production.load_metric("rouge").compute(predictions=PREDICTIONS, references=REFERENCES, use_aggregator=False)
    best = [best_and_average(a, b, rouge.rouge_l)[0] for a, b in zip(PREDICTIONS, REFERENCES, strict=True)]
    assert result["rougeL"] == pytest.approx(best, abs=1e-9)


def test_rouge_takes_another_tokenizer():
    metric = production.load_metric("rouge")
    thai = {"predictions": ["สวัสดี"], "references": ["สวัสดี"]}
    assert metric.compute(**thai)["rouge1"] == 0
    assert metric.compute(**thai, tokenizer=tokens.tokenize_anywhere)["rouge1"] == 1


def test_the_mean_is_the_same_each_time_where_rouge_score_s_own_average_is_drawn(summaries):
    import numpy as np
    from rouge_score.rouge_scorer import RougeScorer

    predictions, references = [row[0] for row in summaries], [row[1] for row in summaries]
    drawn = set()
    for seed in range(3):
        np.random.seed(seed)
        aggregator, scorer = BootstrapAggregator(), RougeScorer(["rouge1"])
        for a, b in zip(predictions, references, strict=True):
            aggregator.add_scores(scorer.score(b, a))
        drawn.add(aggregator.aggregate()["rouge1"].mid.fmeasure)
    assert len(drawn) > 1
    rouge = production.load_metric("rouge")
    assert len({rouge.compute(predictions=predictions, references=references)["rouge1"] for _ in range(2)}) == 1


def test_bleu_equals_the_course_s_own(summaries):
    bleu = production.load_metric("bleu")
    predictions, references = [row[0] for row in summaries], [row[1:] for row in summaries]
    result = bleu.compute(predictions=predictions, references=references)
    assert result["bleu"] == pytest.approx(bleu_score.bleu(predictions, references), abs=1e-9)
    assert "tok:13a" in result["signature"] and result["brevity_penalty"] <= 1 and len(result["precisions"]) == 4
    assert bleu.compute(predictions=PREDICTIONS, references=REFERENCES)["bleu"] == pytest.approx(
        bleu_score.bleu(PREDICTIONS, REFERENCES)
    )
    single = bleu.compute(predictions=PREDICTIONS, references=FIRST)["bleu"]
    assert single == pytest.approx(bleu_score.bleu(PREDICTIONS, [[text] for text in FIRST]))


def test_combine_gives_both():
    rouge, bleu = production.load_metric("rouge"), production.load_metric("bleu")
    both = evaluate.combine([rouge, bleu]).compute(predictions=PREDICTIONS, references=REFERENCES)
    one = {
        **rouge.compute(predictions=PREDICTIONS, references=REFERENCES),
        **bleu.compute(predictions=PREDICTIONS, references=REFERENCES),
    }
    assert both == one


def test_examples_can_be_added_one_by_one_and_in_batches():
    rouge = production.load_metric("rouge")
    for prediction, references in zip(PREDICTIONS, REFERENCES, strict=True):
        rouge.add(prediction=prediction, reference=references)
    once = rouge.compute()
    rouge.add_batch(predictions=PREDICTIONS[:1], references=REFERENCES[:1])
    rouge.add_batch(predictions=PREDICTIONS[1:], references=REFERENCES[1:])
    assert once == rouge.compute() == rouge.compute(predictions=PREDICTIONS, references=REFERENCES)


@pytest.mark.parametrize("name", ["rouge", "bleu"])
@pytest.mark.parametrize(
    ("predictions", "references", "word"),
    [
        ([], [], "empty"),
        (["a"], [[]], "no reference"),
        (["a"], ["a", "b"], "1 candidates and 2"),
        (["a", "b"], ["a"], "2 candidates and 1"),
        ([None], ["a"], "Candidate 0 is NoneType"),
        (["a", "b"], [["a"], ["b", None]], "reference of candidate 1 is NoneType"),
    ],
)
def test_bad_input_is_one_sentence_and_the_metric_goes_on(name, predictions, references, word, says):
    metric = production.load_metric(name)
    with pytest.raises(LabError) as caught:
        metric.compute(predictions=predictions, references=references)
    says(caught.value, word)
    assert metric.compute(predictions=PREDICTIONS, references=REFERENCES)


def test_an_unknown_metric_is_one_sentence(says):
    with pytest.raises(LabError) as caught:
        production.load_metric("meteor")
    says(caught.value, "meteor", "bleu or rouge")


def test_what_evaluate_writes_lies_in_the_labs_home(home, tmp_path):
    assert production.load_metric("bleu").compute(predictions=PREDICTIONS, references=REFERENCES)
    assert [path.name for path in home.iterdir()] == ["evaluate"]


@pytest.fixture
def fresh(home, tmp_path):
    """Run code in a new process without network and with an empty home folder; return what it prints, and what it left in that folder."""
    person = tmp_path / "person"
    person.mkdir()
    no_network = (
        "import socket\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
    )

    def run(code, **more):
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG_"))}
        variables |= {"HOME": str(person), "LABS_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **more}
        done = subprocess.run([sys.executable, "-c", no_network + code], env=variables, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout.strip(), [path for path in person.rglob("*") if path.is_file()]

    return run


@pytest.mark.slow
def test_a_fresh_process_writes_nowhere_else(fresh):
    code = (
        "import evaluate\n"
        "from labutils.evaluation.production import load_metric\n"
        "both = evaluate.combine([load_metric('rouge'), load_metric('bleu')])\n"
        "found = both.compute(predictions=['a b c d'], references=['a b c d'])\n"
        "print(found['rouge1'], round(found['bleu'], 6))\n"
    )
    assert fresh(code) == ("1.0 100.0", [])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rouge", "bleu"])
def test_evaluate_load_of_the_module_s_folder_is_the_same_metric(name, fresh, tmp_path):
    code = (
        "import evaluate, json\n"
        f"metric = evaluate.load('labutils/evaluation/metrics/{name}', cache_dir={str(tmp_path / 'cache')!r}, keep_in_memory=True)\n"
        f"print(json.dumps(metric.compute(predictions={PREDICTIONS!r}, references={REFERENCES!r})))\n"
    )
    printed, _ = fresh(code, HF_MODULES_CACHE=str(tmp_path / "modules"))
    ours = production.load_metric(name).compute(predictions=PREDICTIONS, references=REFERENCES)
    assert json.loads(printed) == json.loads(json.dumps(ours))
    assert list((tmp_path / "modules").rglob(f"{name}.py"))  # the copy that `load_metric` does without


@pytest.mark.parametrize("name", ["rouge", "bleu"])
def test_a_second_home_in_one_process_works(name, tmp_path, monkeypatch):
    for folder in ("one", "two"):
        monkeypatch.setenv("LABS_HOME", str(tmp_path / folder))
        metric = production.load_metric(name)
        assert metric.compute(predictions=PREDICTIONS, references=REFERENCES)
        assert metric.data_dir.startswith(str(tmp_path / folder))
