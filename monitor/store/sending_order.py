"""Which row of the outbox a destination is sent next: the statements, each answered by an index.

A rollout's rows are sent in the order in which they were enqueued: none before what is ahead of it.
Among those that are the first of their rollouts, and due, what matters most goes out first: by
urgency, then cards before messages before replies before tables, then the oldest. A row without a
target is a rollout of its own, but reports of the monitor itself stay in order: that something can
be reached again never goes ahead of that it cannot. A reply whose card was lost lets the new card
go ahead of it.
"""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
)

from monitor.model import Form, Urgency
from monitor.store.tables import card, is_edit_wanted, is_open, notification

IN_THREAD = (Form.REPLY, Form.TABLE)
"""The forms that are posted into the thread of a card."""
# What names a card: its notifications have the same columns.
CARD_KEY = ("target_kind", "target_id", "attempt", "destination")
_ROLLOUT = ("destination", "target_id", "target_kind")


def is_of_same_card(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(*(one.c[column] == other.c[column] for column in CARD_KEY))


_ahead = notification.alias("ahead")
_is_first = ~exists(_ahead.c.id).where(
    _ahead.c.done_at.is_(None),
    *(_ahead.c[column] == notification.c[column] for column in _ROLLOUT),
    _ahead.c.id < notification.c.id,
)

_is_next_report = or_(
    notification.c.urgency != Urgency.MONITOR,
    ~exists(_ahead.c.id).where(
        _ahead.c.done_at.is_(None),
        _ahead.c.destination == notification.c.destination,
        _ahead.c.target_id.is_(None),
        _ahead.c.urgency == Urgency.MONITOR,
        _ahead.c.id < notification.c.id,
    ),
)

_new_card = notification.alias("new_card")
_has_card_to_come = exists(_new_card.c.id).where(
    _new_card.c.done_at.is_(None),
    _new_card.c.form == Form.CARD,
    is_of_same_card(_new_card, notification),
)
_lacks_card = and_(notification.c.form.in_(IN_THREAD), _has_card_to_come)

_first = notification.alias("first")
_id_of_first = (
    select(_first.c.id)
    .where(
        _first.c.done_at.is_(None),
        *(_first.c[column] == notification.c[column] for column in _ROLLOUT),
    )
    .order_by(_first.c.id)
    .limit(1)
    .correlate(notification)
    .scalar_subquery()
)
_reply = notification.alias("reply")
_is_waited_for = exists(_reply.c.id).where(
    _reply.c.id == _id_of_first,
    _reply.c.form.in_(IN_THREAD),
    is_of_same_card(_reply, notification),
)
# Read in the order of sending until one is found: most often that is the very first.
NEXT_ID = (
    select(notification.c.id)
    .where(
        is_open,
        notification.c.destination == bindparam("destination"),
        # What is in doubt is searched for; it holds up its rollout until then.
        notification.c.in_doubt.is_(False),
        or_(notification.c.next_try_at.is_(None), notification.c.next_try_at <= bindparam("now")),
        or_(
            and_(notification.c.target_id.is_(None), _is_next_report),
            and_(notification.c.target_id.is_not(None), _is_first, ~_lacks_card),
            and_(notification.c.form == Form.CARD, _is_waited_for),
        ),
    )
    # The words of the forms are in the order of their letters: card, message, reply, table.
    .order_by(notification.c.urgency, notification.c.form, notification.c.id)
    .limit(1)
)
"""The id of what a destination is sent next, if that is due `now`."""

NEXT_POST_AT = select(func.min(notification.c.next_try_at)).where(
    is_open, notification.c.next_try_at > bindparam("now")
)
"""When the next post is due that is not due `now`."""

_found = (
    select(func.min(notification.c.destination).label("name"))
    .where(is_open)
    .cte("found", recursive=True)
)
_further = (
    select(func.min(notification.c.destination))
    .where(is_open, notification.c.destination > _found.c.name)
    .scalar_subquery()
)
_all_found = _found.union_all(select(_further).where(_found.c.name.is_not(None)))
DESTINATIONS = select(_all_found.c.name).where(_all_found.c.name.is_not(None))
"""The destinations with something to be sent: from one to the next, not row by row."""

_is_edit_of_others = and_(
    is_edit_wanted, card.c.destination.not_in(bindparam("refused", expanding=True))
)
_is_edit_due = or_(card.c.next_try_at.is_(None), card.c.next_try_at <= bindparam("now"))
EDITS = select(
    func.sum(case((_is_edit_due, 1), else_=0)).label("due_count"),
    func.min(case((~_is_edit_due, card.c.next_try_at))).label("later"),
).where(_is_edit_of_others)
"""How many cards are to be edited `now`, and when the next of the others is; but `refused` ones."""

NEXT_EDITS = (
    select(card)
    .where(_is_edit_of_others, _is_edit_due)
    # Cards before tables: only so is no card older than a minute while as many change as may.
    .order_by(
        card.c.form,
        case((card.c.urgency <= Urgency.PROBLEM, 0), else_=1),
        card.c.changed_at,
    )
)
"""The cards to be edited `now`: those in trouble first, then the oldest; after them the tables."""
