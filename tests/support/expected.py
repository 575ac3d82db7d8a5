"""What a monitor ought to know of a rollout, and to show of it, whatever its polls went through."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from monitor.compose import render
from monitor.compose.assembly import view_of
from monitor.decide.diff import keep_absent
from monitor.kinds import KINDS
from monitor.kinds.wire import Memo
from monitor.model import Entity, Snapshot
from monitor.platform.client import NuonClient
from monitor.platform.fetch import gather
from monitor.store import Store
from tests.support.world import World


async def truth_of(world: World, known: Snapshot) -> Snapshot:
    """Return a target as the platform has it now, with what is known and missing there."""
    target = known.target
    kind = KINDS[target.kind]
    async with NuonClient(
        api_url=world.platform.base_url,
        org_id=world.platform.org_id,
        api_token=world.platform.token,
        timeout=timedelta(seconds=30),
        max_concurrent_requests=8,
    ) as client:
        found = await gather(client, kind, target.id)
    root = kind.decode(found.main.body, target.id, Memo(), found.beside)
    return keep_absent(known, Snapshot(target, known.taken_at, root))


def unmarked(root: Entity) -> Entity:
    """Return a tree without the marks of what was not asked for again, once it had ended."""
    children = tuple(map(unmarked, root.children))
    return msgspec.structs.replace(root, children=children, is_absent=False)


def unexplained(root: Entity) -> Entity:
    """Return a tree without what explains its units, which is not asked for in each poll."""
    steps = []
    for step in root.children:
        units = (msgspec.structs.replace(unit, children=()) for unit in step.children)
        steps.append(msgspec.structs.replace(step, children=tuple(units)))
    return msgspec.structs.replace(root, children=tuple(steps))


def card_of(world: World, target_id: str) -> tuple[dict[str, object], ...]:
    """Return the blocks of the card that what is stored draws."""
    snapshot, state = world.stored(target_id)
    cards = world.cards(target_id)
    link = None
    if len(cards) > 1:
        ts = cards[-2].ts.replace(".", "")
        link = f"{world.slack.url}/archives/{world.channel.id}/p{ts}"
    with Store.open_readonly(world.store_url) as store:
        called = store.names.called(render.shown_ids(snapshot, state))
    view = view_of(
        snapshot,
        state,
        called,
        links=render.Links("https://app.nuon.co", world.platform.org_id),
        watch=None,
        previous_url=link,
    )
    return render.card(view).blocks
