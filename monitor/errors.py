"""The errors of the monitor, told apart by what happens next.

    MonitorError
    ├── ConfigError                 a person must correct the configuration; has every mistake
    ├── StoreError                  a person must act on the database file; says what to do
    │   └── StoreDamaged                or the daemon's next start does: it begins a new file
    ├── NuonError                   a poll brought no observation
    │   ├── NuonUnavailable             try again later
    │   ├── NuonRejected                not before a person acts: token, organisation, address
    │   ├── NuonNotFound                the platform answers that it has no such record
    │   └── MalformedAnswer             an answer that is not what the platform promises
    └── DestinationError            a message was not accepted
        ├── DestinationUnavailable      try again later; it may have arrived all the same
        ├── DestinationRejected         not before a person acts, or never: see `Refusal`
        └── CannotLook                  whether a message arrived cannot be found out

Each message can be read by a stranger, says what to do where that is known, and never holds a
secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MonitorError(Exception):
    """Base of all errors that are not bugs; `str()` of one is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration: where it is, and what was expected there."""

    location: str
    expected: str

    def __str__(self) -> str:
        return f"{self.location}: {self.expected}" if self.location else self.expected


class ConfigError(MonitorError):
    """The configuration cannot be used; `problems` has every mistake, not only the first.

    `file` says in which file they are, if they may be in one.
    """

    def __init__(self, problems: tuple[Problem, ...], *, file: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
        self.file = file


class StoreError(MonitorError):
    """The database cannot be used until someone acts."""


class StoreDamaged(StoreError):
    """The file is no database, or a damaged one."""


class NuonError(MonitorError):
    """A poll that brought no observation."""


class NuonUnavailable(NuonError):
    """The platform could not answer; `retry_after` is how long to wait as it asked, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unserved(StrEnum):
    """Why there is no answer at a path, whatever the id in it."""

    ROUTE = "route"
    """The platform, which says that it is one, has no such path: it is of another version."""
    FEATURE = "feature"
    """It has, but not for this organisation."""
    ADDRESS = "address"
    """What answers does not say that it is the platform."""


class NuonRejected(NuonError):
    """The platform refuses, and will until a person acts; `unserved` if it does for any id."""

    def __init__(self, message: str, *, unserved: Unserved | None = None) -> None:
        super().__init__(message)
        self.unserved = unserved

    @property
    def is_missing_route(self) -> bool:
        return self.unserved is not None


class NuonNotFound(NuonError):
    """A 404 by the platform itself: it has the route, but no such record."""


class MalformedAnswer(NuonError):
    """An answer that cannot be read as what the platform promises."""


class Refusal(StrEnum):
    """What a destination refused, which decides what happens to the other messages."""

    CREDENTIALS = "credentials"
    """The token or the webhook itself: nothing is sent until it is replaced."""
    CHANNEL = "channel"
    """This channel: its messages wait, other channels get theirs."""
    MESSAGE = "message"
    """This message: it is sent once more as plain text, and set aside if that fails too."""
    UNKNOWN = "unknown"
    """A code that we do not know: sent as plain text, retried for a while, then set aside."""
    CARD = "card"
    """The message to be edited was deleted: a new one replaces it."""
    QUOTA = "quota"
    """The workspace is over its limit of messages: set aside."""


class DestinationError(MonitorError):
    """A message that a destination did not accept."""


class DestinationUnavailable(DestinationError):
    """Try again later; `retry_after` is how long the destination asks to wait, in seconds.

    `in_doubt`: the connection broke after the request was sent, so the message may have
    arrived. A post must be searched for before it is sent again.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, in_doubt: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.in_doubt = in_doubt


class DestinationRejected(DestinationError):
    """The destination refused: `refusal` says what, `code` is Slack's own word for why."""

    def __init__(self, message: str, *, refusal: Refusal, code: str) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.code = code


class CannotLook(DestinationError):
    """The destination does not let us read whether a message arrived."""
