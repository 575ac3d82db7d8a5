"""A platform that answers anything but what it promised: no observation, and told once.

The whole path is real: a poll over HTTP to a server that misbehaves, the store, Slack.
"""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from monitor.errors import MalformedAnswer, StoreError
from monitor.kinds import release
from monitor.kinds.wire import Memo
from monitor.model import Entity, Level, Snapshot, TargetState
from monitor.service.app import App
from monitor.simulation.platform_faults import Fault, FaultKind
from monitor.simulation.slack import plain_text
from monitor.store import PastTransition, Store
from tests.support import documents
from tests.support.faults import (
    FaultyServer,
    Scene,
    answer,
    drip,
    gzip_bomb,
    never_answer,
    raw,
    redirect,
    reset,
    response,
    self_signed,
    truncate,
)
from tests.support.processes import command
from tests.support.world import World, a_world

JSON = {"Content-Type": "application/json"}
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass
class Siege:
    """A monitor that saw a release well once, and the server that it asks."""

    world: World
    app: App
    server: FaultyServer
    release_id: str
    document: bytes

    async def look(self, scene: Scene | None = None, times: int = 1) -> list[str]:
        """Poll so many times, a second apart; returns what notified people meanwhile."""
        notified = len(self.world.channel.notifications())
        self.server.play(scene or answer(self.document))
        for _ in range(times):
            await self.world.look(self.app, after=1)
        return firsts(self.world)[notified:]

    def known(self) -> tuple[Snapshot, TargetState, list[PastTransition]]:
        """Return all that the monitor's file says of the release."""
        with Store.open_readonly(self.world.store_url) as store:
            rows = store.history.load(self.release_id)
        return *self.world.stored(self.release_id), [
            row for row in rows if isinstance(row, PastTransition)
        ]


@asynccontextmanager
async def a_siege(
    folder: Path, *, nuon: str = "", scenario: str = "approval"
) -> AsyncIterator[Siege]:
    """Let a monitor see a release in the middle of its life."""
    async with a_world(folder) as world, FaultyServer() as server:
        release_id = world.platform.add(scenario, seed=1)
        document = msgspec.json.encode(world.platform.rollout(release_id).state_at(120))
        world.own["nuon"] = f'api_url = "{server.url}"\n{nuon}'
        world.own["notify"] = "flapping_after = 1000"  # each attack is an outage of its own
        async with world.monitor(release_id) as app:
            siege = Siege(world, app, server, release_id, document)
            await siege.look()
            assert len(world.cards(release_id)) == 1
            yield siege


def firsts(world: World) -> list[str]:
    """Return the first line of all that notified people."""
    return [text.splitlines()[0] for text in world.channel.notifications()]


def odd(document: bytes, **fields: Any) -> Scene:
    """Answer with the document but for some fields."""
    return answer(json.dumps(json.loads(document) | fields).encode(), headers=JSON)


def first_deploy_twice(document: bytes) -> Scene:
    """Let one deploy stand in two steps."""
    whole = json.loads(document)
    steps = whole["release_steps"]
    with_deploys = next(step for step in steps if step.get("install_deploys"))
    without = next(step for step in steps if step is not with_deploys)
    without["install_deploys"] = with_deploys["install_deploys"][:1]
    return answer(json.dumps(whole).encode())


