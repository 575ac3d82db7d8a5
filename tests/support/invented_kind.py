"""A kind of watch that the platform does not have, in one file; as a program, a monitor with it.

A fleet is updated in waves, and each wave in regions (`GET /v1/fleets/{fleet_id}`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import KINDS, wire
from monitor.kinds.profile import Agreement, DashboardPage, KindProfile, Terms, WatchKind
from monitor.model import Entity, Kind, status_words

# What it is like

_WORDS = status_words(
    PENDING="moored", RUNNING="sailing", WAITING="at-anchor", SUCCEEDED="landed", FAILED="aground"
)
FLEET: Final = Kind("fleet update", _WORDS)
WAVE: Final = Kind("wave", _WORDS)
REGION: Final = Kind("region update", _WORDS | status_words(ENDED="turned-back"))


def _page_of_region(region: Entity) -> DashboardPage:
    return DashboardPage("Open region", (("regions", region.id),))


PROFILE: Final = KindProfile(
    root=FLEET,
    step=WAVE,
    unit=REGION,
    terms=Terms(step="wave", unit="region"),
    agreement=Agreement.ALL_SUCCEEDED,
    given_up_after=timedelta(hours=6),
    titles=("the fleet {name}",),
    page=lambda fleet: DashboardPage("Open fleet", (("fleets", fleet.id),)),
    unit_page=_page_of_region,
)

# How its answers are read


class _Row(msgspec.Struct):
    id: str
    state: str = ""
    reason: str = ""
    name: str = ""
    updated_at: str = ""
    rows: list[_Row] = []


_decoder = msgspec.json.Decoder(_Row)


def _entity(row: _Row, *kinds: Kind) -> Entity:
    kind, *below = kinds
    children = tuple(_entity(one, *below) for one in row.rows)
    updated_at = wire.read_time(row.updated_at)
    return Entity(
        kind, row.id, row.state, row.reason, row.name, updated_at=updated_at, children=children
    )


def decode(
    body: bytes, fleet_id: str, _memo: wire.Memo[None], _beside: wire.Beside = wire.NOTHING_BESIDE
) -> Entity:
    """Read a fleet; raises MalformedAnswer, also for a document about another one."""
    row = wire.parse(body, _decoder)
    if row.id != fleet_id:
        raise MalformedAnswer(f"the answer is about {row.id!r}, not about {fleet_id!r}")
    return _entity(row, FLEET, WAVE, REGION)


WATCH_KIND: Final = WatchKind(
    name="fleet",
    profile=PROFILE,
    path=lambda fleet_id: f"/v1/fleets/{wire.path_segment(fleet_id)}",
    decode=decode,
    served="Fleets are served nowhere: watch release= instead.",
    stand_ins=("release",),
    id_prefix="flt",
)

if __name__ == "__main__":
    KINDS[WATCH_KIND.name] = WATCH_KIND
    # Only now: the keys of [[watch]] are those of the kinds that there are.
    from monitor.cli import main

    main()
