"""The values that everything else speaks of: entities, snapshots, events, notifications.

Whatever is watched is a tree of entities. Its levels have meaning, its kinds have names:
level 0 is the rollout, level 1 its steps, level 2 the units that a step works on (one
install each), and what lies below explains them. Diff, decisions and drawing know
levels and phases only, so that a new kind of watch needs a decoder and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import msgspec


class Phase(StrEnum):
    """Our small closed classification of the platform's open set of status words."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    """For a person."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ENDED = "ended otherwise"
    """An end that whoever waits for it does not count as one: the platform waits on."""
    UNKNOWN = "unknown"
    """A word that we do not know: shown as it is, never taken for an end."""

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ENDED})


class Kind(StrEnum):
    """What an entity is, in the platform's own terms."""

    RELEASE = "release"
    STEP = "release step"
    DEPLOY = "install deploy"
    BUILD = "component build"
    ARTIFACT = "artifact"
    RUNNER_JOB = "runner job"
    JOB_EXECUTION = "runner job execution"
    ACTION_RUN = "action run"
    ACTION_STEP = "action step"
    ACTION = "action"
    INSTALL_ACTION = "install action"
    SANDBOX_RUN = "sandbox run"
    WORKFLOW = "workflow"
    STEP_GROUP = "step group"
    WORKFLOW_STEP = "workflow step"
    APPROVAL = "approval"
    POLICY = "policy validation"
    BRANCH_RUN = "app branch run"
    INSTALL_GROUP = "install group"
    INSTALL_RUN = "install run"
    INSTALLER = "installer"
    APP = "app"
    CONFIG = "app config"
    APPROVALS = "pending approvals"

    @property
    def is_standing(self) -> bool:
        """Whether it has no end of its own: there is always more to come, and rest is no hang."""
        return self in _STANDING

    # An enum hashes the member's name in Python; these are looked up for every entity.
    __hash__ = str.__hash__


_STANDING = frozenset({Kind.INSTALLER, Kind.APPROVALS})


class Level(IntEnum):
    """Where an entity stands in its tree."""

    ROLLOUT = 0
    STEP = 1
    UNIT = 2
    DETAIL = 3


def _words(**phases: str) -> dict[str, Phase]:
    return {word: Phase[name] for name, words in phases.items() for word in words.split()}