def attacks(document: bytes) -> Mapping[str, tuple[Scene, str]]:
    """Return misbehaviours of a server, each with what is to be told of it."""
    whole = response(document, headers=JSON)
    deep = b'{"id": "x", "surprise": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    error = b'{"error": "no", "user_error": true, "description": "not you"}'
    return {
        "401": (answer(error, status=401), "check nuon.api_token"),
        "403": (answer(error, status=403), "check nuon.api_token and nuon.org_id"),
        "409": (answer(error, status=409), "409 Conflict"),
        "429": (answer(b"", status=429), "429 Too Many Requests"),
        "429 for long": (answer(b"", status=429, headers={"Retry-After": "9"}), "429 Too Many"),
        "500": (answer(error, status=500), "500 Internal Server Error"),
        "502": (answer(HTML, status=502), "502 Bad Gateway"),
        "503": (answer(HTML, status=503), "503 Service Unavailable"),
        "504": (answer(HTML, status=504), "504 Gateway Timeout"),
        "a status nobody knows": (answer(b"", status=599), "599"),
        "204": (answer(b"", status=204), "where 200 was due"),
        "no such route": (answer(b"404 page not found", status=404), "served until API 0.19.821"),
        "an empty 200": (answer(b""), "an empty answer"),
        "a page": (answer(HTML), "not valid JSON"),
        "JSON cut in half": (answer(document[: len(document) // 2]), "not valid JSON"),
        "no UTF-8": (answer(b'{"id": "\xff\xfe"}'), "not valid JSON"),
        "null": (answer(b"null"), "promised shape"),
        "a list": (answer(b"[]"), "promised shape"),
        "an empty object": (answer(b"{}"), "promised shape"),
        "another release": (odd(document, id="relother"), "is about"),
        "no status": (odd(document, status=None), "has no status"),
        "a status that is a number": (odd(document, status=7), "$.status"),
        "steps that are an object": (odd(document, release_steps={}), "$.release_steps"),
        "steps that are words": (odd(document, release_steps=["a"]), "$.release_steps"),
        "a deploy in two steps": (first_deploy_twice(document), "stands in two release steps"),
        "nesting 10,000 deep": (answer(deep), "nested too deeply"),
        "a redirect": (redirect("https://evil.invalid/v1"), "redirects are not followed"),
        "a reset": (reset(), "connection broke"),
        "an answer that breaks off": (truncate(whole[:-20]), "the answer broke off"),
        "no HTTP": (raw(b"\x00\x01\x02\r\n\r\n"), "does not speak HTTP"),
        "damaged gzip": (answer(document, headers={"Content-Encoding": "gzip"}), "damaged gzip"),
        "brotli": (answer(document, headers={"Content-Encoding": "br"}), "compressed as br"),
        "an answer byte by byte": (drip(whole, every=0.02), "no complete answer within 0.15 s"),
        "no answer": (never_answer(), "no complete answer within 0.15 s"),
    }


async def test_no_broken_answer_is_an_observation_and_each_outage_is_told_once(
    tmp_path: Path,
) -> None:
    # Each is an outage of its own, and all of them together no flapping.
    async with a_siege(tmp_path, nuon='timeout = "150ms"') as siege:
        found: dict[str, object] = {}
        before = siege.known()
        for name, (scene, reason) in attacks(siege.document).items():
            told = await siege.look(scene, times=4)
            again = await siege.look(times=2)

            if len(told) != 1 or "can't" not in told[0] or reason not in full(siege, 2):
                found[name] = (told, full(siege, 2))
            if len(again) != 1 or " again, after " not in again[0]:
                found[f"after {name}"] = again
            if siege.known() != before:
                found[f"known after {name}"] = siege.known()

        assert found == {}


def full(siege: Siege, back: int) -> str:
    """Return one of the last messages with all that stands in it."""
    return plain_text(siege.world.channel.posts[-back])


@pytest.mark.parametrize(
    ("payload", "headers"),
    [
        (bytes(100 << 20), {}),
        (gzip_bomb(100), {"Content-Encoding": "gzip"}),
    ],
    ids=["100 MB", "a gzip bomb"],
)
async def test_an_answer_of_a_hundred_megabytes_is_refused(
    tmp_path: Path, payload: bytes, headers: dict[str, str]
) -> None:
    async with a_siege(tmp_path) as siege:
        before = siege.known()

        await siege.look(answer(payload, headers=headers), times=1)

        (poller,) = siege.app.registry.rollout_pollers
        assert poller.pause() == timedelta(seconds=15)
        assert siege.known() == before
        (told,) = await siege.look(answer(payload, headers=headers), times=2)
        assert "can't be polled" in told
        assert "more than the 67,108,864 bytes" in full(siege, 1)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield (*path, key)
        if isinstance(value[key], (dict, list)):
            yield from places_in(value[key], (*path, key))


def notified_targets(root: Entity) -> list[tuple[object, ...]]:
    """Return what a release, its steps and its deploys say of how they stand."""
    return [
        (level, part.kind, part.id, part.status, part.install_id, part.delay, part.planned)
        for level, part in root.walk()
        if level <= Level.UNIT
    ]


@pytest.mark.parametrize("wrong", [7, "word", True, [], {}], ids=repr)
def test_a_wrong_type_in_any_field_is_refused_or_means_nothing(wrong: object) -> None:
    sample = documents.release()
    body = msgspec.json.encode(sample)
    refused = 0
    for path in places_in(sample):
        if path[-1] in ("created_at_ts", "history"):
            continue  # documented as any value
        document = msgspec.json.decode(body)
        container = document
        for key in path[:-1]:
            container = container[key]
        if type(container[path[-1]]) is type(wrong):
            continue
        container.pop(path[-1])
        without = msgspec.json.encode(document)
        if isinstance(container, list):
            container.insert(path[-1], copy.deepcopy(wrong))
        else:
            container[path[-1]] = copy.deepcopy(wrong)
        try:
            read = release.decode(msgspec.json.encode(document), sample["id"], Memo())
        except MalformedAnswer:
            refused += 1
        else:
            right = release.decode(without, sample["id"], Memo())
            assert notified_targets(read) == notified_targets(right), path

    assert refused >= 3


# When the next poll is


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [("120", 120), ("900", 180), (None, 15), ("soon", 15), ("-5", 15), ("0", 15)],
)
async def test_a_platform_that_asks_for_a_pause_gets_it(
    tmp_path: Path, retry_after: str | None, pause: float
) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    async with a_siege(tmp_path) as siege:
        await siege.look(answer(b"", status=429, headers=headers))

        (poller,) = siege.app.registry.rollout_pollers
        assert poller.pause() == timedelta(seconds=pause)
        await siege.look()
        assert poller.pause() == timedelta(seconds=15)


async def test_a_platform_that_asks_for_an_hour_counts_as_unreachable_within_minutes(
    tmp_path: Path,
) -> None:
    async with a_siege(tmp_path) as siege:
        (poller,) = siege.app.registry.rollout_pollers
        siege.server.play(answer(HTML, status=503, headers={"Retry-After": "3600"}))
        began = siege.world.clock.now()
        while siege.app.probes.ready()[1].problem is None:
            await siege.world.look(siege.app, after=(poller.pause() or timedelta()).total_seconds())

        assert siege.world.clock.now() - began <= timedelta(minutes=7)
        problem = siege.app.probes.ready()[1].problem or ""
        assert "it asks to wait for 1 h, and is asked again after 3 min" in problem
        assert "can't reach" in firsts(siege.world)[-1]


async def test_a_platform_that_stays_away_is_asked_ever_more_rarely_up_to_five_minutes(
    tmp_path: Path,
) -> None:
    async with a_siege(tmp_path) as siege:
        (poller,) = siege.app.registry.rollout_pollers
        pauses = []
        for _ in range(8):
            await siege.look(answer(HTML, status=503))
            pauses.append(poller.pause())

        seconds = [pause.total_seconds() for pause in pauses if pause]
        assert seconds == [15, 15, 60, 120, 240, 300, 300, 300]  # the outage is told after 2 s


# Where there is nobody to answer


async def blinded(folder: Path, api_url: str) -> str:
    """Let a monitor look for a platform where there is none; returns what it tells."""
    async with a_world(folder) as world:
        world.own["nuon"] = f'api_url = "{api_url}"'
        async with world.monitor("relnever") as app:
            for _ in range(5):
                await world.look(app, after=1)
        (post,) = world.channel.posts
        return plain_text(post)


async def test_a_certificate_that_does_not_verify_is_told_with_what_to_do(tmp_path: Path) -> None:
    async with FaultyServer(tls=self_signed(tmp_path).server) as server:
        told = await blinded(tmp_path, server.url)

    assert "does not verify" in told
    assert "nuon.ca_file" in told
    assert server.requests == []


async def test_a_name_that_is_gone_from_the_dns_is_told(tmp_path: Path) -> None:
    # Too long for any name server to be asked.
    told = await blinded(tmp_path, f"https://{'.'.join(['n' * 60] * 5)}")

    assert "the name nnnnnn" in told


async def test_a_platform_that_refuses_connections_is_told_with_its_address(tmp_path: Path) -> None:
    async with FaultyServer() as server:
        url = server.url

    assert "no connection to 127.0.0.1" in await blinded(tmp_path, url)


# Ids, routes and versions


async def test_an_id_that_never_was_is_told_as_a_mistake_in_the_configuration(
    tmp_path: Path,
) -> None:
    async with a_world(tmp_path) as world:
        async with world.monitor("relnever") as app:
            for _ in range(5):
                await world.look(app, after=15)

        (post,) = world.channel.posts
        assert "release relnever was not found on Nuon\n" in plain_text(post)
        assert "no such release: check the id" in plain_text(post)


async def test_a_release_that_was_there_is_told_to_be_gone_and_to_be_back(tmp_path: Path) -> None:
    removed = answer(b'{"error": "no", "user_error": true, "description": "none"}', status=404)
    async with a_siege(tmp_path) as siege:
        before = siege.known()
        (told,) = await siege.look(removed, times=6)
        assert "is no longer on Nuon" in told
        assert "check the id" not in full(siege, 1)

        (told,) = await siege.look(times=3)
        assert "can be polled again" in told
        assert siege.known() == before


async def test_a_platform_without_releases_is_told_with_its_version_and_what_it_has_instead(
    tmp_path: Path,
) -> None:
    no_route = answer(b"404 page not found", status=404, headers={"X-Nuon-API-Version": "0.19.900"})
    async with a_siege(tmp_path) as siege:
        (told,) = await siege.look(no_route, times=4)

        assert "can't be polled" in told
        message = full(siege, 1)
        assert "this platform, built from 0.19.900, does not serve such a path" in message
        assert "Releases are served until API 0.19.821" in message
        assert "workflows and app branch runs" in message


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (None, "no such release: check the id"),
        (Fault(FaultKind.NO_ROUTE), "Releases are served until API 0.19.821"),
    ],
    ids=["an id", "a route"],
)
async def test_a_check_tells_a_wrong_id_from_a_platform_without_releases(
    tmp_path: Path, fault: Fault | None, says: str
) -> None:
    async with a_world(tmp_path) as world:
        world.platform.fault = fault
        world.config("relnever")

        result = await command("check", "--online", "-c", str(tmp_path / "monitor.toml"))

    assert result.code == 1
    assert says in result.out


