"""Which rows of a list to follow from now on. Pure.

Only rows in flight, or that began while the list was watched, are followed: one that settled
long ago is neither reported nor polled. Rows are known by their ids: they shift between two
pages, and come in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.model import Found, Target


@dataclass(frozen=True, slots=True)
class Choice:
    """What to follow from now on, the oldest first, and how many rows there was no capacity for."""

    follow: tuple[Found, ...]
    left_out: int


def is_news(row: Found, *, known: Mapping[Target, bool], began_at: datetime) -> bool:
    """Whether a row may have to be followed; `known` says of each target whether it is already.

    What came to its end and rests is followed again once it is in flight again.
    """
    is_followed = known.get(row.target)
    if is_followed:
        return False
    if not row.is_over:
        return True
    return is_followed is None and has_begun_since(row, began_at)


def is_of_types(row: Found, types: Collection[str]) -> bool:
    """Whether a row is of a type that is asked for; without any, of all but special ones."""
    if not types:
        return not row.is_special
    return not row.type or row.type in types


def has_begun_since(row: Found, began_at: datetime) -> bool:
    """Whether a row began while the list was watched."""
    return row.created_at is not None and row.created_at >= began_at


def choose(rows: Sequence[Found], *, capacity: int) -> Choice:
    """Choose among rows that are news: what began first comes first, as far as there is capacity.

    What is over takes no capacity: people are notified once, and it is polled no more.
    """
    # Of a row that two pages show, the one in flight counts.
    once = {row.target: row for row in sorted(rows, key=lambda row: not row.is_over)}
    in_order = sorted(
        once.values(), key=lambda row: (row.created_at is None, row.created_at, row.target)
    )
    in_flight = [row for row in in_order if not row.is_over]
    followed = in_flight[: max(capacity, 0)]
    over = [row for row in in_order if row.is_over]
    return Choice((*over, *followed), len(in_flight) - len(followed))
