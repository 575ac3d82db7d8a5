"""What is believed of an answer, given what was seen before: the newer, and what is there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from monitor.decide.absence import present
from monitor.decide.claims import CONFIRMED_BY, ClaimBook, hash_of, key_of
from monitor.decide.diff import OF_STATUS, keep_absent
from monitor.decide.order import FRESH, Staleness, judge
from monitor.decide.progress import is_in_agreement, without_end
from monitor.model import Entity, Phase, Snapshot, TargetState


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
        answered = msgspec.structs.replace(snapshot, root=tree, replaced=replaced)
        snapshot = _with_sure_success(seen, keep_absent(seen, answered), claims)
    changed = msgspec.structs.replace(
        state, claims=tuple(claims.made), former=judged.former, lags=judged.lags
    )
    return Belief(snapshot, changed, judged.staleness)


def _with_sure_success(seen: Snapshot, answered: Snapshot, claims: ClaimBook) -> Snapshot:
    """Return an answer's tree with its rollout as it was, where its success is not sure yet.

    What a rollout consists of is said by several documents, and one of them may be older than
    the one that says it succeeded: what is still at work by it, or lacking, may well have failed.
    """
    root = answered.root
    if root.phase is not Phase.SUCCEEDED or seen.root.phase is Phase.SUCCEEDED:
        return answered
    open_parts = without_end(root)
    if not open_parts or not is_in_agreement(root):
        return answered
    says = hash_of(root.status, [(part.id, part.status) for part in open_parts])
    if claims.add(key_of(root), says, of=CONFIRMED_BY):
        return answered
    was = {name: getattr(seen.root, name) for name in OF_STATUS}
    kept = msgspec.structs.replace(root, **was, updated_at=seen.root.updated_at)
    return msgspec.structs.replace(answered, root=kept)
