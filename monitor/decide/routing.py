"""One event → who is told, who is told later, who never, and the sentences that say why. Pure.

Routes are looked at in order. The first that matches decides, unless it says `continue`; who
comes to the end of them is told in the watch's own channel. A route that waits, is held or
is dropped has matched as well: what it keeps back does not fall through to the next.

Nothing is remembered here. The caller keeps with each active alert the destinations that were
notified of it (`Subject.notified_destinations`) and routes it again while it is active: then
whoever was kept waiting by a threshold, a window or a silence is notified of it, and once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from monitor.decide.windows import Hold, Then, Window, clock_words, hold_at
from monitor.model import EventKind, Level, Matcher, Mention, MentionKind, Subject
from monitor.text import counted, duration_words, join_names, plain, quoted

_LASTING = frozenset({EventKind.FAILED, EventKind.STALLED, EventKind.WAITING})
_RELIEF = frozenset({EventKind.RECOVERED, EventKind.REACHABLE})
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A route. Without a destination nobody is told; without events it is for all of them.

    `min_failed` keeps back failures of parts until so many installs have failed: when the
    rollout itself has failed, it is told whatever their number. `lasting` keeps back what
    fails, stalls or waits until it has lasted so long.
    """

    destination: str | None
    name: str = ""
    events: tuple[EventKind, ...] = ()
    matcher: Matcher = field(default_factory=Matcher)
    mentions: tuple[Mention, ...] = ()
    continues: bool = False
    min_failed: int = 1
    lasting: timedelta = timedelta(0)

    def mismatch(self, subject: Subject) -> str | None:
        """Return why it is not for this event; None where it is."""
        if self.events and subject.event not in self.events:
            wanted = join_names([str(kind) for kind in self.events])
            return f"is for {wanted}, this is {subject.event}"
        return self.matcher.mismatch(subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A person's word that what matches is known: nobody is told of it until then."""

    id: int
    matcher: Matcher
    until: datetime
    author: str
    reason: str
    created_at: datetime

    def is_active(self, now: datetime) -> bool:
        return now < self.until

    def words(self, now: datetime) -> str:
        """Return for instance `silenced until 18:00 UTC by anna: database upgrade`."""
        author, reason = plain(self.author, _SHOWN), plain(self.reason, 200)
        return f"silenced until {clock_words(self.until, now)} by {author}: {reason}"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A destination, whom to mention there, and the names of the routes that lead to it.

    The watch's own channel has no route; a route without a name counts as "".
    """

    destination: str
    mentions: tuple[Mention, ...] = ()
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What quiet windows keep from a destination until all of them are over."""

    recipient: Recipient
    hold: Hold


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is under a threshold: not before `due` (None: at once) and so many failed installs."""

    recipient: Recipient
    due: datetime | None
    needs_failed: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one event. No destination is both told and kept waiting or held.

    `steps` has a sentence for everything that was looked at, in order.
    """

    recipients: tuple[Recipient, ...] = ()
    held: tuple[Held, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    silence: Silence | None = None
    steps: tuple[str, ...] = ()


def route(
    subject: Subject,
    rules: Sequence[Rule],
    *,
    home: str,
    now: datetime,
    windows: Sequence[Window] = (),
    silences: Sequence[Silence] = (),
) -> Verdict:
    """Decide who is told of one event; `home` is the destination of the watch's own channel."""
    silence = active_silence(subject, silences, now)
    if silence is not None:
        return Verdict(silence=silence, steps=(silence.words(now),))
    steps: list[str] = []
    outcomes: list[Recipient | Held | Waiting] = []
    for stop in _stops(subject, rules, home):
        if isinstance(stop, str):
            steps.append(stop)
            continue
        outcome, words = _decide(stop, subject, windows, now)
        steps.extend(words)
        if outcome is not None:
            outcomes.append(outcome)
    recipients = _merged(one for one in outcomes if isinstance(one, Recipient))
    done = {recipient.destination for recipient in recipients}
    kept = [one for one in outcomes if not isinstance(one, Recipient)]
    kept = [one for one in kept if one.recipient.destination not in done]
    return Verdict(
        recipients=recipients,
        held=_held_once([one for one in kept if isinstance(one, Held)]),
        waiting=tuple(one for one in kept if isinstance(one, Waiting)),
        steps=tuple(steps),
    )


def card_destinations(subject: Subject, rules: Sequence[Rule], *, home: str) -> tuple[str, ...]:
    """Return where a rollout's card stands: wherever its `started` leads, at whatever hour.

    The subject is one of the rollout as a whole, of whatever event. Windows and silences do
    not count: a card is edited quietly, and says itself that it is silenced.
    """
    started = replace(subject, event=EventKind.STARTED)
    stops = (stop for stop in _stops(started, rules, home) if isinstance(stop, _Stop))
    return tuple(
        dict.fromkeys(stop.rule.destination for stop in stops if stop.rule.destination is not None)
    )


def active_silence(subject: Subject, silences: Sequence[Silence], now: datetime) -> Silence | None:
    """Return the silence over a subject; of several, the one that lasts longest."""
    matching = (one for one in silences if one.is_active(now) and one.matcher.matches(subject))
    return max(matching, key=lambda one: one.until, default=None)


@dataclass(frozen=True, slots=True)
class _Stop:
    """A route that matches, or the watch's own channel, and the words around what it does."""

    rule: Rule
    opening: str
    shown: str
    closing: str = ""
    is_home: bool = False

    def sentence(self, what: str) -> str:
        return f"{self.opening}{what}{self.closing}"


def _stops(subject: Subject, rules: Sequence[Rule], home: str) -> Iterator[_Stop | str]:
    """Yield what matches, in order, and a sentence for each route that does not."""
    has_matched = False
    for number, rule in enumerate(rules, start=1):
        label = f"route {number} {quoted(rule.name)}" if rule.name else f"route {number}"
        mismatch = rule.mismatch(subject)
        if mismatch is not None:
            yield f"{label}: {mismatch}"
            continue
        has_matched = True
        goes_on = rule.continues and rule.destination is not None
        closing = "; looks further" if goes_on else "; looks no further"
        yield _Stop(rule, f"{label}: matches, ", plain(rule.destination or "", _SHOWN), closing)
        if not goes_on:
            return
    found = "no further route matches" if has_matched else "no route matches"
    yield _Stop(
        Rule(destination=home),
        f"{found}: " if rules else "there are no routes: ",
        f"the watch's own channel {plain(home, _SHOWN)}",
        is_home=True,
    )


def _decide(
    stop: _Stop, subject: Subject, windows: Sequence[Window], now: datetime
) -> tuple[Recipient | Held | Waiting | None, tuple[str, ...]]:
    """Return what becomes of the event at a stop, None for nothing, and the words for it."""
    rule, shown = stop.rule, stop.shown
    if rule.destination is None:
        return None, (stop.sentence("dropped"),)
    refusal = _refusal(subject, rule.destination, shown)
    if refusal is not None:
        return None, (stop.sentence(refusal),)
    mentions = tuple(_resolved(mention, subject) for mention in rule.mentions)
    known = tuple(mention for mention in mentions if mention is not None)
    recipient = Recipient(rule.destination, known, () if stop.is_home else (rule.name,))
    waiting = _waiting(rule, recipient, subject, now)
    if waiting is not None:
        return waiting, (
            stop.sentence(f"not yet told in {shown}: only {_conditions(rule, subject)}"),
        )
    named = f" with {join_names([str(mention) for mention in known])}" if known else ""
    unknown = " (who started it is not known)" if None in mentions else ""
    keeping = [window for window in windows if window.is_for(subject.event, rule.name)]
    hold = hold_at(keeping, now)
    if hold is None:
        return recipient, (stop.sentence(f"told in {shown}{named}{unknown}"),)
    return Held(recipient, hold), (
        stop.sentence(f"for {shown}{named}{unknown}"),
        f"{hold.words(now)}: {_fate(hold, subject)}",
    )


def _fate(hold: Hold, subject: Subject) -> str:
    if hold.then is Then.SUMMARY:
        return "held for the summary"
    return "dropped, but told if it still stands then" if subject.event in _LASTING else "dropped"


def _refusal(subject: Subject, destination: str, shown: str) -> str | None:
    if subject.notified_destinations is None:
        return None
    if subject.event in _RELIEF:
        was_notified = destination in subject.notified_destinations
        return None if was_notified else f"not told in {shown}, which never heard of the trouble"
    return f"not told in {shown} again" if destination in subject.notified_destinations else None


def _resolved(mention: Mention, subject: Subject) -> Mention | None:
    if mention.kind is not MentionKind.STARTED_BY:
        return mention
    return replace(mention, id=subject.started_by) if subject.started_by else None


def _lacks_failures(rule: Rule, subject: Subject) -> bool:
    is_of_a_part = subject.event is EventKind.FAILED and subject.level is not Level.ROLLOUT
    return is_of_a_part and subject.failed < rule.min_failed


def _lacks_time(rule: Rule, subject: Subject) -> bool:
    return subject.event in _LASTING and subject.age < rule.lasting


def _waiting(rule: Rule, recipient: Recipient, subject: Subject, now: datetime) -> Waiting | None:
    due = now + rule.lasting - subject.age if _lacks_time(rule, subject) else None
    needs_failed = rule.min_failed if _lacks_failures(rule, subject) else None
    if due is None and needs_failed is None:
        return None
    return Waiting(recipient, due, needs_failed)


def _conditions(rule: Rule, subject: Subject) -> str:
    """Return what is lacking, such as `if it lasts 5 min (so far 2 min)`."""
    lacking: list[str] = []
    if _lacks_failures(rule, subject):
        needed = counted(rule.min_failed, "failed install")
        lacking.append(f"from {needed} on (so far {subject.failed:,})")
    if _lacks_time(rule, subject):
        lasting, age = duration_words(rule.lasting), duration_words(subject.age)
        lacking.append(f"if it lasts {lasting} (so far {age})")
    return " and ".join(lacking)


def _merged(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    """Return each destination once, with the mentions and routes of all that lead to it."""
    merged: dict[str, Recipient] = {}
    for one in recipients:
        before = merged.get(one.destination, Recipient(one.destination))
        merged[one.destination] = Recipient(
            one.destination,
            tuple(dict.fromkeys(before.mentions + one.mentions)),
            tuple(dict.fromkeys(before.routes + one.routes)),
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
