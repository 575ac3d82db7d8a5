"""What `check` says before anything is told: of templates, of the platform, and of each watch."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import main
from monitor.cli.support.online_checks import ask
from monitor.config import load_config
from monitor.simulation.platform import Age
from tests.support.small_platform import REMOVED, TOKEN, Refusal, SmallPlatform
from tests.support.world import World, a_live_world

RELEASE, APP, BRANCH = "rel1", "app1", "abr1"
OLD_ROUTES = {
    "/v1/releases/*": REMOVED,
    "/v1/apps/*": REMOVED,
    "/v1/components/*": REMOVED,
}
TODAYS_ROUTES = {
    "/v1/apps/*": REMOVED,
    "/v1/workflows/*": REMOVED,
    "/v1/installs/*": REMOVED,
    "/v1/workflows/pending-approvals": [],
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_live_world(tmp_path) as world:
        yield world


@dataclass
class Checked:
    """How `check --online` went."""

    is_well: bool
    lines: list[str]

    def of(self, subject: str) -> str:
        """Return the mark and the finding of one line."""
        (line,) = (line for line in self.lines if line[2:].startswith(f"{subject}: "))
        return line[:2] + line[2:].removeprefix(f"{subject}: ")

    def named(self, target_id: str) -> str:
        """Return the line about what has this id and a name."""
        (line,) = (line for line in self.lines if f" ({target_id}): " in line)
        return line


class Checker:
    """Checks watches, each a table of TOML, against one platform or another."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._file = folder / "monitor.toml"
        self._capsys = capsys

    async def simulated(self, world: World, *watches: str) -> Checked:
        world.write(more="\n".join(f"[[watch]]\n{watch}" for watch in watches))
        return await self._ask(world.file)

    async def small(self, platform: SmallPlatform, *watches: str) -> Checked:
        self._file.write_text(
            f'[nuon]\napi_url = "{platform.url}"\norg_id = "org1"\napi_token = "{TOKEN}"\n'
            '[slack]\nwebhook_url = "https://hooks.slack.com/services/T0/B0/x"\n'
            + "\n".join(f"[[watch]]\n{watch}" for watch in watches)
        )
        return await self._ask(self._file)

    async def _ask(self, file: Path) -> Checked:
        is_well = await ask(load_config(file, {}))
        return Checked(is_well, self._capsys.readouterr().out.splitlines())


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checker:
    return Checker(tmp_path, capsys)


# Offline


def test_a_templates_mistakes_are_said_with_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "monitor.toml"
    file.write_text(
        '[nuon]\norg_id = "org1"\napi_token = "x"\n'
        '[slack]\nwebhook_url = "https://hooks.slack.com/services/T0/B0/x"\n'
        f'[[watch]]\nrelease = "{RELEASE}"\ninterval = "soon"\n'
        '[templates]\ntitle = "{{ componnent }}"\nfields.Team = "{{ labels.team"\nlinks = 3\n'
    )

    with pytest.raises(SystemExit) as ended:
        main(["check", "-c", str(file)])

    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert sorted(line.split(": ")[1] for line in said) == [
        "[[watch]] #1 interval",
        "templates.fields.Team",
        "templates.links",
        "templates.title",
    ]
    assert any("unknown variable `componnent`; did you mean component?" in line for line in said)


# The platform


@pytest.mark.parametrize(
    ("age", "version", "kinds"),
    [
        (
            Age.OLD,
            "API 0.19.700 (git ref 5f1c0de5f1c0)",
            (
                "serves release, app, component and installer;"
                " not workflow, install, workflows, app_branch and approvals"
            ),
        ),
        (
            Age.TODAY,
            "API 0.19.1125 (git ref 5f1c0de5f1c0)",
            (
                "serves app, workflow, install, workflows, app_branch and approvals;"
                " not release, component and installer"
            ),
        ),
        (
            Age.ALL,
            "API 0.19.700 (git ref 5f1c0de5f1c0)",
            (
                "serves release, app, component, installer, workflow, install, workflows,"
                " app_branch and approvals"
            ),
        ),
    ],
)
async def test_check_says_which_platform_it_found_and_what_that_serves(
    world: World, check: Checker, age: Age, version: str, kinds: str
) -> None:
    world.platform.age = age

    checked = await check.simulated(world, f'release = "{RELEASE}"')

    assert checked.lines[0] == f"✓ platform: {version}"
    assert checked.lines[1] == f"✓ kinds of watch: {kinds}"


async def test_a_platform_that_hides_its_version_is_known_by_what_it_was_built_from(
    check: Checker,
) -> None:
    ref = "5f1c0de5f1c0de5f1c0de5f1c0de5f1c0de5f1c0"
    async with SmallPlatform(dict(OLD_ROUTES), {"X-Nuon-API-Version": ref}) as platform:
        checked = await check.small(platform, f'release = "{RELEASE}"')

    assert checked.of("platform") == "✓ does not say its version (git ref 5f1c0de5f1c0)"


