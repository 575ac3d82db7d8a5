"""One event → who is notified, who later and who never, and why. Pure.

Routes are looked at in order. The first that matches decides, unless it says `continue`; what
comes to the end of them goes to the watch's own channel. A route that waits, is held or is
dropped has matched as well: what it keeps back does not fall through to the next.

Nothing is remembered here. The caller keeps with each active alert the destinations that were
notified of it (`Subject.notified_destinations`) and routes it again while it is active: then
whoever was kept waiting by a threshold, a window or a silence is notified of it, and once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from monitor.decide.verdicts import (
    Decision,
    Held,
    Recipient,
    Shortfall,
    Silence,
    Step,
    Verdict,
    Waiting,
)
from monitor.decide.windows import Then, Window, hold_at
from monitor.model import EventKind, Level, Matcher, Mention, MentionKind, Mismatch, Subject

_LASTING = frozenset({EventKind.FAILED, EventKind.FLAPPING, EventKind.STALLED, EventKind.WAITING})
_ENDS_OF_PROBLEMS = frozenset({EventKind.RECOVERED, EventKind.REACHABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A route. Without a destination nobody is notified; without events it is for all of them.

    `min_failed` keeps back failures of parts until so many installs have failed, but not the
    failure of the rollout itself. `lasting` keeps back what fails, stalls or
    waits until it has lasted so long. `group_interval` is how long after a
    failure the further ones of a rollout are put together.
    """

    destination: str | None
    name: str = ""
    events: tuple[EventKind, ...] = ()
    matcher: Matcher = field(default_factory=Matcher)
    mentions: tuple[Mention, ...] = ()
    continues: bool = False
    min_failed: int = 1
    lasting: timedelta = timedelta(0)
    group_interval: timedelta = timedelta(0)

    def mismatch(self, subject: Subject) -> Mismatch | None:
        """Return why it is not for this event; None where it is."""
        if self.events and subject.event not in self.events:
            return Mismatch("event", tuple(map(str, self.events)), str(subject.event))
        return self.matcher.mismatch(subject)


def route(
    subject: Subject,
    rules: Sequence[Rule],
    *,
    default_destination: str,
    now: datetime,
    windows: Sequence[Window] = (),
    silences: Sequence[Silence] = (),
    group_interval: timedelta = timedelta(0),
) -> Verdict:
    """Decide who is notified of an event; the default destination is the watch's own channel.

    `group_interval` is the default destination's.
    """
    default = Rule(destination=default_destination, group_interval=group_interval)
    silence = active_silence(subject, silences, now)
    if silence is not None:
        return Verdict(silence=silence)
    decided = [
        _decide(rule, step, subject, windows, now) for rule, step in _steps(subject, rules, default)
    ]
    outcomes = [outcome for _, outcome in decided if outcome is not None]
    return _verdict_of(outcomes, tuple(step for step, _ in decided))


def _verdict_of(outcomes: Sequence[Recipient | Held | Waiting], steps: tuple[Step, ...]) -> Verdict:
    """Put together what the routes made of an event: who is notified now does not wait as well."""
    recipients = _merged(one for one in outcomes if isinstance(one, Recipient))
    done = {recipient.destination for recipient in recipients}
    kept = [
        one
        for one in outcomes
        if not isinstance(one, Recipient) and one.recipient.destination not in done
    ]
    return Verdict(
        recipients=recipients,
        held=_held_once([one for one in kept if isinstance(one, Held)]),
        waiting=tuple(one for one in kept if isinstance(one, Waiting)),
        steps=steps,
    )


def card_destinations(
    subject: Subject, rules: Sequence[Rule], *, default_destination: str
) -> tuple[str, ...]:
    """Return where a rollout's card is posted: wherever its `started` leads, at whatever hour.

    The subject is one of the rollout as a whole, of whatever event. Windows and silences do
    not count: a card is edited quietly, and says itself that it is silenced.
    """
    started = replace(subject, event=EventKind.STARTED)
    steps = (
        step
        for _, step in _steps(started, rules, Rule(destination=default_destination))
        if step.decision is not Decision.NO_MATCH
    )
    return tuple(dict.fromkeys(s.destination for s in steps if s.destination is not None))


def active_silence(subject: Subject, silences: Sequence[Silence], now: datetime) -> Silence | None:
    """Return the silence over a subject; of several, the one that lasts longest."""
    matching = (one for one in silences if one.is_active(now) and one.matcher.matches(subject))
    return max(matching, key=lambda one: one.until, default=None)


