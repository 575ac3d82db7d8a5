"""What others may do to files: refused where nobody named the file, else warned of.

What is walked: the configuration, every file with a secret, every file of the store, and the
commands that warn.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.config import doubts, load_config, load_with_file
from monitor.store import Store
from tests.support.commands import Runner, configured
from tests.support.configuration import configuration
from tests.support.processes import clean_environment, command

WATCH = '[[watch]]\nrelease = "rel1"'
URL = "https://hooks.slack.com/s3cret"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def warned_of(file: Path) -> list[str]:
    return list(doubts(load_with_file(file, {})))


def with_secret_files(folder: Path) -> dict[str, Path]:
    """Write a configuration with every secret in a file; returns the files by location."""
    places = {
        "nuon.api_token_file": {"nuon": {"api_token": None, "api_token_file": "1"}},
        "slack.bot_token_file": {"slack": {"bot_token": None, "bot_token_file": "2"}},
        "heartbeat.url_file": {"heartbeat": {"url_file": "3"}},
        "heartbeat.fail_url_file": {"heartbeat": {"url_file": "3", "fail_url_file": "4"}},
    }
    sections: dict[str, dict[str, object]] = {}
    for tables in places.values():
        for name, keys in tables.items():
            sections.setdefault(name, {}).update(keys)
    route = '[[route]]\nwebhook_url_file = "5"'
    (folder / "monitor.toml").write_text(configuration(WATCH, route, **sections))
    files = {}
    for name, location in enumerate([*places, "[[route]] #1 webhook_url_file"], start=1):
        files[location] = folder / str(name)
        files[location].write_text("xoxb-s3cret" if location.startswith("slack") else URL)
    return files


@pytest.mark.parametrize(
    ("mode", "verbs"), [(0o644, "read"), (0o602, "write"), (0o606, "read and write")]
)
def test_a_file_with_a_secret_that_others_may_read_or_write_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, verbs: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for location, path in with_secret_files(tmp_path).items():
        assert warned_of(Path("monitor.toml")) == []

        path.chmod(mode)

        assert warned_of(Path("monitor.toml")) == [
            f"{location}: others may {verbs} {path.name} (mode {mode:04o}): chmod 600 {path.name}"
        ]
        path.chmod(0o600)


def test_a_webhooks_file_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(URL)
    (tmp_path / "hook").chmod(0o644)
    slack = {"bot_token": None, "channel": None, "webhook_url_file": f"{tmp_path}/hook"}
    (tmp_path / "monitor.toml").write_text(configuration(WATCH, slack=slack))

    (warning,) = warned_of(tmp_path / "monitor.toml")

    assert warning.startswith("slack.webhook_url_file: others may read ")


def test_a_configuration_may_be_read_by_all_while_it_holds_no_secret(tmp_path: Path) -> None:
    environ = {"NUON_API_TOKEN": "t", "SLACK_BOT_TOKEN": "xoxb-t"}
    file = tmp_path / "monitor.toml"
    for nuon, warnings in (
        ({"api_token": None}, 0),
        ({"api_token": None, "proxy": "http://proxy:3128"}, 0),
        ({"api_token": None, "proxy": "http://me:s3cret@proxy:3128"}, 1),
        ({"api_token": "a-s3cret-token"}, 1),
    ):
        file.write_text(configuration(WATCH, nuon=nuon, slack={"bot_token": None}))
        file.chmod(0o644)

        assert len(doubts(load_with_file(file, environ))) == warnings


def test_the_stores_files_and_their_directory_are_warned_of(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    url = f"sqlite:///{folder}/monitor.db"
    (tmp_path / "monitor.toml").write_text(configuration(WATCH, store={"url": url}))
    with Store.open(url, now=datetime.now(UTC)):
        (folder / "monitor.db.before-0001").touch()
        (folder / "monitor.database-of-another").touch()
        files = [file for file in folder.iterdir() if "another" not in file.name]
        for file in folder.iterdir():
            file.chmod(0o644)
        folder.chmod(0o777)

        warned = warned_of(tmp_path / "monitor.toml")
        folder.chmod(0o1777)
        sticky = warned_of(tmp_path / "monitor.toml")

    assert len(files) == 5
    assert len(warned) == 1 + len(files)
    assert f"others may write the directory {folder} (mode 0777)" in warned[0]
    assert all(any(f" {file} " in line for line in warned) for file in files)
    assert sticky == warned[1:]


# A file that was only found


@pytest.mark.parametrize("mode", [0o602, 0o666, 0o622])
def test_a_found_file_that_others_may_write_is_refused(
    run: Runner, tmp_path: Path, mode: int
) -> None:
    configured(tmp_path)
    if mode == 0o622 and os.geteuid() == 0:
        os.chown("monitor.toml", 0, 12345)
    Path("monitor.toml").chmod(mode)

    refused = run("check")

    assert refused.code == 2
    assert "others may write it" in refused.err
    assert "--config monitor.toml or NUON_MONITOR_CONFIG=monitor.toml" in refused.err
    assert run("check", "-c", "monitor.toml").code == 0


def test_a_found_file_that_only_our_own_group_may_write_is_taken(
    run: Runner, tmp_path: Path
) -> None:
    """As many systems make files: each user has a group of their own."""
    configured(tmp_path)
    Path("monitor.toml").chmod(0o660)

    assert run("check").code == 0


@needs_root
@pytest.mark.parametrize("is_link", [False, True])
def test_a_found_file_that_belongs_to_another_user_is_refused(
    run: Runner, tmp_path: Path, *, is_link: bool
) -> None:
    configured(tmp_path)
    if is_link:
        Path("monitor.toml").rename("our-own.toml")
        Path("monitor.toml").symlink_to("our-own.toml")
    os.lchown("monitor.toml", 12345, 12345)

    refused = run("check")

    assert refused.code == 2
    assert "belongs to another user (uid 12345)" in refused.err
    assert load_config(Path("monitor.toml"), {})


def test_what_the_working_directory_offers_is_refused_for_wait_as_well(
    run: Runner, tmp_path: Path
) -> None:
    configured(tmp_path)
    Path("monitor.toml").chmod(0o666)

    refused = run("wait", "rel1", "--timeout", "1s")

    assert refused.code == 2
    assert "others may write it" in refused.err


def test_a_mode_that_changes_is_no_change_of_the_configuration(tmp_path: Path) -> None:
    file = Path(configured(tmp_path))
    before = load_with_file(file, {})

    file.chmod(0o644)

    assert load_with_file(file, {}) == before


# Who warns


def test_check_wait_and_run_give_the_same_warnings(run: Runner, tmp_path: Path) -> None:
    nuon = {"api_url": "http://x.invalid:1"}
    slack = {"api_url": "http://127.0.0.1:9"}
    store = {"url": f"sqlite:///{tmp_path}/missing/monitor.db"}
    file = tmp_path / "monitor.toml"
    file.write_text(configuration(WATCH, nuon=nuon, slack=slack, store=store))
    file.chmod(0o644)
    expected = list(doubts(load_with_file(file, {})))

    checked = run("check", "-c", str(file))
    waited = run("wait", "rel1", "--timeout", "100ms", "-c", str(file))
    once = run("once", "-c", str(file))
    sent = run("test-notification", "--channel", "nowhere", "-c", str(file))
    ran = asyncio.run(command("run", "-c", str(file), environment=clean_environment()))

    assert len(expected) == 2
    for words in (checked.out, waited.err, once.err, sent.err, ran.out):
        assert [line in words for line in expected] == [True, True]
    assert {ran.code, once.code} == {1}
