"""Reading the fields of the platform's objects: texts, facts, statuses and their reasons."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import objects, wire
from monitor.model import Kind, Phase, phase_of

T = TypeVar("T")

_LONGEST_REASON = 2_000
"""Characters that are kept of a text, which can be a whole log."""
_LONGEST_FACT = 200


def rows(value: object, sort: type[T]) -> list[T]:
    """Return a list's rows that are what they were promised to be."""
    return [row for row in value if isinstance(row, sort)] if isinstance(value, list) else []


def identified(value: object, sort: type[wire.Record], what: str) -> tuple[list[wire.Record], int]:
    """Return a list's rows that have an id, and how many have none: each costs itself alone.

    Raises MalformedAnswer where no row has one: that is another answer than was asked for.
    """
    present = wire.present(value if isinstance(value, list) else ())
    found = [row for row in present if isinstance(row, sort) and text(row.id)]
    if present and not found:
        raise MalformedAnswer(f"no {what} in the answer has an id")
    return found, len(present) - len(found)


def text(value: object, longest: int = _LONGEST_REASON) -> str:
    """Return a text, cut where it is too long; empty for what is none."""
    if not isinstance(value, str):
        return ""
    return value if len(value) <= longest else f"{value[: longest - 1]}…"


def required(identifier: str, what: str) -> str:
    """Return an id that nothing goes without; raises MalformedAnswer for an empty one."""
    if not identifier:
        raise MalformedAnswer(f"{what} in the answer has an empty id")
    return identifier


def number(value: object) -> int:
    """Return an index; the platform leaves out a zero."""
    return value if isinstance(value, int) else 0


def email(account: objects.Account | objects.NonObject) -> str:
    """Return who did something; empty where the platform does not say."""
    return text(account.email) if isinstance(account, objects.Account) else ""


def facts_of(**named: object) -> tuple[tuple[str, str], ...]:
    """Return those that have a text, in the order given, long ones cut."""
    facts = []
    for name, value in named.items():
        if value and (shown := text(value, _LONGEST_FACT)):
            facts.append((name, shown))
    return tuple(facts)


def commit_facts(commit: objects.Commit | objects.NonObject) -> tuple[tuple[str, str], ...]:
    """Return what a commit says beside its hash."""
    if not isinstance(commit, objects.Commit):
        return ()
    return facts_of(message=commit.message, author_name=commit.author_name)


def sha(commit: objects.Commit | objects.NonObject) -> str:
    """Return a commit's hash; empty where there is none."""
    return text(commit.sha) if isinstance(commit, objects.Commit) else ""


# Statuses, and the reasons that stand beside them


def raw_status(kind: Kind, row: objects.Stated) -> wire.Status:
    """Read an object's status; where it is a bad one, its description is the best reason."""
    if isinstance(row.status, str) and row.status_v2 is None and row.composite_error is None:
        return wire.Status(text(row.status), text(row.status_description), None, ())
    record = record_of(row)
    newer = record if isinstance(record, objects.Record) else None
    status = wire.read_status(
        word_of(row.status),
        text(row.status_description),
        newer,
        may_park=wire.PARKED in kind.phases,
    )
    has_reason = newer is not None or row.composite_error is not None
    if not has_reason or not _is_bad(kind, status.status):
        return status
    reason = message_of(row.composite_error) or _reason_beside(record)
    return msgspec.structs.replace(status, description=reason) if reason else status


_stated = msgspec.json.Decoder(objects.Stated)


def is_behind(question: wire.Question, body: bytes) -> bool:
    """Whether an answer is older than what was asked about: by it that has not halted yet."""
    if question.halted is None:
        return False
    row = wire.optional(body, _stated)
    status = raw_status(question.halted, row).status if row is not None else ""
    return bool(status) and phase_of(question.halted, status) in (Phase.PENDING, Phase.RUNNING)


def _is_bad(kind: Kind, status: str) -> bool:
    return phase_of(kind, status) is Phase.FAILED or status == wire.PARKED


def record_of(row: objects.Stated) -> objects.RawStatus:
    """Return the newer of an object's two statuses, which can be a record or a word alone."""
    return row.status_v2 if row.status_v2 and word_of(row.status_v2) else row.status


def word_of(status: objects.RawStatus) -> str:
    """Return a status's word."""
    return text(status.status if isinstance(status, objects.Record) else status)


def message_of(failure: objects.Failure | objects.NonObject) -> str:
    """Return why something failed; empty where that is not said."""
    return text(failure.message) if isinstance(failure, objects.Failure) else ""


def _reason_beside(record: objects.RawStatus) -> str:
    """Return the best reason in the record of a bad status."""
    if not isinstance(record, objects.Record):
        return ""
    reason = message_of(record.composite_error)
    beside = record.metadata
    if reason or not isinstance(beside, objects.Metadata):
        return reason
    denied = {text(one.message) for one in rows(beside.deny_violations, objects.Violation)} - {""}
    if denied:
        return text("; ".join(sorted(denied)))
    return text(beside.err_message) or text(beside.error_message) or text(beside.reason)
