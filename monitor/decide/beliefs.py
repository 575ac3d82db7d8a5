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
from monitor.model import Claim, Entity, Phase, Snapshot, TargetState


@dataclass(frozen=True, slots=True)
class Belief:
    """What to compare with what was seen; `claims` are what more polls have to confirm.

    `state` is None at first sight.
    """

    snapshot: Snapshot
    state: TargetState | None
    claims: tuple[Claim, ...]
    staleness: Staleness = FRESH


def believe_first(answered: Snapshot) -> Belief:
    """Return what to take a target to be that was not seen before.

    Where it is not sure that it has succeeded, nobody knows yet how it stands.
    """
    claims = ClaimBook(())
    if not _is_unsure(answered.root, claims):
        return Belief(answered, None, ())
    without = {**dict.fromkeys(("status", "description"), ""), "status_at": None, "history": ()}
    root = msgspec.structs.replace(answered.root, **without, updated_at=None)
    return Belief(msgspec.structs.replace(answered, root=root), None, tuple(claims.made))


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
    made = tuple(claims.made)
    changed = msgspec.structs.replace(state, claims=made, former=judged.former, lags=judged.lags)
    return Belief(snapshot, changed, made, judged.staleness)


def _with_sure_success(seen: Snapshot, answered: Snapshot, claims: ClaimBook) -> Snapshot:
    """Return an answer's tree with its rollout as it was, where its success is not sure yet."""
    root = answered.root
    if seen.root.phase is Phase.SUCCEEDED or not _is_unsure(root, claims):
        return answered
    was = {name: getattr(seen.root, name) for name in OF_STATUS}
    kept = msgspec.structs.replace(root, **was, updated_at=seen.root.updated_at)
    return msgspec.structs.replace(answered, root=kept)


def _is_unsure(root: Entity, claims: ClaimBook) -> bool:
    """Whether a rollout says that it succeeded and more polls have to confirm that.

    What a rollout consists of is said by several documents, and one of them may be older than
    the one that says it succeeded: what is still at work by it, or lacking, may well have failed.
    """
    open_parts = without_end(root) if root.phase is Phase.SUCCEEDED else ()
    if not open_parts or not is_in_agreement(root):
        return False
    says = hash_of(root.status, [(part.id, part.status) for part in open_parts])
    return not claims.add(key_of(root), says, of=CONFIRMED_BY)
