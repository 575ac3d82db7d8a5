"""What is installed and shipped: the lock files, the command, and nothing of one machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from monitor import __version__

ROOT = Path(__file__).parent.parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]

RUN = "requirements.lock"
DEV = "requirements-dev.lock"
BUILD = "requirements-build.lock"

WANTED_OF: Mapping[str, list[str]] = {
    RUN: PROJECT["dependencies"],
    DEV: PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"],
    BUILD: PYPROJECT["build-system"]["requires"],
}

_PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[\w.+!-]+)", re.MULTILINE)


def pinned_in(lock: str) -> dict[str, Version]:
    return {
        canonicalize_name(pin["name"]): Version(pin["version"])
        for pin in _PIN.finditer((ROOT / lock).read_text())
    }


@pytest.mark.parametrize("lock", WANTED_OF)
def test_a_lock_holds_each_dependency_in_the_range_that_the_project_asks_for(lock: str) -> None:
    pinned = pinned_in(lock)
    wanted = [Requirement(text) for text in WANTED_OF[lock]]

    unsatisfied = [
        str(each)
        for each in wanted
        if (version := pinned.get(canonicalize_name(each.name))) is None
        or version not in each.specifier
    ]

    assert unsatisfied == []


def test_what_is_tested_is_what_runs_in_the_image() -> None:
    tested = pinned_in(DEV)

    assert {name: tested.get(name) for name in pinned_in(RUN)} == pinned_in(RUN)


@pytest.mark.parametrize("lock", [RUN, BUILD])
def test_all_that_goes_into_the_image_is_known_by_its_hash(lock: str) -> None:
    entries = re.split(r"\n(?=\w)", (ROOT / lock).read_text())

    unhashed = [entry for entry in entries if _PIN.match(entry) and "--hash=sha256:" not in entry]

    assert unhashed == []


@pytest.mark.parametrize(
    "path", [RUN, DEV, BUILD, "Dockerfile", "compose.yaml", ".ci/lock", ".ci/run", ".ci/image-test"]
)
def test_no_package_index_is_prescribed(path: str) -> None:
    text = (ROOT / path).read_text()

    found = re.findall(r"https?://\S+|index-url|find-links|trusted-host", text)

    assert found == []


def test_the_wheel_holds_the_package_with_its_types_and_nothing_else(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])

    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert {"monitor/py.typed", "monitor/store/migrations/versions/0001_first.py"} <= names
    assert {name.partition("/")[0] for name in names} == {"monitor"}
    assert all(name.endswith((".py", "/py.typed")) for name in names)


def test_the_installed_command_says_its_version() -> None:
    module, _, function = PROJECT["scripts"]["nuon-monitor"].partition(":")
    command = f"import sys; from {module} import {function}; sys.exit({function}())"

    said = subprocess.run(
        [sys.executable, "-c", command, "--version"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert (said.returncode, said.stderr) == (0, "")
    assert __version__ in said.stdout
