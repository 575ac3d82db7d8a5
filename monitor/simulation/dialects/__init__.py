"""The ways in which one life is told: as a release, an app branch run, a workflow, an installer."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.simulation.dialects.installer import InstallerDialect
from monitor.simulation.dialects.release import ReleaseDialect
from monitor.simulation.dialects.run import RunDialect
from monitor.simulation.dialects.workflow import WorkflowDialect
from monitor.simulation.life import Dialect

DIALECTS: Mapping[str, Dialect] = {
    dialect.kind: dialect
    for dialect in (ReleaseDialect(), RunDialect(), WorkflowDialect(), InstallerDialect())
}
