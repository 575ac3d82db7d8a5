"""What people were told against what happened: the demo and the tests judge by it.

The simulated platform knows everything that happened to a release, the simulated Slack
everything that a person could read. Nothing of the monitor's own bookkeeping is believed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.model import Kind
from monitor.simulation.scenarios import Rollout, install_of
from monitor.simulation.slack import Channel, Posted, plain_text

_INSTALLS = dict(map(install_of, range(2000)))
# An install goes by the beginning of its id where the platform could not give its name.
_NAMES = {f"{id_[:7]}…": name for id_, name in _INSTALLS.items()} | {
    name: name for name in _INSTALLS.values()
}


@dataclass(frozen=True, slots=True)
class Audit:
    """Sentences that are missing, that were told more than once, and that are not true."""

    told: int
    lost: tuple[str, ...]
    repeated: tuple[str, ...]
    false: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.repeated or self.false)


def audit(rollout: Rollout, channel: Channel, *, knows_waits: bool = True) -> Audit:
    """Compare a release's whole life with what the channel's members could read of it.

    `knows_waits` says that polls were frequent enough to see every wait for an approval,
    which no history tells afterwards.
    """
    lines = Counter(_lines(channel.posts))
    expected = Counter(_expected(rollout))
    waits = {line for line in expected if line.endswith("waits for an approval")}
    lost = [
        line
        for line, count in expected.items()
        if lines[line] < count and (knows_waits or line not in waits)
    ]
    repeated = [line for line in lines if lines[line] > max(expected[line], 1)]
    false = [line for line in lines if line not in expected]
    return Audit(sum(lines.values()), tuple(lost), tuple(repeated), tuple(false))


def _expected(rollout: Rollout) -> Iterable[str]:
    """Yield one short sentence for each thing that people have to be told."""
    count = len(rollout.steps)
    for index, step in enumerate(rollout.steps, start=1):
        yield from (f"step {index} of {count} is done" for o in step.life if o.status == "active")
        failed: set[str] = set()
        for deploy in step.deploys:
            name = _INSTALLS[deploy.install_id]
            for occurrence in deploy.life:
                if occurrence.status == "error":
                    failed.add(name)
                    yield f"{name} failed"
                elif occurrence.status == "active" and name in failed:
                    failed.discard(name)
                    yield f"{name} succeeded after failing"
                elif occurrence.status == "pending-approval":
                    yield f"{name} waits for an approval"
    for occurrence in rollout.life:
        if occurrence.status == "error":
            yield "the release failed"
        elif occurrence.status == "active":
            yield "the release succeeded"


_ENDS = {"✅": "the release succeeded", "❌": "the release failed"}
_PHRASES = re.compile(
    r"^\S+ (?P<name>\S+) (?P<what>failed|succeeded after failing|waits for an approval)\b"
)
_STEP_DONE = re.compile(r"^✓ (step \d+ of \d+ is done)\b")


def _lines(posts: Sequence[Posted]) -> Iterable[str]:
    """Yield the same short sentences as they can be read in the threads' replies."""
    for post in posts:
        if post.thread_ts is None:
            continue
        for line in plain_text(post).splitlines():
            yield from _sentence(line)


def _sentence(line: str) -> Iterable[str]:
    if line[:1] in _ENDS:
        yield _ENDS[line[:1]]
    elif match := _STEP_DONE.match(line):
        yield match[1]
    elif (match := _PHRASES.match(line)) and match["name"] in _NAMES:
        yield f"{_NAMES[match['name']]} {match['what']}"


def changes_of(rollout: Rollout) -> Counter[Kind]:
    """Count what happened on the platform, by what it happened to."""
    return Counter(occurrence.kind for occurrence in rollout.occurrences)
