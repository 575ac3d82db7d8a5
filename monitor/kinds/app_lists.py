"""What leads from an app to what is rolled out of it, on a platform that has no releases."""

from __future__ import annotations

from typing import Final

from monitor.kinds import fields, wire
from monitor.kinds.paths import app_path
from monitor.kinds.profile import Finder
from monitor.kinds.run_documents import Branch, branch_list
from monitor.model import Found, Target

BRANCHES: Final = "app_branches"
BRANCH: Final = "app_branch"
WORKFLOWS: Final = "app_workflows"


def alternatives(app_id: str) -> tuple[Target, ...]:
    """Return the lists that lead to what is rolled out of an app."""
    return Target(BRANCHES, app_id), Target(WORKFLOWS, app_id)


def branches_path(app_id: str) -> str:
    """Return the path of an app's branches."""
    return f"{app_path(app_id)}/branches"


def find_branches(body: bytes, app_id: str) -> tuple[Found, ...]:
    """Read one page of an app's branches, each of which is a list of runs.

    Raises MalformedAnswer. A branch has no end, and of an old one there can be new runs: none is
    too old to be followed, so its age is left out.
    """
    rows = wire.parse(body, branch_list, "the list of branches")
    return tuple(
        Found(
            target=Target(BRANCH, f"{app_id}/{branch_id}"),
            is_over=False,
            created_at=None,
        )
        for row in fields.rows(rows, Branch)
        if (branch_id := fields.text(row.id))
    )


BRANCHES_FINDER: Final = Finder(
    path=branches_path, record=None, decode=find_branches, id_prefix="app", watched_by=None
)
