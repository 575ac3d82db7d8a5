"""As many cards as may change, beside as much as an outage leaves, by a clock of our own."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from monitor.model import Form, Target
from monitor.simulation.slack import SimulatedSlack
from tests.support.clock import Clock
from tests.support.delivery import (
    IN_TROUBLE,
    NEW,
    OVER,
    TARGET,
    Monitor,
    about,
    blocks,
    card,
    keys,
    life,
)

CARDS, QUEUED, MINUTES = 40, 3_000, 20
EDITS_A_MINUTE = 50
"""What `Pace` has: an edit each 1.2 seconds."""
IN_TROUBLE_COUNT = 10


async def change(monitor: Monitor, number: int, words: str) -> None:
    """Let a card of a rollout change, of which some are in trouble."""
    its = Target(TARGET.kind, f"card{number}")
    state = IN_TROUBLE if number < IN_TROUBLE_COUNT else NEW
    await monitor.save(cards=[card(words, target=its)], target=its, state=state)


async def test_while_forty_cards_change_each_minute_none_is_older_than_a_minute(
    clock: Clock, tmp_path: Path
) -> None:
    async with (
        SimulatedSlack(("releases",), rates=False) as slack,
        life(slack, tmp_path, clock) as monitor,
    ):
        for number in range(CARDS):
            await change(monitor, number, "0")
            await monitor.save(
                about(f"card{number}", f"c{number}", form=Form.CARD, message=blocks("0"))
            )
        await monitor.deliver()
        channel = slack.channel("releases")
        posts = {int(key[1:]): post for key, post in zip(keys(channel), channel.posts, strict=True)}
        await monitor.save(*(about(f"old{n}", f"n{n}") for n in range(QUEUED)), state=OVER)

        since: dict[int, float] = {}
        wanted = dict.fromkeys(range(CARDS), "0")
        oldest, now, numbers = 0.0, 0.0, count(1)
        for turn in range(MINUTES * EDITS_A_MINUTE):
            minute, of_minute = divmod(turn, EDITS_A_MINUTE)
            if of_minute < CARDS:
                # In another order each minute, so that none has its fixed place.
                number = (of_minute * 7 + minute * 11) % CARDS
                wanted[number] = str(next(numbers))
                since.setdefault(number, now)
                await change(monitor, number, wanted[number])
            await monitor.delivery._edit_next()
            await monitor.delivery._post_next("#releases")
            shown = {n for n in since if posts[n].text == wanted[n]}
            since = {n: at for n, at in since.items() if n not in shown}
            clock.advance(60 / EDITS_A_MINUTE)
            now += 60 / EDITS_A_MINUTE
            oldest = max([oldest, *(now - at for at in since.values())])

        assert len(channel.posts) - CARDS == MINUTES * EDITS_A_MINUTE  # and much is queued still
        assert oldest <= 60
