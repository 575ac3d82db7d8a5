"""Events → notifications: which message goes where, in which form, under which key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from monitor.compose import render
from monitor.compose.notifications import Messages, compose, of_outage
from monitor.compose.render import Links, View
from monitor.decide.dispatch import Dispatch, HeldBack
from monitor.decide.news import News
from monitor.model import (
    Entity,
    Event,
    EventKind,
    Form,
    Level,
    Mention,
    MentionKind,
    Message,
    Notification,
    Reason,
    Target,
    TargetState,
)
from tests.support.builders import (
    RELEASE_ID,
    Reader,
    after,
    deploy,
    release,
    snapshot,
    state,
    step,
)

BOT, OTHER, HOOK = "C1", "C2", "hook"
LINKS = Links("https://app.nuon.co", "org1")
SHOWN = state(event_count=1, card_destinations=(BOT, OTHER, HOOK))
HERE = Mention(MentionKind.HERE)


def rolling(status: str, *, root: str = "executing_release_steps") -> Entity:
    return release(root, step(1, "polling_install_deploys", deploy("a", status)))


def event(kind: EventKind, entity: Entity, *, is_reminder: bool = False) -> Event:
    level = Level.ROLLOUT if entity.id == RELEASE_ID else Level.UNIT
    return Event(kind, level, entity, Reason(description="because"), is_reminder)


def view(root: Entity, now: TargetState) -> View:
    return View(snapshot(root), now, LINKS)


def sent_to(
    destinations: Sequence[str],
    now: View,
    events: Sequence[Event] = (),
    *,
    earlier: TargetState | None = SHOWN,
    mentions: tuple[Mention, ...] = (),
    has_cards: bool = True,
    **given: Mapping[str, str],
) -> Messages:
    """Draw events for destinations, all of which have the rollout's card or none."""
    cards = tuple(destinations) if has_cards and now.state.has_card else ()
    dispatched = Dispatch(
        state=msgspec.structs.replace(now.state, card_destinations=cards),
        news={
            destination: News(tuple((one, mentions) for one in events))
            for destination in destinations
            if events
        },
        held=(),
        silences=(),
    )
    return compose(
        now,
        dispatched,
        earlier=earlier,
        keeps_cards=lambda destination: destination != HOOK,
        **{"cards": {}, "previous": {}, "users": {}} | given,
    )


def messages(
    *kinds: EventKind,
    root: Entity | None = None,
    about: Entity | None = None,
    now: TargetState = SHOWN,
    earlier: TargetState | None = SHOWN,
    to: str = BOT,
    is_reminder: bool = False,
    mentions: tuple[Mention, ...] = (),
    has_cards: bool = True,
) -> Messages:
    """Address events of a release that is in flight and has a card already."""
    root = root or rolling("executing")
    events = [event(kind, about or root, is_reminder=is_reminder) for kind in kinds]
    return sent_to(
        [to], view(root, now), events, earlier=earlier, mentions=mentions, has_cards=has_cards
    )


def replies(of: Messages) -> list[Notification]:
    return [one for one in of.notifications if one.form is Form.REPLY]


# With a bot token


def test_a_new_rollout_posts_its_card_and_no_reply_that_it_started() -> None:
    sent = messages(EventKind.STARTED, now=state(event_count=1), earlier=None)

    assert [(one.form, one.events) for one in sent.notifications] == [
        (Form.CARD, (EventKind.STARTED,))
    ]
    assert sent.notifications[0].message == sent.cards[0].message


def test_what_a_new_card_shows_already_is_not_broadcast_beside_it() -> None:
    sent = messages(EventKind.STARTED, EventKind.FAILED, about=deploy("a", "error"), earlier=None)

    assert [(one.form, one.is_broadcast) for one in sent.notifications] == [
        (Form.CARD, False),
        (Form.REPLY, False),
    ]


def test_a_poll_without_news_edits_the_card_and_posts_nothing() -> None:
    sent = messages()

    assert sent.notifications == ()
    assert sent.cards[0].message == render.card(view(rolling("executing"), SHOWN))


def test_a_rollout_without_a_card_has_none_to_edit() -> None:
    assert messages(now=state(has_card=False)) == Messages()


def test_the_news_of_one_poll_is_one_reply() -> None:
    sent = messages(EventKind.PROGRESSED, EventKind.FAILED, EventKind.RECOVERED)

    assert [(one.form, one.events) for one in sent.notifications] == [
        (Form.REPLY, (EventKind.PROGRESSED, EventKind.FAILED, EventKind.RECOVERED))
    ]


@pytest.mark.parametrize(
    ("kind", "is_broadcast"),
    [
        (EventKind.WAITING, True),
        (EventKind.STALLED, True),
        (EventKind.SUCCEEDED, True),
        (EventKind.REMOVED, True),
        (EventKind.PROGRESSED, False),
        (EventKind.RECOVERED, False),
    ],
)
def test_only_what_people_should_notice_is_shown_in_the_channel(
    kind: EventKind, is_broadcast: bool
) -> None:
    (reply,) = messages(kind).notifications

    assert reply.is_broadcast == is_broadcast


