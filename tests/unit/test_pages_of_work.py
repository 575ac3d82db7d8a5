"""Where a message leads that names something which failed: to the logs, where there are any."""

from __future__ import annotations

import pytest

from monitor.kinds import change, release, run, workflow
from monitor.kinds.parts import DEPLOY, WORKFLOW, WORKFLOW_STEP
from monitor.kinds.profile import DashboardPage, KindProfile
from monitor.model import Entity

LOGS = DashboardPage(
    "Open logs", (("installs", "inl1", "components", "cmp1", "deploys", "dpl1", "logs"),)
)
PROFILES = [run.PROFILE, change.PROFILE, workflow.PROFILE]


def deploy(status: str = "error", component_id: str = "cmp1") -> Entity:
    return Entity(DEPLOY, "dpl1", status, install_id="inl1", component_id=component_id)


def unit_of(profile: KindProfile, *work: Entity) -> Entity:
    """Build a unit whose step, somewhere below it, works at a deploy."""
    step = Entity(WORKFLOW_STEP, "iws1", "error", children=work)
    below = (
        (step,) if profile.unit == WORKFLOW_STEP else (Entity(WORKFLOW, "inw1", children=(step,)),)
    )
    return Entity(profile.unit, "unit1", "error", install_id="inl1", children=below)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: str(profile.root))
def test_what_failed_at_a_deploy_leads_to_its_logs(profile: KindProfile) -> None:
    assert profile.unit_page is not None
    assert profile.unit_page(unit_of(profile, deploy())) == LOGS


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: str(profile.root))
@pytest.mark.parametrize(
    "work", [(), (deploy("active"),), (deploy(component_id=""),)], ids=["none", "well", "no page"]
)
def test_without_a_deploy_that_failed_it_leads_to_the_work_itself(
    profile: KindProfile, work: tuple[Entity, ...]
) -> None:
    assert profile.unit_page is not None
    assert profile.unit_page(unit_of(profile, *work)) != LOGS


def test_a_deploy_of_a_release_leads_to_its_logs() -> None:
    assert release.PROFILE.unit_page is not None
    assert release.PROFILE.unit_page(deploy()) == LOGS
