"""The errors of the monitor, told apart by what happens next.

    MonitorError
    ├── ConfigError         someone must mend the configuration; lists every problem at once
    ├── StoreError          someone must act on the database file; says what to do
    │   └── StoreDamaged        or the next start of the daemon does, which begins a new one
    ├── NuonError           a poll brought no observation
    │   ├── NuonUnavailable     again later, on its own
    │   ├── NuonRejected        not before someone acts: token, organisation, route, address
    │   ├── NuonGone            the platform answers that it has no such record
    │   └── MalformedAnswer     an answer that is not what the platform promises
    └── SinkError           a message was not accepted
        ├── SinkUnavailable     again later, on its own; perhaps it arrived all the same
        ├── SinkRejected        not before someone acts, or never: see `Refusal`
        └── CannotLook          whether a message arrived cannot be found out

Every message can be read by a stranger and never holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MonitorError(Exception):
    """Base of all errors that are not bugs; `str()` of one is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration: where it stands and what was expected there."""

    place: str
    expected: str

    def __str__(self) -> str:
        return f"{self.place}: {self.expected}" if self.place else self.expected


class ConfigError(MonitorError):
    """The configuration cannot be used; `problems` has every mistake, never only the first."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class StoreError(MonitorError):
    """The database cannot be used until someone acts."""


class StoreDamaged(StoreError):
    """What the file holds is no sound database, or none any more."""


class NuonError(MonitorError):
    """A poll that brought no observation."""


class NuonUnavailable(NuonError):
    """The platform could not answer now; `retry_after` is what it asked for, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NuonRejected(NuonError):
    """The platform refuses, and will until someone acts.

    `is_missing_route` says that it has no such path at all, whatever the id: a platform of
    another version, or something else that answers at this address.
    """

    def __init__(self, message: str, *, is_missing_route: bool = False) -> None:
        super().__init__(message)
        self.is_missing_route = is_missing_route


class NuonNotFound(NuonError):
    """The platform's own 404: it knows the route, but has no such record."""


class MalformedAnswer(NuonError):
    """An answer that cannot be read as what the platform promises."""


class Refusal(StrEnum):
    """What a destination refused, and so what becomes of the rest."""

    CREDENTIALS = "credentials"
    """The token or the webhook itself: nothing goes out until it is mended."""
    CHANNEL = "channel"
    """This channel: what is for it waits, others go on."""
    MESSAGE = "message"
    """This message, as it is: once more as plain text, then set aside."""
    UNKNOWN = "unknown"
    """Nobody knows what: as plain text, again for a while, and only then set aside."""
    CARD = "card"
    """The message to be edited is not there any more: a new one takes its place."""
    QUOTA = "quota"
    """The workspace is full: set aside."""


class DestinationError(MonitorError):
    """A message that a destination did not accept."""


class DestinationUnavailable(DestinationError):
    """Try again later; `retry_after` is what the destination asked for, in seconds.

    With `maybe_delivered` the connection broke after the request went out: the message
    may be there, and a post must be looked for before it is sent again.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, maybe_delivered: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.maybe_delivered = maybe_delivered


class DestinationRejected(DestinationError):
    """The destination answered no; `refusal` says to what, `code` is the destination's own word."""

    def __init__(self, message: str, *, refusal: Refusal, code: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.code = code


class CannotLook(DestinationError):
    """The destination does not let us see whether a message arrived."""
