"""Which rows of lists belong to one change over many installs, and to which one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from monitor.errors import NuonError, NuonNotFound, NuonRejected
from monitor.kinds import change
from monitor.kinds.org_workflows import is_certain
from monitor.model import Found, Target
from monitor.platform.asking import ask_within
from monitor.platform.source import Answer, Source

log = structlog.get_logger(__name__)

_CLOSE_IN_TIME = timedelta(minutes=15)
"""How far apart the workflows of one change may begin, where only a name or the like ties them."""
_MOST_ASKED = 20
"""How many rows one pass asks about; the others have their turn in the passes after it."""
_PATIENCE_SECONDS = 5.0
_MOST_TRIES = 3
"""How often a row is asked about that cannot be had: then it is followed by itself."""
_MOST_KEPT = 10_000
_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Open:
    """A change that is followed; `last_at` is when the newest of its workflows began."""

    target: Target
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grouped:
    """Rows of a list by what each belongs to.

    `joined` are changes that are followed already, and `starting` others, each with its rows.
    """

    single: tuple[Found, ...]
    joined: Mapping[Target, Sequence[Found]]
    starting: Mapping[Target, Sequence[Found]]

    @property
    def rows(self) -> tuple[Found, ...]:
        """What may be followed from now on; of a change its rows make one."""
        changes = (_as_one(target, rows) for target, rows in self.starting.items())
        return (*self.single, *changes)

    def members_of(self, target: Target) -> Sequence[Found]:
        """Return the rows of a change; none where it is something else."""
        return self.joined.get(target) or self.starting.get(target, ())


class Changes:
    """The changes that are followed at present, by what ties their workflows."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: dict[str, _Open] = {}
        self._ties: dict[Target, str] = {}
        """What was found out by asking, by the row's own target; empty where nothing ties it."""
        self._tries: dict[Target, int] = {}

    async def tied(
        self, rows: Sequence[Found], tie_of: Callable[[bytes], str]
    ) -> tuple[list[Found], bool]:
        """Return the rows with what ties them, and whether that is known of all.

        A row of which it is not known yet is left out: it has its turn in the next pass.
        """
        if len(self._ties) > _MOST_KEPT:
            self._ties.clear()
            self._tries.clear()
        unknown = [row for row in rows if row.question and row.target not in self._ties]
        unknown.sort(key=_age)  # the first names the change
        await self._ask(unknown[:_MOST_ASKED], tie_of)
        known = [row for row in rows if not row.question or row.target in self._ties]
        tied = [row._replace(tie=self._ties.get(row.target, row.tie)) for row in known]
        return tied, len(known) == len(rows)

    async def _ask(self, rows: Sequence[Found], tie_of: Callable[[bytes], str]) -> None:
        paths = [row.question for row in rows]
        outcomes = await ask_within(self._source, paths, _PATIENCE_SECONDS)
        for row in rows:
            self._note(row, outcomes[row.question], tie_of)

    def _note(
        self, row: Found, outcome: Answer | NuonError, tie_of: Callable[[bytes], str]
    ) -> None:
        """Remember what an answer says, or that there will be none."""
        if isinstance(outcome, NuonError):
            self._note_failure(row, outcome)
            return
        tie = tie_of(outcome.body)
        self._ties[row.target] = tie if row.type == _DEPLOY or not tie else f"{row.type}:{tie}"

    def _note_failure(self, row: Found, error: NuonError) -> None:
        log.debug("tie_unknown", path=row.question, error=str(error))
        self._tries[row.target] = self._tries.get(row.target, 0) + 1
        is_final = isinstance(error, NuonNotFound | NuonRejected)
        if is_final or self._tries[row.target] >= _MOST_TRIES:
            self._ties[row.target] = ""

    def grouped(self, rows: Sequence[Found]) -> Grouped:
        """Return rows by what each belongs to."""
        joined: dict[Target, list[Found]] = {}
        others: list[Found] = []
        for row in rows:
            target = self._joined(row) if row.tie else None
            (joined.setdefault(target, []) if target else others).append(row)
        single = tuple(row for row in others if not row.tie)
        return Grouped(single, joined, _beginning(row for row in others if row.tie))

    def _joined(self, row: Found) -> Target | None:
        """Return the followed change that a row belongs to."""
        its = self._open.get(row.tie)
        return its.target if its and _is_close(row.tie, its.last_at, row.created_at) else None

    def begin(self, target: Target) -> None:
        """A change is followed from now on."""
        tie = change.tie_of(target.id)
        known = self._open.get(tie)
        if known is None or known.target != target:
            self._open[tie] = _Open(target)

    def take(self, rows: Iterable[Found]) -> None:
        """Take note that these rows are of changes that are followed."""
        for row in rows:
            its = self._open.get(row.tie)
            if its is not None and row.created_at is not None:
                its.last_at = max(row.created_at, its.last_at or row.created_at)

    def end(self, target: Target) -> None:
        """A change is followed no more: what comes later is another one."""
        tie = change.tie_of(target.id)
        known = self._open.get(tie)
        if known is not None and known.target == target:
            del self._open[tie]


_DEPLOY = "manual_deploy"


def _beginning(rows: Iterable[Found]) -> dict[Target, list[Found]]:
    """Group rows that belong to no followed change into new ones, each named by its first row."""
    groups: dict[Target, list[Found]] = {}
    newest: dict[str, tuple[Target, datetime | None]] = {}
    for row in sorted(rows, key=_age):
        target, last_at = newest.get(row.tie, (None, None))
        if target is None or not _is_close(row.tie, last_at, row.created_at):
            target = Target(change.NAME, change.id_of(row.target.id, row.tie))
        newest[row.tie] = target, row.created_at
        groups.setdefault(target, []).append(row)
    return groups


def _age(row: Found) -> tuple[datetime, Target]:
    return row.created_at or _LATEST, row.target


def _as_one(target: Target, rows: Sequence[Found]) -> Found:
    """Return a change as the one row of a list that it is followed by."""
    times = [row.created_at for row in rows if row.created_at is not None]
    return Found(
        target=target,
        is_over=all(row.is_over for row in rows),
        created_at=min(times, default=None),
    )


def _is_close(tie: str, last_at: datetime | None, at: datetime | None) -> bool:
    if is_certain(tie) or last_at is None or at is None:
        return True
    return at - last_at <= _CLOSE_IN_TIME
