"""A path leads to a pipe, a device, a link or something huge: every key that names a file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor import files
from monitor.config import Config, load_config
from monitor.config.tables import location_of, model_at
from monitor.errors import ConfigError
from tests.support.configuration import configuration

KEYS = [
    (section, name)
    for section in Config.model_fields
    for name in model_at(Config, (section,)).model_fields
    if name.endswith("_file")
]

URL = "https://hooks.slack.com/s3cret"


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_huge_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(files.DOCUMENT_LIMIT + 1)


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe": (a_pipe, "not a regular file"),
    "a device": (a_device, "not a regular file"),
    "a directory": (Path.mkdir, "Is a directory"),
    "a huge file": (a_huge_file, "larger than "),
}
odd = pytest.mark.parametrize(("make", "reason"), ODD.values(), ids=ODD)


def configured(folder: Path, section: str, name: str, path: Path) -> Path:
    """Write a configuration in which a key names that file."""
    secret = name.removesuffix("_file")
    usual: dict[str, dict[str, object]] = {"nuon": {}, "slack": {"channel": "#releases"}}
    own = usual.get(section, {}) | {secret: None, name: str(path)}
    if name == "webhook_url_file":
        own |= {"bot_token": None, "channel": None}
    if name == "ca_file":
        own.pop(secret)
    if name == "fail_url_file":
        own["url"] = URL
    file = folder / "monitor.toml"
    watch = '[[watch]]\nrelease = "rel1"'
    if section == "route":
        text = configuration(watch, f'[[route]]\nwebhook_url_file = "{path}"')
    else:
        text = configuration(watch, **{section: own})
    file.write_text(text)
    return file


@odd
@pytest.mark.parametrize(("section", "name"), KEYS)
def test_what_is_no_ordinary_file_is_a_mistake_at_its_key(
    tmp_path: Path, section: str, name: str, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path / "odd")
    file = configured(tmp_path, section, name, tmp_path / "odd")

    with pytest.raises(ConfigError) as caught:
        load_config(file, {})

    (problem,) = caught.value.problems
    location = (section, 0, name) if section == "route" else (section, name)
    assert problem.location == location_of(location)
    assert (reason if name != "ca_file" else "readable file") in problem.expected


@pytest.mark.parametrize(("section", "name"), KEYS)
def test_a_file_behind_links_is_taken_as_kubernetes_mounts_it(
    tmp_path: Path, section: str, name: str
) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "key").write_text(f"{URL}\n")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "key").symlink_to("..data/key")

    assert load_config(configured(tmp_path, section, name, tmp_path / "key"), {})


@odd
def test_what_is_no_ordinary_file_is_no_configuration(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path / "odd")

    with pytest.raises(ConfigError, match=f"odd: cannot be read: {reason}"):
        load_config(tmp_path / "odd", {})


def test_a_disk_that_does_not_answer_is_not_waited_for_and_not_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = threading.Event(), 0

    def hangs(path: Path, limit: int) -> files.Content:
        nonlocal asked
        asked += 1
        answers.wait()
        return read(path, limit)

    read = files._read
    monkeypatch.setattr(files, "_read", hangs)
    (tmp_path / "token").write_text("x")

    for _ in range(3):
        with pytest.raises(TimeoutError, match="not read within"):
            files.read(tmp_path / "token", limit=10, within=0.05)
    assert asked == 1

    answers.set()
    (stuck,) = (one for one in threading.enumerate() if one.name.startswith("read "))
    stuck.join()
    assert files.read(tmp_path / "token", limit=10).bytes == b"x"
