"""Each field that says how something fares: seen by people, or named as one that is not."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.decide.diff import diff
from monitor.kinds import KINDS
from monitor.kinds.wire import Memo
from monitor.model import Snapshot, Target
from tests.support import documents
from tests.support.clock import NOON
from tests.support.leaves import WORD, Leaf, leaves, thin

WATCHING = Path(__file__).parents[2] / "docs" / "watching.md"
ROOTS: dict[str, dict[str, Any]] = {
    "release": {"id": "rel1", "status": "executing_release_steps"},
    "installer": {"id": "int1"},
}
FIELDS = {"release": leaves(documents.release()), "installer": leaves(documents.installer())}


def is_seen(kind: str, leaf: Leaf) -> bool:
    """Whether `history` shows what a field says: as a status, its description or a fact."""
    for answers in thin(leaf, ROOTS[kind]):
        target = Target(kind, ROOTS[kind]["id"])
        before, after = (
            KINDS[kind].decode(msgspec.json.encode(answer), target.id, Memo(), {})
            for answer in answers
        )
        changed = diff(
            Snapshot(target, NOON, before), Snapshot(target, NOON + timedelta(minutes=1), after)
        )
        shown = {(one.after, one.description) for one in changed.transitions}
        shown |= {(one.after, "") for one in changed.alterations}
        if shown if leaf.value is True or leaf.value == 123 else WORD in str(shown):
            return True
    return False


def not_shown() -> dict[str, str]:
    """Return the ends of paths that the document says are not shown, with the reasons."""
    section = WATCHING.read_text().partition("\n## What is not shown, and why\n")[2]
    rows = re.findall(r"^\| (`.*`) \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    return {end: reason for cell, reason in rows for end in re.findall("`([^`]+)`", cell)}


def is_listed(path: str) -> bool:
    return any(f".{path}".endswith(f".{end}") for end in not_shown())


@pytest.mark.parametrize("kind", FIELDS)
def test_each_field_that_says_how_something_fares_is_seen_or_listed_as_not_shown(
    kind: str,
) -> None:
    unseen = {path for path, leaf in FIELDS[kind].items() if not is_seen(kind, leaf)}
    listed = {path for path in FIELDS[kind] if is_listed(path)}

    assert unseen == listed


def test_each_field_that_is_listed_as_not_shown_is_in_a_document_and_has_a_reason() -> None:
    paths = [f".{path}" for fields in FIELDS.values() for path in fields]

    for end, reason in not_shown().items():
        assert reason
        assert [path for path in paths if path.endswith(f".{end}")], end


@pytest.mark.parametrize(("kind", "count"), [("release", 133), ("installer", 97)])
def test_no_field_is_passed_over_in_counting(kind: str, count: int) -> None:
    assert len(FIELDS[kind]) == count
