"""The training loop against one of ten lines, its interrupts against runs without one, and its refusals, on tiny random models."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import pytest
import torch
from launching import environment
from tiny_models import VOCABULARY, tiny
from transformers import get_linear_schedule_with_warmup

from labutils.errors import LabError
from labutils.machine import limits
from labutils.tuning.checkpoints import Interrupted
from labutils.tuning.examples import Example, step_order
from labutils.tuning.loop import History, train
from labutils.tuning.methods import Method, named_trainable_parameters, prepare
from labutils.tuning.recipe import Recipe, learning_rate_at

EXAMPLES = [
    Example([3 + (5 * i + j) % 90 for j in range(1 + i % 4)], [3 + (7 * i + 3 * j) % 90 for j in range(i % 6)] + [1])
    for i in range(19)
]
RECIPE = Recipe(3e-3, batch=8, epochs=2, weight_decay=0.01)  # three steps an epoch, of 8, 8 and 3 examples in some order
STEPS = 6


def ready(kind="llama", method="full", dropout=0.0):
    return prepare(tiny(kind, dropout=dropout), method)


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def one_sentence(error):
    """Full stops end it and stand inside numbers and file names, but no second sentence follows."""
    assert not re.search(r"\.\s+\S", str(error)), str(error)


@pytest.fixture(autouse=True)
def interruptible(monkeypatch):
    """Python's own SIGINT handler, and a bar where one is asked for."""
    monkeypatch.delenv("LABS_PROGRESS", raising=False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# --- one step after the other


def by_hand(model, recipe, warmup_steps=1):
    """A loop over padded batches with labels, as transformers' documentation writes it."""
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps, losses, norms = step_order(EXAMPLES, recipe.batch, recipe.epochs, recipe.seed), [], []
    for number, step in enumerate(steps):
        for group in optimizer.param_groups:
            falling = (len(steps) - number) / (len(steps) - warmup_steps)
            group["lr"] = recipe.learning_rate * min(falling, (number + 1) / warmup_steps)
        loss = model(**padded(model, [EXAMPLES[i] for i in step])).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip).item())
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, norms


def padded(model, examples):
    def rows(lists, filler):
        width = max(map(len, lists))
        return torch.tensor([row + [filler] * (width - len(row)) for row in lists])

    seq2seq = model.config.is_encoder_decoder
    sources = [e.prompt if seq2seq else e.prompt + e.completion for e in examples]
    labels = [e.completion if seq2seq else [-100] * len(e.prompt) + e.completion for e in examples]
    mask = rows([[1] * len(row) for row in sources], 0)
    return {"input_ids": rows(sources, 2), "attention_mask": mask, "labels": rows(labels, -100)}


def assert_as_by_hand(kind, method, recipe, hand_recipe=None):
    """Losses and norms to 1e-5 and 1e-4, weights to a hundredth of one update: Adam blows up rounding where gradients are tiny."""
    hand, ours = ready(kind, method), ready(kind, method)
    losses, norms = by_hand(hand, hand_recipe or recipe)
    history = train(ours, EXAMPLES, recipe)
    assert history.losses == pytest.approx(losses, rel=1e-5) and len(losses) == STEPS
    assert history.gradient_norms == pytest.approx(norms, rel=1e-4)
    expected = weights(hand)
    for name, p in weights(ours).items():
        torch.testing.assert_close(
            p, expected[name], rtol=1e-5, atol=recipe.learning_rate / 100, msg=lambda m, n=name: f"{n}: {m}"
        )
    return history


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("micro_batch", [None, 1, 2, 3, 8, 100])
def test_training_is_the_ten_line_loop_for_any_cut(micro_batch, checkpointing):
    assert_as_by_hand("llama", "full", replace(RECIPE, micro_batch=micro_batch, checkpointing=checkpointing))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("method", ["full", "lora", "bitfit", "adapters", "prompt_tuning"])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5", "bart"])
def test_training_is_the_ten_line_loop_for_every_method_and_kind(kind, method, checkpointing):
    assert_as_by_hand(kind, method, replace(RECIPE, micro_batch=3, checkpointing=checkpointing))


