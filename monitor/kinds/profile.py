"""What a kind of watch consists of: a profile, an endpoint with a decoder, and lists that find it.

Everything else asks the profile and never which kind it is, so that a new kind is one file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, NamedTuple

from monitor.kinds.parts import DEPLOY
from monitor.kinds.wire import Beside, Memo, Question, Wanted
from monitor.model import Entity, Kind, ListPage, Phase, Target


class WatchedBy(Enum):
    """What is written behind a key of `[[watch]]`."""

    ID = auto()
    BRANCH_ID = auto()
    """An app branch's id, alone or behind that of its app and a slash."""
    WHOLE_ORG = auto()
    """`true`: there is one for the whole organisation, which has no id."""


class Agreement(Enum):
    """When the parts of a rollout that says it succeeded do not contradict it."""

    ALL_SUCCEEDED = auto()
    NONE_OPEN = auto()
    """Some may have been left out, refused by a person, or ended otherwise."""


DashboardPath = tuple[str, ...]
"""The parts of a page's path on the platform's dashboard, behind the organisation's id."""


class DashboardPage(NamedTuple):
    """What a link is called, and where it may lead; the first path whose ids are known counts."""

    words: str
    paths: tuple[DashboardPath, ...]


def page_of_install(entity: Entity) -> DashboardPage:
    """Return the page of the work at an install, or else the install's."""
    return DashboardPage("Open install", _at_install(entity, entity.workflow_id))


def page_of_deploy(entity: Entity) -> DashboardPage:
    """Return the logs of a deploy that failed, or else the page of the work at its install."""
    ids = entity.install_id, entity.component_id, entity.id
    if entity.phase is not Phase.FAILED or not all(ids):
        return page_of_install(entity)
    install, component, deploy = ids
    path = ("installs", install, "components", component, "deploys", deploy, "logs")
    return DashboardPage("Open logs", (path,))


def page_of_work(entity: Entity) -> DashboardPage:
    """Return the logs of a deploy that failed in the work at an install, or the page of that."""
    return logs_below(entity) or page_of_install(entity)


def logs_below(entity: Entity) -> DashboardPage | None:
    """Return the logs of a deploy that failed below something; None without one."""
    for _, below in entity.flat()[1:]:
        is_named = below.install_id and below.component_id
        if below.kind == DEPLOY and below.phase is Phase.FAILED and is_named:
            return page_of_deploy(below)
    return None


def page_of_workflow(entity: Entity) -> DashboardPage:
    """Return the page of the workflow that an entity belongs to, or else its install's."""
    return DashboardPage("Open workflow", _at_install(entity, entity.workflow_id))


def page_of_itself(entity: Entity) -> DashboardPage:
    """Return the page of what is a workflow of an install itself."""
    paths = (("installs", entity.install_id, "workflows", entity.id),)
    return DashboardPage("Open workflow", paths)


def page_of_app(entity: Entity) -> DashboardPage:
    """Return the page of the app that an entity belongs to."""
    return DashboardPage("Open app", (("apps", entity.app_id),))


def _at_install(entity: Entity, workflow_id: str) -> tuple[DashboardPath, ...]:
    install = ("installs", entity.install_id)
    return (*install, "workflows", workflow_id), install


@dataclass(frozen=True, slots=True)
class Terms:
    """What the levels of a tree are called, in the singular, where they have no names."""

    step: str = "step"
    unit: str = "install"
    further_step: str = "step"
    further_unit: str = "part"
    """What those are called whose kind is not the profile's `step` or `unit`."""


_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class KindProfile:
    """What is decided by the kind of a rollout, and not by how it fares.

    Names are patterns, of which the first counts whose fields are all known: `name`, `install`,
    `app` and, for units, `step`. Without one a thing is called by its own name.
    """

    root: Kind
    step: Kind
    unit: Kind
    terms: Terms = Terms()

    agreement: Agreement = Agreement.NONE_OPEN
    given_up_after: timedelta | None = None
    """How long after its last change the platform stops working at it, without a word."""
    is_list_of_waits: bool = False
    """Whether it is a list of what waits for a person: what it lacks has ceased to wait."""
    is_rolled_out_to_units: bool = True
    """Whether its success means that it is on all of its units, as a release is on installs."""
    name_is_of: str = ""
    """What the root's own name names, `component` or `installer`: routes find it by that key."""

    titles: tuple[str, ...] = ()
    step_names: tuple[str, ...] = ()
    unit_names: tuple[str, ...] = ()

    page: Callable[[Entity], DashboardPage | None] = page_of_app
    step_page: Callable[[Entity], DashboardPage | None] | None = None
    unit_page: Callable[[Entity], DashboardPage | None] | None = None
    """Without one of its own a unit's page is its step's, or else that of the whole."""
    subject: Callable[[Entity], tuple[str, ...]] = lambda _: ()
    """What a rollout is about: of two about the same the newer one takes the older one's place.
    Empty where that is not known, or where none takes another's."""
    address_facts: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    """Facts of the root that are addresses to lead people to, with what a link is called."""


