"""Each tool beside the daemon, over the same states: the same words, routes and cards.

What the daemon sent is read from Slack; what a tool says of the same state must be that.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from monitor.cli import main, once
from monitor.cli.support import drawing
from monitor.cli.support.wait_poller import Follower
from monitor.compose import render
from monitor.config import load_config
from monitor.decide.dispatch import Dispatch
from monitor.decide.stalls import StallRules
from monitor.decide.verdicts import Verdict
from monitor.model import Event, EventKind, Level, Message, Snapshot, Target
from monitor.service.app import App
from monitor.service.build import build
from monitor.service.mapping import links_of
from monitor.simulation import routes
from monitor.simulation.org import Org
from monitor.simulation.platform import Age, Fault, FaultKind
from monitor.simulation.slack import Posted
from tests.support.clock import clock_at
from tests.support.delivery import AT_ONCE
from tests.support.world import CHANNEL, World, a_world

KINDS = ("release", "workflow", "run")
ONCALL = "oncall"
WATCH = 'name = "the shop"\nlabels = { team = "core" }\n'
TEMPLATES = """
[templates]
title = "{{ component }} by {{ started_by }}, {{ commit_message }}"
fields = { "Team" = "{{ labels.team|default('nobody') }}", "Build" = "{{ revision }}" }
"""
ROUTE = """
[[route]]
name = "on-call"
match.labels.team = "core"
events = ["failed", "recovered", "unreachable", "removed"]
channel = "#oncall"
mention = ["@here"]
continue = true
"""


@dataclass
class Beside:
    """The daemon in a world, and what it decided of each event so far."""

    world: World
    target_id: str
    capsys: pytest.CaptureFixture[str]
    decided: list[tuple[Event, Verdict]] = field(default_factory=list)

    @asynccontextmanager
    async def daemon(self, *target_ids: str) -> AsyncIterator[App]:
        def note(_snapshot: Snapshot, dispatched: Dispatch) -> None:
            self.decided.extend(dispatched.verdicts)

        config = self.world.config(*(target_ids or (self.target_id,)))
        async with build(config, pace=AT_ONCE, now=self.world.now, decided=note) as app:
            await app.slack.check_token()
            yield app

    async def states(self, app: App, *, every: float = 60.0) -> AsyncIterator[None]:
        """Let the daemon look again and again until the rollout has settled."""
        rollout = self.world.platform.rollout(self.target_id)
        await self.world.look(app)
        yield
        while self.world.platform.seconds_of(self.target_id) < rollout.settles_after + 60:
            await self.world.look(app, after=every)
            yield

    def says(self, *arguments: str) -> Any:
        """Return what a command says as JSON."""
        self.capsys.readouterr()
        path = str(self.world.file)
        with pytest.raises(SystemExit) as ended:
            main((*arguments, "--json", "--config", path))
        said = self.capsys.readouterr()
        assert (ended.value.code, said.err) == (0, ""), f"{arguments}: {said.err}"
        return json.loads(said.out)

    @property
    def card(self) -> Posted:
        return self.world.cards(self.target_id)[-1]


_ACCOUNTS = "/v1/orgs/current/accounts"


def _accounts(org: Org, request: web.Request) -> web.Response:
    people = {rollout.cast.account_id: rollout.cast.email for rollout in org.rollouts.values()}
    return routes.json_of([{"id": account, "email": email} for account, email in people.items()])


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world that lies a little in the past: the tools take the machine's clock for now.

    Its platform says who has which account: a release has nothing else at first.
    """
    monkeypatch.setitem(routes.IN_BOTH, _ACCOUNTS, _accounts)
    monkeypatch.setitem(Age.ALL.routes, _ACCOUNTS, _accounts)
    clock = clock_at(datetime.now(UTC) - timedelta(minutes=20))
    tables = f"{WATCH}{TEMPLATES}{ROUTE}"
    async with a_world(tmp_path, clock=clock, channels=(ONCALL,), more=tables) as world:
        yield world


def beside(
    world: World, capsys: pytest.CaptureFixture[str], scenario: str, kind: str = "release"
) -> Beside:
    return Beside(world, world.platform.add(scenario, seed=7, dialect=kind), capsys)


# render


