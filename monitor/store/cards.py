"""The cards: what each ought to show, what it shows in Slack, and the edits that this makes due.

The table of what fails, a reply in a card's thread, is kept like a card of another form.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import xxhash
from sqlalchemy import Connection, Row, and_, bindparam, case, delete, exists, select, update

from monitor.model import Card, Form, Message, MessageRef, Target, Urgency
from monitor.store.database import Database
from monitor.store.sending_order import NEXT_EDITS
from monitor.store.tables import card, has_open_notification, insert_into, is_edit_wanted


def message_fingerprint(message: Message) -> bytes:
    """Return 16 bytes that are equal for equal messages."""
    return xxhash.xxh3_128_digest(msgspec.json.encode(message))


@dataclass(frozen=True, slots=True)
class Edit:
    """A posted card that is out of date; `attempts` at editing it have failed so far."""

    target: Target
    attempt: int
    destination: str
    channel_id: str
    ts: str
    message: Message
    fingerprint: bytes
    attempts: int
    form: Form = Form.CARD


@dataclass(frozen=True, slots=True)
class LostCard:
    """What a card that is no longer in Slack ought to show, and how often it was posted."""

    message: Message
    posted_count: int
    urgency: Urgency


class Cards:
    """The part of the store that keeps one card for each target, attempt and destination."""

    def __init__(self, database: Database) -> None:
        self._database = database
        adding = insert_into(database.dialect, card)
        self._save = adding.on_conflict_do_update(
            index_elements=[*card.primary_key],
            set_={
                "wanted": adding.excluded.wanted,
                "wanted_fingerprint": adding.excluded.wanted_fingerprint,
                # A card that already waits for its edit keeps its place among those that wait.
                "changed_at": case(
                    (
                        card.c.wanted_fingerprint == card.c.shown_fingerprint,
                        adding.excluded.changed_at,
                    ),
                    else_=card.c.changed_at,
                ),
            },
        )

    def wanted(
        self, of: Target, attempt: int, destination: str, form: Form = Form.CARD
    ) -> tuple[Message, bytes] | None:
        """Return what a card ought to show now, and the fingerprint of that."""
        its = _key(of, attempt, destination, form)
        with self._database.transaction() as connection:
            row = connection.execute(_WANTED, its).one_or_none()
        return None if row is None else (row.wanted, row.wanted_fingerprint)

    def posted(self, of: Target, attempt: int) -> dict[str, MessageRef]:
        """Return where the posted cards of a target's attempt are, by destination."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(card.c.destination, card.c.channel_id, card.c.ts).where(
                    card.c.target_kind == of.kind,
                    card.c.target_id == of.id,
                    card.c.attempt == attempt,
                    card.c.form == Form.CARD,
                    card.c.ts.is_not(None),
                )
            ).all()
        return {row.destination: MessageRef(row.channel_id, row.ts) for row in rows}

    def tables(self, of: Target, attempt: int) -> dict[str, MessageRef | None]:
        """Return where the tables of a target's attempt are, by destination.

        None for one that is still to be posted.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(
                select(card.c.destination, card.c.channel_id, card.c.ts).where(
                    card.c.target_kind == of.kind,
                    card.c.target_id == of.id,
                    card.c.attempt == attempt,
                    card.c.form == Form.TABLE,
                )
            ).all()
        return {
            row.destination: MessageRef(row.channel_id, row.ts) if row.ts else None for row in rows
        }

    def newest(self, destination: str) -> dict[Target, MessageRef]:
        """Return where the card of each target's newest posted attempt is in a destination."""
        wanted = (
            select(card.c.target_kind, card.c.target_id, card.c.channel_id, card.c.ts)
            .where(
                card.c.destination == destination,
                card.c.form == Form.CARD,
                card.c.ts.is_not(None),
            )
            .order_by(card.c.attempt)
        )
        with self._database.transaction() as connection:
            rows = connection.execute(wanted).all()
        return {
            Target(row.target_kind, row.target_id): MessageRef(row.channel_id, row.ts)
            for row in rows
        }

    # Edits

    def next_edits(
        self, now: datetime, *, limit: int | None = None, refused: Collection[str] = ()
    ) -> tuple[Edit, ...]:
        """Return the edits that are due, as many as `limit` says, in the order of sending.

        Those of destinations that have `refused` them are left out.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(
                NEXT_EDITS.limit(limit), {"now": now, "refused": list(refused)}
            ).all()
        return tuple(map(_edit, rows))

    def mark_edited(self, edit: Edit, now: datetime) -> None:
        # Changed anew meanwhile, it queues up behind the cards that have waited longer.
        self._update(
            edit,
            shown_fingerprint=edit.fingerprint,
            changed_at=now,
            attempts=0,
            next_try_at=None,
            error="",
        )

    def postpone_edit(
        self, edit: Edit, next_try_at: datetime, error: str, *, is_failure: bool = True
    ) -> None:
        """Write down that Slack did not accept an edit, and when to try again.

        Only a failure counts as an attempt.
        """
        self._update(
            edit,
            attempts=card.c.attempts + (1 if is_failure else 0),
            next_try_at=next_try_at,
            error=error,
        )

    def _update(self, edit: Edit, **values: Any) -> None:
        """Change the card that an edit was made for, unless another was posted in its place."""
        its = _key(edit.target, edit.attempt, edit.destination, edit.form)
        with self._database.transaction() as connection:
            connection.execute(
                _UPDATE.where(card.c.ts == bindparam("its_ts")).values(values),
                its | {"its_ts": edit.ts},
            )

    # As part of a larger transaction

    def write(
        self, connection: Connection, cards: Iterable[Card], now: datetime, urgency: Urgency
    ) -> None:
        """Write down what cards ought to show; a new card is not posted by this."""
        rows = [_row(one, now, urgency) for one in cards]
        if rows:
            connection.execute(self._save, rows)

    def set_urgency(self, connection: Connection, of: Target, urgency: Urgency) -> None:
        """Let all cards of a target be of this urgency."""
        connection.execute(
            _SET_URGENCY, {"its_kind": of.kind, "its_id": of.id, "its_urgency": urgency}
        )

    def mark_posted(
        self,
        connection: Connection,
        of: Target,
        attempt: int,
        destination: str,
        form: Form,
        *,
        channel_id: str | None,
        ts: str | None,
        shown: bytes | None,
        now: datetime,
    ) -> None:
        """Write down where a card was posted, and the fingerprint of what it shows there.

        None for `shown` makes an edit due: what it shows is not known for certain.
        """
        connection.execute(
            _UPDATE.values(
                channel_id=channel_id,
                ts=ts,
                shown_fingerprint=shown,
                changed_at=now,
                posted_count=card.c.posted_count + 1,
                attempts=0,
                next_try_at=None,
                error="",
            ),
            _key(of, attempt, destination, form),
        )

    def mark_lost(
        self,
        connection: Connection,
        of: Target,
        attempt: int,
        destination: str,
        ts: str,
        *,
        form: Form,
    ) -> LostCard | None:
        """Write down that a card is not in Slack any more; None if it was not posted as `ts`."""
        its = _key(of, attempt, destination, form)
        row = connection.execute(_POSTED, its | {"its_ts": ts}).one_or_none()
        if row is None:
            return None
        connection.execute(_UPDATE.values(ts=None, shown_fingerprint=None), its)
        return LostCard(row.wanted, row.posted_count, Urgency(row.urgency))

    def mark_table_lost(
        self, connection: Connection, of: Target, attempt: int, destination: str
    ) -> LostCard | None:
        """Write down that a table's card is not in Slack any more; None if none was posted."""
        its = _key(of, attempt, destination, Form.TABLE)
        ts = connection.execute(_TS, its).scalar()
        if ts is None:
            return None
        return self.mark_lost(connection, of, attempt, destination, ts, form=Form.TABLE)

    def prune(self, connection: Connection, before: datetime) -> int:
        """Forget cards not changed since; that of a target's newest attempt stays with it."""
        return connection.execute(_PRUNE, {"before": before}).rowcount


