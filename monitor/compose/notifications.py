"""Events → notifications: which message goes to which destination, in which form. Pure.

With a bot token a rollout has one card, edited in place, and replies in its thread; what
people should notice is also shown in the channel. An incoming webhook knows neither edits
nor threads: there each message stands alone, and is sent for what is worth one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

import msgspec

from monitor.compose import render
from monitor.compose.templates import Facts, FilledTemplates, MessageTemplates
from monitor.decide.dispatch import Dispatch, HeldBack
from monitor.decide.news import Entry, News
from monitor.decide.progress import add_up, app_of, last_change, starter_of
from monitor.kinds import profile_of
from monitor.model import (
    Card,
    Entity,
    Event,
    EventKind,
    Form,
    HeldLine,
    Level,
    Mention,
    MentionKind,
    Message,
    Named,
    Notification,
    Phase,
    Target,
    TargetState,
)
from monitor.text import duration_words

LOUD = frozenset(
    {
        EventKind.WAITING,
        EventKind.STALLED,
        EventKind.FAILED,
        EventKind.FLAPPING,
        EventKind.SUCCEEDED,
        EventKind.REMOVED,
    }
)
"""What people should notice: the mentions of a route ping for these only."""
_WORTH_A_MESSAGE = LOUD | {EventKind.STARTED, EventKind.RECOVERED}


_NO_TABLES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Messages:
    """What one poll sends: what the cards ought to show, what goes out once, what is held."""

    cards: tuple[Card, ...] = ()
    notifications: tuple[Notification, ...] = ()
    held: tuple[HeldLine, ...] = ()

    def with_time(self, happened_at: datetime | None) -> Messages:
        """Return the same messages, which say when it happened."""
        timed = (
            msgspec.structs.replace(one, happened_at=happened_at) for one in self.notifications
        )
        return replace(self, notifications=tuple(timed))


def compose(
    view: render.View,
    dispatched: Dispatch,
    *,
    earlier: TargetState | None,
    keeps_cards: Callable[[str], bool],
    cards: Mapping[str, str],
    previous: Mapping[str, str],
    users: Mapping[str, str],
    tables: Mapping[str, str] = _NO_TABLES,
) -> Messages:
    """Draw one poll's news for each destination.

    `earlier` is what was remembered before it. `cards` is where the cards of this attempt
    stand, `previous` where those of the attempt before do, by destination. `tables` has the
    destinations with a table of what fails, with the link to it once it was posted. `users` are
    Slack's own ids of people by their e-mail addresses.
    """
    drawn: list[Card] = []
    notifications: list[Notification] = []
    own = dispatched.state.card_destinations
    card_url = next((cards[destination] for destination in own if destination in cards), None)
    for destination in dict.fromkeys((*own, *dispatched.news)):
        own_view = replace(
            view,
            previous_url=previous.get(destination),
            card_url=card_url,
            table_url=tables.get(destination),
        )
        news = dispatched.news.get(destination, _NO_NEWS)
        has_thread = destination in own and keeps_cards(destination)
        writer = _Writer(own_view, news, earlier, destination, users, has_thread)
        if has_thread:
            drawn.extend(writer.card())
            notifications.extend(writer.thread())
            is_kept = destination in tables
            for table in writer.table(is_kept=is_kept):
                drawn.append(table)
                notifications.extend([] if is_kept else [writer.new_table(table)])
        else:
            notifications.extend(writer.messages(is_notified_of_all=destination not in own))
    return Messages(tuple(drawn), tuple(notifications), _held_lines(view, dispatched.held))


def filled(
    templates: MessageTemplates, view: render.View, *, watch: Named, labels: Mapping[str, str]
) -> FilledTemplates | None:
    """Return what the user's own templates say of a rollout; None without any."""
    if not templates.parts:
        return None
    root, called = view.snapshot.root, view.names
    progress = add_up(tuple(stage.progress for stage in view.stages))
    app_id = app_of(root, view.apps)
    return templates.fill(
        Facts(
            kind=view.snapshot.target.kind,
            id=root.id,
            name=render.title_of(view),
            component=_component(root) or called.get(root.component_id, ""),
            component_id=root.component_id,
            app=called.get(app_id, ""),
            app_id=app_id,
            build_id=root.build_id,
            revision=root.revision,
            commit_message=root.fact("message"),
            commit_author=root.fact("author_name"),
            started_by=starter_of(root, view.people),
            status=root.status,
            attempt=view.state.attempt,
            installs=progress.total,
            succeeded=progress.succeeded,
            failed=progress.failed,
            waiting=progress.waiting,
            steps=len(view.stages),
            step=_step_under_way(view),
            started_at=f"{root.created_at:%Y-%m-%d %H:%M} UTC" if root.created_at else "",
            took=_took(root),
            labels=labels,
            watch=watch.name,
        )
    )