@pytest.mark.parametrize("kind", KINDS)
async def test_render_draws_the_card_that_is_in_slack(
    world: World, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    at = beside(world, capsys, "failure", kind)
    async with at.daemon() as app:
        async for _ in at.states(app):
            card, *_ = at.says("render", at.target_id)
            assert card["blocks"] == list(at.card.blocks)

    assert "core" in str(at.card.blocks)


async def test_render_draws_the_reply_that_is_in_slack(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    at = beside(world, capsys, "approval")
    compared = 0
    async with at.daemon() as app:
        async for _ in at.states(app, every=10):
            events = [event for event, _ in at.decided]
            at.decided.clear()
            _, state = world.stored(at.target_id)
            keys = [alert.alert_key for alert in state.alerts]
            if len(keys) == 1 and [event.alert_key for event in events] == keys:
                _, reply, *_ = at.says("render", at.target_id)
                assert reply["blocks"] == list(world.replies(at.target_id)[-1].blocks)
                compared += 1

    assert compared


# route test


@pytest.mark.parametrize("kind", KINDS)
async def test_route_test_says_where_the_daemon_sent_each_event(
    world: World, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    at = beside(world, capsys, "retry", kind)
    kinds: set[EventKind] = set()
    async with at.daemon() as app:
        async for _ in at.states(app):
            for event, verdict in at.decided:
                if not can_be_asked(event):
                    continue
                page = at.says("route", "test", *typed(at.target_id, event))
                kinds.add(event.kind)

                assert [one["destination"] for one in page["notified"]] == [
                    one.destination for one in verdict.recipients
                ], event
            at.decided.clear()

    assert kinds >= {EventKind.STARTED, EventKind.FAILED, EventKind.RECOVERED, EventKind.SUCCEEDED}


def can_be_asked(event: Event) -> bool:
    """Whether it is of the whole, or of a part that no retry can have taken the place of."""
    is_of_part = event.level is Level.UNIT and event.kind is not EventKind.PROGRESSED
    return event.level is Level.ROLLOUT or is_of_part


def typed(target_id: str, event: Event) -> list[str]:
    arguments = ["--event", str(event.kind), "--target", target_id]
    if event.level is Level.ROLLOUT:
        arguments += ["--level", "rollout"]
    else:
        arguments += ["--install", event.entity.install_id or event.entity.name]
    if event.alert_key:  # by now the store knows who was notified of it, or knows it no more
        for destination in event.notified_destinations or ("",):
            arguments += ["--notified-in", destination]
    return arguments


@pytest.mark.parametrize(
    ("event", "scenario", "fault"),
    [
        ("removed", "deleted", None),
        ("unreachable", "happy", Fault(FaultKind.TRUNCATED)),
    ],
)
async def test_route_test_says_where_an_outage_of_a_watch_with_labels_goes(
    world: World, capsys: pytest.CaptureFixture[str], event: str, scenario: str, fault: Fault | None
) -> None:
    at = beside(world, capsys, scenario)
    async with at.daemon() as app:
        await world.look(app)
        await world.look(app, after=358)  # in two seconds it is deleted, if at all
        world.platform.fault = fault
        before = {channel: len(world.slack.channel(channel).posts) for channel in (CHANNEL, ONCALL)}
        for _ in range(5):
            await world.look(app, after=15)

    went = {
        f"#{channel}"
        for channel, known in before.items()
        if len(world.slack.channel(channel).posts) > known
    }
    for asked in (("--target", at.target_id), ("--watch", "the shop")):
        page = at.says("route", "test", "--event", event, *asked)

        sent_to = {name_of(world, one["destination"]) for one in page["notified"]}
        assert sent_to == went == {f"#{CHANNEL}", f"#{ONCALL}"}
        assert page["facts"]["labels.team"] == ["core"]


def name_of(world: World, destination: str) -> str:
    return f"#{CHANNEL}" if destination == world.channel.id else destination


# wait


@pytest.mark.parametrize("kind", KINDS)
async def test_wait_draws_the_card_and_finds_the_events_of_the_daemon(
    world: World, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    world.more = ""  # it knows no watch and no templates
    at = beside(world, capsys, "retry", kind)
    async with at.daemon() as app:
        follower = Follower(
            app.context.source,
            Target(kind, at.target_id),
            links=links_of(app.config),
            stall_rules=StallRules(app.config.stall.after, app.config.stall.remind_every),
            waits_for_approval=True,
            now=world.now,
        )
        async for _ in at.states(app):
            look = await follower.look()
            if not world.cards(at.target_id):
                continue
            assert look.view is not None
            if len(world.cards(at.target_id)) == 1:  # a later one links the one before
                assert list(render.card(look.view).blocks) == list(at.card.blocks)
            assert sorted(event.kind for event in look.events) == sorted(
                event.kind for event, _ in at.decided
            )
            at.decided.clear()


# once


async def test_a_dry_run_shows_what_the_daemon_then_sends(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = beside(world, capsys, "failure")
    shown: list[Message] = []
    monkeypatch.setattr(
        drawing, "draw", lambda _screen, _heading, message, **_: shown.append(message)
    )
    compared = 0
    async with at.daemon() as app:
        await world.look(app)
        while world.platform.seconds_of(at.target_id) < 1200:
            known = all_posts(world)
            world.clock.advance(60)
            shown.clear()
            await once._show(load_config(world.folder / "monitor.toml", {}))
            await world.look(app)
            sent = [post for post in all_posts(world) if post not in known]
            drawn = [list(message.blocks) for message in shown]

            assert all(list(post.blocks) in drawn for post in sent)
            assert not drawn or list(at.card.blocks) in drawn
            compared += len(sent)

    assert compared > 3


def all_posts(world: World) -> list[Posted]:
    return [post for name in (CHANNEL, ONCALL) for post in world.slack.channel(name).posts]


# A card whose watch is removed


async def test_a_closed_card_keeps_the_words_that_it_had(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.more = '[templates]\ntitle = "{{ component }} by {{ started_by }}"\n'
    at, other = beside(world, capsys, "slow"), world.platform.add("slow", seed=8)
    async with at.daemon(at.target_id, other) as app:
        await world.look(app)
    before = at.card.blocks
    async with at.daemon(other) as app:
        await app.close_removed()
        await app.delivery.drain()

    assert "no longer watched" in at.card.text
    assert at.card.blocks[0] == before[0]
    card, *_ = at.says("render", at.target_id)
    assert card["blocks"] == list(at.card.blocks)


# A digest, of what is not polled any more


async def test_what_ended_keeps_the_words_of_its_watch_in_a_digest(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = f'[[digest]]\nchannel = "#{ONCALL}"\nat = "00:00"\n'
    title = '[templates]\ntitle = "run of {{ labels.team }}"\n'
    world.more = f"{WATCH}{title}{digest}"
    at = beside(world, capsys, "happy", "run")
    async with at.daemon() as app:
        async for _ in at.states(app, every=120):
            pass
        await world.look(app, after=86400)
        await world.look(app, after=86400)
        assert app.registry.rollout_pollers == ()

    assert "run of core" in str(at.card.blocks)
    assert any("run of core" in str(post.blocks) for post in world.slack.channel(ONCALL).posts)
