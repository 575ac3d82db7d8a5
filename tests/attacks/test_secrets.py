"""No secret is said by anything that goes wrong, at any level of logging; and the scan that
watches all other tests for it (`secret_scan`) does find one.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from monitor.config import Config, load_config
from monitor.deliver.slack import SlackClient
from monitor.errors import ConfigError, DestinationError, DestinationRejected, MonitorError, Refusal
from monitor.model import Entity, Message
from monitor.platform.client import NuonClient
from monitor.service import logs
from monitor.service.build import nuon_client, slack_client
from monitor.service.heartbeat import Heartbeat
from monitor.service.mapping import secrets_of
from tests import conftest
from tests.support.configuration import configuration
from tests.support.faults import (
    FaultyServer,
    Scene,
    answer,
    never_answer,
    raw,
    redirect,
    reset,
    response,
    truncate,
)
from tests.support.secret_scan import MARK, Output, leaks
from tests.support.world import a_world

TOKEN = f"nuon-{MARK}-token"
BOT_TOKEN = f"xoxb-{MARK}-token"
HOOK = f"/services/T0/B0/{MARK}"

ECHO = json.dumps(
    {"ok": False, "error": TOKEN, "description": f"Bearer {TOKEN}", "user_error": True}
).encode()
TELLING = {
    "X-Nuon-Trace-ID": TOKEN,
    "X-Nuon-API-Version": TOKEN,
    "Retry-After": TOKEN,
    "Location": f"https://{TOKEN}/?t={TOKEN}",
    "Set-Cookie": f"t={TOKEN}",
}

SCENES: Mapping[str, Scene] = {
    **{
        f"{status} that repeats all": answer(ECHO, status=status, headers=TELLING)
        for status in (200, 301, 400, 401, 403, 404, 418, 429, 500, 502)
    },
    "a redirect": redirect(f"http://127.0.0.1:1/{TOKEN}"),
    "an address that is none": redirect(f"http://[{TOKEN}"),
    "a strange compression": answer(ECHO, headers={"Content-Encoding": TOKEN}),
    "an empty answer": answer(b""),
    "half an answer": truncate(response(ECHO, content_length=9999)),
    "no HTTP": raw(f"{TOKEN}\r\n\r\n".encode()),
    "a bad header": raw(f"HTTP/1.1 200 OK\r\n{TOKEN}\x00\r\n\r\n".encode()),
    "a reset": reset(),
    "silence": never_answer(),
}
each_scene = pytest.mark.parametrize(
    "scene", [pytest.param(scene, id=name) for name, scene in SCENES.items()]
)


def all_of(error: BaseException | None) -> str:
    """Return all that any tool could print of an error and of what lies behind it.

    Also what a traceback leaves out: the context of one that was raised `from None`.
    """
    words = ["".join(traceback.format_exception(error))] if error else []
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        words += [str(error), repr(error), repr(error.args)]
        waiting += [error.__cause__, error.__context__]
    return "\n".join(words)


@pytest.fixture
def talkative() -> Iterator[io.StringIO]:
    """Let every library log all that it can, as an operator who looks for a fault might."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure("debug", "text", stream=stream, secrets=(TOKEN, BOT_TOKEN, HOOK))
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def a_client(url: str) -> NuonClient:
    return NuonClient(
        api_url=url,
        org_id="org1",
        api_token=TOKEN,
        timeout=timedelta(seconds=0.4),
        max_concurrent_requests=1,
    )


# Errors


@each_scene
async def test_whatever_the_platform_does_no_error_holds_the_token(
    scene: Scene, talkative: io.StringIO
) -> None:
    async with FaultyServer(scene) as server, a_client(server.url) as client:
        try:
            said = repr(await client.get("/v1/releases/rel1"))
        except MonitorError as error:
            said = all_of(error)

    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert MARK not in said
    assert "uthorization" not in said
    assert MARK not in talkative.getvalue()


