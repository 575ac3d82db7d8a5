"""A kind of watch that is one file is watched, drawn and notified of like all others.

The commands run as processes of their own, with that file and nothing else beside the product.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.simulation.slack import SimulatedSlack, plain_text
from tests.support.configuration import configuration
from tests.support.processes import Result, command
from tests.support.small_platform import REMOVED, TOKEN, SmallPlatform

FLEET = "fltc7kqm2v9xw4h8b3n6z1r5ty"
CHANNEL = "releases"
_NOW = datetime.now(UTC)


def fleet(
    state: str, *waves: tuple[str, dict[str, str]], second: int, reason: str = ""
) -> dict[str, Any]:
    """Return an answer: each wave's state, and its regions' states by their names."""
    updated_at = (_NOW + timedelta(seconds=second)).isoformat()
    return {
        "id": FLEET,
        "name": "Harbour",
        "state": state,
        "updated_at": updated_at,
        "rows": [
            {
                "id": f"wave{number}",
                "state": wave,
                "updated_at": updated_at,
                "rows": [
                    {
                        "id": f"region-{name}",
                        "name": name,
                        "state": region,
                        "updated_at": updated_at,
                        "reason": reason if region == "aground" else "",
                    }
                    for name, region in regions.items()
                ],
            }
            for number, (wave, regions) in enumerate(waves, start=1)
        ],
    }


SAILING = fleet(
    "sailing",
    ("sailing", {"north": "landed", "south": "sailing"}),
    ("moored", {"west": "moored"}),
    second=0,
)
AGROUND = fleet(
    "sailing",
    ("sailing", {"north": "landed", "south": "aground"}),
    ("moored", {"west": "moored"}),
    second=1,
    reason="no water under the keel",
)
LANDED = fleet(
    "landed",
    ("landed", {"north": "landed", "south": "landed"}),
    ("landed", {"west": "landed"}),
    second=2,
)


@dataclass
class Harbour:
    """A platform with one fleet, a Slack, and a monitor that watches the fleet."""

    platform: SmallPlatform
    slack: SimulatedSlack
    file: Path

    async def run(self, *arguments: str) -> Result:
        """Run a command of a monitor that knows fleets."""
        return await command(*arguments, "-c", str(self.file), module="tests.support.invented_kind")

    async def once(self, answer: dict[str, Any]) -> None:
        """Let the monitor see an answer, and deliver what comes of it."""
        self.platform.answers[f"/v1/fleets/{FLEET}"] = answer
        done = await self.run("once")
        assert (done.code, done.err) == (0, "")

    @property
    def said(self) -> list[str]:
        """What stands in the channel and its threads, the card first."""
        return [plain_text(post) for post in self.slack.channel(CHANNEL).posts]


@pytest.fixture
async def harbour(tmp_path: Path) -> AsyncIterator[Harbour]:
    nobody = {"/v1/fleets/*": REMOVED}
    async with SmallPlatform(nobody) as platform, SimulatedSlack((CHANNEL,), rates=False) as slack:
        file = tmp_path / "monitor.toml"
        file.write_text(
            configuration(
                f'[[watch]]\nfleet = "{FLEET}"',
                nuon={
                    "api_url": platform.url,
                    "org_id": "orgw6bnjkqxtb7mzdvd0y2hs9a",
                    "api_token": TOKEN,
                },
                slack={
                    "api_url": slack.api_url,
                    "bot_token": slack.token,
                    "channel": f"#{CHANNEL}",
                },
                store={"url": f"sqlite:///{tmp_path}/nuon-monitor.db"},
            )
        )
        yield Harbour(platform, slack, file)


def pages(harbour: Harbour) -> set[str]:
    """Return the dashboard's pages that any message leads to, behind the organisation's id."""
    blocks = json.dumps([list(post.blocks) for post in harbour.slack.channel(CHANNEL).posts])
    return set(re.findall(r"https://app\.nuon\.co/\w+/([\w/-]+)", blocks))


async def test_it_is_watched_drawn_and_notified_of(harbour: Harbour) -> None:
    await harbour.once(SAILING)

    (card,) = harbour.said
    assert card.splitlines()[:-1] == [
        "🔵 the fleet Harbour is running: 1 of 3 regions done",
        "wave 1 of 2",
        "Open fleet",
        "🟩🟩🟩⬜⬜⬜⬜⬜⬜⬜  1 of 3 regions done · 1 running · 1 to go",
        "🔵 wave 1 · 1/2",
        "⚪ wave 2 · 1 region",
    ]
    assert card.splitlines()[-1].startswith(f"fleet update {FLEET}  updated ")

    await harbour.once(AGROUND)

    card, failed = harbour.said
    assert card.startswith("❌ the fleet Harbour: 1 of 3 regions failed, still running\n")
    assert failed.splitlines() == [
        "❌ south failed · the fleet Harbour, wave 1 of 2",
        "▎ no water under the keel",
        "Open south · Open fleet",
        "1 of 3 regions done · 1 failed · 1 still to go · the fleet update continues",
    ]
    assert pages(harbour) == {f"fleets/{FLEET}", "regions/region-south"}

    await harbour.once(LANDED)

    card, _, succeeded = harbour.said
    assert card.startswith("✅ the fleet Harbour is on all 3 regions")
    assert succeeded.splitlines() == [
        "✅ the fleet Harbour is on all 3 regions",
        "✅ south succeeded after failing  Open south",
        "✅ wave 1 of 2 done (2 regions)",
        "✅ wave 2 of 2 done (1 region)",
        "Open fleet",
        "3 of 3 regions done",
    ]


async def test_success_is_believed_by_its_own_rule_only(harbour: Harbour) -> None:
    await harbour.once(SAILING)
    await harbour.once(
        fleet("landed", ("landed", {"north": "landed", "south": "turned-back"}), second=1)
    )

    card, ended = harbour.said
    assert card.startswith(
        "🔵 the fleet Harbour reports success, 1 of 3 regions done so far: not confirmed yet\n"
    )
    assert ended.splitlines()[0] == (
        "⊘ south ended as turned-back · the fleet Harbour, wave 1 of 2  Open south"
    )


async def test_every_command_knows_it(harbour: Harbour) -> None:
    await harbour.once(SAILING)
    await harbour.once(AGROUND)

    status = await harbour.run("status")
    history = await harbour.run("history", FLEET)
    check = await harbour.run("check")
    online = await harbour.run("check", "--online")
    waited = await harbour.run("wait", FLEET, "--timeout", "100ms", "--interval", "100ms")
    sample = await harbour.run("render", "--sample", "failed", "--kind", "fleet")

    assert "the fleet Harbour" in status.out
    assert "south failed: no water under the keel  sailing → aground" in history.out
    assert check.out == (
        f"The configuration is well formed: 1 watch ({harbour.file}, from --config).\n"
    )
    assert f"✓ fleet the fleet Harbour ({FLEET}): sailing" in online.out
    assert "the fleet Harbour" in waited.out
    assert "region" in sample.out


async def test_a_mistake_about_it_is_named(harbour: Harbour) -> None:
    harbour.file.write_text(harbour.file.read_text().replace(FLEET, f"rel{FLEET[3:]}"))

    check = await harbour.run("check")
    harbour.file.write_text(harbour.file.read_text().replace("fleet =", "fleets ="))
    refused = await harbour.run("check")

    meant = f"rel{FLEET[3:]}"
    assert f'{meant} is a release\'s id; did you mean release = "{meant}"?' in check.err
    assert "unknown key; did you mean fleet?" in refused.err
