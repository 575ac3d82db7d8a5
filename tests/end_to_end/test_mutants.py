"""The end-to-end tests notice when the monitor is wrong: they are run over one that is.

Each mistake of `tests/support/mutants.py` is made in a copy of the package, and the test that
is named with it runs over the copy, in a process of its own. It has to fail by an assertion:
a copy that crashes or cannot be imported would say nothing of the test.

Each commit chooses three of them; with `NUON_MONITOR_LONG_TESTS=1` all are run.
"""

from __future__ import annotations

import ast
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.long_tests import IS_LONG
from tests.support.mutants import MUTANTS, Mutant

ROOT = next(path for path in Path(__file__).parents if (path / "pyproject.toml").exists())
HERE = Path(__file__).parent.relative_to(ROOT)
_CHOSEN_BY_ONE_COMMIT = 3
_LONGEST_SECONDS = 300.0
# Were it not the copy that is imported, every mutant would go unnoticed.
_RUN_TESTS = """
import pathlib, sys
import monitor, pytest
if not pathlib.Path(monitor.__file__).is_relative_to(pathlib.Path.cwd()):
    sys.exit(f"not the copy: {monitor.__file__}")
sys.exit(pytest.main(sys.argv[1:]))
"""


@cache
def chosen() -> list[Mutant]:
    """Return the mutants to try: the same in every process of one run."""
    if IS_LONG:
        return list(MUTANTS)
    git = shutil.which("git")
    command = [git or "git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=False) if git else None
    commit = head.stdout.strip() if head and head.returncode == 0 else "none"
    return random.Random(commit).sample(MUTANTS, _CHOSEN_BY_ONE_COMMIT)


def name_of(mutant: Mutant) -> str:
    return mutant.name


def places_of(text: str) -> list[Path]:
    """Return the product's files that hold a text, each as often as it does."""
    package = ROOT / "monitor"
    sources = (p for p in package.rglob("*.py") if not p.is_relative_to(package / "simulation"))
    return [path for path in sorted(sources) for _ in range(path.read_text().count(text))]


def mutated(mutant: Mutant) -> tuple[Path, str]:
    """Return the file that a mutant changes, and what it becomes."""
    places = places_of(mutant.before)
    where = [str(path.relative_to(ROOT)) for path in places]
    assert len(places) == 1, f"the text of {mutant.name!r} stands in {where}, not in one place"
    (path,) = places
    return path, path.read_text().replace(mutant.before, mutant.after)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """A copy of what the end-to-end tests need, with what is compiled, which saves seconds."""
    folder = tmp_path / "copy"
    for name in ("monitor", "tests"):
        # Left out: what another process is just writing.
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    yield folder
    shutil.rmtree(folder)


def run(folder: Path, *tests: str) -> dict[str, str]:
    """Run tests over a copy; return what went wrong in each, by name, "" for nothing."""
    ids = {str(HERE / test) for test in tests}
    report = folder / "report.xml"
    # Whatever is set for this run is not for that one.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "PYTHON", "NUON_"))
    }
    options = ("-o", "addopts=", "-q", "-p", "no:cacheprovider", f"--junitxml={report}")
    done = subprocess.run(
        [sys.executable, "-c", _RUN_TESTS, *options, *sorted(ids)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    cases = ET.parse(report).findall(".//testcase") if report.exists() else []
    assert len(cases) == len(ids), f"{len(cases)} of {len(ids)} tests were run:\n{done.stdout}"
    return {str(case.get("name")): _what_went_wrong(case) for case in cases}


def _what_went_wrong(case: ET.Element) -> str:
    for tag in ("error", "failure", "skipped"):
        found = case.find(tag)
        if found is not None:
            return f"{tag}: {found.get('message')}"
    return ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=name_of)
def test_every_mutant_still_applies(mutant: Mutant) -> None:
    _, source = mutated(mutant)
    ast.parse(source)

    file, _, test = mutant.noticed_by.partition("::")
    assert f"def {test.partition('[')[0]}(" in (ROOT / HERE / file).read_text()


def test_every_mutant_names_a_test_that_there_is() -> None:
    named = sorted({str(HERE / mutant.noticed_by) for mutant in MUTANTS})
    collect = ("-m", "pytest", "-o", "addopts=", "-q", "--collect-only", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, *collect, *named], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(_LONGEST_SECONDS + 60)
def test_the_monitor_as_it_is_passes_the_tests_that_notice_mutants(copy: Path) -> None:
    outcomes = run(copy, *(mutant.noticed_by for mutant in chosen()))
    assert set(outcomes.values()) == {""}, outcomes


@pytest.mark.timeout(_LONGEST_SECONDS + 60)
@pytest.mark.parametrize("mutant", chosen(), ids=name_of)
def test_a_mutant_is_noticed_by_an_assertion(copy: Path, mutant: Mutant) -> None:
    path, source = mutated(mutant)
    wrong = copy / path.relative_to(ROOT)
    wrong.write_text(source)
    Path(cache_from_source(str(wrong))).unlink(missing_ok=True)

    (outcome,) = run(copy, mutant.noticed_by).values()
    assert outcome.startswith(("failure: assert ", "failure: AssertionError")), outcome
