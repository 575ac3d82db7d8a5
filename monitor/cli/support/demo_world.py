"""What the demo shows: a simulated platform and a simulated Slack, and what happens on them."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from monitor.simulation.cast import Cast
from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import (
    FAILS_DEEP,
    SCENARIOS,
    TERRAFORM_ERROR,
    Clock,
    Course,
    Deploy,
    Occurrence,
    Rollout,
    Scenario,
    Stage,
    timeline,
)
from monitor.simulation.slack import Channel, Posted, Rates, SimulatedSlack
from monitor.simulation.truth import Meaning, meaning_of

CHANNEL = "releases"
STORIES: Mapping[str, Scenario] = {
    name: scenario
    for name, scenario in SCENARIOS.items()
    if not scenario.age and scenario.deleted_after is None
}
"""What a release may go through here: what was over before the monitor came is not found, and
what is deleted before its end cannot be compared with what was notified."""
_HISTORY = SCENARIOS["already-done"]
"""What the app has behind it, and nobody is notified of."""
BRANCH_STORY = Scenario(
    name="branch",
    summary="an install fails, and only its own workflow says why",
    steps=(2, 4, 6),
    courses={
        (2, 2): Course(
            (*FAILS_DEEP.stages[:-1], Stage("error", "job failed", cause=TERRAFORM_ERROR))
        )
    },
)
"""What the app branch run goes through that follows the release."""
RUN_BEGINS = 0.8
"""When the run begins, as a part of the release's life."""
_SLOWEST, _FASTEST = 1.0, 400.0
"""How many seconds of the platform's time pass in one."""

CONFIG = """\
[nuon]
api_url = "{platform}"
org_id = "{org_id}"
api_token = "{token}"

[slack]
api_url = "{slack}"
bot_token = "{slack_token}"
channel = "#{channel}"

[poll]
interval = "400ms"
settled_interval = "1s"
unreachable_after = "1s"

[stall]
after = "20s"

[store]
url = "sqlite:///{folder}/nuon-monitor.db"

[http]
listen = ""

[[watch]]
app = "{app_id}"

[[watch]]
app_branch = "{app_id}/{branch_id}"
"""


@dataclass
class World:
    """Both simulations, what goes on in them, and the configuration that leads to them.

    `speed` is how many seconds of the platform's time pass in one.
    """

    platform: SimulatedPlatform
    slack: SimulatedSlack
    folder: Path
    speed: float
    cast: Cast
    rollouts: list[Rollout] = field(default_factory=list)
    _asides: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def config_file(self) -> Path:
        return self.folder / "monitor.toml"

    @property
    def channel(self) -> Channel:
        return self.slack.channel(CHANNEL)

    def is_watched_since(self, moment: datetime) -> bool:
        """Whether a monitor has looked at both lists: what begins then, it sees begin."""
        lists = {
            f"/v1/apps/{self.cast.app_id}/releases",
            f"/v1/apps/{self.cast.app_id}/branches/{self.cast.branch_id}/runs",
        }
        return lists <= {each.path for each in self.platform.requests if each.at >= moment}

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen on the platform."""
        return all(self.platform.seconds_of(r.id) >= r.settles_after for r in self.rollouts)

    def add_release(self, scenario: str, *, seed: int, begins_in: float) -> Rollout:
        """Let a release begin in so many seconds."""
        starts_in = begins_in * self.speed
        return self._with(self.platform.add(scenario, seed=seed, starts_in=starts_in))

    def add_run(self, *, seed: int, begins_in: float = 0.0) -> Rollout:
        """Let a run of the app's branch begin in so many seconds."""
        starts_in = begins_in * self.speed
        return self._with(
            self.platform.add(BRANCH_STORY, seed=seed, starts_in=starts_in, dialect="run")
        )

    def _with(self, rollout_id: str) -> Rollout:
        rollout = self.platform.rollout(rollout_id)
        self.rollouts.append(rollout)
        self._asides += ((rollout.moment(at), line) for at, line in asides(rollout))
        self._asides.sort()
        return rollout

    def happened(self) -> Iterator[str]:
        """Yield what has happened on the platform since it was last asked."""
        while self._asides and self._asides[0][0] <= self.platform.clock.now():
            yield self._asides.pop(0)[1]

    def rollout_of(self, post: Posted) -> Rollout | None:
        """Return what a card or a reply in its thread is about; None for any other message."""
        first = self.channel.by_ts[post.thread_ts or post.ts]
        return next((r for r in self.rollouts if f"/{r.id}/" in card_key(first)), None)

    def cards_of(self, rollout: Rollout) -> list[Posted]:
        """Return a rollout's cards, one for each attempt at it."""
        return [post for post in self.channel_of(rollout).posts if post.thread_ts is None]

    def channel_of(self, rollout: Rollout) -> Channel:
        """Return the channel with a rollout's threads alone."""
        own = (post for post in self.channel.posts if self.rollout_of(post) is rollout)
        return replace(self.channel, by_ts={post.ts: post for post in own})

    def write_config(self) -> None:
        self.config_file.write_text(
            CONFIG.format(
                platform=self.platform.base_url,
                org_id=self.platform.org_id,
                token=self.platform.token,
                slack=self.slack.api_url,
                slack_token=self.slack.token,
                channel=CHANNEL,
                folder=self.folder,
                app_id=self.cast.app_id,
                branch_id=self.cast.branch_id,
            )
        )


