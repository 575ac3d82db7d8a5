"""What the monitor can reach: when it reports an outage, and when it reports its end.

Pure: failures and successes of polls go in, what to report comes out. An outage of the platform
is reported once for all watches, an outage of one target for that target: it is the target's if
any other poll succeeded in the meantime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.decide.flapping import FlappingRules
from monitor.errors import MalformedAnswer, NuonError, NuonNotFound, NuonRejected, Unserved
from monitor.model import EventKind, Named, Outage, Subject, Target, Watch

PLATFORM = "platform"
_PLATFORM_NAME = "Nuon"


@dataclass(frozen=True, slots=True)
class ReachabilityChange:
    """A change of what can be reached. `target` is None for the platform as a whole.

    `flapping_since` is the first of the reports that were too many, or None.
    """

    kind: EventKind
    target: Target | None
    since: datetime
    reason: str
    flapping_since: datetime | None = None

    @property
    def scope(self) -> str:
        return scope_of(self.target)

    @property
    def outage(self) -> Outage | None:
        """The outage that began; None if it ended."""
        if self.kind is EventKind.REACHABLE:
            return None
        is_flapping = self.flapping_since is not None
        return Outage(self.kind, self.since, self.reason, is_flapping)


def scope_of(target: Target | None) -> str:
    """Return the scope under which an outage is stored."""
    return PLATFORM if target is None else f"{target.kind}/{target.id}"


def subject_of_outage(kind: EventKind, watch: Watch | None) -> Subject:
    """Return all that routes can ask of an outage, or of its end.

    `watch` is that of the target concerned, None for the platform as a whole. Of a target that
    cannot be reached only the configuration is known: neither app nor install.
    """
    if watch is None:
        return Subject(event=kind, name=_PLATFORM_NAME)
    return Subject(
        event=kind,
        kind=watch.target.kind,
        rollout=Named(watch.target.id),
        watch=watch.settings.entry,
        labels=watch.settings.labels,
        name=watch.title or str(watch.target),
    )


def _is_unserved(error: NuonError) -> bool:
    """Whether the platform itself answers that it does not serve what is watched."""
    unserved = error.unserved if isinstance(error, NuonRejected) else None
    return unserved in (Unserved.ROUTE, Unserved.FEATURE)


_USUAL_RULES = FlappingRules()


@dataclass(slots=True)
class _Failures:
    since: datetime
    began: int
    """The position of the first of them in the order of all failures and successes."""
    count: int = 0


class Reachability:
    """Takes note of failures in a row, per watch.

    Polls have failed in a row for `unreachable_after` before it is reported: one alone never is.
    After more reports than the `flapping_rules` allow, of outages and of their ends, the next
    outage lasts until it could be reached for their window. `reported` are the outages that an
    earlier run has reported and that are not over, `reports` the times of its last reports.
    """

    def __init__(
        self,
        *,
        unreachable_after: timedelta,
        reported: Mapping[str, Outage],
        reports: Mapping[str, Sequence[datetime]] | None = None,
        flapping_rules: FlappingRules = _USUAL_RULES,
    ) -> None:
        self._unreachable_after = unreachable_after
        self._flapping_rules = flapping_rules
        self._reports = {scope: tuple(times) for scope, times in (reports or {}).items()}
        self._failed_at: dict[str, datetime] = {}
        self._answered: set[str] = set()
        self._reported = dict(reported)
        self._failures: dict[Target, _Failures] = {}
        self._has_seen = False
        self._moment = 0
        self._asked: dict[Target, int] = {}
        self._seen_at = 0

    @property
    def platform_outage(self) -> Outage | None:
        return self._reported.get(PLATFORM)

    @property
    def has_seen(self) -> bool:
        """Whether the platform answered any poll since the start, if only that it has no such."""
        return self._has_seen

    def outage_of(self, target: Target) -> Outage | None:
        return self._reported.get(scope_of(target))

    def present_outage(self, target: Target | None) -> Outage | None:
        """Return what cannot be reached at this moment, of the platform with None.

        What comes and goes is still an outage to people when it has answered again; to whoever
        asks how things are just now it is none.
        """
        scope = scope_of(target)
        outage = self._reported.get(scope)
        has_answered = outage is not None and outage.is_flapping and scope in self._answered
        return None if has_answered else outage

    def failures_of(self, target: Target) -> int:
        """Return how many polls of this target failed in a row."""
        failures = self._failures.get(target)
        return failures.count if failures else 0

    def unreported_for(self, target: Target, now: datetime) -> timedelta | None:
        """Return how much longer polls of this target must fail to be reported; None if no more."""
        failures = self._failures.get(target)
        left = failures.since + self._unreachable_after - now if failures else timedelta(0)
        return left if left > timedelta(0) else None

    def _has_failed_for_long(self, target: Target, now: datetime) -> bool:
        return self.failures_of(target) > 1 and self.unreported_for(target, now) is None

    def asks(self, target: Target) -> None:
        """Take note that a poll begins: its answer is no evidence against later failures.

        When an outage begins, answers from just before it may still be processed.
        """
        self._asked[target] = self._next_moment()

    def failed(self, target: Target, error: NuonError, now: datetime) -> ReachabilityChange | None:
        """Take note of a failed poll; returns what to report, until it is adopted."""
        failures = self._failures.setdefault(target, _Failures(now, self._next_moment()))
        failures.count += 1
        is_removed = isinstance(error, NuonNotFound)
        is_answered = is_removed or _is_unserved(error)
        self._has_seen |= is_answered
        is_its_own = (
            is_answered or isinstance(error, MalformedAnswer) or self._seen_at > failures.began
        )
        subject = target if is_its_own else None
        concerned = (scope_of(target), scope_of(subject))
        self._failed_at |= dict.fromkeys(concerned, now)
        self._answered.difference_update(concerned)
        if not self._has_failed_for_long(target, now):
            return None
        reported = self.outage_of(target)
        if reported is not None and (reported.kind is EventKind.REMOVED or not is_removed):
            return None
        if subject is None and self.platform_outage is not None:
            return None
        kind = EventKind.REMOVED if is_removed else EventKind.UNREACHABLE
        flapping_since = self._flapping_since(scope_of(subject), now)
        return ReachabilityChange(kind, subject, failures.since, str(error), flapping_since)

    def succeeded(self, target: Target, now: datetime) -> tuple[ReachabilityChange, ...]:
        """Take note of a poll that succeeded; returns what can be reached again.

        It is returned until it is adopted.
        """
        asked = self._asked.pop(target, 0) or self._next_moment()
        self._seen_at = max(self._seen_at, asked)
        self._has_seen = True
        self._failures.pop(target, None)
        if not self._reported:
            return ()
        self._answered.update((PLATFORM, scope_of(target)))
        again: list[ReachabilityChange] = []
        for subject in (None, target):
            scope = scope_of(subject)
            outage = self._reported.get(scope)
            if outage is None or (outage.is_flapping and not self._is_stable(scope, now)):
                continue
            flapping_since = outage.since if outage.is_flapping else None
            again.append(
                ReachabilityChange(
                    EventKind.REACHABLE, subject, outage.since, outage.reason, flapping_since
                )
            )
        return tuple(again)

    def adopt(self, news: ReachabilityChange, now: datetime) -> None:
        """Count these as reported: the store has them by now."""
        reports = (*self._reports.get(news.scope, ()), now)
        self._reports[news.scope] = reports[-self._flapping_rules.after - 1 :]
        if news.outage is None:
            del self._reported[news.scope]
        else:
            self._reported[news.scope] = news.outage

    def _flapping_since(self, scope: str, now: datetime) -> datetime | None:
        """Return the first of the last reports if one more would be too many, else None."""
        rules = self._flapping_rules
        lately = [at for at in self._reports.get(scope, ()) if at > now - rules.window]
        outage = self._reported.get(scope)
        is_flapping = len(lately) > rules.after or (outage is not None and outage.is_flapping)
        return min(lately, default=now) if is_flapping else None

    def _is_stable(self, scope: str, now: datetime) -> bool:
        """Whether what flapped could be reached for the window, as far as this run has seen."""
        last = self._failed_at.setdefault(scope, now)
        return now - last >= self._flapping_rules.window

    def _next_moment(self) -> int:
        self._moment += 1
        return self._moment