def test_a_frugal_run_gives_the_same():
    assert_as_by_hand("llama", "full", replace(RECIPE, frugal=True))


def test_with_dropout_checkpointed_runs_draw_the_same_numbers():
    plain, again = (train(ready("gpt2", dropout=0.3), EXAMPLES, replace(RECIPE, checkpointing=on)).losses for on in (False, True))
    assert plain == pytest.approx(again, rel=1e-5)
    assert plain != pytest.approx(train(ready("gpt2"), EXAMPLES, RECIPE).losses, rel=1e-3)


def test_the_seed_decides_and_nothing_before_it():
    first = train(ready("gpt2", dropout=0.3), EXAMPLES, RECIPE).losses
    model = ready("gpt2", dropout=0.3)
    torch.manual_seed(77)
    assert train(model, EXAMPLES, RECIPE).losses == first
    assert train(ready("gpt2", dropout=0.3), EXAMPLES, replace(RECIPE, seed=1)).losses != first


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_run_leaves_no_gradient_no_checkpointing_and_eval_mode(method):
    model = ready(method=method, dropout=0.5)
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    assert model.training
    train(model, EXAMPLES, replace(RECIPE, checkpointing=True))
    assert not any(m.training for m in model.modules())
    assert all(p.grad is None for p in model.parameters())
    assert not any(getattr(m, "gradient_checkpointing", False) for m in model.modules())
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == hooks


def test_nobody_is_warned_of_anything():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(ready(method="lora"), EXAMPLES, replace(RECIPE, checkpointing=True))


def test_a_model_that_checkpointed_before_is_trained_as_the_recipe_says():
    model = ready()
    model.activation_checkpointing_enable()
    assert train(model, EXAMPLES, RECIPE).losses == pytest.approx(train(ready(), EXAMPLES, RECIPE).losses, rel=1e-6)


def test_gradients_from_before_do_not_count():
    model = ready()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 100.0)
    assert train(model, EXAMPLES, RECIPE).gradient_norms == train(ready(), EXAMPLES, RECIPE).gradient_norms


@pytest.mark.parametrize("method", ["lora", "adapters", "prompt_tuning"])
def test_frozen_weights_do_not_change_by_a_bit(method):
    model = ready(method=method)
    frozen = {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}
    learned = {name: p.detach().clone() for name, p in named_trainable_parameters(model)}
    train(model, EXAMPLES, RECIPE)
    after = dict(model.named_parameters())
    assert frozen and all(torch.equal(after[name], before) for name, before in frozen.items())
    assert learned and all(not torch.equal(after[name], before) for name, before in learned.items())


def test_training_learns():
    history = train(ready(), EXAMPLES, replace(RECIPE, epochs=30))
    assert history.losses[0] == pytest.approx(math.log(VOCABULARY), rel=0.1)  # a random model knows nothing
    assert sum(history.losses[-3:]) / 3 < 0.5 * history.losses[0]


# --- the learning rate and the gradient's norm


@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_the_learning_rate_is_that_of_transformers_one_warm_up_step_ahead(steps):
    """transformers' first warm-up step has rate 0 and teaches nothing; ours leaves it out. From the peak on both agree."""
    for warmup in range(1, steps + 1):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
        factor = get_linear_schedule_with_warmup(optimizer, warmup, steps).lr_lambdas[0]
        theirs = [2.0 * factor(s + 1 if s < warmup else s) for s in range(steps)]
        if warmup == steps:  # their step after the last is zero
            theirs[-1] = 2.0
        assert [learning_rate_at(s, steps, 2.0, warmup) for s in range(steps)] == pytest.approx(theirs, rel=1e-12)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero_one_step_after_the_last():
    for steps in range(1, 25):
        for warmup in range(1, steps + 1):
            rates = [learning_rate_at(s, steps, 0.1, warmup) for s in range(steps)]
            assert max(rates) == pytest.approx(0.1, rel=1e-15) == rates[warmup - 1] and min(rates) > 0
            assert rates[:warmup] == sorted(rates[:warmup]) and rates[warmup:] == sorted(rates[warmup:], reverse=True)
            if warmup < steps:
                assert learning_rate_at(steps, steps, 0.1, warmup) == 0
            constant = [learning_rate_at(s, steps, 0.1, warmup, decay=False) for s in range(steps)]
            assert constant == [*rates[:warmup], *[0.1] * (steps - warmup)]  # the same rise, then none


