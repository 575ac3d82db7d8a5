"""A poll's answer beside what was seen last: whether anything is new, and what follows. Pure.

In two steps, because only the first can say what has to be looked up for the second: `compare`
finds out what changed and which events that makes, `observe` routes and words them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from monitor.compose import notifications, render
from monitor.compose.assembly import scene_of, view_of
from monitor.compose.templates import MessageTemplates
from monitor.decide.beliefs import believe, believe_first
from monitor.decide.diff import Difference, diff
from monitor.decide.dispatch import Dispatch, Plan, dispatch
from monitor.decide.events import Decision, decide
from monitor.decide.flapping import FlappingRules
from monitor.decide.order import FRESH, Staleness
from monitor.decide.progress import last_change, starter_of
from monitor.decide.stalls import StallRules, stalled_ids
from monitor.decide.verdicts import Silence
from monitor.kinds.profile import LastSeen
from monitor.model import Called, Entity, Form, Snapshot, Target, TargetState, Watch

_USUAL_RULES = FlappingRules()


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a target after a poll: all that its cards show, but for names.

    `silences` are those that concern it, `previous` the links to the cards of the attempt
    before, by destination. `tables` has the destinations with a table of what fails, each with
    the link to it, empty before it is posted.
    """

    snapshot: Snapshot
    state: TargetState
    silences: tuple[Silence, ...] = ()
    previous: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)

    @property
    def lacks_link(self) -> bool:
        """Whether its card was drawn before the one of the attempt before was posted."""
        return self.state.attempt > 1 and not self.previous

    @property
    def lacks_table_link(self) -> bool:
        """Whether its card was drawn before its table was posted."""
        return not all(self.tables.values())

    @property
    def last_seen(self) -> LastSeen:
        """What the next poll has to know to ask for the right documents."""
        return LastSeen(self.snapshot.root, stalled_ids(self.snapshot.root, self.state))

    def is_like(self, other: Seen) -> bool:
        """Whether both are the same but for when they were seen."""
        return (
            self.snapshot.root == other.snapshot.root
            and self.state == other.state
            and self.silences == other.silences
            and self.previous == other.previous
            and self.tables == other.tables
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What an answer changes, and the events that it makes."""

    snapshot: Snapshot
    difference: Difference
    decision: Decision
    staleness: Staleness = FRESH

    @property
    def shown_ids(self) -> tuple[str, ...]:
        """The ids that need names."""
        if not self.decision.state.has_card:
            return ()
        return render.shown_ids(self.snapshot, self.decision.state, self.decision.events)

    @property
    def may_notify(self) -> bool:
        """Whether there is anything that people may have to be notified of."""
        state = self.decision.state
        is_kept_back = any(alert.is_kept_back for alert in state.alerts)
        return bool(self.decision.events) or is_kept_back or state.has_groups_to_sum_up

    def mentioned(self, plan: Plan, called: Called) -> frozenset[str]:
        """Return the e-mail addresses of those whom a route may mention for it."""
        if not (self.may_notify and plan.mentions_starters):
            return frozenset()
        return frozenset(filter(None, [starter_of(self.snapshot.root, called.people)]))


@dataclass(frozen=True, slots=True)
class Facts:
    """What was looked up for a change.

    `silences` are all that are active. `previous` and `cards` are the links to the cards of the
    attempt before and of this one, by destination, `tables` those to its tables, `users` Slack's
    own ids of people by their e-mail addresses, `app_destinations` what the platform holds for
    apps, by their ids.
    """

    called: Called
    silences: tuple[Silence, ...] = ()
    previous: Mapping[str, str] = field(default_factory=dict)
    cards: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    app_destinations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observation:
    """What is new, and all that follows from it. `problems` are those of the user's templates."""

    seen: Seen
    dispatched: Dispatch
    messages: notifications.Messages
    problems: tuple[str, ...] = ()


def compare(
    seen: Seen | None,
    target: Target,
    root: Entity,
    *,
    now: datetime,
    stall_rules: StallRules,
    flapping_rules: FlappingRules = _USUAL_RULES,
    forgot_before: datetime | None = None,
    is_new: bool = False,
) -> Change:
    """Compare an answer's tree with what was seen last.

    For the same answer once more it is the tree that was seen: then only the time has moved.
    `is_new` and `forgot_before` matter at first sight only: see `events.decide`.
    """
    if seen is None:
        belief = believe_first(Snapshot(target, now, root))
    else:
        belief = believe(seen.snapshot, seen.state, root, now=now)
    before, after = seen.snapshot if seen else None, belief.snapshot
    if before is not None and after.root is before.root:
        difference = Difference((), has_moved=False)
    else:
        difference = diff(before, after)
    state = belief.state
    if state is not None:
        # A card that says that it is not watched any more is drawn anew: it is watched.
        state = msgspec.structs.replace(state, is_closed=False)
    decision = decide(
        before,
        after,
        difference,
        state,
        claims=belief.claims,
        staleness=belief.staleness,
        now=now,
        stall_rules=stall_rules,
        flapping_rules=flapping_rules,
        forgot_before=forgot_before,
        is_new=is_new,
    )
    return Change(after, difference, decision, belief.staleness)


def observe(
    seen: Seen | None,
    change: Change,
    facts: Facts,
    *,
    watch: Watch,
    plan: Plan,
    links: render.Links,
    templates: MessageTemplates,
    keeps_cards: Callable[[str], bool],
    is_late: bool = False,
) -> Observation | None:
    """Return what is new and what follows from it; None where all is as it was.

    What `is_late` may have happened long ago: nobody has looked since.
    """
    snapshot, decision = change.snapshot, change.decision
    scene = scene_of(watch, snapshot, facts.called, app_destinations=facts.app_destinations)
    dispatched = dispatch(
        scene,
        decision.events,
        decision.state,
        plan=plan,
        silences=facts.silences,
        keeps_cards=keeps_cards,
        now=snapshot.taken_at,
    )
    now_seen = Seen(snapshot, dispatched.state, dispatched.silences, facts.previous, facts.tables)
    if seen is not None and now_seen.is_like(seen):
        return None
    view = view_of(
        snapshot,
        dispatched.state,
        facts.called,
        links=links,
        watch=watch,
        templates=templates,
        silences=dispatched.silences,
    )
    messages = notifications.compose(
        view,
        dispatched,
        earlier=seen.state if seen else None,
        keeps_cards=keeps_cards,
        cards=facts.cards,
        previous=facts.previous,
        users=facts.users,
        tables=facts.tables,
    )
    if is_late and change.difference.transitions:
        messages = messages.with_time(last_change(snapshot.root))
    new = {card.destination: "" for card in messages.cards if card.form is Form.TABLE}
    now_seen = replace(now_seen, tables={**new, **facts.tables})
    problems = tuple(map(str, view.filled.problems)) if view.filled else ()
    return Observation(now_seen, dispatched, messages, problems)
