"""Events → notifications: which message goes to which sink, in which form. Pure.

With a bot token a rollout has one card, edited in place, and replies in its thread; what
people should notice is also shown in the channel. An incoming webhook knows neither edits
nor threads: there each message stands alone, and is sent for what is worth one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from monitor import render
from monitor.model import (
    Card,
    Event,
    EventKind,
    Form,
    Memory,
    Message,
    Notification,
    Phase,
    Target,
)

_LOUD = frozenset(
    {
        EventKind.WAITING,
        EventKind.STALLED,
        EventKind.FAILED,
        EventKind.SUCCEEDED,
        EventKind.GONE,
    }
)
_WORTH_A_MESSAGE = _LOUD | {EventKind.STARTED, EventKind.RECOVERED}


@dataclass(frozen=True, slots=True)
class Address:
    """A sink by its name, and whether a message there can be edited and replied to."""

    sink: str
    keeps_cards: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """What one poll sends: what the cards ought to show, and what goes out once."""

    cards: tuple[Card, ...] = ()
    notifications: tuple[Notification, ...] = ()


def compose(
    view: render.View,
    events: Sequence[Event],
    *,
    earlier: Memory | None,
    addresses: Sequence[Address],
    previous: Mapping[str, str],
) -> Mail:
    """Address one poll's news.

    `earlier` is what was remembered before it, `previous` where the card of the attempt
    before stands, by sink.
    """
    cards: list[Card] = []
    notifications: list[Notification] = []
    for address in addresses:
        own_view = replace(view, previous_url=previous.get(address.sink))
        writer = _Writer(own_view, tuple(events), earlier, address.sink)
        if address.keeps_cards:
            cards.extend(writer.card())
            notifications.extend(writer.thread())
        else:
            notifications.extend(writer.messages())
    return Mail(tuple(cards), tuple(notifications))


def of_sight(
    kind: EventKind,
    message: Message,
    *,
    key: str,
    target: Target | None,
    addresses: Sequence[Address],
) -> tuple[Notification, ...]:
    """Address what the monitor itself can or cannot see."""
    return tuple(
        Notification(
            key=f"{key}/{address.sink}",
            sink=address.sink,
            form=Form.MESSAGE,
            message=message,
            target=target,
            events=(kind,),
        )
        for address in addresses
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    view: render.View
    events: tuple[Event, ...]
    earlier: Memory | None
    sink: str

    def card(self) -> tuple[Card, ...]:
        memory = self.view.memory
        if not memory.has_card:
            return ()
        target = self.view.snapshot.target
        return (Card(target, memory.attempt, self.sink, render.card(self.view)),)

    def thread(self) -> list[Notification]:
        notifications: list[Notification] = []
        is_new = self._has_new_card()
        if is_new:
            key = f"card/0/{self.sink}"
            message = render.card(self.view)
            kinds = tuple(event.kind for event in self.events if event.kind is EventKind.STARTED)
            notifications.append(self._notification(key, Form.CARD, message, kinds))
        # The card's own post says that the rollout has begun.
        events = tuple(event for event in self.events if event.kind is not EventKind.STARTED)
        if events:
            notifications.append(
                self._notification(
                    self._key(),
                    Form.REPLY,
                    render.reply(self.view, events),
                    tuple(event.kind for event in events),
                    # A card that is itself new in the channel shows all of it already.
                    is_broadcast=not is_new and any(_is_loud(event) for event in events),
                )
            )
        return notifications

    def messages(self) -> list[Notification]:
        if not any(event.kind in _WORTH_A_MESSAGE for event in self.events):
            return []
        kinds = tuple(event.kind for event in self.events)
        message = render.standalone(self.view, self.events)
        return [self._notification(self._key(), Form.MESSAGE, message, kinds)]

    def _has_new_card(self) -> bool:
        memory, earlier = self.view.memory, self.earlier
        if not memory.has_card:
            return False
        return earlier is None or not earlier.has_card or earlier.attempt != memory.attempt

    def _key(self) -> str:
        """Two polls that decide the same from the same memory have the same key."""
        return f"news/{self.earlier.told if self.earlier else 0}/{self.sink}"

    def _notification(
        self,
        key: str,
        form: Form,
        message: Message,
        events: tuple[EventKind, ...],
        *,
        is_broadcast: bool = False,
    ) -> Notification:
        target, attempt = self.view.snapshot.target, self.view.memory.attempt
        return Notification(
            key=f"{target.kind}/{target.id}/{attempt}/{key}",
            sink=self.sink,
            form=form,
            message=message,
            target=target,
            attempt=attempt,
            events=events,
            is_broadcast=is_broadcast,
        )


def _is_loud(event: Event) -> bool:
    if event.kind is EventKind.FAILED:
        # What failed and is under way again by now needs nobody.
        return event.entity.phase is Phase.FAILED
    return event.kind in _LOUD
