"""What ids are called: names, commits and people, as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec


class Commit(NamedTuple):
    """What something was built from; `message` is the first line. Each may be empty."""

    revision: str
    message: str
    author: str


class Called(msgspec.Struct, frozen=True):
    """What ids are called; each mapping lacks what is not known.

    `names` are those of installs, components, apps and app branches, `apps` the ids of the
    apps that these belong to, `commits` and `components` those of builds (these by their ids),
    `people` the e-mails of accounts.
    """

    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    apps: Mapping[str, str] = msgspec.field(default_factory=dict)
    commits: Mapping[str, Commit] = msgspec.field(default_factory=dict)
    components: Mapping[str, str] = msgspec.field(default_factory=dict)
    people: Mapping[str, str] = msgspec.field(default_factory=dict)