@pytest.mark.parametrize(
    ("warmup", "decay", "expected"),
    [
        (0.0, True, [1, 5 / 5, 4 / 5, 3 / 5, 2 / 5, 1 / 5]),
        (0.5, True, [1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3]),
        (1.0, False, [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1]),
        (0.0, False, [1] * 6),
    ],
)
def test_a_run_notes_and_uses_the_rates(warmup, decay, expected):
    history = train(ready(), EXAMPLES, replace(RECIPE, warmup=warmup, decay=decay))
    assert history.learning_rates == pytest.approx([RECIPE.learning_rate * e for e in expected], rel=1e-12)


def test_an_update_is_as_large_as_its_rate():
    """Adam's first update is the rate times the gradient's sign (Kingma & Ba 2015, section 2.1, with one step behind it)."""
    model = ready()
    before = weights(model)
    train(model, EXAMPLES[:3], Recipe(1e-3, warmup=0.0, weight_decay=0.0))
    moved = torch.cat([(p - before[name]).abs().flatten() for name, p in weights(model).items()])
    assert moved.max().item() == pytest.approx(1e-3, rel=1e-3)
    assert moved[moved > 0].median().item() == pytest.approx(1e-3, rel=1e-2)


def test_the_norm_is_noted_before_the_clip_and_the_clip_is_used():
    free = train(ready(), EXAMPLES, replace(RECIPE, clip=math.inf)).gradient_norms
    clip = sorted(free)[2]  # some steps are clipped and others are not, so Adam's scaling cannot hide it
    history = assert_as_by_hand("llama", "full", replace(RECIPE, clip=clip))
    assert history.gradient_norms[0] == pytest.approx(free[0], rel=1e-5) and max(history.gradient_norms) > clip
    unclipped, clipped = ready(), ready()
    train(unclipped, EXAMPLES, replace(RECIPE, clip=math.inf))
    train(clipped, EXAMPLES, replace(RECIPE, clip=clip))
    far = max((p - q).abs().max().item() for p, q in zip(unclipped.parameters(), clipped.parameters(), strict=True))
    assert far > RECIPE.learning_rate / 10  # ten times the tolerance by which the two loops agree


def test_the_first_norm_is_the_gradient_s():
    model = ready()
    step = [EXAMPLES[i] for i in step_order(EXAMPLES, 8, 2, 0)[0]]
    loss = model(**padded(model, step)).loss
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients))
    history = train(ready(), EXAMPLES, replace(RECIPE, clip=norm / 100))
    assert history.gradient_norms[0] == pytest.approx(norm, rel=1e-4) and history.losses[0] == pytest.approx(
        loss.item(), rel=1e-5
    )


def test_weight_decay_pulls_towards_zero():
    """Loshchilov & Hutter 2019, algorithm 2: w shrinks by rate times decay a step, whatever the gradient."""
    with_it, without = ready(), ready()
    before = weights(with_it)
    train(with_it, EXAMPLES[:3], Recipe(1e-3, weight_decay=0.5))
    train(without, EXAMPLES[:3], Recipe(1e-3))
    for name, p in weights(with_it).items():
        torch.testing.assert_close(p - weights(without)[name], -1e-3 * 0.5 * before[name], rtol=1e-3, atol=2e-7)


# --- the history


def test_the_history_counts_by_hand():
    history = train(ready(), EXAMPLES, RECIPE)
    assert history.tokens == 2 * sum(len(e.prompt) + len(e.completion) for e in EXAMPLES)
    assert history.labelled == 2 * sum(len(e.completion) for e in EXAMPLES)
    assert history.examples == 2 * len(EXAMPLES)
    assert len(history.losses) == len(history.learning_rates) == len(history.gradient_norms) == STEPS
    assert history.seconds > 0 and sum(p.numel() * 4 for p in ready().parameters()) < history.peak_rss


