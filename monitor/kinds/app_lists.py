"""What leads from an app to what is rolled out of it, on a platform that has no releases."""

from __future__ import annotations

from typing import Final

from monitor.kinds import fields, wire
from monitor.kinds.paths import app_path
from monitor.kinds.profile import Finder
from monitor.kinds.run_documents import Branch, branch_list
from monitor.model import Found, ListPage, Target

BRANCHES: Final = "app_branches"
BRANCH: Final = "app_branch"
WORKFLOWS: Final = "app_workflows"


def alternatives(app_id: str) -> tuple[Target, ...]:
    """Return the lists that lead to what is rolled out of an app."""
    return Target(BRANCHES, app_id), Target(WORKFLOWS, app_id)


def branches_path(app_id: str) -> str:
    """Return the path of an app's branches."""
    return f"{app_path(app_id)}/branches"


def find_branches(body: bytes, app_id: str) -> ListPage:
    """Read one page of an app's branches, each of which is a list of runs.

    Raises MalformedAnswer. A branch has no end, and of an old one there can be new runs: none is
    too old to be followed, so its age is left out.
    """
    answered = wire.parse(body, branch_list, "the list of branches")
    rows, without_id = fields.identified(answered, Branch, "branch")
    branches = (Target(BRANCH, f"{app_id}/{fields.text(row.id)}") for row in rows)
    found = (Found(target, is_over=False, created_at=None) for target in branches)
    return ListPage(tuple(found), without_id)


BRANCHES_FINDER: Final = Finder(
    path=branches_path, record=None, decode=find_branches, id_prefix="app", watched_by=None
)
