"""A `monitor.toml` that only lay in the working directory leads no secret away that is not its own.

What is walked: every secret key, every way to set it and every key that says where it goes; and
every command that uses a configuration.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from monitor.cli import cli
from monitor.config import Config, load_config
from monitor.config.origins import SENT_TO
from monitor.config.tables import model_at
from monitor.errors import ConfigError
from tests.support.commands import Runner
from tests.support.configuration import configuration

BORROWED = {
    ("nuon", "api_token"): "NUON_API_TOKEN",
    ("nuon", "api_url"): "NUON_API_URL",
    ("slack", "bot_token"): "SLACK_BOT_TOKEN",
}
"""The variables of other tools for a secret, or for where one goes."""

# A token may be in an address of Slack's own, so this is no mistake in any of the keys.
SECRET = "https://hooks.slack.com/s3cret"

SECRETS_AND_WAYS = [
    pytest.param(section, secret, way, id=f"{section}.{secret} by {way}")
    for (section, secret), ways in SENT_TO.items()
    for way in ways
]


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    return ((name, model_at(Config, (name,))) for name in Config.model_fields)


def test_of_every_secret_key_it_is_known_where_it_goes() -> None:
    secrets = {
        (section, name)
        for section, model in sections()
        for name, field in model.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }

    assert secrets == set(SENT_TO)


def test_every_key_that_says_where_a_secret_goes_is_held_to_it() -> None:
    leads_nowhere = {("nuon", "dashboard_url")}  # only ever written into a link
    addresses = {
        (section, name)
        for section, model in sections()
        if section in {of for of, _ in SENT_TO}
        for name in model.model_fields
        if name.endswith(("url", "proxy", "ca_file"))
    }

    known = {(section, way) for (section, _), ways in SENT_TO.items() for way in ways}
    assert addresses - set(SENT_TO) == known - set(SENT_TO) | leads_nowhere


@dataclass
class Origin:
    """A way to set a secret outside of the file: more of the file, variables, and its name."""

    keys: dict[str, object]
    environ: dict[str, str]
    shown: str


def origins(section: str, secret: str, folder: Path) -> Iterator[Origin]:
    own_file = folder / "elsewhere" / "secret"
    own_file.parent.mkdir()
    own_file.write_text(SECRET)
    (folder / "here" / "link").symlink_to(own_file)
    variable = f"NUON_MONITOR_{section}__{secret}".upper()
    for name in filter(None, (variable, BORROWED.get((section, secret)))):
        yield Origin({}, {name: SECRET}, name)
    yield Origin({}, {f"{variable}_FILE": str(own_file)}, f"{variable}_FILE")
    for path in (str(own_file), "../elsewhere/secret", "link"):
        yield Origin({f"{secret}_file": path}, {}, path)


def written(section: str, secret: str, way: str, **keys: object) -> str:
    address = {"ca_file": "ca.pem"}.get(way, "http://127.0.0.1:9")
    own: dict[str, dict[str, object]] = {
        section: {"api_token": None, "api_url": None, secret: None, way: address, **keys}
    }
    if section == "slack":
        own["slack"].pop("api_token")
    return configuration('[[watch]]\nrelease = "rel1"', **own)


@pytest.mark.parametrize(("section", "secret", "way"), SECRETS_AND_WAYS)
def test_a_secret_from_elsewhere_does_not_go_where_a_file_says_that_nobody_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, secret: str, way: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("ca.pem").touch()
    for origin in origins(section, secret, tmp_path):
        Path("monitor.toml").write_text(written(section, secret, way, **origin.keys))

        with pytest.raises(ConfigError) as caught:
            load_config(None, origin.environ)

        (problem,) = caught.value.problems
        assert problem.location == f"{section}.{way}"
        assert "./monitor.toml of the working directory" in problem.expected
        assert origin.shown in problem.expected
        assert "--config monitor.toml or NUON_MONITOR_CONFIG=monitor.toml" in problem.expected
        assert load_config(Path("monitor.toml"), origin.environ)
        assert load_config(None, {**origin.environ, "NUON_MONITOR_CONFIG": "monitor.toml"})


@pytest.mark.parametrize(("section", "secret", "way"), SECRETS_AND_WAYS)
def test_a_secret_goes_where_its_own_file_or_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, secret: str, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ca.pem").touch()
    Path("secret").write_text(SECRET)
    ways = {f"NUON_MONITOR_{section}__{way}".upper(): "ca.pem" if way == "ca_file" else SECRET}
    keys: Mapping[str, object]
    for keys, environ in (
        ({secret: SECRET}, {}),
        ({f"{secret}_file": "secret"}, {}),
        ({f"{secret}_file": f"{tmp_path}/secret"}, {}),
        ({}, ways | {f"NUON_MONITOR_{section}__{secret}".upper(): SECRET}),
    ):
        Path("monitor.toml").write_text(written(section, secret, way, **keys))

        assert load_config(None, environ)


# Commands

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "check": (),
    "check --online": (),
    "run": (),
    "once": (),
    "once --dry-run": (),
    "status": (),
    "history": ("rel1",),
    "wait": ("rel1", "--timeout", "1s"),
    "outbox": (),
    "outbox retry": (),
    "silence add": ("--match", "install=x", "--for", "2h", "--reason", "x", "--author", "me"),
    "silence list": (),
    "silence remove": ("1",),
    "route test": ("--event", "failed"),
    "render": ("--sample", "failed"),
    "test-notification": (),
    "health": (),
}
"""Every command that uses a configuration, with what it needs beside one."""


def paths(group: click.Group, *above: str) -> Iterator[str]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if any(parameter.name == "config_path" for parameter in command.params):
            yield " ".join((*above, name))
        if isinstance(command, click.Group):
            yield from paths(command, *above, name)


def test_the_commands_here_are_all_that_use_a_configuration() -> None:
    groups = {"silence", "route"}  # they do nothing by themselves
    named = {name for name in COMMANDS if "--" not in name}

    assert named == set(paths(cli)) - groups


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_leads_a_token_of_the_environment_away(
    run: Runner, monkeypatch: pytest.MonkeyPatch, listener: socket.socket, name: str
) -> None:
    address = "http://{}:{}".format(*listener.getsockname())
    monkeypatch.setenv("NUON_API_TOKEN", "a-s3cret-token")
    Path("monitor.toml").write_text(
        configuration('[[watch]]\nrelease = "rel1"', nuon={"api_url": address, "api_token": None})
    )

    said = run(*name.split(), *COMMANDS[name])

    assert (said.code, said.out) == (2, "")
    notice, problem = said.err.splitlines()
    assert notice == "nuon-monitor: configuration: ./monitor.toml of the working directory"
    assert problem.startswith("nuon-monitor: nuon.api_url: ")
    assert "NUON_API_TOKEN" in problem
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "run"])
def test_every_command_says_which_file_it_found(run: Runner, name: str) -> None:
    Path("monitor.toml").write_text(
        configuration('[[watch]]\nrelease = "rel1"', slack={"api_url": "http://127.0.0.1:9"})
    )

    said = run(*name.split(), *COMMANDS[name])

    where = said.out if name.startswith("check") else said.err
    assert where.count("./monitor.toml of the working directory") == 1
    named = run(*name.split(), *COMMANDS[name], "-c", "monitor.toml")
    assert "working directory" not in named.out + named.err
