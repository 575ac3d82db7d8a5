"""Whether a poll has anything new: one question, asked of all that its cards show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from monitor.compose.observation import Seen, compare
from monitor.decide.dispatch import Plan
from monitor.decide.routing import Rule
from monitor.decide.verdicts import Silence
from monitor.model import (
    Called,
    Entity,
    Matcher,
    Mention,
    MentionKind,
)
from tests.support.builders import NOON, PATIENCE, after, deploy, release, step
from tests.support.watched import DEFAULT, TARGET, observed

RUNNING = release("executing", step(1, "executing", deploy("inl1", "executing")))
SILENCE = Silence(
    id=1, matcher=Matcher(), until=after(60), author="anna", reason="known", created_at=NOON
)


def seen_at_noon(**facts: Any) -> Seen:
    first = observed(None, RUNNING, NOON, **facts)
    assert first is not None
    return first.seen


def test_the_first_answer_is_always_new() -> None:
    first = observed(None, RUNNING, NOON)

    assert first is not None
    assert [card.destination for card in first.messages.cards] == [DEFAULT]


def test_the_same_tree_once_more_is_nothing_new() -> None:
    seen = seen_at_noon()
    the_same_again = release("executing", step(1, "executing", deploy("inl1", "executing")))

    assert observed(seen, seen.snapshot.root, after(1)) is None
    assert observed(seen, the_same_again, after(1)) is None


def test_the_time_alone_makes_something_new() -> None:
    seen = seen_at_noon()

    stalled = observed(seen, seen.snapshot.root, after(31))

    assert stalled is not None
    assert stalled.seen.snapshot.taken_at == after(31)
    assert stalled.messages.notifications


def test_what_did_not_move_but_reads_otherwise_is_new() -> None:
    seen = seen_at_noon()
    touched = replace_root(RUNNING, updated_at=after(1))

    assert observed(seen, touched, after(1)) is not None


def replace_root(root: Entity, **facts: Any) -> Entity:
    return release(root.status, *root.children, **facts)


def test_a_silence_is_new_when_it_begins_and_when_it_ends() -> None:
    seen = seen_at_noon()

    begun = observed(seen, RUNNING, after(1), silences=(SILENCE,))

    assert begun is not None
    assert begun.seen.silences == (SILENCE,)
    assert observed(begun.seen, RUNNING, after(2), silences=(SILENCE,)) is None
    assert observed(begun.seen, RUNNING, after(3)) is not None


def test_a_silence_of_something_else_is_nothing_new() -> None:
    other = replace(SILENCE, matcher=Matcher({"name": ("billing*",)}))

    assert observed(seen_at_noon(), RUNNING, after(1), silences=(other,)) is None


def test_a_card_that_says_it_is_not_watched_is_drawn_anew() -> None:
    seen = seen_at_noon()
    closed = replace(seen, state=msgspec.structs.replace(seen.state, is_closed=True))

    again = observed(closed, RUNNING, after(1))

    assert again is not None
    assert not again.seen.state.is_closed
    assert "no longer watched" not in again.messages.cards[0].message.text


def test_the_card_of_the_attempt_before_is_linked_once_it_is_posted() -> None:
    first = seen_at_noon()
    failed = observed(first, release("error", *RUNNING.children, updated_at=after(1)), after(1))
    assert failed is not None
    retried = replace_root(RUNNING, updated_at=after(2))
    again = observed(failed.seen, retried, after(2))
    assert again is not None
    assert again.seen.lacks_link
    url = {DEFAULT: "https://example.slack.com/archives/C1/p1"}

    linked = observed(again.seen, retried, after(3), previous=url)

    assert linked is not None
    assert url[DEFAULT] in str(linked.messages.cards[0].message.blocks)
    assert observed(linked.seen, retried, after(4), previous=url) is None


def test_routes_that_were_changed_post_no_card_by_themselves() -> None:
    plan = Plan((Rule(destination="#elsewhere"),))
    seen = seen_at_noon()

    assert observed(seen, RUNNING, after(1), plan=plan) is None
    failed = observed(seen, release("error", *RUNNING.children), after(2), plan=plan)

    assert failed is not None
    assert failed.seen.state.card_destinations == (DEFAULT, "#elsewhere")


def test_who_started_it_is_looked_up_only_where_a_route_may_mention_them() -> None:
    mentions = Plan((Rule(destination=DEFAULT, mentions=(Mention(MentionKind.STARTED_BY),)),))
    root = replace_root(RUNNING, created_by="ana@example.com")
    first = compare(None, TARGET, root, now=NOON, stall_rules=PATIENCE)
    seen = observed(None, root, NOON, plan=mentions)
    assert seen is not None
    later = compare(seen.seen, TARGET, root, now=after(1), stall_rules=PATIENCE)

    assert first.mentioned(mentions, Called()) == {"ana@example.com"}
    assert first.mentioned(Plan(), Called()) == frozenset()
    assert later.mentioned(mentions, Called()) == frozenset()


def test_what_is_unchanged_is_not_compared_part_by_part() -> None:
    seen = seen_at_noon()

    change = compare(seen, TARGET, seen.snapshot.root, now=after(1), stall_rules=PATIENCE)

    assert change.snapshot.root is seen.snapshot.root
    assert change.difference.transitions == ()
    assert not change.may_notify
