"""Home, profiles, kernel and the first line of every lab."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labutils.course import results
from labutils.course import session as session_module
from labutils.course.session import Lab
from labutils.errors import LabError
from labutils.machine import limits, settings


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that registers the kernel `llm-labs` for a Python, before any other place where Jupyter looks."""

    def register(python: str | Path) -> None:
        folder = tmp_path / "jupyter" / "kernels" / "llm-labs"
        folder.mkdir(parents=True)
        argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "LLM Labs", "language": "python"}))
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    return register


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts back what `start` changes for the whole process."""
    import torch

    monkeypatch.setattr(results, "_lab", None)
    threads, environment = torch.get_num_threads(), dict(os.environ)
    yield
    torch.set_num_threads(threads)
    os.environ.clear()
    os.environ.update(environment)


def test_home_is_labs_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_HOME", str(tmp_path / "elsewhere"))
    assert settings.home() == tmp_path / "elsewhere"


def test_home_expands_the_users_folder_and_is_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_HOME", os.path.join("~", "labs"))
    assert settings.home() == Path.home() / "labs"
    monkeypatch.setenv("LABS_HOME", "labs")
    assert settings.home() == Path.cwd() / "labs"


@pytest.mark.parametrize("value", [None, ""])
def test_home_is_the_users_cache_folder_by_default(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABS_HOME") if value is None else monkeypatch.setenv("LABS_HOME", value)
    assert "llm-labs" in settings.home().parts
    assert settings.home().is_absolute()


@pytest.mark.parametrize("name", ["smoke", "small", "standard", "gpu"])
def test_labs_profile_is_taken_as_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABS_PROFILE", name)
    assert settings.profile() == name


def test_an_unknown_profile_is_one_sentence_that_lists_them(monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setenv("LABS_PROFILE", "huge")
    with pytest.raises(LabError) as caught:
        settings.profile()
    says(caught.value, "huge", "auto", "smoke", "small", "standard", "gpu")


@pytest.mark.parametrize("setting", [None, "", "auto"])
@pytest.mark.parametrize(
    ("device", "gib", "expected"), [("cpu", 4, "small"), ("cpu", 16, "standard"), ("cuda", 4, "gpu"), ("cuda", 64, "gpu")]
)
def test_the_automatic_profile_follows_the_machine(setting, device: str, gib: int, expected: str, monkeypatch) -> None:
    if setting is not None:
        monkeypatch.setenv("LABS_PROFILE", setting)
    monkeypatch.setattr(settings, "device", lambda: device)
    monkeypatch.setattr(limits, "memory_limit", lambda: gib * 2**30)
    assert settings.profile() == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"smoke": 1, "small": 2, "standard": 3, "gpu": 4}, {"smoke": 1, "small": 2, "standard": 3, "gpu": 4}),
        ({"smoke": 1, "small": 2}, {"smoke": 1, "small": 2, "standard": 2, "gpu": 2}),
        ({"smoke": 1, "small": 2, "standard": 3}, {"smoke": 1, "small": 2, "standard": 3, "gpu": 3}),
        ({"smoke": 1, "small": 2, "gpu": 4}, {"smoke": 1, "small": 2, "standard": 2, "gpu": 4}),
        ({"smoke": 0, "small": 0, "standard": 0, "gpu": 0}, {"smoke": 0, "small": 0, "standard": 0, "gpu": 0}),
    ],
)
def test_size_falls_back_to_the_next_smaller_profile(sizes: dict, expected: dict) -> None:
    assert {name: Lab("02", name, "cpu").size(**sizes) for name in expected} == expected


@pytest.mark.parametrize(("value", "expected"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_strict_is_labs_strict(value: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is not None:
        monkeypatch.setenv("LABS_STRICT", value)
    assert settings.strict() is expected


@pytest.mark.parametrize(("available", "expected"), [(True, "cuda"), (False, "cpu")])
def test_the_device_is_cuda_where_torch_sees_one(available: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert settings.device() == expected


def test_a_missing_kernel_is_one_sentence_with_the_fix(monkeypatch: pytest.MonkeyPatch, says) -> None:
    monkeypatch.setattr(settings, "KERNEL", "llm-labs-of-nobody")
    says(settings.wrong_kernel(), "llm-labs-of-nobody", "not registered", "labs setup")


def test_the_kernel_of_another_python_is_one_sentence_with_the_fix(kernel, tmp_path: Path, says) -> None:
    kernel(tmp_path / "other" / "bin" / "python")
    says(settings.wrong_kernel(), sys.executable, "Change Kernel", "labs kernel --user")


def test_our_own_kernel_is_no_complaint(kernel) -> None:
    kernel(sys.executable)
    assert settings.wrong_kernel() is None


def test_another_name_of_our_own_python_is_no_complaint(kernel) -> None:
    kernel(Path(sys.executable).with_name("python-by-another-name"))
    assert settings.wrong_kernel() is None


def test_start_prints_one_line_and_seeds(kernel, session, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    import numpy as np
    import torch

    kernel(sys.executable)
    monkeypatch.setenv("LABS_PROFILE", "smoke")
    lab = session_module.start("02", seed=7)
    drawn = (random.random(), np.random.rand(), torch.rand(1).item())
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and printed.endswith("\n")
    assert "Lab 02" in printed and "smoke" in printed and "GiB" in printed
    assert (lab.name, lab.profile, lab.device) == ("02", "smoke", settings.device())
    own_generators = (
        random.Random(7).random(),
        np.random.RandomState(7).rand(),
        torch.rand(1, generator=torch.Generator().manual_seed(7)).item(),
    )
    assert drawn == own_generators


def test_start_uses_the_cores_that_we_were_given(kernel, session, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    kernel(sys.executable)
    monkeypatch.setattr(limits, "cores", lambda: 3)
    session_module.start("02")
    assert torch.get_num_threads() == 3


def test_start_names_a_wrong_kernel(kernel, session, tmp_path: Path, capsys) -> None:
    kernel(tmp_path / "other" / "bin" / "python")
    session_module.start("02")
    first, second = capsys.readouterr().out.splitlines()
    assert "Change Kernel" in first
    assert "Lab 02" in second


def test_start_forgets_the_labs_earlier_results_and_no_other_labs(kernel, session) -> None:
    kernel(sys.executable)
    session_module.start("00")
    results.record("old", 1)
    session_module.start("02")
    results.record("old", 2)
    session_module.start("02")
    assert results.read("02") == {}
    assert results.read("00") == {"old": 1}