def _step_under_way(view: render.View) -> int:
    """Return the number of the first step that has not succeeded, from 1; 0 where all have."""
    numbered = enumerate(view.stages, start=1)
    return next((n for n, stage in numbered if stage.step.phase is not Phase.SUCCEEDED), 0)


def _took(root: Entity) -> str:
    changed_at = last_change(root)
    took = changed_at - root.created_at if changed_at and root.created_at else None
    return duration_words(took) if took else ""


def _component(root: Entity) -> str:
    """Return the component's name, which is a release's own."""
    return root.name if profile_of(root).name_is_of == "component" else ""


_NO_NEWS = News(())


def _held_lines(view: render.View, held: Sequence[HeldBack]) -> tuple[HeldLine, ...]:
    return tuple(
        HeldLine(
            destination=one.destination,
            window=" and ".join(one.windows),
            until=one.until,
            target=view.snapshot.target,
            event=one.event.kind,
            alert_key=one.event.alert_key,
            title=render.title_of(view),
            words=render.words_of(view, one.event),
            url=render.page_of(view, one.event),
            at=view.snapshot.taken_at,
        )
        for one in held
    )


def of_outage(
    kind: EventKind,
    message: Message,
    *,
    key: str,
    target: Target | None,
    destinations: Mapping[str, tuple[Mention, ...]],
) -> tuple[Notification, ...]:
    """Address what the monitor itself can or cannot see, to destinations with their mentions."""
    return tuple(
        Notification(
            key=f"{key}/{destination}",
            destination=destination,
            form=Form.MESSAGE,
            message=message,
            target=target,
            events=(kind,),
            headline=render.first_line(message),
            mentions=mentions,
        )
        for destination, mentions in destinations.items()
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    view: render.View
    news: News
    earlier: TargetState | None
    destination: str
    users: Mapping[str, str]
    has_thread: bool

    def card(self) -> tuple[Card, ...]:
        state = self.view.state
        if not state.has_card:
            return ()
        target = self.view.snapshot.target
        return (Card(target, state.attempt, self.destination, render.card(self.view)),)

    def thread(self) -> list[Notification]:
        # The card's own post says that the rollout has begun.
        started = tuple(e for e in self.news.events if e.kind is EventKind.STARTED)
        others = tuple(e for e in self.news.events if e.kind is not EventKind.STARTED)
        is_new = self._has_new_card()
        notifications = [self._new_card(started)] if is_new else []
        if others:
            notifications.append(self._reply(others, has_new_card=is_new))
        return [*notifications, *self._groups()]

    def table(self, *, is_kept: bool) -> tuple[Card, ...]:
        state = self.view.state
        message = render.table(self.view, is_kept=is_kept) if state.has_card else None
        if message is None:
            return ()
        target = self.view.snapshot.target
        return (Card(target, state.attempt, self.destination, message, Form.TABLE),)

    def new_table(self, table: Card) -> Notification:
        return self._notification(f"table/0/{self.destination}", Form.TABLE, table.message, ())

    def _new_card(self, events: tuple[Event, ...]) -> Notification:
        key = f"card/0/{self.destination}"
        kinds = tuple(event.kind for event in events)
        return self._notification(key, Form.CARD, render.card(self.view), kinds)

    def _reply(self, events: tuple[Event, ...], *, has_new_card: bool) -> Notification:
        mentions = self._mentions()
        # A card that is itself new in the channel shows all of it already; but it pings
        # nobody, and in a thread @here means nobody.
        is_loud = any(_is_loud(event) for event, _ in self.news.entries)
        return self._notification(
            self._key(),
            Form.REPLY,
            render.reply(self.view, events, self._further()),
            tuple(event.kind for event in events),
            mentions=mentions,
            is_broadcast=is_loud and (not has_new_card or bool(mentions)),
        )

    def messages(self, *, is_notified_of_all: bool) -> list[Notification]:
        """Return what stands alone: in a channel without the card all of it is news."""
        events = self.news.events
        if not (is_notified_of_all or any(event.kind in _WORTH_A_MESSAGE for event in events)):
            events = ()
        alone = [self._alone(events)] if events else []
        return [*alone, *self._groups()]

    def _alone(self, events: tuple[Event, ...]) -> Notification:
        kinds = tuple(event.kind for event in events)
        message, mentions = render.standalone(self.view, events, self._further()), self._mentions()
        return self._notification(self._key(), Form.MESSAGE, message, kinds, mentions=mentions)

    @property
    def _ends_with_failure(self) -> bool:
        """Whether it is news here that the rollout failed: that post says the extent as well."""
        return any(
            event.kind in (EventKind.FAILED, EventKind.FLAPPING)
            and event.level is Level.ROLLOUT
            and _is_loud(event)
            for event, _ in self.news.entries
        )

    def _groups(self) -> list[Notification]:
        """Draw the failures that were put together, unless another post says so already."""
        if not self.news.summed_up or self._ends_with_failure:
            return []
        events = tuple(event for event, _ in self.news.summed_up)
        group = self._notification(
            self._key("group"),
            Form.REPLY if self.has_thread else Form.MESSAGE,
            render.group(
                self.view,
                events,
                self.news.interval,
                has_thread=self.has_thread,
            ),
            tuple(event.kind for event in events),
            mentions=self._mentions_of(self.news.summed_up),
            is_broadcast=self.has_thread,
        )
        return [group]

    def _further(self) -> tuple[Event, ...]:
        if not self._ends_with_failure:
            return ()
        return tuple(event for event, _ in self.news.summed_up)

    def _mentions(self) -> tuple[Mention, ...]:
        """Return whom to ping: only what people should notice anyway is a reason."""
        entries = self.news.entries
        if self._ends_with_failure:
            entries += self.news.summed_up
        return self._mentions_of(entries)

    def _mentions_of(self, entries: Sequence[Entry]) -> tuple[Mention, ...]:
        wanted = (m for event, mentions in entries if _is_loud(event) for m in mentions)
        known = (self._in_slack(mention) for mention in dict.fromkeys(wanted))
        return tuple(dict.fromkeys(mention for mention in known if mention is not None))

    def _in_slack(self, mention: Mention) -> Mention | None:
        if mention.kind is not MentionKind.STARTED_BY:
            return mention
        user = self.users.get(mention.id)
        return Mention(MentionKind.USER, user) if user else None

    def _has_new_card(self) -> bool:
        state, earlier = self.view.state, self.earlier
        if not state.has_card:
            return False
        is_same_attempt = earlier is not None and earlier.attempt == state.attempt
        return not (earlier and is_same_attempt and self.destination in earlier.card_destinations)

    def _key(self, what: str = "news") -> str:
        """Two polls that decide the same from the same memory have the same key."""
        return f"{what}/{self.earlier.event_count if self.earlier else 0}/{self.destination}"

    def _notification(
        self,
        key: str,
        form: Form,
        message: Message,
        events: tuple[EventKind, ...],
        *,
        is_broadcast: bool = False,
        mentions: tuple[Mention, ...] = (),
    ) -> Notification:
        target, attempt = self.view.snapshot.target, self.view.state.attempt
        return Notification(
            key=f"{target.kind}/{target.id}/{attempt}/{key}",
            destination=self.destination,
            form=form,
            message=message,
            target=target,
            attempt=attempt,
            events=events,
            is_broadcast=is_broadcast,
            headline=render.first_line(message),
            mentions=mentions,
        )


def _is_loud(event: Event) -> bool:
    if event.kind is EventKind.FAILED:
        # What failed and is under way again by now needs nobody.
        return event.entity.phase is Phase.FAILED
    return event.kind in LOUD
