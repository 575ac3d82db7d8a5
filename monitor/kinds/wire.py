"""What all of the platform's documents have in common: times, durations, statuses, lists.

Nothing but an id can be counted on, so every field may be missing, null or empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

import msgspec
import xxhash

from monitor.errors import MalformedAnswer
from monitor.model import Entity, Kind, PastStatus, plain_word

T = TypeVar("T")


class Identified(Protocol):
    """A record of the platform."""

    id: object


Record = TypeVar("Record", bound=Identified)


class Document(NamedTuple):
    """One answer: its bytes, and whether the platform says that the list goes on."""

    body: bytes
    has_more: bool = False


Beside = Mapping[str, Document | None]
"""What was fetched beside the main document, by path; None for what could not be had."""

NOTHING_BESIDE: Beside = {}


MEMBERS = "members"
"""The key of a document that is not asked for: what the list knows that led to a target."""


class Members(msgspec.Struct, frozen=True):
    """The ids of what a target consists of, and the time, to the minute."""

    ids: tuple[str, ...] = ()
    now: datetime | None = None


_members = msgspec.json.Decoder(Members)


def members_document(ids: Iterable[str], now: datetime) -> Document:
    """Return the members as a document; of the same minute it has the same bytes."""
    minute = now.replace(second=0, microsecond=0)
    return Document(msgspec.json.encode(Members(tuple(sorted(ids)), minute)))


def members_of(beside: Beside) -> Members:
    """Return the members among the documents; none where they are not given."""
    document = beside.get(MEMBERS)
    return _members.decode(document.body) if document is not None else Members()


class Wanted(NamedTuple):
    """One more document; without a needed one the poll has failed, others only add to it.

    Of a proof a 404 is an answer as well: any other failure leaves open what it would have shown.
    """

    path: str
    is_needed: bool = True
    is_proof: bool = False


class Question(NamedTuple):
    """A document that explains something, such as why a deploy failed; never needed.

    `subject` is what it explains, as that is now: while it is the same, the answer is asked for
    again at growing intervals only. None for what moves by itself: asked again in each poll, and
    at growing intervals where it cannot be had. `halted` is of which kind it is, where its subject
    failed or waits: an answer by which it still goes on is older than its subject.
    """

    path: str
    subject: str | None = None
    halted: Kind | None = None


class Retries(msgspec.Struct, gc=False):
    """What a status's metadata says of retries.

    The platform merges it from status to status (its public source, December 2025), so a key
    outlives its moment: it means something for a failure only.
    """

    awaiting_retry: object = None
    stopped: object = None
    retries_exhausted: object = None

    @property
    def are_over(self) -> bool:
        """Whether nothing is tried again any more, and nobody is waited for."""
        return is_set(self.stopped) or is_set(self.retries_exhausted)


class StatusRecord(msgspec.Struct, gc=False):
    """`status_v2`, and each entry of its `history`; `created_at_ts` is in seconds.

    The document promises any value for each: what is no text or no number means nothing to us.
    Of the metadata only what is named is ever read: the rest can be customers' values.
    """

    status: object = None
    status_human_description: object = None
    created_at_ts: object = None
    metadata: Retries | str | float | bool | list[msgspec.Raw] | None = None
    history: (
        list[StatusRecord | str | float | bool | list[msgspec.Raw] | None]
        | dict[str, msgspec.Raw]
        | str
        | float
        | bool
        | None
    ) = None


class Status(msgspec.Struct, frozen=True, gc=False):
    """A status as we read it: the newer of the two that an answer can hold."""

    status: str
    description: str
    at: datetime | None
    history: tuple[PastStatus, ...]


def path_segment(identifier: str) -> str:
    """Return an id as it can stand in a URL's path, whatever its characters."""
    return quote(identifier, safe="")


def record_at(collection: str) -> Callable[[str], str]:
    """Return what makes the path of a record of its id, behind the path of all of them."""
    return lambda identifier: f"{collection}/{path_segment(identifier)}"


class Memo(Generic[T]):
    """What was made of the parts of one answer, by their bytes.

    Most of a large answer is what it was: an equal part becomes the very same value, is not
    decoded again, and need not be compared. Each answer has a memo of its own, which is
    made from the one of the answer before.
    """

    def __init__(self, before: Memo[T] | None = None) -> None:
        self._known: Mapping[bytes, T] = before.made if before is not None else {}
        self.made: dict[bytes, T] = {}

    def get(self, part: msgspec.Raw, make: Callable[[msgspec.Raw], T]) -> T:
        """Return what `make` makes of a part, or made of an equal one."""
        fingerprint = xxhash.xxh3_128_digest(part)
        value = self._known.get(fingerprint)
        if value is None:
            value = make(part)
        self.made[fingerprint] = value
        return value


