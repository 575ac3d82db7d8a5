"""What a digest says, and when the next one is due. Pure.

A digest goes from one of its times to the next: from the last that was sent to the latest
that has come, so that a long stop leaves nothing out, and one message makes up for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from monitor.compose import render
from monitor.compose.render import DigestFacts, DigestInstall, DigestRollout, SummaryLine
from monitor.decide.progress import add_up, last_change
from monitor.decide.windows import EVERY_DAY, instant
from monitor.model import Entity, EventKind, Phase, Target, TargetState

TROUBLES_OF = timedelta(days=7)
"""What has failed for longer than that is known by now, or given up."""

_DAY = timedelta(days=1)
_MOST_INSTALLS = 3


@dataclass(frozen=True, slots=True)
class Timetable:
    """At which time of which days (Monday is 0) a digest is sent, by the clocks of a zone."""

    at: time
    days: frozenset[int]
    zone: ZoneInfo

    @property
    def is_daily(self) -> bool:
        return self.days == EVERY_DAY

    def latest(self, now: datetime) -> datetime:
        """Return the latest of its times that has come, UTC."""
        today = now.astimezone(self.zone).date()
        # Where clocks go back just after midnight it is yesterday again, and today's has come.
        for back in range(-1, 9):
            day = today - back * _DAY
            if day.weekday() in self.days:
                found = instant(datetime.combine(day, self.at), self.zone)
                if found <= now:
                    return found
        raise AssertionError("a week has a day of each name")


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest as configured. With `of_all` it covers every destination, not its own only."""

    destination: str
    timetable: Timetable
    of_all: bool

    @property
    def name(self) -> str:
        """What it is known by in the store: another time of day makes another digest."""
        days = "".join(map(str, sorted(self.timetable.days)))
        return f"{days} {self.timetable.at:%H:%M} {self.timetable.zone.key} {self.destination}"


class Issue(NamedTuple):
    """The time that one digest is about: from `since` on, without `until`."""

    since: datetime
    until: datetime


def issued_until(timetable: Timetable, known: datetime | None, now: datetime) -> datetime:
    """Return until when the digests that were sent reach, which is `known` as a rule.

    Where none was sent they begin with the period under way. The same holds where one reaches
    into the future because the clock was set back since; unless it was set back by so little
    that what is due again soon is what was sent.
    """
    if known is None or known - now > _half(timetable):
        return timetable.latest(now)
    return known


def issue_due(timetable: Timetable, last_until: datetime, now: datetime) -> Issue | None:
    """Return the digest that is to be sent now; None for none."""
    latest = timetable.latest(now)
    # A zone's rules may change and shift a time by an hour: it is the same one.
    return Issue(last_until, latest) if latest - last_until > _half(timetable) else None


def _half(timetable: Timetable) -> timedelta:
    return (_DAY if timetable.is_daily else 7 * _DAY) / 2


class _Work(NamedTuple):
    """What was done at one install: `took` only where it went well at last, `failed` times."""

    install_id: str
    tries: int
    failed: int
    took: timedelta | None
    is_well: bool


class Account(NamedTuple):
    """What one rollout brings to a digest."""

    target: Target
    rollout: DigestRollout | None
    trouble: SummaryLine | None
    works: tuple[_Work, ...]


def horizon_of(issue: Issue) -> datetime:
    """Return how far back a digest looks."""
    return min(issue.since, issue.until - TROUBLES_OF)


def may_matter(state: TargetState, issue: Issue) -> bool:
    """Whether a rollout can have anything to do with a digest."""
    if state.is_closed:
        return False  # it is not watched any more
    return state.ended is None or state.ended_at is None or state.ended_at >= horizon_of(issue)


def account_of(
    view: render.View, issue: Issue, *, url: str | None, failures: Mapping[str, int]
) -> Account:
    """Return what there is to say of one rollout.

    `failures` is how often it and its units failed in that time, by their ids.
    """
    root, state = view.snapshot.root, view.state
    title, summary = render.title_and_summary(view)
    is_included = not root.kind.is_perpetual and _is_of(root, state, issue)
    return Account(
        target=view.snapshot.target,
        rollout=_rollout(view, issue, title, url) if is_included else None,
        trouble=_trouble(state, issue, title, summary, url),
        works=tuple(_works(root, failures)) if is_included else (),
    )


