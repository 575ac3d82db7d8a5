"""What is believed of an answer, given what was seen before: the newer, and what is there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from monitor.decide.absence import present
from monitor.decide.claims import ClaimBook
from monitor.decide.order import FRESH, Staleness, judge
from monitor.model import Entity, Snapshot, TargetState


@dataclass(frozen=True, slots=True)
class Belief:
    """What to compare with what was seen; `state` has what more polls have to confirm."""

    snapshot: Snapshot
    state: TargetState | None
    staleness: Staleness = FRESH


def believe(seen: Snapshot, state: TargetState, root: Entity, *, now: datetime) -> Belief:
    """Return what to take a target to be, given an answer and what was seen of it last.

    The root is that which was seen, the very same, where the answer is that once more or is no
    observation.
    """
    claims = ClaimBook(state.claims)
    judged = judge(seen, state, root, claims)
    snapshot = msgspec.structs.replace(seen, taken_at=now)
    if judged.root is not seen.root:
        tree, replaced = present(seen, state, judged.root, judged.orders, claims)
        snapshot = msgspec.structs.replace(snapshot, root=tree, replaced=replaced)
    changed = msgspec.structs.replace(
        state, claims=tuple(claims.made), former=judged.former, lags=judged.lags
    )
    return Belief(snapshot, changed, judged.staleness)