class LastSeen(NamedTuple):
    """What the poll before left: the tree, and the ids of what is stalled in it."""

    root: Entity | None = None
    stalled: frozenset[str] = frozenset()


NOTHING_SEEN = LastSeen()


@dataclass(frozen=True, slots=True)
class Finder:
    """How to find what is new: a list with pages, newest first."""

    path: Callable[[str], str]
    """The list's path, for an id; pages are asked for by `offset` and `limit`."""
    record: Callable[[str], str] | None
    """The path of what the list is of, for the same id: a list answers for any id at all.
    None where that is asked for by what leads to the list, or where there is no such thing."""
    decode: Callable[[bytes, str], ListPage]
    """One page and the id asked for; raises MalformedAnswer. What is found can be a list too."""
    id_prefix: str
    """With which the platform begins the ids of what is listed by."""
    watched_by: WatchedBy | None = WatchedBy.ID
    """None where only something else leads to it."""
    locate: Callable[[str, Beside], Wanted | str] | None = None
    """Where the paths need more than the configured id: what to fetch next to find the id for
    them, or that id; raises NuonNotFound where there is none."""
    lists_workflows: bool = False
    """Whether its rows have types, by which they can be chosen."""
    is_of_app: bool = False
    """Whether only what is of an install of one app is followed, the id being that app's."""
    tie_of: Callable[[bytes], str] | None = None
    """Reads from a row's `question` what the row belongs to; empty where it is no change."""
    alternatives: Callable[[str], tuple[Target, ...]] | None = None
    """The lists that find the same on other versions of the platform, for an id: followed where
    this one is missing or empty."""


@dataclass(frozen=True, slots=True)
class WatchKind:
    """One kind of target: its profile, how it is asked for, and how its answers are read."""

    name: str
    """The kind of its targets, and the key of `[[watch]]`."""
    profile: KindProfile
    path: Callable[[str], str]
    """The main document's path, for an id."""
    decode: Callable[[bytes, str, Memo[Any], Beside], Entity]
    """The main document, the id asked for, a memo, the others; raises MalformedAnswer."""
    served: str
    """Which versions of the platform have the endpoint, and what the others have."""
    stand_ins: tuple[str, ...]
    """The keys of `[[watch]]` that show the same on other versions, the best first."""
    id_prefix: str
    """With which the platform begins the ids; several kinds may share it."""
    watched_by: WatchedBy | None = WatchedBy.ID
    """None where only a list leads to it."""
    parts: tuple[Kind, ...] = ()
    """The kinds of entities of its own, beside its profile's and the common ones."""
    finders: Mapping[str, Finder] = field(default_factory=dict[str, Finder])
    """The lists that lead to targets of this kind, by their keys of `[[watch]]`."""
    further: Callable[[bytes, str, Beside, Entity | None], tuple[Wanted, ...]] | None = None
    """What else to fetch, given what is at hand and what was last seen; asked until nothing is."""
    questions: Callable[[bytes, str, Beside, LastSeen], tuple[Question, ...]] | None = None
    """What explains the documents at hand, the most urgent first: what failed, waits or stalls.
    Answers are found beside the others, and may lead to more questions."""
    lists_of: Callable[[Entity], tuple[Target, ...]] | None = None
    """The lists that are to be watched because of what its tree holds."""
    has_members: bool = False
    """Whether the list that leads to it knows what it consists of, which is among the documents
    as `wire.MEMBERS`."""
    webhooks: Callable[[bytes, Beside], Mapping[str, str]] | None = None
    """The webhooks that the platform holds for apps, by the apps' ids, given all documents:
    secrets, never kept."""

    def watched_keys(self) -> Iterator[tuple[str, WatchKind | Finder]]:
        """Yield its own name and those of the lists that lead to it, with what each stands for."""
        yield self.name, self
        yield from self.finders.items()

    def leads_to(self, root: Entity) -> tuple[Target, ...]:
        """Return what else is to be watched because of what a tree holds."""
        return self.lists_of(root) if self.lists_of is not None else ()