# Once, over restarts, for one watch and for all


async def test_an_outage_is_told_once_and_its_end_once_over_restarts(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        release_id = world.platform.add("approval", seed=1)
        async with world.monitor(release_id) as app:
            await world.look(app)
            before = world.stored(release_id)
            world.platform.fault = Fault(FaultKind.STATUS, status=503)
            for _ in range(4):
                await world.look(app, after=1)
        for _ in range(3):
            async with world.monitor(release_id) as app:
                for _ in range(4):
                    await world.look(app, after=1)
        world.platform.fault = None
        async with world.monitor(release_id) as app:
            await world.look(app, after=600)
        async with world.monitor(release_id) as app:
            await world.look(app)

        unreachable, seeing = [
            post for post in world.channel.posts if "Nuon API" in plain_text(post)
        ]
        assert "can't reach the Nuon API" in plain_text(unreachable)
        assert "Nuon API reachable again" in plain_text(seeing)
        assert "for 10 min" in plain_text(seeing)
        assert before[0].taken_at < world.stored(release_id)[0].taken_at


async def test_a_platform_that_is_down_is_told_once_for_all_its_watches(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        ids = [world.platform.add("happy", seed=seed) for seed in range(6)]
        async with world.monitor(*ids) as app:
            await world.look(app)
            world.platform.fault = Fault(FaultKind.RESET)
            for _ in range(5):
                await world.look(app, after=1)
            world.platform.fault = None
            await world.look(app, after=1)
            await world.look(app, after=1)

        about_outages = [line for line in firsts(world) if "Nuon API" in line]
        unreachable, reachable = about_outages
        assert unreachable.startswith("⚠️ Monitoring is blind: can't reach the Nuon API: ")
        assert reachable == "✅ Nuon API reachable again, after 5 s"


async def test_one_watch_that_cannot_be_read_is_told_of_that_one(tmp_path: Path) -> None:
    async with a_siege(tmp_path) as siege:
        (told,) = await siege.look(answer(b"{}"), times=4)

        assert told.startswith(f"⚠️ release {siege.release_id} can't be polled: ")


async def test_polls_that_fail_now_and_then_are_not_told(tmp_path: Path) -> None:
    async with a_siege(tmp_path) as siege:
        for _ in range(10):
            assert await siege.look(answer(HTML, status=502), times=2) == []
            assert await siege.look() == []


# What people are told of the sight is kept, or told at the next poll


@asynccontextmanager
async def a_locked_store(siege: Siege) -> AsyncIterator[None]:
    """Let another process write to the store and never finish."""

    def be_impatient(store: Store) -> None:
        with store._database.engine.begin() as connection:
            connection.execute(text("PRAGMA busy_timeout = 1"))

    await siege.app.store.call(be_impatient, siege.app.store._store)
    path = siege.world.store_url.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


async def test_an_outage_that_could_not_be_written_down_is_told_once_it_can(tmp_path: Path) -> None:
    down = answer(HTML, status=503)
    async with a_siege(tmp_path) as siege:
        assert await siege.look(down, times=2) == []
        async with a_locked_store(siege):
            with pytest.raises(StoreError):
                await siege.app.poll_once()

        (told,) = await siege.look(down, times=3)

        assert told.startswith("⚠️ Monitoring is blind: can't reach the Nuon API: ")


async def test_an_end_of_an_outage_that_could_not_be_written_down_is_told_once_it_can(
    tmp_path: Path,
) -> None:
    async with a_siege(tmp_path) as siege:
        await siege.look(answer(HTML, status=503), times=3)
        siege.server.play(answer(siege.document))
        async with a_locked_store(siege):
            with pytest.raises(StoreError):
                await siege.app.poll_once()

        (told,) = await siege.look(times=3)
        assert told.startswith("✅ Nuon API reachable again")


async def test_a_change_that_could_not_be_written_down_is_told_once_it_can(tmp_path: Path) -> None:
    async with a_siege(tmp_path) as siege:
        ended = odd(siege.document, status="error", status_description="release step errored")
        siege.server.play(ended)
        async with a_locked_store(siege):
            with pytest.raises(StoreError):
                await siege.app.poll_once()

        told = await siege.look(ended, times=3)

        assert len(told) == 1
        assert "failed" in told[0]


# Times that cannot be


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00Z",
        "2999-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999-14:00",
        "1969-12-31T23:59:59Z",
    ],
)
async def test_impossible_times_neither_hasten_nor_postpone_what_is_told(
    tmp_path: Path, time: str
) -> None:
    async with a_siege(tmp_path, scenario="happy") as siege:
        whole = json.loads(siege.document)
        for path in places_in(whole):
            container = whole
            for key in path[:-1]:
                container = container[key]
            if path[-1] in ("created_at", "updated_at"):
                container[path[-1]] = time
        document = json.dumps(whole).encode()
        release_id = siege.release_id
        siege.server.play(answer(document))
        folder = tmp_path / "other"
        folder.mkdir()
        async with a_world(folder) as world:
            world.own["nuon"] = f'api_url = "{siege.server.url}"'
            async with world.monitor(release_id) as app:
                await world.look(app)
                await world.look(app, after=29 * 60)
                early = len(world.channel.notifications())
                await world.look(app, after=2 * 60)

            assert early == 1
            told = world.channel.notifications()[early:]
            assert len(told) == 1
            assert "has stalled" in told[0]


@pytest.mark.parametrize("kind", ["release", "step"])
async def test_an_id_that_is_its_own_child_is_told_once_like_any_other(
    tmp_path: Path, kind: str
) -> None:
    async with a_siege(tmp_path) as siege:
        whole = json.loads(siege.document)
        step = next(step for step in whole["release_steps"] if step.get("install_deploys"))
        deploy = step["install_deploys"][0]
        if kind == "release":
            step["id"] = deploy["id"] = whole["id"]
        else:
            deploy["id"] = step["id"]
        whole["status"] = deploy["status"] = "error"
        step["status"] = "active"
        del deploy["install_id"]
        deploy.pop("status_v2", None)
        await siege.look(answer(json.dumps(whole).encode()), times=1)
        notified = len(siege.world.channel.posts)
        for number in range(4):
            step["status_description"] = f"changed {number}"
            whole["release_steps"][-1]["status"] = "active"
            await siege.look(answer(json.dumps(whole).encode()), times=2)
        assert len(siege.known()[2]) > 2

        assert "failed" in "".join(
            plain_text(post) for post in siege.world.channel.posts[:notified]
        )
        later = "".join(post.text for post in siege.world.channel.posts[notified:])
        assert "failed" not in later
