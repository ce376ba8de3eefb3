"""The kernel `llm-labs`: registered for the course's environment and, where that takes nothing from another, for the user."""

from __future__ import annotations

import json
import shutil
import site
import sys
import tempfile
from importlib import resources
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir

from labutils.errors import LabError
from labutils.machine import settings


def environment_folder() -> Path:
    """Where this environment keeps its kernel."""
    return Path(sys.prefix) / "share" / "jupyter" / "kernels" / settings.KERNEL


def user_folder() -> Path:
    """Where every JupyterLab, VS Code and papermill of this user look for kernels."""
    return Path(jupyter_data_dir()) / "kernels" / settings.KERNEL


def python_of(folder: Path) -> Path | None:
    """The Python that a registered kernel starts; None where the folder holds none that can be read."""
    try:
        return Path(json.loads((folder / "kernel.json").read_text(encoding="utf-8"))["argv"][0])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def is_ours(python: Path | None) -> bool:
    """Is this the Python of the running environment? Compared unresolved: a virtual environment's Python is a link."""
    return python is not None and python.parent == Path(sys.executable).parent


def _install(folder: Path) -> None:
    """Write the kernel into a folder of kernels.

    Raises:
        OSError: the folder cannot be written to.
    """
    from ipykernel.kernelspec import write_kernel_spec

    variables = dict(settings.THREADS)
    if not _in_user_site(Path(__file__)):
        variables["PYTHONNOUSERSITE"] = "1"  # an old transformers there would come before this environment's
    with tempfile.TemporaryDirectory() as temporary:
        write_kernel_spec(
            Path(temporary) / settings.KERNEL,
            overrides={"display_name": "LLM Labs", "env": variables},
            extra_arguments=["--log-level=ERROR"],  # its warnings on transport are not for learners
        )
        shutil.copytree(Path(temporary) / settings.KERNEL, folder, dirs_exist_ok=True)


def _in_user_site(path: Path) -> bool:
    return Path(site.getusersitepackages()) in path.parents


def register_for_user() -> Path:
    """Register the kernel for the user, in place of any other of its name; its folder.

    Raises:
        LabError: the user's folder cannot be written to.
    """
    try:
        _install(user_folder())
    except OSError as error:
        raise LabError(
            f"{user_folder()} cannot be written to ({error.strerror}): set JUPYTER_DATA_DIR to a folder of yours."
        ) from error
    return user_folder()


def register() -> list[str]:
    """Register the kernel where it is missing; what was done, in sentences, and nothing where all is there.

    It goes into this environment, if that can be written to, and to the user's kernels, unless the kernel of that name there belongs
    to another environment that still exists.

    Raises:
        LabError: neither place can be written to.
    """
    said, refused = [], None
    in_environment = is_ours(python_of(environment_folder()))
    if not in_environment:
        try:
            _install(environment_folder())
            said.append(f"Kernel {settings.KERNEL} registered.")
            in_environment = True
        except OSError as error:
            refused = error
    others = python_of(user_folder())
    if is_ours(others):
        return said
    if others is not None and others.exists():
        if said or not in_environment:
            said.append(
                f"JupyterLab outside this environment and other programs keep the kernel of {others}: "
                "`labs kernel --user` gives them this one."
            )
        return said
    try:
        _install(user_folder())
        said = [f"Kernel {settings.KERNEL} registered{', also for the user' if in_environment else ' for the user'}."]
    except OSError as error:
        if not in_environment:
            raise LabError(
                f"The kernel could not be registered in {sys.prefix} ({(refused or error).strerror}) nor in {user_folder()} "
                f"({error.strerror}): set JUPYTER_DATA_DIR to a folder of yours."
            ) from error
    return said


def quiet_jupyterlab() -> None:
    """Switch JupyterLab's news off in this environment, unless a person has settings there or it cannot be written to."""
    overrides = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    if overrides.exists():
        return
    try:
        overrides.parent.mkdir(parents=True, exist_ok=True)
        overrides.write_bytes((resources.files("labutils.course") / "jupyterlab.json").read_bytes())
    except OSError:
        pass