def facts_of(
    issue: Issue,
    accounts: Sequence[Account],
    links: render.Links,
    healed: Container[Target] = frozenset(),
) -> DigestFacts:
    """Put together what all rollouts bring; installs go by their ids.

    What newer rollouts have `healed` is not in trouble any more.
    """
    installs = _installs(accounts, links)
    slow = [install for install in installs if install.typical]
    flaky = [install for install in installs if install.failed]
    slow.sort(key=lambda install: install.typical or timedelta(), reverse=True)
    flaky.sort(key=lambda install: install.failed, reverse=True)
    return DigestFacts(
        since=issue.since,
        until=issue.until,
        rollouts=tuple(account.rollout for account in accounts if account.rollout),
        still_failing=tuple(
            account.trouble
            for account in accounts
            if account.trouble is not None and account.target not in healed
        ),
        # The only one is neither slow nor quick.
        slowest=tuple(slow[:_MOST_INSTALLS]) if len(slow) > 1 else (),
        flakiest=tuple(flaky[:_MOST_INSTALLS]),
    )


def install_ids(facts: DigestFacts) -> tuple[str, ...]:
    """Return the ids of the installs that are spoken of."""
    return tuple(dict.fromkeys(one.name for one in (*facts.slowest, *facts.flakiest)))


def with_names(facts: DigestFacts, names: Mapping[str, str]) -> DigestFacts:
    """Return the same with the names of installs, as far as they are known by their ids."""

    def named(installs: Iterable[DigestInstall]) -> tuple[DigestInstall, ...]:
        return tuple(replace(one, name=names.get(one.name) or one.name) for one in installs)

    return replace(facts, slowest=named(facts.slowest), flakiest=named(facts.flakiest))


def is_worth_sending(timetable: Timetable, facts: DigestFacts) -> bool:
    """Whether there is anything to say: every week there is, were it that nothing happened."""
    return not timetable.is_daily or bool(facts.rollouts or facts.still_failing)


def _is_of(root: Entity, state: TargetState, issue: Issue) -> bool:
    """Whether it ended in that time, or is under way and moved in it."""
    if state.ended is not None:
        return state.ended_at is not None and issue.since <= state.ended_at < issue.until
    began_at = root.created_at or state.changed_at
    return began_at < issue.until and state.changed_at >= issue.since


def _rollout(view: render.View, issue: Issue, title: str, url: str | None) -> DigestRollout:
    root, state = view.snapshot.root, view.state
    progress = add_up(tuple(stage.progress for stage in view.stages))
    end = last_change(root) if state.ended else issue.until
    took = end - root.created_at if end and root.created_at else None
    # Of what is done at one install the parts are no installs.
    is_at_one = bool(root.install_id)
    return DigestRollout(
        title=title,
        outcome=state.ended,
        took=took if took and took > timedelta() else None,
        installs=0 if is_at_one else progress.total,
        failed=0 if is_at_one else progress.failed,
        url=url,
    )


def _trouble(
    state: TargetState, issue: Issue, title: str, summary: str, url: str | None
) -> SummaryLine | None:
    kinds = {
        alert.kind
        for alert in state.alerts
        if not alert.is_retrying and alert.since >= issue.until - TROUBLES_OF
    }
    for kind in (EventKind.FAILED, EventKind.STALLED):
        if kind in kinds:
            return SummaryLine(title, summary, url, kind)
    return None


def _works(root: Entity, failures: Mapping[str, int]) -> Iterator[_Work]:
    if root.install_id:
        yield _work(root.install_id, (root,), failures)
        return
    for step in root.children:
        tries: dict[str, list[Entity]] = defaultdict(list)
        for unit in step.children:
            if unit.install_id:
                tries[unit.install_id].append(unit)
        for install_id, units in tries.items():
            yield _work(install_id, units, failures)


def _work(install_id: str, units: Sequence[Entity], failures: Mapping[str, int]) -> _Work:
    """Return what became of one install in one step: the last of its units speaks for it."""
    last = units[-1]
    # What had failed at first sight left no change behind.
    failed = [max(failures.get(unit.id, 0), unit.phase is Phase.FAILED) for unit in units]
    others = sum(unit.phase is not Phase.FAILED for unit in units)
    is_well = last.phase is Phase.SUCCEEDED
    ended_at = last.status_at or last.updated_at
    took = ended_at - last.created_at if is_well and ended_at and last.created_at else None
    return _Work(
        install_id=install_id,
        tries=sum(failed) + others,
        failed=sum(failed),
        took=took if took and took > timedelta() else None,
        is_well=is_well,
    )


def _installs(accounts: Iterable[Account], links: render.Links) -> list[DigestInstall]:
    """Return the installs, each with what was done at it taken together.

    What failed counts where it went well in the end: what did not fails still, and is no
    matter of luck.
    """
    works: dict[str, list[_Work]] = defaultdict(list)
    for account in accounts:
        for work in account.works:
            works[work.install_id].append(work)
    found = []
    for install_id, its in works.items():
        took = sorted(work.took for work in its if work.took is not None)
        found.append(
            DigestInstall(
                name=install_id,
                times=sum(work.tries for work in its),
                typical=took[(len(took) - 1) // 2] if took else None,
                failed=sum(work.failed for work in its if work.is_well),
                url=links.install(install_id),
            )
        )
    return found
