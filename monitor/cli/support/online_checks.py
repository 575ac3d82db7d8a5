"""What `check --online` asks the platform and Slack, and how it reads the answers.

The version of a platform does not show what it serves: its routes are tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import click
import msgspec

from monitor.cli.support.common import report
from monitor.cli.support.sample_messages import specimens
from monitor.cli.support.watched_now import watched_now
from monitor.config import WATCH_KINDS, Config, Watch
from monitor.deliver.destinations import Destinations
from monitor.deliver.validation import Block, Complaint
from monitor.errors import DestinationError, NuonError, NuonNotFound, NuonRejected, Unserved
from monitor.kinds import FINDERS, alternatives, explained, found_by
from monitor.kinds.profile import WatchedBy
from monitor.kinds.wire import parse
from monitor.model import Target
from monitor.platform.source import Source
from monitor.service.build import nuon_client, slack_client
from monitor.service.mapping import links_of
from monitor.text import join_names, plain

_NOBODY = "0" * 26
"""An id that nothing has: a platform that serves the route says that there is no such record."""
_MOST_STAND_INS = 3


async def ask(config: Config) -> bool:
    """Report one finding per line; returns whether all is well."""
    async with nuon_client(config) as source:
        sees_all = await _ask_platform(config, source)
    speaks_to_all = await _ask_slack(config)
    return sees_all and speaks_to_all


# The platform


class _Client(Source, Protocol):
    """The platform, and the git reference in each of its answers, if there is one."""

    @property
    def api_version(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class _Platform:
    """What a platform is; `routes` says of each kind of watch whether it is served, or why not."""

    version: str
    routes: Mapping[str, bool | NuonError]

    def serves(self, kind: str) -> bool:
        is_served = self.routes[kind] is True or self._is_elsewhere(kind)
        return is_served and not self.lacks(kind)

    def lacks(self, kind: str) -> bool:
        is_lacking = any(one is False or _is_missing_route(one) for one in self._needed(kind))
        return is_lacking and not self._is_elsewhere(kind)

    def has_no_route(self, kind: str) -> bool:
        return False in self._needed(kind) and not self._is_elsewhere(kind)

    def _needed(self, kind: str) -> tuple[bool | NuonError | None, ...]:
        # Without what a list leads to the list is of no use.
        return self.routes[kind], self.routes.get(found_by(kind).name)

    def _is_elsewhere(self, kind: str) -> bool:
        """Whether it serves a list that finds the same."""
        return any(self.routes.get(other) is True for other in _others(kind))

    def doubt(self, kind: str) -> NuonError | None:
        """Return why it is not known whether a kind is served."""
        answer = self.routes[kind]
        return None if isinstance(answer, bool) or self.lacks(kind) else answer


async def _ask_platform(config: Config, source: _Client) -> bool:
    """Ask what it is, and for every watch, in the order of the configuration."""
    kinds = tuple(dict.fromkeys(one for key in WATCH_KINDS for one in (key, *_others(key))))
    answers = await asyncio.gather(*(_serves(source, kind) for kind in kinds))
    doubts = [answer for answer in answers if not isinstance(answer, bool)]
    if len(doubts) == len(answers):
        report(is_well=False, subject="platform", finding=str(doubts[0]))
        return False
    routes = dict(zip(kinds, answers, strict=True))
    platform = _Platform(await _version(source), routes)
    report(is_well=True, subject="platform", finding=platform.version)
    report(is_well=True, subject="kinds of watch", finding=_kinds_words(platform))

    seen = await asyncio.gather(
        *(_look(source, platform, entry, config.poll.forget_after) for entry in config.watch)
    )
    for one in seen:
        report(is_well=one.is_well, subject=one.subject, finding=one.words)
    return all(one.is_well for one in seen)


def _others(kind: str) -> tuple[str, ...]:
    """Return the lists that find the same on platforms of other versions."""
    return tuple(other.kind for other in alternatives(Target(kind, _NOBODY)))


async def _serves(source: Source, kind: str) -> bool | NuonError:
    """Return whether there is such a route, or why that is not known."""
    behind = WATCH_KINDS.get(kind) or FINDERS[kind]
    has_two_ids = behind.watched_by is WatchedBy.BRANCH_ID
    path = behind.path(f"{_NOBODY}/{_NOBODY}" if has_two_ids else _NOBODY)
    try:
        await source.get(path)
    except NuonNotFound:
        # A path without an id is taken for one: its last part for the id of some record.
        return _NOBODY in path
    except NuonError as error:
        is_off = isinstance(error, NuonRejected) and error.unserved is Unserved.FEATURE
        return False if _is_missing_route(error) and not is_off else error
    return True


class _Version(msgspec.Struct):
    version: str | None = None
    git_ref: str | None = None


_version_decoder = msgspec.json.Decoder(_Version)


async def _version(source: _Client) -> str:
    """Return how the platform calls itself; a proxy may hide it."""
    try:
        answered = parse((await source.get("/version")).body, _version_decoder)
    except NuonError:
        answered = _Version()
    ref = answered.git_ref or source.api_version
    words = f"API {answered.version}" if answered.version else "does not say its version"
    return f"{words} (git ref {ref[:12]})" if ref and ref != answered.version else words


def _kinds_words(platform: _Platform) -> str:
    served = [kind for kind in WATCH_KINDS if platform.serves(kind)]
    lacking = [kind for kind in WATCH_KINDS if platform.lacks(kind)]
    words = [f"serves {join_names(served) or 'none'}"]
    words += [f"not {join_names(lacking)}"] if lacking else []
    words += [
        f"cannot tell of {kind} ({doubt})"
        for kind in WATCH_KINDS
        if (doubt := platform.doubt(kind)) is not None
    ]
    return "; ".join(words)


class _Finding(NamedTuple):
    """What a watch is, and whether it works."""

    is_well: bool
    subject: str
    words: str


async def _look(
    source: Source, platform: _Platform, entry: Watch, forget_after: timedelta
) -> _Finding:
    """Return whether a watch works, and what it shows now."""
    target = entry.target
    subject = str(target)
    if platform.has_no_route(target.kind):
        words = f"this platform does not serve it; {_instead(platform, target.kind)}"
        return _Finding(False, subject, words)
    try:
        seen = await watched_now(source, entry, forget_after)
    except NuonError as error:
        if _is_missing_route(error):
            return _Finding(False, subject, f"{error}; {_instead(platform, target.kind)}")
        return _Finding(False, subject, str(explained(error, target, was_seen=False)))
    if seen.name:
        subject = f"{target.kind} {plain(seen.name, 100)} ({target.id})"
    return _Finding(True, subject, seen.words)


def _instead(platform: _Platform, kind: str) -> str:
    fitting = [other for other in found_by(kind).stand_ins if platform.serves(other)]
    if not fitting:
        served = found_by(kind).served
        return f"it serves nothing that stands in for it: is nuon.api_url right? {served}"
    *others, last = fitting[:_MOST_STAND_INS]
    return f"watch {' or '.join(filter(None, (', '.join(others), last)))} instead"


def _is_missing_route(error: object) -> bool:
    return isinstance(error, NuonRejected) and error.is_missing_route


# Slack


async def _ask_slack(config: Config) -> bool:
    destinations = Destinations(config)
    channels = [name for name in destinations.configured if destinations.keeps_cards(name)]
    for name in destinations.configured:
        if name not in channels:
            shown = plain(name, 200)
            click.echo(f"– {shown}: a webhook can only be tried with test-notification")
    if config.slack.bot_token is None:
        return True
    finds_all = True
    async with slack_client(config) as slack:
        try:
            workspace = await slack.check_token()
        except DestinationError as error:
            report(is_well=False, subject="Slack", finding=str(error))
            return False
        report(is_well=True, subject="Slack", finding=f"the token is good for {workspace}")
        for channel in channels:
            subject = f"channel {channel}"
            try:
                name = await slack.channel(channel).check()
            except DestinationError as error:
                report(is_well=False, subject=subject, finding=str(error))
                finds_all = False
            else:
                report(is_well=True, subject=subject, finding=f"found as #{name}")
        return await _ask_about_messages(config, slack) and finds_all


class _Validator(Protocol):
    async def complaints_of(self, blocks: Sequence[Block]) -> tuple[Complaint, ...] | None: ...


async def _ask_about_messages(config: Config, slack: _Validator) -> bool:
    """Report what Slack would refuse of a message of each form; nothing where it does not say."""
    links = links_of(config)
    is_well, count = True, 0
    try:
        for name, message in specimens(links, datetime.now(UTC)):
            complaints = await slack.complaints_of(message.blocks)
            if complaints and message.has_optional_blocks:
                click.echo(f"– {name}: Slack refuses it ({complaints[0]}): it gets text instead")
                plainer = message.without_optional_blocks()
                complaints = await slack.complaints_of(plainer.blocks)
            if complaints is None:
                return is_well
            for complaint in complaints:
                report(is_well=False, subject=name, finding=f"Slack would refuse it: {complaint}")
                is_well = False
            count += 1
    except DestinationError as error:
        report(is_well=False, subject="messages", finding=str(error))
        return False
    if is_well:
        report(is_well=True, subject="messages", finding=f"Slack takes each of {count} forms")
    return is_well
