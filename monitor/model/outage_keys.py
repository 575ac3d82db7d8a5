"""What the keys of an outage's notifications begin with: written here, and read here."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from monitor.model.events import EventKind

_KEY = re.compile(
    r"(?P<scope>.+)/(?P<kind>unreachable|removed|reachable)"
    r"/(?P<since>\d{4}-\d\d-\d\dT[\d:.]+\+00:00)/.*"
)


class OutageKey(NamedTuple):
    """Which report of which outage it is; the destination follows it in a notification's key.

    `since` is in UTC.
    """

    scope: str
    kind: EventKind
    since: datetime

    def __str__(self) -> str:
        return f"{self.scope}/{self.kind}/{self.since.isoformat()}"

    @classmethod
    def of_notification(cls, key: str) -> OutageKey | None:
        """Return the report that a notification with this key is; None for any other."""
        found = _KEY.fullmatch(key)
        if found is None:
            return None
        return cls(found["scope"], EventKind(found["kind"]), datetime.fromisoformat(found["since"]))