def card_key(post: Posted) -> str:
    """Return the key that the monitor gave to a card; empty for any other message."""
    key = str(((post.metadata or {}).get("event_payload") or {}).get("key", ""))
    return key if post.thread_ts is None and "/card/" in key else ""


def asides(rollout: Rollout) -> list[tuple[float, str]]:
    """Return what happens on the platform, in sentences and in order; moments in seconds."""
    beats = [(0.0, _beginning(rollout))]
    for before, now in pairwise(rollout.life):
        if _meaning(before) is Meaning.BAD_END:
            beats.append((now.at, f"somebody tries the {rollout.kind} again"))
    for step in rollout.steps:
        for deploy in step.deploys:
            beats += _of_unit(deploy)
    return sorted(beats)


def _beginning(rollout: Rollout) -> str:
    cast, count = rollout.cast, sum(len(step.install_ids) for step in rollout.steps)
    if rollout.kind == "release":
        return (
            f"a release of {cast.component_name} to {count} installs begins; "
            "nobody names it to the monitor"
        )
    groups = len(rollout.steps)
    return (
        f"a commit to the branch {cast.branch_name} of {cast.app_name} sets off a run: "
        f"{count} installs in {groups} groups"
    )


def _of_unit(deploy: Deploy) -> Iterator[tuple[float, str]]:
    for before, now in pairwise(deploy.life):
        match _meaning(before), _meaning(now):
            case _, Meaning.ASKS:
                yield now.at, f"{deploy.work} asks for a person's approval"
            case Meaning.ASKS, Meaning.OPEN:
                yield now.at, f"somebody approves what {deploy.work} asked for"
            case _, Meaning.BAD_END if now.cause:
                yield now.at, f"{deploy.work} fails; why, only its own workflow says"
            case _, Meaning.BAD_END:
                yield now.at, f"{deploy.work} fails"
            case _, Meaning.OTHER_END:
                yield now.at, f"{deploy.work} ends as {now.status!r}; its step waits on for ever"


def _meaning(occurrence: Occurrence) -> Meaning:
    return meaning_of(occurrence.kind, occurrence.status)


@asynccontextmanager
async def simulated_world(scenario: str, *, seed: int, lasts: float) -> AsyncIterator[World]:
    """Start both simulations, as fast as squeezes a story into so many seconds."""
    slack = SimulatedSlack((CHANNEL,), rates=Rates(seconds_per_message=0.8, burst=3))
    speed = min(_FASTEST, max(_SLOWEST, _length(scenario, seed) / lasts))
    platform = SimulatedPlatform(Clock(speed=speed))
    async with slack, platform:
        with tempfile.TemporaryDirectory(prefix="nuon-monitor-demo-") as folder:
            cast = platform.rollout(platform.add(_HISTORY, seed=seed)).cast
            world = World(platform, slack, Path(folder), speed, cast)
            world.write_config()
            yield world


def _length(scenario: str, seed: int) -> float:
    """Return how long a release and the run after it take, in seconds of the platform's time."""
    release = timeline(STORIES[scenario], seed).settles_after
    run = timeline(BRANCH_STORY, seed, dialect="run").settles_after
    return max(release, RUN_BEGINS * release + run)
