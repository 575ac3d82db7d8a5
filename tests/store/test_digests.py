"""Until when each digest has reported."""

from __future__ import annotations

from monitor.store import Store
from tests.support.clock import NOON
from tests.support.stores import DAY, note


def test_a_digest_and_its_report_are_written_together(store: Store) -> None:
    store.digests.save_issue("daily", NOON, (), NOON)
    store.digests.save_issue("daily", NOON + DAY, (note("digest/daily"),), NOON + DAY)

    assert store.digests.last_issues() == {"daily": NOON + DAY}
    assert [one.key for one in store.outbox.unsent()] == ["digest/daily"]


def test_a_forgotten_digest_begins_anew(store: Store) -> None:
    store.digests.save_issue("daily", NOON, (), NOON)
    store.digests.save_issue("weekly", NOON, (), NOON)

    store.digests.forget(["daily", "never there"])

    assert store.digests.last_issues() == {"weekly": NOON}
