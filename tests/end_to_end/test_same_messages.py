"""What is told of a rollout is the same however its answers come: thin, whole, or from a replica.

Thin answers lead to the very same messages as those that hold all that they can. From a replica
that lags come the same

- notifications: what failed, waits, is stalled or ended is told in the channel, as often;
- cards, one for each attempt, and the last of them in the end with the same words;
- replies: none says what is not so, what was lost, or the same again.

What may differ is with which others something is told, how long it took, and what lay between two
polls: an older answer is no observation, so that the next one tells of two steps forward at once. A
reason that an older answer lacks is not in the post that says what failed; it is on the card.

In CI some stories; with `NUON_MONITOR_LONG_TESTS=1` all that are watched from their beginning.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitor.simulation.answers import Shape
from monitor.simulation.audit import Audit, audit
from monitor.simulation.scenarios import DIALECTS
from monitor.simulation.slack import Posted, plain_text
from tests.support.long_tests import IS_LONG
from tests.support.stories import small, stories
from tests.support.world import a_world, key_of, watch

_IN_CI = {
    "release": "approval deep failure retry",
    "run": "approval disagree failure retry parked skipped-group",
    "workflow": "deep asks-first drift idless-step",
    "installer": "failure",
}
_CLAIMS_ALONE = {
    # Why it failed: by the time anybody can ask, the job is under way again and does not know.
    *(("release", "flicker"), ("workflow", "flicker")),
    # When: a real run's row has its end before the documented one does, and a poll falls between.
    ("run", "idless-step"),
}
"""The stories of which thin answers make the same claims with other words beside them."""
_MORE_IF_WHOLE = {("installer", "approval"), ("installer", "approval-denied")}
"""The workflows of an installer's branches are in the documented answer only."""
_MORE_FROM_A_REPLICA = {("installer", "retry")}
"""A version fails and a newer one takes its place between two polls: an older answer shows it."""


_WORTH_IT = re.compile(r"[❌✋⏸⚠]|✅ .* (?:is on|succeeded(?! after))\b")


def lives(*, but: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return dialects with stories."""
    if IS_LONG:
        found = stories(*sorted(DIALECTS))
    else:
        found = [(dialect, name) for dialect, names in _IN_CI.items() for name in names.split()]
    return [one for one in found if one not in but]


@dataclass(frozen=True)
class Told:
    """All that is posted in one life, each card as it is in the end."""

    posts: tuple[Posted, ...]
    audit: Audit

    @property
    def texts(self) -> list[str]:
        return list(map(plain_text, self.posts))

    @property
    def notified(self) -> Counter[str]:
        """What the channel was told but for why, each as often."""
        lines = [line for post in self.posts if post.is_broadcast for line in _claims_of(post)]
        return Counter(line for line in map(_claim, lines) if _WORTH_IT.match(line))

    @property
    def cards(self) -> int:
        return len(self._cards)

    @property
    def last_card(self) -> list[str]:
        return [_timeless(line) for line in _lines(self._cards[-1])]

    @property
    def claims(self) -> Counter[str]:
        """All that was told, each as often: but for why, when, and together with what."""
        return Counter(_claim(line) for post in self.posts for line in _claims_of(post))

    @property
    def _cards(self) -> list[Posted]:
        return [post for post in self.posts if "/card/" in key_of(post)]

    @property
    def replies(self) -> Counter[str]:
        replies = (post for post in self.posts if post.thread_ts is not None)
        return Counter(_claim(line) for post in replies for line in _claims_of(post))


def _lines(post: Posted) -> list[str]:
    return [line for line in plain_text(post).splitlines() if _timeless(line)]


_UNIT = r"\d+ (?:h|min|s|d)\b ?"
_TIMES = re.compile(
    rf"(?:^|,? )(?:after|in|took|running) (?:{_UNIT})+|(?<= · )(?:{_UNIT})+|, (?:{_UNIT})+(?=\))"
    rf"|, about (?:{_UNIT})+left|updated .*"
)
_BESIDE = ("▎", "→", "Open ", "🟩", "🟥", "🟨", "⬜")
"""With these begin lines that say why, what to do, where to look, and how far it is."""
_HOW_FAR = re.compile(r"\d+ of \d+ \w+ done")


def _timeless(line: str) -> str:
    return _TIMES.sub("", line).strip(" ·")


def _claims_of(post: Posted) -> list[str]:
    """Return the lines that say what happened or what is so."""
    lines = (line for line in _lines(post) if not line.startswith(_BESIDE))
    return [line for line in lines if not _HOW_FAR.match(line)]


def _claim(line: str) -> str:
    """Return what a line says: without why, what else there is to say, and its links."""
    return re.split(r": | · |  ", _timeless(line))[0]


async def told(
    folder: Path, dialect: str, name: str, shape: Shape = Shape.THIN, lag: float = 0.0
) -> Told:
    folder.mkdir()
    async with a_world(folder, shape=shape, replica_lag=lag) as world:
        target_id = await watch(world, small(name), seed=1, dialect=dialect, every=30, beyond=180)
        rollout = world.platform.rollout(target_id)
        found = audit(rollout, world.channel)
        return Told(tuple(world.channel.posts), found)


@pytest.mark.parametrize(("dialect", "name"), lives(but=_CLAIMS_ALONE | _MORE_IF_WHOLE))
async def test_thin_answers_tell_the_same_as_those_that_hold_all(
    tmp_path: Path, dialect: str, name: str
) -> None:
    thin = await told(tmp_path / "thin", dialect, name)

    documented = await told(tmp_path / "documented", dialect, name, Shape.DOCUMENTED)
    assert thin.texts == documented.texts
    assert thin.cards


@pytest.mark.parametrize(("dialect", "name"), sorted(_CLAIMS_ALONE))
async def test_what_thin_answers_tell_in_other_words_is_the_same(
    tmp_path: Path, dialect: str, name: str
) -> None:
    thin = await told(tmp_path / "thin", dialect, name)

    documented = await told(tmp_path / "documented", dialect, name, Shape.DOCUMENTED)
    assert thin.claims == documented.claims
    assert thin.notified


@pytest.mark.parametrize(("dialect", "name"), sorted(_MORE_IF_WHOLE))
async def test_what_thin_answers_tell_is_told_by_those_that_hold_more(
    tmp_path: Path, dialect: str, name: str
) -> None:
    thin = await told(tmp_path / "thin", dialect, name)

    documented = await told(tmp_path / "documented", dialect, name, Shape.DOCUMENTED)
    assert thin.replies <= documented.replies
    assert thin.replies


@pytest.mark.parametrize("shape", [Shape.THIN, Shape.DOCUMENTED] if IS_LONG else [Shape.THIN])
@pytest.mark.parametrize(("dialect", "name"), lives(but=set()))
async def test_a_replica_that_lags_tells_the_same(
    tmp_path: Path, dialect: str, name: str, shape: Shape
) -> None:
    fresh = await told(tmp_path / "fresh", dialect, name, shape)
    lagging = await told(tmp_path / "lagging", dialect, name, shape, lag=20.0)

    if (dialect, name) not in _MORE_FROM_A_REPLICA:
        assert lagging.notified == fresh.notified
    assert (lagging.cards, lagging.last_card) == (fresh.cards, fresh.last_card)
    assert list(_repeated(lagging.replies, fresh.replies)) == []
    found = lagging.audit
    assert (found.lost, found.repeated, found.false) == ((), (), ())


def _repeated(lines: Counter[str], due: Counter[str]) -> Iterator[str]:
    return (line for line, count in lines.items() if count > max(due[line], 1))
