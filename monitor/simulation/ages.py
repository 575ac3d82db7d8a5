"""Which version the simulated platform is of, and what an organisation may use of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus

from monitor.simulation.api_errors import ApiError
from monitor.simulation.routes import IN_BOTH, IN_OLD, IN_TODAY, Answer

GIT_REF = "5f1c0de5f1c0de5f1c0de5f1c0de5f1c0de5f1c0"


class Age(StrEnum):
    """Which of the platform's versions it is; other routes are a plain 404."""

    OLD = "old"
    """Serves releases and installers, as self-hosted control planes do."""
    TODAY = "today"
    """Serves workflows, app branches and approvals; an app's releases are bills of materials."""
    ALL = "all"
    """Serves everything, as no real one ever did."""

    @property
    def version(self) -> str:
        return "0.19.1125" if self is Age.TODAY else "0.19.700"

    @property
    def routes(self) -> Mapping[str, Answer]:
        """What it answers, by path."""
        return _ROUTES[self]

    @property
    def header(self) -> str:
        """What `X-Nuon-API-Version` says: where the platform is of today, a git reference."""
        return GIT_REF if self is Age.TODAY else self.version


_ROUTES: Mapping[Age, Mapping[str, Answer]] = {
    Age.OLD: {**IN_OLD, **IN_BOTH},
    Age.TODAY: {**IN_TODAY, **IN_BOTH},
    Age.ALL: {**IN_TODAY, **IN_OLD, **IN_BOTH},
}


class Branches(StrEnum):
    """Whether the organisation has app branches, and what their routes answer where not."""

    SERVED = "served"
    NOT_ENABLED = "not enabled"
    """400, as newer platforms say it."""
    BROKEN = "broken"
    """500, as older ones do."""

    def refuse(self) -> None:
        """Raise the platform's own error where there are none."""
        if self is Branches.NOT_ENABLED:
            error = "feature not enabled: app-branches"
            raise ApiError(HTTPStatus.BAD_REQUEST, error, "this feature is not enabled")
        if self is Branches.BROKEN:
            error = "app branches feature not enabled for this organization"
            raise ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, error, "internal error")


BRANCHES_PATH = "/v1/apps/{id}/branches"
IN_NO_VERSION = "/v1/branches"
"""A route that some clients know, and no server."""
