"""Installers as the platform really sends them: each app's configs and webhook are at the app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from monitor.simulation.answers import Shape
from monitor.simulation.audit import audit
from monitor.simulation.scenarios import SCENARIOS
from monitor.simulation.slack import plain_text
from tests.support.small_platform import NEVER, REMOVED, TOKEN, Refusal, SmallPlatform
from tests.support.world import World, a_world, watch

INSTALLER = "intk2v9q7m3x8c4b6n1z5w0y2a"
APP = "appk2v9q7m3x8c4b6n1z5w0y2a"
AT_INSTALLER, AT_APP = f"/v1/installers/{INSTALLER}", f"/v1/apps/{APP}"
Row = dict[str, Any]


def config(version: int, status: str, description: str = "") -> Row:
    return {
        "id": f"apc{version}",
        "app_id": APP,
        "version": version,
        "status": status,
        "status_description": description,
        "created_at": f"2025-11-{version:02}T12:00:00Z",
        "vcs_connection_commit": {"sha": "3f2a9c1d77e0b1a2c3d4e5f60718293a4b5c6d7e"},
        "app_branch": {"id": "abr1", "name": "main"},
    }


def installer(**metadata: str) -> Row:
    app = {"id": APP, "name": "checkout", "status": "active", "app_configs": None}
    return {"id": INSTALLER, "metadata": {"name": "Acme", **metadata}, "apps": [app]}


def app_with(*configs: Row, webhook: str = "") -> Row:
    notifications = {"slack_webhook_url": webhook}
    return {
        "id": APP,
        "name": "checkout",
        "status": "active",
        "app_configs": list(configs),
        "notifications_config": notifications,
    }


@dataclass
class Vendor:
    """A vendor's platform with one installer of one app, and the world that watches it."""

    world: World
    platform: SmallPlatform

    @property
    def told(self) -> list[str]:
        """What was told of the installer in its thread, line by line."""
        return [
            line.partition("  Open")[0]
            for post in self.world.replies(INSTALLER)
            for line in plain_text(post).splitlines()
        ]

    @property
    def card(self) -> str:
        return plain_text(self.world.cards(INSTALLER)[-1])


@asynccontextmanager
async def a_vendor(folder: Path, app: Any, slack: str = "") -> AsyncIterator[Vendor]:
    async with a_world(folder) as world, SmallPlatform() as platform:
        nuon = f'api_url = "{platform.url}"\napi_token = "{TOKEN}"\ntimeout = "300ms"'
        world.own |= {"nuon": nuon, "slack": slack}
        world.more = f'[[watch]]\ninstaller = "{INSTALLER}"'
        releases: dict[str, Any] = {f"{AT_APP}/releases": []}
        platform.answers = {AT_INSTALLER: installer(), AT_APP: app, **releases}
        yield Vendor(world, platform)


V2 = config(2, "active")
REASON = "component checkout-api: no such image"
FAILED = config(3, "error", REASON)


async def test_a_config_that_fails_is_told_with_its_reason_and_so_is_the_version_that_follows(
    tmp_path: Path,
) -> None:
    async with a_vendor(tmp_path, app_with(V2)) as vendor:
        async with vendor.world.monitor() as app:
            await vendor.world.look(app)
            vendor.platform.answers[AT_APP] = app_with(FAILED, V2)
            await vendor.world.look(app, after=15)
            card = vendor.card
        async with vendor.world.monitor() as app:
            await vendor.world.look(app, after=15)
            vendor.platform.answers[AT_APP] = app_with(config(4, "active"), FAILED, V2)
            await vendor.world.look(app, after=15)
            await vendor.world.look(app, after=15)

        assert vendor.told == [
            "❌ version 3 of checkout failed · commit 3f2a9c1 on main · Acme",
            f"▎ {REASON}",
            "Open checkout",
            (
                "✅ version 4 of checkout is active; version 3 had failed"
                " · commit 3f2a9c1 on main · Acme"
            ),
            "Open checkout",
        ]
        assert "version 3 failed · commit 3f2a9c1 on main" in card
        assert "version 4 active · commit 3f2a9c1 on main" in vendor.card


