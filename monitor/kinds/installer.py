"""An installer: the apps that it offers, and their configs (`GET /v1/installers/{installer_id}`).

An installer has no end. Its apps stand where a rollout's steps do, and below each app are the
versions of its config and the workflows of its branches, which the app's own document has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import xxhash

from monitor.errors import MalformedAnswer
from monitor.kinds import fields, installer_configs, objects, sharing, wire
from monitor.kinds.installer_configs import APP_CONFIG
from monitor.kinds.paths import app_path
from monitor.kinds.profile import (
    DashboardPage,
    KindProfile,
    LastSeen,
    Terms,
    WatchKind,
    page_of_app,
)
from monitor.model import Entity, Kind, Target, status_words

NAME = "installer"

INSTALLER: Final = Kind("installer", is_perpetual=True)
APP: Final = Kind(
    "app",
    status_words(
        RUNNING="provisioning deprovisioning delete_queued", SUCCEEDED="active", FAILED="error"
    ),
    is_condition=True,
)


def page(root: Entity) -> DashboardPage | None:
    """Return the page of the one app that an installer offers: an installer itself has none."""
    apps = {app.app_id for app in root.children if not app.is_absent}
    return DashboardPage("Open app", (("apps", apps.pop()),)) if len(apps) == 1 else None


PROFILE: Final = KindProfile(
    root=INSTALLER,
    step=APP,
    unit=APP_CONFIG,
    terms=Terms(step="app", unit="config", further_unit="branch workflow"),
    name_is_of="installer",
    unit_names=("{name} of {step}",),
    page=page,
    step_page=page_of_app,
    # Of an installer's addresses those that lead a person somewhere, in our words.
    address_facts={
        "homepage_url": "homepage",
        "documentation_url": "documentation",
        "community_url": "community",
        "github_url": "GitHub",
        "demo_url": "demo",
    },
)

_LONGEST_WHOLE = 150
"""Characters that are kept of a longer text, such as a page's footer."""

# What changes whenever anything else does, and what only names a row.
_BOOKKEEPING = frozenset({"id", "installer_id", "created_by_id", "created_at", "updated_at"})


class _App(objects.Stated, gc=False):
    """An app. As a rule `app_configs` is null: the platform loads no configs for an installer."""

    name: object = None
    display_name: object = None
    description: object = None
    cloud_platform: object = None
    config_repo: object = None
    config_directory: object = None
    runner_type: object = None
    app_configs: list[msgspec.Raw] | objects.NoList = None


class _Installer(objects.Row, gc=False):
    type: object = None
    metadata: object = None
    apps: list[_App | objects.NonObject] | objects.NoList = None


class _Apps(msgspec.Struct, gc=False):
    """An installer by nothing but its apps."""

    id: object = None
    apps: list[installer_configs.AppRecord | objects.NonObject] | objects.NoList = None


_decoder = msgspec.json.Decoder(_Installer)
_apps_decoder = msgspec.json.Decoder(_Apps)


def path(installer_id: str) -> str:
    """Return the endpoint's path."""
    return f"/v1/installers/{wire.path_segment(installer_id)}"


def decode(
    body: bytes,
    installer_id: str,
    memo: installer_configs.Memo,
    beside: wire.Beside = wire.NOTHING_BESIDE,
) -> Entity:
    """Read an installer; raises MalformedAnswer, also for a document about another one.

    What its apps' own documents say of their configs is added, where they could be had.
    """
    document = wire.parse(body, _decoder)
    if document.id != installer_id:
        about = fields.text(document.id, 60)
        raise MalformedAnswer(f"the answer is about {about!r}, not about {installer_id!r}")
    metadata = document.metadata if isinstance(document.metadata, dict) else {}
    shown = {name: _distinct(v) for name, v in metadata.items() if name not in _BOOKKEEPING}
    rows = (row for row in fields.rows(document.apps, _App) if fields.text(row.id))
    seen: set[sharing.Key] = {(INSTALLER, installer_id)}
    apps = sharing.once(wire.in_order(_app(row, memo) for row in rows), seen)
    return Entity(
        kind=INSTALLER,
        id=installer_id,
        name=fields.text(metadata.get("name")),
        created_at=wire.read_time(document.created_at),
        updated_at=wire.read_time(document.updated_at),
        facts=fields.facts_of(**{"type": document.type, **shown}),
        children=tuple(
            installer_configs.with_own_units(
                app, installer_configs.own_record(app.id, beside), memo, seen
            )
            for app in apps
        ),
    )


def _distinct(value: object) -> object:
    """Return a text such that another one is seen to be another, also far behind its beginning."""
    if not isinstance(value, str) or len(value) <= _LONGEST_WHOLE:
        return value
    digest = xxhash.xxh3_64_hexdigest(value.encode(errors="replace"))[:8]
    return f"{value[:_LONGEST_WHOLE]}… ({len(value):,} characters, {digest})"


def _app(row: _App, memo: installer_configs.Memo) -> Entity:
    identifier = fields.text(row.id)
    status = fields.raw_status(APP, row)
    return Entity(
        kind=APP,
        id=identifier,
        status=status.status,
        description=status.description,
        name=fields.text(row.display_name) or fields.text(row.name),
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        status_at=status.at,
        history=status.history,
        app_id=identifier,
        facts=fields.facts_of(
            description=row.description,
            config_repo=row.config_repo,
            config_directory=row.config_directory,
            cloud_platform=row.cloud_platform,
            runner_type=row.runner_type,
        ),
        children=installer_configs.units(row.app_configs, memo),
    )


def questions(
    body: bytes, installer_id: str, _beside: wire.Beside, _last_seen: LastSeen
) -> tuple[wire.Question, ...]:
    """Return where the configs of its apps are; raises MalformedAnswer.

    In each poll, as a sync leaves no trace in the installer's own document.
    """
    document = wire.parse(body, _apps_decoder)
    if document.id != installer_id:
        return ()
    asked = (wire.Question(app_path(key)) for key, _ in _records(document))
    return tuple(dict.fromkeys(asked))


def _records(document: _Apps) -> Iterator[tuple[str, installer_configs.AppRecord]]:
    for app in fields.rows(document.apps, installer_configs.AppRecord):
        if key := fields.text(app.id):
            yield key, app


def lists_of(root: Entity) -> tuple[Target, ...]:
    """Return the apps whose releases are to be followed."""
    return tuple(Target("app", app.id) for app in root.children)


def webhooks(body: bytes, beside: wire.Beside = wire.NOTHING_BESIDE) -> dict[str, str]:
    """Return the Slack webhook that the platform has for each app, by the app's id.

    Each is a secret, which is why no tree holds one. Raises MalformedAnswer.
    """
    found: dict[str, str] = {}
    for key, app in _records(wire.parse(body, _apps_decoder)):
        own = installer_configs.own_record(key, beside)
        if url := app.webhook or (own.webhook if own else ""):
            found[key] = url
    return found


WATCH_KIND: Final = WatchKind(
    name=NAME,
    profile=PROFILE,
    path=path,
    decode=decode,
    served=(
        "Installers are served until API 0.19.707. A newer platform has none: watch app= for the"
        " releases of an app, or app_branch= for the runs of its branches."
    ),
    stand_ins=("app", "app_branch"),
    id_prefix="int",
    questions=questions,
    lists_of=lists_of,
    webhooks=webhooks,
)