def _steps(subject: Subject, rules: Sequence[Rule], default: Rule) -> Iterator[tuple[Rule, Step]]:
    """Yield the routes as far as they are looked at, each as if the event were dropped there."""
    for number, rule in enumerate(rules, start=1):
        mismatch = rule.mismatch(subject)
        if mismatch is not None:
            decision = Decision.NO_MATCH
            yield rule, Step(decision=decision, number=number, name=rule.name, mismatch=mismatch)
            continue
        looks_further = rule.continues and rule.destination is not None
        yield (
            rule,
            Step(
                decision=Decision.DROPPED,
                number=number,
                name=rule.name,
                destination=rule.destination,
                looks_further=looks_further,
            ),
        )
        if not looks_further:
            return
    yield default, Step(decision=Decision.DROPPED, destination=default.destination)


def _decide(
    rule: Rule,
    step: Step,
    subject: Subject,
    windows: Sequence[Window],
    now: datetime,
) -> tuple[Step, Recipient | Held | Waiting | None]:
    """Return what becomes of an event at a route, and for whom; None for nobody."""
    if step.decision is Decision.NO_MATCH or rule.destination is None:
        return step, None
    refusal = _refusal(subject, rule.destination)
    if refusal is not None:
        return replace(step, decision=refusal), None
    mentions = _resolved(rule.mentions, subject)
    routes = () if step.number is None else (rule.name,)
    recipient = Recipient(rule.destination, mentions, routes, rule.group_interval)
    shortfall = _shortfall(rule, subject)
    if shortfall is not None:
        waiting = _waiting(recipient, shortfall, now)
        return replace(step, decision=Decision.UNDER_THRESHOLD, shortfall=shortfall), waiting
    lacks_starter = len(mentions) < len(rule.mentions)
    step = replace(step, mentions=mentions, lacks_starter=lacks_starter)
    hold = hold_at([one for one in windows if one.is_for(subject.event, rule.name)], now)
    if hold is None:
        return replace(step, decision=Decision.NOTIFIED), recipient
    return replace(step, decision=_decision_in(hold.then, subject), hold=hold), Held(
        recipient, hold
    )


def _refusal(subject: Subject, destination: str) -> Decision | None:
    """Return why a destination is not notified, by what it was notified of before."""
    if subject.notified_destinations is None:
        return None
    was_notified = destination in subject.notified_destinations
    if subject.follows_problem or subject.event in _ENDS_OF_PROBLEMS:
        return None if was_notified else Decision.PROBLEM_UNKNOWN
    return Decision.NOTIFIED_BEFORE if was_notified else None


def _decision_in(then: Then, subject: Subject) -> Decision:
    if then is Then.SUMMARY:
        return Decision.HELD
    return Decision.DELAYED_BY_WINDOW if subject.event in _LASTING else Decision.DROPPED_BY_WINDOW


def _resolved(mentions: Sequence[Mention], subject: Subject) -> tuple[Mention, ...]:
    """Return the mentions with the address of who started it; without it where nobody knows."""
    starter = subject.started_by
    return tuple(
        replace(mention, id=starter) if mention.kind is MentionKind.STARTED_BY else mention
        for mention in mentions
        if mention.kind is not MentionKind.STARTED_BY or starter
    )


def _shortfall(rule: Rule, subject: Subject) -> Shortfall | None:
    is_of_part = subject.event is EventKind.FAILED and subject.level is not Level.ROLLOUT
    lacks_failures = is_of_part and subject.failed < rule.min_failed
    lacks_time = subject.event in _LASTING and subject.age < rule.lasting
    if not lacks_failures and not lacks_time:
        return None
    return Shortfall(
        min_failed=rule.min_failed if lacks_failures else None,
        failed=subject.failed,
        lasting=rule.lasting if lacks_time else None,
        age=subject.age,
    )


def _waiting(recipient: Recipient, shortfall: Shortfall, now: datetime) -> Waiting:
    lasting = shortfall.lasting
    due = None if lasting is None else now + lasting - shortfall.age
    return Waiting(recipient, due, shortfall.min_failed)


def _merged(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Return each destination once, with the mentions and routes of all that lead to it.

    Of their intervals for grouping the shortest counts: who wants to know soonest is heeded.
    """
    merged: dict[str, Recipient] = {}
    for one in recipients:
        before = merged.get(one.destination, one)
        merged[one.destination] = Recipient(
            one.destination,
            tuple(dict.fromkeys(before.mentions + one.mentions)),
            tuple(dict.fromkeys(before.routes + one.routes)),
            min(before.group_interval, one.group_interval),
        )
    return tuple(merged.values())


def _held_once(held: Sequence[Held]) -> tuple[Held, ...]:
    """Return each destination once: rather with a summary than dropped, rather soon than late."""
    return tuple(
        Held(
            recipient,
            min(
                (one.hold for one in held if one.recipient.destination == recipient.destination),
                key=lambda hold: (hold.then is Then.DROP, hold.until),
            ),
        )
        for recipient in _merged(one.recipient for one in held)
    )