@pytest.mark.parametrize(
    "instead",
    [
        Refusal(403, "forbidden"),
        REMOVED,
        None,
        Refusal(500, "timeout"),
        Refusal(429, "slow down"),
        [],
        {"id": "app9", "app_configs": [FAILED]},
        {"id": APP, "app_configs": [{"id": 1}, None, "x"]},
        NEVER,
    ],
    ids=["403", "404", "no route", "500", "429", "a list", "another app", "bad configs", "timeout"],
)
async def test_an_installer_is_seen_and_nothing_told_twice_while_its_app_cannot_be(
    tmp_path: Path, instead: Any
) -> None:
    async with a_vendor(tmp_path, app_with(FAILED, V2)) as vendor:
        async with vendor.world.monitor() as app:
            await vendor.world.look(app)
        begun = vendor.told
        vendor.platform.answers[AT_APP] = instead
        async with vendor.world.monitor() as app:
            vendor.platform.answers[AT_INSTALLER] = installer(demo_url="https://demo.example")
            await vendor.world.look(app, after=15)
            await vendor.world.look(app, after=15)
            vendor.platform.answers[AT_APP] = app_with(config(4, "active"), FAILED, V2)
            await vendor.world.look(app, after=15)
        async with vendor.world.monitor() as app:
            await vendor.world.look(app, after=15)
            await vendor.world.look(app, after=15)

        assert [line.split(" · ")[0] for line in begun] == [
            "❌ version 3 of checkout failed",
            f"▎ {REASON}",
            "Open checkout",
        ]
        assert [line.split(" · ")[0] for line in vendor.told[len(begun) :]] == [
            "● Acme has a demo url",
            "Open app",
            "✅ version 4 of checkout is active; version 3 had failed",
            "Open checkout",
        ]
        assert "Acme" in vendor.card


async def test_an_app_that_cannot_be_seen_at_first_brings_no_news_of_long_ago(
    tmp_path: Path,
) -> None:
    async with a_vendor(tmp_path, Refusal(500, "timeout")) as vendor:
        async with vendor.world.monitor() as app:
            await vendor.world.look(app)
        vendor.platform.answers[AT_APP] = app_with(V2, config(1, "outdated"))
        async with vendor.world.monitor() as app:
            await vendor.world.look(app, after=15)

        assert vendor.told == []
        assert "version 2 active" in vendor.card


@pytest.mark.parametrize(
    ("slack", "is_used"),
    [("use_app_webhooks = true", True), ("", False)],
    ids=["wanted", "not"],
)
async def test_the_webhook_of_an_app_is_used_where_wanted_and_neither_stored_nor_logged(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    slack: str,
    is_used: bool,
) -> None:
    async with a_vendor(tmp_path, None, slack) as vendor:
        webhook = vendor.world.slack.webhook_url
        vendor.platform.answers[AT_APP] = app_with(V2, webhook=webhook)
        async with vendor.world.monitor() as app:
            await vendor.world.look(app)
            vendor.platform.answers[AT_APP] = app_with(FAILED, V2, webhook=webhook)
            await vendor.world.look(app, after=15)
            vendor.platform.answers[AT_APP] = Refusal(403, "forbidden")
            await vendor.world.look(app, after=15)

        requests = [one for one in vendor.world.slack.requests if one.method == "webhook"]
        assert bool(requests) == is_used
        secret = webhook.rsplit("/", 1)[-1]
        written = b"".join(file.read_bytes() for file in tmp_path.glob("nuon-monitor.db*"))
        shown = capsys.readouterr()
        assert secret.encode() not in written
        assert secret not in shown.out + shown.err


@pytest.mark.parametrize("name", ["failure", "flicker", "vanishing"])
async def test_of_a_thin_installer_is_told_what_happened_each_once_over_any_restarts(
    tmp_path: Path, name: str
) -> None:
    few = replace(SCENARIOS[name], steps=tuple(min(size, 3) for size in SCENARIOS[name].steps[:2]))
    async with a_world(tmp_path, shape=Shape.THIN) as world:
        target_id = await watch(world, few, seed=1, dialect="installer", every=30, restarts=0.3)

        found = audit(world.platform.rollout(target_id), world.channel)
        assert (found.lost, found.repeated, found.false) == ((), (), ())
