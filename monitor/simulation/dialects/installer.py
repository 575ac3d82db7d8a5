"""A life told as an installer: app → config version, as they come, are synced and fail.

Each step is an app, which the installer has once the step begins; each deploy is a version of
that app's config. The first version of each app, and each one that a person has to approve,
has a workflow of the app's branch. When the rollout begins, the installer's own page changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from monitor.simulation.answers import Detail, Document, commit, record, without, without_zeros
from monitor.simulation.cast import Cast, cast_of, id_of, related_id
from monitor.simulation.fat_app import AppRelations
from monitor.simulation.flows import BRANCHES, write_flow
from monitor.simulation.install_flows import flow_of
from monitor.simulation.life import Deploy, Dialect, Flow, Gap, Life, Occurrence, Rollout, Step
from monitor.simulation.truth import Thing

_APP = {
    "queued": "active",
    "waiting_for_delay": "provisioning",
    "creating_install_deploys": "provisioning",
    "polling_install_deploys": "provisioning",
    "active": "active",
    "error": "error",
}
_DESCRIPTIONS = {
    "active": "app is active",
    "provisioning": "app is being provisioned",
    "error": "a version of the config could not be synced",
}
_CONFIG = {
    "": "pending",
    "queued": "pending",
    "pending": "pending",
    "planning": "syncing",
    "syncing": "syncing",
    "executing": "syncing",
    "pending-approval": "syncing",
    "active": "active",
    "noop": "active",
    "error": "error",
    "inactive": "outdated",
    "cancelled": "outdated",
    "approval-denied": "outdated",
}
_VERSION = "version "
_APP_NAMES = ("billing-portal", "search", "analytics", "notifications", "console")


class InstallerDialect(Dialect):
    """`GET /v1/installers/{installer_id}`."""

    kind = "installer"
    step = "app"
    unit = "config"
    has_histories = False
    unordered = ("apps", "app_configs")

    def translate(self, release: Rollout) -> Rollout:
        installer_id = id_of("int", release.id)
        steps = tuple(_app(release, index) for index in range(len(release.steps)))
        ids: dict[str, frozenset[str]] = {}
        for old, new in zip(release.steps, steps, strict=True):
            ids[old.id] = frozenset({new.id})
            for deploy in old.deploys:
                own_ids = (_config_id(deploy), _flow_id(deploy))
                ids[deploy.id] = frozenset(own_ids)
        return replace(
            release,
            id=installer_id,
            life=tuple(_whole(release.life, installer_id)),
            steps=steps,
            gaps=tuple(
                Gap(gap.begins, gap.ends, frozenset().union(*(ids[i] for i in gap.ids)))
                for gap in release.gaps
            ),
            dialect=self,
            source=release,
        )

    def casts(self, rollout: Rollout) -> tuple[Cast, ...]:
        return tuple(_cast(rollout, index) for index in range(len(rollout.steps)))

    def flows(self, rollout: Rollout) -> tuple[Flow, ...]:
        return tuple(
            _flow(rollout, index, deploy)
            for index, step in enumerate(rollout.played.steps)
            for deploy in step.deploys
            if _has_flow(rollout, step, deploy)
        )

    def deploys(self, _rollout: Rollout) -> Mapping[str, Deploy]:
        return {}

    def document(self, rollout: Rollout, seconds: float) -> Document:
        missing = rollout.missing_at(seconds)
        detail = rollout.scenario.detail
        apps = [
            _write_app_of_installer(rollout, index, seconds)
            for index, step in enumerate(rollout.steps)
            if step.life and step.life[0].at <= seconds and step.id not in missing
        ]
        if detail is Detail.THIN:
            return {"id": rollout.id, "apps": apps or None}
        life = rollout.marks(rollout.life, seconds)
        made = record(rollout.cast, rollout.id, life[0].at, life[-1].at)
        return without_zeros(
            made
            | {
                "apps": apps,
                "metadata": _metadata(rollout, seconds),
                "org_id": rollout.cast.org_id,
                "type": "self_hosted",
            },
            unless=detail is Detail.FAT,
        )


def _whole(life: Life, installer_id: str) -> Iterator[Occurrence]:
    """An installer has no status: only that its page is there, and changes."""
    changed = next((o.at for o in life if o.status == "executing_release_steps"), None)
    yield Occurrence(0.0, Thing.INSTALLER, installer_id, "")
    if changed is not None:
        yield Occurrence(changed, Thing.INSTALLER, installer_id, "")


def _metadata(rollout: Rollout, seconds: float) -> Document:
    life = rollout.marks(rollout.life, seconds)
    is_new = len(life) > 1
    homepage = f"https://{rollout.cast.app_name}.example.com"
    metadata: Document = record(
        rollout.cast, related_id("inm", rollout.id), life[0].at, life[-1].at
    ) | {
        "installer_id": rollout.id,
        "name": rollout.cast.app_name.title(),
        "description": f"Everything of {rollout.cast.app_name}",
        "homepage_url": homepage,
        "documentation_url": f"{homepage}/docs/{'v2' if is_new else 'v1'}",
        "github_url": "https://git.example.com/example/checkout",
    }
    if rollout.scenario.detail is not Detail.FAT:
        return metadata
    return metadata | {
        "community_url": f"{homepage}/community",
        "copyright_markdown": "Example Inc.",
        "demo_url": f"{homepage}/demo",
        "favicon_url": f"{homepage}/favicon.ico",
        "footer_markdown": "Made **here**",
        "formatted_demo_url": f"{homepage}/demo",
        "logo_url": f"{homepage}/logo.svg",
        "og_image_url": f"{homepage}/og.png",
        "post_install_markdown": "Well done",
    }


def _app(release: Rollout, index: int) -> Step:
    step = release.steps[index]
    cast = _cast(release, index)
    life = [
        replace(o, kind=Thing.APP, id=cast.app_id, status=status, description=_DESCRIPTIONS[status])
        for o in step.life
        if index == 0 or o.status != "queued"
        # The first app is there all along.
        for status in ["active" if index == 0 and o.status in _WORKING else _APP[o.status]]
    ]
    units = [_config(step, index, deploy) for deploy in step.deploys]
    for deploy in step.deploys:
        # The thin answers have a config's branch, and not what the branch's workflows do.
        if _has_flow(release, step, deploy) and not release.is_thin:
            flow = _flow(release, index, deploy)
            units.append(Deploy(flow.id, "", "", flow.life, flow.subject))
    return replace(
        step,
        id=cast.app_id,
        delay=0.0,
        install_ids=(),
        life=tuple(life),
        deploys=tuple(units),
        name=cast.app_name,
    )


_WORKING = frozenset({"creating_install_deploys", "polling_install_deploys", "waiting_for_delay"})


def _cast(rollout: Rollout, index: int) -> Cast:
    scenario, names = rollout.scenario, _APP_NAMES
    if index == 0:
        name = scenario.app_name
    else:
        name = names[index - 1] if index <= len(names) else f"app-{index + 1}"
    return cast_of(
        app_name=name,
        branch_name=scenario.branch_name,
        component_name=scenario.component_name,
        org_id=rollout.cast.org_id,
        build=f"{rollout.cast.build_id} {index}",
    )


def _config(step: Step, index: int, deploy: Deploy) -> Deploy:
    config_id = _config_id(deploy)
    life = tuple(
        replace(
            o,
            kind=Thing.APP_CONFIG,
            id=config_id,
            install_id="",
            status=_CONFIG.get(o.status, o.status),
            description=o.cause or o.description,
            cause="",
        )
        for o in deploy.life
    )
    return Deploy(config_id, "", "", life, _version(step, index, deploy))


def _config_id(deploy: Deploy) -> str:
    return id_of("apc", deploy.id)


def _version(step: Step, index: int, deploy: Deploy) -> str:
    """Return what people call a version of a config; no two apps have the same number."""
    return f"{_VERSION}{1000 * (index + 1) + step.deploys.index(deploy) + 1}"


def _has_flow(rollout: Rollout, step: Step, deploy: Deploy) -> bool:
    if rollout.scenario.detail is Detail.THIN:
        return False
    return deploy is step.deploys[0] or any(o.status == "pending-approval" for o in deploy.life)


def _flow_id(deploy: Deploy) -> str:
    return id_of("inw", f"installer {deploy.id}")


def _flow(rollout: Rollout, index: int, deploy: Deploy) -> Flow:
    cast = _cast(rollout, index)
    step = rollout.played.steps[index]
    return replace(
        flow_of(deploy, cast, _flow_id(deploy)),
        owner_id=cast.branch_id,
        owner_type=BRANCHES,
        owner_name=cast.branch_name,
        type="app_branches_config_repo_update",
        subject=_version(step, index, deploy),
    )


def _write_app_of_installer(rollout: Rollout, index: int, seconds: float) -> Document:
    """Write an app as an installer's answer has it: a real server loads none of its relations."""
    if rollout.is_thin:
        app = _write_app(rollout, index, seconds, [])
        return without(app, "notifications_config", *_FAT_RELATIONS) | {"app_configs": None}
    return _write_app(rollout, index, seconds, _write_configs(rollout, index, seconds))


