"""Who and what the simulated platform knows: ids, customers' installs, and who is rolled out.

The same names and seeds always give the same ids.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from functools import cache

_CUSTOMERS = (
    *("acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "wonka"),
    *("tyrell", "cyberdyne", "soylent", "vandelay", "dunder", "pied-piper", "gringotts", "oscorp"),
    *("massive", "aperture", "weyland", "monarch", "nakatomi", "duff", "bluth", "sirius"),
)
_ENVIRONMENTS = ("prod", "eu", "staging", "us", "apac", "dr", "canary", "sandbox")


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what a rollout is about."""

    org_id: str
    app_id: str
    app_name: str
    branch_id: str
    branch_name: str
    component_id: str
    component_name: str
    build_id: str
    commit: str
    account_id: str
    email: str


def cast_of(
    *, app_name: str, branch_name: str, component_name: str, org_id: str, build: str
) -> Cast:
    """Return who and what a rollout is about; the same names have the same ids."""
    return Cast(
        org_id=org_id,
        app_id=id_of("app", app_name),
        app_name=app_name,
        branch_id=id_of("abr", f"{app_name} {branch_name}"),
        branch_name=branch_name,
        component_id=id_of("cmp", f"{app_name} {component_name}"),
        component_name=component_name,
        build_id=id_of("bld", build),
        commit=chance_of("commit", build).randbytes(20).hex(),
        account_id=id_of("acc", "robin"),
        email="robin@example.com",
    )


@cache
def install_of(number: int) -> tuple[str, str]:
    """Return (id, name) of one of the simulated customers' installs, counted from 0."""
    rounds, customer = divmod(number, len(_CUSTOMERS))
    series, environment = divmod(rounds, len(_ENVIRONMENTS))
    name = f"{_CUSTOMERS[customer]}-{_ENVIRONMENTS[(environment + customer) % len(_ENVIRONMENTS)]}"
    if series:
        name += f"-{series + 1}"
    return id_of("inl", name), name


def chance_of(*seed: object) -> random.Random:
    """Return a source of chance that is the same whenever its seed is."""
    return random.Random(" ".join(map(str, seed)))  # noqa: S311 - for times and ids, no secrets


def new_id(kind: str, chance: random.Random) -> str:
    """Return an id as the platform makes them: three letters of a kind, then 23 of a-z0-9."""
    return kind + "".join(chance.choices(string.ascii_lowercase + string.digits, k=23))


def id_of(kind: str, name: str) -> str:
    """Return the id of what has a name, or of what belongs to another record in some way."""
    return new_id(kind, chance_of(kind, name))


def related_id(kind: str, entity_id: str) -> str:
    """Return the id of a record that belongs to another one, of a kind of its own."""
    return kind + entity_id[3:]


ORG_ID = id_of("org", "example")
