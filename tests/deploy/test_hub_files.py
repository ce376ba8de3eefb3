"""deploy/jupyterhub/: the files agree with the measured budgets, with each other and with what a hub reads.

Nothing here starts a hub; `make test-hub` does. There is no cluster and no Docker in the tests: the values are compared with the chart's own
keys, as its documentation lists them (https://z2jh.jupyter.org/en/stable/resources/reference.html).
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hub_play
import pytest
import yaml
from paths import ROOT

from labutils import __version__
from labutils.course import doctor

HUB = ROOT / "deploy" / "jupyterhub"
SERVER_GIB = 0.3  # JupyterLab beside the kernel
# The chart's keys that the course uses; None: whatever stands below is the hub's or Kubernetes' own.
KEYS: dict[str, Any] = {
    "hub": {"config": None, "concurrentSpawnLimit": int},
    "singleuser": {
        "image": {"name": str, "tag": str, "pullPolicy": str},
        "cmd": list,
        "defaultUrl": str,
        "memory": {"limit": str, "guarantee": str},
        "cpu": {"limit": (int, float), "guarantee": (int, float)},
        "storage": {"capacity": str, "extraVolumes": list, "extraVolumeMounts": list},
        "startTimeout": int,
    },
    "cull": {"enabled": bool, "timeout": int, "every": int, "maxAge": int},
    "prePuller": {"hook": {"enabled": bool}, "continuous": {"enabled": bool}},
    "scheduling": {"userScheduler": {"enabled": bool}, "podPriority": {"enabled": bool}, "userPlaceholder": {"enabled": bool, "replicas": int}},
}  # fmt: skip
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a script for Linux servers")


def values() -> dict[str, Any]:
    return yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8"))


def gib(quantity: str) -> float:
    """Kubernetes and KubeSpawner read K, M, G, T as powers of 1024."""
    return float(quantity.rstrip("G")) if quantity.endswith("G") else float(quantity.rstrip("Gi"))


def complaints(have: Any, known: Any, place: str = "") -> list[str]:
    if known is None:
        return []
    if not isinstance(known, dict):
        return [] if isinstance(have, known) else [f"{place} is {have!r}"]
    unknown = [f"{place}.{key} is none of the chart's" for key in have if key not in known]
    return unknown + [x for key, value in have.items() if key in known for x in complaints(value, known[key], f"{place}.{key}")]


def test_every_value_is_one_of_the_charts() -> None:
    assert complaints(values(), KEYS) == []
    assert complaints({"singleuser": {"cpus": {"limit": 2}}}, KEYS) == [".singleuser.cpus is none of the chart's"]


def test_a_learners_memory_holds_the_largest_lab() -> None:
    largest = max(lab["peak_rss_gib"] for lab in doctor.budgets()["labs"].values())
    limit = gib(values()["singleuser"]["memory"]["limit"])
    assert largest + SERVER_GIB <= limit <= 4.5
    assert gib(values()["singleuser"]["memory"]["guarantee"]) < limit


def test_the_volume_is_read_only_and_stands_where_the_start_script_looks() -> None:
    storage = values()["singleuser"]["storage"]
    (mount,), (volume,) = storage["extraVolumeMounts"], storage["extraVolumes"]
    assert mount["readOnly"] and volume["persistentVolumeClaim"]["readOnly"] and mount["name"] == volume["name"]
    assert f'"${{LLM_LABS_MODELS:-{mount["mountPath"]}}}"' in (HUB / "start.sh").read_text(encoding="utf-8")
    claim, job = yaml.safe_load_all((HUB / "models.yaml").read_text(encoding="utf-8"))
    assert claim["metadata"]["name"] == volume["persistentVolumeClaim"]["claimName"]
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "LABS_HOME", "value": str(Path(mount["mountPath"]).parent)}]
    assert container["volumeMounts"][0]["mountPath"] == mount["mountPath"]


def test_the_images_carry_the_releases_version() -> None:
    job = list(yaml.safe_load_all((HUB / "models.yaml").read_text(encoding="utf-8")))[1]
    image = values()["singleuser"]["image"]
    assert image["tag"] == __version__
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == f"{image['name']}:{__version__}"


def test_no_thread_count_is_set_beside_the_quota() -> None:
    for path in HUB.rglob("*"):
        if path.is_file() and path.suffix != ".md":
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
            assert not re.search(r"(OMP|MKL|OPENBLAS)_NUM_THREADS", "\n".join(lines)), path


def test_the_image_is_built_from_the_lock_for_a_user_who_is_not_root() -> None:
    text = (HUB / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0].startswith("FROM python:3.") and "latest" not in lines[0]
    assert "-r /opt/llm-labs/requirements.lock" in text and hub_play.HUB in text
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users == ["$NB_USER".replace("USER", "UID")]
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert all((ROOT / name).exists() for name in copied)
    assert "download.pytorch.org/whl/cpu" in text


@linux
def test_the_start_script_links_the_models_and_becomes_the_server(tmp_path: Path) -> None:
    bin, models, home = tmp_path / "bin", tmp_path / "models", tmp_path / "home"
    for folder in (bin, models, home):
        folder.mkdir()
    (bin / "labs").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexit "${{LABS_EXIT:-0}}"\n')
    (bin / "labs").chmod(0o755)
    variables = {"PATH": os.environ["PATH"], "HOME": str(home), "LLM_LABS_BIN": str(bin), "LLM_LABS_MODELS": str(models)}

    def start(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HUB / "start.sh", "echo", "served", "a b"], env={**variables, **more}, capture_output=True, text=True
        )

    for _ in range(2):
        done = start()
        assert (done.returncode, done.stdout) == (0, "served a b\n")
    cache = home / ".cache" / "llm-labs"
    assert (cache / "models").resolve() == models
    assert (tmp_path / "calls").read_text().splitlines() == [f"start {home}/work --no-open"] * 2
    broken = start(LABS_EXIT="1")
    assert broken.stdout == "served a b\n" and "start.log" in broken.stderr
    (cache / "models").unlink()
    (cache / "models").symlink_to(tmp_path / "gone")
    start()
    assert (cache / "models").resolve() == models


@linux
def test_the_start_script_leaves_a_learners_own_models_alone(tmp_path: Path) -> None:
    own = tmp_path / ".cache" / "llm-labs" / "models"
    own.mkdir(parents=True)
    (own / "kept").touch()
    subprocess.run(
        [HUB / "start.sh", "true"], env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, check=True, capture_output=True
    )
    assert (own / "kept").exists() and not own.is_symlink()


def test_the_littlest_hub_sets_the_same_limits() -> None:
    spaces: dict[str, SimpleNamespace] = {}

    class Config:
        def __getattr__(self, name: str) -> SimpleNamespace:
            return spaces.setdefault(name, SimpleNamespace())

    source = (HUB / "tljh" / "llm_labs.py").read_text(encoding="utf-8")
    ast.parse(source)
    exec(source, {"get_config": Config})
    single = values()["singleuser"]
    assert spaces["SystemdSpawner"].mem_limit == single["memory"]["limit"]
    assert spaces["SystemdSpawner"].cpu_limit == single["cpu"]["limit"]
    assert spaces["Spawner"].default_url == single["defaultUrl"]
    script = Path(spaces["Spawner"].cmd[0])
    assert (ROOT / script.relative_to("/opt/llm-labs")).exists()


def test_the_table_of_learners_follows_from_its_rule_and_the_budgets() -> None:
    page = (HUB / "README.md").read_text(encoding="utf-8")
    machines = re.findall(r"\| (\d+) vCPU, (\d+) GiB \| (\d+) \| (\d+) \| (\d+) \|", page)
    assert len(machines) == 3
    peaks = {name[:2]: lab["peak_rss_gib"] for name, lab in doctor.budgets()["labs"].items()}
    added = {
        lab: 0.54 + peak - peaks["00"] for lab, peak in peaks.items()
    }  # lab 00 with eight learners, and what a lab takes more
    heavy = {"05", "07"}
    assert max(value for lab, value in added.items() if lab not in heavy | {"04"}) <= 1.7
    assert added["04"] <= 2.6 and max(added[lab] for lab in heavy) <= 3.5
    for vcpu, memory, *learners in ([int(x) for x in row] for row in machines):
        rules = ((3, 1.7), (3, 2.6), (2, 3.5))
        assert learners == [min(each * vcpu // 2, int((memory - 1.5) / gib_each)) for each, gib_each in rules]


def test_the_page_names_what_is_there() -> None:
    page = (HUB / "README.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\(((?!http)[^)#]+)\)", page):
        assert (HUB / name).exists(), name