@each_scene
async def test_whatever_slack_does_no_error_holds_its_token_or_webhook(
    scene: Scene, talkative: io.StringIO
) -> None:
    message = Message("hello")
    async with (
        FaultyServer(scene) as server,
        SlackClient(api_url=f"{server.url}/api/", token=BOT_TOKEN, timeout=0.4) as client,
    ):
        for destination in (client.channel("C1"), client.webhook(f"{server.url}{HOOK}")):
            with pytest.raises(DestinationError) as caught:
                await destination.post(message, key="1", thread=None, is_broadcast=False)
            # What the other side makes up and repeats is its own; ours must not be in it.
            said = all_of(caught.value)
            assert BOT_TOKEN not in said
            assert HOOK not in said
            assert "uthorization" not in said

    assert MARK not in talkative.getvalue()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://x.invalid:1"])
async def test_what_cannot_be_reached_is_told_without_its_secrets(
    url: str, talkative: io.StringIO
) -> None:
    async with (
        a_client(url) as nuon,
        SlackClient(api_url=f"{url}/api/", token=BOT_TOKEN) as slack,
    ):
        with pytest.raises(MonitorError) as from_nuon:
            await nuon.get("/v1/releases/rel1")
        with pytest.raises(DestinationError) as from_slack:
            await slack.check_token()
        with pytest.raises(DestinationError) as from_webhook:
            await slack.webhook(f"{url}{HOOK}").post(
                Message("hello"), key="1", thread=None, is_broadcast=False
            )

    for caught in (from_nuon, from_slack, from_webhook):
        assert MARK not in all_of(caught.value)
    assert MARK not in talkative.getvalue()


# Where secrets go


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_nothing_meant_for_slack_follows_a_redirect(status: int) -> None:
    async with (
        FaultyServer(answer(b"ok")) as elsewhere,
        FaultyServer(redirect(f"{elsewhere.url}/x?y", status=status)) as server,
        SlackClient(api_url=f"{server.url}/api/", token=BOT_TOKEN) as client,
    ):
        for destination in (client.channel("C1"), client.webhook(f"{server.url}{HOOK}")):
            with pytest.raises(
                DestinationRejected, match=r"redirects to 127\.0\.0\.1, .*check"
            ) as caught:
                await destination.post(Message("hello"), key="1", thread=None, is_broadcast=False)
            assert caught.value.refusal is Refusal.CREDENTIALS

        assert elsewhere.requests == []


async def test_a_heartbeat_does_not_follow_a_redirect(talkative: io.StringIO) -> None:
    async with (
        FaultyServer(answer(b"ok")) as elsewhere,
        FaultyServer(redirect(f"{elsewhere.url}/x")) as server,
    ):
        await Heartbeat(f"{server.url}/{MARK}", lambda: None).look()

        assert len(server.requests) == 1
        assert elsewhere.requests == []
    assert "heartbeat_refused" in talkative.getvalue()
    assert MARK not in talkative.getvalue()


# Values that hold secrets

CONFIG = configuration(
    '[[watch]]\nrelease = "rel1"',
    nuon={"api_token": TOKEN, "proxy": f"http://user:{MARK}-password@127.0.0.1:1"},
    slack={
        "bot_token": None,
        "channel": None,
        "webhook_url": f"https://hooks.slack.com{HOOK}",
    },
    heartbeat={
        "url": f"https://hc.example.com/{MARK}",
        "fail_url": f"https://hc.example.com/{MARK}/fail",
    },
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "monitor.toml"
    file.write_text(CONFIG)
    return load_config(file, {})


def test_a_configuration_shows_no_secret_however_it_is_printed(config: Config) -> None:
    shown = [repr(config), str(config), repr(config.slack), repr(dict(config))]

    assert all(MARK not in form for form in shown)
    assert "hooks.slack.com" not in "".join(shown)


async def test_what_holds_a_secret_does_not_show_it_in_its_repr(config: Config) -> None:
    async with nuon_client(config) as nuon, slack_client(config) as slack:
        destination = slack.webhook(f"https://hooks.slack.com{HOOK}")
        holders = (
            nuon,
            slack,
            destination,
            slack.channel("C1"),
            Heartbeat(f"https://h/{MARK}", lambda: None, fail_url=f"https://h/{MARK}/fail"),
        )

        assert MARK not in repr(holders)


def test_a_mistaken_configuration_is_told_without_its_secrets(tmp_path: Path) -> None:
    file = tmp_path / "monitor.toml"
    file.write_text(CONFIG.replace("hooks.slack.com", "example.com").replace("-token", " token"))
    environ = {"NUON_MONITOR_HEARTBEAT__URL": f"no url {MARK}", "SLACK_BOT_TOKEN": BOT_TOKEN}

    with pytest.raises(ConfigError) as caught:
        load_config(file, environ)

    assert len(caught.value.problems) == 3
    assert MARK not in all_of(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        f"GET {HOOK} failed",
        f"cannot use http://user:{MARK}-password@127.0.0.1:1",
        f"password {MARK}-password refused",
        f"Bearer {TOKEN}",
    ],
)
def test_the_log_takes_out_a_secret_and_the_telling_part_of_an_address(
    config: Config, words: str
) -> None:
    stream = io.StringIO()
    logs.configure("debug", "json", stream=stream, secrets=secrets_of(config))

    structlog.get_logger().warning(words, error=ValueError(words), environ={"X": words})

    structlog.reset_defaults()
    assert "\\u2022" in stream.getvalue()
    assert MARK not in stream.getvalue()


