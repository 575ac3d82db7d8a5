"""What is not sent yet, and its destination is no longer in the configuration: found and moved.

A card that was posted stays where it is, and so does what may have arrived there already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)

from monitor.model import Form, Group, Target
from monitor.store.database import Database
from monitor.store.queued import DeliveryState
from monitor.store.sending_order import CARD_KEY
from monitor.store.tables import (
    UnreadableMessage,
    card,
    held,
    is_open,
    leads_to,
    notification,
    target,
)


@dataclass(frozen=True, slots=True)
class Stray:
    """What is queued, or held by a quiet window, for a destination; `target` is what it is about.

    With `in_doubt` it may have arrived there.
    """

    destination: str
    target: Target | None
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Where strays go; `keeps_cards` says whether cards can be edited there."""

    stray: Stray
    destination: str
    keeps_cards: bool


@dataclass(frozen=True, slots=True)
class SetAsideStray:
    """Strays that cannot follow, and why."""

    stray: Stray
    reason: str


class Moving:
    """The part of the store that knows where the entries of the last configuration led to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_destinations(self) -> dict[str, tuple[str, ...]]:
        """Return the destinations of each entry of the last configuration, in their order."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(leads_to).order_by(leads_to.c.entry, leads_to.c.number)
            ).all()
        found: dict[str, tuple[str, ...]] = {}
        for row in rows:
            found[row.entry] = (*found.get(row.entry, ()), row.destination)
        return found

    def strays(self, configured: Collection[str]) -> tuple[Stray, ...]:
        """Return what waits for destinations other than these."""
        with self._database.transaction() as connection:
            names = {
                name
                for table, where in ((notification, is_open), (held, held.c.id.is_not(None)))
                for name in connection.execute(
                    select(table.c.destination).where(where).distinct()
                ).scalars()
            } - set(configured)
            rows = [
                *connection.execute(_QUEUED.where(notification.c.destination.in_(names))).all(),
                *connection.execute(_HELD.where(held.c.destination.in_(names))).all(),
            ]
        return tuple(dict.fromkeys(map(_stray, rows)))

    def move(
        self,
        moves: Iterable[Move | SetAsideStray],
        entries: Mapping[str, tuple[str, ...]],
        now: datetime,
    ) -> None:
        """Move strays or set them aside, and remember where entries lead to now: all or nothing."""
        with self._database.transaction() as connection:
            for move in moves:
                if isinstance(move, SetAsideStray):
                    _set_aside(connection, move, now)
                else:
                    _move(connection, move)
            connection.execute(delete(leads_to))
            rows = [
                {"entry": entry, "number": number, "destination": destination}
                for entry, destinations in entries.items()
                for number, destination in enumerate(destinations)
            ]
            if rows:
                connection.execute(insert(leads_to), rows)


_is_in_doubt = or_(notification.c.in_doubt, notification.c.state == DeliveryState.SENDING)
_QUEUED = (
    select(
        notification.c.destination,
        notification.c.target_kind,
        notification.c.target_id,
        case((_is_in_doubt, 1), else_=0).label("in_doubt"),
    )
    .where(is_open)
    .order_by(notification.c.id)
)
_HELD = select(held.c.destination, held.c.target_kind, held.c.target_id).order_by(held.c.id)


def _stray(row: Row[Any]) -> Stray:
    its = None if row.target_id is None else Target(row.target_kind, row.target_id)
    return Stray(row.destination, its, bool(getattr(row, "in_doubt", 0)))


def _is_its(stray: Stray) -> ColumnElement[bool]:
    """Say in SQL that a queued row is one of these strays."""
    its = stray.target
    return and_(
        is_open,
        notification.c.destination == stray.destination,
        notification.c.target_kind.is_not_distinct_from(its.kind if its else None),
        notification.c.target_id.is_not_distinct_from(its.id if its else None),
        _is_in_doubt if stray.in_doubt else ~_is_in_doubt,
    )


def _set_aside(connection: Connection, one: SetAsideStray, now: datetime) -> None:
    connection.execute(
        update(notification)
        .where(_is_its(one.stray))
        .values(state=DeliveryState.SET_ASIDE, done_at=now, next_try_at=None, error=one.reason)
    )


def _is_held(stray: Stray, its: Target) -> tuple[ColumnElement[bool], ...]:
    return (
        held.c.destination == stray.destination,
        held.c.target_kind == its.kind,
        held.c.target_id == its.id,
    )


