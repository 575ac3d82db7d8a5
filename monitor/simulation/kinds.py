"""The kinds of things by the names that the stories use, and what the product makes of them."""

from __future__ import annotations

from enum import StrEnum

from monitor import kinds
from monitor.model import Phase
from monitor.model import phase_of as phase_of_part


class Kind(StrEnum):
    """What something is, in the platform's own terms."""

    RELEASE = "release"
    STEP = "release step"
    DEPLOY = "install deploy"
    WORKFLOW = "workflow"
    STEP_GROUP = "step group"
    WORKFLOW_STEP = "workflow step"
    BRANCH_RUN = "app branch run"
    INSTALL_GROUP = "install group"
    INSTALL_RUN = "install run"
    INSTALLER = "installer"
    APP = "app"
    CONFIG = "app config"

    @property
    def is_perpetual(self) -> bool:
        return self is Kind.INSTALLER


def phase_of(kind: Kind, status: str) -> Phase:
    """Return what the product takes a status for."""
    return phase_of_part(kinds.kind_of_part(kind.value), status)