async def test_a_platform_that_cannot_be_asked_is_said_once(check: Checker) -> None:
    async with SmallPlatform({"/v1/*": Refusal(401, "invalid token")}) as platform:
        checked = await check.small(platform, f'release = "{RELEASE}"', f'app = "{APP}"')

    assert not checked.is_well
    assert [line[:1] for line in checked.lines] == ["✗", "–"]
    assert "check nuon.api_token" in checked.of("platform")
    assert TOKEN not in "".join(checked.lines)


async def test_what_is_no_platform_at_all_makes_one_doubt_the_address(check: Checker) -> None:
    async with SmallPlatform() as platform:
        checked = await check.small(platform, f'release = "{RELEASE}"')

    assert not checked.is_well
    assert checked.of("kinds of watch").startswith("✓ serves none; not release, app")
    assert "is nuon.api_url right? Releases are served until" in checked.of(f"release {RELEASE}")


async def test_a_list_that_leads_to_nothing_that_is_served_does_not_count(check: Checker) -> None:
    answers = {**TODAYS_ROUTES, "/v1/components/*": []}
    async with SmallPlatform(answers) as platform:
        checked = await check.small(platform, 'component = "cmp1"')

    assert checked.of("component cmp1") == (
        "✗ this platform does not serve it; watch app, app_branch or install instead"
    )


async def test_a_path_that_an_older_platform_takes_for_an_id_is_not_served(check: Checker) -> None:
    answers = {"/v1/workflows/*": REMOVED, "/v1/installs/*": []}
    async with SmallPlatform(answers) as platform:
        checked = await check.small(platform, "approvals = true")

    assert checked.of("approvals org") == (
        "✗ this platform does not serve it; watch install or workflow instead"
    )


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(400, "feature not enabled: app-branches", "This needs 'app-branches'"),
        Refusal(500, "app branches feature not enabled for this organization"),
    ],
    ids=["today", "older"],
)
@pytest.mark.parametrize("branch", [f"{APP}/{BRANCH}", BRANCH])
async def test_a_feature_that_is_not_turned_on_is_said_to_be_and_what_fits_instead(
    check: Checker, refusal: Refusal, branch: str
) -> None:
    answers: dict[str, Any] = {
        **TODAYS_ROUTES,
        "/v1/apps": [{"id": APP}],
        "/v1/apps/*": refusal,
    }
    async with SmallPlatform(answers) as platform:
        checked = await check.small(platform, f'app_branch = "{branch}"')

    assert not checked.is_well
    assert "cannot tell" not in checked.of("kinds of watch")
    assert "app_branch" in checked.of("kinds of watch").partition("; not ")[2]
    finding = checked.of(f"app_branch {branch}")
    assert refusal.description in finding
    assert "this platform does not serve it to your organisation" in finding
    assert finding.endswith("; watch install or workflow instead")


# Each watch


@pytest.mark.parametrize(
    ("age", "watch", "instead"),
    [
        (Age.TODAY, 'release = "rel1"', "app, app_branch or install"),
        (Age.TODAY, 'installer = "int1"', "app or app_branch"),
        (Age.OLD, 'app_branch = "app1/abr1"', "app, component or release"),
        (Age.OLD, 'app_branch = "abr1"', "app, component or release"),
        (Age.OLD, 'workflow = "inw1"', "app, component or release"),
        (Age.OLD, 'install = "inl1"', "app, component or release"),
        (Age.OLD, "approvals = true", "app"),
    ],
)
async def test_a_watch_that_the_platform_does_not_serve_is_told_which_one_fits(
    world: World, check: Checker, age: Age, watch: str, instead: str
) -> None:
    world.platform.age = age

    checked = await check.simulated(world, watch)

    assert not checked.is_well
    (line,) = (line for line in checked.lines if "does not serve it" in line)
    assert line.endswith(f": this platform does not serve it; watch {instead} instead")


BILL = {"id": RELEASE, "status": "ready", "app_config_id": "apc1", "semantic_digest": "x"}


async def test_a_bill_of_materials_is_not_taken_for_a_release(check: Checker) -> None:
    answers = {
        **TODAYS_ROUTES,
        "/v1/apps/app1/releases": [BILL],
    }
    del answers["/v1/apps/*"]
    async with SmallPlatform(answers) as platform:
        checked = await check.small(platform, f'app = "{APP}"')

    finding = checked.of(f"app {APP}")
    assert finding.startswith("✗ ")
    assert finding.endswith("watch install or workflow instead")


@pytest.mark.parametrize("releases", [[BILL], []], ids=["bills of materials", "none yet"])
async def test_what_stands_in_for_an_apps_releases_is_shown(
    check: Checker, releases: list[dict[str, str]]
) -> None:
    answers = {
        **TODAYS_ROUTES,
        "/v1/apps/app1": {"id": APP, "name": "Storefront"},
        "/v1/apps/app1/releases": releases,
        "/v1/apps/app1/branches": [{"id": "abr1"}, {"id": "abr2"}],
    }
    async with SmallPlatform(answers) as platform:
        checked = await check.small(platform, f'app = "{APP}"')

    assert checked.named(APP) == "✓ app Storefront (app1): follows 2 further lists"