def _move(connection: Connection, move: Move) -> None:
    stray, to = move.stray, move.destination
    if stray.target is not None:
        connection.execute(
            update(held).where(*_is_held(stray, stray.target)).values(destination=to)
        )
        _rename_groups(connection, stray.target, stray.destination, to)
    # Cards first: whether a reply has a card there depends on them.
    rows = connection.execute(
        select(notification)
        .where(_is_its(stray))
        .order_by(case((notification.c.form == Form.CARD, 0), else_=1), notification.c.id)
    ).all()
    for row in rows:
        if row.form == Form.CARD:
            _move_card(connection, row, move)
        else:
            has_card = (
                row.form == Form.REPLY and move.keeps_cards and _has_card(connection, row, to)
            )
            _move_row(connection, row, to, Form.REPLY if has_card else Form.MESSAGE)


def _move_card(connection: Connection, row: Row[Any], move: Move) -> None:
    """Move a card that is not posted; where there is one already, it is not posted twice."""
    of_card = and_(*(card.c[column] == getattr(row, column) for column in CARD_KEY))
    is_there = _has_card(connection, row, move.destination)
    _rename_in_state(connection, row, move.destination)
    if is_there:
        connection.execute(delete(card).where(of_card))
        connection.execute(delete(notification).where(notification.c.id == row.id))
        return
    if move.keeps_cards:
        connection.execute(
            update(card)
            .where(of_card)
            .values(destination=move.destination, attempts=0, next_try_at=None, error="")
        )
        _move_row(connection, row, move.destination, Form.CARD)
        return
    newest = connection.execute(select(card.c.wanted).where(of_card)).scalar()
    connection.execute(delete(card).where(of_card))
    is_readable = newest is not None and not isinstance(newest, UnreadableMessage)
    content = {"message": newest} if is_readable else {}
    _move_row(connection, row, move.destination, Form.MESSAGE, **content)


def _has_card(connection: Connection, row: Row[Any], destination: str) -> bool:
    its = {column: getattr(row, column) for column in CARD_KEY} | {"destination": destination}
    found = connection.execute(
        select(card.c.attempt).where(*(card.c[column] == its[column] for column in CARD_KEY))
    )
    return found.first() is not None


def _move_row(connection: Connection, row: Row[Any], to: str, form: Form, **values: object) -> None:
    """Move one row, under the key that the same news has there; it is there once."""
    key = row.key
    if key.endswith(f"/{row.destination}"):
        key = f"{key.removesuffix(row.destination)}{to}"
    is_known = connection.execute(
        select(notification.c.id).where(notification.c.key == key, notification.c.id != row.id)
    ).first()
    if is_known is not None:
        connection.execute(delete(notification).where(notification.c.id == row.id))
        return
    connection.execute(
        update(notification)
        .where(notification.c.id == row.id)
        .values(
            key=key,
            destination=to,
            form=form,
            is_broadcast=row.is_broadcast and form is Form.REPLY,
            attempts=0,
            state=DeliveryState.PENDING,
            next_try_at=None,
            in_doubt=False,
            look_again_at=None,
            first_attempted_at=None,
            error="",
            **values,
        )
    )


def _rename_groups(connection: Connection, its: Target, old: str, to: str) -> None:
    """Let what follows a failure be summed up in the other destination."""
    is_it = and_(target.c.kind == its.kind, target.c.id == its.id)
    state = connection.execute(select(target.c.state).where(is_it)).scalar()
    if state is None or all(group.destination != old for group in state.groups):
        return
    groups: dict[str, Group] = {}
    for group in state.groups:
        name = to if group.destination == old else group.destination
        earlier = groups.get(name, group)
        keys = dict.fromkeys((*earlier.alert_keys, *group.alert_keys))
        groups[name] = msgspec.structs.replace(earlier, destination=name, alert_keys=tuple(keys))
    changed = msgspec.structs.replace(state, groups=tuple(groups.values()))
    connection.execute(update(target).where(is_it).values(state=changed))


def _rename_in_state(connection: Connection, row: Row[Any], to: str) -> None:
    """Let the target's state say that its card is, or will be, in the other destination."""
    is_it = and_(target.c.kind == row.target_kind, target.c.id == row.target_id)
    state = connection.execute(select(target.c.state).where(is_it)).scalar()
    if state is None or state.attempt != row.attempt:
        return
    renamed = (to if one == row.destination else one for one in state.card_destinations)
    changed = msgspec.structs.replace(state, card_destinations=tuple(dict.fromkeys(renamed)))
    connection.execute(update(target).where(is_it).values(state=changed))
