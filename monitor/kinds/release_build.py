"""The build that a release rolls out: the release waits for it, and fails with it.

It stands beside the release's own fields, which its public document does not show.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import fields, objects, wire
from monitor.kinds.causes import reason_of, says_nothing
from monitor.kinds.parts import BUILD
from monitor.kinds.release_deploys import Origin, origin_of
from monitor.kinds.tree import builds
from monitor.model import Entity, Phase, phase_of

_decoder: msgspec.json.Decoder[objects.Build | objects.NonObject] = msgspec.json.Decoder(
    objects.Build | objects.NonObject
)
_NAMELESS = "build"


class ReleasedBuild(NamedTuple):
    """How a release's build is, and what it says of the release; all empty without one."""

    status: str = ""
    reason: str = ""
    """Why it failed, in its own words."""
    origin: Origin | None = None

    @property
    def is_unexplained(self) -> bool:
        """Whether it failed without a word why."""
        return phase_of(BUILD, self.status) is Phase.FAILED and not self.reason

    def explained_by(self, builds: Iterable[Entity]) -> ReleasedBuild:
        """Return the same with the reason that a document of its own gives, where it has none."""
        reasons = (reason_of(build) for build in builds if build.phase is Phase.FAILED)
        reason = next((one for one in reasons if not says_nothing(one)), "")
        return self._replace(reason=reason) if self.is_unexplained else self

    def description_of(self, phase: Phase, description: str) -> str:
        """Return what a release says of itself, or where that is nothing why its build failed."""
        is_unexplained = phase is Phase.FAILED and says_nothing(description)
        return self.reason if is_unexplained and self.reason else description


def read_build(part: msgspec.Raw) -> ReleasedBuild:
    """Read a release's build; one that is not as it was promised is as one that is missing."""
    try:
        row = wire.parse(part, _decoder, "a build") if part else None
    except MalformedAnswer:
        return ReleasedBuild()
    if not isinstance(row, objects.Build):
        return ReleasedBuild()
    row.id = fields.text(row.id) or _NAMELESS
    (build,) = builds(row, ())
    has_reason = build.phase is Phase.FAILED and not says_nothing(reason_of(build))
    origin = origin_of(objects.BareDeploy(), row)
    if origin is not None and origin.revision == row.git_ref:
        origin = origin._replace(revision="")  # a branch, which says less than its commit
    return ReleasedBuild(build.status, reason_of(build) if has_reason else "", origin)
