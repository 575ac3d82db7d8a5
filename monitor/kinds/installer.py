"""An installer: the apps that it offers, and their configs (`GET /v1/installers/{installer_id}`).

An installer has no end. Its apps stand where a rollout's steps do, and below each app are the
versions of its config and the workflows of its branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import fields, objects, sharing, tree, wire
from monitor.kinds.profile import DashboardPage, KindProfile, Terms, WatchKind, page_of_app
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
APP_CONFIG: Final = Kind(
    "app config",
    status_words(
        PENDING="pending", RUNNING="syncing", SUCCEEDED="active", FAILED="error", ENDED="outdated"
    ),
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

# What changes whenever anything else does, and what only names a row.
_BOOKKEEPING = frozenset({"id", "installer_id", "created_by_id", "created_at", "updated_at"})


class _Branch(objects.Row, gc=False):
    name: object = None
    workflows: list[objects.Workflow | objects.NonObject] | objects.NoList = None


class _Config(objects.Stated, gc=False):
    app_id: object = None
    version: object = None
    cli_version: object = None
    app_branch: _Branch | objects.NonObject = None
    app_branch_id: object = None
    vcs_connection_commit: objects.Commit | objects.NonObject = None


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


class _Notifications(msgspec.Struct, gc=False):
    slack_webhook_url: object = None


class _AppWithSecret(msgspec.Struct, gc=False):
    id: object = None
    notifications_config: _Notifications | objects.NonObject = None


class _InstallerWithSecrets(msgspec.Struct, gc=False):
    apps: list[_AppWithSecret | objects.NonObject] | objects.NoList = None


class Parsed(NamedTuple):
    """What is made of one config: itself, and the workflows of its branch."""

    config: Entity
    workflows: tuple[Entity, ...]


_decoder = msgspec.json.Decoder(_Installer)
_config_decoder = msgspec.json.Decoder(_Config | objects.NonObject)
_secrets_decoder = msgspec.json.Decoder(_InstallerWithSecrets)


def path(installer_id: str) -> str:
    """Return the endpoint's path."""
    return f"/v1/installers/{wire.path_segment(installer_id)}"


def decode(
    body: bytes,
    installer_id: str,
    memo: wire.Memo[Parsed | None],
    _beside: wire.Beside = wire.NOTHING_BESIDE,
) -> Entity:
    """Read an installer; raises MalformedAnswer, also for a document about another one."""
    document = wire.parse(body, _decoder)
    if document.id != installer_id:
        about = fields.text(document.id, 60)
        raise MalformedAnswer(f"the answer is about {about!r}, not about {installer_id!r}")
    metadata = document.metadata if isinstance(document.metadata, dict) else {}
    shown = {name: value for name, value in metadata.items() if name not in _BOOKKEEPING}
    apps = wire.in_order(
        _app(row, memo) for row in fields.rows(document.apps, _App) if fields.text(row.id)
    )
    return Entity(
        kind=INSTALLER,
        id=installer_id,
        name=fields.text(metadata.get("name")),
        created_at=wire.read_time(document.created_at),
        updated_at=wire.read_time(document.updated_at),
        facts=fields.facts_of(**{"type": document.type, **shown}),
        children=sharing.once(apps, {(INSTALLER, installer_id)}),
    )


def _app(row: _App, memo: wire.Memo[Parsed | None]) -> Entity:
    identifier = fields.text(row.id)
    status = fields.raw_status(APP, row)
    parts = row.app_configs if isinstance(row.app_configs, list) else []
    configs = [one for part in parts if (one := memo.get(part, _config)) is not None]
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
        children=_units(configs),
    )


def _units(configs: Iterable[Parsed]) -> tuple[Entity, ...]:
    """Return configs and workflows, the newest last; several configs can be of one branch."""
    return (
        *wire.in_order(one.config for one in configs),
        *wire.in_order(workflow for one in configs for workflow in one.workflows),
    )


def _config(part: msgspec.Raw) -> Parsed | None:
    row = wire.parse(part, _config_decoder, "an app config")
    if not isinstance(row, _Config) or not fields.text(row.id):
        return None
    branch = row.app_branch if isinstance(row.app_branch, _Branch) else _Branch()
    branch_id = fields.text(branch.id) or fields.text(row.app_branch_id)
    status = fields.raw_status(APP_CONFIG, row)
    commit = row.vcs_connection_commit
    config = Entity(
        kind=APP_CONFIG,
        id=fields.text(row.id),
        status=status.status,
        description=status.description,
        name=f"version {fields.number(row.version)}",
        created_at=wire.read_time(row.created_at),
        updated_at=wire.read_time(row.updated_at),
        status_at=status.at,
        history=status.history,
        revision=fields.sha(commit),
        app_id=fields.text(row.app_id),
        slot="config",
        facts=fields.commit_facts(commit)
        + fields.facts_of(cli_version=row.cli_version, branch=branch.name),
    )
    workflows = tuple(
        # The branch's id rather than its name, which can be changed, or be "config".
        msgspec.structs.replace(tree.workflow(one), slot=f"branch {branch_id}")
        for one in fields.rows(branch.workflows, objects.Workflow)
        if fields.text(one.id)
    )
    return Parsed(config, workflows)


def lists_of(root: Entity) -> tuple[Target, ...]:
    """Return the apps whose releases are to be followed."""
    return tuple(Target("app", app.id) for app in root.children)


def webhooks(body: bytes) -> dict[str, str]:
    """Return the Slack webhook that the platform has for each app, by the app's id.

    Each is a secret, which is why no tree holds one. Raises MalformedAnswer.
    """
    return dict(_webhooks(wire.parse(body, _secrets_decoder)))


def _webhooks(document: _InstallerWithSecrets) -> Iterator[tuple[str, str]]:
    for app in fields.rows(document.apps, _AppWithSecret):
        config = app.notifications_config
        url = config.slack_webhook_url if isinstance(config, _Notifications) else None
        if isinstance(url, str) and url and fields.text(app.id):
            yield fields.text(app.id), url


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
    lists_of=lists_of,
    webhooks=webhooks,
)
