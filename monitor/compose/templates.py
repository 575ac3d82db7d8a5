"""Titles, extra fields and links in a user's own words: templates, checked once, then filled in.

A template yields plain text, never markup: what draws a message escapes it like all foreign
text. One that cannot be filled in is left out, and a problem says so: it never raises. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, get_type_hints
from urllib.parse import urlsplit

from jinja2 import Template

from monitor.compose.template_language import (
    REASON_LIMIT,
    VALUE_LIMIT,
    BlankInAddress,
    Refused,
    TemplateEnvironment,
    quoted,
    shown,
)
from monitor.errors import ConfigError, Problem
from monitor.text import WEB_ADDRESS, plain

# All in characters.
NAME_LIMIT = 75
TITLE_LIMIT = 150
FIELD_LIMIT = 300
LINK_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What templates can show of a rollout; what is not known is blank, or 0.

    Foreign texts are made plain before a template gets them.
    """

    kind: Annotated[str, "what is rolled out, such as `release` or `workflow`"] = ""
    id: Annotated[str, "the rollout's id"] = ""
    name: Annotated[str, "the rollout's name, as in the built-in title"] = ""
    component: Annotated[str, "the component's name"] = ""
    component_id: Annotated[str, "the component's id"] = ""
    app: Annotated[str, "the app's name"] = ""
    app_id: Annotated[str, "the app's id"] = ""
    build_id: Annotated[str, "the id of the build that is rolled out"] = ""
    revision: Annotated[str, "the commit; `revision[:7]` is its beginning"] = ""
    commit_message: Annotated[str, "the commit's message, as one line"] = ""
    commit_author: Annotated[str, "who wrote the commit"] = ""
    started_by: Annotated[str, "who started the rollout, by e-mail"] = ""
    status: Annotated[str, "the rollout's status, in the platform's own word"] = ""
    attempt: Annotated[int, "which attempt this is: 1, and more after a retry"] = 1
    installs: Annotated[int, "how many installs it goes to"] = 0
    succeeded: Annotated[int, "how many of them have succeeded"] = 0
    failed: Annotated[int, "how many of them have failed"] = 0
    waiting: Annotated[int, "how many of them wait for a person"] = 0
    steps: Annotated[int, "how many steps it has"] = 0
    step: Annotated[int, "which step is under way, from 1; 0 before the first"] = 0
    started_at: Annotated[str, "when it began, such as `2026-03-01 14:02 UTC`"] = ""
    took: Annotated[str, "how long it has taken so far, such as `12 min`"] = ""
    labels: Annotated[
        Mapping[str, str], "the labels of its watch: `labels.team`, `labels['cost-center']`"
    ] = field(default_factory=dict)
    watch: Annotated[str, "the name of its watch"] = ""


VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        name: hint.__metadata__[0]
        for name, hint in get_type_hints(Facts, include_extras=True).items()
    }
)
"""Each variable of a template, and what it means."""


@dataclass(frozen=True, slots=True)
class FilledTemplates:
    """A user's templates, filled in for one rollout.

    `title` is None where the built-in one is used. `fields` are pairs of a name and a text,
    `links` of a name and an address, both without blank ones. All of it is plain
    text of one line. `problems` says what could not be filled in, and why.
    """

    title: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageTemplates:
    """A user's own templates, sound and ready to be filled in."""

    parts: tuple[_Part, ...]

    @classmethod
    def none(cls) -> MessageTemplates:
        return cls(())

    @classmethod
    def of(
        cls, title: str | None, fields: Mapping[str, str], links: Mapping[str, str]
    ) -> MessageTemplates:
        """Make templates ready; `fields` and `links` map a name to its template.

        Each is tried with an example. Raises ConfigError with every mistake found.
        """
        sources = [
            *([] if title is None else [(_Slot.TITLE, "", title)]),
            *((_Slot.FIELD, name, source) for name, source in fields.items()),
            *((_Slot.LINK, name, source) for name, source in links.items()),
        ]
        parts: list[_Part] = []
        problems: list[Problem] = []
        for slot, name, source in sources:
            try:
                parts.append(_part(slot, name, source))
            except ConfigError as error:
                problems.extend(error.problems)
        if problems:
            raise ConfigError(tuple(problems))
        return cls(tuple(parts))

    def fill(self, facts: Facts) -> FilledTemplates:
        """Fill the templates in for one rollout; never raises."""
        if not self.parts:
            return FilledTemplates()
        variables = _variables(facts)
        outcomes = [(part, part.fill(variables)) for part in self.parts]

        def texts_of(slot: _Slot) -> tuple[tuple[str, str], ...]:
            return tuple(
                (part.name, outcome)
                for part, outcome in outcomes
                if part.slot is slot and isinstance(outcome, str) and outcome
            )

        return FilledTemplates(
            title=next((title for _, title in texts_of(_Slot.TITLE)), None),
            fields=texts_of(_Slot.FIELD),
            links=texts_of(_Slot.LINK),
            problems=tuple(outcome for _, outcome in outcomes if isinstance(outcome, Problem)),
        )


