"""Releases that are polled, decided on and worded by the product, as the daemon does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitor.compose.observation import Facts, Seen, compare, observe
from monitor.compose.templates import MessageTemplates
from monitor.decide.dispatch import Plan
from monitor.decide.routing import Rule
from monitor.model import (
    Called,
    Mention,
    MentionKind,
    Named,
    NamePatterns,
    Target,
    Watch,
    WatchSettings,
)
from monitor.store import Observation
from tests.support.builders import PATIENCE, Stamps, deploy, release, step
from tests.support.delivery import HOOK, Monitor
from tests.support.rendering import LINKS

RELEASES = "#releases"
UNDER_WAY = "executing_release_steps"
EVERYBODY = Plan((Rule(destination=RELEASES, mentions=(Mention(MentionKind.HERE),)),))


@dataclass
class Release:
    """One release of some installs, as it goes by on the platform while a monitor polls it."""

    monitor: Monitor
    name: str
    plan: Plan = EVERYBODY
    destination: str = RELEASES
    seen: Seen | None = None
    stamps: Stamps = field(default_factory=Stamps)
    created_at: datetime | None = None

    @property
    def id(self) -> str:
        return f"rel-{self.name}"

    async def poll(
        self, installs: Mapping[str, str], status: str = "executing_release_steps"
    ) -> None:
        """Commit what a poll brings: the statuses of the installs' deploys, and the whole's."""
        now, of = self.monitor.clock.now(), Target("release", self.id)
        begun = self.created_at = self.created_at or now
        deploys = (
            deploy(
                name,
                word,
                "helm timed out" if word == "error" else "",
                id=f"{self.id}-{name}",
                created_at=begun,
            )
            for name, word in installs.items()
        )
        word = "active" if status == "active" else "polling_install_deploys"
        first = step(1, word, *deploys, created_at=begun)
        whole = release(status, first, id=self.id, name=self.name, created_at=begun)
        root = self.stamps.stamped(whole, now)
        change = compare(self.seen, of, root, now=now, stall_rules=PATIENCE)
        watch = Watch(
            of,
            WatchSettings(
                entry=Named(self.id),
                default_destinations=(self.destination,),
                labels={},
                interval=timedelta(seconds=30),
                settled_interval=timedelta(minutes=5),
                forget_after=timedelta(days=7),
                limit=50,
                names=NamePatterns(),
            ),
        )
        made = observe(
            self.seen,
            change,
            Facts(Called()),
            watch=watch,
            plan=self.plan,
            links=LINKS,
            templates=MessageTemplates.none(),
            keeps_cards=lambda destination: destination != HOOK,
        )
        if made is None:
            return
        self.seen = made.seen
        observation = Observation(
            snapshot=made.seen.snapshot,
            state=made.seen.state,
            fingerprint=b"",
            transitions=change.difference.transitions,
            cards=made.messages.cards,
            notifications=made.messages.notifications,
        )
        await self.monitor.store.call(self.monitor.store.save, observation)

    async def succeed(self, *installs: str) -> None:
        """Poll until its success is believed."""
        for _ in range(4):
            self.monitor.clock.advance(1)
            await self.poll(dict.fromkeys(installs, "active"), "active")
