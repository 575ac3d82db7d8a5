"""The keys of an outage's notifications say which report they are, and nothing else's do."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model import EventKind, OutageKey

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), min_size=1, max_size=30)
KINDS = st.sampled_from([EventKind.UNREACHABLE, EventKind.REMOVED, EventKind.REACHABLE])
TIMES = st.datetimes(timezones=st.just(UTC))


@given(st.builds(OutageKey, TEXT, KINDS, TIMES), st.text(st.characters(categories=["L", "N"])))
def test_what_is_written_is_read_again(report: OutageKey, destination: str) -> None:
    assert OutageKey.of_notification(f"{report}/{destination}") == report


@pytest.mark.parametrize(
    "key", ["release/rel1/1/card/0/C1", "release/rel1/1/news/3/C1", "digest/weekly/2026", ""]
)
def test_other_keys_are_of_no_outage(key: str) -> None:
    assert OutageKey.of_notification(key) is None
