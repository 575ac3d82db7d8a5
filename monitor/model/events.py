"""What is worth notifying people of, and what is remembered of a target between two polls."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from monitor.model.reasons import Reason, ReasonKind
from monitor.model.tree import Entity, Level

_UNEXPLAINED = Reason()


class EventKind(StrEnum):
    """What people can be notified of, in the words that routes, logs, metrics and JSON use."""

    STARTED = "started"
    PROGRESSED = "progressed"
    WAITING = "waiting"
    STALLED = "stalled"
    FAILED = "failed"
    FLAPPING = "flapping"
    RECOVERED = "recovered"
    SUCCEEDED = "succeeded"
    REMOVED = "removed"
    UNREACHABLE = "unreachable"
    REACHABLE = "reachable"


class Event(msgspec.Struct, frozen=True):
    """What people are notified of.

    `alert_key` is that of the alert that it belongs to. `is_reminder` marks an alert that is
    still active. `notified_destinations` were notified of the alert that has ended now; None
    where that was not recorded.
    """

    kind: EventKind
    level: Level
    entity: Entity
    reason: Reason = _UNEXPLAINED
    is_reminder: bool = False
    alert_key: str = ""
    notified_destinations: tuple[str, ...] | None = None

    @property
    def follows_problem(self) -> bool:
        """Whether it is for those alone who were notified of the problem before."""
        ends = (EventKind.RECOVERED, EventKind.REACHABLE)
        return self.kind in ends or self.reason.kind is ReasonKind.TRIED_AGAIN


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """An active problem: people are notified of it once, and reminded of it.

    `alert_key` says what has the problem (see `progress.alert_key_of`): an install keeps its
    key when another deploy takes over. `entity_id` says with which of them it began; empty where
    that was not recorded. `is_retrying` marks something that failed, is under way
    again, and has not succeeded yet. `notified_destinations` have been notified of it; None
    where that was not recorded. With `is_kept_back` further destinations may have to be notified,
    at `look_again_at` or when something changes.
    """

    alert_key: str
    kind: EventKind
    since: datetime
    notified_at: datetime
    reason: Reason = _UNEXPLAINED
    entity_id: str = ""
    is_retrying: bool = False
    notified_destinations: tuple[str, ...] | None = None
    is_kept_back: bool = False
    look_again_at: datetime | None = None
    answered_before: tuple[str, ...] = ()
    """Of a wait: the approvals that had an answer when it began (see `decide/answers.py`)."""


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """What answers say of a part, and is not believed before enough polls in a row have said it.

    `says` is a hash of it (see `decide/claims.py`), `polls` how many have said it by now. What
    `is_older` is so by the platform's own times.
    """

    kind: str
    id: str
    says: int
    polls: int = 1
    is_older: bool = False


class FormerValues(msgspec.Struct, frozen=True):
    """Hashes of what a part was before, where its times do not tell one value from another."""

    kind: str
    id: str
    values: tuple[int, ...]


class Group(msgspec.Struct, frozen=True, omit_defaults=True):
    """The failures of parts of a rollout that one destination is notified of together.

    A failure that was posted at once has opened it. `alert_keys` are of those that followed, which
    one message sums up at `ends_at`, or when the rollout ends.
    """

    destination: str
    ends_at: datetime
    alert_keys: tuple[str, ...] = ()

    def is_over(self, now: datetime) -> bool:
        """Whether the next failure is posted at once."""
        return now >= self.ends_at and not self.alert_keys


class Flaps(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often something failed lately, by its alert key; an alert of its own says that it flaps.

    `failed_at` are the last times within the window, `count` is all of them. It is stable if
    nothing changes until `stable_at`. `notified_destinations` were notified of any failure. One
    that `is_kept_back` fails while its rollout flaps, and nobody was notified of that.
    """

    alert_key: str
    stable_at: datetime
    failed_at: tuple[datetime, ...] = ()
    count: int = 0
    notified_destinations: tuple[str, ...] = ()
    is_kept_back: bool = False


class TargetState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a target beside its last snapshot; stored with it in one transaction.

    `changed_at` is when, by our clock, anything last changed. `suspects` are the steps
    that looked like a dead end in the last poll: a second one has to confirm it. `claims` are
    what more answers have to confirm, `former` what parts without times were before, and `lags`
    counts how often an older answer was followed by a newer one again. `event_count`
    counts the events of this target, which gives each notification its stable key.
    `ended` is `succeeded`, `failed`, or `progressed` for an end that is neither.
    `card_destinations` are those where this attempt has its card, which `is_closed` while it is not
    watched any more. `groups` are the destinations where a failure was posted lately,
    `flaps` what failed lately.
    """

    changed_at: datetime
    attempt: int = 1
    alerts: tuple[Alert, ...] = ()
    suspects: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    former: tuple[FormerValues, ...] = ()
    lags: int = 0
    has_card: bool = False
    ended: EventKind | None = None
    ended_at: datetime | None = None
    event_count: int = 0
    card_destinations: tuple[str, ...] = ()
    is_closed: bool = False
    groups: tuple[Group, ...] = ()
    flaps: tuple[Flaps, ...] = ()

    @property
    def has_groups_to_sum_up(self) -> bool:
        return any(group.alert_keys for group in self.groups)

    @property
    def is_flapping(self) -> bool:
        return any(alert.kind is EventKind.FLAPPING for alert in self.alerts) or any(
            flaps.is_kept_back for flaps in self.flaps
        )


class Outage(msgspec.Struct, frozen=True):
    """What cannot be polled: `unreachable` or `removed`, since when, and the error in words.

    One that `is_flapping` came and went before, and is not over with the first success.
    """

    kind: EventKind
    since: datetime
    reason: str
    is_flapping: bool = False