@pytest.mark.parametrize(
    ("status", "is_broadcast"), [("error", True), ("executing", False), ("active", False)]
)
def test_a_failure_is_shown_in_the_channel_unless_it_is_over(
    status: str, is_broadcast: bool
) -> None:
    (reply,) = messages(EventKind.FAILED, about=deploy("a", status)).notifications

    assert reply.is_broadcast == is_broadcast


def test_one_loud_event_is_enough_for_the_channel() -> None:
    (reply,) = messages(EventKind.PROGRESSED, EventKind.WAITING).notifications

    assert reply.is_broadcast


def test_a_reminder_is_shown_in_the_channel() -> None:
    (reply,) = messages(EventKind.STALLED, is_reminder=True).notifications

    assert reply.is_broadcast


def test_a_new_attempt_has_a_card_of_its_own() -> None:
    sent = messages(
        EventKind.STARTED, now=state(attempt=2, event_count=5), earlier=state(event_count=4)
    )

    assert [(one.form, one.attempt) for one in sent.notifications] == [(Form.CARD, 2)]
    assert sent.cards[0].attempt == 2


def test_a_new_attempt_leads_to_the_card_before_in_the_same_channel() -> None:
    now = view(rolling("executing"), state(attempt=2))
    url = "https://example.slack.com/archives/C1/p1"

    sent = sent_to([BOT, OTHER], now, previous={"C1": url})

    assert [url in str(card.message.blocks) for card in sent.cards] == [True, False]


def test_a_sink_that_a_route_adds_later_gets_a_card_of_its_own_once() -> None:
    known = state(event_count=1, card_destinations=(BOT,))

    sent = sent_to([BOT, OTHER], view(rolling("executing"), known), earlier=known)

    assert [(one.form, one.destination) for one in sent.notifications] == [(Form.CARD, OTHER)]


# Where the rollout has no card


def test_a_sink_without_the_card_gets_a_message_that_stands_alone() -> None:
    (sent,) = messages(EventKind.FAILED, to=OTHER, has_cards=False).notifications

    assert (sent.form, sent.is_broadcast) == (Form.MESSAGE, False)


def test_a_message_that_stands_alone_leads_to_the_card() -> None:
    url = "https://example.slack.com/archives/C1/p1"
    failure = event(EventKind.FAILED, deploy("a", "error"))
    dispatched = Dispatch(
        state=msgspec.structs.replace(SHOWN, card_destinations=(BOT,)),
        news={OTHER: News(((failure, ()),))},
        held=(),
        silences=(),
    )

    sent = compose(
        view(rolling("error"), SHOWN),
        dispatched,
        earlier=SHOWN,
        keeps_cards=lambda _: True,
        cards={BOT: url},
        previous={},
        users={},
    )

    assert [(one.destination, url in str(one.message.blocks)) for one in sent.notifications] == [
        (OTHER, True)
    ]


# Mentions


def test_what_people_should_notice_pings_those_whom_the_route_names() -> None:
    (sent,) = messages(EventKind.STALLED, mentions=(HERE,)).notifications

    assert sent.mentions == (HERE,)
    assert "<!here>" not in sent.message.text
    assert sent.is_broadcast


@pytest.mark.parametrize("kind", [EventKind.PROGRESSED, EventKind.RECOVERED])
def test_what_goes_well_pings_nobody(kind: EventKind) -> None:
    (sent,) = messages(kind, mentions=(HERE,)).notifications

    assert sent.mentions == ()


def test_a_ping_beside_a_new_card_is_shown_in_the_channel_where_it_counts() -> None:
    about = deploy("a", "error")

    sent = messages(EventKind.FAILED, about=about, earlier=None, mentions=(HERE,))

    assert [(one.form, one.is_broadcast) for one in sent.notifications] == [
        (Form.CARD, False),
        (Form.REPLY, True),
    ]


@pytest.mark.parametrize(
    ("users", "is_pinged"), [({"ana@example.com": "U0000000001"}, True), ({}, False)]
)
def test_who_started_it_is_pinged_where_slack_knows_the_address(
    users: Mapping[str, str], is_pinged: bool
) -> None:
    starter = Mention(MentionKind.STARTED_BY, "ana@example.com")
    events = [event(EventKind.WAITING, deploy("a", "pending-approval"))]
    now = view(rolling("pending-approval"), SHOWN)

    (sent,) = sent_to([BOT], now, events, mentions=(starter,), users=users).notifications

    assert (sent.mentions == (Mention(MentionKind.USER, "U0000000001"),)) == is_pinged


