"""A rollout as the monitor watches it, poll by poll: all that is sent, without a store or Slack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from monitor.compose import render
from monitor.compose.observation import Facts, Observation, Seen, compare, observe
from monitor.compose.templates import MessageTemplates
from monitor.decide.dispatch import Plan
from monitor.decide.events import looked_at_anew, not_beyond, wakes_at
from monitor.decide.verdicts import Silence
from monitor.kinds.stored import decode_snapshot, encode_snapshot
from monitor.model import (
    Called,
    Card,
    Entity,
    Form,
    Named,
    NamePatterns,
    Notification,
    Snapshot,
    Target,
    TargetState,
    Watch,
    WatchSettings,
)
from tests.support.builders import PATIENCE, RELEASE_ID, Stamps, after

TARGET = Target("release", RELEASE_ID)
DEFAULT, WEBHOOK = "#releases", "webhook"


def watch_of(*destinations: str) -> Watch:
    """Return the watch of a release, with the channels where it is notified of by default."""
    settings = WatchSettings(
        entry=Named(RELEASE_ID),
        default_destinations=destinations,
        labels={},
        interval=timedelta(seconds=15),
        settled_interval=timedelta(minutes=5),
        forget_after=timedelta(days=7),
        limit=20,
        names=NamePatterns(),
    )
    return Watch(TARGET, settings)


WATCH = watch_of(DEFAULT)


def observed(
    seen: Seen | None,
    root: Entity,
    now: datetime,
    *,
    plan: Plan | None = None,
    watch: Watch = WATCH,
    **facts: Any,
) -> Observation | None:
    change = compare(seen, TARGET, root, now=now, stall_rules=PATIENCE)
    return observe(
        seen,
        change,
        Facts(Called(), **facts),
        watch=watch,
        plan=plan or Plan(),
        links=render.Links("https://app.nuon.co", "org1"),
        templates=MessageTemplates.none(),
        keeps_cards=lambda destination: destination != WEBHOOK,
    )


@dataclass
class Watched:
    """What is known of a release, and all that was sent about it so far."""

    plan: Plan = field(default_factory=lambda: Plan(group_interval=timedelta(minutes=5)))
    watch: Watch = WATCH
    silences: tuple[Silence, ...] = ()
    seen: Seen | None = None
    sent: list[tuple[float, Notification]] = field(default_factory=list)
    cards: list[tuple[float, Card]] = field(default_factory=list)
    stamps: Stamps = field(default_factory=Stamps)
    restarts: bool = False
    """Whether the monitor is restarted after each poll."""

    def look(self, root: Entity, minutes: float) -> list[Notification]:
        """Poll so long after noon; returns what is sent because of it."""
        return self.look_at(root, after(minutes))

    def look_at(self, root: Entity, now: datetime) -> list[Notification]:
        minutes = round((now - after(0)) / timedelta(minutes=1), 3)
        if self.seen is None or root is not self.seen.snapshot.root:
            root = self.stamps.stamped(root, now)
        found = observed(
            self.seen, root, now, plan=self.plan, watch=self.watch, silences=self.silences
        )
        if found is None:
            return []
        self.seen = found.seen
        if self.restarts:
            self.restart(now)
        self.cards += ((minutes, card) for card in found.messages.cards)
        # But for the list of what fails, which is one reply for as long as the rollout lasts.
        sent = [one for one in found.messages.notifications if one.events]
        assert not {one.key for one in sent} & {one.key for _, one in self.sent}
        self.sent += ((minutes, one) for one in sent)
        return sent

    def pass_time(self, until: float) -> None:
        """Let nothing change, and poll whenever time alone may bring news, as the daemon does."""
        while (due := self.wakes_at) is not None and due <= after(until):
            assert self.seen is not None
            self.look_at(self.seen.snapshot.root, max(due, self.seen.snapshot.taken_at))
            assert self.wakes_at != due

    @property
    def wakes_at(self) -> datetime | None:
        assert self.seen is not None
        return wakes_at(self.seen.snapshot, self.seen.state, PATIENCE)

    @property
    def state(self) -> TargetState:
        assert self.seen is not None
        return self.seen.state

    def restart(self, now: datetime) -> None:
        """Go on with what comes back from the store, as the daemon does."""
        assert self.seen is not None
        snapshot: Snapshot = decode_snapshot(encode_snapshot(self.seen.snapshot))
        state = msgspec.json.decode(msgspec.json.encode(self.seen.state), type=TargetState)
        state = looked_at_anew(not_beyond(state, now), now)
        self.seen = replace(self.seen, snapshot=snapshot, state=state)

    def notifying(self, destination: str = DEFAULT) -> list[tuple[float, str]]:
        """Return when which posts notified people, but for cards, as text."""
        return [
            (minutes, one.message.text)
            for minutes, one in self.sent
            if one.destination == destination and notifies(one)
        ]

    def thread(self, destination: str = DEFAULT) -> list[str]:
        """Return the replies in the thread that are not shown in the channel."""
        return [
            one.message.text
            for _, one in self.sent
            if one.destination == destination and one.form is Form.REPLY and not one.is_broadcast
        ]


def notifies(one: Notification) -> bool:
    return one.is_broadcast or one.form is Form.MESSAGE


def firsts(posts: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return the first lines of posts."""
    return [(minutes, text.splitlines()[0]) for minutes, text in posts]