def parse(
    body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T], what: str = "the answer"
) -> T:
    """Read an answer or a part of it; raises MalformedAnswer that says where it is wrong."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise MalformedAnswer(f"{what} does not have the promised shape: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedAnswer(f"{what} is not valid JSON: {error}") from error
    except RecursionError as error:
        raise MalformedAnswer(f"{what} is nested too deeply to be read") from error


def optional(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T | None:
    """Read a document that only adds to another one; None where nothing can be made of it."""
    try:
        return parse(body, decoder)
    except MalformedAnswer:
        return None


def about(
    beside: Beside, path: str, decoder: msgspec.json.Decoder[Record], identifier: str
) -> Record | None:
    """Read the document at a path, which only adds to another one.

    None where there is none, nothing can be made of it, or it is about something else.
    """
    document = beside.get(path) if identifier else None
    record = optional(document.body, decoder) if document is not None else None
    return record if record is not None and record.id == identifier else None


def present(rows: Iterable[T | None] | None) -> list[T]:
    """Return a list's entries, for a list that may be null and may hold nulls."""
    return [row for row in rows or () if row is not None]


def read_time(text: object) -> datetime | None:
    """Read an RFC 3339 time as UTC; None for a zero, missing or unreadable one."""
    if not text or not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not UTC:
            time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    # Go writes a time that was never set as 0001-01-01T00:00:00Z.
    return time if time.year > 1970 else None


def read_timestamp(seconds: object) -> datetime | None:
    """Read a time given in seconds since the epoch; None for a zero or unreadable one."""
    if not isinstance(seconds, (float, int)) or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


# As Go writes it: https://pkg.go.dev/time#Duration.String
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_DELAY = 30 * 24 * 3600.0
"""Seconds; more is taken for nonsense, and would keep a stalled step from being noticed."""


def read_duration(text: str | None) -> float:
    """Read a Go duration such as `1h30m0s` in seconds; 0 for a missing or unreadable one."""
    parts = _GO_DURATION.findall(text or "")
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return min(sum(float(number) * _SECONDS[unit] for number, unit in parts), _LONGEST_DELAY)


PARKED = "failed-pending-retry"
_FAILED = "error"


def read_status(
    status: str | None,
    description: str | None,
    newer: StatusRecord | None = None,
    *,
    may_park: bool = False,
) -> Status:
    """Choose between `status` and `status_v2`: where the latter is set, it is the newer one.

    The platform copies it over `status`, with its description over `status_description` (its
    public source, December 2025): where the two differ, the copy was not made yet. `may_park` says
    that it is of what a person can have tried again: whether a failure still waits for that, its
    metadata says.
    """
    if newer is None or not newer.status or not isinstance(newer.status, str):
        return Status(status or "", description or "", None, ())
    newer_description = newer.status_human_description
    if not newer_description or not isinstance(newer_description, str):
        newer_description = description if newer.status == status else ""
    word_of = _word_after_retries if may_park else _word_as_it_is
    return Status(
        status=word_of(newer.status, newer),
        description=newer_description or "",
        at=read_timestamp(newer.created_at_ts),
        history=_read_history(newer.history, word_of),
    )


def is_set(value: object) -> bool:
    """Whether a key of a status's metadata is set: these hold booleans, numbers or words."""
    if isinstance(value, str):
        return value.strip().lower() not in _NOT_SET
    return isinstance(value, (bool, int, float)) and bool(value)


_NOT_SET = frozenset({"", "0", "f", "false", "no", "none", "null"})


def _word_as_it_is(word: str, _record: StatusRecord) -> str:
    return word


def _word_after_retries(word: str, record: StatusRecord) -> str:
    """Return `error` for a failure that is an end, another word for one that may be retried."""
    if word not in (_FAILED, PARKED) or not isinstance(record.metadata, Retries):
        return word
    if record.metadata.are_over:
        return _FAILED
    return PARKED if is_set(record.metadata.awaiting_retry) else word


def _read_history(
    records: object, word_of: Callable[[str, StatusRecord], str]
) -> tuple[PastStatus, ...]:
    if not isinstance(records, list):
        return ()
    past: list[PastStatus] = []
    for record in records:
        if not isinstance(record, StatusRecord) or not isinstance(record.status, str):
            continue
        at, description = read_timestamp(record.created_at_ts), record.status_human_description
        if record.status and at is not None:
            word = word_of(record.status, record)
            past.append(PastStatus(word, at, description if isinstance(description, str) else ""))
    if past and past[0].at > past[-1].at:
        past.reverse()  # some of the platform's lists have the newest first
    # Times are whole seconds here: within one of them the given order is kept.
    past.sort(key=lambda entry: entry.at)
    return tuple(past)


_encode = msgspec.msgpack.Encoder(enc_hook=plain_word).encode
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


def in_order(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return entities in the order to show them in, each id once.

    The platform promises no order, and pages can repeat a row: of two with one id the one
    that was touched last counts, whatever order they came in.
    """
    newest: dict[str, Entity] = {}
    for entity in entities:
        other = newest.get(entity.id)
        if other is None or _freshness(entity) > _freshness(other):
            newest[entity.id] = entity
    return tuple(
        sorted(newest.values(), key=lambda entity: (entity.created_at or _LATEST, entity.id))
    )


def _freshness(entity: Entity) -> tuple[datetime, datetime, bytes]:
    return (
        entity.status_at or _EARLIEST,
        entity.updated_at or _EARLIEST,
        _encode(entity),
    )
