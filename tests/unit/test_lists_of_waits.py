"""What ceased to wait: rows that a list misses, repeats, or has once more from a replica."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from monitor.compose.observation import Seen, compare
from monitor.kinds import approvals
from monitor.kinds.profile import LastSeen
from monitor.kinds.wire import Beside, Document, Memo, Question
from monitor.model import EventKind, ReasonKind, Target
from tests.support.builders import PATIENCE, after

Row = dict[str, Any]
_SECOND_PAGE = "/v1/workflows/pending-approvals?limit=100&offset=100"
_UPDATED = "2025-12-01T12:00:00Z"


def row(name: str, *, updated_at: str = _UPDATED, status: str = "approval-awaiting") -> Row:
    return {
        "id": f"apr-{name}",
        "type": "helm_approval",
        "created_at": "2025-12-01T12:00:00Z",
        "updated_at": updated_at,
        "workflow_step": {
            "id": f"iws-{name}",
            "name": f"deploy {name}",
            "status": {"status": status, "created_at_ts": 1_764_590_400},
            "workflow_id": f"inw-{name}",
            "owner_id": "inl1",
            "owner_type": "installs",
        },
    }


def workflow(name: str, status: str = "approval-awaiting", answer: str = "") -> Row:
    """Return the workflow of an approval, as it is asked about."""
    waits = row(name)
    step = waits["workflow_step"]
    step["status"]["status"] = status
    response = {"response": {"type": answer}} if answer else {}
    step["approval"] = {key: waits[key] for key in ("id", "type", "created_at", "updated_at")}
    step["approval"] |= response
    return {
        "id": f"inw-{name}",
        "owner_id": "inl1",
        "owner_type": "installs",
        "status": {"status": "in-progress"},
        "steps": [step],
    }


def path_of(name: str) -> str:
    return f"/v1/workflows/inw-{name}"


@dataclass
class Watcher:
    """Reads the list poll by poll, and keeps what people are notified of."""

    seen: Seen | None = None
    polls: int = 0
    told: list[str] = field(default_factory=list)

    def poll(self, *rows: Row, beside: Beside | None = None) -> list[str]:
        self.polls += 1
        tree = approvals.decode(json.dumps(rows).encode(), "org", Memo(), beside or {})
        change = compare(
            self.seen,
            Target("approvals", "org"),
            tree,
            now=after(self.polls / 4),
            stall_rules=PATIENCE,
        )
        self.seen = Seen(change.snapshot, change.decision.state)
        told = [
            f"{event.entity.id.removeprefix('apr-')}: {_words(event.kind, event.reason.kind)}"
            for event in change.decision.events
            if event.kind is not EventKind.STARTED
        ]
        self.told += told
        return told

    @property
    def waiting(self) -> set[str]:
        assert self.seen is not None
        root = self.seen.snapshot.root
        return {unit.id.removeprefix("apr-") for step in root.children for unit in step.children}


def _words(event: EventKind, reason: ReasonKind) -> str:
    return str(event) if reason is ReasonKind.PLATFORM else str(reason)


A, B = row("a"), row("b")


def test_a_row_that_one_answer_misses_is_nothing() -> None:
    watcher = Watcher()

    told = [watcher.poll(*rows) for rows in ((A, B), (B,), (A, B), (B,), (B,), (A, B))]

    assert told == [["a: waiting", "b: waiting"], [], [], [], [], []]


def test_rows_that_repeat_and_are_missed_across_pages_are_nothing() -> None:
    rows = [row(f"{number:03}") for number in range(130)]
    watcher = Watcher()

    def poll(first: list[Row], second: list[Row]) -> list[str]:
        page = Document(json.dumps(second).encode())
        return watcher.poll(*first, beside={_SECOND_PAGE: page})

    poll(rows[:100], rows[100:])
    assert poll(rows[:100], [rows[99], *rows[101:]]) == []
    assert poll(rows[:100], [rows[98], rows[100], *rows[102:]]) == []
    assert poll(rows[:100], rows[100:]) == []
    assert len(watcher.waiting) == 130


def test_what_is_missing_for_good_is_told_once_by_the_third_poll() -> None:
    watcher = Watcher()
    watcher.poll(A, B)

    assert [watcher.poll(B) for _ in range(5)] == [[], [], ["a: waits no longer"], [], []]
    assert watcher.waiting == {"b"}


def test_the_same_approval_is_never_told_to_wait_twice() -> None:
    watcher = Watcher()
    for rows in ((A, B), *[(B,)] * 3):
        watcher.poll(*rows)

    lagging = [watcher.poll(*rows) for rows in ((A, B), (B,), (A, B), (A, B), (B,))]
    back = [watcher.poll(A, B) for _ in range(4)]

    assert lagging == [[]] * 5
    assert back == [[], [], ["a: waits after all"], []]
    assert watcher.told.count("a: waiting") == 1


def test_what_waits_again_by_newer_times_is_there_at_once_and_not_told_as_new() -> None:
    watcher = Watcher()
    for rows in ((A, B), *[(B,)] * 3):
        watcher.poll(*rows)

    touched = row("a", updated_at="2025-12-01T13:00:00Z")

    assert watcher.poll(touched, B) == ["a: waits after all"]


def test_a_list_from_a_replica_that_lags_is_no_observation() -> None:
    newer = row("b", updated_at="2025-12-01T13:00:00Z")
    watcher = Watcher()
    watcher.poll(newer, row("c"))

    assert [watcher.poll(B) for _ in range(2)] == [[], []]
    assert watcher.waiting == {"b", "c"}


# Asked about


def test_what_the_list_lacks_is_asked_about_at_its_workflow() -> None:
    watcher = Watcher()
    watcher.poll(A, B)
    assert watcher.seen is not None
    seen = LastSeen(watcher.seen.snapshot.root)

    body = json.dumps([B]).encode()

    assert approvals.questions(body, "org", {}, seen) == (Question(path_of("a")),)
    assert approvals.questions(json.dumps([A, B]).encode(), "org", {}, seen) == ()
    assert approvals.questions(body, "org", {}, LastSeen()) == ()


@pytest.mark.parametrize(
    "asked",
    [
        workflow("a", answer="approve"),
        workflow("a", answer="deny"),
        workflow("a", answer="a new kind of answer"),
        workflow("a", "cancelled"),
        workflow("a", "success", answer="approve"),
    ],
)
def test_what_says_itself_that_it_does_not_wait_is_over_at_once(asked: Row) -> None:
    watcher = Watcher()
    watcher.poll(A, B)
    beside = {path_of("a"): Document(json.dumps(asked).encode())}

    assert watcher.poll(B, beside=beside) == ["a: waits no longer"]
    assert watcher.waiting == {"b"}
    assert watcher.poll(A, B) == []


def test_what_says_itself_that_it_waits_does_however_long_the_list_lacks_it() -> None:
    watcher = Watcher()
    watcher.poll(A, B)
    assert watcher.seen is not None
    before = watcher.seen.snapshot.root
    beside = {path_of("a"): Document(json.dumps(workflow("a")).encode())}

    assert [watcher.poll(B, beside=beside) for _ in range(5)] == [[]] * 5
    assert watcher.seen.snapshot.root == before


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id": "other"}', b"null"])
def test_a_workflow_that_says_nothing_leaves_it_to_the_polls(body: bytes) -> None:
    watcher = Watcher()
    watcher.poll(A, B)
    beside = {path_of("a"): Document(body)}

    assert [watcher.poll(B, beside=beside) for _ in range(3)] == [[], [], ["a: waits no longer"]]