# The words are those of the platform's public source, December 2025 and later. A deploy's
# "ended otherwise" are the ones that its step goes on waiting for (it polls for `active` and
# `error` only), which is how a release hangs for ever.
_JOB = _words(
    PENDING="queued available pending",
    RUNNING="initializing in-progress cleaning-up",
    SUCCEEDED="finished",
    FAILED="failed timed-out",
    ENDED="not-attempted cancelled unknown",
)
_ACTION = _words(
    PENDING="queued pending",
    RUNNING="in-progress",
    SUCCEEDED="finished active",
    FAILED="error timed-out",
    ENDED="cancelled unknown",
)
_UNDER_WAY = _words(
    PENDING="queued pending",
    RUNNING="in-progress planning checking-plan applying building generating provisioning"
    " deleting retrying approval-retry running",
    WAITING="approval-awaiting awaiting-user-run failed-pending-retry awaiting_approval",
    SUCCEEDED="success active approved noop no-drift auto-skipped user-skipped",
    FAILED="error failed approval-denied approval-expired expired",
)
# What a step that failed leaves behind it was never begun: like a release's step that stays
# queued, it is no failure of its own.
_PART_OF_WORKFLOW = _UNDER_WAY | _words(
    PENDING="not-attempted discarded outdated", ENDED="cancelled drifted warning"
)
_WHOLE_WORKFLOW = _UNDER_WAY | _words(
    FAILED="cancelled not-attempted discarded outdated", ENDED="drifted warning"
)
_PHASES: Mapping[Kind, Mapping[str, Phase]] = {
    Kind.RELEASE: _words(
        PENDING="queued",
        RUNNING="planning provisioning deprovisioning syncing executing executing_release_steps",
        SUCCEEDED="active",
        FAILED="error",
    ),
    Kind.STEP: _words(
        PENDING="queued waiting_for_delay",
        RUNNING="creating_install_deploys polling_install_deploys",
        SUCCEEDED="active",
        FAILED="error",
    ),
    Kind.DEPLOY: _words(
        PENDING="queued pending",
        RUNNING="planning syncing executing",
        WAITING="pending-approval",
        SUCCEEDED="active",
        FAILED="error",
        ENDED="inactive noop cancelled approval-denied drift-detected no-drift"
        " auto-skipped unknown",
    ),
    Kind.BUILD: _words(
        RUNNING="planning building deleting",
        SUCCEEDED="active",
        FAILED="error",
    ),
    Kind.ARTIFACT: {},
    Kind.RUNNER_JOB: _JOB,
    Kind.JOB_EXECUTION: _JOB,
    Kind.ACTION_RUN: _ACTION,
    Kind.ACTION_STEP: _ACTION,
    Kind.ACTION: _ACTION,
    Kind.INSTALL_ACTION: _ACTION,
    Kind.SANDBOX_RUN: _words(
        PENDING="queued empty",
        RUNNING="planning provisioning reprovisioning applying deprovisioning",
        WAITING="pending-approval",
        SUCCEEDED="active no-drift auto-skipped",
        FAILED="error access_error approval-denied",
        ENDED="deprovisioned cancelled drift-detected unknown",
    ),
    Kind.WORKFLOW: _WHOLE_WORKFLOW,
    Kind.STEP_GROUP: _PART_OF_WORKFLOW,
    Kind.WORKFLOW_STEP: _PART_OF_WORKFLOW,
    Kind.APPROVAL: _PART_OF_WORKFLOW,
    Kind.POLICY: _PART_OF_WORKFLOW,
    Kind.BRANCH_RUN: _WHOLE_WORKFLOW | _words(ENDED="not-attempted"),  # an ignored change
    Kind.INSTALL_GROUP: _PART_OF_WORKFLOW,
    Kind.INSTALL_RUN: _PART_OF_WORKFLOW | _words(ENDED="superseded"),
    Kind.INSTALLER: {},
    Kind.APP: _words(
        RUNNING="provisioning deprovisioning delete_queued",
        SUCCEEDED="active",
        FAILED="error",
    ),
    Kind.CONFIG: _words(
        PENDING="pending",
        RUNNING="syncing",
        SUCCEEDED="active",
        FAILED="error",
        ENDED="outdated",
    ),
    Kind.APPROVALS: {},
}


def phase_of(kind: Kind, status: str) -> Phase:
    """Classify one of the platform's status words; an empty one has only just begun."""
    if not status:
        return Phase.PENDING
    return _PHASES[kind].get(status, Phase.UNKNOWN)


def is_refusal(status: str) -> bool:
    """Whether a person said no: a workflow may go on without that part, and end well."""
    return status == "approval-denied"


def known_statuses(kind: Kind) -> tuple[str, ...]:
    """Return every status word of a kind that has a phase."""
    return tuple(_PHASES[kind])


class Target(msgspec.Struct, frozen=True, order=True):
    """What a watch observes: a kind of watch (`release`, …) and an id."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class PastStatus(msgspec.Struct, frozen=True, gc=False):
    """One entry of a status history; `at` is the platform's time."""

    status: str
    at: datetime
    description: str = ""


