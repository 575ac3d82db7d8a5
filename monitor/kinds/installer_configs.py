"""The configs of an installer's apps, and what an app's own document says beside the installer's.

The platform loads neither the configs nor the notifications of an app for an installer. Both are
in the app itself (`GET /v1/apps/{app_id}`), of whose configs it has the three newest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import fields, objects, sharing, tree, wire
from monitor.kinds.paths import app_path
from monitor.model import Entity, Kind, status_words

APP_CONFIG: Final = Kind(
    "app config",
    status_words(
        PENDING="pending", RUNNING="syncing", SUCCEEDED="active", FAILED="error", ENDED="outdated"
    ),
)


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


class _Notifications(msgspec.Struct, gc=False):
    slack_webhook_url: object = None


class AppRecord(msgspec.Struct, gc=False):
    """What is read of an app's own document, which an installer's may hold as well."""

    id: object = None
    app_configs: list[msgspec.Raw] | objects.NoList = None
    notifications_config: _Notifications | objects.NonObject = None

    @property
    def webhook(self) -> str:
        """The address that the vendor set for the app, a secret; empty where there is none."""
        config = self.notifications_config
        url = config.slack_webhook_url if isinstance(config, _Notifications) else None
        return url if isinstance(url, str) else ""


class Parsed(NamedTuple):
    """What is made of one config: itself, and the workflows of its branch."""

    config: Entity
    workflows: tuple[Entity, ...]


Memo = wire.Memo[Parsed | None]

_config_decoder = msgspec.json.Decoder(_Config | objects.NonObject)
_app_decoder = msgspec.json.Decoder(AppRecord)


def own_record(app_id: str, beside: wire.Beside) -> AppRecord | None:
    """Return an app's own document; None where it could not be had, or is not what it should be."""
    return wire.about(beside, app_path(app_id), _app_decoder, app_id)


def units(parts: object, memo: Memo) -> tuple[Entity, ...]:
    """Read the configs of an app and the workflows of their branches; raises MalformedAnswer."""
    return _in_order([one for part in _listed(parts) if (one := memo.get(part, _parsed))])


def with_own_units(
    app: Entity, record: AppRecord | None, memo: Memo, seen: set[sharing.Key]
) -> Entity:
    """Return an app with what its own document says of its configs.

    That is newer than what the installer's says, unless the platform's own times contradict. It
    adds to the tree and moves nothing there: `seen` is what stands in it already, all of which
    stays where it is.
    """
    own = list(_readable(app.id, record, memo))
    if not own:
        return app
    children = *_configs(app, own, seen), *_workflows(app, own, seen)
    return msgspec.structs.replace(app, children=children)


def _configs(app: Entity, own: Sequence[Parsed], seen: set[sharing.Key]) -> tuple[Entity, ...]:
    known = {unit.id: unit for unit in app.children if unit.kind == APP_CONFIG}
    added: list[Entity] = []
    for config in wire.in_order(one.config for one in own):
        if config.id not in known:
            added.append(config)
        elif not _is_older(config, known[config.id]):
            known[config.id] = config
    return wire.in_order((*known.values(), *sharing.once(tuple(added), seen)))


def _workflows(app: Entity, own: Sequence[Parsed], seen: set[sharing.Key]) -> tuple[Entity, ...]:
    known = (unit for unit in app.children if unit.kind != APP_CONFIG)
    further = wire.in_order(workflow for one in own for workflow in one.workflows)
    return wire.in_order((*known, *sharing.once(further, seen)))


def _readable(app_id: str, record: AppRecord | None, memo: Memo) -> Iterator[Parsed]:
    """Yield what can be read of an app's own configs: what cannot spoils nothing else."""
    for part in _listed(record.app_configs if record else None):
        try:
            one = memo.get(part, _parsed)
        except MalformedAnswer:
            continue
        if one is not None and one.config.app_id in ("", app_id):
            yield one


def _is_older(config: Entity, other: Entity) -> bool:
    one, two = config.status_at, other.status_at
    if one is None or two is None:
        one, two = config.updated_at, other.updated_at
    return one is not None and two is not None and one < two


def _listed(parts: object) -> list[msgspec.Raw]:
    return parts if isinstance(parts, list) else []


def _in_order(parsed: Sequence[Parsed]) -> tuple[Entity, ...]:
    """Return configs and workflows, the newest last; several configs can be of one branch."""
    return (
        *wire.in_order(one.config for one in parsed),
        *wire.in_order(workflow for one in parsed for workflow in one.workflows),
    )


def _parsed(part: msgspec.Raw) -> Parsed | None:
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
    # Of the branch its id rather than its name, which can be changed, or be "config".
    slot, on_branch = f"branch {branch_id}", fields.facts_of(branch=branch.name)
    workflows = tuple(
        msgspec.structs.replace(workflow, slot=slot, facts=workflow.facts + on_branch)
        for one in fields.rows(branch.workflows, objects.Workflow)
        if fields.text(one.id)
        for workflow in (tree.workflow(one),)
    )
    return Parsed(config, workflows)