def test_what_is_held_back_is_kept_in_words_for_the_summary() -> None:
    failure = event(EventKind.FAILED, deploy("a", "error", "quota exceeded"))
    held = HeldBack(failure, BOT, ("night",), after(60))
    dispatched = Dispatch(state=SHOWN, news={}, held=(held,), silences=())

    sent = compose(
        view(rolling("error"), SHOWN),
        dispatched,
        earlier=SHOWN,
        keeps_cards=lambda _: True,
        cards={},
        previous={},
        users={},
    )

    (kept,) = sent.held
    assert (kept.destination, kept.window, kept.until, kept.event) == (
        BOT,
        "night",
        after(60),
        EventKind.FAILED,
    )
    assert "failed" in kept.words
    assert kept.url.startswith("https://app.nuon.co/")


# With an incoming webhook


@pytest.mark.parametrize(
    ("kind", "is_sent"),
    [
        (EventKind.STARTED, True),
        (EventKind.WAITING, True),
        (EventKind.STALLED, True),
        (EventKind.FAILED, True),
        (EventKind.RECOVERED, True),
        (EventKind.SUCCEEDED, True),
        (EventKind.REMOVED, True),
        (EventKind.PROGRESSED, False),
    ],
)
def test_a_webhook_gets_a_message_for_what_is_worth_one(kind: EventKind, is_sent: bool) -> None:
    sent = messages(kind, to=HOOK)

    assert [one.form for one in sent.notifications] == [Form.MESSAGE] * is_sent
    assert sent.cards == ()


def test_progress_is_folded_into_the_next_message_of_a_webhook() -> None:
    sent = messages(EventKind.PROGRESSED, EventKind.WAITING, to=HOOK)

    assert [one.events for one in sent.notifications] == [(EventKind.PROGRESSED, EventKind.WAITING)]


def test_a_webhook_message_is_complete_without_any_other() -> None:
    root = rolling("error")
    events = [event(EventKind.FAILED, root.children[0].children[0])]

    (sent,) = messages(EventKind.FAILED, root=root, about=events[0].entity, to=HOOK).notifications

    assert sent.message == render.standalone(view(root, SHOWN), events)


def test_a_webhook_message_is_never_a_broadcast_of_a_thread() -> None:
    (sent,) = messages(EventKind.WAITING, to=HOOK).notifications

    assert not sent.is_broadcast


# Keys


def keys(of: Messages) -> list[str]:
    return [one.key for one in of.notifications]


def test_the_same_news_from_the_same_memory_has_the_same_key() -> None:
    assert keys(messages(EventKind.FAILED)) == keys(messages(EventKind.FAILED))


def test_each_sink_has_keys_of_its_own() -> None:
    now = view(rolling("executing"), SHOWN)
    events = [event(EventKind.STARTED, rolling("executing")), event(EventKind.WAITING, deploy("a"))]

    sent = sent_to([BOT, HOOK, OTHER], now, events, earlier=None)

    assert len(set(keys(sent))) == len(sent.notifications) == 5


def test_each_target_has_keys_of_its_own() -> None:
    one = messages(EventKind.FAILED)
    other = messages(EventKind.FAILED, root=release("executing", id="relother"))

    assert set(keys(one)).isdisjoint(keys(other))


def test_a_key_says_what_it_is_of() -> None:
    assert keys(
        messages(EventKind.WAITING, earlier=state(event_count=4, card_destinations=(BOT,)))
    ) == [f"release/{RELEASE_ID}/1/news/4/C1"]


@pytest.mark.parametrize("destination", [BOT, HOOK])
def test_no_two_notifications_of_a_release_have_one_key(destination: str) -> None:
    failed = release("error", step(1, "error", deploy("a", "error")))
    done = release("active", step(1, "active", deploy("a")))
    running, waiting = rolling("executing"), rolling("pending-approval")
    reader, found = Reader(), list[str]()

    for minute, root in enumerate((done, running, waiting, failed, running, failed, running, done)):
        earlier = reader.state
        events = reader.poll(root, after(minute))
        assert reader.state is not None
        now = view(root, reader.state)
        if earlier is not None and earlier.has_card:
            earlier = msgspec.structs.replace(earlier, card_destinations=(destination,))
        found.extend(keys(sent_to([destination], now, events, earlier=earlier)))

    assert len(found) > 5
    assert len(set(found)) == len(found)


# What the monitor itself can see


def test_blindness_is_a_message_of_its_own_in_every_sink() -> None:
    message = Message("the platform cannot be reached")

    sent = of_outage(
        EventKind.UNREACHABLE,
        message,
        key="platform/1",
        target=None,
        destinations={BOT: (HERE,), HOOK: ()},
    )

    assert sent == tuple(
        Notification(
            key=f"platform/1/{destination}",
            destination=destination,
            form=Form.MESSAGE,
            message=message,
            events=(EventKind.UNREACHABLE,),
            headline="the platform cannot be reached",
            mentions=mentions,
        )
        for destination, mentions in (("C1", (HERE,)), ("hook", ()))
    )


def test_the_blindness_of_one_watch_names_its_target() -> None:
    target = Target("release", RELEASE_ID)

    (sent,) = of_outage(
        EventKind.REMOVED, Message("removed"), key="k", target=target, destinations={BOT: ()}
    )

    assert sent.target == target
