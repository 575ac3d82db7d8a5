"""The pages of the platform's dashboard to which messages lead."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Links:
    """Pages of the platform's dashboard, for people."""

    dashboard_url: str
    org_id: str

    def install(self, install_id: str) -> str:
        return self._page("installs", install_id)

    def workflow(self, install_id: str, workflow_id: str) -> str:
        return self._page("installs", install_id, "workflows", workflow_id)

    def releases(self) -> str:
        return self._page("releases")

    def _page(self, *segments: str) -> str:
        quoted = (quote(segment, safe="", errors="replace") for segment in (self.org_id, *segments))
        return "/".join((self.dashboard_url.rstrip("/"), *quoted))