def test_speeds_are_per_second():
    history = History(tokens=600, examples=10, seconds=4.0)
    assert (history.tokens_per_second, history.examples_per_second) == (150, 2.5)
    assert History().tokens_per_second == History().examples_per_second == 0.0


def test_on_step_sees_each_step_with_the_history_so_far():
    seen = []
    history = train(ready(), EXAMPLES, RECIPE, on_step=lambda number, h: seen.append((number, len(h.losses), h.examples)))
    counts = [len(step) for step in step_order(EXAMPLES, 8, 2, 0)]
    assert seen == [(i, i + 1, sum(counts[: i + 1])) for i in range(STEPS)] and history.examples == sum(counts)


# --- interrupts


class Killed(BaseException):
    """The kernel dies here."""


def stop_after(number, error=KeyboardInterrupt):
    def on_step(at, history):
        if at == number:
            raise error

    return on_step


def press_inside_forward(model, call):
    """Press Interrupt in the middle of a step: while the head is computed for the call-th time."""
    calls = []

    def press(*_):
        calls.append(1)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)

    return model.get_output_embeddings().register_forward_hook(press)


KINDS = [
    ("llama", "full", 0.0), ("llama", "lora", 0.3), ("gpt2", "full", 0.3), ("gpt2", "bitfit", 0.3), ("t5", "adapters", 0.3),
    ("bart", "prompt_tuning", 0.3),
]  # fmt: skip


@pytest.mark.parametrize("number", [0, 2, STEPS - 1])
@pytest.mark.parametrize("made", KINDS, ids=lambda m: " ".join(map(str, m)))
def test_interrupted_between_steps_a_run_goes_on_as_if_nothing_had_been(made, number, tmp_path, says):
    whole = ready(*made)
    history = train(whole, EXAMPLES, RECIPE)
    file = tmp_path / "folder" / "run.pt"  # the folder does not exist yet
    with pytest.raises(Interrupted) as stopped:
        train(ready(*made), EXAMPLES, RECIPE, checkpoint=file, on_step=stop_after(number))
    says(stopped.value, f"step {number + 1} of {STEPS}", file, "again")
    one_sentence(stopped.value)
    assert [path.name for path in file.parent.iterdir()] == ["run.pt"]
    fresh = ready(*made)
    torch.manual_seed(99)
    resumed = train(fresh, EXAMPLES, RECIPE, checkpoint=file)
    assert same(weights(fresh), weights(whole))
    for name in ("losses", "learning_rates", "gradient_norms", "tokens", "labelled", "examples"):
        assert getattr(resumed, name) == getattr(history, name)
    assert not any(file.parent.iterdir()) and not fresh.training


@pytest.mark.parametrize("call", [1, 2, 6, 7, 14])  # of 14: three micro-batches in a step of 8, one in a step of 3
@pytest.mark.parametrize("made", KINDS, ids=lambda m: " ".join(map(str, m)))
def test_interrupted_inside_a_step_a_run_does_that_step_again(made, call, tmp_path):
    recipe = replace(RECIPE, micro_batch=3)
    whole = ready(*made)
    history = train(whole, EXAMPLES, recipe)
    model, file = ready(*made), tmp_path / "run.pt"
    hook = press_inside_forward(model, call)
    with pytest.raises(Interrupted):
        train(model, EXAMPLES, recipe, checkpoint=file)
    hook.remove()
    assert file.exists() and all(p.grad is None for p in model.parameters())
    fresh = ready(*made)
    resumed = train(fresh, EXAMPLES, recipe, checkpoint=file)
    assert resumed.losses == history.losses
    assert same(weights(fresh), weights(whole)) and not file.exists()


