"""A SageMaker training job: the fields of its request, and its entry point in folders laid out like a host's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from launching import environment, free_port, options, run_launch, saved_history
from paths import ROOT
from two_processes import TOLERANCE

from labutils.tuning import launch

JOB = ROOT / "deploy" / "sagemaker"


def job_folder(where, hosts, this):
    """A folder laid out as /opt/ml of a host, with the course in its channel."""
    (where / "input" / "config").mkdir(parents=True)
    (where / "input" / "data").mkdir()
    (where / "input" / "data" / "course").symlink_to(ROOT, target_is_directory=True)
    found = {"current_host": this, "hosts": hosts, "network_interface_name": "lo0" if sys.platform == "darwin" else "lo"}
    (where / "input" / "config" / "resourceconfig.json").write_text(json.dumps(found))
    return where


def test_the_job_s_request_has_what_is_required_and_the_program_knows_its_arguments():
    from typer.main import get_command

    request = json.loads((JOB / "training-job.json").read_text())
    required = {"TrainingJobName", "AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition"}
    assert required <= request.keys() and request.keys() - required == {"InputDataConfig", "CheckpointConfig"}
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", request["TrainingJobName"])
    how = request["AlgorithmSpecification"]
    assert how.keys() == {"TrainingImage", "TrainingInputMode", "ContainerEntrypoint", "ContainerArguments"}
    channel = request["InputDataConfig"][0]["ChannelName"]
    script = f"/opt/ml/input/data/{channel}/{(JOB / 'train.sh').relative_to(ROOT).as_posix()}"
    assert how["ContainerEntrypoint"] == ["bash", script] and os.access(JOB / "train.sh", os.X_OK)
    assert request["ResourceConfig"] == {"InstanceType": "ml.g5.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50}
    where = request["CheckpointConfig"]["LocalPath"]
    command = get_command(launch.app)
    parsed = command.make_context("launch", ["--out", "/opt/ml/model", *how["ContainerArguments"]]).params
    assert Path(where) in parsed["checkpoint"].parents and parsed["method"] == "lora"
    marks = re.findall(r"REPLACE_ME_[A-Z_]+", (JOB / "training-job.json").read_text())
    readme = (JOB / "README.md").read_text()
    assert set(marks) == {"REPLACE_ME_ROLE_ARN", "REPLACE_ME_IMAGE_URI", "REPLACE_ME_BUCKET"}
    assert all(mark in readme for mark in marks) and "been run on SageMaker" in readme


def start_job(where, tmp_path, **settings):
    """The lines of what train.sh would start; its Python says that instead of doing it, and does the rest."""
    stub = tmp_path / "python"
    told = 'case "${2:-}" in pip | labutils.cli | torch.distributed.run) echo "$@" && exit ;; esac'
    stub.write_text(f'#!/usr/bin/env bash\n{told}\nexec {sys.executable} "$@"\n')
    stub.chmod(0o755)
    known = {name: value for name, value in environment().items() if not name.startswith(("SM_", "LABS_"))}
    known |= {"PYTHON": str(stub), "ML_ROOT": str(where), "TMPDIR": str(tmp_path), **settings}
    done = subprocess.run(["bash", JOB / "train.sh", "--method", "lora"], env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_each_host_knows_its_place_and_starts_a_process_for_each_gpu(tmp_path):
    def started(hosts, this, **settings):
        where = job_folder(tmp_path / f"ml-{this}-{len(settings)}", hosts, this)
        (line,) = start_job(where, tmp_path, INSTALL="no", LABS_MODEL="any", **settings)
        assert line.endswith(f"-m labutils.tuning.launch --out {where}/model --method lora")
        return re.findall(r"--(?:nnodes|node-rank|nproc-per-node|master-addr) (\S+)", line)

    assert started(["algo-1"], "algo-1", SM_NUM_GPUS="0") == ["1", "0", "1", "127.0.0.1"]
    assert started(["algo-2", "algo-1"], "algo-2", SM_NUM_GPUS="4") == ["2", "1", "4", "algo-1"]
    toolkit = {"SM_HOSTS": '["b", "c", "a"]', "SM_CURRENT_HOST": "c", "SM_NUM_GPUS": "8"}
    assert started(["x"], "x", **toolkit) == ["3", "2", "8", "a"]


def test_a_job_installs_a_copy_of_the_course_and_fetches_the_models_first(tmp_path):
    where = job_folder(tmp_path / "ml", ["algo-1"], "algo-1")
    channels = where / "input" / "data"
    (channels / "course").unlink()
    (channels / "course").mkdir()
    (channels / "course" / "requirements.lock").write_text("")
    install, fetch, run = start_job(where, tmp_path, SM_NUM_GPUS="1")
    copy = Path(install.split()[-1])
    assert copy.parent == tmp_path and (copy / "requirements.lock").exists()
    assert install == f"-m pip install --quiet --constraint {copy}/requirements.lock --editable {copy}"
    assert fetch == "-m labutils.cli fetch" and "labutils.tuning.launch" in run
    (channels / "models").mkdir()
    assert start_job(where, tmp_path, SM_NUM_GPUS="1")[1] == f"-m labutils.cli fetch --from {channels}/models"
    assert len(start_job(where, tmp_path, SM_NUM_GPUS="1", LABS_MODEL="any")) == 2  # another model needs no fetching


@pytest.mark.slow
def test_two_hosts_train_one_model(small, tmp_path, monkeypatch):
    monkeypatch.setenv("LABS_MODEL", str(small))
    assert run_launch(monkeypatch, *options(tmp_path / "alone")) == 0
    hosts, port, running = ["127.0.0.1", "localhost"], str(free_port()), []
    for this in hosts:
        where = job_folder(tmp_path / this, hosts, this)
        settings = environment(PYTHON=sys.executable, INSTALL="no", ML_ROOT=str(where), MASTER_PORT=port, SM_NUM_GPUS="0")
        out = options(where / "model")
        arguments = [text for i, text in enumerate(out) if "--out" not in out[max(0, i - 1) : i + 1]]
        running.append(
            subprocess.Popen(
                ["bash", JOB / "train.sh", *arguments], env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    ended = [(process.communicate(), process.returncode) for process in running]
    assert [code for _, code in ended] == [0, 0], [texts[1][-2000:] for texts, _ in ended]
    pair = saved_history(tmp_path / hosts[0] / "model")
    assert pair["world_size"] == 2 and not (tmp_path / hosts[1] / "model").exists()  # the first host writes
    torch.testing.assert_close(pair["losses"], saved_history(tmp_path / "alone")["losses"], rtol=TOLERANCE, atol=0)