_FAT_RELATIONS = ("input_config", "runner_config", "sandbox_config")


def write_app(rollout: Rollout, app_id: str, seconds: float) -> Document:
    """Write an app as its own route answers; LookupError while it is not there."""
    index = _index_of(rollout, app_id, seconds)
    newest = write_configs(rollout, app_id, seconds)[:_CONFIGS_OF_AN_APP]
    return _write_app(rollout, index, seconds, newest)


_CONFIGS_OF_AN_APP = 3


def write_configs(rollout: Rollout, app_id: str, seconds: float) -> list[Document]:
    """Write an app's configs, newest first; LookupError while the app is not there."""
    index = _index_of(rollout, app_id, seconds)
    return _write_configs(rollout, index, seconds, has_workflows=False)[::-1]


def _index_of(rollout: Rollout, app_id: str, seconds: float) -> int:
    for index, step in enumerate(rollout.steps):
        if step.id == app_id and step.life and step.life[0].at <= seconds:
            return index
    raise LookupError(app_id)


def _write_app(rollout: Rollout, index: int, seconds: float, configs: list[Document]) -> Document:
    step, cast = rollout.steps[index], _cast(rollout, index)
    life = rollout.marks(step.life, seconds)
    now, detail = life[-1], rollout.scenario.detail
    if detail is Detail.THIN:
        return {"id": step.id, "status": now.status, "app_configs": configs or None}
    document = record(cast, cast.app_id, life[0].at, now.at) | {
        "app_configs": configs,
        "cloud_platform": "aws",
        "config_directory": "nuon",
        "config_repo": "example/checkout",
        "description": f"The {cast.app_name} of Example Inc.",
        "display_name": cast.app_name.replace("-", " ").title(),
        "name": cast.app_name,
        "notifications_config": record(cast, related_id("ntc", cast.app_id), life[0].at)
        | {
            "org_id": cast.org_id,
            "owner_id": cast.app_id,
            "owner_type": "apps",
            "slack_webhook_url": rollout.scenario.slack_webhook_url,
        },
        "org_id": cast.org_id,
        "status": now.status,
        "status_description": now.description,
    }
    if detail is Detail.FAT:
        document |= AppRelations(cast, life).of_an_app()
    return without_zeros(document, unless=detail is Detail.FAT)


