"""What to ask about a release beside its own answer: why deploys failed, and what is rolled out.

The handler of a release loads nothing that belongs to a deploy (the platform's public source,
December 2025), whose own reason is one of a few phrases. The deploy's route has its runner jobs,
artifact and build; the workflow that it belongs to may know more. Nothing is asked of a deploy
that goes well, but of one: what is rolled out is the same for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

import msgspec

from monitor.errors import MalformedAnswer
from monitor.kinds import wire
from monitor.kinds.causes import reason_of, says_nothing
from monitor.kinds.parts import BUILD, DEPLOY, WORKFLOW
from monitor.kinds.paths import build_path, deploy_path, workflow_path
from monitor.kinds.profile import LastSeen
from monitor.kinds.release_answers import Explained
from monitor.kinds.release_build import read_build
from monitor.model import Entity, Phase, phase_of


class _Newer(msgspec.Struct, gc=False):
    status: object = None


class _Deploy(msgspec.Struct, gc=False):
    """As little of a deploy as says whether to ask about it: there are ten thousand of them."""

    id: str = ""
    status: str | None = None
    status_v2: _Newer | str | float | bool | list[msgspec.Raw] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    install_id: str | None = None
    workflow_id: str | None = None
    install_workflow_id: str | None = None
    runner_jobs: msgspec.Raw = msgspec.Raw()
    workflow: msgspec.Raw = msgspec.Raw()

    @property
    def word(self) -> str:
        newer = self.status_v2.status if isinstance(self.status_v2, _Newer) else None
        return newer if newer and isinstance(newer, str) else self.status or ""

    @property
    def is_whole(self) -> bool:
        """Whether the answer about the release has all of it, as its public document shows."""
        given = (one for one in (self.runner_jobs, self.workflow) if one)
        return any(bytes(one) not in _EMPTY for one in given)


_EMPTY = frozenset({b"null", b"[]", b"{}"})


class _Step(msgspec.Struct, gc=False):
    id: str = ""
    install_deploys: list[_Deploy | None] | None = None


class _Release(msgspec.Struct, gc=False):
    id: str = ""
    build_id: str | None = None
    build: msgspec.Raw = msgspec.Raw()
    release_steps: list[_Step | None] | None = None


_decoder = msgspec.json.Decoder(_Release)

_FAILED, _WAITING, _STALLED, _FOLLOWED, _ROLLED_OUT = range(5)
"""Why to ask about a deploy, the most urgent first."""
_URGENCY = {Phase.FAILED: _FAILED, Phase.WAITING: _WAITING}


class _Asked(NamedTuple):
    """A deploy to ask about; of equally urgent ones the oldest comes first."""

    urgency: int
    created_at: str
    id: str
    deploy: _Deploy


def questions(
    body: bytes, _release_id: str, beside: wire.Beside, last_seen: LastSeen
) -> tuple[wire.Question, ...]:
    """Return what to ask: of what failed, waits or is stalled first, then of what is rolled out."""
    try:
        release = wire.parse(body, _decoder)
    except MalformedAnswer:
        return ()  # it is refused where it is decoded
    explained = Explained(beside)
    wanted = sorted(_wanted(release, last_seen), key=lambda one: one[:3])
    build_id = release.build_id or ""
    found = [q for one in wanted for q in _of_deploy(one, build_id, explained)]
    build = read_build(release.build)
    if build_id and build.is_unexplained:
        has_failed = phase_of(BUILD, build.status) is Phase.FAILED
        halted = BUILD if has_failed else None
        found.insert(0, wire.Question(build_path(build_id), build.status, halted))
    return tuple({question.path: question for question in found}.values())


def _wanted(release: _Release, last_seen: LastSeen) -> Iterator[_Asked]:
    stalled = last_seen.stalled
    waited = _waited(last_seen.root)
    followed = _followed(last_seen.root) | waited
    deploys: list[_Deploy] = []
    for step in wire.present(release.release_steps):
        of_step = wire.present(step.install_deploys)
        deploys += of_step
        is_stalled = not stalled.isdisjoint((release.id, step.id))
        yield from _in_trouble(of_step, None if is_stalled else stalled, followed, waited)
    oldest = min(deploys, key=_age, default=None)
    if oldest is not None and _can_be_asked(oldest):
        yield _Asked(_ROLLED_OUT, *_age(oldest), oldest)


def _in_trouble(
    deploys: Iterable[_Deploy], stalled: Set[str] | None, followed: Set[str], waited: Set[str]
) -> Iterator[_Asked]:
    """Yield what failed, waits, is `stalled` (None: all that did not end well) or is followed.

    What `waited` is asked about once more though it ended well: somebody answered.
    """
    for deploy in deploys:
        # Of ten thousand deploys that go well, none is worth a second look.
        phase = phase_of(DEPLOY, deploy.word)
        if phase is Phase.SUCCEEDED and deploy.id not in waited:
            continue
        if not _can_be_asked(deploy):
            continue
        urgency = _URGENCY.get(phase)
        if urgency is None and (stalled is None or deploy.id in stalled):
            urgency = _STALLED
        elif urgency is None and deploy.id in followed:
            urgency = _FOLLOWED
        if urgency is not None:
            yield _Asked(urgency, *_age(deploy), deploy)


def _can_be_asked(deploy: _Deploy) -> bool:
    return bool(deploy.install_id and deploy.id) and not deploy.is_whole


def _age(deploy: _Deploy) -> tuple[str, str]:
    return deploy.created_at or "", deploy.id


def _followed(root: Entity | None) -> frozenset[str]:
    """Return the deploys that were asked about: what moves at them is seen until they end."""
    if root is None:
        return frozenset()
    return frozenset(
        deploy.id for step in root.children for deploy in step.children if deploy.children
    )


def _waited(root: Entity | None) -> frozenset[str]:
    """Return the deploys that waited when they were last seen."""
    if root is None:
        return frozenset()
    return frozenset(
        deploy.id
        for step in root.children
        for deploy in step.children
        if deploy.phase is Phase.WAITING
    )


def _of_deploy(asked: _Asked, build_id: str, explained: Explained) -> Iterator[wire.Question]:
    """Yield the questions about one deploy; each answer may make another one needless.

    Its workflow says more than why: who answered an approval, and what can be done now.
    """
    deploy = asked.deploy
    subject = f"{deploy.word} {deploy.updated_at or ''}"
    is_halted = asked.urgency in (_FAILED, _WAITING)
    path = deploy_path(deploy.install_id or "", deploy.id)
    yield wire.Question(path, subject, DEPLOY if is_halted else None)
    if asked.urgency == _ROLLED_OUT:
        return
    parts, workflow_id = _own(deploy, explained)
    if workflow_id:
        path = workflow_path(workflow_id)
        yield wire.Question(path, subject, WORKFLOW if is_halted else None)
    if asked.urgency != _FAILED or not build_id or _is_known(parts):
        return
    if not _says_why((*parts, *explained.workflows(workflow_id, deploy.id))):
        yield wire.Question(build_path(build_id), subject)


def _own(deploy: _Deploy, explained: Explained) -> tuple[tuple[Entity, ...], str]:
    """Return what a deploy's own document has of it, and the id of its workflow."""
    whole = explained.deploy(deploy.install_id or "", deploy.id)
    known = deploy.install_workflow_id or deploy.workflow_id or ""
    return ((), known) if whole is None else (whole.children, known or whole.workflow_id)


def _says_why(parts: Iterable[Entity]) -> bool:
    """Whether any of these but a build failed and says why."""
    return any(
        part.phase is Phase.FAILED and not says_nothing(reason_of(part))
        for part in parts
        if part.kind != BUILD
    )


def _is_known(parts: Iterable[Entity]) -> bool:
    """Whether nothing more is to be had of a build among these: it did not fail, or says why."""
    builds = (part for part in parts if part.kind == BUILD)
    return any(
        build.phase is not Phase.FAILED or not says_nothing(reason_of(build)) for build in builds
    )
