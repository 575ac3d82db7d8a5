"""The platform's JSON: what all of its answers are made of, and the small ones.

The fields are those of the public documents of `GET /v1/releases/{release_id}` and
`GET /v1/installers/{installer_id}`. Like the platform's server, everything here leaves out
zero values, unless `Detail.FAT` fills every documented field. Pure: what happens is decided
in `play`, told in the platform's terms by `dialects`, and served by `platform`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from monitor.simulation.cast import Cast, related_id

Document = dict[str, Any]
"""A JSON object; the one place where dicts travel, as these are the platform's, not ours."""


class Shape(StrEnum):
    """Which part of a record its handlers answer with."""

    THIN = "thin"
    """What the server's handler of that route loads; the rest is asked for elsewhere."""
    DOCUMENTED = "documented"
    """All that the route's public document shows."""


class Detail(StrEnum):
    """How much of the documented shape an answer fills."""

    THIN = "thin"
    """Ids and statuses, nothing else; lists without rows are null."""
    USUAL = "usual"
    """What the platform really fills: about 1.8 KB for a deploy."""
    FAT = "fat"
    """Every documented field, about 31 KB for a deploy."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A status and when it was set; `cause` is what only something deeper down knows."""

    at: datetime
    status: str
    description: str = ""
    cause: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


def composite_status(cast: Cast, life: Sequence[Mark]) -> Document:
    """Write a status with its history, oldest first.

    None of the earlier ones holds a history of its own. Each inherits the metadata of the
    one before, as on the platform: what an error said of itself outlives the error.
    """
    written = []
    metadata: Document = {}
    for mark in life:
        metadata = metadata | dict(mark.metadata)
        written.append(_single_status(cast, mark, metadata))
    *earlier, now = written
    return now | {"history": earlier} if earlier else now


def _single_status(cast: Cast, mark: Mark, metadata: Document) -> Document:
    return without_zeros(
        {
            "created_by_id": cast.account_id,
            "created_at_ts": int(mark.at.timestamp()),
            "status": mark.status,
            "status_human_description": mark.description,
            "metadata": metadata,
        }
    )


def without_zeros(document: Document, *, unless: bool = False) -> Document:
    """Return a record as the platform's server writes it: zero values are left out."""
    if unless:
        return document
    return {key: value for key, value in document.items() if value}


def without(document: Document, *keys: str) -> Document:
    """Return a record without some of its fields, which its handler does not load."""
    return {key: value for key, value in document.items() if key not in keys}


def time_of(moment: datetime) -> str:
    """Write a time."""
    return moment.isoformat().replace("+00:00", "Z")


def go_duration(seconds: float) -> str:
    """Write a duration as Go's `time.Duration` prints it: `0s`, `1m0s`, `1h30m0s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def record(
    cast: Cast, record_id: str, created_at: datetime, updated_at: datetime | None = None
) -> Document:
    """Write what every record of the platform has."""
    return {
        "id": record_id,
        "created_by_id": cast.account_id,
        "created_at": time_of(created_at),
        "updated_at": time_of(updated_at or created_at),
    }


def account(cast: Cast) -> Document:
    """Write the person who began it all."""
    return {
        "id": cast.account_id,
        "email": cast.email,
        "account_type": "auth0",
        "permissions": {cast.org_id: "all"},
    }


def commit(cast: Cast, created_at: datetime) -> Document:
    """Write the commit that it was all built from."""
    return record(cast, related_id("vcc", cast.build_id), created_at) | {
        "author_email": cast.email,
        "author_name": "Robin Example",
        "message": "Raise the number of replicas",
        "sha": cast.commit,
        "vcs_connection_id": related_id("vcs", cast.app_id),
    }


def install(cast: Cast, install_id: str, name: str, created_at: datetime) -> Document:
    """Write an install, as far as a reader of names wants it."""
    return record(cast, install_id, created_at) | {
        "name": name,
        "app_id": cast.app_id,
        "status": "active",
        "status_description": "install is active",
        "runner_status": "active",
        "sandbox_status": "active",
    }


def app(cast: Cast, created_at: datetime) -> Document:
    """Write an app."""
    return record(cast, cast.app_id, created_at) | {
        "org_id": cast.org_id,
        "name": cast.app_name,
        "display_name": cast.app_name.title(),
        "cloud_platform": "aws",
        "status": "active",
        "status_description": "app is active",
    }


def component(cast: Cast, created_at: datetime) -> Document:
    """Write a component."""
    return record(cast, cast.component_id, created_at) | {
        "app_id": cast.app_id,
        "name": cast.component_name,
        "var_name": cast.component_name.replace("-", "_"),
        "type": "helm_chart",
        "config_versions": 7,
        "status": "active",
        "status_description": "component is active",
    }


def branch(cast: Cast, created_at: datetime) -> Document:
    """Write an app branch."""
    return record(cast, cast.branch_id, created_at) | {
        "app_id": cast.app_id,
        "org_id": cast.org_id,
        "name": cast.branch_name,
        "managed_by": "user",
    }


def bill_of_materials(cast: Cast, created_at: datetime) -> Document:
    """Write what the newest platform calls an app's release: no rollout, only its contents."""
    release_id = related_id("rel", cast.build_id)
    return record(cast, release_id, created_at) | {
        "app_id": cast.app_id,
        "app_config_id": related_id("apc", cast.build_id),
        "component_build_ids": {cast.component_id: cast.build_id},
        "runtime_digest": f"sha256:{cast.commit}",
        "schema_version": "1",
        "semantic_digest": f"sha256:{cast.commit}",
        "status": "ready",
        "status_description": "release is ready",
        "members": [
            {
                "id": related_id("rmb", cast.build_id),
                "release_id": release_id,
                "kind": "component",
                "logical_name": cast.component_name,
                "component_id": cast.component_id,
                "build_id": cast.build_id,
            }
        ],
    }
