"""A document whose objects can be told apart, to see that none with a status is passed over.

In a documented answer all ids are alike and so are all statuses. Here each object gets an id
and a status of its own; what the document shows as `{}` or `"<any>"`, although it has a status, is
put in its place by name.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from monitor.model import Entity

Row = dict[str, Any]

ELIDED = frozenset(
    {
        *("executions", "policy_validation", "install_sandbox_runs", "action_workflow_runs"),
        *("runner_jobs", "install_deploys", "install_action_workflow_runs", "workflows"),
    }
)
"""Fields whose objects a document leaves empty where they stand deep enough."""


class Distinct:
    """A documented answer in which each object has a status of its own; `paths` are by status.

    What stands at a place that ends in one of `apart` is left as it is: no part of the rollout.
    """

    def __init__(self, document: Row, *, apart: tuple[str, ...] = ()) -> None:
        self._numbers = count(1)
        self._apart = apart
        self.paths: dict[str, str] = {}
        self.document: Row = self._filled(document, "$", "")

    def missing_from(self, root: Entity) -> list[str]:
        """Return the places of the statuses that no entity of a tree has."""
        found = {entity.status for _, entity in root.walk()}
        return [path for status, path in self.paths.items() if status not in found]

    def _filled(self, value: Any, path: str, field: str) -> Any:
        if path.endswith(self._apart):
            return value
        if isinstance(value, list):
            return [self._filled(row, path, field) for row in value]
        if value in ({}, "<any>") and field in ELIDED:
            value = {"id": "<string>", "status": "<string>"}
        if not isinstance(value, dict) or "status_human_description" in value:
            return value
        row = {key: self._filled(below, f"{path}.{key}", key) for key, below in value.items()}
        if row.get("id") == "<string>":
            row["id"] = f"id{next(self._numbers)}"
        return self._with_status(row, path) if "status" in row else row

    def _with_status(self, row: Row, path: str) -> Row:
        status = f"status-{next(self._numbers)}"
        self.paths[status] = path
        is_record = isinstance(row["status"], dict)
        record = {"status": status}
        newer = {"status_v2": record} if "status_v2" in row else {}
        return row | {"status": record if is_record else status} | newer
