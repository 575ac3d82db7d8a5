"""Outages that people were notified of, until they are over."""

from __future__ import annotations

from pathlib import Path

from monitor.model import (
    EventKind,
    Form,
    Notification,
    Outage,
)
from monitor.store import (
    Store,
)
from tests.support.clock import NOON
from tests.support.stores import MINUTE, message, next_notification, note, url_of


def test_an_outage_is_remembered_until_it_is_over(path: Path) -> None:
    lost = Outage(EventKind.UNREACHABLE, NOON, "502 from a proxy")
    with Store.open(url_of(path), now=NOON) as store:
        store.outages.save("platform", lost, (note("lost"),), now=NOON)

    with Store.open(url_of(path), now=NOON) as store:
        assert store.outages.load() == {"platform": lost}
        store.outages.save("platform", None, (note("found"),), now=NOON + MINUTE)

        assert store.outages.load() == {}
        assert [one.key for one in store.outbox.unsent()] == ["lost", "found"]


def test_an_outage_of_no_target_can_be_notified_of(store: Store) -> None:
    news = Notification("lost", "ops", Form.MESSAGE, message("unreachable"))

    store.outages.save("platform", Outage(EventKind.UNREACHABLE, NOON, ""), (news,), now=NOON)

    assert next_notification(store).target is None


def test_when_an_outage_was_reported_is_known_beyond_its_end_until_it_is_pruned(
    path: Path,
) -> None:
    lost = Outage(EventKind.UNREACHABLE, NOON, "503", is_flapping=True)
    with Store.open(url_of(path), now=NOON) as store:
        store.outages.save("platform", lost, now=NOON)
        store.outages.save("platform", None, now=NOON + MINUTE)
        store.outages.save("platform", lost, now=NOON + 2 * MINUTE)

    with Store.open(url_of(path), now=NOON) as store:
        assert store.outages.load() == {"platform": lost}
        assert store.outages.reports() == {"platform": (NOON, NOON + MINUTE, NOON + 2 * MINUTE)}

        store.prune(NOON + 9 * MINUTE)
        assert store.outages.load() == {"platform": lost}
        store.outages.save("platform", None, now=NOON + 3 * MINUTE)
        store.prune(NOON + 4 * MINUTE)
        assert store.outages.reports() == {}
