"""Two processes on this machine against one, at the same global batch: losses, norms and weights."""

from __future__ import annotations

import itertools

import pytest
import torch
import two_processes
from launching import torchrun
from tiny_models import BLOCKS
from two_processes import ABSOLUTE, ARMS, EXAMPLES, TOLERANCE, model_of, recipe, tuned

from labutils.errors import LabError
from labutils.tuning import processes
from labutils.tuning.checkpoints import Interrupted
from labutils.tuning.loop import train
from labutils.tuning.methods import named_trainable_parameters
from labutils.tuning.processes import Group


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(two_processes.__file__, folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("arm", ARMS)
def test_two_processes_do_what_one_does_at_the_same_batch(two, arm):
    _, _, how, count, settings = ARMS[arm]
    model = tuned(arm)
    before = {name: p.detach().clone() for name, p in named_trainable_parameters(model)}
    alone, (mine, other) = train(model, EXAMPLES[:count], recipe(**settings)), (rank[arm] for rank in two)
    assert len(alone.losses) == 6 and len(set(alone.losses)) == 6
    for found in (mine, other):
        torch.testing.assert_close(found["losses"], alone.losses, rtol=TOLERANCE, atol=0)
        torch.testing.assert_close(found["norms"], alone.gradient_norms, rtol=TOLERANCE, atol=0)
    expected = {name: p.detach() for name, p in named_trainable_parameters(model)}
    torch.testing.assert_close(mine["weights"], expected, rtol=0, atol=ABSOLUTE)
    assert max(float((expected[name] - before[name]).abs().max()) for name in before) > 100 * ABSOLUTE  # they did move
    if how == "ddp":
        assert all(torch.equal(mine["weights"][name], other["weights"][name]) for name in expected)
        assert mine["exchanges"] == len(alone.losses)  # once a step, however many micro-batches


@pytest.mark.slow
@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm.endswith("fsdp")])
def test_fsdp_splits_every_parameter_and_each_block_apart(two, arm):
    (mine, total), (other, _) = (rank[arm]["numbers"] for rank in two)
    assert mine + other == total and abs(mine - other) < 0.1 * total
    blocks = BLOCKS["t5" if arm.startswith("t5") else "llama"]  # of encoder and decoder
    assert two[0][arm]["split"] == 1 + blocks  # the whole and its blocks


@pytest.mark.slow
def test_a_group_knows_its_members_and_shares_their_errors(two, says):
    for rank, found in enumerate(two):
        assert found["group"] == [rank, 2, ["rank 0", "rank 1"]]
        assert found["together"][0] == 10 + rank
        assert found["together"][1] == "NotEnoughMemory: Too little, here: buy more."


@pytest.mark.slow
def test_a_batch_smaller_than_the_group_is_refused_in_every_process(two, says):
    for found in two:
        says(found["batch"], "1 examples", "2 processes", "at least 2")


@pytest.mark.slow
def test_a_split_model_is_not_checkpointed_and_says_so(two, says):
    for found in two:
        says(found["split"], "--wrap ddp")


@pytest.mark.slow
def test_two_processes_go_on_after_an_interrupt_as_if_there_was_none(two, says):
    for found in two:
        says(found["resumed"]["said"], Interrupted.__name__, "after step 3 of 6")
        assert (found["resumed"]["seen"], found["resumed"]["left"]) == (True, False)
        torch.testing.assert_close(found["resumed"]["losses"], found["lora ddp"]["losses"], rtol=TOLERANCE, atol=0)


def test_shares_hold_every_example_once_in_equally_many_micro_batches():
    for count, size, micro in itertools.product(range(1, 14), range(1, 6), range(1, 6)):
        shares = [Group(rank, size).shard(range(count), micro) for rank in range(size)]
        assert sorted(i for share in shares for part in share for i in part) == list(range(count))
        assert len({len(share) for share in shares}) == 1
        assert max(len(part) for share in shares for part in share) <= micro
        taken = [sum(map(len, share)) for share in shares]
        assert max(taken) - min(taken) <= 1


def test_a_plain_group_is_this_process(says):
    group = processes.current_group()
    assert (group.rank, group.world_size) == (0, 1)
    assert group.gather("a") == ["a"] and group.run_in_all(lambda: 3) == 3
    with pytest.raises(LabError) as caught:
        processes.wrap_model(model_of())
    says(caught.value, "torchrun", "accelerate launch")
    with pytest.raises(LabError) as caught:
        processes.wrap_model(model_of(), "zero")
    says(caught.value, "'zero'", "ddp", "fsdp")
