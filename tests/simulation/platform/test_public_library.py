"""The platform's own public client library reads the simulated platform."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from nuon.api.apps_api import AppsApi
from nuon.api.components_api import ComponentsApi
from nuon.api.installs_api import InstallsApi
from nuon.api.releases_api import ReleasesApi
from nuon.api_client import ApiClient
from nuon.configuration import Configuration

from monitor.simulation.platform import SimulatedPlatform
from monitor.simulation.scenarios import SCENARIOS
from tests.support.clock import Clock
from tests.support.timelines import deploys_of


def public_library(platform: SimulatedPlatform) -> ApiClient:
    return ApiClient(
        Configuration(
            host=platform.base_url,
            api_key={"APIKey": platform.token, "OrgID": platform.org_id},
            api_key_prefix={"APIKey": "Bearer"},
        )
    )


@pytest.mark.parametrize(
    ("name", "at"), [("happy", 0), ("happy", 400), ("failure", 9e5), ("fat", 400), ("demo", 9e5)]
)
async def test_the_platforms_own_client_reads_a_release(
    platform: SimulatedPlatform, clock: Clock, name: str, at: float
) -> None:
    # The library is of 2024 and refuses the deploy types of today.
    release_id = platform.add(replace(SCENARIOS[name], deploy_type="release"))
    clock.advance(at)

    with public_library(platform) as api:
        read = await asyncio.to_thread(ReleasesApi(api).get_release, release_id)

    state = platform.rollout(release_id).state_at(at)
    assert (read.id, read.status) == (release_id, state["status"])
    read_deploys = {
        deploy.id: (deploy.status, deploy.install_id)
        for step in read.release_steps or []
        for deploy in step.install_deploys or []
    }
    assert read_deploys == {
        deploy_id: (deploy["status"], deploy["install_id"])
        for deploy_id, deploy in deploys_of(state).items()
    }


async def test_the_platforms_own_client_reads_names_and_lists(
    platform: SimulatedPlatform,
) -> None:
    release_id = platform.add(replace(SCENARIOS["happy"], deploy_type="release"))
    rollout = platform.rollout(release_id)

    def read() -> tuple[Any, ...]:
        with public_library(platform) as api:
            return (
                InstallsApi(api).get_install(rollout.steps[0].install_ids[0]).name,
                AppsApi(api).get_app(rollout.cast.app_id).name,
                ComponentsApi(api).get_component(rollout.cast.component_id).name,
                [row.id for row in ReleasesApi(api).get_app_releases(rollout.cast.app_id)],
                len(ReleasesApi(api).get_release_steps(release_id)),
            )

    assert await asyncio.to_thread(read) == (
        "acme-prod",
        "storefront",
        "checkout-api",
        [release_id],
        3,
    )