@pytest.mark.parametrize("before", [True, False])
def test_an_update_is_made_whole_before_an_interrupt_is_heard(before, tmp_path, monkeypatch):
    whole, model, file = ready(), ready(), tmp_path / "run.pt"
    history = train(whole, EXAMPLES, RECIPE)
    step, calls = torch.optim.AdamW.step, []

    def pressed(self, *arguments):
        calls.append(1)
        if before and len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        result = step(self, *arguments)
        if not before and len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", pressed)
        with pytest.raises(Interrupted, match=f"step 2 of {STEPS}"):
            train(model, EXAMPLES, RECIPE, checkpoint=file)
    assert len(calls) == 2 and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    fresh = ready()
    assert train(fresh, EXAMPLES, RECIPE, checkpoint=file).losses == history.losses
    assert same(weights(fresh), weights(whole))


def test_a_second_press_while_the_checkpoint_is_written_changes_nothing(tmp_path, monkeypatch):
    whole, fresh, file, write = ready(), ready(), tmp_path / "run.pt", torch.save

    def pressed(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return write(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", pressed)
        with pytest.raises((Interrupted, KeyboardInterrupt)) as stopped:
            train(ready(), EXAMPLES, RECIPE, checkpoint=file, on_step=stop_after(1))
    history = train(whole, EXAMPLES, RECIPE)
    assert train(fresh, EXAMPLES, RECIPE, checkpoint=file).losses == history.losses and same(weights(fresh), weights(whole))
    assert stopped.type is Interrupted  # a sentence, not a traceback


def test_a_run_may_be_interrupted_again_and_again(tmp_path):
    whole, file = ready("gpt2", dropout=0.3), tmp_path / "run.pt"
    history = train(whole, EXAMPLES, RECIPE)
    for number in range(STEPS):
        with pytest.raises(Interrupted, match=f"step {number + 1} of"):
            train(ready("gpt2", dropout=0.3), EXAMPLES, RECIPE, checkpoint=file, on_step=stop_after(number))
    fresh = ready("gpt2", dropout=0.3)
    assert train(fresh, EXAMPLES, RECIPE, checkpoint=file).losses == history.losses
    assert same(weights(fresh), weights(whole))


def test_a_run_may_go_on_in_another_cut(tmp_path):
    history = train(ready(), EXAMPLES, RECIPE)
    file = tmp_path / "run.pt"
    with pytest.raises(Interrupted):
        train(ready(), EXAMPLES, RECIPE, checkpoint=file, on_step=stop_after(2))
    other = replace(RECIPE, micro_batch=2, checkpointing=True, frugal=True)
    assert train(ready(), EXAMPLES, other, checkpoint=file).losses == pytest.approx(history.losses, rel=1e-5)


@pytest.mark.parametrize("inside", [False, True])
def test_without_a_checkpoint_the_model_keeps_what_it_learned(inside, says):
    halfway = {}
    whole = ready()
    train(whole, EXAMPLES, RECIPE, on_step=lambda number, _: halfway.update(weights(whole)) if number == 1 else None)
    model = ready()
    hook = press_inside_forward(model, 3 if inside else 10**9)
    with pytest.raises(Interrupted) as stopped:
        train(model, EXAMPLES, RECIPE, on_step=None if inside else stop_after(1))
    hook.remove()
    says(stopped.value, f"step 2 of {STEPS}", "keeps what it learned")
    one_sentence(stopped.value)
    assert same(weights(model), halfway) and not same(halfway, weights(whole))
    assert all(p.grad is None for p in model.parameters())


def test_after_an_interrupt_the_model_can_be_used_at_once():
    model = ready("gpt2", dropout=0.5)
    with pytest.raises(Interrupted):
        train(model, EXAMPLES, replace(RECIPE, checkpointing=True), on_step=stop_after(1))
    assert not any(getattr(m, "gradient_checkpointing", False) for m in model.modules())
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, model(ids).logits)  # no dropout


KILLED = """
import sys, time
from pathlib import Path
from test_loop import EXAMPLES, RECIPE, ready, train
def tell(number, history):
    print(number, flush=True)
    time.sleep(0.05)
train(ready("gpt2", dropout=0.3), EXAMPLES, RECIPE, checkpoint=Path(sys.argv[1]), save_every=1, on_step=tell)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.fault("the process is killed in the middle of training")
def test_a_training_that_the_system_kills_goes_on_from_its_last_save(tmp_path):
    """The same call in a new process gives the losses of a run that nobody killed."""
    whole, file = ready("gpt2", dropout=0.3), tmp_path / "run.pt"
    history = train(whole, EXAMPLES, RECIPE)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(file)], env=environment(), stdout=subprocess.PIPE, text=True
    ) as child:
        assert [child.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        child.kill()
    assert child.returncode == -signal.SIGKILL
    fresh, seen = ready("gpt2", dropout=0.3), []
    resumed = train(fresh, EXAMPLES, RECIPE, checkpoint=file, save_every=1, on_step=lambda number, _: seen.append(number))
    assert seen[0] >= 3 and resumed.losses == pytest.approx(history.losses, rel=1e-6)
    assert not any(tmp_path.iterdir())


@pytest.mark.fault("the kernel dies in the middle of training")
@pytest.mark.parametrize("dies", [2, 3, 4])
def test_what_was_saved_outlives_the_kernel(dies, tmp_path):
    whole, file = ready("gpt2", dropout=0.3), tmp_path / "run.pt"
    history = train(whole, EXAMPLES, RECIPE)
    with pytest.raises(Killed):
        train(ready("gpt2", dropout=0.3), EXAMPLES, RECIPE, checkpoint=file, save_every=2, on_step=stop_after(dies, Killed))
    fresh, seen = ready("gpt2", dropout=0.3), []
    resumed = train(fresh, EXAMPLES, RECIPE, checkpoint=file, save_every=2, on_step=lambda number, _: seen.append(number))
    assert seen[0] == (dies + 1) // 2 * 2  # the last save
    assert resumed.losses == history.losses and same(weights(fresh), weights(whole)) and not file.exists()


@pytest.mark.fault("the kernel dies while it saves a checkpoint")
def test_a_kernel_that_dies_while_it_saves_leaves_the_save_before(tmp_path, monkeypatch):
    whole, file, write, calls = ready(), tmp_path / "run.pt", torch.save, []
    history = train(whole, EXAMPLES, RECIPE)

    def dying(kept, path):
        calls.append(1)
        if len(calls) == 2:
            path.write_bytes(b"half a file")
            raise Killed
        write(kept, path)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", dying)
        with pytest.raises(Killed):
            train(ready(), EXAMPLES, RECIPE, checkpoint=file, save_every=2)
    assert len(list(tmp_path.iterdir())) == 2  # the half file, which the next start sweeps away
    fresh = ready()
    assert train(fresh, EXAMPLES, RECIPE, checkpoint=file).losses == history.losses and same(weights(fresh), weights(whole))
    assert not any(tmp_path.iterdir())


def test_half_files_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True).stdout.strip()
    names = [
        f".run.pt.{dead}.partial",
        f".run.pt.{os.getppid()}.partial",
        f".run.pt.{dead}",
        f".other.pt.{dead}.partial",
        "run.pt.x",
    ]
    for name in names:
        (tmp_path / name).write_text("half a file")
    train(ready(), EXAMPLES, RECIPE, checkpoint=tmp_path / "run.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


def test_a_checkpoint_that_is_kept_holds_the_finished_run(tmp_path):
    whole, file = ready(), tmp_path / "run.pt"
    history = train(whole, EXAMPLES, RECIPE, checkpoint=file, keep_checkpoint=True)
    again, seen = ready(), []
    resumed = train(again, EXAMPLES, RECIPE, checkpoint=file, on_step=lambda number, _: seen.append(number))
    assert seen == [] and resumed.losses == history.losses and same(weights(again), weights(whole)) and not file.exists()


# --- files that cannot be used


def saved(tmp_path, method="full", recipe=RECIPE, examples=EXAMPLES):
    file = tmp_path / "run.pt"
    with pytest.raises(Interrupted):
        train(ready(method=method), examples, recipe, checkpoint=file, on_step=stop_after(1))
    return file


def without(part):
    def change(file):
        kept = torch.load(file)
        del kept[part]
        torch.save(kept, file)

    return change


def changed(**parts):
    return lambda file: torch.save({**torch.load(file), **parts}, file)


DAMAGES = {
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_text("loss,step\n" * 100),
    "one byte short": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "thirty bytes": lambda file: file.write_bytes(file.read_bytes()[:30]),
    "a tensor": lambda file: torch.save(torch.zeros(3), file),
    "a list": lambda file: torch.save([1, 2], file),
    "another program's": lambda file: torch.save(tiny().state_dict(), file),
    "no weights": without("weights"),
    "no optimizer": without("optimizer"),
    "no history": without("history"),
    "weights of no kind": changed(weights=None),
    "another optimizer": changed(optimizer={"state": {}, "param_groups": []}),
    "another history": changed(history={"something": 1}),
}


@pytest.mark.fault("a checkpoint is damaged")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_and_nothing_is_touched(damage, tmp_path, says):
    file = saved(tmp_path)
    DAMAGES[damage](file)
    content, model = file.read_bytes(), ready()
    before = weights(model)
    with pytest.raises(LabError) as refused:
        train(model, EXAMPLES, RECIPE, checkpoint=file)
    says(refused.value, file, "delete it")
    one_sentence(refused.value)
    assert not isinstance(refused.value, Interrupted)
    assert same(weights(model), before) and file.read_bytes() == content


@pytest.mark.fault("one flipped bit in a checkpoint")
def test_one_flipped_bit_in_a_checkpoint_is_never_trained_on(tmp_path, says):
    """Refused in one sentence that says to delete it, or of no consequence: the losses are those of a run without a break."""
    history, file = train(ready(), EXAMPLES, RECIPE), saved(tmp_path)
    whole, refusals = file.read_bytes(), 0
    places = [n * len(whole) // 40 for n in range(40)] + [*range(0, 400, 20), *range(len(whole) - 400, len(whole), 20)]
    for n, place in enumerate(places):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << n % 8
        file.write_bytes(flipped)
        try:
            assert train(ready(), EXAMPLES, RECIPE, checkpoint=file).losses == history.losses
        except LabError as error:
            says(error, file, "delete it")
            assert file.read_bytes() == flipped
            refusals += 1
    assert refusals >= 40


OTHERS = {
    "learning rate": dict(recipe=replace(RECIPE, learning_rate=1e-4)),
    "seed": dict(recipe=replace(RECIPE, seed=1)),
    "epochs": dict(recipe=replace(RECIPE, epochs=3)),
    "method": dict(method="bitfit"),
    "lora": dict(method="lora"),
    "fewer examples": dict(examples=EXAMPLES[:-1]),
    "longer examples": dict(examples=[*EXAMPLES[:-1], Example([5, 6, 7, 8], [9] * 9)]),
    "other words": dict(examples=[*EXAMPLES[:-1], Example(EXAMPLES[-1].prompt, [(i + 1) % 97 for i in EXAMPLES[-1].completion])]),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_checkpoint_of_another_run_is_refused(other, tmp_path, says):
    file = saved(tmp_path, **OTHERS[other])
    content, model = file.read_bytes(), ready()
    before = weights(model)
    with pytest.raises(LabError) as refused:
        train(model, EXAMPLES, RECIPE, checkpoint=file)
    says(refused.value, file, "another run")
    one_sentence(refused.value)
    assert same(weights(model), before) and file.read_bytes() == content


def test_lora_of_another_rank_or_scale_is_another_run(tmp_path):
    file = saved(tmp_path, Method("lora", lora_rank=4))
    for method in (Method("lora", lora_rank=8), Method("lora", lora_rank=4, lora_alpha=1)):
        with pytest.raises(LabError, match="another run"):
            train(ready(method=method), EXAMPLES, RECIPE, checkpoint=file)


@pytest.mark.fault("the disk is too full for a checkpoint")
def test_a_full_disk_is_seen_before_anything_is_written(tmp_path, monkeypatch, says):
    model, file = ready(), tmp_path / "run.pt"
    monkeypatch.setattr(limits, "disk_free", lambda path: 1000)
    with pytest.raises(LabError) as refused:
        train(model, EXAMPLES, RECIPE, checkpoint=file, save_every=1)
    says(refused.value, "GiB", "disk")
    one_sentence(refused.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.fault("the disk fills up while a checkpoint is written")
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed")])
def test_a_disk_that_fills_up_leaves_the_save_before_and_no_debris(error, tmp_path, monkeypatch, says):
    file, write, calls = tmp_path / "run.pt", torch.save, []

    def full(kept, path):
        calls.append(1)
        if len(calls) == 2:
            path.write_bytes(b"half a file")
            raise error
        write(kept, path)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(LabError) as refused:
            train(ready(), EXAMPLES, RECIPE, checkpoint=file, save_every=2)
    says(refused.value, file, "disk")
    one_sentence(refused.value)
    assert list(tmp_path.iterdir()) == [file]
    whole, fresh = ready(), ready()
    assert train(fresh, EXAMPLES, RECIPE, checkpoint=file).losses == train(whole, EXAMPLES, RECIPE).losses
    assert same(weights(fresh), weights(whole))


# --- what cannot be trained


def test_a_weight_that_is_not_a_number_stops_before_anything_changes(says):
    model = ready()
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[3, 4] = math.nan
    before = weights(model)
    with pytest.raises(LabError) as refused:
        train(model, EXAMPLES, RECIPE)
    says(refused.value, "step 1", "not a finite number", "learning rate")
    assert all(torch.equal(p.nan_to_num(7.0), before[name].nan_to_num(7.0)) for name, p in weights(model).items())


def test_a_learning_rate_far_too_high_stops_while_the_weights_are_finite(says):
    model = ready()
    with pytest.raises(LabError) as refused:
        train(model, EXAMPLES, replace(RECIPE, learning_rate=1e30, weight_decay=0.0))
    says(refused.value, "not a finite number", "learning rate")
    assert all(p.isfinite().all() for p in model.parameters())


def test_a_loss_that_is_not_finite_is_told_in_one_sentence_and_leaves_no_gradient():
    model = ready()
    with pytest.raises(LabError) as refused:
        train(model, EXAMPLES, replace(RECIPE, learning_rate=1e30, weight_decay=0.0))
    assert all(p.grad is None for p in model.parameters())
    one_sentence(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        dict(learning_rate=-1e-3), dict(learning_rate=math.nan), dict(learning_rate=math.inf),
        dict(micro_batch=0), dict(micro_batch=-2), dict(batch=0), dict(epochs=0), dict(warmup=-0.5), dict(warmup=1.5), dict(clip=0.0),
        dict(clip=-1.0), dict(weight_decay=-0.1),
    ],
    ids=str,
)  # fmt: skip
def test_a_recipe_that_makes_no_sense_is_refused(settings, says):
    model = ready()
    before = weights(model)
    with pytest.raises(LabError) as refused:
        train(model, EXAMPLES, replace(RECIPE, **settings))
    says(refused.value, *settings)
    one_sentence(refused.value)
    assert same(weights(model), before)


def test_nothing_to_train_is_said(says):
    with pytest.raises(LabError) as refused:
        train(tiny().requires_grad_(False), EXAMPLES, RECIPE)
    says(refused.value, "prepare")
    one_sentence(refused.value)


def test_no_examples_are_said(says):
    with pytest.raises(LabError) as refused:
        train(ready(), [], RECIPE)
    says(refused.value, "example")


# --- the progress bar


def test_a_person_sees_a_bar(capsys):
    train(ready(), EXAMPLES, RECIPE, on_step=lambda *_: time.sleep(0.12))  # a bar is drawn anew ten times a second at most
    shown = capsys.readouterr()
    assert "step" in shown.err and "loss" in shown.err and "tokens/s" in shown.err and not shown.out


@pytest.mark.parametrize("setting", [("LABS_STRICT", "1"), ("LABS_PROGRESS", "0")], ids=lambda s: "=".join(s))
def test_where_nobody_looks_nothing_is_written(setting, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv(*setting)
    train(ready(), EXAMPLES, RECIPE, checkpoint=tmp_path / "run.pt", save_every=2)
    shown = capsys.readouterr()
    assert shown.err == shown.out == ""