def _write_configs(
    rollout: Rollout, index: int, seconds: float, *, has_workflows: bool = True
) -> list[Document]:
    """Write an app's configs, oldest first."""
    missing = rollout.missing_at(seconds)
    branch = _branch(rollout, index, seconds)
    if not has_workflows:
        branch = without(branch, "workflows")
    return [
        _write_config(rollout, _cast(rollout, index), config, branch, seconds)
        for config in rollout.steps[index].deploys
        if _is_config(config) and config.life[0].at <= seconds and config.id not in missing
    ]


def _is_config(unit: Deploy) -> bool:
    return unit.life[0].kind is Thing.APP_CONFIG


def _write_config(
    rollout: Rollout, cast: Cast, config: Deploy, branch: Document, seconds: float
) -> Document:
    life = rollout.marks(config.life, seconds)
    detail = rollout.scenario.detail
    if detail is Detail.THIN:
        return {"id": config.id, "status": life[-1].status}
    document = record(cast, config.id, life[0].at, life[-1].at) | {
        "app_branch": branch,
        "app_branch_id": cast.branch_id,
        "app_id": cast.app_id,
        "checksum": f"sha256:{cast.commit}",
        "cli_version": "0.19.700",
        "org_id": cast.org_id,
        "status": life[-1].status,
        "status_description": life[-1].description,
        "vcs_connection_commit": commit(cast, life[0].at)
        | {"id": related_id("vcc", config.id), "sha": _sha_of(config)},
        "version": int(config.work.removeprefix(_VERSION)),
    }
    if detail is Detail.FAT:
        document |= AppRelations(cast, life).of_a_config()
    return without_zeros(document, unless=detail is Detail.FAT)


def _sha_of(config: Deploy) -> str:
    return config.id[3:].encode().hex()[:40]


def _branch(rollout: Rollout, index: int, seconds: float) -> Document:
    """Return an app's branch with those of its workflows that are there."""
    cast, missing = _cast(rollout, index), rollout.missing_at(seconds)
    ids = {_flow_id(deploy) for deploy in rollout.played.steps[index].deploys}
    workflows = [
        write_flow(rollout, flow, seconds, has_additions=False)
        for flow in rollout.flows
        if flow.id in ids and flow.created <= seconds and flow.id not in missing
    ]
    document = record(cast, cast.branch_id, rollout.begins_at) | {
        "app_id": cast.app_id,
        "connected_github_vcs_config_id": related_id("vcg", cast.app_id),
        "name": cast.branch_name,
        "org_id": cast.org_id,
        "workflows": workflows,
    }
    return without_zeros(document)
