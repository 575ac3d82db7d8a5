"""The kinds of watch: each is an endpoint and a decoder from its answer to the one tree.

A new kind is a file here, its line in `KINDS`, and its status words in `model`. What finds
things to watch is an endpoint and a decoder to a list of them: see `FINDERS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from monitor.errors import NuonError, NuonNotFound, NuonRejected
from monitor.kinds import approvals, installer, release, run, workflow
from monitor.kinds.wire import Finder, WatchKind
from monitor.model import Target

KINDS: Mapping[str, WatchKind] = {
    release.NAME: release.WATCH_KIND,
    workflow.NAME: workflow.WATCH_KIND,
    run.NAME: run.WATCH_KIND,
    approvals.NAME: approvals.WATCH_KIND,
    installer.NAME: installer.WATCH_KIND,
}
"""What has a tree of its own, by the kind of its target."""

FINDERS: Mapping[str, Finder] = {
    "app": release.OF_APP,
    "component": release.OF_COMPONENT,
    "install": workflow.OF_INSTALL,
    run.BRANCH: run.FINDER,
}
"""What leads to things that have one, by the kind of the target that is watched."""


def explained(error: NuonError, target: Target, *, was_seen: bool) -> NuonError:
    """Return a 404 in terms of what is watched, any other error as it is.

    `was_seen` says whether the target was there before: what never was has a wrong id.
    """
    if isinstance(error, NuonRejected) and error.is_missing_route:
        kind = KINDS.get(target.kind) or FINDERS[target.kind]
        return NuonRejected(f"{error}. {kind.served}", is_missing_route=True)
    if isinstance(error, NuonNotFound) and target.kind == approvals.NAME:
        # A list is no record: a platform without it takes its name for the id of a workflow.
        return NuonRejected(KINDS[target.kind].served, is_missing_route=True)
    if isinstance(error, NuonNotFound) and not was_seen:
        return NuonNotFound(f"no such {target.kind}: check the id ({error})")
    return error