async def test_what_is_done_beside_an_apps_runs_is_counted_for_its_own_installs(
    check: Checker,
) -> None:
    at = datetime.now(UTC).isoformat()

    def workflow(number: int, kind: str, install_id: str) -> dict[str, Any]:
        metadata = {"install_id": install_id}
        return {"id": f"inw{number}", "type": kind, "created_at": at, "metadata": metadata}

    answers: dict[str, Any] = {
        **TODAYS_ROUTES,
        "/v1/apps/app1": {"id": APP, "name": "Storefront"},
        "/v1/apps/app1/releases": [BILL],
        "/v1/apps/app1/branches": [],
        "/v1/installs/inl1": {"id": "inl1", "name": "acme", "app_id": APP},
        "/v1/installs/inl2": {"id": "inl2", "name": "globex", "app_id": "app2"},
        "/v1/workflows": [
            workflow(1, "provision", "inl1"),
            workflow(2, "provision", "inl2"),
            workflow(3, "drift_run", "inl1"),
            workflow(4, "app_branches_manual_update", ""),
        ],
    }
    async with SmallPlatform(answers) as platform:
        of_app = await check.small(platform, f'app = "{APP}"')
        of_org = await check.small(platform, "workflows = true")

    assert of_app.named(APP) == ("✓ app Storefront (app1): 1 workflow in the last 7d, 1 in flight")
    assert of_org.of("workflows org") == ("✓ 1 run and 2 workflows in the last 7d, 3 in flight")


async def test_a_wrong_id_is_no_missing_route(world: World, check: Checker) -> None:
    checked = await check.simulated(world, f'release = "{RELEASE}"')

    assert not checked.is_well
    assert checked.of(f"release {RELEASE}").startswith("✗ no such release: check the id")


async def test_what_has_a_status_shows_it(world: World, check: Checker) -> None:
    release = world.platform.add("already-done")
    run = world.platform.add("already-done", dialect="workflow")

    checked = await check.simulated(world, f'release = "{release}"', f'workflow = "{run}"')

    assert checked.is_well
    component = world.platform.rollout(release).cast.component_name
    assert checked.named(release) == f"✓ release {component} ({release}): active"
    assert re.fullmatch(rf"✓ workflow \w+ .+ \({run}\): success", checked.named(run))


async def test_what_has_no_end_shows_what_it_holds(world: World, check: Checker) -> None:
    installer = world.platform.add("already-done", dialect="installer")

    checked = await check.simulated(world, f'installer = "{installer}"', "approvals = true")

    assert checked.is_well
    assert re.fullmatch(r"✓ installer \w.* \(int\w+\): \d+ apps?", checked.named(installer))
    assert checked.of("approvals org") == "✓ 0 workflows"


async def test_a_watch_that_finds_things_says_what_it_would_find_now(
    world: World, check: Checker
) -> None:
    ids = [world.platform.add("already-done") for _ in range(3)]
    ids.append(world.platform.add("already-failed"))
    ids.append(world.platform.add("happy", starts_in=-60))
    app_id = world.platform.rollout(ids[0]).cast.app_id

    checked = await check.simulated(world, f'app = "{app_id}"')

    assert checked.is_well
    assert checked.named(app_id) == (
        f"✓ app Storefront ({app_id}): 5 releases in the last 7d, 1 in flight"
    )


async def test_what_settled_long_ago_is_not_counted_and_not_read(check: Checker) -> None:
    now = datetime.now(UTC)

    def released(days_ago: int, status: str) -> dict[str, str]:
        at = (now - timedelta(days=days_ago)).isoformat()
        return {"id": f"rel{days_ago}", "status": status, "created_at": at, "build_id": "bld1"}

    rows = [released(days, "active") for days in range(200)]
    rows[5] = released(5, "executing_release_steps")
    rows[8] = released(8, "queued")
    answers = {
        **OLD_ROUTES,
        "/v1/apps/app1": {"id": APP, "name": "Storefront"},
        "/v1/apps/app1/releases": rows,
        "/v1/apps/app2": {"id": "app2"},
        "/v1/apps/app2/releases": rows[20:],
    }
    async with SmallPlatform(answers) as platform:
        checked = await check.small(
            platform,
            f'app = "{APP}"\nlimit = 1\ninclude = ["checkout-*"]',
            'app = "app2"',
        )

    assert checked.named(APP) == (
        "✓ app Storefront (app1): 8 releases in the last 7d, 2 in flight, at most 1 of them"
        " followed at one time, before include and exclude"
    )
    assert checked.of("app app2") == "✓ nothing in the last 7d"
    assert sum("/v1/apps/app1/releases" in path for path in platform.asked) == 2
