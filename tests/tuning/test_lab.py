"""What lab 05 is made of beside the loop: probes, summaries, catch-up points and the clinic."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer
from tiny_models import tiny

from labutils.course.corpora import load_dialogues, load_probes
from labutils.errors import LabError
from labutils.machine import limits
from labutils.prompting import prompts
from labutils.prompting.likelihoods import label_log_likelihoods
from labutils.tuning import Example, Recipe, prepare, train
from labutils.tuning import catch_up as module
from labutils.tuning.catch_up import cached_result, saved_bytes
from labutils.tuning.clinic import Chart, patient_1, patient_2, patient_3, show_chart
from labutils.tuning.features import last_hidden_states
from labutils.tuning.probes import completion_losses, mean_loss, score_multiple_choice
from labutils.tuning.summaries import ROUGES, require_window, rouge_scores, summary_pairs

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


def test_the_mean_loss_is_that_of_one_padded_batch_and_leaves_the_mode_alone():
    """transformers takes the mean over all labels of a batch, so a long completion counts for more than a short one."""
    model = tiny().train()
    width = max(example.length for example in EXAMPLES)
    ids = torch.tensor([e.prompt + e.completion + [2] * (width - e.length) for e in EXAMPLES])
    labels = torch.tensor([[-100] * len(e.prompt) + e.completion + [-100] * (width - e.length) for e in EXAMPLES])
    assert mean_loss(model, EXAMPLES) == pytest.approx(tiny()(input_ids=ids, labels=labels).loss.item(), abs=1e-5)
    assert model.training


@pytest.mark.slow
def test_multiple_choice_scores_are_those_of_the_label_likelihoods(default_model):
    model, tokenizer = default_model
    rows = load_probes()["patterns"].to_list()[:20]
    found = score_multiple_choice(model, tokenizer, rows)
    for row, right, nats in zip(rows, *found, strict=True):
        scores = label_log_likelihoods(model, tokenizer, [row["prompt"]], [f" {choice}" for choice in row["choices"]])[0]
        place = row["choices"].index(row["answer"])
        assert right == (int(scores.argmax()) == place)
        assert nats == pytest.approx(float(scores[place]), abs=1e-4)
    assert 0 < sum(found.correct) < len(rows)  # both kinds were there to be told apart


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


@pytest.mark.parametrize("longest", ["dialogue", "summary"])
def test_a_dialogue_beyond_the_window_is_named_by_its_line(longest, default_model, says):
    rows = [{"id": f"line-{n}", "dialogue": "Ann: no.\nBo: yes.", "summary": "They differ."} for n in range(1, 4)]
    rows[1][longest] *= 400
    require_window(default_model[1], rows, None)
    require_window(default_model[1], rows[:1], 200)
    with pytest.raises(LabError) as caught:
        require_window(default_model[1], rows, 1_000)
    says(caught.value, "'line-2'", "1,000", "1 of 3", "LABS_DIALOGUES")


def test_scores_need_a_text_for_each_dialogue(says):
    with pytest.raises(LabError) as caught:
        rouge_scores(["a text"], [])
    says(caught.value, "1 texts for 0 dialogues")


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
    made = cached_result(tmp_path, "lora", SETTINGS, lambda: {"losses": [1.5, 1.25], "texts": ["é"]})
    assert capsys.readouterr().out == ""
    loaded = cached_result(tmp_path, "lora", SETTINGS, never, reuse=True)
    assert loaded == made == {"losses": [1.5, 1.25], "texts": ["é"]}
    assert "is loaded from the run of" in capsys.readouterr().out


@pytest.mark.fault("a kept result is damaged, lost, or of other settings")
@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda path: path.unlink(), "there is no earlier run"),
        (lambda path: path.write_text('{"depends_on": {"examples": 5}, "when": "x", "result": {}}'), "other settings"),
        (lambda path: path.write_text(path.read_text()[:20]), "damaged"),
        (lambda path: path.write_text("[]"), "damaged"),
    ],
)
def test_an_arm_that_cannot_be_loaded_is_made_and_says_why(tmp_path, capsys, spoil, reason):
    cached_result(tmp_path, "lora", SETTINGS, lambda: {"old": 1})
    spoil(tmp_path / "lora.json")
    assert cached_result(tmp_path, "lora", SETTINGS, lambda: {"new": 2}, reuse=True) == {"new": 2}
    assert reason in capsys.readouterr().out
    assert cached_result(tmp_path, "lora", SETTINGS, never, reuse=True) == {"new": 2}


def test_an_arm_is_made_anew_unless_asked_otherwise(tmp_path):
    cached_result(tmp_path, "lora", SETTINGS, lambda: {"n": 1})
    assert cached_result(tmp_path, "lora", SETTINGS, lambda: {"n": 2}) == {"n": 2}


class Unwritable:
    """A value that JSON cannot hold."""


@pytest.mark.parametrize("value", [torch.ones(2), Unwritable(), {(1, 2): 3}, b"bytes"], ids=lambda value: type(value).__name__)
def test_a_result_that_is_not_json_is_returned_and_not_kept(value, tmp_path, capsys):
    result = {"losses": [1.5], "other": value}
    assert cached_result(tmp_path, "lora", SETTINGS, lambda: result) is result
    assert "is not kept for later" in capsys.readouterr().out and not any(tmp_path.iterdir())


@pytest.mark.fault("the disk is full where a trained arm is kept")
def test_a_result_that_cannot_be_written_is_returned_all_the_same(tmp_path, monkeypatch, capsys):
    def full(path, text):
        raise LabError("The disk is full: free some space.")

    monkeypatch.setattr(module, "write_atomically", full)
    assert cached_result(tmp_path, "lora", SETTINGS, lambda: {"losses": (1.5, 1.25)}) == {"losses": [1.5, 1.25]}
    assert "is not kept for later: The disk is full" in capsys.readouterr().out


def test_what_it_depends_on_is_checked_before_the_training(tmp_path, says):
    with pytest.raises(LabError) as refused:
        cached_result(tmp_path, "lora", {"rates": {0.1, 0.2}}, never)
    says(refused.value, "“lora”", "JSON")


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/b", "..", "", ".hidden", "a\\b", "c:x"])
def test_a_name_stays_in_its_folder(name, tmp_path, says):
    with pytest.raises(LabError) as refused:
        cached_result(tmp_path / "trained", name, SETTINGS, never)
    says(refused.value, repr(name), "plain")
    with pytest.raises(LabError):
        module.folder(name)
    assert not any(tmp_path.iterdir())


def test_a_text_with_half_a_character_is_kept(tmp_path):
    result = cached_result(tmp_path, "lora", SETTINGS, lambda: {"texts": ["half \ud83d"]})
    assert cached_result(tmp_path, "lora", SETTINGS, never, reuse=True) == result == {"texts": ["half \ud83d"]}


def test_weighing_an_adapter_and_a_whole_model(tmp_path):
    tuned = prepare(tiny(), "lora")
    adapter = saved_bytes(tuned, tmp_path / "lora")
    count = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    assert 4 * count <= adapter <= 4 * count + 20_000  # the header names the tensors
    assert (tmp_path / "lora" / "adapter_model.safetensors").stat().st_size == adapter
    assert saved_bytes(tiny(), tmp_path / "full", keep=False) > adapter
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lora"]


def test_weighing_again_replaces_what_was_there(tmp_path):
    saved_bytes(prepare(tiny(), "lora"), tmp_path / "lora")
    (tmp_path / "lora" / "leftover").write_text("old")
    saved_bytes(prepare(tiny(), "lora"), tmp_path / "lora")
    assert not (tmp_path / "lora" / "leftover").exists()


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch, says):
    saved_bytes(prepare(tiny(), "lora"), tmp_path / "lora")
    monkeypatch.setattr(limits, "disk_free", lambda _: 10)
    with pytest.raises(LabError) as error:
        saved_bytes(tiny(), tmp_path / "lora")
    says(error.value, "0.00 GB", "LABS_HOME")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lora"]


@pytest.mark.fault("the disk fills up while weights are saved")
def test_a_failed_save_keeps_the_old_files(tmp_path, says):
    class Broken(torch.nn.Linear):
        def save_pretrained(self, where):
            raise OSError(28, "No space left on device")

    saved_bytes(prepare(tiny(), "lora"), tmp_path / "lora")
    with pytest.raises(LabError) as error:
        saved_bytes(Broken(2, 2), tmp_path / "lora")
    says(error.value, "No space left")
    assert (tmp_path / "lora" / "adapter_config.json").exists() and len(list(tmp_path.iterdir())) == 1


class Killed(BaseException):
    """The kernel dies here."""


@pytest.mark.fault("the kernel dies while it replaces saved weights")
@pytest.mark.parametrize("dies_at", ["while saving", "first rename", "second rename", "after the renames"])
def test_a_kernel_that_dies_while_it_saves_loses_no_old_copy(dies_at, tmp_path, monkeypatch):
    """The old copy or the new one is whole at the next call, and nothing else is left.

    Where the process ends nothing more of it runs, so the cleaning up is left out as well; the next call finds the folder."""
    where, rename, calls = tmp_path / "lora", Path.rename, []
    tuned = prepare(tiny(), "lora")
    saved_bytes(tuned, where)
    old = (where / "adapter_model.safetensors").read_bytes()
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.add_(1.0)

    def dying(self, target):
        calls.append(1)
        if (dies_at, len(calls)) in (("first rename", 1), ("second rename", 2)):
            raise Killed
        return rename(self, target)

    def dying_save(*arguments, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "_recover", lambda folder: None)
        patch.setattr(Path, "rename", dying)
        if dies_at == "while saving":
            patch.setattr(tuned, "save_pretrained", dying_save)
        if dies_at == "after the renames":
            saved_bytes(tuned, where)
        else:
            with pytest.raises(Killed):
                saved_bytes(tuned, where)
    assert len(list(tmp_path.iterdir())) == 2  # there is something to clean up
    cached_result(tmp_path, "lora", SETTINGS, lambda: {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lora", "lora.json"]
    assert ((where / "adapter_model.safetensors").read_bytes() == old) == (dies_at != "after the renames")


def test_the_folder_lies_in_the_home(home):
    assert module.folder("05") == home / "trained" / "05"


# --- the clinic -----------------------------------------------------------------------------------------------------


def test_padding_in_the_loss_hides_the_completions():
    chart = patient_1(tiny(), EXAMPLES)
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
    chart = patient_2(model, EXAMPLES)
    assert len(chart.losses) < 4 and all(loss == loss for loss in chart.losses)
    assert len(patient_2(tiny(), EXAMPLES).losses) == 4


def test_the_baseline_of_the_third_patient_is_the_trained_model():
    pairs = patient_3(tiny(), EXAMPLES[:4], EXAMPLES[4:])
    assert len(pairs) == 4 and all(before == after for before, after in pairs)
    honest = [loss / count for loss, count in completion_losses(tiny(), EXAMPLES[4:])]
    assert any(abs(before - fresh) > 1e-4 for (before, _), fresh in zip(pairs, honest, strict=True))


def test_history_is_json_for_the_catch_up_file():
    history = train(prepare(tiny(), "lora"), EXAMPLES, Recipe(1e-3))
    assert json.loads(json.dumps(vars(history)))["losses"] == history.losses


# --- features -------------------------------------------------------------------------------------------------------


def test_features_are_the_last_hidden_states_whatever_else_is_asked(default_model):
    model, tokenizer = default_model
    prompts = ["The lamp is lovely.", "It broke after a day, and nobody answered."]
    found = last_hidden_states(model, tokenizer, prompts)
    assert found.shape == (2, model.config.hidden_size)
    for prompt, state in zip(prompts, found, strict=True):
        with torch.no_grad():
            theirs = model.model(**tokenizer(prompt, return_tensors="pt")).last_hidden_state[0, -1]
        assert torch.allclose(state, theirs, atol=1e-4)


# --- tables and figures ---------------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch):
    texts: list[str] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: texts.append(data["text/plain"]))
    return texts


def test_a_chart_without_a_step_is_shown_empty(shown):
    show_chart("Patient 2", Chart())
    assert "Patient 2. On the left the loss by step" in shown[0]