_is_it = and_(
    card.c.target_kind == bindparam("its_kind"),
    card.c.target_id == bindparam("its_id"),
    card.c.attempt == bindparam("its_attempt"),
    card.c.destination == bindparam("its_destination"),
    card.c.form == bindparam("its_form"),
)
_WANTED = select(card.c.wanted, card.c.wanted_fingerprint).where(_is_it)
_TS = select(card.c.ts).where(_is_it)
_POSTED = select(card.c.wanted, card.c.posted_count, card.c.urgency).where(
    _is_it, card.c.ts == bindparam("its_ts")
)
_UPDATE = update(card).where(_is_it)
_SET_URGENCY = (
    update(card)
    .where(
        card.c.target_kind == bindparam("its_kind"),
        card.c.target_id == bindparam("its_id"),
        card.c.urgency != bindparam("its_urgency"),
    )
    .values(urgency=bindparam("its_urgency"))
)
_newer = card.alias()
_PRUNE = delete(card).where(
    card.c.changed_at < bindparam("before"),
    exists().where(
        _newer.c.target_kind == card.c.target_kind,
        _newer.c.target_id == card.c.target_id,
        _newer.c.destination == card.c.destination,
        _newer.c.attempt > card.c.attempt,
    ),
    ~is_edit_wanted,
    ~has_open_notification(card.c.target_kind, card.c.target_id),
)


def _key(its: Target, attempt: int, destination: str, form: Form) -> dict[str, Any]:
    return {
        "its_kind": its.kind,
        "its_id": its.id,
        "its_attempt": attempt,
        "its_destination": destination,
        "its_form": form,
    }


def _edit(row: Row[Any]) -> Edit:
    return Edit(
        target=Target(row.target_kind, row.target_id),
        attempt=row.attempt,
        destination=row.destination,
        channel_id=row.channel_id,
        ts=row.ts,
        message=row.wanted,
        fingerprint=row.wanted_fingerprint,
        attempts=row.attempts,
        form=Form(row.form),
    )


def _row(one: Card, now: datetime, urgency: Urgency) -> dict[str, object]:
    return {
        "target_kind": one.target.kind,
        "target_id": one.target.id,
        "attempt": one.attempt,
        "destination": one.destination,
        "form": one.form,
        "wanted": one.message,
        "wanted_fingerprint": message_fingerprint(one.message),
        "urgency": urgency,
        "changed_at": now,
        "posted_count": 0,
        "attempts": 0,
        "error": "",
    }
