"""What the tests of messages draw: releases in some situations, and how they are seen."""

from __future__ import annotations

from typing import Any

from monitor.compose.render import Links, View
from monitor.kinds.approvals import APPROVALS
from monitor.kinds.installer import APP, INSTALLER
from monitor.kinds.parts import WORKFLOW, WORKFLOW_STEP
from monitor.kinds.release import RELEASE
from monitor.kinds.run import BRANCH_RUN
from monitor.kinds.run_groups import INSTALL_GROUP
from monitor.kinds.run_installs import INSTALL_RUN
from monitor.model import (
    Alert,
    Entity,
    Event,
    EventKind,
    Kind,
    Level,
    Mention,
    MentionKind,
    Message,
    Reason,
    ReasonKind,
    Snapshot,
    Target,
    TargetState,
)
from tests.support.block_kit import drawn
from tests.support.builders import after, deploy, release, state, step
from tests.support.clock import NOON

LINKS = Links("https://app.nuon.co", "org1")
HELM = "helm upgrade timed out after 10m0s waiting for condition"
PODS = "→ The deployment did not become ready: look at its pods in the install, then retry."
"""What can be done about it."""
FACTS: dict[str, Any] = {
    "created_by": "jane@acme.example",
    "revision": "3f2a9c1d77e0b1a2c3d4e5f60718293a4b5c6d7e",
    "updated_at": after(12),
}


def view(root: Entity, remembered: TargetState | None = None, **facts: Any) -> View:
    target = Target(WATCHED_AS[root.kind], root.id)
    return View(Snapshot(target, NOON, root), remembered or state(), LINKS, **facts)


WATCHED_AS = {
    RELEASE: "release",
    WORKFLOW: "workflow",
    BRANCH_RUN: "run",
    INSTALLER: "installer",
    APPROVALS: "approvals",
}


def entity(kind: Kind, key: str, status: str = "", *children: Entity, **facts: Any) -> Entity:
    return Entity(kind=kind, id=key, status=status, children=children, **facts)


def first_step() -> Entity:
    """Build a step that took four minutes on two installs."""
    return step(1, "active", *(deploy(name, updated_at=after(4)) for name in ("acme", "globex")))


def last_step(**facts: Any) -> Entity:
    return step(3, "queued", planned=("soylent", "tyrell"), **facts)


def second_step(status: str, *deploys: Entity, **facts: Any) -> Entity:
    done = deploy("initech", created_at=after(6), updated_at=after(8))
    return step(2, status, done, *deploys, **facts)


def under_way(*deploys: Entity, status: str = "executing_release_steps", **facts: Any) -> Entity:
    second = second_step("polling_install_deploys", *deploys)
    return release(status, first_step(), second, last_step(delay=300), **(FACTS | facts))


def broken() -> Entity:
    bad = deploy("hooli", "error", HELM, workflow_id="inw1", created_at=after(6))
    second = second_step("error", bad, description="install deploy errored")
    return release(
        "error", first_step(), second, last_step(), description="release step errored", **FACTS
    )


def unit(root: Entity, install_id: str) -> Entity:
    return next(
        entity for _, entity in root.walk() if install_id and entity.install_id == install_id
    )


def alert(alert_key: str, kind: EventKind, **facts: Any) -> Alert:
    return Alert(alert_key, kind, since=NOON, notified_at=after(240), **facts)


DEAD_END = Reason(ReasonKind.DEAD_END, ends=("cancelled",))
DEAD_END_WHY = "an install ended as cancelled, and Nuon does not move past that"


def event_of(
    kind: EventKind, level: Level, entity: Entity, reason: str | Reason = "", **facts: Any
) -> Event:
    """An event; a text as its reason is the platform's own."""
    explained = Reason(description=reason) if isinstance(reason, str) else reason
    return Event(kind, level, entity, explained, **facts)


def lines_of(message: Message) -> list[str]:
    """Return a card's lines without its small print and its own link, the same in most."""
    lines = drawn(Message(message.text, message.blocks[:-1])).split("\n")
    return [line for line in lines if line not in ("---", "[Open releases]")]


def workflow(status: str, *groups: Entity) -> Entity:
    return entity(
        WORKFLOW,
        "inwk2v9q7m3x8c4b6n1z5w0y2a",
        status,
        *groups,
        name="deploy of components",
        install_id="inlhooli",
        created_at=NOON,
        updated_at=after(9),
    )


NAMES = {"inlhooli": "hooli-prod", "inlacme": "acme-prod", "app1": "shop"}


def install_run(install_id: str, status: str, *below: Entity, **facts: Any) -> Entity:
    return entity(
        INSTALL_RUN,
        f"igr1/{install_id}",
        status,
        *below,
        install_id=install_id,
        workflow_id=f"inw{install_id}",
        created_at=after(1),
        updated_at=after(4),
        **facts,
    )


def branch_run() -> Entity:
    deep = entity(WORKFLOW_STEP, "iws1", "error", description=HELM)
    broken = entity(WORKFLOW, "inw1", "error", deep, description="error while executing steps")
    canary = entity(
        INSTALL_GROUP, "igr1", "success", install_run("inlacme", "success"), name="canary"
    )
    europe = entity(
        INSTALL_GROUP,
        "igr2",
        "error",
        install_run("inlhooli", "error", broken, description="deploy failed"),
        name="europe",
    )
    rest = entity(INSTALL_GROUP, "igr3", "pending", name="rest", planned=("i1", "i2"))
    return entity(
        BRANCH_RUN,
        "inwrun9q7m3x8",
        "failed",
        canary,
        europe,
        rest,
        name="main",
        app_id="app1",
        created_at=NOON,
        updated_at=after(12),
    )


def app(name: str, status: str, *units: Entity, **facts: Any) -> Entity:
    return entity(APP, f"app-{name}", status, *units, app_id=f"app-{name}", name=name, **facts)


def installer(*apps: Entity, **facts: Any) -> Entity:
    facts.setdefault("updated_at", after(30))
    return entity(INSTALLER, "intk2v9q7m3x8", "", *apps, name="Acme Cloud", **facts)


def approvals(*workflows: Entity) -> Entity:
    return entity(APPROVALS, "org", "", *workflows, name="Pending approvals")


MENTIONS = (
    Mention(MentionKind.HERE),
    Mention(MentionKind.USER, "U024BE7LH"),
    Mention(MentionKind.GROUP, "S0614TZR7"),
)
PINGS = ("<!here>", "<@U024BE7LH>", "<!subteam^S0614TZR7>")