# A bug of ours


async def test_a_bug_in_a_poll_is_logged_with_its_traceback_and_without_secrets(
    tmp_path: Path,
) -> None:
    stream = io.StringIO()

    def at_fault(body: bytes, identifier: str, memo: object, beside: object) -> Entity:
        raise RuntimeError(f"cannot read {identifier} with {world.platform.token}")

    async with a_world(tmp_path) as world:
        release_id = world.platform.add("failure", seed=1)
        config = world.config(release_id)
        logs.configure("debug", "json", stream=stream, secrets=secrets_of(config))
        async with world.monitor(release_id) as app:
            poller = app.registry.rollout_pollers[0]
            poller._kind = replace(poller._kind, decode=at_fault)
            await app.daemon._poll(poller, 0.0)

    structlog.reset_defaults()
    assert "RuntimeError: cannot read" in stream.getvalue()
    assert MARK not in stream.getvalue()


async def test_a_monitor_in_every_trouble_says_no_secret_at_the_most_talkative_level(
    tmp_path: Path, talkative: io.StringIO
) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("failure", seed=1)
        async with world.monitor(release_id) as app:
            world.slack.fail("500", times=2)
            await world.look(app)
            world.slack.revoke_token()
            await world.look(app, after=200)
            await world.platform.stop()
            await world.look(app, after=15)

    assert "poll_failed" in talkative.getvalue()
    assert MARK not in talkative.getvalue()


# The scan


def test_the_scan_says_where_a_secret_was() -> None:
    output = Output("the log", f"all is well\nBearer {TOKEN} was refused")

    assert list(leaks(output)) == [
        f"a secret in the log: …all is well\nBearer {TOKEN} was refused…"
    ]
    assert list(leaks(Output("the log", "all is well"))) == []


LEAKY = """
import logging, sys
import pytest
from tests.support.secret_scan import record_output
from monitor.simulation.slack import Posted, SimulatedSlack

SECRET = "s3" + "cret"

def test_quiet(): print("all is well")
def test_printed(): print(SECRET)
def test_on_stderr(): print(SECRET, file=sys.stderr)
def test_logged(): logging.getLogger("x").warning(SECRET)
def test_of_a_process(): record_output("a process", SECRET)
def test_read_off_the_capture(capsys):
    print(SECRET)
    capsys.readouterr()
def test_kept(tmp_path): (tmp_path / "x.db").write_text(SECRET)
def test_sent():
    import asyncio
    async def post():
        async with SimulatedSlack() as slack:
            channel = slack.channel("releases")
            channel.by_ts["1"] = Posted("1", channel.id, "me", SECRET)
    asyncio.run(post())
"""


async def test_the_scan_fails_each_test_that_lets_a_secret_out_and_no_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "conftest.py").write_text(Path(conftest.__file__).read_text())
    (tmp_path / "test_leaky.py").write_text(LEAKY)
    root = Path(__file__).parent.parent.parent

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()

    lines = out.decode().splitlines()
    assert "8 passed, 7 errors" in lines[-1]
    assert sum(line.startswith("a secret in ") for line in lines) == 7
    assert not any(line.startswith("ERROR") and "test_quiet" in line for line in lines)
