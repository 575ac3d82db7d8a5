"""Which file is read, where several could be."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config import ConfigFile, find_config, load_config
from monitor.errors import ConfigError
from tests.support.config_texts import ACCESS, Directory


def test_the_file_on_the_command_line_counts_before_the_one_in_the_environment(
    directory: Directory,
) -> None:
    named = directory.write("named.toml", "")
    other = directory.write("other.toml", "")

    on_command_line = find_config(named, {"NUON_MONITOR_CONFIG": str(other)})
    in_environment = find_config(None, {"NUON_MONITOR_CONFIG": str(other)})

    assert on_command_line == ConfigFile(named, "--config")
    assert in_environment == ConfigFile(other, "NUON_MONITOR_CONFIG")


def test_the_file_in_the_working_directory_is_found(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.write("monitor.toml", "")
    monkeypatch.chdir(directory.path)

    assert find_config(None, {"NUON_MONITOR_CONFIG": ""}) == ConfigFile(Path("monitor.toml"))


def test_a_file_that_is_named_but_missing_is_a_mistake(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"

    with pytest.raises(ConfigError, match=f"^--config: there is no file {missing}$"):
        find_config(missing, {})
    with pytest.raises(ConfigError, match=f"^NUON_MONITOR_CONFIG: there is no file {missing}$"):
        find_config(None, {"NUON_MONITOR_CONFIG": str(missing)})


def test_without_a_file_and_without_a_watch_the_missing_file_is_told_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load_config(None, ACCESS)

    assert [str(problem) for problem in caught.value.problems] == [
        (
            "no configuration file: looked for monitor.toml and /etc/nuon-monitor/monitor.toml;"
            " `nuon-monitor init` writes one"
        ),
        '[[watch]]: nothing to watch: add a [[watch]] with release = "rel…"',
    ]


def test_a_directory_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load_config(tmp_path, ACCESS)