class Entity(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One node of a snapshot's tree.

    `status` and `description` are the platform's own words, unaltered. Times are the
    platform's, aware and UTC; None where it gave none. `status_at` is when the status
    was set and `history` what it was before, both only where the platform says so.
    `planned` are the installs that a step was asked to work on, `delay` its waiting time
    in seconds before it begins. `revision` is the commit or git reference it was built from.
    `created_by` is an e-mail address, or the id of an account where the answer lacks that.
    `slot` is the piece of work that a unit stands for: of units with the same one the later
    replaces the earlier, as a retry does. `facts` are what else the platform says of it, by
    the platform's own names, in the order to show them in; they are compared too.
    `is_absent` marks a part that the newest answer lacked: it stands as it was last seen.
    """

    kind: Kind
    id: str
    status: str = ""
    description: str = ""
    name: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    status_at: datetime | None = None
    history: tuple[PastStatus, ...] = ()
    delay: float = 0.0
    planned: tuple[str, ...] = ()
    install_id: str = ""
    component_id: str = ""
    build_id: str = ""
    revision: str = ""
    workflow_id: str = ""
    app_id: str = ""
    created_by: str = ""
    slot: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    plan_only: bool = False
    is_absent: bool = False
    children: tuple[Entity, ...] = ()

    @property
    def phase(self) -> Phase:
        return phase_of(self.kind, self.status)

    @property
    def work(self) -> str:
        """What a unit works at: an install, where nothing else is said."""
        return self.slot or self.install_id or self.id

    def fact(self, name: str) -> str:
        """Return one of the facts; empty where the platform does not give it."""
        return next((value for known, value in self.facts if known == name), "")

    @property
    def is_delayed(self) -> bool:
        """Whether this step is only waiting for its own `delay` to pass."""
        return self.kind is Kind.STEP and self.status == "waiting_for_delay"

    @property
    def is_still_creating(self) -> bool:
        """Whether more units may yet appear below this step."""
        return self.is_absent or self.status == "creating_install_deploys"

    def walk(self) -> Iterator[tuple[Level, Entity]]:
        """Yield this entity and all below it, parents first, in the order they are shown."""
        return iter(self.flat())

    def flat(self, level: Level = Level.ROLLOUT) -> list[tuple[Level, Entity]]:
        """Return what `walk` yields, as a list."""
        found = [(level, self)]
        below = _BELOW[level]
        for child in self.children:
            if child.children:
                found.extend(child.flat(below))
            else:
                found.append((below, child))
        return found


_BELOW = (Level.STEP, Level.UNIT, Level.DETAIL, Level.DETAIL)


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything one poll learned about a target; `taken_at` is our own clock.

    `bygone` are parts that the answers lack since the rollout began anew: they are no
    longer shown, and compared with what they were if they come back. None has children.
    """

    target: Target
    taken_at: datetime
    root: Entity
    bygone: tuple[Entity, ...] = ()


class Transition(msgspec.Struct, frozen=True):
    """One entity whose status changed. `before` is None for one that was not there before.

    `at` is the platform's own time of the change where it gave one. `is_current` is False
    for a status that came and went between two polls and was read from the history.
    """

    level: Level
    entity: Entity
    before: str | None
    after: str
    description: str = ""
    at: datetime | None = None
    is_current: bool = True

    @property
    def phase_before(self) -> Phase | None:
        return None if self.before is None else phase_of(self.entity.kind, self.before)

    @property
    def phase_after(self) -> Phase:
        return phase_of(self.entity.kind, self.after)


class Alteration(msgspec.Struct, frozen=True):
    """One fact of an entity that is not what it was; `before` is empty for a new one."""

    level: Level
    entity: Entity
    fact: str
    before: str
    after: str


class EventKind(StrEnum):
    """What people are told; the words that routes, logs, metrics and JSON use."""

    STARTED = "started"
    PROGRESSED = "progressed"
    WAITING = "waiting"
    STALLED = "stalled"
    FAILED = "failed"
    RECOVERED = "recovered"
    SUCCEEDED = "succeeded"
    GONE = "gone"
    UNREACHABLE = "unreachable"
    REACHABLE = "reachable"


class Event(msgspec.Struct, frozen=True):
    """What happened, as it is told. `reason` is a phrase; it may hold the platform's own words.

    `place` is that of the alert that it belongs to. `is_reminder` marks what was told before
    and still holds. `told` are the sinks that were told of the trouble that is over now; None
    where nobody kept count.
    """

    kind: EventKind
    level: Level
    entity: Entity
    reason: str = ""
    is_reminder: bool = False
    place: str = ""
    told: tuple[str, ...] | None = None


class Stall(StrEnum):
    """Why something is taken to hang."""

    DEAD_END = "dead end"
    """All open units of a step came to an end that the platform does not count."""
    QUIET = "quiet"
    """Nothing changed for as long as `stall.after` says."""
    GIVEN_UP = "given up"
    """Nothing changed for longer than the platform itself keeps working at a release."""
    DISAGREES = "disagrees"
    """The rollout says that it succeeded, its parts do not."""


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """A trouble that was told and still stands: it is told once, and reminded of.

    `place` is what is in trouble (see `rollout.place_of`): an install keeps its place when
    another deploy takes over. `is_retrying` marks something that failed, is under way
    again, and has not succeeded yet. `told` are the sinks that were told of it; None where
    nobody kept count. Where `is_kept_back`, it may have to be told to more of them, at
    `look_again_at` or when something moves.
    """

    place: str
    kind: EventKind
    since: datetime
    told_at: datetime
    reason: str = ""
    stall: Stall | None = None
    is_retrying: bool = False
    told: tuple[str, ...] | None = None
    is_kept_back: bool = False
    look_again_at: datetime | None = None


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a target beside its last snapshot; stored with it in one transaction.

    `changed_at` is when, by our clock, anything last changed. `suspects` are the steps
    that looked like a dead end in the last poll: a second one has to confirm it. `told`
    counts what was told of this target, which gives each notification its stable key.
    `ended` is `succeeded`, `failed`, or `progressed` for an end that is neither.
    `card_sinks` are those where this attempt has its card, which `is_closed` while it is not
    watched any more.
    """

    changed_at: datetime
    attempt: int = 1
    alerts: tuple[Alert, ...] = ()
    suspects: tuple[str, ...] = ()
    has_card: bool = False
    ended: EventKind | None = None
    ended_at: datetime | None = None
    told: int = 0
    card_sinks: tuple[str, ...] = ()
    is_closed: bool = False


class Blindness(msgspec.Struct, frozen=True):
    """What was told not to be visible, since when and why: `unreachable` or `gone`."""

    kind: EventKind
    since: datetime
    reason: str


class Commit(NamedTuple):
    """What something was built from; `message` is the first line. Each may be empty."""

    revision: str
    message: str
    author: str


class Called(msgspec.Struct, frozen=True):
    """What ids are called; each mapping lacks what is not known.

    `names` are those of installs, components, apps and app branches, `apps` the ids of the
    apps that these belong to, `commits` and `components` those of builds (these by their ids),
    `people` the e-mails of accounts.
    """

    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    apps: Mapping[str, str] = msgspec.field(default_factory=dict)
    commits: Mapping[str, Commit] = msgspec.field(default_factory=dict)
    components: Mapping[str, str] = msgspec.field(default_factory=dict)
    people: Mapping[str, str] = msgspec.field(default_factory=dict)


class Message(msgspec.Struct, frozen=True):
    """One Slack message: the Block Kit blocks and their plain-text twin, both complete."""

    text: str
    blocks: tuple[dict[str, Any], ...] = ()


class MessageRef(msgspec.Struct, frozen=True):
    """Where a message stands in Slack: a thread is named by its first message's.

    Both are empty for a message through an incoming webhook, which does not say.
    """

    channel_id: str
    ts: str


class Form(StrEnum):
    """How a notification appears in its sink."""

    CARD = "card"
    """The rollout's card, posted once and edited from then on."""
    REPLY = "reply"
    """A reply in the card's thread."""
    MESSAGE = "message"
    """A message that stands alone."""


class Notification(msgspec.Struct, frozen=True):
    """Events addressed to one sink. `key` is stable: the same news never has two keys."""

    key: str
    sink: str
    form: Form
    message: Message
    target: Target | None = None
    attempt: int = 1
    events: tuple[EventKind, ...] = ()
    is_broadcast: bool = False


class HeldLine(msgspec.Struct, frozen=True):
    """What happened in a quiet window, as its summary will say it: words of a title, and a page.

    `id` is the store's, 0 before it has one.
    """

    sink: str
    window: str
    until: datetime
    target: Target
    event: EventKind
    place: str
    title: str
    words: str
    url: str
    at: datetime
    id: int = 0


class Card(msgspec.Struct, frozen=True):
    """What a rollout's card in one sink ought to show now."""

    target: Target
    attempt: int
    sink: str
    message: Message
