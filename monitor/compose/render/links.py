"""The pages of the platform's dashboard to which messages lead."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

# What we allow a link to take up.
URL_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Links:
    """Pages of the platform's dashboard, for people; None where an id is missing or absurd."""

    dashboard_url: str
    org_id: str

    def install(self, install_id: str) -> str | None:
        return self.to("installs", install_id)

    def app(self, app_id: str) -> str | None:
        return self.to("apps", app_id)

    def component(self, app_id: str, component_id: str) -> str | None:
        return self.to("apps", app_id, "components", component_id)

    def step(self, install_id: str, workflow_id: str, step_id: str) -> str | None:
        """Return the page of a workflow's step, which only an install's workflow has."""
        url = self.to("installs", install_id, "workflows", workflow_id)
        if url is None or not step_id or len(step_id) > URL_LIMIT:
            return None
        url = f"{url}?panel={quote(step_id, safe='', errors='replace')}"
        return url if len(url) <= URL_LIMIT else None

    def to(self, *segments: str) -> str | None:
        """Return the page at a path behind the organisation's id."""
        path = (self.org_id, *segments)
        if sum(map(len, path)) > URL_LIMIT or not {"", ".", ".."}.isdisjoint(path):
            return None
        quoted = (quote(segment, safe="", errors="replace") for segment in path)
        url = "/".join((self.dashboard_url.rstrip("/"), *quoted))
        return url if len(url) <= URL_LIMIT else None