class _Slot(StrEnum):
    """What a template is for, as the configuration names it."""

    TITLE = "title"
    FIELD = "fields"
    LINK = "links"


@dataclass(frozen=True, slots=True)
class _Part:
    """One template with its location in the configuration."""

    slot: _Slot
    name: str
    template: Template

    def fill(self, variables: Mapping[str, object]) -> str | Problem:
        """Return the template filled in, which may be blank, or why that failed."""
        try:
            return self._finished(self.template.render(variables))
        except BlankInAddress:
            return ""
        # Any error of a template: the rest of the message is sent all the same.
        except Exception as error:  # noqa: BLE001
            reason = plain(str(error), REASON_LIMIT, fallback=type(error).__name__)
            return Problem(_location(self.slot, self.name), f"cannot be filled in: {reason}")

    def _finished(self, text: str) -> str:
        match self.slot:
            case _Slot.TITLE:
                return plain(text, TITLE_LIMIT, fallback="")
            case _Slot.FIELD:
                return plain(text, FIELD_LIMIT, fallback="")
            case _Slot.LINK:
                return _address(text.strip())


def _location(slot: _Slot, name: str) -> str:
    return f"templates.{slot}.{name}" if name else f"templates.{slot}"


# Checking a template


def _part(slot: _Slot, name: str, source: str) -> _Part:
    """Raise ConfigError with every mistake in one template."""
    shown_name = plain(name, NAME_LIMIT, fallback="")
    location = _location(slot, shown_name)
    if slot is not _Slot.TITLE and not shown_name:
        raise ConfigError((Problem(location, "each needs a name that can be read"),))
    if len(name) > NAME_LIMIT:
        raise ConfigError((Problem(location, f"a name of at most {NAME_LIMIT} characters"),))
    environment = TemplateEnvironment(VARIABLES, finalize=quoted if slot is _Slot.LINK else shown)
    try:
        part = _Part(slot, shown_name, environment.compiled(source))
    except Refused as refused:
        raise ConfigError(
            tuple(Problem(location, reason) for reason in refused.reasons)
        ) from refused
    outcome = part.fill(_EXAMPLE)
    if isinstance(outcome, Problem):
        raise ConfigError((outcome,))
    return part


# Filling it in


def _variables(facts: Facts) -> Mapping[str, object]:
    return {name: _harmless(getattr(facts, name)) for name in VARIABLES}


def _harmless(value: str | int | Mapping[str, str]) -> object:
    match value:
        case str():
            return plain(value, VALUE_LIMIT, fallback="")
        case int():
            return value
        case _:
            return {key: plain(text, VALUE_LIMIT, fallback="") for key, text in value.items()}


def _address(text: str) -> str:
    """Return what is an address that may be linked, or blank; raise ValueError for all else."""
    if not text:
        return ""
    if len(text) > LINK_LIMIT:
        raise ValueError(f"an address has at most {LINK_LIMIT} characters")
    if not WEB_ADDRESS.fullmatch(text):
        raise ValueError(f"no http or https address: {text}")
    parts = urlsplit(text)
    if parts.port == 0:
        raise ValueError("there is no port 0")
    if {".", ".."} & set(parts.path.split("/")):
        raise ValueError("a part of the path that is `.` or `..` leads elsewhere")
    return text


class _AnyLabel(dict[str, str]):
    """Labels for an example: which ones a watch has is not known here."""

    def __missing__(self, name: str) -> str:
        return "example"


_EXAMPLE: Mapping[str, object] = {
    **_variables(
        Facts(
            kind="release",
            id="relexample",
            name="checkout-api",
            component="checkout-api",
            component_id="cmpexample",
            app="shop",
            app_id="appexample",
            build_id="bldexample",
            revision="4f2a9c1d",
            commit_message="Take payments twice as fast",
            commit_author="Anna Example",
            started_by="anna@vendor.example",
            status="executing_release_steps",
            installs=48,
            succeeded=31,
            failed=1,
            waiting=2,
            steps=3,
            step=2,
            started_at="2026-03-01 14:02 UTC",
            took="12 min",
            watch="production",
        )
    ),
    "labels": _AnyLabel(),
}
