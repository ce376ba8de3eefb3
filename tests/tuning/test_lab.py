"""What lab 05 is made of beside the loop: probes, summaries, catch-up points and the clinic."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer
from tiny_models import tiny

from labutils.course.corpora import load_dialogues, load_probes
from labutils.errors import LabError
from labutils.machine import limits
from labutils.prompting import prompts
from labutils.prompting.likelihoods import label_log_likelihoods
from labutils.tuning import Example, Recipe, prepare, reports, train
from labutils.tuning import catch_up as module
from labutils.tuning.catch_up import arm, weigh
from labutils.tuning.clinic import Chart, chart, patient_b, patient_c, patient_d
from labutils.tuning.features import fit_logistic, last_states
from labutils.tuning.probes import ask, completion_losses, mean_loss
from labutils.tuning.summaries import ROUGES, rouge_scores, summary_pairs

EXAMPLES = [
    Example([3 + (i * j) % 90 for j in range(1, 5 + i)], [7 + (i + j) % 80 for j in range(1 + i % 4)] + [1]) for i in range(8)
]


# --- probes ---------------------------------------------------------------------------------------------------------


def test_completion_losses_are_those_of_one_call_an_example():
    model = tiny()
    for example, (loss, count) in zip(EXAMPLES, completion_losses(model, EXAMPLES), strict=True):
        ids = torch.tensor([example.prompt + example.completion])
        labels = torch.tensor([[-100] * len(example.prompt) + example.completion])
        alone = model(input_ids=ids, labels=labels).loss.item()
        assert count == len(example.completion)
        assert loss / count == pytest.approx(alone, abs=1e-5)


def test_the_mean_loss_weighs_tokens_and_leaves_the_mode_alone():
    model = tiny().train()
    pairs = completion_losses(model, EXAMPLES)
    assert mean_loss(model, EXAMPLES) == pytest.approx(sum(x for x, _ in pairs) / sum(n for _, n in pairs), abs=1e-6)
    assert model.training


def test_answers_are_those_of_the_label_likelihoods(default_model):
    model, tokenizer = default_model
    rows = load_probes()["patterns"].to_list()[:20]
    found = ask(model, tokenizer, rows)
    for row, right, nats in zip(rows, *found, strict=True):
        scores = label_log_likelihoods(model, tokenizer, [row["prompt"]], [f" {choice}" for choice in row["choices"]])[0]
        place = row["choices"].index(row["answer"])
        assert right == (int(scores.argmax()) == place)
        assert nats == pytest.approx(float(scores[place]), abs=1e-4)
    assert 0 < sum(found.right) < len(rows)  # both kinds were there to be told apart


# --- summaries ------------------------------------------------------------------------------------------------------


def test_the_scores_are_the_reference_implementations_averaged_over_references():
    rows = load_dialogues()["test"].to_list()[:5]
    texts = [row["references"][2] for row in rows[:3]] + ["", "parrot parrot parrot"]
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    found = rouge_scores(texts, rows)
    for name, theirs in zip(ROUGES, ("rouge1", "rouge2", "rougeL"), strict=True):
        for text, row, ours in zip(texts, rows, found[name], strict=True):
            each = [scorer.score(reference, text)[theirs].fmeasure for reference in row["references"]]
            assert ours == pytest.approx(100 * sum(each) / len(each), abs=1e-9)


def test_the_instruction_is_the_system_message_and_the_dialogue_the_user_s_turn(default_model):
    _, tokenizer = default_model
    rows = load_dialogues()["train"].to_list()[:2]
    instruction = prompts.SUMMARY.instruction
    for (prompt, completion), row in zip(summary_pairs(tokenizer, rows), rows, strict=True):
        system, user = f"<|im_start|>system\n{instruction}<|im_end|>\n", f"<|im_start|>user\n{row['dialogue']}<|im_end|>\n"
        assert prompt == f"{system}{user}<|im_start|>assistant\n" and completion == row["summary"]


def test_a_template_without_system_messages_gets_all_in_the_user_s_turn(default_model):
    stern = copy.copy(default_model[1])
    stern.chat_template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}"
        "{% for message in messages %}[{{ message.role }}] {{ message.content }}{% endfor %}"
    )
    row = load_dialogues()["train"][0]
    assert summary_pairs(stern, [row])[0][0] == f"[user] {prompts.few_shot_prompt(prompts.SUMMARY, [], row)}"


def test_without_a_template_the_prompt_is_bare_and_the_completion_begins_with_its_blank(default_model):
    bare = copy.copy(default_model[1])
    bare.chat_template = None
    row = load_dialogues()["train"][0]
    prompt, completion = summary_pairs(bare, [row])[0]
    assert prompt == str(prompts.few_shot_prompt(prompts.SUMMARY, [], row))
    assert prompt.endswith("Summary:") and completion == " " + row["summary"]


# --- catch-up points ------------------------------------------------------------------------------------------------

SETTINGS = {"examples": 4, "rates": {"full": 5e-5}}


def never():
    raise AssertionError("this arm should have been loaded")


def test_an_arm_is_made_kept_and_loaded_again(tmp_path, capsys):
    made = arm(tmp_path, "lora", SETTINGS, lambda: {"losses": [1.5, 1.25], "texts": ["é"]})
    assert capsys.readouterr().out == ""
    loaded = arm(tmp_path, "lora", SETTINGS, never, use=True)
    assert loaded == made == {"losses": [1.5, 1.25], "texts": ["é"]}
    assert "is loaded from the run of" in capsys.readouterr().out


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda path: path.unlink(), "there is no earlier run"),
        (lambda path: path.write_text('{"settings": {"examples": 5}, "when": "x", "result": {}}'), "other settings"),
        (lambda path: path.write_text(path.read_text()[:20]), "damaged"),
        (lambda path: path.write_text("[]"), "damaged"),
    ],
)
def test_an_arm_that_cannot_be_loaded_is_made_and_says_why(tmp_path, capsys, spoil, reason):
    arm(tmp_path, "lora", SETTINGS, lambda: {"old": 1})
    spoil(tmp_path / "lora.json")
    assert arm(tmp_path, "lora", SETTINGS, lambda: {"new": 2}, use=True) == {"new": 2}
    assert reason in capsys.readouterr().out
    assert arm(tmp_path, "lora", SETTINGS, never, use=True) == {"new": 2}


def test_an_arm_is_made_anew_unless_asked_otherwise(tmp_path):
    arm(tmp_path, "lora", SETTINGS, lambda: {"n": 1})
    assert arm(tmp_path, "lora", SETTINGS, lambda: {"n": 2}) == {"n": 2}


def test_weighing_an_adapter_and_a_whole_model(tmp_path):
    tuned = prepare(tiny(), "lora")
    adapter = weigh(tuned, tmp_path / "lora")
    count = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    assert 4 * count <= adapter <= 4 * count + 20_000  # the header names the tensors
    assert (tmp_path / "lora" / "adapter_model.safetensors").stat().st_size == adapter
    assert weigh(tiny(), tmp_path / "full", keep=False) > adapter
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lora"]


def test_weighing_again_replaces_what_was_there(tmp_path):
    weigh(prepare(tiny(), "lora"), tmp_path / "lora")
    (tmp_path / "lora" / "leftover").write_text("old")
    weigh(prepare(tiny(), "lora"), tmp_path / "lora")
    assert not (tmp_path / "lora" / "leftover").exists()


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch, says):
    weigh(prepare(tiny(), "lora"), tmp_path / "lora")
    monkeypatch.setattr(limits, "disk_free", lambda _: 10)
    with pytest.raises(LabError) as error:
        weigh(tiny(), tmp_path / "lora")
    says(error.value, "0.00 GB", "LABS_HOME")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lora"]


def test_a_failed_save_keeps_the_old_files(tmp_path, says):
    class Broken(torch.nn.Linear):
        def save_pretrained(self, where):
            raise OSError(28, "No space left on device")

    weigh(prepare(tiny(), "lora"), tmp_path / "lora")
    with pytest.raises(LabError) as error:
        weigh(Broken(2, 2), tmp_path / "lora")
    says(error.value, "No space left")
    assert (tmp_path / "lora" / "adapter_config.json").exists() and len(list(tmp_path.iterdir())) == 1


def test_the_folder_lies_in_the_home(home):
    assert module.folder("05") == home / "trained" / "05"


# --- the clinic -----------------------------------------------------------------------------------------------------


def test_padding_in_the_loss_hides_the_completions():
    chart = patient_b(tiny(), EXAMPLES)
    assert len(chart.losses) == len(chart.completion_losses) == len(chart.gradient_norms) == 4
    # The completions' own losses at the first step, before any update, are those of the healthy computation.
    healthy = mean_loss(tiny(), EXAMPLES[:2])
    assert chart.completion_losses[0] == pytest.approx(healthy, abs=1e-5)
    assert chart.losses[-1] < chart.losses[0] - 0.05
    assert abs(chart.completion_losses[-1] - chart.completion_losses[0]) < chart.losses[0] - chart.losses[-1]


def test_a_rate_far_too_high_leaves_a_chart_even_if_the_loss_is_lost():
    model = tiny()
    with torch.no_grad():
        model.lm_head.weight.mul_(1e38)  # the loss or its gradient leaves float32
    chart = patient_c(model, EXAMPLES)
    assert len(chart.losses) < 4 and all(loss == loss for loss in chart.losses)
    assert len(patient_c(tiny(), EXAMPLES).losses) == 4


def test_the_baseline_of_the_third_patient_is_the_trained_model():
    pairs = patient_d(tiny(), EXAMPLES[:4], EXAMPLES[4:])
    assert len(pairs) == 4 and all(before == after for before, after in pairs)
    honest = [loss / count for loss, count in completion_losses(tiny(), EXAMPLES[4:])]
    assert any(abs(before - fresh) > 1e-4 for (before, _), fresh in zip(pairs, honest, strict=True))


def test_history_is_json_for_the_catch_up_file():
    history = train(prepare(tiny(), "lora"), EXAMPLES, Recipe(1e-3))
    assert json.loads(json.dumps(vars(history)))["losses"] == history.losses


# --- features -------------------------------------------------------------------------------------------------------


def test_the_logistic_regression_is_at_its_minimum():
    torch.manual_seed(1)
    x, truth = torch.randn(200, 5), torch.tensor([2.0, -1.0, 0.0, 0.5, 0.0])
    y = (torch.rand(200) < torch.sigmoid(x @ truth)).float()
    weights, bias = fit_logistic(x, y, decay=0.1)
    wrong = torch.sigmoid(x @ weights + bias) - y  # the gradient by the closed formula
    assert (x.T @ wrong / 200 + 0.1 * weights).abs().max() < 1e-4 and abs(wrong.mean()) < 1e-4
    assert weights[0] > 0.5 and weights[1] < -0.2


def test_a_stronger_penalty_gives_smaller_weights():
    torch.manual_seed(1)
    x, y = torch.randn(40, 3), torch.tensor([0.0, 1.0] * 20)
    norms = [float(fit_logistic(x, y, decay)[0].norm()) for decay in (0.001, 0.1, 10.0)]
    assert norms == sorted(norms, reverse=True)


def test_features_are_the_last_states_whatever_else_is_asked(default_model):
    model, tokenizer = default_model
    prompts = ["The lamp is lovely.", "It broke after a day, and nobody answered."]
    found = last_states(model, tokenizer, prompts)
    assert found.shape == (2, model.config.hidden_size)
    for prompt, state in zip(prompts, found, strict=True):
        with torch.no_grad():
            theirs = model.model(**tokenizer(prompt, return_tensors="pt")).last_hidden_state[0, -1]
        assert torch.allclose(state, theirs, atol=1e-4)


# --- tables and figures ---------------------------------------------------------------------------------------------

BEFORE = {
    "scores": {"ROUGE-1": [10.0, 20.0, 30.0]},
    "probes": {"facts": {"right": [True, False, True], "log_likelihoods": [-1.0, -2.0, -3.0]}},
}
HISTORY = {"losses": [3.0, 2.5], "seconds": 4.0, "tokens": 800, "peak_rss": 3 * 2**30}
TUNED = {
    "scores": {"ROUGE-1": [40.0, 50.0, 60.0]}, "probes": {"facts": {"right": [True, True, True], "log_likelihoods": [-2.0, -3.5, -4.5]}}, "history": HISTORY, "loss": 2.345,
    "trained": 50, "disk": 19_600_000,
}  # fmt: skip


@pytest.fixture
def shown(monkeypatch):
    texts: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: texts.append(data["text/plain"]))
    return texts


def test_the_race_table_holds_what_was_measured(shown):
    reports.race_table("title", "before", {"before": BEFORE, "tuned": TUNED}, parameters=1000)
    table = shown[0]
    assert "ROUGE-1 | 20.0 (10.0 to 30.0) | 50.0 (40.0 to 60.0)" in table
    for line in ("tokens a second |  | 200", "GiB |  | 3.0", "MB |  | 19.6", "parameters |  | 5.0%", "token |  | 2.3"):
        assert line in table


def test_the_probe_table_compares_each_arm_with_the_one_before(shown):
    verdicts = reports.probe_table("before", {"before": BEFORE, "tuned": TUNED})
    assert "facts | before | 67% | -2.00 | -" in shown[0]
    assert "facts | tuned | 100% | -3.33 | -1.33 (-1.50 to -1.00)" in shown[0]
    assert list(verdicts) == [("facts", "tuned")] and verdicts["facts", "tuned"].better == "before"


def test_the_methods_table_and_the_curves(shown):
    reports.methods_table("title", {"before": [1.0, 0.0], "lora": [1.0, 1.0]}, {"lora": 10}, {"lora": 0.5}, 1000)
    assert "before | - | - | 50%" in shown[0] and "lora | 1.000% | 0.50 | 100%" in shown[0]
    reports.loss_curves("title", {"full": TUNED, "lora": TUNED})
    assert "full in blue and lora in orange" in shown[1]


def test_a_chart_without_a_step_is_shown_empty(shown):
    chart("Patient 2", Chart())
    assert "Patient 2. On the left the loss by step" in shown[0]
