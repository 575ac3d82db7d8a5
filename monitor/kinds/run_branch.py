"""The app that a run's branch belongs to, which the path of its groups needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from monitor.errors import NuonNotFound
from monitor.kinds import fields, wire
from monitor.kinds.paths import branch_path
from monitor.kinds.run_documents import (
    Branch,
    Run,
    RunMetadata,
    RunWorkflow,
    branch_answer,
    branch_list,
    first_text,
    object_of,
)
from monitor.kinds.wire import Beside, Wanted

_PAGE = 100
"""Rows; the platform refuses a larger `limit` (its public source, December 2025)."""


def id_of(workflow: RunWorkflow, run: Run) -> str:
    """Return the id of a run's branch."""
    return first_text(run.app_branch_id, workflow.owner_id)


def branch_of(workflow: RunWorkflow, run: Run, beside: Beside) -> Branch:
    """Return what is known of a run's branch without asking for more."""
    given = object_of(run.app_branch, Branch)
    found = _known(id_of(workflow, run), beside)
    return Branch(
        # The platform loads a run's branch for the newest of its lists alone.
        app_id=first_text(
            given.app_id, found.app_id, object_of(workflow.metadata, RunMetadata).app_id
        ),
        name=given.name or found.name or workflow.owner_name,
    )


def _known(branch_id: str, beside: Beside) -> Branch:
    try:
        found = find(branch_id, beside)
    except NuonNotFound:
        return Branch()
    return found if isinstance(found, Branch) else Branch()


class _Listed(NamedTuple):
    """The rows of all pages that are at hand, and the page to ask for next."""

    rows: list[Branch]
    wanted: Wanted | None
    is_whole: bool


def _listed(first: str, beside: Beside, *, is_needed: bool) -> _Listed:
    rows: list[Branch] = []
    for offset in range(0, _PAGE * len(beside) + _PAGE, _PAGE):
        page = f"{first}?limit={_PAGE}&offset={offset}"
        if page not in beside:
            return _Listed(rows, Wanted(page, is_needed), is_whole=False)
        document = beside[page]
        if document is None:
            break
        rows += fields.rows(wire.parse(document.body, branch_list, "the list"), Branch)
        if not document.has_more:
            return _Listed(rows, None, is_whole=True)
    return _Listed(rows, None, is_whole=False)


def find(branch_id: str, beside: Beside) -> Branch | tuple[Wanted, ...]:
    """Return a branch with its app, or what to ask for next; raises NuonNotFound where none has it.

    Where the platform does not list the branches of all apps, it is asked app by app.
    """
    # No version of the platform's public source has this list, so it may well be missing.
    branches = _listed("/v1/branches", beside, is_needed=False)
    found = next((row for row in branches.rows if row.id == branch_id and row.app_id), None)
    if found is not None:
        return found
    if branches.wanted is not None:
        return (branches.wanted,)
    if branches.is_whole:
        raise NuonNotFound(f"no app has the branch {branch_id}")
    apps = _listed("/v1/apps", beside, is_needed=True)
    if apps.wanted is not None:
        return (apps.wanted,)
    return _asked_of_apps(branch_id, apps.rows, beside)


def _asked_of_apps(
    branch_id: str, apps: Iterable[Branch], beside: Beside
) -> Branch | tuple[Wanted, ...]:
    paths = {
        branch_path(app_id, branch_id): app_id for app in apps if (app_id := fields.text(app.id))
    }
    for path, app_id in paths.items():
        document = beside.get(path)
        if document is None:
            continue
        branch = wire.parse(document.body, branch_answer, "the branch")
        if isinstance(branch, Branch) and branch.id == branch_id:
            return msgspec.structs.replace(branch, app_id=app_id)
    unasked = [path for path in paths if path not in beside]
    if unasked:
        return tuple(Wanted(path, is_needed=False, is_proof=True) for path in unasked)
    raise NuonNotFound(f"no app has the branch {branch_id}")
